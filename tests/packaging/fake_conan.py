# SPDX-License-Identifier: MIT
"""As much of Conan 2 as the recipe asks for: what copies files copies them, the rest is written down. tools/packaging/test.py
runs the recipe under Conan itself, where that is at hand."""
import fnmatch
import shutil
import sys
import types
from pathlib import Path


class Settings(dict):
    __getattr__ = dict.__getitem__
    get_safe = dict.get


class Options(dict):
    __getattr__ = dict.__getitem__

    def __delattr__(self, name):
        del self[name]

    def rm_safe(self, name):
        self.pop(name, None)


class Component:
    def __init__(self):
        self.properties, self.libs, self.defines, self.requires, self.system_libs = {}, [], [], [], []
        self.libdirs, self.bindirs, self.includedirs = ["lib"], ["bin"], ["include"]

    def set_property(self, name, value):
        self.properties[name] = value


class CppInfo(Component):
    def __init__(self):
        super().__init__()
        self.components = {"moeclip": Component(), "compiled": Component()}


class Cleared:
    was_cleared = False

    def clear(self):
        self.was_cleared = True


class ConanFile:
    version = None

    def __init__(self, recipe_folder, system, compiled):
        self.recipe_folder = str(recipe_folder)
        self.settings = Settings(os=system, arch="x86_64", compiler="gcc", build_type="Release")
        self.options = Options(self.default_options, compiled=compiled)
        self.info = Cleared()
        self.info.options = self.options
        self.cpp_info, self.calls = CppInfo(), []


class CMakeToolchain:
    def __init__(self, conanfile):
        self.conanfile, self.cache_variables = conanfile, {}

    def generate(self):
        self.conanfile.calls.append(("generate", self.cache_variables))


class CMake:
    def __init__(self, conanfile):
        self.conanfile = conanfile

    def configure(self):
        self.conanfile.calls.append(("configure",))

    def build(self):
        self.conanfile.calls.append(("build",))

    def install(self):
        self.conanfile.calls.append(("install",))


def copy(_, pattern, source, target):
    """Like Conan's, whose * goes into folders."""
    for path in Path(source).rglob("*"):
        name = path.relative_to(source).as_posix()
        if path.is_file() and fnmatch.fnmatch(name, pattern):
            place = Path(target) / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)


def install():
    """Makes `import conan` find this."""
    modules = {
        "conan": {"ConanFile": ConanFile},
        "conan.tools.build": {"check_min_cppstd": lambda *_: None, "can_run": lambda _: True},
        "conan.tools.cmake": {"CMake": CMake, "CMakeToolchain": CMakeToolchain, "cmake_layout": lambda _: None},
        "conan.tools.files": {"copy": copy, "load": lambda _, path: Path(path).read_text(),
                              "rmdir": lambda _, path: shutil.rmtree(path, ignore_errors=True)},
    }
    for name, members in modules.items():
        module = types.ModuleType(name)
        vars(module).update(members)
        sys.modules[name] = module

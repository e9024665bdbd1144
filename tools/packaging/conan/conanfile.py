# SPDX-License-Identifier: MIT
"""Conan 2 recipe of the tree that it lies in: conan create tools/packaging/conan. It needs no other package."""
import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, rmdir

TREE = os.path.join("..", "..", "..")  # from the recipe's folder


class MoeclipConan(ConanFile):
    name = "moeclip"
    description = "Zero-shot anomaly detection with MoECLIP on a CPU, header-only C++20"
    license = "MIT"
    topics = ("anomaly-detection", "clip", "computer-vision", "header-only")
    package_type = "static-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"compiled": [True, False], "fPIC": [True, False]}
    default_options = {"compiled": True, "fPIC": True}

    def set_version(self):
        header = os.path.join(self.recipe_folder, TREE, "include", "moeclip", "base", "version.hpp")
        self.version = self.version or re.search(r'MOECLIP_VERSION_STRING "(.+)"', load(self, header)).group(1)

    def export_sources(self):
        for pattern in ("CMakeLists.txt", "LICENSE", "include/*", "tools/compiled/*", "tools/dev/*.cmake",
                        "tools/moeclip/data/*", "tools/packaging/*"):
            copy(self, pattern, os.path.join(self.recipe_folder, TREE), self.export_sources_folder)

    def config_options(self):
        if self.settings.os == "Windows":
            del self.options.fPIC

    def configure(self):
        if not self.options.compiled:
            self.package_type = "header-library"
            self.options.rm_safe("fPIC")

    def layout(self):
        cmake_layout(self)

    def package_id(self):
        if not self.info.options.compiled:
            self.info.clear()

    def validate(self):
        check_min_cppstd(self, 20)

    def generate(self):
        toolchain = CMakeToolchain(self)
        for part in ("TESTS", "BENCH", "EXAMPLES", "TOOLS"):
            toolchain.cache_variables[f"MOECLIP_BUILD_{part}"] = False
        toolchain.cache_variables["MOECLIP_BUILD_COMPILED"] = bool(self.options.compiled)
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        CMake(self).install()
        for folder in (("lib", "cmake"), ("lib", "pkgconfig"), ("share", "doc")):  # Conan writes its own
            rmdir(self, os.path.join(self.package_folder, *folder))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "moeclip")
        headers = self.cpp_info.components["moeclip"]
        headers.set_property("cmake_target_name", "moeclip::moeclip")
        headers.set_property("pkg_config_name", "moeclip")
        headers.libdirs = headers.bindirs = []
        data = os.path.join(self.package_folder, "share", "moeclip").replace("\\", "/")
        headers.defines = [f'MOECLIP_DATA_DIRECTORY="{data}"']
        if self.settings.get_safe("os") in ("Linux", "FreeBSD"):
            headers.system_libs = ["pthread"]
        if self.options.compiled:
            compiled = self.cpp_info.components["compiled"]
            compiled.set_property("cmake_target_name", "moeclip::compiled")
            compiled.set_property("pkg_config_name", "moeclip-compiled")
            compiled.libs = ["moeclip_compiled"]
            compiled.defines = ["MOECLIP_COMPILED"]
            if self.settings.build_type == "Debug":
                compiled.defines.append("MOECLIP_ENABLE_ASSERT")  # as it was built (tools/packaging/install.cmake)
            compiled.requires = ["moeclip"]

# SPDX-License-Identifier: MIT
"""The recipes in tools/packaging as far as that is quick: they are run against stand-ins for vcpkg and Conan, and all say
the same version. tools/packaging/test.py builds with them.

usage: test_recipes.py [unittest options]
"""
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "tools" / "packaging"
VERSION = re.search(r'MOECLIP_VERSION_STRING "(.+)"', (ROOT / "include/moeclip/base/version.hpp").read_text()).group(1)


def load_recipe(path):
    spec = importlib.util.spec_from_file_location("recipe", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Recipes(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="moeclip-packaging-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_command(self, *command):
        done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def test_vcpkg_port_installs_the_headers(self):
        port, packages = PACKAGING / "vcpkg" / "moeclip", self.folder / "packages"
        self.run_command("cmake", f"-DCURRENT_PORT_DIR={port}", f"-DCURRENT_PACKAGES_DIR={packages}",
                         f"-DWORK={self.folder / 'work'}", "-DFEATURES=core", "-P", Path(__file__).with_name("vcpkg.cmake"))
        files = {path.relative_to(packages).as_posix() for path in packages.rglob("*") if path.is_file()}
        share = {name for name in files if not name.startswith("include/moeclip/")}
        self.assertEqual(share, {"lib/pkgconfig/moeclip.pc"} | {f"share/moeclip/{name}" for name in (
            "moeclipConfig.cmake", "moeclipConfigVersion.cmake", "moeclipTargets.cmake", "copyright", "usage",
            "bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_LICENSE.txt", "class_words.json")})
        self.assertIn("include/moeclip/moeclip.hpp", files)
        (self.folder / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.25)\nproject(user LANGUAGES CXX)\nfind_package(moeclip CONFIG REQUIRED)\n"
            "get_target_property(definitions moeclip::moeclip INTERFACE_COMPILE_DEFINITIONS)\n"
            "get_target_property(include moeclip::moeclip INTERFACE_INCLUDE_DIRECTORIES)\n"
            "message(STATUS \"${definitions} ${include}\")\n")
        said = self.run_command("cmake", "-S", self.folder, "-B", self.folder / "user", f"-DCMAKE_PREFIX_PATH={packages}")
        self.assertIn(f'MOECLIP_DATA_DIRECTORY="{packages}/share/moeclip" {packages}/include', said)

    def test_vcpkg_manifest(self):
        manifest = json.loads((PACKAGING / "vcpkg/moeclip/vcpkg.json").read_text())
        self.assertEqual((manifest["name"], manifest["version-semver"], manifest["license"]), ("moeclip", VERSION, "MIT"))
        self.assertEqual(set(manifest["features"]), {"compiled", "tool"})

    def recipe(self, system, compiled):
        if str(Path(__file__).parent) not in sys.path:
            sys.path.insert(0, str(Path(__file__).parent))
        import fake_conan
        fake_conan.install()
        sys.dont_write_bytecode = True
        recipe = load_recipe(PACKAGING / "conan" / "conanfile.py").MoeclipConan(PACKAGING / "conan", system, compiled)
        recipe.set_version()
        recipe.config_options()
        recipe.configure()
        return recipe

    def test_conan_exports_what_a_build_needs(self):
        recipe = self.recipe("Linux", False)
        self.assertEqual(recipe.version, VERSION)
        recipe.export_sources_folder = str(self.folder / "sources")
        recipe.export_sources()
        recipe.generate()
        (_, variables), = recipe.calls
        settings = [f"-D{name}={'ON' if value else 'OFF'}" for name, value in variables.items()]
        self.run_command("cmake", "-S", self.folder / "sources", "-B", self.folder / "build", *settings)
        recipe.package_folder = str(self.folder / "package")
        self.run_command("cmake", "--install", self.folder / "build", "--prefix", recipe.package_folder)
        recipe.source_folder = recipe.export_sources_folder
        recipe.package()
        places = {path.relative_to(recipe.package_folder).parts[0]
                  for path in (self.folder / "package").rglob("*") if path.is_file()}
        self.assertEqual(places, {"include", "licenses", "share"})

    def test_conan_says_how_to_link(self):
        for system, compiled in (("Linux", True), ("Linux", False), ("Windows", True)):
            recipe = self.recipe(system, compiled)
            recipe.package_folder = str(self.folder)
            recipe.package_info()
            recipe.package_id()
            headers, library = recipe.cpp_info.components["moeclip"], recipe.cpp_info.components["compiled"]
            self.assertEqual(headers.properties["cmake_target_name"], "moeclip::moeclip")
            self.assertEqual(headers.defines, [f'MOECLIP_DATA_DIRECTORY="{self.folder}/share/moeclip"'])
            self.assertEqual(headers.system_libs, ["pthread"] if system == "Linux" else [])
            self.assertEqual(library.libs, ["moeclip_compiled"] if compiled else [])
            self.assertEqual(library.requires, ["moeclip"] if compiled else [])
            self.assertEqual(recipe.info.was_cleared, not compiled)
            self.assertEqual("fPIC" in recipe.options, compiled and system != "Windows")

    def test_wrap_names_its_archive(self):
        sys.path.insert(0, str(PACKAGING))
        import make_release
        archive = self.folder / "source.tar.gz"
        archive.write_bytes(b"source")
        text = make_release.wrap(self.folder, archive, "https://example.org/x").read_text()
        self.assertIn(f"source_url = https://example.org/x/moeclip-{VERSION}.tar.gz\n", text)
        self.assertIn("source_hash = 41cf6794ba4200b839c53531555f0f3998df4cbb01a4d5cb0b94e3ca5e23947d\n", text)
        self.assertNotIn("@", text)
        names = re.search(r"\[provide\]\n(.*)", text, re.S).group(1)
        overrides = re.findall(r"override_dependency\('([^']*)', (\w+)\)", (ROOT / "meson.build").read_text())
        self.assertEqual(dict(re.findall(r"(\S+) = (\S+)", names)), dict(overrides))
        self.assertIn("First version", make_release.notes())


class Workflows(unittest.TestCase):
    """GitHub's runners are not here: what their files name must at least be there, and their expressions be known."""

    def test_files_name_what_is_there(self):
        try:
            import yaml
        except ImportError:
            self.skipTest("there is no PyYAML here (Debian: python3-yaml)")
        presets = json.loads((ROOT / "CMakePresets.json").read_text())
        known = {kind: {preset["name"] for preset in presets[f"{kind}Presets"]} for kind in ("configure", "workflow")}
        contexts = r"(github|matrix|env|secrets|steps|runner)\.[\w.-]+"
        for path in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
            text = path.read_text()
            workflow = yaml.safe_load(text)
            self.assertIn(True, workflow)  # `on`, as YAML 1.1 reads it
            self.assertLessEqual(set(workflow), {"name", True, "jobs", "permissions", "concurrency"}, path.name)
            for expression in re.findall(r"\$\{\{(.*?)\}\}", text):
                self.assertRegex(expression.strip(), rf"^{contexts}$", path.name)
            for name, job in workflow["jobs"].items():
                self.assertLessEqual({"runs-on", "steps", "timeout-minutes"}, set(job), name)
                matrix = job.get("strategy", {}).get("matrix", {})
                keys = set(matrix) - {"include"} | {key for row in matrix.get("include", []) for key in row}
                self.assertLessEqual(set(re.findall(r"matrix\.([\w-]+)", str(job))), keys, name)
                for step in job["steps"]:
                    self.assertEqual(len({"run", "uses"} & set(step)), 1, step)
                    self.check_commands(step.get("run", ""), known)

    def check_commands(self, text, known):
        for script in re.findall(r"(?:python3|bash) ((?:tools|\.ci)/\S+)", text):
            self.assertTrue((ROOT / script).is_file(), script)
        self.assertLessEqual(set(re.findall(r"--workflow --preset (\S+)", text)), known["workflow"], text)
        used = set(re.findall(r"--preset (\S+)", text))
        if "make_release.py dist" in text:
            used |= set(re.search(r"dist ((?:[\w-]+ )*?)--url", text).group(1).split())
        self.assertLessEqual(used, known["configure"], text)


if __name__ == "__main__":
    unittest.main()

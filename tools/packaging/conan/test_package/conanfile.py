# SPDX-License-Identifier: MIT
"""Builds and runs the smallest user of the library (tests/consume) against the package."""
import os

from conan import ConanFile
from conan.tools.build import can_run
from conan.tools.cmake import CMake, cmake_layout
from conan.tools.files import copy


class MoeclipTest(ConanFile):
    settings = "os", "arch", "compiler", "build_type"
    generators = "CMakeDeps", "CMakeToolchain"
    test_type = "explicit"

    def requirements(self):
        self.requires(self.tested_reference_str)

    def layout(self):
        cmake_layout(self)

    def build(self):
        consume = os.path.join(self.recipe_folder, "..", "..", "..", "..", "tests", "consume")
        copy(self, "main.cpp", consume, self.build_folder)
        target = "compiled" if self.dependencies["moeclip"].options.compiled else "moeclip"
        cmake = CMake(self)
        cmake.configure(variables={"MOECLIP_TARGET": target, "CONSUMER": os.path.join(self.build_folder, "main.cpp")})
        cmake.build()

    def test(self):
        if can_run(self):
            self.run(os.path.join(self.cpp.build.bindir, "consumer"), env="conanrun")

# SPDX-License-Identifier: MIT
"""Every public header compiles alone, and may be included twice, with the compiled library, where headers only declare
(check_includes.py sees to their definitions). What a header includes anyway may come from a precompiled header: that
hides nothing, and takes a third of the time.

usage: compile_alone.py COMPILER FOLDER
"""
import concurrent.futures
import functools
import os
import re
import subprocess
import sys
from pathlib import Path

INCLUDE = Path(__file__).resolve().parents[2] / "include"
# Precompiled, in an order in which each may be built with one before it.
SHARED = ("base/error.hpp", "io/json.hpp", "tensor/tensor.hpp", "io/weight_file.hpp", "image/image.hpp", "nn/block.hpp",
          "clip/vision.hpp", "anomaly/detector.hpp")
FLAGS = ("-std=c++20", "-DMOECLIP_COMPILED", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{INCLUDE}")


@functools.cache
def reached(path):
    """The headers of ours that one includes where it declares, through others too; itself among them."""
    door = path.read_text(encoding="utf-8").split("\n#if MOECLIP_DEFINES")[0]
    found = {path}
    for name in re.findall(r'^#include "(.+)"', door, re.M):
        found |= reached((path.parent / name).resolve())
    return frozenset(found)


class Compiler:
    def __init__(self, command, folder):
        self.command, self.folder, self.precompiled = command, folder, []
        version = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
        self.is_clang = "clang" in version

    def shared_by(self, path):
        """Options that bring in the largest of the precompiled headers that `path` includes."""
        usable = [entry for entry in self.precompiled if entry[0] in reached(path) and entry[0] != path]
        if not usable:
            return []
        place = max(usable, key=lambda entry: len(reached(entry[0])))[1]
        return ["-include-pch", f"{place}.pch"] if self.is_clang else ["-include", place]

    def run(self, path, *words):
        """Compiles two lines that include a header; what the compiler says."""
        text = f"#include <{path.relative_to(INCLUDE)}>\n" * 2
        return subprocess.run([self.command, *FLAGS, *words], input=text, capture_output=True, text=True).stderr

    def precompile(self, path):
        place = str(self.folder / path.relative_to(INCLUDE).as_posix().replace("/", "_"))
        Path(place).write_text(f"#include <{path.relative_to(INCLUDE)}>\n", encoding="utf-8")
        told = self.run(path, "-x", "c++-header", place, "-o", place + (".pch" if self.is_clang else ".gch"))
        self.precompiled.append((path, place))
        return told

    def check(self, path):
        return self.run(path, *self.shared_by(path), "-fsyntax-only", "-x", "c++", "-")


def main():
    compiler = Compiler(sys.argv[1], Path(sys.argv[2]))
    compiler.folder.mkdir(parents=True, exist_ok=True)
    library = INCLUDE / "moeclip"
    told = [compiler.precompile(library / name) for name in SHARED]
    headers = sorted(library.glob("*.hpp")) + sorted(library.glob("*/*.hpp"))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        told += pool.map(compiler.check, headers)
    told = [text for text in told if text]
    print(*told, f"{len(headers)} headers, {len(told)} complaints", sep="\n")
    sys.exit(1 if told else 0)


main()

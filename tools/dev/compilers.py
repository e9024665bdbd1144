# SPDX-License-Identifier: MIT
"""Tries the library with every compiler that this machine has, and prints a table.

usage: compilers.py [--only WORD] [--part read|run]

  --only WORD   compilers whose name holds WORD (clang, g++-12)
  --part read   read the umbrellas only; nothing is compiled, linked or run
  --part run    the program only

For each compiler, with C++20 and C++23: the three umbrellas are read with all warnings as errors, and once more without
exceptions and RTTI; a program is compiled, linked and run in both modes (headers only, compiled) and without exceptions,
where a broken contract must reach the handler. Clang is tried with libstdc++ and, where that is installed, with libc++.
A compiler is left out where its library cannot compile a program of one standard header. Ends with 1 if anything failed.
Debian: apt install g++-11 g++-12 clang-13 clang-14 clang-15 clang-16 clang-19 libc++-14-dev libc++abi-14-dev
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cpp_source import INCLUDE, UMBRELLAS

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Wold-style-cast", "-Werror"]
NO_EXTRAS = ["-fno-exceptions", "-fno-rtti"]
HEADS = {"read": ("warnings", "no exceptions"), "run": ("headers only", "compiled", "handler")}
STANDARDS = (("20",), ("23", "2b"))  # and what older compilers call them
READ_ALL = "".join(f"#include <moeclip/{name}>\n" for name in UMBRELLAS) + "int main() {}\n"

PROGRAM = """
#include <cstdio>
#include <cstdlib>
#include <moeclip/image/png.hpp>
#include <moeclip/image/read_image.hpp>
#include <moeclip/image/resize.hpp>
#include <moeclip/io/json.hpp>
#include <moeclip/kernels/gemm.hpp>

using namespace moeclip;

int main(int argc, char**) {
  Context context({.threads = 2});
  Image picture(31, 17, 3), square(14, 14, 3);
  for (index_t i = 0; i < picture.size(); ++i) picture.data()[i] = static_cast<std::uint8_t>(i * 7 % 251);
  const Image read = decode_image(encode_png(picture.view()), "picture");
  resize_to_rgb(context, read.view(), square);
  std::vector<float> a(5 * 7, 0.5f), b(7 * 3, 2.0f), c(5 * 3);
  const auto packed = kernels::pack<float>(context, 7, 3, kernels::row_major(b.data(), 3));
  kernels::gemm<float>(context, 5, kernels::row_major(a.data(), 7), packed, c.data(), 3);
  const Json json = parse_json("[1, {\\"a\\": 2}]", "json");
  std::printf("%d %d %g %d\\n", read.data()[40], square.data()[100], static_cast<double>(c[14]), static_cast<int>(json.size()));
#if MOECLIP_HAS_EXCEPTIONS
  try {
    Image(-argc, 1, 3);
  } catch (const Error& error) {
    std::printf("%s: %s\\n", to_string(error.code()), error.what());
    return 0;
  }
#else
  set_error_handler([](const Error& error) {
    std::printf("%s: %s\\n", to_string(error.code()), error.what());
    std::fflush(stdout);
    std::_Exit(0);
  });
  Image(-argc, 1, 3);
#endif
  return 1;
}
"""
PARTS = ("base", "kernels", "io", "image")  # of the compiled library that the program needs


def found_compilers():
    """Names of compilers, oldest first; one that is reached by several names once."""
    names = {}
    for folder in os.environ["PATH"].split(os.pathsep):
        for path in Path(folder).glob("*++*") if Path(folder).is_dir() else []:
            match = re.fullmatch(r"(clang|g)\+\+(?:-(\d+))?", path.name)
            if match and os.access(path, os.X_OK):
                names.setdefault(path.resolve(), []).append((match.group(1), int(match.group(2) or 0), path.name))
    best = [max(known, key=lambda entry: entry[1]) for known in names.values()]
    return [name for _, _, name in sorted(best)]


class Trial:
    """One compiler with one standard library and one standard."""

    def __init__(self, compiler, library, standard, folder):
        self.command = [compiler, f"-std=c++{standard}", *library, f"-I{INCLUDE.parent}", "-pthread"]
        self.folder = folder
        self.failures = []

    def runs(self, name, command, source=None):
        """Whether a command succeeds; what it said is kept otherwise."""
        done = subprocess.run(command, input=source, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        if done.returncode != 0:
            self.failures.append((name, " ".join(map(str, command)), done.stdout))
        return done.returncode == 0, done.stdout

    def reads(self, name, source, *flags):
        return self.runs(name, [*self.command, *flags, "-fsyntax-only", "-x", "c++", "-"], source)[0]

    def prints(self, name, flags, sources, wanted):
        """Whether the program of these sources prints what it must."""
        program = self.folder / "program"
        is_linked, _ = self.runs(name, [*self.command, "-O0", *flags, *sources, "-o", program])
        if not is_linked:
            return False
        is_fine, text = self.runs(name + ", run", [program])
        if is_fine and wanted and text != wanted:
            self.failures.append((name, "prints", text + "instead of\n" + wanted))
            return False
        return text if is_fine else False


def try_one(compiler, library, standard, parts, wanted, folder):
    """The cells of a row of the table, and the trial that tells what failed."""
    trial = Trial(compiler, library, standard, folder)
    if not trial.reads("standard library", "#include <algorithm>\n#include <atomic>\n#include <charconv>\nint main() {}\n"):
        return None, trial
    cells = []
    if "read" in parts:
        cells += [trial.reads("warnings", READ_ALL, *WARNINGS),
                  trial.reads("no exceptions", READ_ALL, *NO_EXTRAS, "-Wall", "-Wextra", "-Werror")]
    if "run" not in parts:
        return cells, trial
    source = folder / "program.cpp"
    source.write_text(PROGRAM, encoding="utf-8")
    first = trial.prints("headers only", [], [source], wanted.get("text"))
    wanted.setdefault("text", first or None)
    library_sources = [INCLUDE.parents[1] / "tools" / "compiled" / f"{part}.cpp" for part in PARTS]
    cells += [bool(first), bool(trial.prints("compiled", ["-DMOECLIP_COMPILED"], [source, *library_sources], wanted["text"])),
              bool(trial.prints("handler", NO_EXTRAS, [source], wanted["text"]))]
    return cells, trial


def rows(only, parts, folder):
    """(compiler, its version, standard library, standard, cells, trial) of each combination."""
    wanted = {}
    for compiler in found_compilers():
        if only not in compiler:
            continue
        version = subprocess.run([compiler, "-dumpfullversion" if compiler.startswith("g") else "-dumpversion"],
                                 stdout=subprocess.PIPE, text=True).stdout.strip()
        for library in [[]] + ([["-stdlib=libc++"]] if compiler.startswith("clang") else []):
            for spellings in STANDARDS:
                for standard in spellings:
                    cells, trial = try_one(compiler, library, standard, parts, wanted, folder)
                    if cells is not None:
                        break
                name = "libc++" if library else "libstdc++"
                yield compiler, version, name, spellings[0], cells, trial


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", metavar="WORD")
    parser.add_argument("--part", choices=HEADS)
    arguments = parser.parse_args()
    parts = [arguments.part] if arguments.part else list(HEADS)
    heads = [head for part in parts for head in HEADS[part]]
    print("| compiler | library | C++ |", " | ".join(heads), "| s |")
    print("|---|---|---|" + "---|" * len(heads) + "---|", flush=True)
    failures, start = [], time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for compiler, version, library, standard, cells, trial in rows(arguments.only, parts, Path(folder)):
            took, start = time.monotonic() - start, time.monotonic()
            if cells is None:
                print(f"| {compiler} {version} | {library} | {standard} | left out: no such library or standard |", flush=True)
                continue
            marks = " | ".join("yes" if cell else "NO" for cell in cells)
            print(f"| {compiler} {version} | {library} | {standard} | {marks} | {took:.0f} |", flush=True)
            failures += [(compiler, library, standard, *failure) for failure in trial.failures]
    for compiler, library, standard, name, command, text in failures:
        errors = [line for line in text.splitlines() if re.search(r"error|undefined|instead", line)][:6]
        print(f"\n{compiler}, {library}, C++{standard}, {name}: {command}", *(errors or text.splitlines()[-6:]), sep="\n  ")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()

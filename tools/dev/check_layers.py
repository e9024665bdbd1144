# SPDX-License-Identifier: MIT
"""Checks the rules of the house that a compiler does not: who may include what, and what every source file looks like.

usage: check_layers.py      prints one line per breach and fails if there is any
"""
import re
import sys

import generate_umbrella
from cpp_source import (INCLUDE, NAMESPACE, RANKS, ROOT, UMBRELLAS, code_only, included, includes, listed_files, relative,
                        room, sources, without_comments)

# Slow to compile, bound to a locale, or not in GCC 12.
FORBIDDEN = {"iostream", "sstream", "regex", "ranges", "functional", "random", "format"}
# One header each, with what lies behind it, may know these.
ONLY_IN = {
    "thread": "base/thread_pool.hpp",
    "filesystem": "io/file.hpp", "fstream": "io/file.hpp", "unistd.h": "io/file.hpp", "fcntl.h": "io/file.hpp",
    "windows.h": "io/file.hpp",
}
ONLY_IN_PREFIX = {"sys/": "io/file.hpp"}
# Intrinsics come into every file through these alone; no file asks the preprocessor what -m flags it is built with.
ISA_FILES = ("kernels/isa/", "kernels/isa.hpp", "kernels/dispatch.hpp")
ISA_ONLY = re.compile(r"(immintrin|arm_neon|wasm_simd128|cpuid|intrin|sys/auxv|asm/hwcap)\.h$")
ISA_MACRO = re.compile(r"\b__(AVX\w*|FMA|F16C|SSE\w*|ARM_NEON\w*)__\b|\b__ARM_NEON\b")


def check_includes(path, text, report):
    """Ranks, forbidden standard headers, and the headers that only one file may know."""
    name = path.relative_to(INCLUDE).as_posix()
    folder = name.split("/")[0]
    for line, delimiter, target in includes(text):
        def breach(message):
            report(path, line, message)
        if delimiter == '"':
            # A .inl is pasted into a header of its own folder, whose include paths it then uses.
            found = (path.parent / target).resolve()
            if not found.exists():
                breach(f'"{target}" does not exist')
            elif name not in UMBRELLAS:
                other = found.relative_to(INCLUDE).parts[0]
                if other in UMBRELLAS:
                    breach("a header of the library includes an umbrella")
                elif other != folder and RANKS[other] >= RANKS[folder]:
                    breach(f"{folder}/ (rank {RANKS[folder]}) includes {other}/ (rank {RANKS[other]})")
            continue
        owner = ONLY_IN.get(target) or next((v for k, v in ONLY_IN_PREFIX.items() if target.startswith(k)), None)
        if target.startswith("moeclip/"):
            breach("headers of the library include each other by relative path")
        elif target in FORBIDDEN:
            breach(f"<{target}> is not for headers of this library")
        elif ISA_ONLY.search(target):
            if not name.startswith(ISA_FILES):
                breach(f"<{target}> is for {', '.join(ISA_FILES)} only")
        elif owner is not None and not name.startswith((owner, owner.removesuffix(".hpp") + "/")):
            breach(f"<{target}> is for {owner} only")
    for match in ISA_MACRO.finditer(without_comments(text)):
        report(path, text.count("\n", 0, match.start()) + 1, f"{match.group()} makes the tokens depend on -m flags")


def check_rooms(path, text, report):
    """What lies in a sub-folder of a folder is for the folder's own headers and for its neighbours in there."""
    parts = path.relative_to(INCLUDE).parts if path.is_relative_to(INCLUDE) else ()
    own_folder, own_room = parts[0] if len(parts) > 1 else None, room(path)
    for line, found in included(path, text):
        inside = room(found)
        if inside is None:
            continue
        folder, name = inside
        if folder != own_folder:
            report(path, line, f"{folder}/{name}/ is private to {folder}/; include a header of {folder}/ itself")
        elif own_room not in (None, inside) and folder != "kernels":  # whose .inl are pasted, not included
            report(path, line, f"{'/'.join(own_room)}/ includes the inside of {folder}/{name}/; {folder}/ has the door")


def check_namespace(path, text, report):
    """Each header's names are in the one namespace, spelled out, so that tools without a preprocessor see them."""
    for match in re.finditer(r"^[^\n]*\bnamespace\s+moeclip\b[^\n]*", code_only(text), re.M):
        line = match.group().strip()
        if not line.startswith((NAMESPACE, "}")) and not re.match(r"using\b", line):
            report(path, text.count("\n", 0, match.start()) + 1, f"the namespace is opened with `{NAMESPACE}`")
    if re.search(r"\binline\s+namespace\b", code_only(text).replace(NAMESPACE, "")):
        report(path, 1, "an inline namespace of its own")
    declares = re.search(r"[;}]", code_only(text))
    if path.suffix == ".hpp" and declares and NAMESPACE not in text:
        report(path, 1, f"declares something outside of `{NAMESPACE}`")


def check_header(path, text, report):
    lines = text.split("\n")
    if path.suffix == ".hpp" and "#pragma once" not in lines[:3]:
        report(path, 2, "#pragma once is missing below the SPDX line")
    if path.suffix == ".hpp" and not any(line.startswith("//") for line in lines[2:4]):
        report(path, 3, "the paragraph of purpose is missing")


# Spelled so that this file does not find itself.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
MACHINE_PATH = re.compile(r"(?<![\w.])/(work|home|root|Users)/\w")
SOURCE_SUFFIXES = {".hpp", ".inl", ".cpp", ".py", ".cmake", ".sh", ".build", ".in", ".yml"}


def check_text(path, report):
    """SPDX line, ASCII, nothing unfinished, no path of someone's machine, no tabs or trailing blanks."""
    source = path.suffix in SOURCE_SUFFIXES or path.name in ("CMakeLists.txt", "run")
    if not path.is_file() or not (source or path.name in ("README.md", "CMakePresets.json")):
        return
    text = path.read_text(encoding="utf-8")
    if source and "SPDX-License-Identifier: MIT" not in "\n".join(text.split("\n")[:3]):
        report(path, 1, "the SPDX line is missing")
    for number, line in enumerate(text.split("\n"), 1):
        if source and not line.isascii():
            report(path, number, "not ASCII")
        if UNFINISHED.search(line):
            report(path, number, "unfinished work is not left in the source")
        if MACHINE_PATH.search(line):
            report(path, number, "a path of one machine")
        if source and (line != line.rstrip() or "\t" in line):
            report(path, number, "a tab or a blank at the end of the line")


def main():
    breaches = []

    def report(path, line, message):
        breaches.append(f"{relative(path)}:{line}: {message}")

    for path in sources("include"):
        text = path.read_text(encoding="utf-8")
        check_includes(path, text, report)
        check_namespace(path, text, report)
    for path in sources("include", "tools", "bench", "examples"):  # tests may look into the rooms
        check_rooms(path, path.read_text(encoding="utf-8"), report)
    for path in sources("include", "tests", "tools", "bench", suffixes=(".hpp",)):
        check_header(path, path.read_text(encoding="utf-8"), report)
    for path in listed_files():
        check_text(path, report)
    for path in generate_umbrella.stale():
        report(path, 1, "out of date; run tools/dev/generate_umbrella.py")

    print(*breaches, sep="\n", end="\n" if breaches else "")
    print(f"check_layers: {len(breaches)} breaches")
    sys.exit(1 if breaches else 0)


main()

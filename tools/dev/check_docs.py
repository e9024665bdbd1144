# SPDX-License-Identifier: MIT
"""Checks what the READMEs and the comments of sources say about files: whatever they name is there. Each folder of the
library has a README, which names every header of the folder, and the picture of the folders and the reading routes in
include/moeclip/README.md are true (draw_folders.py). Each lesson of the course is in its syllabus, and each exercise is
solved by a test. Presets, targets and options of CMake that READMEs name are there.

usage: check_docs.py
"""
import json
import re
import sys

import draw_folders
from cpp_source import INCLUDE, RANKS, ROOT, TOKEN, listed_files, relative

NAMED = re.compile(r"(?<![\w./<>-])(?:[\w*-]+/|\.\./)*[\w*-]+\.(?:hpp|inl|cpp|md|py|sh|cmake)\b(?!\()")
FENCE = re.compile(r"^```.*?^```", re.M | re.S)
# A link to an address: what it is called is a file of somebody else.
ADDRESS = re.compile(r"\[[^\]]*\]\([a-z]+://[^)]*\)")
# Where a name may be looked up beside the place of the file that says it, the folders above that, and, for a README, the
# sub-folders.
PLACES = [INCLUDE, INCLUDE.parent, ROOT, ROOT / "tools" / "dev", ROOT / "tools" / "moeclip", ROOT / "tests"]
# A file that somebody is told to write, and the program of a user.
EXAMPLE = re.compile(r"(^|.*[/_])x\.\w+$|main\.cpp$")


def exists(path, name):
    above = [parent for parent in path.parents if parent.is_relative_to(ROOT)]
    rooms = path.parent.glob("*/") if path.name == "README.md" else []
    return any(next(place.glob(name), None) is not None if "*" in name else (place / name).exists()
               for place in [*above, *rooms, *PLACES])


def mentions(path, text):
    """(offset, name) of each file that a README or the comments of a source name."""
    if path.suffix == ".md":
        text = FENCE.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)
        text = ADDRESS.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)
        for span in re.finditer(r"`([^`\n]+)`|\]\(([^)\s#]+)[^)]*\)", text):
            group = 1 if span.group(1) else 2
            if not span.group(group).startswith("http"):
                yield from ((span.start(group) + m.start(), m.group()) for m in NAMED.finditer(span.group(group)))
    else:
        for comment in TOKEN.finditer(text):
            if comment.group("comment"):
                yield from ((comment.start() + m.start(), m.group()) for m in NAMED.finditer(comment.group())
                           if m.group().endswith((".hpp", ".inl")))


def check_mentions(path, report):
    text = path.read_text(encoding="utf-8")
    for offset, name in mentions(path, text):
        if not EXAMPLE.match(name) and not exists(path, name):
            report(path, text.count("\n", 0, offset) + 1, f"there is no {name}")


def cmake_names():
    """What CMake commands may name: presets of each program, targets, options."""
    presets = json.loads((ROOT / "CMakePresets.json").read_text(encoding="utf-8"))
    names = {kind: {entry["name"] for entry in presets[kind + "Presets"] if not entry.get("hidden")}
             for kind in ("configure", "build", "test", "workflow")}
    lists = "".join(path.read_text(encoding="utf-8") for path in listed_files() if path.name == "CMakeLists.txt" or path.suffix == ".cmake")
    targets = set(re.findall(r"(?:add_custom_target|add_executable|add_library|\w+_program)\((\w+)", lists))
    targets |= {f"moeclip_test_{path.name}" for path in (ROOT / "tests").iterdir()}
    targets |= {f"moeclip_lesson_{path.stem}" for path in (ROOT / "examples" / "course").glob("*.cpp")}
    return names, targets, set(re.findall(r"\b(MOECLIP_\w+|CPACK_\w+)\b", lists))


def check_commands(path, text, known, report):
    presets, targets, options = known
    for number, line in enumerate(text.splitlines(), 1):
        for program, words in re.findall(r"\b(cmake|ctest)( [^`#&|;]*)", line):
            kind = next((kind for kind in ("build", "workflow") if f"--{kind} " in words), "configure" if program == "cmake" else "test")
            for name in re.findall(r"--preset[ =]([\w-]+)", words):
                if name not in presets[kind]:
                    report(path, number, f"there is no {kind} preset {name}")
            for name in re.findall(r"--target ([\w ]+)", words):
                for target in set(name.split()) - targets:
                    report(path, number, f"there is no target {target}")
            for name in re.findall(r"-D(MOECLIP_\w+)", words):
                if name not in options:
                    report(path, number, f"there is no option {name}")


def check_folder(folder, report):
    """A folder's README names every header at its door, and every sub-folder."""
    path = INCLUDE / folder / "README.md"
    if not path.exists():
        return report(path, 1, "the folder has no README")
    text = path.read_text(encoding="utf-8")
    for header in sorted((INCLUDE / folder).glob("*.hpp")):
        if not re.search(rf"`(?:[\w/]*/)?{re.escape(header.name)}`", text):
            report(path, 1, f"does not mention `{header.name}`")
    for inside in sorted(entry for entry in (INCLUDE / folder).iterdir() if entry.is_dir()):
        if f"`{inside.name}/" not in text:
            report(path, 1, f"does not mention `{inside.name}/`")


def check_course(report):
    """The syllabus links every lesson; exercise 2 of lesson 7 is solved by a test called "lesson 7, exercise 2: ..."."""
    course = ROOT / "examples" / "course"
    syllabus = ROOT / "examples" / "README.md"
    linked = set(re.findall(r"\(course/([\w.]+)\)", syllabus.read_text(encoding="utf-8")))
    for path in sorted(course.glob("*.cpp")):
        if path.name not in linked:
            report(syllabus, 1, f"does not link course/{path.name}")
        solutions = course / "solutions" / path.name
        solved = solutions.read_text(encoding="utf-8") if solutions.exists() else ""
        wanted = [f"lesson {int(path.name[:2])}, exercise {number}"
                  for number in re.findall(r"^// Exercise (\d+)\.", path.read_text(encoding="utf-8"), re.M)]
        if not wanted or wanted != re.findall(r'TEST_CASE\("(lesson \d+, exercise \d+):', solved):
            report(path, 1, f"its exercises are {wanted or 'none'}, which is not what {solutions.name} solves")


def main():
    breaches = []

    def report(path, line, message):
        breaches.append(f"{relative(path)}:{line}: {message}")

    known = cmake_names()
    for path in listed_files():
        if path.is_file() and path.suffix in (".md", ".hpp", ".inl", ".cpp"):
            check_mentions(path, report)
        if path.is_file() and path.suffix == ".md":
            check_commands(path, path.read_text(encoding="utf-8"), known, report)
    for folder in RANKS:
        check_folder(folder, report)
    check_course(report)
    for message in draw_folders.stale():
        report(INCLUDE / "README.md", 1, message)
    print(*breaches, sep="\n", end="\n" if breaches else "")
    print(f"check_docs: {len(breaches)} breaches")
    sys.exit(1 if breaches else 0)


main()

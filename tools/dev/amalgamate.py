# SPDX-License-Identifier: MIT
"""Writes the library as single headers: moeclip.hpp and moeclip_infer.hpp, each with all that the umbrella of that name
includes, and beside them the vocabulary that tokenizers need.

usage: amalgamate.py FOLDER

A header stands before those that include it. What lies in the folder of a header (image/png/ of image/png.hpp) stays
where that includes it, for it may need declarations above and the condition around. Standard headers come first; those
that some machines lack stay where they are, under their conditions.
"""
import re
import shutil
import sys
from pathlib import Path

from cpp_source import INCLUDE, ROOT, relative, without_comments

HEADERS = {"moeclip_infer.hpp": "infer.hpp", "moeclip.hpp": "moeclip.hpp"}  # a later one holds all of an earlier one
DATA = ROOT / "tools" / "moeclip" / "data"
DATA_FILES = ("bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_LICENSE.txt", "class_words.json")  # go beside them
DIRECTIVE = re.compile(r"\s*#\s*(if|ifdef|ifndef|elif|else|endif|include)\b\s*(.*)")
RULE = "// " + "-" * 117

HEAD = """// SPDX-License-Identifier: MIT
{licence}
//
// moeclip {version} in one file: {what}.
// Made by tools/dev/amalgamate.py from include/moeclip/{umbrella}; change the headers there, not this.
//
//   #include "{name}"                    g++ -std=c++20 -O2 -pthread program.cpp
//
// Every file of a program may include it, with flags of its own. Not together with the headers that it is made of.
// MOECLIP_COMPILED, MOECLIP_SOURCE and the other switches work as there.
//
// Detectors that read words need the vocabulary, {vocabulary}. It is the file that the
// environment's MOECLIP_VOCABULARY names, or else lies beside the program, in ../share/moeclip from there, beside this
// file (or in MOECLIP_DATA_DIRECTORY, a folder as a string, if that is defined), in /usr/local/share/moeclip or in
// /usr/share/moeclip. Files of `moeclip export` need none.

#if defined(MOECLIP_SINGLE_HEADER)
{smaller}#elif defined(MOECLIP_VERSION_STRING)
#error "a header of include/moeclip was included before {name}: use either these or the single header"
#else
#define MOECLIP_SINGLE_HEADER {rank}  // 1: moeclip_infer.hpp, 2: moeclip.hpp
"""
SMALLER = """#if MOECLIP_SINGLE_HEADER < 2
#error "moeclip.hpp holds all of moeclip_infer.hpp, which was included before it: include moeclip.hpp alone"
#endif
"""
WHAT = {"moeclip_infer.hpp": "what detection needs, without data sets, training, evaluation and reports",
        "moeclip.hpp": "everything but the drawn world"}


def lines_of(path):
    """(line, directive, conditions around it, file it includes or None) of each line of a header, less what a single
    file has once: the SPDX line and #pragma once."""
    conditions = []
    text = path.read_text(encoding="utf-8")
    for line, bare in zip(text.splitlines(), without_comments(text).splitlines()):
        if line.startswith("// SPDX-License-Identifier") or line.strip() == "#pragma once":
            continue
        match = DIRECTIVE.match(bare)
        word, rest = match.groups() if match else (None, "")
        if word in ("if", "ifdef", "ifndef"):
            conditions.append(f"{word} {rest.strip()}")
        elif word in ("elif", "else"):
            conditions[-1] += f" {word} {rest.strip()}"
        elif word == "endif":
            conditions.pop()
        target = None
        if word == "include" and rest.startswith('"'):
            target = (path.parent / rest.split('"')[1]).resolve()
        yield line, word, tuple(conditions), target


def is_inside(path, door):
    """Whether a file lies in the folder that belongs to a header."""
    return path.is_relative_to(door.with_suffix(""))


def is_standard(line, conditions):
    """Whether an include can go to the top of the file: a header of C++ that only the library's own parts depend on."""
    name = line.split("<")[1].split(">")[0]
    return "." not in name and all("MOECLIP_DEFINES(" in condition for condition in conditions)


class Amalgamation:
    """The text of the headers that were added, each once."""

    def __init__(self):
        self.standard, self.text = set(), []
        self.placed = {}   # header: the conditions that it stands under
        self.waiting = []  # headers whose includes are being added

    def add(self, header):
        """Adds a header behind all that it includes."""
        if header in self.placed:
            return
        if header in self.waiting:
            sys.exit("headers include each other: " + ", ".join(map(relative, self.waiting)))
        self.waiting.append(header)
        self.add_needed(header, header, set())
        self.waiting.pop()
        self.text.append(f"\n{RULE}\n// {relative(header)}\n{RULE}\n")
        self.place(header, header, ())

    def add_needed(self, header, door, seen):
        """Adds what a header and its inner ones include from elsewhere."""
        seen.add(header)
        for _, _, conditions, target in lines_of(header):
            if target is None or target in seen or target == door or target.suffix == ".inl":
                continue
            if not is_inside(target, door):
                self.add(target)
            else:
                self.add_needed(target, door, seen)

    def place(self, header, door, around):
        """Writes a header here, with inner ones where they are included."""
        if header.suffix != ".inl":
            self.placed[header] = around
        for line, word, conditions, target in lines_of(header):
            if word != "include":
                self.text.append(line + "\n")
            elif target is None and is_standard(line, conditions):
                self.standard.add(line.split("<")[1].split(">")[0])
            elif target is None:
                self.text.append(line + "\n")
            elif target.suffix == ".inl" or target not in self.placed:
                if target == door:
                    continue
                self.text.append(f"// {relative(target)}\n")
                self.place(target, door, around + conditions)
            elif any(condition not in around + conditions for condition in self.placed[target]):
                sys.exit(f"{relative(header)} needs {relative(target)}, which stands under {self.placed[target]}")

    def result(self):
        """Standard headers first, and no more than one empty line in a row."""
        top = "".join(f"#include <{name}>\n" for name in sorted(self.standard))
        return "\n" + re.sub(r"\n{3,}", "\n\n", top + "".join(self.text).replace("\n//\n//", "\n//"))


def head(name):
    version = re.search(r'VERSION_STRING "(.*?)"', (INCLUDE / "base" / "version.hpp").read_text(encoding="utf-8")).group(1)
    licence = "\n".join(f"// {line}".rstrip() for line in (ROOT / "LICENSE").read_text(encoding="utf-8").strip().splitlines())
    rank = list(HEADERS).index(name) + 1
    return HEAD.format(licence=licence, version=version, what=WHAT[name], umbrella=HEADERS[name], name=name,
                       vocabulary=DATA_FILES[0], rank=rank, smaller=SMALLER if rank > 1 else "")


def single_header(name):
    """The text of one of the single headers."""
    made = Amalgamation()
    for _, _, _, target in lines_of(INCLUDE / HEADERS[name]):
        if target is not None:
            made.add(target)
    return head(name) + made.result() + "\n#endif  // MOECLIP_SINGLE_HEADER\n"


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in HEADERS:
        text = single_header(name)
        (folder / name).write_text(text, encoding="utf-8")
        print(f"wrote {folder / name}: {text.count(chr(10))} lines, {len(text) / 1e6:.1f} MB")
    for name in DATA_FILES:
        shutil.copyfile(DATA / name, folder / name)


if __name__ == "__main__":
    main()

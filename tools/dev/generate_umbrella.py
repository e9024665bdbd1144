# SPDX-License-Identifier: MIT
"""Writes the umbrella headers: moeclip.hpp includes every public header that the method needs, infer.hpp those of them
that detection needs, synthetic.hpp the drawn world on top.

usage: generate_umbrella.py [--check]      --check writes nothing and fails if a file would change
"""
import sys

from cpp_source import INCLUDE, RANKS, public_headers, relative

LEFT_OUT = {
    "moeclip.hpp": {"synthetic"},
    "infer.hpp": {"data", "train", "eval", "explain", "report", "synthetic"},
    "synthetic.hpp": set(RANKS) - {"synthetic"},
}
PURPOSE = {
    "moeclip.hpp": "Everything but the drawn world (synthetic.hpp). Made by tools/dev/generate_umbrella.py from the\n"
                   "// headers that are there.",
    "infer.hpp": "What detection needs: no data sets, training, evaluation or reports. Made by\n"
                 "// tools/dev/generate_umbrella.py from the headers that are there.",
    "synthetic.hpp": "The drawn world: parts and materials with exact defects, sentences about them, and the tiny CLIP that\n"
                     "// is trained on both. Made by tools/dev/generate_umbrella.py from the headers that are there.",
}


def text_of(name):
    blocks = {}  # by folder
    for path in public_headers():
        if path.parent.name not in LEFT_OUT[name]:
            line = f'#include "{path.parent.name}/{path.name}"\n'
            blocks[path.parent.name] = blocks.get(path.parent.name, "\n") + line
    return f"// SPDX-License-Identifier: MIT\n#pragma once\n// {PURPOSE[name]}\n{''.join(blocks.values())}"


def stale():
    """Names of the umbrellas whose text is not what it should be."""
    return [name for name in PURPOSE
            if not (INCLUDE / name).exists() or (INCLUDE / name).read_text(encoding="utf-8") != text_of(name)]


def main():
    names = stale()
    if "--check" in sys.argv[1:]:
        for name in names:
            print(f"{relative(INCLUDE / name)}: out of date; run tools/dev/generate_umbrella.py")
        sys.exit(1 if names else 0)
    for name in names:
        (INCLUDE / name).write_text(text_of(name), encoding="utf-8")
        print(f"wrote {relative(INCLUDE / name)}")


if __name__ == "__main__":
    main()

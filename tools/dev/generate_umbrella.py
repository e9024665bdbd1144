# SPDX-License-Identifier: MIT
"""Writes the umbrella headers: moeclip.hpp includes every public header that the method needs, infer.hpp those of them
that detection needs, synthetic.hpp the drawn world and methods.hpp the other methods on top; and the sources of the compiled mode, one for each part.

usage: generate_umbrella.py [--check]      --check writes nothing and fails if a file would change
"""
import sys

from cpp_source import INCLUDE, RANKS, ROOT, public_headers, relative

LEFT_OUT = {  # folders, and single headers of others
    "moeclip.hpp": {"synthetic", "methods"},
    "infer.hpp": {"data", "train", "eval", "explain", "report", "synthetic", "methods", "memory/learn.hpp",
                  "memory/save_model.hpp"},
    "synthetic.hpp": set(RANKS) - {"synthetic"},
    "methods.hpp": set(RANKS) - {"methods"},
}
PURPOSE = {
    "moeclip.hpp": "Everything but the drawn world (synthetic.hpp) and other methods (methods.hpp). Made by\n"
                   "// tools/dev/generate_umbrella.py from the headers that are there.",
    "infer.hpp": "What detection needs: no data sets, training, evaluation or reports. Made by\n"
                 "// tools/dev/generate_umbrella.py from the headers that are there.",
    "synthetic.hpp": "The drawn world: parts and materials with exact defects, sentences about them, and the tiny CLIP that\n"
                     "// is trained on both. Made by tools/dev/generate_umbrella.py from the headers that are there.",
    "methods.hpp": "The methods that MoECLIP is compared with, for training and for judging. Made by\n"
                   "// tools/dev/generate_umbrella.py from the headers that are there.",
}


def text_of(name):
    blocks = {}  # by folder
    for path in public_headers():
        if not LEFT_OUT[name] & {path.parent.name, f"{path.parent.name}/{path.name}"}:
            line = f'#include "{path.parent.name}/{path.name}"\n'
            blocks[path.parent.name] = blocks.get(path.parent.name, "\n") + line
    return f"// SPDX-License-Identifier: MIT\n#pragma once\n// {PURPOSE[name]}\n{''.join(blocks.values())}"


# The folders whose definitions each source of the compiled mode holds. Others have templates alone.
PARTS = {
    "base": ["base"], "kernels": ["kernels"], "io": ["io"], "image": ["image"], "clip": ["clip"],
    "anomaly": ["anomaly"], "data": ["data"], "train": ["train"], "eval": ["eval"], "explain": ["explain"], "memory": ["memory"],
    "report": ["report"], "synthetic": ["synthetic"], "methods": ["methods"],
}
COMPILED = ROOT / "tools" / "compiled"


def source_of(part):
    lines = [f"#include <moeclip/{path.parent.name}/{path.name}>\n" for path in public_headers()
             if path.parent.name in PARTS[part] and "MOECLIP_DEFINES(" in path.read_text(encoding="utf-8")]
    return (f"// SPDX-License-Identifier: MIT\n// The definitions of {part}/ where the library is compiled. Made by "
            f"tools/dev/generate_umbrella.py.\n#define MOECLIP_SOURCE\n#define MOECLIP_SOURCE_PART "
            f"MOECLIP_{part.upper()}\n{''.join(lines)}")


def files():
    """Every generated file and the text it should have."""
    yield from ((INCLUDE / name, text_of(name)) for name in PURPOSE)
    yield from ((COMPILED / f"{part}.cpp", source_of(part)) for part in PARTS)


def stale():
    """Paths of the generated files whose text is not what it should be."""
    return [path for path, text in files() if not path.exists() or path.read_text(encoding="utf-8") != text]


def main():
    old = stale()
    if "--check" in sys.argv[1:]:
        for path in old:
            print(f"{relative(path)}: out of date; run tools/dev/generate_umbrella.py")
        sys.exit(1 if old else 0)
    for path, text in files():
        if path in old:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {relative(path)}")


if __name__ == "__main__":
    main()

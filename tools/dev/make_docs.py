# SPDX-License-Identifier: MIT
"""Builds the API reference with Doxygen and fails if a public name has no comment, or a comment says what is not so.

usage: make_docs.py [OUTPUT]      pages go to OUTPUT/html; build/docs is the default
"""
import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import doxygen_text
from cpp_source import INCLUDE, RANKS, ROOT, UMBRELLAS, public_headers


def write_input(folder):
    """Fills `folder` with the texts for Doxygen, in the places of the files that they are made of."""
    shutil.rmtree(folder, ignore_errors=True)
    texts = {path: doxygen_text.Header(path).result()
             for path in [INCLUDE / name for name in UMBRELLAS] + public_headers()}
    texts |= {path: doxygen_text.readme(path) for path in doxygen_text.pages()}
    texts[ROOT / "groups.dox"] = "\n".join(doxygen_text.groups())
    for path, text in texts.items():
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "examples" / "demo.png", folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", nargs="?", type=Path, default=ROOT / "build" / "docs")
    output = parser.parse_args().output.resolve()
    sources = output / "sources"
    write_input(sources)
    inputs = ["groups.dox", "README.md", "include/moeclip", *(f"include/moeclip/{folder}" for folder in RANKS),
              *doxygen_text.TOP]
    settings = (ROOT / "tools" / "dev" / "Doxyfile").read_text(encoding="utf-8")
    settings += f"\nINPUT = {' '.join(inputs)}\nOUTPUT_DIRECTORY = \"{output}\"\n"
    done = subprocess.run(["doxygen", "-"], cwd=sources, input=settings, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    messages = sorted(set(done.stdout.replace(f"{sources}/", "").splitlines()))
    print(*messages, sep="\n", end="\n" if messages else "")
    print(f"make_docs: {len(messages)} messages; pages in {output / 'html'}")
    sys.exit(1 if messages or done.returncode != 0 else 0)


main()

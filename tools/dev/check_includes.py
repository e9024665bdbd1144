#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that every header includes, if only through others, what declares the names of ours that it uses, so that it
compiles alone in header-only mode too. (tests/headers compiles each alone with the compiled library, where
headers only declare; to compile all their definitions alone takes many minutes.)

usage: check_includes.py
"""
import functools
import re
import sys
from collections import defaultdict

from cpp_source import INCLUDE, code_only, included_below
from declarations import declarations

# A name that is no member of something: of a type, or called.
USE = re.compile(r"(?<![\w.:])(?<!->)((?:\w+::)*)([A-Z]\w+\b|[a-z]\w+(?=(?:<[\w, ]+>)?\())")
# A local variable, member or template parameter: a type before its name.
OWN = re.compile(r"[\w>](?:\s*[&*]+\s*|\s+)(\w+)\s*[=;,>){(\[]")


included_below = functools.cache(included_below)


def reached_from(path):
    """A header and all of ours that it includes, through others too."""
    found, todo = set(), [path]
    while todo:
        at = todo.pop()
        if at not in found:
            found.add(at)
            todo += included_below(at)
    return found


def main():
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(INCLUDE.rglob("*.hpp"))}
    homes, own = defaultdict(set), {}
    for path, text in texts.items():
        code = code_only(text)
        own[path] = {m[1] for m in OWN.finditer(code) if not re.search(r"\b(return|else)\s$", code[:m.start(1)])}
        for here in declarations(text):
            own[path].add(here.name)
            types = [name for name in here.scope if name[:1].isupper()]
            if here.kind in ("type", "function", "variable", "alias") and not types and "operator" not in here.name:
                homes[here.name].add(path)
    wrong = 0
    for path, text in texts.items():
        reached = reached_from(path)
        code = code_only(text)
        for name in sorted({m[2] for m in USE.finditer(code) if not re.search(r"std::|[A-Z]", m[1])}):
            if name in homes and name not in own[path] and not homes[name] & reached:
                wrong += 1
                print(f"{path.relative_to(INCLUDE)}: uses {name} without including "
                      + " or ".join(str(home.relative_to(INCLUDE)) for home in homes[name]))
    print(f"check_includes: {len(texts)} headers, {wrong} complaints")
    sys.exit(1 if wrong else 0)


main()

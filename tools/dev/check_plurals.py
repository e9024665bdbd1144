# SPDX-License-Identifier: MIT
"""Checks that what messages count is counted by counted(), which knows "1 picture" from "2 pictures".

usage: check_plurals.py
"""
import re
import sys

from cpp_source import ROOT, listed_files, match_close, relative, without_comments

# A value, then a text that begins with what there are several of; contracts are for those who read code.
COUNTED = ("batch|bin|block|byte|caption|categor|channel|character|class|column|component|defect|draw|element|entr|epoch|"
           "expert|extent|feature|file|filter|folder|frame|group|head|image|label|layer|level|line|mask|merge|mixture|"
           "name|number|page|parameter|part|patch|picture|piece|pixel|positive|process|projection|prompt|region|row|run|"
           "sample|score|second|seed|sentence|shard|step|table|tensor|thing|thread|tile|token|value|verdict|weight|word")
PLURAL = re.compile(rf"""(?<=[(,?:])\s*((?:[\w.\[\]+*/ >-]|::|\((?:[^()"]|\([^()"]*\))*\)|\("\w+"\))+),\s*" ((?:[a-z-]+ ){{0,1}}(?:{COUNTED})(?:s|es|ies)\b)""")
# Not counted: fractions and what is written with separators, sides of a picture, names, and constants, which are not 1.
NOT_COUNTED = re.compile(r"(fixed|grouped|points|percent_words|to_string|sums|epochs)\(|\bk[A-Z]\w*\)?$|[se]\.categories$")
CONTRACT = re.compile(r"\bMOECLIP_(?:EXPECT|ASSERT)\s*\(")


def plurals(text):
    """Matches of PLURAL in the messages of a source."""
    text = without_comments(text)
    contracts = [(m.start(), match_close(text, m.end() - 1)) for m in CONTRACT.finditer(text)]
    for match in PLURAL.finditer(text):
        is_side = text[:match.start()].rstrip().endswith(('"x",', ' to ",'))
        if not is_side and not NOT_COUNTED.search(match.group(1)) and \
                not any(first < match.start() < last for first, last in contracts):
            yield match


def main():
    breaches = []
    for path in listed_files():
        if not path.is_file() or path.suffix not in (".hpp", ".cpp") or path.parts[len(ROOT.parts)] not in ("include", "tools"):
            continue
        text = path.read_text(encoding="utf-8")
        breaches += [f"{relative(path)}:{text.count(chr(10), 0, match.start()) + 1}: {' '.join(match.group().split())}...: "
                     f"wants counted(), or it says 1 {match.group(2)}" for match in plurals(text)]
    print(*breaches, sep="\n", end="\n" if breaches else "")
    print(f"check_plurals: {len(breaches)} breaches")
    sys.exit(1 if breaches else 0)


main()

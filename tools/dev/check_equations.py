# SPDX-License-Identifier: MIT
"""Checks that equations and code name each other. An equation's label is a few capitals and a number, with a prime for
the backward one: LN-1, LN-1'. Each label that a comment or a README names is defined in the README of one folder of the
library, or in another .md file beside it, and each that is defined there is named by a comment of the library or of the
tests. Where a comment says in which folder, it is there.

usage: check_equations.py
"""
import re
import sys

from cpp_source import INCLUDE, ROOT, TOKEN, listed_files, relative

LABEL = re.compile(r"(?<![\w-])([A-Z][A-Z0-9]{1,6}-\d+'?)(?![\w-])")
# Names that look like labels.
OTHERS = re.compile(r"(UTF|SHA|CRC|AVX|CVC)-")
RANGE = re.compile(r"\b([A-Z][A-Z0-9]{1,6})-(\d+)('?) to \1-(\d+)\3")
FENCE = re.compile(r"^```.*?^```", re.M | re.S)
# What a README defines: the first cell of a row, what a bold beginning of a paragraph or a heading names.
DEFINING = re.compile(r"^\| ([^|]*) \||^\*\*(.*?)\*\*|(?<=[.:] )\*\*(.*?)\*\*|^#+ (.*)$", re.M)
HERE = "this folder's"
# "(LN-1, LN-1' in nn/README.md)", "TXT-0 in this folder's README"
PLACE = re.compile(r"((?:" + LABEL.pattern + r"(?:, | and )?)+),? in (?:the README of )?(" + HERE + r"|\w+/)")


def labels(text):
    """The labels in a text; a range, TIL-1 to TIL-3, is all of them."""
    text = RANGE.sub(lambda m: " ".join(f"{m.group(1)}-{n}{m.group(3)}"
                                        for n in range(int(m.group(2)), int(m.group(4)) + 1)), text)
    return [m.group(1) for m in LABEL.finditer(text) if not OTHERS.match(m.group(1))]


def defined_labels(readme):
    """The labels that the text of a README defines."""
    return {label for m in DEFINING.finditer(FENCE.sub("", readme))
            for label in labels(next(filter(None, m.groups()), ""))}


def comments(source):
    """The comments of C++ text as one string per block of neighbouring lines."""
    joined = re.sub(r"[ \t]*\n[ \t]*//[/!]?<?", "", "\n".join(
        m.group("comment") for m in TOKEN.finditer(source) if m.group("comment")))
    return re.sub(r"[ \t]+", " ", joined)


def places(text):
    """(label, folder) wherever a text says in which folder's README a label is; HERE for its own."""
    for m in PLACE.finditer(re.sub(r"\s+", " ", text)):
        for label in labels(m.group(1)):
            yield label, m.group(m.lastindex).rstrip("/")


def folder_of(path):
    """The folder of the library that a file belongs to, or None."""
    return path.relative_to(INCLUDE).parts[0] if path.is_relative_to(INCLUDE) and path.parent != INCLUDE else None


def breaches(texts):
    """What is wrong with texts {path: text}, and how many labels they define."""
    homes, named, wrong = {}, set(), []
    for path, text in texts.items():
        if path.suffix == ".md" and folder_of(path):
            for label in defined_labels(text):
                homes.setdefault(label, []).append(path)
    for label, paths in sorted(homes.items()):
        if len(paths) > 1:
            wrong.append(f"{label} is defined in {' and in '.join(map(relative, paths))}")
        if label.endswith("'") and label[:-1] not in homes:
            forward = label[:-1]
            wrong.append(f"{relative(paths[0])}: {label} is the backward equation of {forward}, which nothing defines")
    for path, text in texts.items():
        is_code = path.suffix != ".md"
        said = comments(text) if is_code else FENCE.sub("", text)
        for label in sorted(set(labels(said)) - set(homes)):
            wrong.append(f"{relative(path)}: no folder's README defines {label}")
        if is_code and path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in ("include", "tests"):
            named.update(labels(said))
        for label, where in places(said):
            folder = folder_of(path) if where == HERE else where
            if label in homes and folder and (INCLUDE / folder).is_dir() and folder != folder_of(homes[label][0]):
                wrong.append(f"{relative(path)}: {label} is not in {folder}/, but in {relative(homes[label][0])}")
    for label in sorted(set(homes) - named):
        wrong.append(f"{relative(homes[label][0])}: nothing in the code names {label}")
    return wrong, len(homes)


def texts_of_checkout():
    return {path: path.read_text(encoding="utf-8") for path in listed_files()
            if path.is_file() and path.suffix in (".md", ".hpp", ".inl", ".cpp")}


def main():
    wrong, count = breaches(texts_of_checkout())
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"check_equations: {len(wrong)} breaches, {count} labels")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()

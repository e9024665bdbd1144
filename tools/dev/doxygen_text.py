# SPDX-License-Identifier: MIT
"""What Doxygen reads instead of a file of ours: the same text, with the habits of the house said in its language.
make_docs.py uses it.

Headers keep their line numbers.
  * The paragraph below #pragma once becomes the documentation of the file; the folder is the group of all it declares.
  * The inline namespace goes: users write moeclip::Detector.
  * `// text` behind a member or a constant becomes `///< text`, and indented lines of a comment become preformatted text.
  * What documents itself is said once, here: visit (tensor/visit.hpp), copies and moves, overloads that stand directly
    below the one with the comment, several names with one comment behind the line. What the compiler makes is left out.
READMEs lose links to what is no page.
"""
import itertools
import re

from cpp_source import INCLUDE, RANKS, ROOT, UMBRELLAS, relative
from declarations import angle_free, declarations

TOP = ("bench", "examples", "tests", "tools")
HIDDEN = "detail"
PARTS = "|".join(folder.upper() for folder in RANKS)
INTERNAL_MACRO = re.compile(
    rf"[ \t]*#[ \t]*define (MOECLIP_((TAG|JOIN_TAG|HAS|KERNEL_TABLE|UNROLL|INLINE|INSTANTIATE)\w*|{PARTS}|DEFINES|FUNC|COLD)\b"
    r"|abi_v\w+)")
VISIT = "Calls visitor(name, tensor) for each parameter, in the order of the files (tensor/visit.hpp)."


def escaped(text):
    """A comment's text with nothing in it that Doxygen would take for a command, outside of `code`."""
    parts = text.split("`")
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"(?<![\\])([@\\<>#%&])", r"\\\1", parts[i])
    return "`".join(parts)


def document(lines):
    """Turns the texts of one comment, line by line, into Doxygen's: formulas, which are indented, stay as they are."""
    out, inside = [], False
    for number, text in enumerate(lines):
        is_formula = re.match(r" {2,}\S", text) is not None and number > 0
        opening = "@verbatim " if is_formula and not inside else ""
        goes_on = number + 1 < len(lines) and re.match(r" {2,}\S", lines[number + 1]) is not None
        closing = " @endverbatim" if is_formula and not goes_on else ""
        out.append(f" {opening}{text if is_formula else escaped(text.strip())}{closing}".rstrip())
        inside = is_formula and goes_on
    return out


def known(declaration):
    """What is the same wherever it stands, or None."""
    if declaration.name == "visit":
        return VISIT
    own = declaration.scope[-1]
    if declaration.name == f"~{own}":
        return "Ends it."
    if declaration.name in (own, "operator="):
        if re.search(rf"\(const {own}(<\w+>)?& ?\w*\)", declaration.head):
            return "Copies."
        if re.search(rf"\({own}(<\w+>)?&& ?\w*\)", declaration.head):
            return "Moves."
    return None


class Header:
    """One header. What is said about declarations is collected as replacements in its text, since offsets change."""

    def __init__(self, path):
        self.text = path.read_text(encoding="utf-8")
        self.name = path.relative_to(INCLUDE).as_posix()
        self.lines = self.text.split("\n")
        self.starts = list(itertools.accumulate((len(line) + 1 for line in self.lines), initial=0))
        self.changes = []  # (first, last, text)

    def line_of(self, offset):
        return self.text.count("\n", 0, offset)

    def has_comment(self, declaration):
        above = self.line_of(declaration.first) - 1
        return above >= 0 and self.lines[above].lstrip().startswith("///")

    def trailing(self, declaration):
        """Makes documentation of what stands behind a declaration; true if there is any."""
        number = self.line_of(declaration.last - 1)
        rest = self.text[declaration.last:self.starts[number + 1] - 1]
        if not re.match(r"\s*//(/<|(?!/))", rest):
            return False
        column = declaration.last - self.starts[number] + rest.index("//")
        end = number + 1
        while re.match(r"\s*//(/<|(?!/))", self.lines[end]) and self.lines[end].index("//") == column:
            end += 1
        texts = [escaped(re.match(r"//(?:/<)?\s?(.*)$", line[column:]).group(1)) for line in self.lines[number:end]]
        is_list = self.is_list(declaration)  # where Doxygen knows one comment for one name only
        for at, text in enumerate(texts, number):
            self.changes.append((self.starts[at] + column, self.starts[at + 1] - 1, "" if is_list else f"///< {text}"))
        if is_list:
            self.split(declaration, " ".join(texts))
        return True

    @staticmethod
    def is_list(declaration):
        """Several variables at once."""
        text = angle_free(re.sub(r"=\s*[^,;]*", "", re.sub(r"[({\[].*?[)}\]]", "", declaration.head)))
        return declaration.kind == "variable" and "," in text

    def split(self, declaration, comment):
        """`T a, b;` becomes `T a; T b;`, each with the comment."""
        names, depth = [""], 0
        for letter in declaration.head.rstrip(";"):
            depth += (letter in "(<[{") - (letter in ")>]}")
            if letter == "," and depth == 0:
                names.append("")
            else:
                names[-1] += letter
        base, names[0] = re.match(r"(.*?[\s>])([*&]*\w+\s*(?:[={\[].*)?)$", names[0], re.S).groups()
        text = " ".join(f"/** {comment} */ {base.strip()} {name.strip()};" for name in names)
        self.changes.append((declaration.first, declaration.last, text))

    def put(self, declaration, text):
        self.changes.append((declaration.first, declaration.first, f"/** {text} */ "))

    def declarations(self):
        before = None  # the declaration above, if it has a comment or shares one
        for here in declarations(self.text):
            if here.access != "public" or HIDDEN in here.scope or here.kind == "namespace":
                continue
            if here.kind == "function" and re.search(r"=\s*(default|delete)\s*;?\s*$", here.head) and \
                    not self.has_comment(here):
                self.changes.append((here.first, here.last, "\n" * self.text.count("\n", here.first, here.last)))
                continue
            is_documented = self.has_comment(here) | self.trailing(here)
            if not is_documented and here.kind == "function":
                follows = before is not None and before.scope == here.scope and before.name == here.name and \
                    self.line_of(here.first) - self.line_of(before.last - 1) == 1
                if text := "@overload" if follows else known(here):
                    self.put(here, text)
                    is_documented = True
            before = here if is_documented else None

    def directives(self):
        """Without macros of our own use, and without .inl files, which declare nothing."""
        for number, line in enumerate(self.lines):
            if re.match(r'\s*#\s*include ".*\.inl"', line):
                self.lines[number] = ""
            if INTERNAL_MACRO.match(line) and not self.lines[number - 1].startswith("///"):
                while self.lines[number].endswith("\\"):
                    self.lines[number], number = "", number + 1
                self.lines[number] = ""

    def comments(self):
        """`///` blocks."""
        at = 0
        while at < len(self.lines):
            end = at
            while end < len(self.lines) and re.match(r"\s*///(?!<)", self.lines[end]):
                end += 1
            if end > at:
                texts = document([line.split("///", 1)[1] for line in self.lines[at:end]])
                for i, text in enumerate(texts, at):
                    self.lines[i] = re.match(r"\s*", self.lines[i]).group() + "///" + text
            at = max(end, at + 1)

    def file_comment(self):
        end = 2
        while end < len(self.lines) and re.match("//(?!/)", self.lines[end]):
            end += 1
        texts = document([line[2:] for line in self.lines[2:end]])
        self.lines[:end] = ["#pragma once", f"/// @file {self.name} @brief", *("///" + text for text in texts)]

    def namespaces(self):
        folder = self.name.split("/")[0]
        opening = "namespace moeclip { inline namespace abi_v0_1 {"
        for number, line in enumerate(self.lines):
            if line.startswith(opening):
                group = f"/** @addtogroup {folder} */ /** @{{ */"
                self.lines[number] = f"namespace moeclip {{ {group}{line[len(opening):]}"
            elif line.startswith("}}") and "moeclip::abi_v0_1" in line:
                self.lines[number] = f"{re.match('}+', line).group()[2:]} /** @}} */ }}"

    def result(self):
        if self.name not in UMBRELLAS:
            self.declarations()
        for first, last, text in sorted(self.changes, reverse=True):
            self.text = self.text[:first] + text + self.text[last:]
        self.lines = self.text.split("\n")
        self.directives()
        self.comments()
        self.file_comment()
        self.namespaces()
        return "\n".join(self.lines)


def pages():
    """The READMEs that become pages: those of the top, of its folders, and of the library and its folders."""
    found = [ROOT / "README.md", INCLUDE / "README.md", *INCLUDE.glob("*/README.md")]
    return [path for path in found + [ROOT / folder / "README.md" for folder in TOP] if path.exists()]


def readme(path):
    """Markdown whose links all lead to pages of the documentation."""
    text = path.read_text(encoding="utf-8")

    def link(match):
        bang, title, target = match.groups()
        if target.startswith(("http:", "https:")):
            return match.group()
        file = (path.parent / target.split("#")[0]).resolve()
        if bang:
            return f"![{title}]({file.name})"
        if file in pages():
            return f"[{title}]({relative(file)})"
        return title
    text = re.sub(r"(!?)\[([^\]\n]*)\]\(([^)\s]+)\)", link, text)
    if path == ROOT / "README.md":
        return re.sub(r"\A# (.*)", r"# \1 {#mainpage}", text)
    folder = relative(path.parent).removeprefix("include/")
    label = re.sub(r"\W", "_", folder)
    return re.sub(r"\A# (.*)", rf"# \1 {{#readme_{label}}}", text)


def groups():
    """One group per folder; its text is the first line of the folder's README and a link to all of it."""
    for folder, rank in RANKS.items():
        title = ""
        path = INCLUDE / folder / "README.md"
        if path.exists():
            title = re.sub(rf"^# {folder}/?(:\s*)?", "", path.read_text(encoding="utf-8").split("\n")[0])
        yield f"/** @defgroup {folder} {folder}{': ' + title if title else ''}"
        yield f" *  @ref readme_moeclip_{folder} \"Equations and reading order.\" Rank {rank}. */"
    yield "/** @namespace moeclip"
    yield " *  The whole library, less the version that is part of the names that a linker sees (base/version.hpp). */"

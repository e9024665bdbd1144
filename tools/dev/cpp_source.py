# SPDX-License-Identifier: MIT
"""What the checking scripts share: where our sources are, and C++ text without comments, strings and directives."""
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
INCLUDE = ROOT / "include" / "moeclip"
UMBRELLAS = ("moeclip.hpp", "infer.hpp", "synthetic.hpp", "methods.hpp")
# What every header opens; base/version.hpp makes the second name one with all switches in it.
NAMESPACE = "namespace moeclip { inline namespace abi_v0_1 {"

# Folders by rank: a file may include its own folder and folders of lower rank. The order is that of ARCHITECTURE.
RANKS = {
    "base": 0,
    "tensor": 1,
    "kernels": 2, "io": 2,
    "nn": 3, "image": 3,
    "clip": 4, "moe": 4,
    "anomaly": 5,
    "data": 6,  # below the three that use its samples
    "train": 7, "eval": 7, "explain": 7,
    "memory": 8, "report": 8, "synthetic": 8,
    "methods": 9,
}

TOKEN = re.compile(
    r'''(?P<comment>//[^\n]*|/\*.*?\*/)'''
    r'''|(?P<string>R"(?P<tag>[^(\s]*)\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*")'''
    r'''|(?P<number>\b\d[\w']*)'''
    r'''|(?P<letter>'(?:\\.|[^'\\\n])+')''', re.S)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\\n|\\.)*", re.M)


def blank(text):
    """Spaces in place of everything but line ends, so that offsets and line numbers stay true."""
    return re.sub(r"[^\n]", " ", text)


def without_comments(text):
    return TOKEN.sub(lambda m: blank(m.group()) if m.group("comment") else m.group(), text)


def code_only(text):
    """The text with comments, string and character literals and preprocessor lines blanked out."""
    text = TOKEN.sub(lambda m: m.group() if m.group("number") else blank(m.group()), text)
    return DIRECTIVE.sub(lambda m: blank(m.group()), text)


def match_close(text, start):
    """Offset just past the bracket that closes the one at `start`."""
    pairs = {"(": ")", "{": "}", "[": "]"}
    depth = 0
    for i in range(start, len(text)):
        if text[i] in pairs:
            depth += 1
        elif text[i] in pairs.values():
            depth -= 1
            if depth == 0:
                return i + 1
    return len(text)


def includes(text):
    """(line number, delimiter, name) of each #include."""
    for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', without_comments(text), re.M):
        yield text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


def included(path, text):
    """(line number, file) of each #include of a header of ours, whether it exists or not."""
    for line, delimiter, name in includes(text):
        if delimiter == '"':
            yield line, (path.parent / name).resolve()
        elif name.startswith("moeclip/"):
            yield line, INCLUDE.parent / name


def included_below(path):
    """The headers of ours that a header includes, less its own door: what lies in image/png/ may name image/png.hpp, which
    includes it, so that it can be read and compiled alone."""
    door = path.parent.with_suffix(".hpp")
    found = {below for _, below in included(path, path.read_text(encoding="utf-8")) if below.exists()}
    return found - ({door} if door.exists() and path in {f for _, f in included(door, door.read_text(encoding="utf-8"))}
                    else set())


def room(path):
    """(folder, sub-folder) of a header in a private sub-folder of the library, else None."""
    parts = path.relative_to(INCLUDE).parts if path.is_relative_to(INCLUDE) else ()
    return parts[:2] if len(parts) > 2 else None


# Doors of rooms that only other files of the library go through: no part of an umbrella.
INNER_DOORS = {"io/pickle.hpp", "io/torch.hpp"}


def public_headers():
    """Headers that a user may include, umbrellas excluded, in the order of their ranks. Sub-folders are private."""
    found = [path for folder in RANKS for path in (INCLUDE / folder).glob("*.hpp")
             if f"{folder}/{path.name}" not in INNER_DOORS]
    return sorted(found, key=lambda path: (RANKS[path.parent.name], list(RANKS).index(path.parent.name), path.name))


def sources(*folders, suffixes=(".hpp", ".inl", ".cpp")):
    """All our C++ files below the given folders of the checkout, sorted."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in suffixes)


def relative(path):
    return path.relative_to(ROOT).as_posix()


def listed_files():
    """Every text file that git has or would take."""
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True, check=True,
                         stdout=subprocess.PIPE).stdout
    return [ROOT / name for name in out.splitlines()]

# SPDX-License-Identifier: MIT
"""Reports what is larger than the budgets of the house and not excused, with a reason, in budgets.txt.

usage: check_budgets.py [--largest]      --largest also lists the ten longest headers and functions
The preprocessed size is measured with $CXX (g++ by default).
"""
import functools
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from cpp_source import INCLUDE, ROOT, UMBRELLAS, code_only, included_below, match_close, relative, sources

HEADER_LINES, BODY_LINES = 400, 500          # a .hpp or .cpp; a .inl
LESSON_LINES = 150                           # a lesson of the course
FUNCTION_LINES, KERNEL_LINES = 60, 100       # anywhere; in kernels/body and kernels/isa
PARAMETERS = 6
INCLUDE_DEPTH = 17                           # longest chain of our own includes, from each umbrella; 17th: a model file over a memory's
PREPROCESSED_LINES = 130_000                 # of the umbrella
DEPTH, PREPROCESSED = "includes deep", "preprocessed lines"


class Function:
    def __init__(self, name, first, last, parameters):
        self.name, self.first, self.last, self.parameters = name, first, last, parameters

    @property
    def lines(self):
        return self.last - self.first + 1


def count_parameters(inside):
    """Number of parameters in the text between a function's parentheses."""
    depth, count = 0, 1 if inside.strip() not in ("", "void") else 0
    for letter in inside:
        depth += (letter in "(<[{") - (letter in ")>]}")
        count += letter == "," and depth == 0
    return count


NAME = re.compile(r"(operator\s*(?:\(\)|\[\]|[^\s\w(]+|\s\w+)|~?[A-Za-z_][\w:~]*)\s*$")
NOT_A_NAME = {"requires", "noexcept", "alignas", "decltype", "__attribute__", "explicit", "target", "if", "for",
              "while", "switch", "catch", "return"}


def signature(head):
    """(name, parameters) if the text before a `{` is that of a function, else None."""
    if re.search(r"[=,(]\s*$", head) or re.match(r"\s*(namespace|extern)\b", head):
        return None
    at = 0
    while (opening := head.find("(", at)) >= 0:
        at = match_close(head, opening)
        before = head[:opening]
        if re.search(r"operator\s*$", before):  # operator(): its parameters come next
            continue
        found = NAME.search(before)
        if found and found.group(1) not in NOT_A_NAME and not re.search(r"\brequires\s*$", before):
            if re.search(r"\brequires\s*\($", head[:opening + 1]):
                continue
            return found.group(1), count_parameters(head[opening + 1:at - 1])
    return None


def functions(text):
    """The functions defined in a file. Those inside functions (lambdas, local types) count with the outer one."""
    code, at, found = code_only(text), 0, []
    start = 0  # of the text that may turn out to be the head of a function
    while at < len(code):
        letter = code[at]
        if letter == "(":
            at = match_close(code, at)
            continue
        if letter in ";}":
            start = at + 1
        elif letter == "{":
            head = code[start:at]
            sign = signature(head)
            is_type = re.search(r"\b(class|struct|union|enum)\b[^()]*$", head) and not head.rstrip().endswith(")")
            if sign is not None and not is_type:
                end = match_close(code, at)
                first = start + len(head) - len(head.lstrip())
                found.append(Function(sign[0], code.count("\n", 0, first) + 1, code.count("\n", 0, end) + 1, sign[1]))
                at, start = end, end
                continue
            start = at + 1
        at += 1
    return found


@functools.cache
def longest_chain(path):
    """The longest chain of includes of our own headers that begins with this one, as a tuple of paths."""
    chains = (longest_chain(below) for below in sorted(included_below(path)))
    return (path, *max(chains, key=len, default=()))


def in_circle(path, above, done):
    """A circle of includes that can be reached from `path`, as a list of paths, or None."""
    if path in above:
        return [*above[above.index(path):], path]
    if path in done:
        return None
    done.add(path)
    return next(filter(None, (in_circle(found, [*above, path], done) for found in included_below(path))), None)


def preprocessed_lines():
    """Lines of the umbrella after preprocessing, without blank lines and line markers. None if it does not compile."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "all.cpp"
        source.write_text("#include <moeclip/moeclip.hpp>\n", encoding="utf-8")
        done = subprocess.run([os.environ.get("CXX", "g++"), "-std=c++20", "-O2", f"-I{ROOT / 'include'}", "-E",
                               source], stdout=subprocess.PIPE, text=True, check=True)
    return sum(1 for line in done.stdout.splitlines() if line.strip() and not line.startswith("#"))


def read_excuses():
    """{subject: reason} from budgets.txt: one `subject: reason` a line, `#` starts a comment."""
    excuses = {}
    for line in (ROOT / "tools" / "dev" / "budgets.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            subject, _, reason = line.partition(": ")
            if not reason.strip():
                sys.exit(f"budgets.txt: {subject} has no reason")
            excuses[subject.strip()] = reason.strip()
    return excuses


def measure():
    """Every (subject, value, limit, what) that has a budget."""
    for path in sources("include", "tools"):
        text, name = path.read_text(encoding="utf-8"), relative(path)
        kernel = "kernels/body/" in name or "kernels/isa/" in name
        yield name, text.count("\n"), BODY_LINES if path.suffix == ".inl" else HEADER_LINES, "lines in the file"
        for function in functions(text):
            subject = f"{name} {function.name}"
            yield subject, function.lines, KERNEL_LINES if kernel else FUNCTION_LINES, "lines in the function"
            yield subject, function.parameters, PARAMETERS, "parameters"
    for path in sorted((ROOT / "examples" / "course").glob("*.cpp")):
        yield relative(path), path.read_text(encoding="utf-8").count("\n"), LESSON_LINES, "lines in the lesson"
    umbrella = INCLUDE / "moeclip.hpp"
    for name in UMBRELLAS:
        yield relative(INCLUDE / name), len(longest_chain(INCLUDE / name)) - 1, INCLUDE_DEPTH, DEPTH
    yield f"{relative(umbrella)} -E", preprocessed_lines(), PREPROCESSED_LINES, PREPROCESSED


def main():
    if circle := next(filter(None, (in_circle(INCLUDE / name, [], set()) for name in UMBRELLAS)), None):
        sys.exit("a circle of includes: " + " -> ".join(map(relative, circle)))
    excuses, used, over, seen = read_excuses(), set(), [], []
    for subject, value, limit, what in measure():
        seen.append((what, value, subject))
        if value <= limit:
            continue
        if subject in excuses:
            used.add(subject)
        else:
            over.append(f"{subject}: {value} {what}, at most {limit}")
    over += [f"budgets.txt: {subject} needs no excuse any more" for subject in excuses if subject not in used]

    if "--largest" in sys.argv[1:]:
        for what in ("lines in the file", "lines in the function", "parameters"):
            for _, value, subject in sorted((entry for entry in seen if entry[0] == what), reverse=True)[:10]:
                print(f"{value:6} {what}: {subject}")
    print(*over, sep="\n", end="\n" if over else "")
    for name in UMBRELLAS:
        chain = longest_chain(INCLUDE / name)
        steps = " > ".join(path.relative_to(INCLUDE).as_posix().removesuffix(".hpp") for path in chain)
        print(f"longest chain of includes, {len(chain) - 1}: {steps}")
    lines = next(value for what, value, _ in seen if what == PREPROCESSED)
    print(f"check_budgets: {len(over)} over, {len(used)} excused; moeclip.hpp is {lines} lines preprocessed")
    sys.exit(1 if over else 0)


main()

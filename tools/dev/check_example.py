# SPDX-License-Identifier: MIT
"""Runs an example and compares what it prints with the output that its first comment shows.

usage: check_example.py SOURCE PROGRAM [ARGUMENT...]      arguments are the program's
The expected output is the part of the first comment after the line `// Output:`, up to the end of the comment. In it,
`...` stands for any text within a line: times, and whatever differs between machines.
"""
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def expected(source):
    lines = Path(source).read_text(encoding="utf-8").split("\n")
    if "// Output:" not in lines:
        sys.exit(f"{source}: its first comment has no line `// Output:`")
    wanted = []
    for line in lines[lines.index("// Output:") + 1:]:
        if not line.startswith("//"):
            break
        wanted.append(line[2:].removeprefix(" ").rstrip())
    return wanted


def main():
    source, program, *arguments = sys.argv[1:]
    wanted = expected(source)
    with tempfile.TemporaryDirectory(prefix="moeclip-example-") as folder:  # examples may write files
        done = subprocess.run([Path(program).resolve(), *arguments], text=True, stdout=subprocess.PIPE, cwd=folder,
                              timeout=300)
    if done.returncode != 0:
        sys.exit(f"exit code {done.returncode}")
    found = [line.rstrip() for line in done.stdout.rstrip("\n").split("\n")]
    for number in range(max(len(wanted), len(found))):
        want = wanted[number] if number < len(wanted) else None
        have = found[number] if number < len(found) else None
        if want is None or have is None or not re.fullmatch(".*".join(map(re.escape, want.split("..."))), have):
            sys.exit(f"line {number + 1} of the output:\n  wanted: {want}\n  found:  {have}")


main()

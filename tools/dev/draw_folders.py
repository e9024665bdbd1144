# SPDX-License-Identifier: MIT
"""Draws the folders of include/moeclip and what they include, between the marks in include/moeclip/README.md: a graph for
GitHub and other readers of Mermaid, a table for all. Arrows that follow from others are left out of the graph; the table
has all of them.

usage: draw_folders.py [--check]      --check writes nothing and fails if the picture or a reading route is not true
A reading route is a numbered list below a heading of the README, with a file in each line. A reader who follows it never
has to turn back: no file includes, directly or not, one that comes later.
"""
import functools
import re
import sys

from cpp_source import INCLUDE, RANKS, included, included_below, sources

README = INCLUDE / "README.md"
BEGIN, END = "<!-- made by tools/dev/draw_folders.py -->", "<!-- end of what is made -->"
ROUTES = ("Picture to map", "Batch to gradient", "File to tensor")


def arrows():
    """{folder: the folders that its files include}, all in the order of RANKS."""
    below = {folder: set() for folder in RANKS}
    for path in sources("include"):
        folder = path.relative_to(INCLUDE).parts[0]
        if folder in RANKS:
            below[folder] |= {found.relative_to(INCLUDE).parts[0]
                              for _, found in included(path, path.read_text(encoding="utf-8"))} - {folder}
    return {folder: sorted(others, key=list(RANKS).index) for folder, others in below.items()}


def without_shortcuts(below):
    """The arrows that do not follow from others."""
    def reaches(folder, goal):
        return any(other == goal or reaches(other, goal) for other in below[folder])
    return {folder: [goal for goal in others if not any(reaches(other, goal) for other in others if other != goal)]
            for folder, others in below.items()}


def purpose(folder):
    """The first line of the folder's README."""
    path = INCLUDE / folder / "README.md"
    title = path.read_text(encoding="utf-8").split("\n")[0] if path.exists() else ""
    return re.sub(rf"^# {folder}:? *", "", title)


def picture():
    below = arrows()
    lines = ["```mermaid", "graph BT"]
    for folder, others in without_shortcuts(below).items():
        lines += [f"  {folder} --> {other}" for other in others] or [f"  {folder}"]
    lines += ["```", "", "| rank | folder | what | includes |", "|---|---|---|---|"]
    lines += [f"| {rank} | [{folder}]({folder}/README.md) | {purpose(folder)} | {', '.join(below[folder])} |"
              for folder, rank in RANKS.items()]
    return "\n".join(["", *lines, ""])


@functools.cache
def reached(path):
    """All files of ours that a header includes, directly or not."""
    direct = included_below(path)
    return direct.union(*map(reached, direct))


def route_breaches(text):
    for title in ROUTES:
        section = re.search(rf"^### {title}\n(.*?)(?=^#|\Z)", text, re.M | re.S)
        names = re.findall(r"^\d+\. `([\w/]+\.\w+)`", section.group(1), re.M) if section else []
        if len(names) < 3:
            yield f"the route `{title}` is missing"
        paths = [INCLUDE / name for name in names]
        yield from (f"{title}: there is no {name}" for name, path in zip(names, paths) if not path.exists())
        paths = [path for path in paths if path.exists()]
        for at, path in enumerate(paths):
            for later in paths[at + 1:]:
                if later in reached(path):
                    yield (f"{title}: {path.relative_to(INCLUDE)} includes {later.relative_to(INCLUDE)},"
                           " which the reader comes to later")


def stale():
    """What is not true in the README, a sentence each."""
    text = README.read_text(encoding="utf-8") if README.exists() else ""
    found = re.search(f"{re.escape(BEGIN)}(.*){re.escape(END)}", text, re.S)
    out_of_date = [] if found and found.group(1).strip() == picture().strip() else \
        ["the picture of the folders is out of date; run tools/dev/draw_folders.py"]
    return out_of_date + list(route_breaches(text))


def main():
    if "--check" not in sys.argv[1:]:
        text = README.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        README.write_text(f"{before}{BEGIN}{picture()}{END}{rest.partition(END)[2]}", encoding="utf-8")
    messages = stale()
    print(*messages, sep="\n", end="\n" if messages else "")
    sys.exit(1 if messages else 0)


if __name__ == "__main__":
    main()

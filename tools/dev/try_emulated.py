# SPDX-License-Identifier: MIT
"""Runs the tool of another machine and says whether it does as ours does.

usage: try_emulated.py NATIVE_TOOL TOOL EMULATOR...

  try_emulated.py build/release/bin/moeclip build/windows/bin/moeclip.exe wine64
  try_emulated.py build/release/bin/moeclip build/archive-aarch64/bin/moeclip qemu-aarch64

The built-in model must give the same verdicts and scores within 1e-5 for recorded pictures, and within 1e-2 for those that
`demo` draws, which may differ by a few numbers (include/moeclip/synthetic/README.md); recorded models, some of 8-bit
integers, the same verdicts and scores within 1e-2, for pictures in folders with names that are not ASCII; errors must have the same exit codes and name the file.
wine gets a Windows of its own (wine.py).
"""
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import wine

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden"
NAMES = ("plain", "Stra\u00dfe", "\u5de5\u5382 \u90e8\u4ef6", "d\u00e9faut \U0001f529")
NEAR = 1e-2  # between scores: int8 models by other instructions
NEAR_FLOAT = 1e-5  # of the built-in model, in float; one eps, 1.2e-7, is what instruction sets were seen to differ by


class Tools:
    def __init__(self, native, other, environment):
        self.commands = {"native": [native], "other": other}
        self.environment = environment  # None: ours
        self.failures = 0

    def run(self, which, *arguments, folder=None):
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:  # no pipe that another may keep open
            code = subprocess.call([*self.commands[which], *map(str, arguments)], cwd=folder, env=self.environment,
                                   stdin=subprocess.DEVNULL, stdout=out, stderr=err, timeout=1500)
            out.seek(0)
            err.seek(0)
            return code, out.read().decode("utf-8").replace("\r\n", "\n"), err.read().decode("utf-8", "replace")

    def check(self, name, is_fine, *details):
        print(f"{name}: {'the same' if is_fine else 'DIFFERS'}", flush=True)
        if not is_fine:
            self.failures += 1
            print(*details, sep="\n")

    def objects(self, name, *arguments, folder):
        """What both print with --json, one list each; None if one fails."""
        found = []
        for which in self.commands:
            code, out, err = self.run(which, *arguments, "--json", folder=folder)
            if code != 0:
                return self.check(f"{name} ({which})", False, code, out[-1000:], err[-1000:])
            found.append([json.loads(line) for line in out.splitlines()])
        return found

    def compare(self, name, *arguments, folder, near=NEAR):
        found = self.objects(name, *arguments, folder=folder)
        if found:
            ours, theirs = ([(o["image"].replace("\\", "/"), o["is_anomalous"], o["score"]) for o in list_] for list_ in found)
            self.check(name, [o[:2] for o in ours] == [t[:2] for t in theirs] and
                       all(abs(o[2] - t[2]) <= near for o, t in zip(ours, theirs)), ours, theirs)


def try_pictures(tools, folder):
    """The same pictures under several names, by path and by folder, and what is written for them."""
    for name in NAMES:
        place = folder / name
        place.mkdir()
        for picture in ("good", "bad"):
            shutil.copy(GOLDEN / "model" / f"{picture}.png", place / f"{picture} {name}.png")
        shutil.copy(GOLDEN / "model" / "textures.moeclip", place / f"{name}.moeclip")
        tools.compare(f"detect in {name}", "detect", "--model", f"{name}/{name}.moeclip", name, folder=folder)
        code, _, err = tools.run("other", "detect", "--model", f"{name}/{name}.moeclip", "--out", f"{name}/out",
                                 f"{name}/bad {name}.png", folder=folder)
        written = sorted(path.name for path in (place / "out").glob("*"))
        tools.check(f"files in {name}/out", code == 0 and f"bad {name}.map.npy" in written, err, written)
    tools.compare("built-in model", "detect", "plain", folder=folder, near=NEAR_FLOAT)
    for model in ("words", "fused"):
        tools.compare(model, "detect", "--model", GOLDEN / "model" / f"{model}.moeclip", "plain", folder=folder)


def try_errors(tools, folder):
    for name, arguments in (("no such file", ("detect", "no/\u00e4.png")), ("no such option", ("detect", "--modle", "x")),
                            ("no picture", ("inspect", GOLDEN / "model" / "make.py"))):
        ours, theirs = (tools.run(which, *arguments, folder=folder) for which in tools.commands)
        tools.check(name, ours[0] == theirs[0] != 0 and bool(theirs[2]), ours, theirs)


def try_demo(tools, folder):
    """Verdicts and scores of `demo`."""
    tables = []
    for which in tools.commands:
        code, out, err = tools.run(which, "demo", "--json", "--out", which, "--pictures", "4", folder=folder)
        tables.append(json.loads(out) if code == 0 else (code, err[-1000:]))
    verdicts = [[(row["class"], row["truth"], row["is_anomalous"]) for row in table["pictures"]]
                if isinstance(table, dict) else table for table in tables]
    is_same = isinstance(tables[0], dict) and verdicts[0] == verdicts[1]
    tools.check("demo", is_same, *verdicts)
    if is_same:
        apart = max(abs(a["score"] - b["score"]) for a, b in zip(*(table["pictures"] for table in tables)))
        tools.check(f"scores of demo, {apart:.1e} apart", apart <= NEAR)


def main():
    if len(sys.argv) < 4 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    native, tool = (Path(argument).resolve() for argument in sys.argv[1:3])
    emulator, environment = sys.argv[3:], None
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        if Path(emulator[0]).name.startswith("wine"):
            emulator[0], environment = stack.enter_context(wine.session())
        tools = Tools(native, [*emulator, tool], environment)
        for trial in (try_errors, try_pictures, try_demo):
            trial(tools, Path(folder))
    sys.exit(1 if tools.failures else 0)


if __name__ == "__main__":
    main()

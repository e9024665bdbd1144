# SPDX-License-Identifier: MIT
"""Damages files that moeclip wrote, a single bit or the end at a time, at seeded random places, and checks that each
is refused: exit code 1, 2 or 3, and a message that names the file.

usage: damage.py TOOL [--count N] [--seed S] [--kinds adapter,...]

--count is that of damaged files of each kind: half of them with another bit, half cut off.
"""
import argparse
import os
import random
import subprocess
import sys
import tempfile

from faults import make_inputs


def run(tool, folder, *words):
    return subprocess.run([tool, *words], cwd=folder, capture_output=True, timeout=120)


def make_files(tool, folder):
    """Kinds of files: where each is, and the command that reads it, which takes no long look at anything."""
    def make(*words):
        done = run(tool, folder, *words)
        if done.returncode != 0:
            sys.exit(f"{words}: {done.stderr.decode()}")
    make_inputs(tool, folder)
    make("convert", "run/moe_last.safetensors", "adapter.pth")
    make("calibrate", "set", "--out", "limits.json", "--image-size", "64")
    make("eval", "set", "--out", "judged", "--image-size", "64")
    make("quantize", "--check", "good", "--image-size", "64", "--out", "small.safetensors", "--min-correlation", "0",
         "--max-score-change", "1")
    look = ["detect", "set/test/good/0.png", "--image-size", "64", "--json"]
    return {
        "adapter": ("adapter.pth", ["convert", "adapter.pth", "again.safetensors", "--force"]),
        "checkpoint": ("run/moe_last.safetensors", ["convert", "run/moe_last.safetensors", "again.pth", "--force"]),
        "memory": ("part.moeclip", ["detect", "set/test/good/0.png", "--good", "part.moeclip", "--json"]),
        "quantized": ("small.safetensors", [*look, "--clip", "small.safetensors"]),
        "calibration": ("limits.json", [*look, "--calibration", "limits.json"]),
        "evaluation": ("judged/state.safetensors", ["merge", "judged/state.safetensors", "--json"]),
    }


def damaged(data, rng, number):
    """Another bit in one place, or less than there was."""
    if number % 2 == 0:
        place, bit = rng.randrange(len(data)), rng.randrange(8)
        return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1:], f"bit {bit} of byte {place}"
    size = rng.randrange(len(data))
    return data[:size], f"the first {size} of {len(data)} bytes"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("--count", type=int, default=320)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds")
    given = parser.parse_args()
    tool, failures = os.path.abspath(given.tool), 0
    with tempfile.TemporaryDirectory(prefix="moeclip-damage-") as folder:
        files = make_files(tool, folder)
        print(f"{'kind':12} {'bytes':>9} {'damaged':>8} {'refused':>8}")
        for kind in given.kinds.split(",") if given.kinds else files:
            name, words = files[kind]
            rng, refused, path = random.Random(f"{given.seed} {kind}"), 0, os.path.join(folder, name)
            with open(path, "rb") as file:
                whole = file.read()
            if run(tool, folder, *words).returncode != 0:
                sys.exit(f"{kind}: the whole file is refused too")
            for number in range(given.count):
                data, what = damaged(whole, rng, number)
                with open(path, "wb") as file:
                    file.write(data)
                done = run(tool, folder, *words)
                message = done.stderr.decode(errors="replace")
                if done.returncode in (1, 2, 3) and os.path.basename(name) in message:
                    refused += 1
                else:
                    print(f"{kind}: {what}: exit code {done.returncode}, {message.strip()[-200:]!r}", flush=True)
            with open(path, "wb") as file:
                file.write(whole)
            failures += given.count - refused
            print(f"{kind:12} {len(whole):9} {given.count:8} {refused:8}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

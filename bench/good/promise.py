# SPDX-License-Identifier: MIT
"""What `moeclip learn` promises about false alarms, against what is found: in every split some good pictures are learned,
and others of the same folder are judged.

usage: promise.py TOOL FOLDER... [--learned 20] [--judged 40] [--splits 200] [learning options of the tool]
"""
import argparse
import json
import random
import subprocess
import tempfile
from pathlib import Path

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm"}


def objects(*words):
    done = subprocess.run([*map(str, words), "--json"], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return [json.loads(line) for line in done.stdout.splitlines()]


def split(tool, pictures, wanted, rng, more):
    """Learned and judged once; returns what was expected and what was found, as rates."""
    drawn = rng.sample(pictures, wanted.learned + wanted.judged)
    with tempfile.TemporaryDirectory() as folder:
        memory = Path(folder) / "part.moeclip"
        learned, = objects(tool, "learn", *drawn[:wanted.learned], "-o", memory, *more)
        judged = objects(tool, "detect", *drawn[wanted.learned:], "--good", memory)
    rate = learned["false_positive_rate"]
    return rate["expected"], rate["high"], sum(line["is_anomalous"] for line in judged) / len(judged)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--learned", type=int, default=20)
    parser.add_argument("--judged", type=int, default=40)
    parser.add_argument("--splits", type=int, default=200, help="over all folders")
    wanted, more = parser.parse_known_args()
    results = []
    for number, folder in enumerate(wanted.folders):
        pictures = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
        rng = random.Random(number)
        own = [split(wanted.tool, pictures, wanted, rng, more) for _ in range(wanted.splits // len(wanted.folders))]
        results += own
        print(f"{folder}: {len(pictures)} pictures, {len(own)} splits, found {100 * mean(own, 2):.1f} %", flush=True)
    above = sum(found > high for _, high, found in results)
    print(f"{len(results)} splits of {wanted.learned} learned and {wanted.judged} judged: {100 * mean(results, 0):.1f} % "
          f"expected, {100 * mean(results, 2):.1f} % found; above the bound of 95 % confidence in {above}")


def mean(results, column):
    return sum(result[column] for result in results) / len(results)


if __name__ == "__main__":
    main()

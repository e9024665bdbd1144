# SPDX-License-Identifier: MIT
"""What `moeclip learn` promises about false alarms, against what is found: in every split some good pictures are learned,
and others of the same folder are judged.

usage: promise.py TOOL FOLDER... [--learned 20] [--judged 40] [--splits 200] [--burst 1] [learning options of the tool]

The table has a line per folder and one for all: false alarms expected and found, and in how many splits more than the
bound of 95 % confidence were found. The bound is one of the rate, and so many judged pictures only sample it: if the
promise holds, the rate is Beta distributed (CAL-2 in eval/README.md), and "by chance" says in what share of splits more
are found then.

--burst K learns K shots of each of learned / K pictures, and judges one shot of each other: moved by up to a fiftieth,
lighter or darker by up to 7 %, with noise, as JPEG (needs Pillow).
"""
import argparse
import json
import math
import random
import subprocess
import tempfile
from pathlib import Path

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm"}


def objects(*words):
    done = subprocess.run([*map(str, words), "--json"], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return [json.loads(line) for line in done.stdout.splitlines()]


def shoot(path, count, rng, folder):
    """So many shots of a picture, as files in `folder`."""
    from PIL import Image, ImageChops, ImageEnhance
    picture = Image.open(path).convert("RGB")
    for shot in range(count):
        dx, dy = (rng.uniform(-0.02, 0.02) * side for side in picture.size)
        moved = picture.transform(picture.size, Image.AFFINE, (1, 0, dx, 0, 1, dy), resample=Image.BILINEAR)
        noise = Image.merge("RGB", [Image.effect_noise(picture.size, 4) for _ in range(3)])  # around 128
        seen = ImageChops.add(ImageEnhance.Brightness(moved).enhance(rng.uniform(0.93, 1.07)), noise, 1, -128)
        seen.save(folder / f"{path.stem}-{shot}.jpg", quality=rng.choice((75, 85, 92)))
    return [folder / f"{path.stem}-{shot}.jpg" for shot in range(count)]


def split(tool, pictures, wanted, rng, more):
    """Learned and judged once; what was promised, and how many of the judged pictures were called defective."""
    things = wanted.learned // wanted.burst
    drawn = rng.sample(pictures, things + wanted.judged)
    with tempfile.TemporaryDirectory() as folder:
        memory, good, new = Path(folder) / "part.moeclip", drawn[:things], drawn[things:]
        if wanted.burst > 1:
            good = [shot for path in good for shot in shoot(path, wanted.burst, rng, Path(folder))]
            new = [shot for path in new for shot in shoot(path, 1, rng, Path(folder))]
        learned, = objects(tool, "learn", *good, "-o", memory, "--threads", 1, *more)
        judged = objects(tool, "detect", *new, "--good", memory, "--threads", 1)
    rate, above = learned["false_positive_rate"], sum(s >= learned["threshold"] for s in learned["held_out"])
    return {"expected": rate["expected"], "high": rate["high"], "judged": len(judged),
            "alarms": sum(line["is_anomalous"] for line in judged),
            "chance": chance_above(rate["high"], len(judged), above + 1, learned["things"] - above)}


def chance_above(bound, judged, a, b):
    """How often more than bound times judged are alarms, if their rate is distributed as Beta(a, b)."""
    log_beta = lambda x, y: math.lgamma(x) + math.lgamma(y) - math.lgamma(x + y)
    return sum(math.comb(judged, k) * math.exp(log_beta(a + k, b + judged - k) - log_beta(a, b))
               for k in range(judged + 1) if k > bound * judged)


def line(name, splits):
    total = {key: sum(split[key] for split in splits) for key in splits[0]}
    above = sum(split["alarms"] > split["high"] * split["judged"] for split in splits)
    count = len(splits)
    return (f"| {name} | {count} | {100 * total['expected'] / count:.1f} | {100 * total['alarms'] / total['judged']:.1f} "
            f"({total['alarms']} of {total['judged']}) | {above} | {total['chance']:.1f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tool")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--learned", type=int, default=20)
    parser.add_argument("--judged", type=int, default=40)
    parser.add_argument("--burst", type=int, default=1, help="shots of each learned picture")
    parser.add_argument("--splits", type=int, default=200, help="over all folders")
    wanted, more = parser.parse_known_args()
    every = []
    print("| good pictures | splits | expected % | found % | above the bound in | by chance |\n|---|---|---|---|---|---|")
    for number, folder in enumerate(wanted.folders):
        pictures = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
        rng = random.Random(number)
        own = [split(wanted.tool, pictures, wanted, rng, more) for _ in range(-(-wanted.splits // len(wanted.folders)))]
        every += own
        print(line(f"{folder.name}, {len(pictures)}", own), flush=True)
    print(line("all", every))


if __name__ == "__main__":
    main()

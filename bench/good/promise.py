# SPDX-License-Identifier: MIT
"""What `moeclip learn` promises about false alarms, against what is found: in every split some good pictures are learned,
and others of the same folder are judged.

usage: promise.py TOOL FOLDER... [--learned 20] [--judged 40] [--splits 200] [--burst 1] [learning options of the tool]

--burst K learns K shots of each of learned / K pictures, and judges one shot of each other: moved by up to a fiftieth,
lighter or darker by up to 7 %, with noise, as JPEG (needs Pillow).
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
    """Learned and judged once; returns what was expected and what was found, as rates."""
    things = wanted.learned // wanted.burst
    drawn = rng.sample(pictures, things + wanted.judged)
    with tempfile.TemporaryDirectory() as folder:
        memory, good, new = Path(folder) / "part.moeclip", drawn[:things], drawn[things:]
        if wanted.burst > 1:
            good = [shot for path in good for shot in shoot(path, wanted.burst, rng, Path(folder))]
            new = [shot for path in new for shot in shoot(path, 1, rng, Path(folder))]
        learned, = objects(tool, "learn", *good, "-o", memory, *more)
        judged = objects(tool, "detect", *new, "--good", memory)
    rate = learned["false_positive_rate"]
    return rate["expected"], rate["high"], sum(line["is_anomalous"] for line in judged) / len(judged)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--learned", type=int, default=20)
    parser.add_argument("--judged", type=int, default=40)
    parser.add_argument("--burst", type=int, default=1, help="shots of each learned picture")
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

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes augment.json: what torchvision 0.14.1 does to pictures whose pixels are numbered, as FNV-1a of the numbers
(little-endian int32; -1 where
zeros were filled in), and for two small ones the numbers themselves. Draws are ours; the transforms are theirs.

usage: make.py > augment.json
"""
import json
import sys

import numpy as np
import torch
import torchvision.transforms.functional as F
from torchvision.transforms import InterpolationMode

SIDES = [1, 2, 5, 14, 37, 70, 96, 112, 224, 336, 518]


def fnv1a(data):
    value = 0xcbf29ce484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001b3 % 2**64
    return f"{value:016x}"


def sources(width, height, degrees, shift_x, shift_y, flip_x, flip_y):
    image = torch.arange(1, width * height + 1, dtype=torch.float32).reshape(1, height, width)
    if degrees:
        image = F.rotate(image, degrees, InterpolationMode.NEAREST, fill=0)
    if shift_x or shift_y:
        image = F.affine(image, angle=0.0, translate=[shift_x, shift_y], scale=1.0, shear=[0.0, 0.0],
                         interpolation=InterpolationMode.NEAREST, fill=0)
    if flip_x:
        image = F.hflip(image)
    if flip_y:
        image = F.vflip(image)
    return image.numpy().astype(np.int32).reshape(-1) - 1


def main():
    rng = np.random.default_rng(7)
    cases = []
    for n in range(60):
        width = height = SIDES[n % len(SIDES)]
        if n % 7 == 3:
            height = int(rng.integers(1, 120))
        degrees = 0.0 if n % 6 == 5 else [30.0, -30.0, 15.0, 90.0][n // 10 % 4] if n % 10 == 9 else float(rng.uniform(-30, 30))
        shift = [0, 0] if n % 4 == 2 else [int(np.round(rng.uniform(-0.15, 0.15) * side)) for side in (width, height)]
        flips = [int(n // 2 % 2), int(n % 2)]
        moved = sources(width, height, degrees, *shift, *flips)
        case = [width, height, degrees, *shift, *flips, fnv1a(moved.astype("<i4").tobytes())]
        cases.append(case)
    small = [[7, 5, 25.0, 1, -1, 0, 1], [6, 6, -17.5, 0, 2, 1, 0]]
    json.dump({"cases": cases, "small": [[*case, sources(*case).tolist()] for case in small]}, sys.stdout, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()

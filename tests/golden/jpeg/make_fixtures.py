#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Remakes the JPEG files of this folder and expected.txt: their pixels as Pillow (with libjpeg-turbo 2.1.5) decodes them.

Needs Pillow, numpy and cjpeg (libjpeg-turbo-progs). expected.txt has one line per file: name, width, height, and the
64-bit FNV-1a hashes of the bytes of convert("RGB") and of convert("L").
"""
import io
import pathlib
import subprocess
import tempfile

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).parent
WORK = pathlib.Path(tempfile.mkdtemp())
files = {}


def picture(width, height, channels=3, seed=7):
    """Gradients, edges and some noise: every coefficient gets used, small files stay small."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [(x * 5 + y * 3) % 256, 255 * ((x // 5 + y // 7) % 2), (x * y) % 256, 40 + 3 * x]
    pixels = np.stack(planes[:channels], -1) + rng.integers(0, 12, (height, width, channels))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def cjpeg(name, width, height, *options, scans=None):
    ppm = WORK / "in.ppm"
    Image.fromarray(picture(width, height)).save(ppm)
    command = ["cjpeg", "-dct", "int", *options]
    if scans:
        (WORK / "scans").write_text(scans)
        command += ["-scans", str(WORK / "scans")]
    files[name] = subprocess.run([*command, str(ppm)], check=True, capture_output=True).stdout


def segments(data):
    """(marker, begin, end) of each segment up to the first scan."""
    at = 2
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        yield data[at + 1], at, end
        at = end


def without(data, *markers):
    for marker, begin, end in reversed(list(segments(data))):
        if marker in markers:
            data = data[:begin] + data[end:]
    return data


for sampling in "1x1 2x1 2x2 1x2 4x1 4x2 4x4 1x4 3x1 1x3 3x3 1x1,2x2,1x1 2x1,1x2,1x1 2x2,2x1,1x2 4x2,2x1,1x1".split():
    label = sampling.replace(",", "_")
    factors = [int(f[0]) * int(f[2]) for f in (sampling + ",1x1,1x1").split(",")[:3]]
    fits = sum(factors) <= 10  # blocks that one interleaved unit may have
    cjpeg(f"s{label}.jpg", 45, 37, "-quality", "70", "-optimize", "-sample", sampling, scans=None if fits else "0; 1; 2;")
    cjpeg(f"s{label}_progressive.jpg", 29, 35, "-quality", "50", "-progressive", "-sample", sampling,
          scans=None if fits else "".join(f"{c}: 0-0, 0, 0; {c}: 1-63, 0, 1; {c}: 1-63, 1, 0;" for c in range(3)))
for width, height in [(1, 1), (2, 2), (3, 5), (5, 3), (8, 8), (16, 16), (17, 33), (4, 40), (40, 1)]:
    cjpeg(f"size{width}x{height}.jpg", width, height, "-quality", "80", "-optimize")
for quality in (1, 10, 50, 95, 100):
    cjpeg(f"quality{quality}.jpg", 24, 24, "-quality", str(quality), "-optimize", "-sample", "2x1")
cjpeg("standard_codes.jpg", 40, 24, "-quality", "75")
files["no_codes.jpg"] = without(files["standard_codes.jpg"], 0xC4)
cjpeg("restart_blocks.jpg", 61, 40, "-quality", "60", "-optimize", "-restart", "2B")
cjpeg("restart_rows_progressive.jpg", 61, 40, "-quality", "60", "-progressive", "-restart", "1")
cjpeg("three_scans.jpg", 33, 30, "-quality", "60", "-sample", "2x2", scans="0; 1; 2;")
cjpeg("two_scans.jpg", 33, 30, "-quality", "60", "-sample", "2x1", scans="0; 1,2;")
cjpeg("single_terms.jpg", 30, 20, "-quality", "80",
      scans="0,1,2: 0-0, 0, 3;" + "".join(f"0: {k}-{k}, 0, {k % 4};" for k in range(1, 12)) +
      "1: 1-63, 0, 1; 2: 1-63, 0, 0; 0: 12-63, 0, 2; 0,1,2: 0-0, 3, 2; 0,1,2: 0-0, 2, 1; 0,1,2: 0-0, 1, 0;" +
      "".join(f"0: {k}-{k}, {b}, {b - 1};" for k in range(1, 12) for b in range(k % 4, 0, -1)) +
      "0: 12-63, 2, 1; 1: 1-63, 1, 0; 0: 12-63, 1, 0;")
cjpeg("unfinished_dc_only.jpg", 70, 90, "-quality", "50", "-sample", "2x2", scans="0,1,2: 0-0, 0, 0;")
cjpeg("unfinished_some_ac.jpg", 70, 58, "-quality", "50", "-sample", "1x2",
      scans="0,1,2: 0-0, 0, 1; 0: 1-5, 0, 2; 2: 1-2, 0, 1; 0: 6-63, 0, 2; 0: 1-5, 2, 1;")
cjpeg("unfinished_narrow.jpg", 14, 50, "-quality", "50", "-sample", "1x1", scans="0,1,2: 0-0, 0, 0;")
cjpeg("gray.jpg", 37, 29, "-quality", "70", "-grayscale", "-optimize")
cjpeg("gray_progressive.jpg", 37, 29, "-quality", "70", "-grayscale", "-progressive")
cjpeg("rgb.jpg", 33, 21, "-quality", "70", "-rgb", "-optimize")
files["rgb_by_ids.jpg"] = without(files["rgb.jpg"], 0xE0, 0xEE)
files["ycc_without_jfif.jpg"] = without(files["s2x2.jpg"], 0xE0)
stream = io.BytesIO()
Image.fromarray(picture(33, 27, 4), "CMYK").save(stream, "JPEG", quality=70, optimize=True)
files["cmyk_adobe.jpg"] = stream.getvalue()
files["cmyk_plain.jpg"] = without(stream.getvalue(), 0xEE)
adobe = stream.getvalue().index(b"Adobe")
files["ycck_adobe.jpg"] = stream.getvalue()[: adobe + 11] + b"\x02" + stream.getvalue()[adobe + 12 :]
stream = io.BytesIO()
Image.fromarray(picture(20, 12)).save(stream, "JPEG", quality=70, exif=b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0")
files["exif.jpg"] = stream.getvalue()
base = files["s2x2.jpg"]
files["filled.jpg"] = b"".join([base[:2], b"\xff\xff", *(base[b:e] + b"\xff\xff\xff" for _, b, e in segments(base)),
                                base[list(segments(base))[-1][2] :], b"\0trailing"])

lines = []
for name, data in sorted(files.items()):
    (HERE / name).write_bytes(data)
    image = Image.open(io.BytesIO(data))
    hashes = []
    for mode in ("RGB", "L"):
        value = 0xCBF29CE484222325
        for byte in image.convert(mode).tobytes():
            value = (value ^ byte) * 0x100000001B3 % 2**64
        hashes.append(f"{value:016x}")
    lines.append(f"{name} {image.width} {image.height} {' '.join(hashes)}\n")
(HERE / "expected.txt").write_text("".join(lines))

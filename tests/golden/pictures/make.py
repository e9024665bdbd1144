# SPDX-License-Identifier: MIT
"""Makes the GIF, TIFF and WebP files of this folder and index.txt: name, width, height and FNV-1a hashes of the pixels that
Pillow 9.4 (libtiff 4.5.0, libwebp 1.2.4) gives as RGB and as L; 16-bit gray as Pillow clips it. Needs tiffcp and cwebp."""
import io
import pathlib
import random
import subprocess
import warnings

import numpy as np
from PIL import Image, TiffImagePlugin

warnings.simplefilter("ignore")
HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(11)
index = []


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def add(name, data):
    (HERE / name).write_bytes(data)
    picture = Image.open(io.BytesIO(data))
    picture.load()
    colour, gray = picture.convert("RGB"), picture.convert("L")
    index.append(f"{name} {colour.width} {colour.height} {fnv(colour.tobytes())} {fnv(gray.tobytes())}\n")


def picture(mode="RGB", width=23, height=17):
    """Slopes with a noisy corner: something for every predictor and run."""
    y, x = np.mgrid[0:height, 0:width]
    samples = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}[mode]
    a = np.stack([(x * (3 + c) + y * (5 - c)) % 256 for c in range(samples)], 2)
    a[height // 2:, width // 2:] = rng.integers(0, 256, a[height // 2:, width // 2:].shape)
    a[: height // 3, : width // 3] = 200
    a = a.astype(np.uint8)
    return Image.fromarray(a[:, :, 0] if samples == 1 else a, mode)


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def gifs():
    small = picture().quantize(16)
    add("plain.gif", saved(small, "GIF", interlace=0))
    add("interlaced.gif", saved(small, "GIF", interlace=1))
    add("transparent.gif", saved(small, "GIF", transparency=3))
    add("gray.gif", saved(picture("L"), "GIF"))
    add("bilevel.gif", saved(picture("L").convert("1"), "GIF"))
    add("noise.gif", saved(Image.fromarray(rng.integers(0, 256, (90, 80), dtype=np.uint8)).convert("P"), "GIF"))
    add("one.gif", saved(picture("L", 1, 1), "GIF"))
    add("row.gif", saved(picture("L", 40, 1), "GIF"))
    add("animated.gif", saved(picture().quantize(8), "GIF", save_all=True, append_images=[picture().rotate(180).quantize(8)]))
    data = bytearray(saved(small, "GIF", transparency=2, interlace=0))
    data[6], data[8] = 30, 21  # a screen larger than its picture
    frame = data.index(b",", 13 + 48)
    data[frame + 1], data[frame + 3] = 4, 2
    add("offset.gif", bytes(data))


def tiffs():
    fields = TiffImagePlugin.ImageFileDirectory_v2
    for mode in ("L", "RGB", "RGBA", "CMYK", "LA"):
        add(f"{mode.lower()}.tif", saved(picture(mode), "TIFF"))
    deep = Image.fromarray((np.arange(23 * 17).reshape(17, 23) * 167 % 65536).astype(np.uint16))
    add("deep.tif", saved(deep, "TIFF"))
    add("bilevel.tif", saved(picture("L").convert("1"), "TIFF", compression="packbits"))
    add("palette.tif", saved(picture().quantize(200), "TIFF", compression="tiff_lzw"))
    for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
        add(f"{name}.tif", saved(picture(), "TIFF", compression=name))
        predicted = fields()
        predicted[317], predicted[278] = 2, 5  # horizontal differences, strips of five rows
        add(f"{name}_strips.tif", saved(picture(), "TIFF", compression=name, tiffinfo=predicted))
    for turn in range(2, 9):
        turned = fields()
        turned[274] = turn
        add(f"turned{turn}.tif", saved(picture("RGB", 7, 5), "TIFF", tiffinfo=turned))
    pages = [picture("L").rotate(90)]
    add("pages.tif", saved(picture("L"), "TIFF", save_all=True, append_images=pages))
    for name, source, options in (("tiles", "rgb", ["-t", "-w", "16", "-l", "16"]), ("planes", "rgb", ["-p", "separate"]),
                                  ("big", "rgb", ["-B"]), ("big_deep", "deep", ["-B", "-c", "lzw:2"]),
                                  ("reversed", "bilevel", ["-f", "lsb2msb"]),
                                  ("all", "rgb", ["-B", "-p", "separate", "-t", "-w", "16", "-l", "32", "-c", "zip:2"]),
                                  ("inverted", "l", [])):
        target = HERE / f"{name}.tif"
        subprocess.run(["tiffcp", *options, str(HERE / f"{source}.tif"), str(target)], check=True)
        data = target.read_bytes()
        if name == "inverted":  # photometric interpretation 0
            place = data.index(b"\x06\x01\x03\x00\x01\x00\x00\x00")
            data = data[:place + 8] + b"\0" + data[place + 9:]
        add(target.name, data)
    wide = picture("RGB", 6, 4)
    raw = np.asarray(wide).astype(np.uint16) * 257 - 3
    add("rgb16.tif", rgb16(raw))


def rgb16(values):
    """Pillow writes no 16-bit colour: one strip by hand."""
    height, width, _ = values.shape
    entries = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, 8 + 2 + 12 * 9 + 4), (259, 3, 1, 1), (262, 3, 1, 2),
               (273, 4, 1, 8 + 2 + 12 * 9 + 4 + 6), (277, 3, 1, 3), (278, 3, 1, height), (279, 4, 1, values.size * 2)]
    out = b"II*\0" + (8).to_bytes(4, "little") + len(entries).to_bytes(2, "little")
    for tag, kind, count, value in entries:
        out += tag.to_bytes(2, "little") + kind.to_bytes(2, "little") + count.to_bytes(4, "little") + value.to_bytes(4, "little")
    return out + bytes(4) + (16).to_bytes(2, "little") * 3 + values.astype("<u2").tobytes()


def webps():
    for name, image in (("rgb", picture()), ("rgba", picture("RGBA")), ("palette4", picture().quantize(4).convert("RGB")),
                        ("palette16", picture().quantize(16).convert("RGB")), ("palette2", picture().quantize(2).convert("RGB")),
                        ("one", picture("RGB", 1, 1)), ("flat", Image.new("RGB", (40, 30), (9, 8, 7))),
                        ("noise", Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)))):
        for method in (0, 6):
            add(f"{name}_{method}.webp", saved(image, "WEBP", lossless=True, method=method, quality=50 + 5 * method, exact=True))
    add("animated.webp", saved(picture(), "WEBP", lossless=True, save_all=True, append_images=[picture().rotate(180)]))
    y, x = np.mgrid[0:70, 0:90]
    photo = np.stack([(x * 2 + y) % 256, (128 + 90 * np.sin(x / 9) + y) % 256, (x * y // 20) % 256], 2)
    photo = Image.fromarray((photo + rng.normal(0, 6, photo.shape)).clip(0, 255).astype(np.uint8))
    photo.save(HERE / "photo.png")
    for level in (3, 9):
        subprocess.run(["cwebp", "-quiet", "-z", str(level), str(HERE / "photo.png"), "-o", str(HERE / "t.webp")], check=True)
        add(f"photo_z{level}.webp", (HERE / "t.webp").read_bytes())
    for quality in (5, 40, 80, 100):
        add(f"lossy{quality}.webp", saved(photo, "WEBP", quality=quality, method=quality % 7))
    for name, options in (("simple", ["-f", "60", "-nostrong"]), ("segments", ["-segments", "4", "-sns", "90", "-q", "30"]),
                          ("parts", ["-partition_limit", "60", "-q", "60", "-pass", "4"]), ("sharp", ["-sharpness", "5", "-f", "80", "-q", "20"]),
                          ("nofilter", ["-f", "0", "-q", "50"]), ("multi", ["-mt", "-m", "6", "-q", "70"])):
        subprocess.run(["cwebp", "-quiet", *options, str(HERE / "photo.png"), "-o", str(HERE / "t.webp")], check=True)
        add(f"lossy_{name}.webp", (HERE / "t.webp").read_bytes())
    add("lossy_one.webp", saved(picture("RGB", 1, 1), "WEBP"))
    add("lossy_odd.webp", saved(picture("RGB", 17, 33), "WEBP", quality=90))
    add("lossy_alpha.webp", saved(picture("RGBA"), "WEBP", quality=60))
    add("lossy_animated.webp", saved(picture(), "WEBP", quality=60, save_all=True, append_images=[picture().rotate(180)]))
    (HERE / "photo.png").unlink()
    (HERE / "t.webp").unlink()


random.seed(1)
gifs()
tiffs()
webps()
(HERE / "index.txt").write_text("".join(index))

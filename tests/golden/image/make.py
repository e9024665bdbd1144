#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the pictures of this folder and index.txt: name, width, height and FNV-1a hashes of the pixels that Pillow
9.4 gives as RGB and as L. Files Pillow does not read carry the hashes of the pixels that were put in."""
import io, struct, warnings, zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

HERE = Path(__file__).parent
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
WHOLE = [(0, 0, 1, 1)]
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
index = []
rng = np.random.default_rng(7)


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def add(name, data, rgb=None):
    """Writes a file; `rgb` is what it must decode to where Pillow cannot say."""
    (HERE / name).write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        picture = Image.fromarray(rgb) if rgb is not None else Image.open(io.BytesIO(data))
        colour, gray = picture.convert("RGB"), picture.convert("L")
    index.append(f"{name} {colour.width} {colour.height} {fnv(colour.tobytes())} {fnv(gray.tobytes())}\n")


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def paeth(a, b, c):
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    return a if pa <= pb and pa <= pc else b if pb <= pc else c


def filtered(row, above, step, kind):
    out = bytearray([kind])
    for i, value in enumerate(row):
        a, b, c = (row[i - step] if i >= step else 0), above[i], (above[i - step] if i >= step else 0)
        out.append((value - (0, a, b, (a + b) // 2, paeth(a, b, c))[kind]) & 255)
    return bytes(out)


def png(width, height, depth, colour, passes, extra=b"", parts=2):
    count = SAMPLES[colour]
    samples = rng.integers(0, 1 << depth, (height, width, count))
    if depth == 16:
        samples[::2] %= 500  # so that clipping and taking the high byte differ
    raw = b""
    for x0, y0, dx, dy in passes:
        part = samples[y0::dy, x0::dx]
        size = (part.shape[1] * count * depth + 7) // 8
        above = bytes(size)
        for number, line in enumerate(part if part.shape[1] else []):
            bits = (line.reshape(-1, 1) >> np.arange(depth - 1, -1, -1)) & 1
            row = np.packbits(bits.astype("u1").reshape(-1)).tobytes()
            raw += filtered(row, above, max(1, count * depth // 8), number % 5)
            above = row
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, passes is ADAM7))
    data += extra
    if colour == 3:
        data += chunk(b"PLTE", rng.bytes(3 * min(1 << depth, 200)))  # 8 bits: some indices lie beyond
    if colour == 0:
        data += chunk(b"tRNS", b"\0\1")
    packed = zlib.compress(raw, 9)
    for i in range(parts):
        data += chunk(b"IDAT", packed[len(packed) * i // parts:len(packed) * (i + 1) // parts])
    return data + chunk(b"IEND", b"")


def bmp(width, height, bits, header_size=40, compression=0, masks=(), colours=0, data=None):
    stride = (width * bits + 31) // 32 * 4
    data = data if data is not None else rng.bytes(stride * abs(height))
    if header_size == 12:
        header = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        header = struct.pack("<IiiHHIIiiII", header_size, width, height, 1, bits, compression, len(data), 0, 0, colours, 0)
        header += struct.pack(f"<{len(masks)}I", *masks)
        header += bytes(max(0, header_size - len(header)))
    palette = rng.bytes((3 if header_size == 12 else 4) * (colours or 1 << bits)) if bits <= 8 else b""
    offset = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + header + palette + data


for colour, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items():
    for depth in depths:
        add(f"c{colour}d{depth}.png", png(9, 7, depth, colour, WHOLE))
        add(f"c{colour}d{depth}_adam7.png", png(11, 9, depth, colour, ADAM7))
add("one_pixel_adam7.png", png(1, 1, 8, 2, ADAM7))
add("gamma.png", png(5, 5, 8, 2, WHOLE, chunk(b"gAMA", struct.pack(">I", 100000))))
data = png(5, 5, 8, 2, WHOLE, chunk(b"teXt", b"hello"))
rgb = np.asarray(Image.open(io.BytesIO(data)))
add("bad_ancillary_crc.png", data.replace(b"hello", b"hullo"), rgb)
frames = [Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype="u1")) for _ in range(2)]
store = io.BytesIO()
frames[0].save(store, "PNG", save_all=True, append_images=frames[1:])
add("animated.png", store.getvalue())

for bits in (1, 4, 8, 24):
    add(f"core{bits}.bmp", bmp(9, 5, bits, 12))
for bits in (1, 4, 8, 16, 24, 32):
    add(f"v3_{bits}.bmp", bmp(9, 5, bits))
add("top_down.bmp", bmp(9, -5, 24))
add("few_colours.bmp", bmp(9, 5, 8, colours=20))
add("os2_v2.bmp", bmp(9, 5, 4, 64))
add("fields565.bmp", bmp(9, 5, 16, 40, 3, (0xF800, 0x7E0, 0x1F)))
add("fields_v4.bmp", bmp(9, 5, 32, 108, 3, (0xFF000000, 0xFF0000, 0xFF00, 0xFF)))
add("fields_v5.bmp", bmp(9, 5, 32, 124, 3, (0xFF, 0xFF00, 0xFF0000, 0xFF000000)))
add("rle8.bmp", bmp(6, 3, 8, 40, 1, data=b"\x06\x11\0\0\x02\x22\0\4abcd\0\0\0\6ABCDEF\0\0\0\1"))
add("rle4.bmp", bmp(6, 3, 4, 40, 2, data=b"\x06\x12\0\0\x02\x34\0\4\x56\x78\0\0\x05\x9A\x01\xB0\0\0\0\1"))
# Beyond Pillow: 4:4:4:4 fields; a move (Pillow 9.4 reads it wrongly), an odd literal run of RLE4.
pixels = rng.integers(0, 1 << 16, (5, 8))
fields = np.stack([(pixels >> s & 15) * 17 for s in (8, 4, 0)], -1).astype("u1")
add("fields444.bmp", bmp(8, 5, 16, 40, 3, (0xF00, 0xF0, 0xF), data=pixels[::-1].astype("<u2").tobytes()), fields)
data = bmp(5, 3, 8, 40, 1, data=b"\2\7\0\2\2\1\1\x09\0\1")
palette = np.frombuffer(data, "u1", 1024, 54).reshape(256, 4)[:, 2::-1]
numbers = np.zeros((3, 5), int)
numbers[2, :2], numbers[1, 4] = 7, 9
add("rle8_move.bmp", data, palette[numbers].astype("u1"))
data = bmp(5, 1, 4, 40, 2, data=b"\0\5\x12\x34\x50\0\0\1")
palette = np.frombuffer(data, "u1", 64, 54).reshape(16, 4)[:, 2::-1]
add("rle4_odd.bmp", data, palette[[[1, 2, 3, 4, 5]]].astype("u1"))

add("plain.pbm", b"P1\n# bits\n5 3\n10101\n0 1 0 1 0\n1#c\n1111")
add("plain.pgm", b"P2 3 2 15\n0 1 2\n# mid\n13 14 15\n")
add("plain.ppm", b"P3\n2 2\n1000\n0 500 1000 1 2 3\n999 998 4 750 250 125")
add("deep_plain.pgm", b"P2 4 1 1000 0 1 4 1000")
add("raw.pbm", b"P4\n11 2\n\xaa\xa0\x0f\x60")
add("raw.pgm", b"P5 4 2 255\n" + rng.bytes(8))
add("raw_7.pgm", b"P5 4 2 7\n\0\1\2\3\4\5\6\7")
add("deep.pgm", b"P5 4 1 65535\n\0\0\0\x80\1\0\xff\xff")
add("raw.ppm", b"P6\n#x\n3 #y\n2\n255\n" + rng.bytes(18))
add("deep.ppm", b"P6 2 1 65535\n" + rng.bytes(12))
add("deep_300.ppm", b"P6 2 1 300\n\0\1\0\2\0\3\1\x2c\0\x96\0\x95")
rgba = rng.integers(0, 256, (2, 3, 4), dtype="u1")
add("rgba.pam", b"P7\nWIDTH 3\nHEIGHT 2\n# c\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n" + rgba.tobytes(), rgba[..., :3].copy())
bits = np.array([[0, 1, 1]])
add("bits.pam", b"P7\nWIDTH 3\nHEIGHT 1\nDEPTH 1\nMAXVAL 1\nTUPLTYPE BLACKANDWHITE\nENDHDR\n\0\1\1", (bits * 255).astype("u1"))
deep = np.array([[0, 128, 257, 32768, 65535]])
add("deep.pam", b"P7\nWIDTH 5\nHEIGHT 1\nDEPTH 1\nMAXVAL 65535\nENDHDR\n" + deep.astype(">u2").tobytes(), np.rint(deep / 257).astype("u1"))

# Orientation: the hashes are those of the upright picture; test_read_image.cpp applies the tag to these.
upright = []
picture = Image.fromarray(rng.integers(0, 256, (4, 6, 3), dtype="u1"))
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[0x0112] = orientation
    store = io.BytesIO()
    picture.save(store, "PNG", exif=exif)
    (HERE / f"orientation{orientation}.png").write_bytes(store.getvalue())
    turned = ImageOps.exif_transpose(Image.open(store))
    upright.append(f"orientation{orientation}.png {turned.width} {turned.height} {fnv(turned.tobytes())} {fnv(turned.convert('L').tobytes())}\n")
    if orientation in (3, 6):
        store = io.BytesIO()
        picture.save(store, "JPEG", quality=90, subsampling=0, exif=exif)
        (HERE / f"orientation{orientation}.jpg").write_bytes(store.getvalue())
        turned = ImageOps.exif_transpose(Image.open(store))
        upright.append(f"orientation{orientation}.jpg {turned.width} {turned.height} {fnv(turned.tobytes())} {fnv(turned.convert('L').tobytes())}\n")
(HERE / "index.txt").write_text("".join(index))
(HERE / "upright.txt").write_text("".join(upright))

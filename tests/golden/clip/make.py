#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes preprocess.safetensors: small pictures and what torchvision's CLIP preprocessing (on Pillow) makes of them.

Needs torch, torchvision, numpy and Pillow. "<case>/picture" (h, w, 3) or (h, w) holds bytes, "<case>/input" the result.
"""
import json
import pathlib
import struct

import numpy as np
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
# name: height, width, channels, size; margins of half a pixel occur both ways (round half to even)
CASES = {
    "tall": (37, 23, 3, 14), "wide": (23, 37, 3, 14), "odd_margin": (14, 17, 3, 14), "odd_margin_tall": (19, 14, 3, 14),
    "square": (31, 31, 3, 14), "same": (14, 14, 3, 14), "enlarged": (3, 5, 3, 14), "pixel": (1, 1, 3, 7),
    "line": (1, 6, 3, 7), "gray": (20, 33, 1, 14),
}


def main():
    rng = np.random.default_rng(1)
    arrays = {}
    for name, (height, width, channels, size) in CASES.items():
        picture = rng.integers(0, 256, (height, width, channels), dtype=np.uint8)
        steps = transforms.Compose([
            transforms.Resize(size, interpolation=InterpolationMode.BICUBIC), transforms.CenterCrop(size),
            transforms.Lambda(lambda image: image.convert("RGB")), transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
        arrays[name + "/picture"] = picture
        arrays[name + "/input"] = steps(Image.fromarray(picture if channels == 3 else picture[:, :, 0])).numpy()
    header, data = {}, b""
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        header[name] = {"dtype": "U8" if array.dtype == np.uint8 else "F32", "shape": list(array.shape),
                        "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path = pathlib.Path(__file__).parent / "preprocess.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


if __name__ == "__main__":
    main()

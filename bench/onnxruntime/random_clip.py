#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""random_clip.py CLIP.safetensors PICTURE.safetensors SIZE

Writes an image tower of the size of ViT-L/14 with random weights (OpenAI names; what text tower there must be has one
block), and a random picture of SIZE pixels: speed does not depend on what the weights are.
"""
import json
import struct
import sys

import numpy

rng = numpy.random.default_rng(1)


def save(path, tensors):
    header, offset = {}, 0
    for name, (shape, _) in tensors.items():
        size = 4 * int(numpy.prod(shape))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for shape, make in tensors.values():
            f.write(make(shape).astype(numpy.float32).tobytes())


def normal(scale):
    return lambda shape: scale * rng.standard_normal(shape, numpy.float32)


def block(prefix, width):
    weights = {"attn.in_proj_weight": (3 * width, width), "attn.out_proj.weight": (width, width),
               "mlp.c_fc.weight": (4 * width, width), "mlp.c_proj.weight": (width, 4 * width)}
    for name, shape in weights.items():
        bias = name.replace("proj_weight", "proj_bias").replace(".weight", ".bias")
        yield prefix + name, (shape, normal(shape[1] ** -0.5))
        yield prefix + bias, (shape[:1], normal(0.02))
    for name in ("ln_1", "ln_2"):
        yield f"{prefix}{name}.weight", ((width,), numpy.ones)
        yield f"{prefix}{name}.bias", ((width,), numpy.zeros)


def clip(width=1024, layers=24, patch=14, text=768):
    tensors = {"visual.conv1.weight": ((width, 3, patch, patch), normal(0.04)),
               "visual.class_embedding": ((width,), normal(0.02)),
               "visual.positional_embedding": (((224 // patch) ** 2 + 1, width), normal(0.02)),
               "visual.proj": ((width, text), normal(0.03)),
               "token_embedding.weight": ((49408, text), normal(0.02)),
               "positional_embedding": ((77, text), normal(0.02)),
               "text_projection": ((text, text), normal(0.03)),
               "logit_scale": ((), lambda shape: numpy.full(shape, 4.6))}
    for name, size in (("visual.ln_pre", width), ("visual.ln_post", width), ("ln_final", text)):
        tensors[name + ".weight"], tensors[name + ".bias"] = ((size,), numpy.ones), ((size,), numpy.zeros)
    for i in range(layers):
        tensors.update(block(f"visual.transformer.resblocks.{i}.", width))
    tensors.update(block("transformer.resblocks.0.", text))
    return tensors


def main():
    clip_path, picture_path, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
    save(clip_path, clip())
    save(picture_path, {"inputs/image": ((1, 3, size, size), normal(1.0))})


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: MIT
"""The smallest model and data set that can be trained on, for tests of `moeclip train`: a step takes milliseconds."""
import array
import json
import random
import struct

from support import GOLDEN, png, safetensors

VOCABULARY = GOLDEN / "tokenizer" / "bpe_micro.txt.gz"
SIZE = 28


def micro_clip(seed=1, blocks=4, width=64, embed=20):
    """A CLIP of random weights with OpenAI's names, as the bytes of a safetensors file."""
    draw = random.Random(seed)
    tensors = {}

    def add(name, *shape, scale=None, offset=0.0):
        count = 1
        for extent in shape:
            count *= extent
        scale = scale or (3 * shape[0] / count) ** 0.5 * 2
        values = array.array("f", (offset + scale * (draw.random() - 0.5) for _ in range(count)))
        tensors[name] = ("F32", list(shape), values.tobytes())

    def norm(name):
        add(name + ".weight", width, scale=0.1, offset=1.0)
        add(name + ".bias", width, scale=0.1)

    def transformer(name, count):
        for i in range(count):
            block = f"{name}.resblocks.{i}."
            norm(block + "ln_1")
            norm(block + "ln_2")
            add(block + "attn.in_proj_weight", 3 * width, width)
            add(block + "attn.in_proj_bias", 3 * width, scale=0.1)
            for layer, outputs, inputs in (("attn.out_proj", width, width), ("mlp.c_fc", 4 * width, width),
                                           ("mlp.c_proj", width, 4 * width)):
                add(f"{block}{layer}.weight", outputs, inputs)
                add(f"{block}{layer}.bias", outputs, scale=0.1)

    add("visual.conv1.weight", width, 3, 7, 7)
    add("visual.class_embedding", width, scale=0.5)
    add("visual.positional_embedding", 17, width, scale=0.5)
    norm("visual.ln_pre")
    transformer("visual.transformer", blocks)
    norm("visual.ln_post")
    add("visual.proj", width, embed)
    add("token_embedding.weight", 600, width, scale=1.0)
    add("positional_embedding", 77, width, scale=0.1)
    transformer("transformer", 1)
    norm("ln_final")
    add("text_projection", width, embed)
    tensors["logit_scale"] = ("F32", [], struct.pack("<f", 2.6))
    return safetensors(tensors)


def write_data(folder, count=6, classes=("nut", "cap"), name="data.jsonl", without_mask=(), seed=7):
    """Noise pictures, every other one with a bright square that its mask marks; returns the path of the list."""
    draw = random.Random(seed)
    lines = []
    for i in range(count):
        pixels = bytearray(draw.randrange(256) for _ in range(3 * SIZE * SIZE))
        mask = bytearray(3 * SIZE * SIZE)
        if i % 2:
            for y in range(8, 18):
                for x in range(6, 20):
                    at = 3 * (y * SIZE + x)
                    pixels[at:at + 3] = mask[at:at + 3] = b"\xff\xff\xff"
        (folder / f"{i}.png").write_bytes(png(SIZE, SIZE, bytes(pixels)))
        line = {"image_path": f"{i}.png", "label": i % 2, "class_name": classes[i % len(classes)]}
        if i % 2 and i not in without_mask:
            (folder / f"{i}_mask.png").write_bytes(png(SIZE, SIZE, bytes(mask)))
            line["mask_path"] = f"{i}_mask.png"
        lines.append(json.dumps(line) + "\n")
    path = folder / name
    path.write_text("".join(lines))
    return path


def write_judges(folder, count=6):
    """Other pictures of the same kind, to judge by."""
    (folder / "judges").mkdir()
    return write_data(folder / "judges", count, seed=8)


def train_words(clip, data, out, *more):
    """The words of a command that trains."""
    return ["train", "--clip", str(clip), "--data", str(data), "--out", str(out), "--vocab", str(VOCABULARY),
            "--image-size", str(SIZE), *map(str, more)]

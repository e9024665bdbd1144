#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes winclip.safetensors: a tiny CLIP with random weights, five pictures, the sentences of two states as token rows,
and what WinCLIP makes of them, restated in PyTorch from the paper's formulas: windows one at a time, masks by unfold,
means over masks. Results are those in float64; how far float32 is from them is in the metadata.

Needs torch and numpy.
"""
import json
import pathlib
import struct

import numpy as np
import torch
import torch.nn.functional as F

WIDTH, LAYERS, HEADS, PATCH, GRID, EMBED = 16, 2, 2, 4, 5, 12
TEXT_WIDTH, LENGTH, WORDS, NORMAL, ABNORMAL = 8, 12, 40, 5, 3
TEMPERATURE = 0.07
SIDES = (2, 3)


def weights(rng):
    made = {}

    def draw(name, *shape, scale=1.0, around=0.0):
        made[name] = (around + scale * rng.standard_normal(shape)).astype(np.float32)

    def norm(name, width):
        draw(name + ".weight", width, scale=0.2, around=1)
        draw(name + ".bias", width, scale=0.1)

    def blocks(prefix, width):
        for i in range(LAYERS):
            block = f"{prefix}transformer.resblocks.{i}."
            norm(block + "ln_1", width)
            norm(block + "ln_2", width)
            for name, rows, columns in (("attn.in_proj_", 3 * width, width), ("attn.out_proj.", width, width),
                                        ("mlp.c_fc.", 4 * width, width), ("mlp.c_proj.", width, 4 * width)):
                draw(block + name + "weight", rows, columns, scale=1.2 / columns ** 0.5)
                draw(block + name + "bias", rows, scale=0.1)

    draw("visual.conv1.weight", WIDTH, 3 * PATCH * PATCH, scale=0.2)
    draw("visual.class_embedding", WIDTH, scale=0.5)
    draw("visual.positional_embedding", 1 + GRID * GRID, WIDTH, scale=0.3)
    norm("visual.ln_pre", WIDTH)
    blocks("visual.", WIDTH)
    norm("visual.ln_post", WIDTH)
    draw("visual.proj", WIDTH, EMBED, scale=0.3)
    draw("token_embedding.weight", WORDS, TEXT_WIDTH)
    draw("positional_embedding", LENGTH, TEXT_WIDTH, scale=0.3)
    blocks("", TEXT_WIDTH)
    norm("ln_final", TEXT_WIDTH)
    draw("text_projection", TEXT_WIDTH, EMBED, scale=0.4)
    return made


def pictures(rng):
    """(5, 3, S, S): four good ones of one thing, and one of them again with a spot."""
    size = PATCH * GRID
    thing = rng.standard_normal((1, 3, size, size))
    shots = thing + 0.15 * rng.standard_normal((5, 3, size, size))
    shots[4, :, 5:10, 11:17] += 2.5 * rng.standard_normal((3, 5, 6))
    return shots.astype(np.float32)


def sentences(rng):
    """Token rows (NORMAL + ABNORMAL, LENGTH): words, the end token, which is the largest, and zeros."""
    rows = np.zeros((NORMAL + ABNORMAL, LENGTH), np.int32)
    for row in rows:
        count = rng.integers(3, LENGTH - 1)
        row[:count] = rng.integers(1, WORDS - 1, count)
        row[count] = WORDS - 1
    return rows


class Clip:
    def __init__(self, tensors, dtype):
        self.w = {name: torch.from_numpy(values).to(dtype) for name, values in tensors.items()}

    def norm(self, name, x):
        return F.layer_norm(x, x.shape[-1:], self.w[name + ".weight"], self.w[name + ".bias"], 1e-5)

    def linear(self, name, x):
        return F.linear(x, self.w[name + "weight"], self.w[name + "bias"])

    def transformer(self, prefix, x, causal):
        """x (T, D), one sequence."""
        count, width = x.shape
        for i in range(LAYERS):
            block = f"{prefix}transformer.resblocks.{i}."
            q, k, v = self.linear(block + "attn.in_proj_", self.norm(block + "ln_1", x)).chunk(3, -1)
            q, k, v = (part.reshape(count, HEADS, width // HEADS).transpose(0, 1) for part in (q, k, v))
            scores = q @ k.transpose(1, 2) / (width // HEADS) ** 0.5
            if causal:
                scores = scores + torch.full((count, count), float("-inf"), dtype=x.dtype).triu(1)
            heads = (scores.softmax(-1) @ v).transpose(0, 1).reshape(count, width)
            x = x + self.linear(block + "attn.out_proj.", heads)
            hidden = self.linear(block + "mlp.c_fc.", self.norm(block + "ln_2", x))
            x = x + self.linear(block + "mlp.c_proj.", F.gelu(hidden))
        return x

    def sentence(self, row):
        x = self.w["token_embedding.weight"][torch.from_numpy(row).long()] + self.w["positional_embedding"]
        x = self.norm("ln_final", self.transformer("", x, True))
        return x[int(row.argmax())] @ self.w["text_projection"]

    def input_of_blocks(self, picture):
        kernel = self.w["visual.conv1.weight"].reshape(WIDTH, 3, PATCH, PATCH)
        patches = F.conv2d(picture[None], kernel, stride=PATCH)[0].reshape(WIDTH, -1).T
        x = torch.cat([self.w["visual.class_embedding"][None], patches]) + self.w["visual.positional_embedding"]
        return self.norm("visual.ln_pre", x)

    def embedding(self, x):
        """The class token of x after all blocks, in the joint space, and the other tokens as they are."""
        x = self.transformer("visual.", x, False)
        return self.norm("visual.ln_post", x[0]) @ self.w["visual.proj"], x[1:]


def masks(side):
    """(W, side * side): patches of each window."""
    board = torch.arange(GRID * GRID, dtype=torch.float32).reshape(1, 1, GRID, GRID)
    return F.unfold(board, side)[0].T.long()


def harmonic(scores, side):
    """(L): for each patch, the harmonic mean over the windows that hold it."""
    held = masks(side)
    found = []
    for patch in range(GRID * GRID):
        of = scores[(held == patch).any(1)]
        found.append(len(of) / (1 / of).sum())
    return torch.stack(found)


def look(clip, picture):
    x = clip.input_of_blocks(picture)
    whole, patches = clip.embedding(x)
    windows = {side: torch.stack([clip.embedding(torch.cat([x[:1], x[1 + mask]]))[0] for mask in masks(side)])
               for side in SIDES}
    unit = lambda rows: F.normalize(rows, dim=-1)
    return unit(whole), {side: unit(rows) for side, rows in windows.items()}, unit(patches)


def run(tensors, shots, rows, dtype):
    clip = Clip(tensors, dtype)
    embeddings = torch.stack([clip.sentence(row) for row in rows])
    anchors = F.normalize(torch.stack([embeddings[:NORMAL].mean(0), embeddings[NORMAL:].mean(0)]), dim=-1)
    seen = [look(clip, torch.from_numpy(shot).to(dtype)) for shot in shots]
    whole, windows, patches = seen[4]
    out = {"anchors": anchors, "picture": whole, "patches": patches}

    def abnormal(rows):
        return (rows @ anchors.T / TEMPERATURE).softmax(-1)[..., 1]

    score = abnormal(whole)
    zero = [score.expand(GRID * GRID)]
    for side in SIDES:
        out[f"windows{side}"] = windows[side]
        out[f"harmonic{side}"] = harmonic(abnormal(windows[side]), side)
        zero.append(out[f"harmonic{side}"])
    zero = len(zero) / sum(1 / each for each in zero)
    out["zero/map"], out["zero/score"] = zero, score

    def large(small):
        small = small.reshape(1, 1, GRID, GRID)
        return F.interpolate(small, size=shots.shape[-2:], mode="bilinear", align_corners=False)[0, 0]

    out["zero/large"] = large(zero)
    for k in (1, 2, 4):
        def distance(own, pick):
            others = torch.cat([pick(good) for good in seen[:k]])
            return ((1 - own @ others.T) / 2).min(-1).values
        parts = [distance(patches, lambda good: good[2])]
        for side in SIDES:
            parts.append(harmonic(distance(windows[side], lambda good: good[1][side]), side))
        seen_map = sum(parts) / len(parts)
        out[f"few{k}/seen"] = seen_map
        out[f"few{k}/score"] = (score + seen_map.max()) / 2
        out[f"few{k}/large"] = large((zero + seen_map) / 2)
    return {name: values.detach().numpy() for name, values in out.items()}


def main():
    rng = np.random.default_rng(3)
    tensors, shots, rows = weights(rng), pictures(rng), sentences(rng)
    exact, rough = run(tensors, shots, rows, torch.float64), run(tensors, shots, rows, torch.float32)
    arrays = {**{"weights/" + name: values for name, values in tensors.items()}, "pictures": shots, "tokens": rows,
              **exact}
    # never below 1e-7 of the tensor's scale
    header = {"__metadata__": {name: repr(float(max(np.abs(rough[name] - exact[name]).max(),
                                                    1e-7 * np.abs(exact[name]).max()))) for name in exact}}
    data, types = b"", {"float32": "F32", "float64": "F64", "int32": "I32"}
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        header[name] = {"dtype": types[str(array.dtype)], "shape": list(array.shape),
                        "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path = pathlib.Path(__file__).parent / "winclip.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes anomaly_clip.safetensors: what AnomalyCLIP's published computation gives on a tiny CLIP of named random numbers
(float64 runs; the distance of the float32 runs is in the metadata), and anomaly_clip_epoch_1.pth, the learned rows of this
run in the official layout.

Needs torch, numpy and scipy. The computation is written down anew from the published code (zqhang/AnomalyCLIP): attention over
values in the last blocks, class token without the last norm, rows rounded to float16 in the text tower, bilinear positions,
probabilities before upsampling, SciPy's blur.
"""
import json
import math
import pathlib
import struct
from collections import OrderedDict

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter

HERE = pathlib.Path(__file__).resolve().parent
# vision: image, patch, width, layers, heads, hidden; text: context, vocabulary, width, layers, heads, hidden
VISION, TEXT, EMBED = (16, 4, 16, 4, 2, 32), (20, 600, 12, 3, 2, 24), 8
SIZE, PICTURES = 24, 3
LEVELS, VALUE_BLOCKS, SIGMA, TEMPERATURE = (1, 3, 4), 3, 4.0, 0.07
CONTEXT, DEEP, DEPTH = 4, 2, 3
# "object." and "damaged object." by tokenizer/tokenizer.json
OBJECT = [78, 65, 73, 68, 66, 339, 269, 599]
TOKENS = [[598] + OBJECT, [598, 67, 548, 64, 70, 538] + OBJECT]
LABELS = [0, 1, 1]
MASK = 0xFFFFFFFFFFFFFFFF


def stream(name, count, scale=1.0, offset=0.0):
    """The first numbers of base/rng.hpp's stream (1, name), uniform and rounded to float32."""
    golden = 0x9E3779B97F4A7C15

    def mix(z):
        z = ((z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)) & np.uint64(MASK)
        z = ((z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)) & np.uint64(MASK)
        return z ^ (z >> np.uint64(31))

    key = 0xCBF29CE484222325
    for letter in name.encode():
        key = ((key ^ letter) * 0x100000001B3) & MASK
    with np.errstate(over="ignore"):
        key = mix(np.uint64((golden + key) & MASK))
        bits = mix(key + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(golden))
    scale = float(np.float32(scale))
    return (offset + scale * ((bits >> np.uint64(40)).astype(np.float64) / 8388608.0 - 1.0)).astype(np.float32)


def weights(dtype):
    """name -> tensor, as the test draws them."""
    found = {}

    def add(name, *shape):
        is_norm = "ln" in name and name.endswith("weight")
        values = stream(name, math.prod(shape), 0.4, 1.0 if is_norm else 0.0)
        found[name] = torch.tensor(values.reshape(shape), dtype=dtype)

    def blocks(prefix, width, layers, hidden):
        for i in range(layers):
            at = f"{prefix}.resblocks.{i}"
            for norm in ("ln_1", "ln_2"):
                add(f"{at}.{norm}.weight", width)
                add(f"{at}.{norm}.bias", width)
            add(f"{at}.attn.in_proj_weight", 3 * width, width)
            add(f"{at}.attn.in_proj_bias", 3 * width)
            add(f"{at}.attn.out_proj.weight", width, width)
            add(f"{at}.attn.out_proj.bias", width)
            add(f"{at}.mlp.c_fc.weight", hidden, width)
            add(f"{at}.mlp.c_fc.bias", hidden)
            add(f"{at}.mlp.c_proj.weight", width, hidden)
            add(f"{at}.mlp.c_proj.bias", width)

    image, patch, width, layers, _, hidden = VISION
    add("visual.conv1.weight", width, 3, patch, patch)
    add("visual.class_embedding", width)
    add("visual.positional_embedding", 1 + (image // patch) ** 2, width)
    for norm in ("visual.ln_pre", "visual.ln_post"):
        add(norm + ".weight", width)
        add(norm + ".bias", width)
    add("visual.proj", width, EMBED)
    blocks("visual.transformer", width, layers, hidden)
    context, vocabulary, width, layers, _, hidden = TEXT
    add("token_embedding.weight", vocabulary, width)
    add("positional_embedding", context, width)
    add("ln_final.weight", width)
    add("ln_final.bias", width)
    add("text_projection", width, EMBED)
    blocks("transformer", width, layers, hidden)
    return found


def norm(w, name, x):
    return F.layer_norm(x, x.shape[-1:], w[name + ".weight"], w[name + ".bias"], 1e-5)


def attend(q, k, v, heads, mask=None):
    batch, tokens, width = q.shape
    q, k, v = (t.reshape(batch, tokens, heads, width // heads).transpose(1, 2) for t in (q, k, v))
    scores = q @ k.transpose(-2, -1) * (width // heads) ** -0.5
    if mask is not None:
        scores = scores + mask
    return (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, tokens, width)


def block(w, at, x, heads, mask=None, second=None):
    """The block, and the second path through it: values attend to values, and there is no MLP."""
    qkv = F.linear(norm(w, at + ".ln_1", x), w[at + ".attn.in_proj_weight"], w[at + ".attn.in_proj_bias"])
    q, k, v = qkv.chunk(3, dim=-1)

    def out(heads_out):
        return F.linear(heads_out, w[at + ".attn.out_proj.weight"], w[at + ".attn.out_proj.bias"])

    if second is not None:
        second = second + out(attend(v, v, v, heads))
    x = x + out(attend(q, k, v, heads, mask))
    hidden = F.linear(norm(w, at + ".ln_2", x), w[at + ".mlp.c_fc.weight"], w[at + ".mlp.c_fc.bias"])
    hidden = hidden * torch.sigmoid(1.702 * hidden)
    return x + F.linear(hidden, w[at + ".mlp.c_proj.weight"], w[at + ".mlp.c_proj.bias"]), second


def image_side(w, images):
    image, patch, width, layers, heads, _ = VISION
    x = F.conv2d(images, w["visual.conv1.weight"], stride=patch).flatten(2).transpose(1, 2)
    x = torch.cat([w["visual.class_embedding"].expand(len(x), 1, width), x], 1)
    positions, side, new = w["visual.positional_embedding"], image // patch, SIZE // patch
    grid = positions[1:].reshape(1, side, side, width).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, (new, new), mode="bilinear").reshape(width, new * new).t()
    x = norm(w, "visual.ln_pre", x + torch.cat([positions[:1], grid]))
    second, found = None, []
    for n in range(1, layers + 1):
        if n == layers + 1 - VALUE_BLOCKS:
            second = x
        x, second = block(w, f"visual.transformer.resblocks.{n - 1}", x, heads, None, second)
        if n in LEVELS:
            tokens = norm(w, "visual.ln_post", x if second is None else second) @ w["visual.proj"]
            found.append(F.normalize(tokens[:, 1:], dim=-1))
    return F.normalize(x[:, 0] @ w["visual.proj"], dim=-1), found


def through_half(x):
    """Rounded to float16; the gradient passes as it is (the published code rounds that too)."""
    return x + (x.half().to(x.dtype) - x).detach()


def text_side(w, prompts):
    context, _, width, layers, heads, _ = TEXT
    rows = []
    for ids, learned in zip(TOKENS, (prompts["ctx_pos"], prompts["ctx_neg"])):
        ids = ids + [0] * (context - CONTEXT - len(ids))
        words = w["token_embedding.weight"][torch.tensor(ids)]
        rows.append(torch.cat([words[:1], learned[0, 0], words[1:]]))
    x = torch.stack(rows) + w["positional_embedding"]
    mask = torch.full((context, context), float("-inf"), dtype=x.dtype).triu(1)
    for n in range(layers):
        if 1 <= n < DEPTH:
            deep = through_half(prompts[f"compound_prompts_text.{n - 1}"]).expand(2, -1, -1)
            x = torch.cat([x[:, :1], deep, x[:, 1 + DEEP:]], 1)
        x, _ = block(w, f"transformer.resblocks.{n}", x, heads, mask)
    ends = torch.tensor([CONTEXT + len(ids) - 1 for ids in TOKENS])
    return F.normalize(norm(w, "ln_final", x)[torch.arange(2), ends] @ w["text_projection"], dim=-1)


def focal(p, target):
    """p (B, 2, S, S), target (B, S, S): smoothed one-hot, gamma 2."""
    hot = torch.stack([1 - target, target], 1).clamp(1e-5, 1 - 1e-5)
    pt = (hot * p).sum(1) + 1e-5
    return -((1 - pt) ** 2 * pt.log()).mean()


def dice(p, target):
    p, target = p.flatten(1), target.flatten(1)
    return 1 - ((2 * (p * target).sum(1) + 1) / (p.sum(1) + target.sum(1) + 1)).mean()


def shapes():
    """Of the learned rows."""
    found = {"ctx_pos": (1, 1, CONTEXT, TEXT[2]), "ctx_neg": (1, 1, CONTEXT, TEXT[2])}
    found.update({f"compound_prompts_text.{i}": (DEEP, TEXT[2]) for i in range(DEPTH - 1)})
    return found


def run(dtype):
    w = weights(dtype)
    prompts = {name: torch.tensor(stream(name, math.prod(shape), 0.4).reshape(shape), dtype=dtype, requires_grad=True)
               for name, shape in shapes().items()}
    images = torch.tensor(stream("images", PICTURES * 3 * SIZE * SIZE).reshape(PICTURES, 3, SIZE, SIZE), dtype=dtype)
    masks = torch.zeros(PICTURES, SIZE, SIZE, dtype=dtype)
    masks[1, 3:12, 5:21] = 1
    masks[2, 10:24, 0:7] = 1
    anchors = text_side(w, prompts)
    image, levels = image_side(w, images)
    logits = image @ anchors.t() / TEMPERATURE
    terms = [F.cross_entropy(logits, torch.tensor(LABELS))]
    total, maps, grid = terms[0], 0, SIZE // VISION[1]
    for features in levels:
        p = (features @ anchors.t() / TEMPERATURE).softmax(-1)
        p = p.transpose(1, 2).reshape(PICTURES, 2, grid, grid)
        p = F.interpolate(p, (SIZE, SIZE), mode="bilinear")
        maps = maps + (p[:, 1] + 1 - p[:, 0]) / 2
        of_level = [focal(p, masks), dice(p[:, 0], 1 - masks), dice(p[:, 1], masks)]
        terms += of_level
        total = total + 4 * sum(of_level)
    total.backward()
    blurred = [gaussian_filter((m / len(LEVELS)).detach().double().numpy(), sigma=SIGMA) for m in maps]
    out = {"anchors": anchors, "image": image, "patches": torch.stack(levels, 1), "scores": logits.softmax(-1)[:, 1],
           "maps": torch.tensor(np.stack(blurred)), "losses": torch.stack([total] + terms)}
    out.update({"d_" + name: tensor.grad for name, tensor in prompts.items()})
    return {name: tensor.detach().double().numpy() for name, tensor in out.items()}


def write_golden():
    exact, rounded = run(torch.float64), run(torch.float32)
    header, data = {"__metadata__": {}}, b""
    for name in sorted(exact):
        array = exact[name]
        # never below half an ulp of the largest number, which a lucky float32 run may hit
        noise = max(np.abs(rounded[name] - array).max(), np.abs(array).max() * 2.0 ** -24)
        header["__metadata__"][name] = f"{noise:.3e}"
        header[name] = {"dtype": "F64", "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += np.ascontiguousarray(array).tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (HERE / "anomaly_clip.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


def write_checkpoint():
    w, width, words = weights(torch.float32), TEXT[2], {}
    for side, ids in zip(("pos", "neg"), TOKENS):
        ids = ids[:1] + [343] * CONTEXT + ids[1:]  # "X" in the learned places
        ids = torch.tensor(ids + [0] * (TEXT[0] - len(ids)), dtype=torch.int32)
        words["tokenized_prompts_" + side] = ids.reshape(1, 1, -1)
        rows = w["token_embedding.weight"][ids.long()].reshape(1, 1, -1, width)
        words["token_prefix_" + side], words["token_suffix_" + side] = rows[:, :, :1], rows[:, :, 1 + CONTEXT:]
    state = {name: torch.tensor(stream(name, math.prod(shape), 0.4).reshape(shape)) for name, shape in shapes().items()}
    state.update(words)
    for i in range(DEPTH - 1):  # as the published code has them; nothing uses them
        state[f"compound_prompt_projections.{i}.weight"] = torch.zeros(16, width)
        state[f"compound_prompt_projections.{i}.bias"] = torch.zeros(16)
    torch.save({"prompt_learner": OrderedDict((name, tensor.clone()) for name, tensor in state.items())},
               HERE / "anomaly_clip_epoch_1.pth")


if __name__ == "__main__":
    write_golden()
    write_checkpoint()

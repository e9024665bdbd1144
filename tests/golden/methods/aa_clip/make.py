# SPDX-License-Identifier: MIT
"""Writes what AA-CLIP's computation, restated with PyTorch's autograd in double, makes of a tiny CLIP (results.json), and
the model as the released code saves it (text_adapter.pth, image_adapter_2.pth).

usage: make.py FOLDER       (torch 1.13)

Every parameter and every picture is a hash of its name (as in tests/methods/aa_clip_fixture.hpp), so only results are
recorded. Tokens run first and pictures second through the towers, as they do in the released code: what it does to
attention from values to values is part of what is recorded.
"""
import json
import os
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
VISION = dict(size=16, patch=4, width=16, layers=4, heads=2, hidden=32)
TEXT = dict(length=8, vocabulary=32, width=12, layers=4, heads=2, hidden=24)
EMBED = 10
LABELS, CLASSES = [0, 1, 1], [0, 1, 0]
NORMAL, SENTENCES = 2, 5  # of each class
VARIANTS = {
    "released": dict(text_weight=0.1, image_weight=0.1, relu=False, sums=False, tokens=False),
    "mended": dict(text_weight=0.3, image_weight=0.2, relu=True, sums=True, tokens=True),
}
LEVELS, TEXT_BLOCKS, IMAGE_BLOCKS, VALUE_BLOCKS = [2, 4], 2, 2, 3


def numbers(name, count):
    """Numbers in [-1, 1) from a name and their places."""
    key = 2166136261
    for byte in name.encode():
        key = ((key ^ byte) * 16777619) & 0xFFFFFFFF
    h = (np.arange(count, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(key)) & np.uint64(0xFFFFFFFF)
    for _ in range(2):
        h ^= h >> np.uint64(16)
        h = (h * np.uint64(0x45D9F3B)) & np.uint64(0xFFFFFFFF)
    h ^= h >> np.uint64(16)
    return h.astype(np.float64) / 2.0**31 - 1


def parameter(name, *shape):
    count = int(np.prod(shape))
    bound = np.sqrt(3 / (count // shape[0])) if len(shape) > 1 else 0.1
    offset = 1 if "ln_" in name and name.endswith("weight") else 0
    return torch.from_numpy(numbers(name, count).reshape(shape) * bound + offset)


def block_parameters(prefix, width, hidden):
    shapes = {"ln_1.weight": (width,), "ln_1.bias": (width,), "attn.in_proj_weight": (3 * width, width),
              "attn.in_proj_bias": (3 * width,), "attn.out_proj.weight": (width, width), "attn.out_proj.bias": (width,),
              "ln_2.weight": (width,), "ln_2.bias": (width,), "mlp.c_fc.weight": (hidden, width),
              "mlp.c_fc.bias": (hidden,), "mlp.c_proj.weight": (width, hidden), "mlp.c_proj.bias": (width,)}
    return {name: parameter(f"{prefix}.{name}", *shape) for name, shape in shapes.items()}


class Clip:
    def __init__(self):
        v, t = VISION, TEXT
        grid = v["size"] // v["patch"]
        self.conv = parameter("visual.conv1.weight", v["width"], 3 * v["patch"] ** 2)
        self.class_embedding = parameter("visual.class_embedding", v["width"])
        self.positions = parameter("visual.positional_embedding", 1 + grid * grid, v["width"])
        self.ln = {name: (parameter(f"visual.{name}.weight", v["width"]), parameter(f"visual.{name}.bias", v["width"]))
                   for name in ("ln_pre", "ln_post")}
        self.blocks = [block_parameters(f"visual.transformer.resblocks.{i}", v["width"], v["hidden"])
                       for i in range(v["layers"])]
        self.proj = parameter("visual.proj", v["width"], EMBED)
        self.token_embedding = parameter("token_embedding.weight", t["vocabulary"], t["width"])
        self.text_positions = parameter("positional_embedding", t["length"], t["width"])
        self.text_blocks = [block_parameters(f"transformer.resblocks.{i}", t["width"], t["hidden"])
                            for i in range(t["layers"])]
        self.ln_final = (parameter("ln_final.weight", t["width"]), parameter("ln_final.bias", t["width"]))

    def stem(self, images):
        """(T, B, D)."""
        p = VISION["patch"]
        x = F.conv2d(images, self.conv.reshape(-1, 3, p, p), stride=p).flatten(2).permute(0, 2, 1)
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], 1) + self.positions
        return layer_norm(x, self.ln["ln_pre"]).permute(1, 0, 2)


def layer_norm(x, weights):
    return F.layer_norm(x, x.shape[-1:], *weights, 1e-5)


def heads_of(x, heads):
    """(sequences, length, D) to (sequences, heads, length, Dh)."""
    return x.reshape(*x.shape[:2], heads, -1).permute(0, 2, 1, 3)


def attend(q, k, v, mask=0):
    out = ((q @ k.transpose(-2, -1)) * q.shape[-1] ** -0.5 + mask).softmax(-1) @ v
    return out.permute(0, 2, 1, 3).reshape(out.shape[0], out.shape[2], -1)


def run_block(p, x, heads, mask=0, values=None):
    """x (T, B, D). `values`: None, or how values attend to values: "pictures" or "tokens"."""
    y = layer_norm(x, (p["ln_1.weight"], p["ln_1.bias"]))
    qkv = F.linear(y, p["attn.in_proj_weight"], p["attn.in_proj_bias"])
    sequences = qkv if values == "pictures" else qkv.transpose(0, 1)  # the released code takes T for the batch
    q, k, v = (heads_of(part, heads) for part in sequences.chunk(3, -1))
    out = attend(q, k, v, mask) if values is None else attend(v, v, v)
    out = out if values == "pictures" else out.transpose(0, 1)
    x = x + F.linear(out, p["attn.out_proj.weight"], p["attn.out_proj.bias"])
    y = layer_norm(x, (p["ln_2.weight"], p["ln_2.bias"]))
    y = F.gelu(F.linear(y, p["mlp.c_fc.weight"], p["mlp.c_fc.bias"]))
    return x + F.linear(y, p["mlp.c_proj.weight"], p["mlp.c_proj.bias"])


def adapt(x, weight, share):
    m = F.leaky_relu(F.linear(x, weight))
    m = m * x.norm(dim=-1, keepdim=True) / m.norm(dim=-1, keepdim=True)
    return share * m + (1 - share) * x


def project(x, weight, relu):
    y = F.linear(x, weight)
    return F.leaky_relu(y) if relu else y


class Model:
    def __init__(self, clip, variant):
        self.clip, self.variant = clip, variant
        d, dt, tail = VISION["width"], TEXT["width"], ".fc.0.weight" if variant["relu"] else ".fc.weight"
        self.text = [parameter(f"text_adapter.{i}.fc.0.weight", dt, dt) for i in range(TEXT_BLOCKS)]
        self.text.append(parameter(f"text_adapter.{TEXT_BLOCKS}.fc.0.weight", EMBED, dt))
        self.layers = [parameter(f"image_adapter.layer_adapters.{i}.fc.0.weight", d, d) for i in range(IMAGE_BLOCKS)]
        self.seg = [parameter(f"image_adapter.seg_proj.{i}{tail}", EMBED, d) for i in range(len(LEVELS))]
        self.det = parameter(f"image_adapter.det_proj{tail}", EMBED, d)

    def anchors(self, tokens):
        """(C, 2) of the sentences (N, S)."""
        x = (self.clip.token_embedding[tokens] + self.clip.text_positions).permute(1, 0, 2)
        mask = torch.full((x.shape[0], x.shape[0]), -np.inf).triu(1)
        for i, block in enumerate(self.clip.text_blocks):
            x = run_block(block, x, TEXT["heads"], mask)
            if i < TEXT_BLOCKS:
                x = adapt(x, self.text[i], self.variant["text_weight"])
        u = layer_norm(x.permute(1, 0, 2), self.clip.ln_final)[torch.arange(len(tokens)), tokens.argmax(-1)]
        z = F.leaky_relu(F.linear(u, self.text[-1]))
        z = z / z.norm(dim=-1, keepdim=True)
        means = [z[:NORMAL].mean(0), z[NORMAL:].mean(0)]
        return torch.stack([mean / mean.norm() for mean in means], 1)

    def image(self, images):
        """Unit features of the levels and the embedding."""
        x, tokens, relu = self.clip.stem(images), [], self.variant["relu"]
        for i, block in enumerate(self.clip.blocks):
            x = run_block(block, x, VISION["heads"])
            if i < IMAGE_BLOCKS:
                x = adapt(x, self.layers[i], self.variant["image_weight"])
            if i + 1 in LEVELS:
                tokens.append(layer_norm(x[1:].permute(1, 0, 2), self.clip.ln["ln_post"]))
        features = [F.normalize(project(t, w, relu), dim=-1) for t, w in zip(tokens, self.seg)]
        return features, F.normalize(project(tokens[-1], self.det, relu), dim=-1).mean(1)

    def frozen(self, images):
        """Features of the two frozen towers, for the text stage."""
        x = self.clip.stem(images)
        y, levels, scope = x, [], "tokens" if self.variant["tokens"] else "pictures"
        for i, block in enumerate(self.clip.blocks):
            x = run_block(block, x, VISION["heads"])
            first = VISION["layers"] - VALUE_BLOCKS
            y = run_block(block, y, VISION["heads"], values=scope if i >= first else None)
            if i + 1 in LEVELS:
                levels.append(layer_norm(y.permute(1, 0, 2)[:, 1:], self.clip.ln["ln_post"]) @ self.clip.proj)
        classes = layer_norm(x[0], self.clip.ln["ln_post"]) @ self.clip.proj
        classes = classes / classes.norm(dim=-1, keepdim=True)
        return [f / f.norm(dim=-1, keepdim=True) + classes[:, None] for f in levels]


def grid_of(s):
    return s.permute(0, 2, 1).reshape(len(s), 2, VISION["size"] // VISION["patch"], -1)


def map_loss(features, anchors, masks):
    s = grid_of(100 * features @ anchors)
    p = F.interpolate(s, size=VISION["size"], mode="bilinear", align_corners=True).softmax(1)
    target = torch.stack([1 - masks, masks], 1).clamp(1e-5, 1 - 1e-5)
    pt = (target * p).sum(1) + 1e-5
    loss = (-((1 - pt) ** 2) * pt.log()).mean()
    for channel, wanted in ((0, 1 - masks), (1, masks)):
        a, b = p[:, channel].flatten(1), wanted.flatten(1)
        loss = loss + (1 - (2 * (a * b).sum(1) + 1) / (a.sum(1) + b.sum(1) + 1)).mean()
    return loss


def reference_map(features, anchors):
    weights = torch.exp(-torch.arange(-3.0, 4) ** 2 / 2)
    weights = weights / weights.sum()
    total = 0
    for f in features:
        s = grid_of(100 * f @ anchors)
        a = F.pad(((s[:, 1] + 1 - s[:, 0]) / 2)[:, None], (3, 3, 3, 3), mode="reflect")
        a = F.conv2d(F.conv2d(a, weights.reshape(1, 1, 1, 7)), weights.reshape(1, 1, 7, 1))
        total = total + F.interpolate(a, size=VISION["size"], mode="bilinear", align_corners=True)
    return total[0, 0]


def inputs():
    size, count = VISION["size"], len(LABELS)
    images = torch.from_numpy(numbers("images", count * 3 * size * size)).reshape(count, 3, size, size)
    masks = torch.zeros(count, size, size)
    masks[1, 4:9, 3:12] = 1
    masks[2, 0:5, 10:16] = 1
    tokens = []
    for which in range(2):  # an end, the largest id, at another place of each
        rows = ((numbers(f"tokens {which}", SENTENCES * TEXT["length"]) + 1) * 15).astype(np.int64)
        rows = rows.reshape(SENTENCES, TEXT["length"])
        for n in range(SENTENCES):
            rows[n, 2 + (n + which) % 5] = TEXT["vocabulary"] - 1
        tokens.append(torch.from_numpy(rows))
    return images, masks, tokens


def flat(tensor):
    return [float(f"{x:.17g}") for x in tensor.detach().flatten().tolist()]


def record(variant):
    model = Model(Clip(), variant)
    images, masks, tokens = inputs()
    for p in model.text + model.layers + model.seg + [model.det]:
        p.requires_grad_(True)
    anchors = [model.anchors(rows) for rows in tokens]
    own = torch.stack([anchors[c] for c in CLASSES])
    frozen = model.frozen(images)
    disentangle = ((own[:, :, 0] * own[:, :, 1]).sum(1).mean()) ** 2
    levels = frozen if variant["sums"] else frozen[-1:]
    text_loss = sum(map_loss(f, own, masks) for f in levels) + 0.1 * disentangle
    text_gradients = torch.autograd.grad(text_loss, model.text)

    fixed = own.detach()
    features, embedding = model.image(images)
    cross_entropy = F.cross_entropy((embedding[:, None] @ fixed)[:, 0], torch.tensor(LABELS))
    image_loss = cross_entropy + sum(map_loss(f, fixed, masks) for f in features)
    image_gradients = torch.autograd.grad(image_loss, model.layers + model.seg + [model.det])
    result = {"anchors": [flat(a.T) for a in anchors], "text_loss": text_loss.item(),
              "disentangle": disentangle.item(), "image_loss": image_loss.item(),
              "cross_entropy": cross_entropy.item(), "text_gradients": [flat(g) for g in text_gradients],
              "image_gradients": [flat(g) for g in image_gradients]}
    one, vector = model.image(images[1:2])
    result["map"] = flat(reference_map(one, fixed[0]))
    result["class_score"] = ((vector @ fixed[0])[0, 1].item() + 1) / 2
    return result


def state_dict(names, tensors):
    return {name: torch.nn.Parameter(tensor.detach().float()) for name, tensor in zip(names, tensors)}


def save(path, part, epoch, parameters):
    """As the released code saves a part after an epoch, with the state that Adam then has."""
    optimizer = torch.optim.Adam(parameters.values(), lr=1e-5, betas=(0.5, 0.999))
    for parameter in parameters.values():
        parameter.grad = torch.ones_like(parameter)
    saved = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    optimizer.step()
    torch.save({"epoch": epoch, part + "_adapter": saved, part + "_optimizer": optimizer.state_dict()}, path)


def main(folder):
    with open(os.path.join(folder, "results.json"), "w", encoding="utf-8") as out:
        json.dump({name: record(variant) for name, variant in VARIANTS.items()}, out)
    model = Model(Clip(), VARIANTS["released"])
    save(os.path.join(folder, "text_adapter.pth"), "text", 5,
         state_dict([f"{i}.fc.0.weight" for i in range(len(model.text))], model.text))
    names = [f"layer_adapters.{i}.fc.0.weight" for i in range(len(model.layers))]
    names += [f"seg_proj.{i}.fc.weight" for i in range(len(model.seg))] + ["det_proj.fc.weight"]
    save(os.path.join(folder, "image_adapter_2.pth"), "image", 2,
         state_dict(names, model.layers + model.seg + [model.det]))


if __name__ == "__main__":
    main(sys.argv[1])

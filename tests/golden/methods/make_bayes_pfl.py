#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes bayes_pfl.pth and bayes_pfl.safetensors: Bayes-PFL on a tiny CLIP of random weights, in float64.

The first is a checkpoint in the official layout (float32, tensors that are shared stored once under each of their
names). The second holds the CLIP ("clip.NAME"), pictures, masks, tokens of names and noise, and what the computation of
the official code (https://github.com/xiaozhen228/Bayes-PFL, MIT) makes of them: losses and gradients of a step of both
parts of the training, and maps and scores of a picture, before and after the map is blurred as its evaluation does. The
computation is written down here anew. Needs torch and scipy.
"""
import json
import math
import pathlib
import struct

import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter

D, WIDTH, VISION_LAYERS, VISION_HEADS = 16, 12, 4, 2  # image tower; joint space and words
TEXT_LAYERS, TEXT_HEADS, CONTEXT, VOCABULARY = 2, 2, 16, 24
PATCH, IMAGE, GRID = 4, 20, 5
LEVELS, PROMPTS, P, Q, FLOWS, SAMPLES, BATCH = (1, 2, 3, 4), 3, 2, 2, 3, 4, 3
END = VOCABULARY - 1
NAMES = [[END - 1, 5, END], [END - 1, 7, 9, 3, END], [END - 1, 5, END]]  # of the pictures, with begin and end
CHOSEN = 1  # prompt of the step
TOP = 3  # pixels that the score of a picture looks at


def block_shapes(prefix, width):
    return {prefix + "ln_1.weight": (width,), prefix + "ln_1.bias": (width,), prefix + "ln_2.weight": (width,),
            prefix + "ln_2.bias": (width,), prefix + "attn.in_proj_weight": (3 * width, width),
            prefix + "attn.in_proj_bias": (3 * width,), prefix + "attn.out_proj.weight": (width, width),
            prefix + "attn.out_proj.bias": (width,), prefix + "mlp.c_fc.weight": (2 * width, width),
            prefix + "mlp.c_fc.bias": (2 * width,), prefix + "mlp.c_proj.weight": (width, 2 * width),
            prefix + "mlp.c_proj.bias": (width,)}


def clip_shapes():
    shapes = {"visual.conv1.weight": (D, 3, PATCH, PATCH), "visual.class_embedding": (D,),
              "visual.positional_embedding": (1 + GRID * GRID, D), "visual.proj": (D, WIDTH),
              "token_embedding.weight": (VOCABULARY, WIDTH), "positional_embedding": (CONTEXT, WIDTH),
              "text_projection": (WIDTH, WIDTH)}
    for name, width in (("visual.ln_pre", D), ("visual.ln_post", D), ("ln_final", WIDTH)):
        shapes[name + ".weight"] = shapes[name + ".bias"] = (width,)
    for i in range(VISION_LAYERS):
        shapes.update(block_shapes(f"visual.transformer.resblocks.{i}.", D))
    for i in range(TEXT_LAYERS):
        shapes.update(block_shapes(f"transformer.resblocks.{i}.", WIDTH))
    return shapes


def linear_shapes(name, outputs, inputs, bias=True):
    return {name + ".weight": (outputs, inputs), **({name + ".bias": (outputs,)} if bias else {})}


def network_shapes(prefix):
    shapes = {}
    for layer, outputs, inputs in ((0, D // 2, WIDTH), (2, D // 2, D // 2), (4, WIDTH, D // 2)):
        shapes.update(linear_shapes(f"{prefix}.module.{layer}", outputs, inputs))
    return shapes


def model_shapes():
    """Names and shapes of the official parameters, each once."""
    shapes = {"prompt_context": (PROMPTS, P, WIDTH), "prompt_state_normal": (PROMPTS, Q, WIDTH),
              "prompt_state_abnormal": (PROMPTS, Q, WIDTH), "temperature_pixel": (), "temperature_image": ()}
    for part in ("context", "state"):
        shapes.update(network_shapes(f"{part}_encoder.weight_mean"))
        shapes.update(network_shapes(f"{part}_encoder.weight_log_variance"))
        shapes.update(network_shapes(f"{part}_decoder.weight_mean"))
    for flow in ("PFL_context", "PFL_normal", "PFL_abnormal"):
        shapes.update(linear_shapes(flow + ".p_mu.0", WIDTH, WIDTH))
    for name, outputs in (("amor_u", FLOWS * WIDTH), ("amor_w", FLOWS * WIDTH), ("amor_b", FLOWS)):
        shapes.update(linear_shapes("PFL_context." + name, outputs, WIDTH))
    for flow in ("PFL_normal", "PFL_abnormal"):
        shapes.update({flow + ".amor_u": (1, FLOWS, WIDTH, 1), flow + ".amor_w": (1, FLOWS, 1, WIDTH),
                       flow + ".amor_b": (1, FLOWS, 1, 1), flow + ".state": (1, WIDTH)})
    shapes.update(linear_shapes("fuse.fuse_modules", D // 2, D * len(LEVELS)))
    shapes.update(linear_shapes("fuse.compress", 1, D // 2))
    shapes.update(linear_shapes("fuse.post_process", WIDTH, D // 2))
    shapes.update({"RCA.q_proj_pre.weight": (WIDTH, WIDTH, 1), "RCA.q_proj_pre.bias": (WIDTH,)})
    for i in range(len(LEVELS)):
        shapes.update(linear_shapes(f"RCA.linear_proj.{i}", WIDTH, D, bias=False))
    shapes.update(linear_shapes("class_mapping", WIDTH, WIDTH))
    shapes.update(linear_shapes("image_mapping", WIDTH, WIDTH))
    return shapes


ALIASES = {"PFL_context.encoder.": "context_encoder.", "PFL_context.decoder.": "context_decoder.",
           "PFL_normal.encoder.": "state_encoder.", "PFL_normal.decoder.": "state_decoder.",
           "PFL_abnormal.encoder.": "state_encoder.", "PFL_abnormal.decoder.": "state_decoder."}


def linear(w, name, x):
    return F.linear(x, w[name + ".weight"], w.get(name + ".bias"))


def block(w, prefix, x, heads, mask):
    n, length, width = x.shape
    h = F.layer_norm(x, (width,), w[prefix + "ln_1.weight"], w[prefix + "ln_1.bias"])
    qkv = F.linear(h, w[prefix + "attn.in_proj_weight"], w[prefix + "attn.in_proj_bias"])
    q, k, v = (part.reshape(n, length, heads, width // heads).transpose(1, 2) for part in qkv.chunk(3, dim=-1))
    scores = q @ k.transpose(-2, -1) / math.sqrt(width // heads)
    if mask:
        scores = scores + torch.full((length, length), -math.inf, dtype=x.dtype).triu(1)
    x = x + linear(w, prefix + "attn.out_proj", (scores.softmax(-1) @ v).transpose(1, 2).reshape(n, length, width))
    h = F.layer_norm(x, (width,), w[prefix + "ln_2.weight"], w[prefix + "ln_2.bias"])
    return x + linear(w, prefix + "mlp.c_proj", F.gelu(linear(w, prefix + "mlp.c_fc", h)))


def encode_image(w, images):
    x = F.conv2d(images, w["visual.conv1.weight"], stride=PATCH).flatten(2).transpose(1, 2)
    x = torch.cat([w["visual.class_embedding"].expand(len(x), 1, D), x], 1) + w["visual.positional_embedding"]
    x = F.layer_norm(x, (D,), w["visual.ln_pre.weight"], w["visual.ln_pre.bias"])
    levels = []
    for i in range(VISION_LAYERS):
        x = block(w, f"visual.transformer.resblocks.{i}.", x, VISION_HEADS, False)
        if i + 1 in LEVELS:
            levels.append(x[:, 1:])
    x = F.layer_norm(x[:, 0], (D,), w["visual.ln_post.weight"], w["visual.ln_post.bias"])
    return x @ w["visual.proj"], levels


def encode_prompts(w, words, name):
    """Sentences (N, P + Q, WIDTH) of learned words in front of a name."""
    embed = w["token_embedding.weight"]
    n, learned = words.shape[:2]
    rest = torch.zeros(CONTEXT - learned - len(name), WIDTH, dtype=words.dtype) + embed[0]
    x = torch.cat([embed[name[:1]].expand(n, 1, WIDTH), words, embed[name[1:]].expand(n, len(name) - 1, WIDTH),
                   rest.expand(n, *rest.shape)], 1) + w["positional_embedding"]
    for i in range(TEXT_LAYERS):
        x = block(w, f"transformer.resblocks.{i}.", x, TEXT_HEADS, True)
    x = F.layer_norm(x, (WIDTH,), w["ln_final.weight"], w["ln_final.bias"])
    return x[:, learned + len(name) - 1] @ w["text_projection"]


def network(w, prefix, x):
    x = F.softplus(linear(w, prefix + ".module.0", x))
    return linear(w, prefix + ".module.4", F.softplus(linear(w, prefix + ".module.2", x)))


def flow(w, name, encoder, x, noise):
    """Samples z_F, and mean, "variance" and z_0 and the log determinants that the divergence is made of."""
    mu, var = network(w, encoder + ".weight_mean", x), torch.exp(0.5 * network(w, encoder + ".weight_log_variance", x))
    if name == "PFL_context":
        u, v, b = (linear(w, f"{name}.amor_{part}", x).reshape(len(x), FLOWS, -1) for part in "uwb")
    else:
        u, v, b = (w[f"{name}.amor_{part}"].reshape(1, FLOWS, -1) for part in "uwb")
    z = z0 = noise * var.sqrt() + mu
    log_det = torch.zeros(len(z), dtype=z.dtype)
    for k in range(FLOWS):
        h = torch.tanh((v[:, k] * z).sum(-1, keepdim=True) + b[:, k])
        log_det = log_det + torch.log((1 + ((1 - h * h) * v[:, k] * u[:, k]).sum(-1)).abs() + 1e-5)
        z = z + u[:, k] * h
    return z, mu, var, z0, log_det


def divergence(batch, z, mu, var, z0, log_det):
    log_p = (-0.5 * z * z).sum(-1).expand(batch)
    log_q = (-0.5 * (var.log() + (z0 - mu) ** 2 / var)).sum(-1)
    return ((log_q - log_p).sum() - log_det.sum()) / batch


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


def cross_attention(w, t, patches, level):
    f = unit(linear(w, f"RCA.linear_proj.{level}", patches))
    heads = lambda x: x.reshape(*x.shape[:2], 4, WIDTH // 4).transpose(1, 2)
    q = F.linear(t, w["RCA.q_proj_pre.weight"][:, :, 0], w["RCA.q_proj_pre.bias"])
    weights = (heads(q) @ heads(f).transpose(-2, -1) * WIDTH ** -0.5).softmax(-1)
    return unit((weights @ heads(f)).transpose(1, 2).reshape(t.shape) + t), f


def compare(w, t, embedding, levels, stage):
    if stage == 2:
        x = linear(w, "fuse.fuse_modules", torch.cat(levels, 2))
        weights = linear(w, "fuse.compress", x).softmax(1)
        embedding = linear(w, "image_mapping",
                           embedding + linear(w, "fuse.post_process", (weights * x).sum(1)))
    scores = w["temperature_image"].exp() * (unit(linear(w, "class_mapping", t)) @ unit(embedding).unsqueeze(2))
    maps = []
    for i, patches in enumerate(levels):
        y, f = cross_attention(w, t, patches, i)
        grid = (w["temperature_pixel"].exp() * f @ y.transpose(1, 2)).transpose(1, 2)
        maps.append(F.interpolate(grid.reshape(*grid.shape[:2], GRID, GRID), size=IMAGE, mode="bilinear",
                                  align_corners=True))
    return scores.squeeze(2), maps


def map_losses(probability, mask):
    right = torch.where(mask > 0, probability[:, 1], probability[:, 0])
    focal = -(1 - right) ** 2 * torch.log(right + 1e-8)
    marked = (mask > 0).to(focal.dtype)
    focal = (focal * marked).sum() / (marked.sum() + 1e-8) + (focal * (1 - marked)).sum() / ((1 - marked).sum() + 1e-8)
    hit, whole = (probability[:, 1] * marked).sum(), probability[:, 1].sum() + marked.sum()
    return focal, 1 - (2 * hit + 1e-5) / (whole + 1e-5)


def sentences(w, clip, names, contexts, normal, abnormal):
    """Unit vectors (B, 2 N, C): the bank of each state, with the offsets of each picture or sample."""
    rows = []
    for i, name in enumerate(names):
        row = []
        for state, offset in (("normal", normal[i]), ("abnormal", abnormal[i])):
            words = torch.cat([w["prompt_context"] + contexts[i], w["prompt_state_" + state] + offset], 1)
            row.append(encode_prompts(clip, words, name))
        rows.append(torch.cat(row))
    return unit(torch.stack(rows))


def train_step(w, clip, data, stage):
    embedding, levels = encode_image(clip, data["images"])
    results = {n: flow(w, "PFL_" + n, "context_encoder" if n == "context" else "state_encoder",
                       embedding if n == "context" else w[f"PFL_{n}.state"], data["noise." + n])
               for n in ("context", "normal", "abnormal")}
    t = sentences(w, clip, NAMES, results["context"][0], results["normal"][0].expand(BATCH, WIDTH),
                  results["abnormal"][0].expand(BATCH, WIDTH))
    scores, maps = compare(w, t, embedding, levels, stage)
    pair = [CHOSEN, CHOSEN + PROMPTS]
    losses = {"cross_entropy": F.cross_entropy(scores[:, pair], data["labels"])}
    if stage == 1:
        losses["divergence"] = sum(0.01 * divergence(BATCH, *result) for result in results.values())
        off = 1 - torch.eye(PROMPTS, dtype=t.dtype)
        losses["orthogonality"] = sum((((unit(part) @ unit(part).transpose(1, 2)) ** 2) * off).mean()
                                      for part in (t[:, :PROMPTS], t[:, PROMPTS:]))
        for i, grid in enumerate(maps):
            losses[f"focal.{i}"], losses[f"dice.{i}"] = map_losses(grid[:, pair].softmax(1), data["masks"])
    return losses


def judge(w, clip, data, stage):
    """Probability of the first picture, its map, and the map as it is evaluated and its summary."""
    embedding, levels = encode_image(clip, data["images"][:1])
    z = {n: flow(w, "PFL_" + n, "context_encoder" if n == "context" else "state_encoder",
                 embedding if n == "context" else w[f"PFL_{n}.state"], data["samples." + n])[0]
         for n in ("context", "normal", "abnormal")}
    # sample by sample, each over the bank; all normal ones come first
    t = sentences(w, clip, [NAMES[0]] * SAMPLES, z["context"], z["normal"], z["abnormal"])
    t = torch.cat([t[:, :PROMPTS].reshape(1, -1, WIDTH), t[:, PROMPTS:].reshape(1, -1, WIDTH)], 1)
    scores, maps = compare(w, t, embedding, levels, stage)
    count = PROMPTS * SAMPLES
    probability = torch.stack([scores[0, :count], scores[0, count:]]).softmax(0)[1].mean()
    each = [torch.stack([grid[0, :count], grid[0, count:]]).softmax(0)[1] for grid in maps]
    return probability, torch.cat(each).mean(0)


def draw(shapes, generator, scale):
    """float32 values, as float64."""
    w = {}
    for name, shape in shapes.items():
        value = torch.randn(shape, generator=generator) * scale
        if name.endswith(("ln_1.weight", "ln_2.weight", "ln_pre.weight", "ln_post.weight", "ln_final.weight")):
            value = 1 + value
        if name.startswith("temperature"):
            value = value + 1.5
        w[name] = value.double()
    return w


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name in sorted(tensors):
        array = tensors[name].detach().contiguous().numpy()
        kind = {"float64": "F64", "float32": "F32", "int64": "I64"}[str(array.dtype)]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    generator = torch.Generator().manual_seed(7)
    clip, w = draw(clip_shapes(), generator, 0.3), draw(model_shapes(), generator, 0.3)
    data = {"images": torch.randn(BATCH, 3, IMAGE, IMAGE, generator=generator).double(),
            "masks": torch.zeros(BATCH, IMAGE, IMAGE).double(), "labels": torch.tensor([1, 0, 1])}
    data["masks"][0, 3:9, 5:14] = 1
    data["masks"][2, 12:17, 2:6] = 1
    for n in ("context", "normal", "abnormal"):
        data["noise." + n] = torch.randn(BATCH if n == "context" else 1, WIDTH, generator=generator).double()
        data["samples." + n] = torch.randn(SAMPLES, WIDTH, generator=generator).double()
    here = pathlib.Path(__file__).parent
    state = {name: value.float() for name, value in w.items()}
    for alias, name in ALIASES.items():
        state.update({alias + key[len(name):]: value for key, value in list(state.items()) if key.startswith(name)})
    torch.save({"MyModel": state}, here / "bayes_pfl.pth")

    out = {"clip." + name: value.float() for name, value in clip.items()}
    out.update({name: value if value.dtype == torch.int64 else value.float() for name, value in data.items()})
    for stage in (1, 2):
        for value in w.values():
            value.requires_grad_(True)
            value.grad = None
        losses = train_step(w, clip, data, stage)
        sum(losses.values()).backward()
        trained = ("class_mapping", "image_mapping", "fuse")
        for name, value in w.items():
            if value.grad is not None and (stage == 1 or name.startswith(trained)):
                out[f"step{stage}.grad.{name}"] = value.grad
        out.update({f"step{stage}.{name}": value for name, value in losses.items()})
        with torch.no_grad():
            probability, grid = judge(w, clip, data, stage)
            out[f"judge{stage}.probability"], out[f"judge{stage}.map"] = probability, grid
            out[f"judge{stage}.score"] = (probability + grid.flatten().topk(TOP).values.mean()) / 2
            out[f"judge{stage}.blurred"] = torch.from_numpy(gaussian_filter(grid.numpy(), 8))
    write_safetensors(here / "bayes_pfl.safetensors", out)


if __name__ == "__main__":
    main()

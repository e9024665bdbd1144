#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""carry_goldens.py SHARED_GOLDEN_DIR

Copies what the tests use of the recorded data into tests/golden, made small: tensors of the tiny runs with their
measured float32 noise in the metadata, large ones of the training as 512 of their elements; the recipe of the weights,
some components and formats. Sentences of the official release and everything made of its class descriptions stay
behind. One class of the recorded training batch has such sentences: they go as what the text tower makes of them.
"""
import json
import os
import re
import shutil
import struct
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "..", "..", "tests", "golden")
LEAVE = re.compile(r"^inputs/rgb|^train/map|_20000/|^(grad|adam|param).*#stats$"
                   r"|^text/(bottle|Brain|pcb1)/(?!features$)")
COMPONENTS = ["activations", "etf_loss", "fofs", "half", "losses", "metrics_eval", "metrics_pro", "metrics_rank", "norm_match",
              "posembed_resize", "router"]
LEAVE_INIT = re.compile(r"^(param_step[23]|adam)")  # from the initial state, later steps part quickly
SLICED = re.compile(r"^(grad|adam|param)")
WHOLE = re.compile(r"released_gelu/grad|paper_gelu/grad/")
FORMATS = ["hf/model.safetensors", "hf/config.json", "moeclip/default.pth", "moeclip/nopaa.pth", "moeclip/relu_separate.pth",
           "sharded/model-00001-of-00002.safetensors", "sharded/model-00002-of-00002.safetensors",
           "sharded/model.safetensors.index.json", "open_clip_custom/open_clip_pytorch_model.bin",
           "open_clip_custom/open_clip_config.json", "expected/clip_io.safetensors", "expected/moe_io.safetensors"]


def read(path):
    with open(path, "rb") as f:
        (length,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(length))
        data = f.read()
    header.pop("__metadata__", None)
    return {name: (e["dtype"], e["shape"], data[e["data_offsets"][0]:e["data_offsets"][1]]) for name, e in header.items()}


def write(path, tensors, metadata):
    header, at = {"__metadata__": metadata}, 0
    for name in sorted(tensors):
        dtype, shape, raw = tensors[name]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(raw)]}
        at += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(tensors):
            f.write(tensors[name][2])


def noise_of(manifest):
    """name -> largest distance between the float32 and the float64 run, never below 1e-7 of the tensor's scale."""
    noise = {}
    for name, tensor in manifest["tensors"].items():
        n = tensor.get("noise") or {}
        if "max_abs" in n:
            noise[name] = repr(max(n["max_abs"], 1e-7 * n["scale"], 1e-12))
    return noise


def sliced(gg, name, tensor):
    """512 elements of a tensor, at the places where the recorded data takes its slices."""
    dtype, shape, raw = tensor
    values = np.frombuffer(raw, dtype={"F32": np.float32, "F64": np.float64}[dtype])
    return dtype, [512], values[gg.integers(0, "slice:" + name, (512,), 0, values.size)].tobytes()


def carry(shared, folder, name, out, change=lambda tensors, noise: None):
    tensors = {k: v for k, v in read(os.path.join(shared, folder, name + ".safetensors")).items() if not LEAVE.search(k)}
    json_name = "manifest.json" if name == "data" else name + ".json"
    with open(os.path.join(shared, folder, json_name), encoding="utf-8") as f:
        noise = {k: v for k, v in noise_of(json.load(f)).items() if k in tensors}
    change(tensors, noise)
    write(os.path.join(OUT, out), tensors, noise)


def carry_run(shared, gg, run):
    def change(tensors, noise):
        for name in sorted(tensors):
            if run.endswith("_init") and LEAVE_INIT.search(name):
                del tensors[name]
                noise.pop(name, None)
            elif SLICED.search(name) and not WHOLE.search(run + "/" + name) and np.prod(tensors[name][1]) > 512:
                tensors[name + "#slice"] = sliced(gg, name, tensors.pop(name))
                noise[name + "#slice"] = noise.pop(name)
        if run in ("released_gelu", "released_quickgelu"):
            encodings = encode_sentences(shared, gg, run.endswith("quickgelu"))
            tensors["train/encodings/pcb1"] = ("F64", list(encodings.shape), encodings.tobytes())

    carry(shared, os.path.join("tiny", run), "data", os.path.join("tiny", run + ".safetensors"), change)


def encode_sentences(shared, gg, quick):
    """The rows that the tiny text tower gives for the sentences of the class pcb1, computed in double."""
    from scipy.special import erf
    spec = json.load(open(os.path.join(shared, "tiny", "weights.json"), encoding="utf-8"))
    sizes = json.load(open(os.path.join(shared, "tiny", "released_gelu", "manifest.json"), encoding="utf-8"))["sizes"]

    def weight(name):
        t = spec["tensors"][name]
        return gg.uniform(spec["seed"], name, t["shape"], t["scale"], t["offset"]).astype(np.float64)

    def norm(x, name):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return x * weight(name + ".weight") + weight(name + ".bias")

    def linear(x, name, kind=".weight", bias=".bias"):
        return x @ weight(name + kind).T + weight(name + bias)

    recorded = gg.load_safetensors(os.path.join(shared, "tiny", "released_gelu", "data.safetensors"))
    tokens = recorded["text/pcb1/tokens"]
    x = weight("token_embedding.weight")[tokens] + weight("positional_embedding")
    sentences, length, width = x.shape
    heads = sizes["text_heads"]
    for i in range(sizes["text_layers"]):
        block = "transformer.resblocks.%d." % i
        qkv = linear(norm(x, block + "ln_1"), block + "attn.in_proj", "_weight", "_bias")
        q, k, v = (part.reshape(sentences, length, heads, -1).transpose(0, 2, 1, 3) for part in np.split(qkv, 3, -1))
        scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(width // heads)
        scores = np.where(np.tril(np.ones((length, length), bool)), scores, -np.inf)
        p = np.exp(scores - scores.max(-1, keepdims=True))
        seen = (p / p.sum(-1, keepdims=True) @ v).transpose(0, 2, 1, 3).reshape(sentences, length, width)
        x = x + linear(seen, block + "attn.out_proj")
        h = linear(norm(x, block + "ln_2"), block + "mlp.c_fc")
        h = h / (1 + np.exp(-1.702 * h)) if quick else h * (1 + erf(h / np.sqrt(2))) / 2
        x = x + linear(h, block + "mlp.c_proj")
    rows = norm(x[np.arange(sentences), tokens.argmax(-1)], "ln_final")
    if not quick:
        assert np.abs(rows - recorded["text/pcb1/eot"]).max() < 1e-4
    return rows


def carry_weights(shared):
    with open(os.path.join(shared, "tiny", "weights.json"), encoding="utf-8") as f:
        spec = json.load(f)
    weights = {}
    for name, tensor in spec["tensors"].items():
        kept = {"shape": tensor["shape"], "scale": tensor["scale"], "offset": tensor["offset"]}
        columns = re.search(r"columns outside \[(\d+), (\d+)\)", tensor.get("note", ""))
        if columns:
            kept["columns"] = [int(columns.group(1)), int(columns.group(2))]
        weights[name] = kept
    with open(os.path.join(OUT, "tiny", "weights.json"), "w", encoding="utf-8") as f:
        f.write(json.dumps({"seed": spec["seed"], "tensors": weights}, separators=(",", ":")) + "\n")


def main():
    shared = sys.argv[1]
    sys.path.insert(0, shared)
    import goldgen as gg
    for run in sorted(os.listdir(os.path.join(shared, "tiny"))):
        if os.path.isdir(os.path.join(shared, "tiny", run)):
            carry_run(shared, gg, run)
    carry_weights(shared)
    for name in COMPONENTS:
        carry(shared, "components", name, os.path.join("components", name + ".safetensors"))
    for name in FORMATS:
        target = os.path.join(OUT, "formats", name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(os.path.join(shared, "formats", name), target)


if __name__ == "__main__":
    main()

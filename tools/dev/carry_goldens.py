#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""carry_goldens.py SHARED_GOLDEN_DIR

Copies what the tests use of the recorded data into tests/golden, made small: forward tensors of the tiny runs with
their measured float32 noise in the metadata, the recipe of the weights, some components and formats. Sentences of the
official release and everything made of its class descriptions stay behind.
"""
import json
import os
import re
import shutil
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "..", "..", "tests", "golden")
LEAVE = re.compile(r"^(grad|adam|param|loss|truth64|train/|inputs/(rgb|mask|label))|/metrics$"
                   r"|^text/(bottle|Brain|pcb1)/(?!features$)")
COMPONENTS = ["activations", "etf_loss", "fofs", "half", "norm_match", "posembed_resize", "router"]
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


def carry(shared, folder, name, out):
    tensors = {k: v for k, v in read(os.path.join(shared, folder, name + ".safetensors")).items() if not LEAVE.search(k)}
    json_name = "manifest.json" if name == "data" else name + ".json"
    with open(os.path.join(shared, folder, json_name), encoding="utf-8") as f:
        noise = {k: v for k, v in noise_of(json.load(f)).items() if k in tensors}
    write(os.path.join(OUT, out), tensors, noise)


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
    for run in sorted(os.listdir(os.path.join(shared, "tiny"))):
        if os.path.isdir(os.path.join(shared, "tiny", run)):
            carry(shared, os.path.join("tiny", run), "data", os.path.join("tiny", run + ".safetensors"))
    carry_weights(shared)
    for name in COMPONENTS:
        carry(shared, "components", name, os.path.join("components", name + ".safetensors"))
    for name in FORMATS:
        target = os.path.join(OUT, "formats", name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(os.path.join(shared, "formats", name), target)


if __name__ == "__main__":
    main()

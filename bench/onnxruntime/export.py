#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""export.py CLIP.safetensors IMAGE_SIZE OUT.onnx

Writes the image tower of a CLIP (OpenAI names, heads of 64 channels, erf-GELU) as an ONNX model from pictures to tokens,
for compare.mjs. Needs torch and numpy (Debian: python3-torch).
"""
import json
import struct
import sys

import numpy
import torch
import torch.nn.functional as F
from torch import nn


def load_safetensors(path):
    with open(path, "rb") as f:
        (length,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(length))
        data = f.read()
    header.pop("__metadata__", None)
    kinds = {"F32": numpy.float32, "F16": numpy.float16}
    return {name: torch.from_numpy(numpy.frombuffer(data[e["data_offsets"][0]:e["data_offsets"][1]], kinds[e["dtype"]])
                                   .reshape(e["shape"]).astype(numpy.float32))
            for name, e in header.items() if e["dtype"] in kinds}


class Block(nn.Module):
    def __init__(self, weights, prefix, tokens):
        super().__init__()
        # plain numbers: read off a tensor's shape while it is traced, they would be tensors
        self.tokens, self.width = tokens, weights[prefix + "ln_1.weight"].shape[0]
        self.weights = nn.ParameterDict({name.replace(".", "_"): nn.Parameter(weights[prefix + name]) for name in (
            "ln_1.weight", "ln_1.bias", "ln_2.weight", "ln_2.bias", "attn.in_proj_weight", "attn.in_proj_bias",
            "attn.out_proj.weight", "attn.out_proj.bias", "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight",
            "mlp.c_proj.bias")})

    def forward(self, x):
        w, tokens, width = self.weights, self.tokens, self.width
        h = F.linear(F.layer_norm(x, (width,), w["ln_1_weight"], w["ln_1_bias"]), w["attn_in_proj_weight"],
                     w["attn_in_proj_bias"])
        q, k, v = h.reshape(1, tokens, 3, width // 64, 64).permute(2, 0, 3, 1, 4).unbind(0)
        a = torch.softmax((q * 0.125) @ k.transpose(-1, -2), -1) @ v
        a = a.permute(0, 2, 1, 3).reshape(1, tokens, width)
        x = x + F.linear(a, w["attn_out_proj_weight"], w["attn_out_proj_bias"])
        h = F.linear(F.layer_norm(x, (width,), w["ln_2_weight"], w["ln_2_bias"]), w["mlp_c_fc_weight"], w["mlp_c_fc_bias"])
        return x + F.linear(F.gelu(h), w["mlp_c_proj_weight"], w["mlp_c_proj_bias"])


class ImageTower(nn.Module):
    def __init__(self, weights, size):
        super().__init__()
        w = {name.removeprefix("visual."): nn.Parameter(value) for name, value in weights.items()}
        self.kernel, self.class_token = w["conv1.weight"], w["class_embedding"]
        self.gamma, self.beta = w["ln_pre.weight"], w["ln_pre.bias"]
        self.patch, self.width = self.kernel.shape[3], self.kernel.shape[0]
        grid, width = size // self.patch, self.width
        positions = w["positional_embedding"].detach()
        old = round((positions.shape[0] - 1) ** 0.5)
        plane = positions[1:].reshape(1, old, old, width).permute(0, 3, 1, 2)
        if grid != old:
            plane = F.interpolate(plane, size=(grid, grid), mode="bicubic", antialias=True, align_corners=False)
        rows = plane[0].permute(1, 2, 0).reshape(-1, width)
        self.positions = nn.Parameter(torch.cat([positions[:1], rows])[None])
        layers = sum(name.endswith("ln_1.weight") for name in w)
        self.blocks = nn.ModuleList([Block(w, f"transformer.resblocks.{i}.", 1 + grid * grid) for i in range(layers)])

    def forward(self, image):
        x = F.conv2d(image, self.kernel, stride=self.patch).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token[None, None], x], 1) + self.positions
        x = F.layer_norm(x, (self.width,), self.gamma, self.beta)
        for block in self.blocks:
            x = block(x)
        return x


def main():
    path, size, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    weights = {name: value for name, value in load_safetensors(path).items() if name.startswith("visual.")}
    tower = ImageTower(weights, size).eval()
    torch.onnx.export(tower, torch.zeros(1, 3, size, size), out, opset_version=17, input_names=["image"],
                      output_names=["tokens"])


main()

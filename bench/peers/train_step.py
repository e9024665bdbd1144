#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A training step beside PyTorch: the same graph (recipe `released`: tower, four mixtures, twelve maps, their losses, and
the gradients of all that is trained), the same weights, in turns on one machine.

    train_step.py BUILD/bench/bench_train_step [--size 224] [--batch 2] [--threads 1] [--turns 3] [--dtype f32 bf16]

Needs NumPy and PyTorch (Debian: python3-torch). Writes a random ViT-L/14, an adapter and a batch into a temporary folder,
checks that loss and gradient agree, and prints the time of each, the best of the turns: of the processor on one thread,
else of the clock. The encodings of sentences are given to both; the blocks below the first mixture keep nothing in either.
"""
import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy
import torch
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "onnxruntime"))
import random_clip  # noqa: E402

WIDTH, EMBED, TEXT, HEADS, PATCH = 1024, 768, 768, 16, 14
MIXTURES, WINDOWS = (5, 11, 17, 23), (1, 3, 5)
EXPERTS, RANK, CHOSEN, SCALE, SHARE = 4, 8, 2, 2.0, 0.1
NORMAL, SENTENCES = 6, 16


def random_adapter(generator):
    def normal(*shape):
        return torch.randn(*shape, generator=generator) / shape[-1] ** 0.5
    image = {f"seg_proj.{i}.fc.weight": normal(EMBED, WIDTH) for i in range(4)}
    image |= {"det_proj.ln.weight": torch.ones(WIDTH), "det_proj.ln.bias": torch.zeros(WIDTH),
              "det_proj.adapter.0.weight": torch.randn(WIDTH, 1, 3, generator=generator),
              "det_proj.adapter.2.weight": normal(EMBED, WIDTH)[:, :, None].contiguous()}
    for j in range(len(MIXTURES)):
        image[f"moe_adapters.{j}.gate.weight"] = normal(EXPERTS, WIDTH)
        for e in range(EXPERTS):
            image[f"moe_adapters.{j}.experts.{e}.lora_A.weight"] = normal(RANK, WIDTH)
            image[f"moe_adapters.{j}.experts.{e}.lora_B.weight"] = normal(WIDTH, RANK)
    return {"epoch": 1, "text_adapter": {"0.fc.0.weight": normal(EMBED, TEXT)}, "image_adapter": image}


class Step:
    """The graph, after METHOD sections 2 to 4."""

    def __init__(self, clip, adapter, batch):
        self.clip, self.batch = clip, batch
        self.text = adapter["text_adapter"]["0.fc.0.weight"].requires_grad_()
        self.image = adapter["image_adapter"]
        for name, tensor in self.image.items():
            tensor.requires_grad_("lora_A" not in name)
        self.trained = [self.text, *(t for t in self.image.values() if t.requires_grad)]

    def norm(self, x, name):
        return F.layer_norm(x, (WIDTH,), self.clip[name + ".weight"], self.clip[name + ".bias"])

    def block(self, x, i):
        p = f"visual.transformer.resblocks.{i}."
        batch, tokens, _ = x.shape
        qkv = F.linear(self.norm(x, p + "ln_1"), self.clip[p + "attn.in_proj_weight"], self.clip[p + "attn.in_proj_bias"])
        q, k, v = (t.reshape(batch, tokens, HEADS, -1).transpose(1, 2) for t in qkv.chunk(3, dim=-1))
        weights = torch.softmax((q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2), dim=-1)
        heads = (weights @ v).transpose(1, 2).reshape(batch, tokens, WIDTH)
        x = x + F.linear(heads, self.clip[p + "attn.out_proj.weight"], self.clip[p + "attn.out_proj.bias"])
        hidden = F.gelu(F.linear(self.norm(x, p + "ln_2"), self.clip[p + "mlp.c_fc.weight"], self.clip[p + "mlp.c_fc.bias"]))
        return x + F.linear(hidden, self.clip[p + "mlp.c_proj.weight"], self.clip[p + "mlp.c_proj.bias"])

    def mixture(self, x, j):
        rows, p = x.reshape(-1, WIDTH), f"moe_adapters.{j}."
        probabilities = torch.softmax(F.linear(rows, self.image[p + "gate.weight"]), dim=-1)
        top, chosen = probabilities.topk(CHOSEN, dim=-1)
        top = top / top.sum(dim=-1, keepdim=True)
        m = torch.zeros_like(rows)
        for e in range(EXPERTS):
            token, place = torch.where(chosen == e)
            a, b = (self.image[f"{p}experts.{e}.lora_{name}.weight"] for name in "AB")
            m = m.index_add(0, token, top[token, place, None] * (SCALE * F.linear(F.linear(rows[token], a), b)))
        y = m * rows.norm(dim=-1, keepdim=True) / (m.norm(dim=-1, keepdim=True) + 1e-6)
        return (SHARE * y + (1 - SHARE) * rows).reshape(x.shape)

    def stem(self):
        x = F.conv2d(self.batch["images"], self.clip["visual.conv1.weight"], stride=PATCH).flatten(2).transpose(1, 2)
        cls = self.clip["visual.class_embedding"].expand(x.shape[0], 1, WIDTH)
        return self.norm(torch.cat([cls, x], dim=1) + self.clip["positions"], "visual.ln_pre")

    def anchors(self):
        z = F.normalize(F.leaky_relu(F.linear(self.batch["encodings"], self.text), 0.01), dim=-1)
        return torch.stack([F.normalize(part.mean(dim=0), dim=-1) for part in (z[:NORMAL], z[NORMAL:])], dim=1)

    def detection(self, tokens):
        h = F.layer_norm(tokens, (WIDTH,), self.image["det_proj.ln.weight"], self.image["det_proj.ln.bias"])
        h = F.conv1d(h.transpose(1, 2), self.image["det_proj.adapter.0.weight"], padding=1, groups=WIDTH)
        h = F.conv1d(F.gelu(h), self.image["det_proj.adapter.2.weight"])
        return F.normalize(h, dim=1).mean(dim=-1)

    def map_loss(self, logits):
        masks, labels = self.batch["masks"], torch.stack([1 - self.batch["masks"], self.batch["masks"]], dim=1)
        p = torch.softmax(F.interpolate(logits, masks.shape[-2:], mode="bilinear", align_corners=True), dim=1)
        pt = (labels.clamp(1e-5, 1 - 1e-5) * p).sum(dim=1) + 1e-5
        focal = (-(1 - pt) ** 2 * pt.log()).mean()
        overlap, sizes = (p * labels).sum(dim=(2, 3)), p.sum(dim=(2, 3)) + labels.sum(dim=(2, 3))
        return focal + (1 - (2 * overlap + 1) / (sizes + 1)).mean(dim=0).sum()

    def level_loss(self, x, level, anchors, labels):
        batch, side = x.shape[0], round((x.shape[1] - 1) ** 0.5)
        grid, loss = x[:, 1:].transpose(1, 2).reshape(batch, WIDTH, side, side), 0
        for window in WINDOWS:
            t = F.avg_pool2d(grid, window, 1, window // 2).flatten(2).transpose(1, 2)
            t = self.norm(t, "visual.ln_post")
            f = F.normalize(F.linear(t, self.image[f"seg_proj.{level}.fc.weight"]), dim=-1)
            loss = loss + self.map_loss((100 * f @ anchors).transpose(1, 2).reshape(batch, 2, side, side))
            if level == len(MIXTURES) - 1 and window == 1:
                loss = loss + F.cross_entropy(self.detection(t) @ anchors, labels)
        return loss

    def run(self):
        """(loss, length of the gradient)"""
        for tensor in self.trained:
            tensor.grad = None
        anchors, labels, loss = self.anchors(), torch.arange(len(self.batch["images"])) % 2, 0
        with torch.no_grad():
            x = self.stem()
            for i in range(MIXTURES[0] + 1):
                x = self.block(x, i)
        for j, last in enumerate(MIXTURES):
            x = self.mixture(x, j)
            loss = loss + self.level_loss(x, j, anchors, labels)
            for i in range(last + 1, MIXTURES[j + 1] + 1 if j + 1 < len(MIXTURES) else 0):
                x = self.block(x, i)
        loss.backward()
        return float(loss), float(torch.stack([t.grad.double().square().sum() for t in self.trained]).sum().sqrt())


class Ours:
    def __init__(self, program, folder, threads, dtype):
        words = [program, folder / "clip.safetensors", folder / "adapter.pth", folder / "batch.safetensors", threads, dtype]
        self.process = subprocess.Popen(list(map(str, words)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def run(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return tuple(map(float, self.process.stdout.readline().split()))

    def most_megabytes(self):
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.split("VmHWM:")[1].split()[0]) / 1024

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def write_inputs(folder, options):
    """Files for both; returns what PyTorch works on."""
    generator = torch.Generator().manual_seed(1)
    random_clip.save(folder / "clip.safetensors", random_clip.clip())
    header_size = int.from_bytes((folder / "clip.safetensors").read_bytes()[:8], "little")
    adapter = random_adapter(generator)
    torch.save(adapter, folder / "adapter.pth")
    masks = torch.zeros(options.batch, options.size, options.size)
    masks[1::2, options.size // 3:options.size // 2, options.size // 4:options.size // 2] = 1
    batch = {"images": torch.randn(options.batch, 3, options.size, options.size, generator=generator), "masks": masks,
             "encodings": torch.randn(SENTENCES, TEXT, generator=generator)}
    random_clip.save(folder / "batch.safetensors",
                     {name: (tuple(t.shape), lambda shape, t=t: t.numpy()) for name, t in batch.items()})
    return read_safetensors(folder / "clip.safetensors", header_size), adapter, batch


def read_safetensors(path, header_size):
    header = json.loads(path.read_bytes()[8:8 + header_size])
    data = numpy.memmap(path, numpy.uint8, "r", 8 + header_size)
    return {name: torch.from_numpy(numpy.array(data[entry["data_offsets"][0]:entry["data_offsets"][1]].view(numpy.float32))
                                   .reshape(entry["shape"])) for name, entry in header.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--dtype", nargs="+", default=["f32", "bf16"], choices=("f32", "bf16"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    now = time.process_time if options.threads == 1 else time.monotonic
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip, adapter, batch = write_inputs(folder, options)
        side = options.size // PATCH
        grid = clip["visual.positional_embedding"][1:].reshape(1, 16, 16, WIDTH).permute(0, 3, 1, 2)
        grid = F.interpolate(grid, (side, side), mode="bicubic", antialias=True) if side != 16 else grid
        clip["positions"] = torch.cat([clip["visual.positional_embedding"][:1], grid.flatten(2)[0].T])
        step = Step(clip, adapter, batch)
        ours = {dtype: Ours(options.program, folder, options.threads, dtype) for dtype in options.dtype}
        times, results = {"torch": []} | {dtype: [] for dtype in ours}, {}
        for turn in range(options.turns + 1):  # the first one warms up
            for who, program in ours.items():
                milliseconds, *results[who] = program.run()
                times[who].append(milliseconds)
            start = now()
            results["torch"] = step.run()
            times["torch"].append(1e3 * (now() - start))
        best = {who: min(list_of[1:]) for who, list_of in times.items()}
        print(f"{options.size} px, batch {options.batch}, {options.threads} threads")
        for who, value in best.items():
            memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 if who == "torch" else
                      ours[who].most_megabytes())
            print(f"{who:>6} {value:10.0f} ms  {value / best['torch']:.3f} of torch  {memory:7.0f} MB  loss "
                  f"{results[who][0]:.6f}, gradient {results[who][1]:.5g}")
        for program in ours.values():
            program.end()
        if "f32" in results:
            for found, wanted in zip(results["f32"], results["torch"]):
                assert abs(found - wanted) <= 1e-3 * abs(wanted), "the two do not compute the same"


main()

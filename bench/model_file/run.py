#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""run.py TOOL FOLDER: what a model file costs a small machine. Writes random weights of the sizes of ViT-B/16 and ViT-L/14
and random adapters (numpy), exports them in each precision, and prints seconds from the start of `detect --model` to its
end after one picture and what each of more pictures takes, and the most memory that was resident (VmHWM)."""
import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "onnxruntime"))
import random_clip  # noqa: E402
from random_clip import normal, numpy  # noqa: E402

TOOL, FOLDER = sys.argv[1], Path(sys.argv[2])
RUNS, PICTURES = 5, 5


def adapter(width, text):
    """Four levels and mixtures, as released; names are the official ones."""
    tensors = {"text_adapter.0.fc.0.weight": ((text, text), normal(0.03)),
               "image_adapter.det_proj.ln.weight": ((width,), numpy.ones),
               "image_adapter.det_proj.ln.bias": ((width,), numpy.zeros),
               "image_adapter.det_proj.adapter.0.weight": ((width, 1, 3), normal(0.5)),
               "image_adapter.det_proj.adapter.2.weight": ((text, width, 1), normal(0.03))}
    for i in range(4):
        tensors[f"image_adapter.seg_proj.{i}.fc.weight"] = ((text, width), normal(0.03))
        tensors[f"image_adapter.moe_adapters.{i}.gate.weight"] = ((4, width), normal(0.03))
        for j in range(4):
            expert = f"image_adapter.moe_adapters.{i}.experts.{j}"
            tensors[f"{expert}.lora_A.weight"] = ((8, width), normal(0.03))
            tensors[f"{expert}.lora_B.weight"] = ((width, 8), normal(0.03))
    return tensors


def picture(side):
    path = FOLDER / f"{side}.ppm"
    path.write_bytes(b"P6 %d %d 255\n" % (side, side) + random_clip.rng.bytes(3 * side * side))
    return path


def run(*words):
    """Seconds, most resident memory in MB, and the lines that were printed."""
    start = time.perf_counter()
    process = subprocess.Popen([TOOL, *map(str, words)], stdout=subprocess.PIPE)
    out = process.stdout.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, words
    return time.perf_counter() - start, usage.ru_maxrss / 1024, out.splitlines()


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, sizes, side in (("b16", (768, 12, 16, 512), 224), ("l14", (1024, 24, 14, 768), 518)):
        clip, parts, photo = FOLDER / f"{name}.safetensors", FOLDER / f"{name}_adapter.safetensors", picture(side)
        random_clip.save(clip, random_clip.clip(*sizes))
        random_clip.save(parts, adapter(sizes[0], sizes[3]))
        for precision in ("f32", "bf16", "int8"):
            model = FOLDER / f"{name}.{precision}.moeclip"
            run("export", "--clip", clip, "--adapter", parts, "--image-size", side, "--dtype", precision, "--force", "-o", model)
            first = min(run("detect", "--model", model, photo)[0] for _ in range(RUNS))
            _, memory, lines = run("detect", "--model", model, "--json", *[photo] * PICTURES)
            later = min(json.loads(line)["milliseconds"] for line in lines[1:])
            print(f"{name} {side} px {precision}: {model.stat().st_size / 1e6:.0f} MB, first verdict after {first:.2f} s, "
                  f"then {later:.0f} ms a picture, {memory:.0f} MB resident", flush=True)


main()

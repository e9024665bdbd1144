#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""run.py TOOL FOLDER [PICTURES]: what a model file costs a small machine, and how far it is from full precision. Writes random
weights of the sizes of ViT-B/16 and ViT-L/14 and random adapters (numpy), exports them in each precision, unless FOLDER has
them from before, and prints a row of a table for each:

start       of `detect --model` with one picture, from the start of the process to its end: seconds, and those of the processor
memory      the most that was resident (VmHWM), MB
latency     of a picture after the first: milliseconds, and those of the processor, of all threads together
throughput  pictures in a second, read, judged and told, of a process that has started
accuracy    largest difference of scores and of maps from those of f32, and verdicts that are the same
"""
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "onnxruntime"))
import random_clip  # noqa: E402
from random_clip import normal, numpy  # noqa: E402

TOOL, FOLDER = sys.argv[1], Path(sys.argv[2])
RUNS, PICTURES = 3, int(sys.argv[3]) if len(sys.argv) > 3 else 4


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


def pictures(side):
    """Smooth ones with grain, so that maps differ from place to place."""
    paths = []
    for i in range(PICTURES):
        coarse = random_clip.rng.integers(0, 200, (side // 14 + 1, side // 14 + 1, 3)).repeat(14, 0).repeat(14, 1)[:side, :side]
        grain = random_clip.rng.integers(0, 56, (side, side, 3))
        paths.append(FOLDER / f"{side}-{i}.ppm")
        paths[-1].write_bytes(b"P6 %d %d 255\n" % (side, side) + (coarse + grain).astype("uint8").tobytes())
    return paths


def run(*words):
    """Seconds, processor seconds, most resident memory in MB, and the lines that were printed."""
    start = time.perf_counter()
    process = subprocess.Popen([TOOL, *map(str, words)], stdout=subprocess.PIPE)
    lines, resident = [], 0
    for line in process.stdout:
        lines.append(line.decode())
        status = Path(f"/proc/{process.pid}/status").read_text()  # what wait4 tells counts the memory of this script too
        resident = max([resident, *(int(line.split()[1]) / 1000 for line in status.splitlines() if "VmHWM" in line)])
    _, code, usage = os.wait4(process.pid, 0)
    assert code == 0, words
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, resident, lines


def judged(model, photos):
    """Scores, verdicts and maps."""
    with tempfile.TemporaryDirectory() as folder:
        lines = [json.loads(line) for line in run("detect", "--model", model, "--json", "--out", folder, *photos)[3]]
        maps = [numpy.load(Path(folder) / f"{photo.stem}.map.npy") for photo in photos]
    return numpy.array([line["score"] for line in lines]), [line["is_anomalous"] for line in lines], numpy.array(maps)


def measure(name, model, photos, exact):
    first, work = map(min, zip(*(run("detect", "--model", model, photos[0])[:2] for _ in range(RUNS))))
    whole, all_work, memory, lines = run("detect", "--model", model, "--json", *photos)
    later = min(json.loads(line)["milliseconds"] for line in lines[1:])
    more = len(photos) - 1
    scores, verdicts, maps = judged(model, photos)
    off, off_map = abs(scores - exact[0]).max(), abs(maps - exact[2]).max()
    same = sum(a == b for a, b in zip(verdicts, exact[1]))
    print(f"| {name} | {model.stat().st_size / 1e6:.0f} | {first:.2f} ({work:.2f}) | {memory:.0f} | {later:.0f} "
          f"({1000 * max(0, all_work - work) / more:.0f}) | {more / max(1e-3, whole - first):.2f} | {off:.1e}, {off_map:.1e}, "
          f"{same} of {len(photos)} |", flush=True)


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    print("| | file, MB | start, s (CPU s) | memory, MB | latency, ms (CPU ms) | pictures / s | off f32: score, map, verdicts |")
    print("|---|---|---|---|---|---|---|")
    for name, sizes, side in (("b16", (768, 12, 16, 512), 224), ("l14", (1024, 24, 14, 768), 518)):
        clip, parts, photos = FOLDER / f"{name}.safetensors", FOLDER / f"{name}_adapter.safetensors", pictures(side)
        models = {precision: FOLDER / f"{name}.{precision}.moeclip" for precision in ("f32", "bf16", "int8")}
        if not parts.exists():
            random_clip.save(clip, random_clip.clip(*sizes))
            random_clip.save(parts, adapter(sizes[0], sizes[3]))
        for precision, model in models.items():
            if not model.exists() or model.stat().st_mtime < parts.stat().st_mtime:
                run("export", "--clip", clip, "--adapter", parts, "--image-size", side, "--dtype", precision, "--force", "-o",
                    model)
        exact = judged(models["f32"], photos)
        for precision, model in models.items():
            measure(f"{name[0].upper()}/{name[1:]}, {side} px, {precision}", model, photos, exact)


main()

# SPDX-License-Identifier: MIT
"""make.py TOOL: writes the models and verdicts beside it, by the tool as it was when the format had version 1."""
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOOL = sys.argv[1]
sys.path.insert(0, str(HERE.parents[1] / "tool"))
sys.argv[1:] = [TOOL]
from support import png  # noqa: E402
from training import VOCABULARY, micro_clip  # noqa: E402

SIDE = 48


def picture(seed, has_defect=False):
    draw = random.Random(seed)
    rows = bytearray(draw.randrange(100, 140) for _ in range(3 * SIDE * SIDE))
    if has_defect:
        for y in range(18, 34):
            for x in range(3 * 14, 3 * 32):
                rows[y * 3 * SIDE + x] = 255 if (x // 6 + y // 2) % 2 else 0
    return png(SIDE, SIDE, bytes(rows))


def run(*words):
    return subprocess.run([TOOL, *map(str, words)], check=True, capture_output=True).stdout.decode()


def main():
    names = ("good.png", "bad.png")
    for name, data in zip(names, (picture(100), picture(101, True))):
        (HERE / name).write_bytes(data)
    verdicts = {}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        clip = folder / "clip.safetensors"
        clip.write_bytes(micro_clip(blocks=1))
        good = folder / "good"
        good.mkdir()
        for i in range(8):
            (good / f"{i}.png").write_bytes(picture(i))
        shared = ("--clip", clip, "--vocab", VOCABULARY, "--image-size", 28, "--dtype", "int8", "--class", "plate")
        memory = ("--good", good, "--patches", 20)
        for name, options in (("words.moeclip", shared), ("fused.moeclip", (*shared, *memory, "--text-weight", 0.5)),
                              ("textures.moeclip", memory)):
            run("export", *options, "--force", "-o", HERE / name)
            lines = run("detect", "--model", HERE / name, *(HERE / picture for picture in names), "--json").splitlines()
            verdicts[name] = {picture: {key: json.loads(line)[key] for key in ("score", "is_anomalous", "regions")}
                              for picture, line in zip(names, lines)}
    (HERE / "verdicts.json").write_text(json.dumps(verdicts, indent=1) + "\n")


main()

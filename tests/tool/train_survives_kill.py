# SPDX-License-Identifier: MIT
"""Kills a training run (SIGKILL) at random moments: what is on disk is always whole, and resuming gives the bits of a
run that nobody killed. CI does a few (test_train.py); a person can do more:

    train_survives_kill.py TOOL [--kills 200] [--seed 1] [--folder DIR]
"""
import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support import TOOL
from training import micro_clip, train_words, write_data, write_judges

LAST = "moe_last.safetensors"
FILES = (LAST, "moe_best.safetensors", "valid.jsonl")


def run(words, **options):
    return subprocess.run([TOOL, *words], capture_output=True, timeout=300, **options)


def expect_whole(folder):
    """Every checkpoint that has its name can be read to its last byte."""
    paths = sorted(map(str, folder.glob("*.safetensors")))
    if paths:
        done = run(["inspect", "--hash", *paths])
        assert done.returncode == 0, done.stderr


def survive_kills(folder, kills, seed=1):
    """Trains once without and again and again with kills until `kills` have struck; both must end in the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    clip, data = folder / "clip.safetensors", write_data(folder, count=7)
    clip.write_bytes(micro_clip())
    more = ("--epochs", 12, "--checkpoint-every", 2, "--recipe", "moeclip", "--lr", "1e-3",
            "--valid", write_judges(folder), "--valid-every", 3, "--patience", 0)
    start = time.monotonic()
    whole = run(train_words(clip, data, folder / "whole", *more))
    assert whole.returncode == 0, whole.stderr
    duration = time.monotonic() - start
    wanted = {name: (folder / "whole" / name).read_bytes() for name in FILES}

    draw, struck, rounds = random.Random(seed), 0, 0
    while struck < kills:
        rounds += 1
        out = folder / f"killed_{rounds}"
        while True:
            resumed = ["--resume"] if out.exists() else []
            tool = subprocess.Popen([TOOL, *train_words(clip, data, out, *more, *resumed)], stdout=subprocess.DEVNULL,
                                    stderr=subprocess.PIPE)
            if struck < kills:
                time.sleep(draw.uniform(0, 0.6 * duration))
                tool.kill()
            _, message = tool.communicate(timeout=300)
            assert tool.returncode in (0, -9), message
            if tool.returncode == 0:
                break
            struck += 1
            expect_whole(out)
        for name in FILES:
            assert (out / name).read_bytes() == wanted[name], f"{out / name}: other than of the run that nobody killed"
        shutil.rmtree(out)
        if rounds % 20 == 0:
            print(f"{struck} kills in {rounds} runs", flush=True)
    return struck, rounds


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="moeclip-kill-") as temporary:
        survived = survive_kills(options.folder or Path(temporary), options.kills, options.seed)
    print(f"{survived[0]} kills in {survived[1]} runs: every checkpoint whole, every run ended in the same bits")

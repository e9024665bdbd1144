# SPDX-License-Identifier: MIT
"""Runs the verbs with many threads and with one, and checks that both write the same bytes, and that a tool that was
built with the thread sanitizer (preset `tsan`) has nothing to report.

usage: threads.py TOOL [--threads 16] [--verbs detect,train,...]
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

from faults import MICRO, VERBS, contents, make_inputs

TIMED = re.compile(r"run/log\.jsonl|.*\.html")  # say how long things took, or on how many threads
WITHOUT = {"convert", "synthesize", "scan"}     # which have no threads
MORE = {
    "learn a CLIP": ["learn", "../good", *MICRO, "--features", "encoder", "-o", "part.moeclip", "--patches", "200"],
    "experts": ["train", "../set", *MICRO, "--out", "run", "--epochs", "2", "--batch", "2"],
    "tiles": ["detect", "../good", *MICRO, "--tile", "32", "--out", "out"],
    "good": ["detect", "../set", "--good", "../good", *MICRO, "--features", "encoder", "--out", "out"],
}


def run(tool, words, folder, threads):
    """What is wrong, and the files."""
    work = os.path.join(folder, "work")
    shutil.rmtree(work, ignore_errors=True)
    os.mkdir(work)
    done = subprocess.run([tool, *words, "--threads", str(threads)], cwd=work, capture_output=True)
    message = done.stderr.decode(errors="replace")
    wrong = None if done.returncode == 0 and "ThreadSanitizer" not in message else \
        f"exit code {done.returncode}: {message[:3000]}"
    return wrong, {name: data for name, data in contents(work).items() if not TIMED.match(name)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--verbs")
    given = parser.parse_args()
    tool, failures = os.path.abspath(given.tool), 0
    all_verbs = {**{name: words for name, words in VERBS.items() if name not in WITHOUT}, **MORE}
    with tempfile.TemporaryDirectory(prefix="moeclip-threads-") as folder:
        make_inputs(tool, folder)
        for verb in given.verbs.split(",") if given.verbs else all_verbs:
            wrong, many = run(tool, all_verbs[verb], folder, given.threads)
            wrong_alone, one = run(tool, all_verbs[verb], folder, 1)
            wrong = wrong or wrong_alone
            if not wrong and many != one:
                wrong = f"other bytes than with one thread: {sorted(n for n in one if one[n] != many.get(n))}"
            failures += wrong is not None
            print(f"{verb:12} {len(one):3} files: {wrong or 'nothing to report, the same bytes'}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

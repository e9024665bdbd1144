# SPDX-License-Identifier: MIT
"""Kills the tool at random moments (SIGKILL), and checks that each file it writes is whole or absent, and that what can
be resumed ends in the same bytes as a run that nobody disturbed. For training see tests/tool/train_survives_kill.py.

usage: kills.py TOOL [--count N] [--seed S] [--verbs learn,eval,synthesize]
"""
import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

from faults import VERBS, contents, make_inputs

RESUMED = {"eval": ["--resume"]}  # the options with which a verb goes on
KILLED = {"learn": VERBS["learn"], "synthesize": VERBS["synthesize"],
          "eval": ["eval", "../set", "--out", "out", "--checkpoint-seconds", "0"]}


def fresh(folder):
    work = os.path.join(folder, "work")
    shutil.rmtree(work, ignore_errors=True)
    os.mkdir(work)
    return work


def whole_or_absent(whole, files, may_grow):
    for name, data in files.items():
        if os.path.basename(name).startswith(".moeclip-"):
            continue  # a kill leaves no time to take the unfinished one away
        if name not in whole or (data != whole[name] and name not in may_grow):
            return f"{name} is neither whole nor absent"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbs", default=",".join(KILLED))
    given = parser.parse_args()
    tool, rng, failures = os.path.abspath(given.tool), random.Random(given.seed), 0
    with tempfile.TemporaryDirectory(prefix="moeclip-kills-") as folder:
        make_inputs(tool, folder)
        for verb in given.verbs.split(","):
            words, work = [tool, *KILLED[verb]], fresh(folder)
            start = time.monotonic()
            subprocess.run(words, cwd=work, check=True, capture_output=True)
            duration, whole = time.monotonic() - start, contents(work)
            killed = 0
            for _ in range(given.count):
                work = fresh(folder)
                process = subprocess.Popen(words, cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(rng.uniform(0, duration))
                process.kill()
                killed += process.wait() != 0
                wrong = whole_or_absent(whole, contents(work), {"out/state.safetensors"} if verb == "eval" else set())
                if not wrong and verb in RESUMED:
                    done = subprocess.run([*words, *(RESUMED[verb] if os.path.exists(
                        os.path.join(work, "out/state.safetensors")) else ["--force"])], cwd=work, capture_output=True)
                    ended = {name: data for name, data in contents(work).items() if ".moeclip-" not in name}
                    if done.returncode != 0 or ended != whole:
                        wrong = f"resumed with exit code {done.returncode}, the same files: {ended == whole}"
                if wrong:
                    failures += 1
                    print(f"{verb}: {wrong}", flush=True)
            print(f"{verb:10} {given.count} runs, {killed} killed before their end, {failures} complaints so far", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

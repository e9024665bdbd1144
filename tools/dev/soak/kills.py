# SPDX-License-Identifier: MIT
"""Kills the tool at random moments (SIGKILL), and checks that each file it writes is whole or absent, and that what can
be resumed ends in the same bytes as a run that nobody disturbed.

usage: kills.py TOOL [--count N] [--seed S] [--verbs train,learn,export,eval,synthesize] [--seconds S]

--seconds ends it, with the count so far, before --count kills of each verb were made.
"""
import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

from faults import MICRO, VERBS, contents, make_inputs

RESUMED = {"eval", "train"}  # verbs that go on where they were, and the files that may then be part of the whole
GROWING = {"eval": {"out/state.safetensors"}, "train": {"run/moe_last.safetensors", "run/log.jsonl", "run/report.html"}}
TIMED = {"run/log.jsonl"}  # says how long things took
KILLED = {"train": ["train", "../set", *MICRO, "--out", "run", "--epochs", "2", "--batch", "1", "--checkpoint-every", "1",
                    "--threads", "2"],
          "learn": VERBS["learn"], "export": VERBS["export"], "synthesize": VERBS["synthesize"],
          "eval": ["eval", "../set", *MICRO, "--out", "out", "--checkpoint-seconds", "0"]}


def fresh(folder):
    work = os.path.join(folder, "work")
    shutil.rmtree(work, ignore_errors=True)
    os.mkdir(work)
    return work


def whole_or_absent(whole, files, may_grow):
    for name, data in files.items():
        if ".moeclip-" in name:  # a file, or a folder of files
            continue  # a kill leaves no time to take the unfinished one away
        if name not in whole or (data != whole[name] and name not in may_grow):
            return f"{name} is neither whole nor absent"
        if name.endswith(".html") and not data.endswith(b"</html>\n"):
            return f"{name} has no end"
    return None


def resume(words, work, verb):
    """Runs it to its end, from its state if there is one."""
    state = {"eval": "out/state.safetensors", "train": "run/moe_last.safetensors"}[verb]
    way = "--resume" if os.path.exists(os.path.join(work, state)) else "--force"
    return subprocess.run([*words, way], cwd=work, capture_output=True)


def lasting(files):
    return {name: data for name, data in files.items() if ".moeclip-" not in name and name not in TIMED}


def kill_once(words, verb, work, whole, delay):
    """Whether it was killed before its end, and what is wrong with what it left, or with its end once it is resumed."""
    process = subprocess.Popen(words, cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(delay)
    process.kill()
    is_killed = process.wait() != 0
    wrong = whole_or_absent(whole, contents(work), GROWING.get(verb, set()))
    if wrong or verb not in RESUMED or not is_killed:
        return is_killed, wrong
    done = resume(words, work, verb)
    ended = lasting(contents(work))
    if done.returncode != 0 or ended != lasting(whole):
        wrong = f"resumed with exit code {done.returncode}, the same files: {ended == lasting(whole)}"
    return is_killed, wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--verbs", default=",".join(KILLED))
    given = parser.parse_args()
    tool, rng, failures = os.path.abspath(given.tool), random.Random(given.seed), 0
    end = time.monotonic() + given.seconds
    with tempfile.TemporaryDirectory(prefix="moeclip-kills-") as folder:
        make_inputs(tool, folder)
        for verb in given.verbs.split(","):
            words, work = [tool, *KILLED[verb]], fresh(folder)
            start = time.monotonic()
            subprocess.run(words, cwd=work, check=True, capture_output=True)
            duration, whole = time.monotonic() - start, contents(work)
            runs = killed = wrongs = 0
            while killed < given.count and time.monotonic() < end:
                is_killed, wrong = kill_once(words, verb, fresh(folder), whole, rng.uniform(0, duration))
                runs += 1
                killed += is_killed
                if wrong:
                    wrongs += 1
                    print(f"{verb}: {wrong}", flush=True)
            failures += wrongs
            print(f"{verb:10} {runs} runs, {killed} killed before their end, {wrongs} complaints", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: MIT
"""Runs all fuzz targets in turn, for hours if need be, and counts what was tried over all runs. May be ended at any
time (Ctrl-C, SIGTERM) and goes on where it was. Needs the preset `fuzz`; its findings are in FOLDER/findings.

usage: fuzz.py PROGRAMS FOLDER [--hours H] [--turn SECONDS] [--targets png,zip,...] [--table]

PROGRAMS is build/fuzz/bin. FOLDER keeps a corpus per target, findings, and state.json; --table only prints what the
state says. Exit code 1 if there is a finding.
"""
import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time

SEEDS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "tests", "fuzz", "corpus")


class State:
    def __init__(self, folder):
        self.path = os.path.join(folder, "state.json")
        self.targets = {}
        if os.path.exists(self.path):
            with open(self.path) as file:
                self.targets = json.load(file)

    def add(self, target, executions, seconds, coverage, corpus, findings):
        told = self.targets.setdefault(target, {"executions": 0, "seconds": 0, "coverage": 0, "turns": 0})
        told["executions"] += executions
        told["seconds"] += seconds
        told["turns"] += 1
        told["coverage"] = max(told["coverage"], coverage)
        told.update(corpus=corpus, findings=findings)
        with open(self.path + ".new", "w") as file:
            json.dump(self.targets, file, indent=1)
        os.replace(self.path + ".new", self.path)

    def table(self):
        line = "{:16} {:>14} {:>9} {:>8} {:>9} {:>9}".format
        rows = [line("target", "executions", "corpus", "edges", "seconds", "findings")]
        for name, told in sorted(self.targets.items()):
            rows.append(line(name, f"{told['executions']:,}", told["corpus"], told["coverage"],
                             f"{told['seconds']:.0f}", told["findings"]))
        every = self.targets.values()
        rows.append(line("all", f"{sum(t['executions'] for t in every):,}", sum(t["corpus"] for t in every), "",
                         f"{sum(t['seconds'] for t in every):.0f}", sum(t["findings"] for t in every)))
        return "\n".join(rows)


def last_number(pattern, text):
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def turn(programs, folder, target, seconds, state):
    """Runs one target for so long; what it did is added to the state even if it is ended before."""
    corpus, findings = (os.path.join(folder, kind, target) for kind in ("corpus", "findings"))
    for place in (corpus, findings):
        os.makedirs(place, exist_ok=True)
    seeds = os.path.join(SEEDS, target)
    words = [os.path.join(programs, "fuzz_" + target), f"-max_total_time={max(1, int(seconds))}", "-timeout=10",
             "-rss_limit_mb=2048", f"-artifact_prefix={findings}/", "-print_final_stats=1", corpus,
             *([seeds] if os.path.isdir(seeds) else [])]
    start = time.monotonic()
    log_path = os.path.join(folder, target + ".log")
    with open(log_path, "wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
        try:
            process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)  # libFuzzer says its figures and ends
            process.wait()
            raise
        finally:
            with open(log_path, errors="replace") as log:
                text = log.read()
            executions = last_number(r"stat::number_of_executed_units: (\d+)", text) or last_number(r"#(\d+)\s", text)
            state.add(target, executions, time.monotonic() - start, last_number(r"cov: (\d+)", text),
                      len(os.listdir(corpus)), len(os.listdir(findings)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs")
    parser.add_argument("folder")
    parser.add_argument("--hours", type=float, default=1)
    parser.add_argument("--turn", type=float, default=60)
    parser.add_argument("--targets")
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    os.makedirs(given.folder, exist_ok=True)
    state = State(given.folder)
    if not given.table:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        targets = given.targets.split(",") if given.targets else sorted(
            name[len("fuzz_"):] for name in os.listdir(given.programs) if name.startswith("fuzz_"))
        end = time.monotonic() + 3600 * given.hours
        try:
            while time.monotonic() < end:
                # the target that had least time goes first, so that a run that is ended neglects none
                target = min(targets, key=lambda name: state.targets.get(name, {"seconds": 0})["seconds"])
                turn(given.programs, given.folder, target, min(given.turn, end - time.monotonic()), state)
        except KeyboardInterrupt:
            print("ended; the same command goes on", file=sys.stderr)
    print(state.table())
    return 1 if any(told["findings"] for told in state.targets.values()) else 0


if __name__ == "__main__":
    sys.exit(main())

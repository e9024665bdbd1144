# SPDX-License-Identifier: MIT
"""Runs all fuzz targets in turn, for hours if need be, and counts what was tried over all runs. May be ended at any
time (Ctrl-C, SIGTERM) and goes on where it was. Needs the preset `fuzz`; its findings are in FOLDER/findings.

usage: fuzz.py PROGRAMS FOLDER [--hours H] [--turn SECONDS] [--jobs N] [--targets png,zip,...] [--table]

PROGRAMS is build/fuzz/bin. FOLDER keeps a corpus per target, findings, and state.json; --table only prints what the
state says. Seconds are those of the processor: on a machine that others use, a turn may get few of them. Exit code 1 if
there is a finding.
"""
import argparse
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

SEEDS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "tests", "fuzz", "corpus")

MOST_SECONDS = 5  # of the processor, for one input


class State:
    def __init__(self, folder):
        self.path = os.path.join(folder, "state.json")
        self.lock = threading.Lock()
        self.targets = {}
        if os.path.exists(self.path):
            with open(self.path) as file:
                self.targets = json.load(file)

    def seconds(self, target):
        return self.targets.get(target, {}).get("processor_seconds", 0)

    def add(self, target, executions, seconds, coverage, corpus, findings):
        with self.lock:
            told = self.targets.setdefault(target, {"executions": 0, "coverage": 0, "turns": 0})
            told["executions"] += executions
            told["processor_seconds"] = self.seconds(target) + seconds
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
                             f"{self.seconds(name):.0f}", told["findings"]))
        every = self.targets.values()
        rows.append(line("all", f"{sum(t['executions'] for t in every):,}", sum(t["corpus"] for t in every), "",
                         f"{sum(map(self.seconds, self.targets)):.0f}", sum(t["findings"] for t in every)))
        return "\n".join(rows)


def last_number(pattern, text):
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


class Turns:
    """Gives a turn after the other to the targets; what was done is added to the state even if a turn is ended."""

    def __init__(self, programs, folder, targets, turn, state):
        self.programs, self.folder, self.targets, self.turn, self.state = programs, folder, targets, turn, state
        self.running = {}  # target: its process
        self.is_over = threading.Event()

    def begin(self):
        """Starts the target that had least time, so that a run that is ended neglects none; None: all are running."""
        with self.state.lock:
            waiting = [name for name in self.targets if name not in self.running]
            if not waiting or self.is_over.is_set():
                return None
            target = min(waiting, key=self.state.seconds)
            corpus, findings = (os.path.join(self.folder, kind, target) for kind in ("corpus", "findings"))
            for place in (corpus, findings):
                os.makedirs(place, exist_ok=True)
            seeds = os.path.join(SEEDS, target)
            words = [os.path.join(self.programs, "fuzz_" + target), f"-max_total_time={self.turn:.0f}", "-timeout=60",
                     "-rss_limit_mb=2048", f"-artifact_prefix={findings}/", "-print_final_stats=1", "-reload=0", corpus,
                     *([seeds] if os.path.isdir(seeds) else [])]
            with open(os.path.join(self.folder, target + ".log"), "wb") as log:
                self.running[target] = subprocess.Popen(words, stdout=log, stderr=log)
            return target

    def finish(self, target):
        _, _, usage = os.wait4(self.running[target].pid, 0)
        with open(os.path.join(self.folder, target + ".log"), errors="replace") as log:
            text = log.read()
        self.judge_slow(target)
        executions = last_number(r"stat::number_of_executed_units: (\d+)", text) or last_number(r"#(\d+)\s", text)
        corpus, findings = (len(os.listdir(os.path.join(self.folder, kind, target))) for kind in ("corpus", "findings"))
        self.state.add(target, executions, usage.ru_utime + usage.ru_stime, last_number(r"cov: (\d+)", text), corpus,
                       findings)
        with self.state.lock:
            del self.running[target]

    def judge_slow(self, target):
        """Takes away what was slow by the clock alone, on a machine that did other work."""
        folder = os.path.join(self.folder, "findings", target)
        for name in os.listdir(folder):
            if not name.startswith(("slow-unit-", "timeout-")):
                continue
            path = os.path.join(folder, name)
            again = subprocess.Popen([os.path.join(self.programs, "fuzz_" + target), "-timeout=600", path],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(again.pid, 0)
            if status == 0 and usage.ru_utime + usage.ru_stime < MOST_SECONDS:
                os.remove(path)

    def take(self):
        while (target := self.begin()) is not None:
            self.finish(target)

    def end(self):
        self.is_over.set()
        with self.state.lock:
            for process in self.running.values():
                try:
                    os.kill(process.pid, signal.SIGINT)  # libFuzzer says its figures and ends
                except ProcessLookupError:
                    pass  # it has ended already


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs")
    parser.add_argument("folder")
    parser.add_argument("--hours", type=float, default=1)
    parser.add_argument("--turn", type=float, default=60)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--targets")
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    os.makedirs(given.folder, exist_ok=True)
    state = State(given.folder)
    if not given.table:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        targets = given.targets.split(",") if given.targets else sorted(
            name[len("fuzz_"):] for name in os.listdir(given.programs) if name.startswith("fuzz_"))
        turns = Turns(given.programs, given.folder, targets, given.turn, state)
        threads = [threading.Thread(target=turns.take) for _ in range(given.jobs)]
        for thread in threads:
            thread.start()
        try:
            turns.is_over.wait(3600 * given.hours)
        except KeyboardInterrupt:
            print("ended; the same command goes on", file=sys.stderr)
        turns.end()
        for thread in threads:
            thread.join()
    print(state.table())
    return 1 if any(told["findings"] for told in state.targets.values()) else 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: MIT
"""Lets `moeclip detect` judge many small pictures in each of three ways, and checks that its memory does not grow and
that every verdict is that of a single run. A whole soak of 100,000 takes about ten minutes of two cores for each way.

usage: soak.py TOOL [--count N] [--ways pipe,folder,watch] [--kinds N]
"""
import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

SIDE = 48


def picture(seed):
    """A binary PPM of a plate with grain; every third has a bright spot."""
    rng = random.Random(seed)
    rows = bytearray()
    for y in range(SIDE):
        for x in range(SIDE):
            value = 110 + 30 * (x // 6 % 2) + rng.randrange(-9, 10)
            if seed % 3 == 2 and 12 <= x < 26 and 12 <= y < 24:
                value = 250
            rows += bytes((value, value, value))
    return b"P6\n%d %d\n255\n" % (SIDE, SIDE) + bytes(rows)


def resident(pid):
    """Resident memory in KiB, without pages of files."""
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("RssAnon:"):
                return int(line.split()[1])
    return 0


def facts(line):
    verdict = json.loads(line)
    return {key: verdict[key] for key in ("width", "height", "score", "is_anomalous", "map", "regions")}


class Soak:
    def __init__(self, tool, folder, count, kinds):
        self.tool, self.folder, self.count = tool, folder, count
        self.pictures = [picture(seed) for seed in range(kinds)]
        good = os.path.join(folder, "good")
        os.mkdir(good)
        for seed in (1000, 1003, 1006, 1009):
            with open(os.path.join(good, f"{seed}.ppm"), "wb") as file:
                file.write(picture(seed))
        self.memory = os.path.join(folder, "part.moeclip")
        subprocess.run([tool, "learn", good, "-o", self.memory, "--patches", "500"], check=True, capture_output=True)
        self.single = []
        for i, data in enumerate(self.pictures):
            path = os.path.join(folder, f"single{i}.ppm")
            with open(path, "wb") as file:
                file.write(data)
            run = subprocess.run([tool, "detect", path, "--good", self.memory, "--json"], check=True,
                                 capture_output=True)
            self.single.append(facts(run.stdout))

    def read(self, process, kind_of, limit=None):
        """Follows the lines; returns memory after a tenth of them and its largest value since."""
        judged, early, most = 0, None, 0
        for line in process.stdout:
            if facts(line) != self.single[kind_of(json.loads(line), judged)]:
                sys.exit(f"picture {judged} differs from its single run: {line[:300]}")
            judged += 1
            if judged % 50 == 0 or judged == self.count // 10:
                memory = resident(process.pid)
                if judged >= self.count // 10:
                    early = early or memory
                    most = max(most, memory)
            if limit is not None and judged == limit:
                break
        return judged, early, most

    def start(self, *arguments, **options):
        return subprocess.Popen([self.tool, "detect", *arguments, "--good", self.memory, "--json"],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **options)

    def pipe(self):
        process = self.start("-", stdin=subprocess.PIPE)

        def feed():
            for i in range(self.count):
                process.stdin.write(self.pictures[i % len(self.pictures)])
            process.stdin.close()

        feeder = threading.Thread(target=feed)
        feeder.start()
        result = self.read(process, lambda verdict, i: i % len(self.pictures))
        feeder.join()
        process.wait()
        return result

    def put(self, folder, i):
        """A picture comes under another name first, as careful writers do it."""
        path = os.path.join(folder, f"{i % 100:02}", f"{i}-{i % len(self.pictures)}.ppm")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".part", "wb") as file:
            file.write(self.pictures[i % len(self.pictures)])
        os.rename(path + ".part", path)

    def kind_in_name(self, verdict, _):
        return int(verdict["image"].rsplit("-", 1)[1].split(".")[0])

    def folder_of_files(self):
        folder = os.path.join(self.folder, "files")
        for i in range(self.count):
            self.put(folder, i)
        process = self.start(folder)
        result = self.read(process, self.kind_in_name)
        process.wait()
        shutil.rmtree(folder)
        return result

    def watch(self):
        inbox, away = os.path.join(self.folder, "inbox"), os.path.join(self.folder, "away")
        os.mkdir(inbox)
        process = self.start("--watch", inbox, "--done", os.path.join(self.folder, "done"), "--move-to", away)
        time.sleep(1)
        ahead = threading.Semaphore(200)  # what waits in the folder at most

        def feed():
            for i in range(self.count):
                ahead.acquire()
                self.put(inbox, i)

        def kind(verdict, i):
            ahead.release()
            return self.kind_in_name(verdict, i)

        threading.Thread(target=feed, daemon=True).start()
        result = self.read(process, kind, self.count)
        process.send_signal(signal.SIGTERM)
        process.wait()
        return result


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("tool")
    options.add_argument("--count", type=int, default=100000)
    options.add_argument("--ways", default="pipe,folder,watch")
    options.add_argument("--kinds", type=int, default=12, help="different pictures")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="moeclip-soak-") as folder:
        soak = Soak(os.path.abspath(given.tool), folder, given.count, given.kinds)
        is_flat = True
        for way in given.ways.split(","):
            begun = time.monotonic()
            judged, early, most = {"pipe": soak.pipe, "folder": soak.folder_of_files, "watch": soak.watch}[way]()
            growth = 100 * (most - early) / early
            is_flat = is_flat and growth <= 1 and judged == given.count
            print(f"{way}: {judged} pictures as single runs, {time.monotonic() - begun:.0f} s, memory {early} KiB after a "
                  f"tenth, at most {most} KiB since: {growth:+.2f} %", flush=True)
    sys.exit(0 if is_flat else 1)


if __name__ == "__main__":
    main()

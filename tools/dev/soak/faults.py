# SPDX-License-Identifier: MIT
"""Makes each call of the system fail in turn while the tool works (faults.c), and checks that it says so, exits with a
code of its own, and leaves every file whole or absent, and nothing else behind.

usage: faults.py TOOL [--most N] [--kinds write,open,...] [--verbs detect,learn,...] [--lasting]

--most N tries N calls of each kind, evenly spread, where there are more; 0 tries all. --lasting: not one call fails but
all from that one on, as on a disk that stays full.
"""
import argparse
import collections
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = ("write", "open", "read", "close", "mmap", "rename", "fsync", "mkdir", "thread", "memory")
SIDE = 48
TESTS = os.path.join(HERE, "..", "..", "..", "tests")


def png(seed):
    rng = random.Random(seed)
    rows = b"".join(b"\0" + bytes(110 + 20 * (x // 18 % 2) + rng.randrange(9) for x in range(3 * SIDE))
                    for _ in range(SIDE))
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def make_inputs(tool, folder):
    for name, count in (("good", 6), ("set/test/good", 2), ("set/test/bad", 2)):
        os.makedirs(os.path.join(folder, name))
        for i in range(count):
            with open(os.path.join(folder, name, f"{i}.png"), "wb") as file:
                file.write(png(hash((name, i)) & 0xFFFF))
    run = lambda *words: subprocess.run([tool, *words], check=True, capture_output=True, cwd=folder)
    run("learn", "good", "-o", "part.moeclip", "--patches", "200")
    run("train", "set", "--out", "run", "--steps", "1", "--image-size", "64")
    make = "import sys, training; sys.stdout.buffer.write(training.micro_clip())"
    clip = subprocess.run([sys.executable, "-c", make], check=True, capture_output=True,
                          cwd=os.path.join(TESTS, "tool"), env={**os.environ, "MOECLIP_TOOL": tool})
    with open(os.path.join(folder, "clip.safetensors"), "wb") as file:
        file.write(clip.stdout)


MICRO = ["--clip", "../clip.safetensors", "--vocab", os.path.join(TESTS, "golden", "tokenizer", "bpe_micro.txt.gz"),
         "--image-size", "28"]  # the smallest CLIP, which is no help to see but quick
VERBS = {  # what is run, in a folder of its own beside the inputs
    "detect": ["detect", "../good", "--good", "../part.moeclip", "--out", "out", "--json"],
    "words": ["detect", "../good/0.png", "--out", "out"],
    "learn": ["learn", "../good", "-o", "part.moeclip", "--patches", "200"],
    "eval": ["eval", "../set", "--out", "out", "--report", "r.html", "--image-size", "64"],
    "train": ["train", "../set", "--out", "run", "--steps", "2", "--image-size", "64"],
    "method": ["train", "../set", "--method", "anomalyclip", *MICRO, "--out", "run", "--steps", "2"],
    "convert": ["convert", "../run/moe_last.safetensors", "a.pth"],
    "synthesize": ["synthesize", "--out", "drawn", "--size", "32", "--count", "1", "--categories", "tile"],
    "export": ["export", "--class", "plate", "--image-size", "64", "-o", "plate.moeclip"],
    "quantize": ["quantize", *MICRO, "--check", "../good", "--min-correlation", "-1", "--max-score-change", "1", "--out",
                 "small.safetensors"],
    "explain": ["explain", "../good/0.png", "--image-size", "64", "--out", "out"],
    "calibrate": ["calibrate", "../good", "--image-size", "64", "--out", "calibration.json"],
    "scan": ["dataset", "scan", "../set", "--out", "list.jsonl"],
}


# Written again and again; the log is empty at first.
GROWING = {"run/log.jsonl", "run/report.html", "run/moe_last.safetensors", "out/state.safetensors", "out/pictures.jsonl",
           "out/results.json", "r.html"}


def contents(folder):
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = file.read()
    return found


class Trial:
    def __init__(self, tool, library, inputs, is_lasting):
        self.tool, self.library, self.inputs, self.is_lasting = tool, library, inputs, is_lasting

    def run(self, words, kind, at):
        """Exit code, messages, files, number of calls."""
        folder = os.path.join(self.inputs, "work")
        shutil.rmtree(folder, ignore_errors=True)
        os.mkdir(folder)
        count = os.path.join(self.inputs, "count")
        environment = {**os.environ, "LD_PRELOAD": self.library, "FAULT_KIND": kind, "FAULT_AT": str(at),
                       "FAULT_COUNT": count, **({"FAULT_LASTING": "1"} if self.is_lasting else {})}
        done = subprocess.run([self.tool, *words, "--threads", "2"] if words[0] not in ("convert", "synthesize") else
                              [self.tool, *words], cwd=folder, env=environment, capture_output=True, timeout=120)
        with open(count) as file:
            calls = int(file.read()) if done.returncode >= 0 else 0
        return done.returncode, done.stderr.decode(errors="replace"), contents(folder), calls


def complaint(whole, code, message, files):
    """What is wrong with the end of a run whose calls failed; None: nothing. In `whole`, what no two runs write alike
    is None."""
    if code not in (0, 1, 3):
        return f"exit code {code}"
    if code != 0 and not message.strip():
        return "no message"
    for name, bytes_ in files.items():
        if os.path.basename(name).startswith(".moeclip-"):
            return f"{name} was left behind"
        if code == 0 and name not in whole:
            return f"{name} should not be there"
        if not bytes_ and whole.get(name) != b"" and name not in GROWING:
            return f"{name} is empty"
        if code == 1 or (name in GROWING and code != 0):
            continue  # of the inputs that could be read; as it was before
        if whole.get(name) is not None and whole[name] != bytes_:
            return f"{name} is {len(bytes_)} bytes instead of the {len(whole[name])} of a run without faults"
    if code == 0 and set(whole) - set(files):
        return f"{sorted(set(whole) - set(files))[0]} is missing although all is said to be well"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("--most", type=int, default=40)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--verbs", default=",".join(VERBS))
    parser.add_argument("--lasting", action="store_true")
    given = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory(prefix="moeclip-faults-") as folder:
        library = os.path.join(folder, "faults.so")
        subprocess.run([os.environ.get("CC", "cc"), "-O1", "-shared", "-fPIC", "-o", library,
                        os.path.join(HERE, "faults.c"), "-ldl"], check=True)
        make_inputs(os.path.abspath(given.tool), folder)
        trial = Trial(os.path.abspath(given.tool), library, folder, given.lasting)
        table = collections.defaultdict(dict)
        for verb in given.verbs.split(","):
            for kind in given.kinds.split(","):
                code, message, whole, calls = trial.run(VERBS[verb], kind, 0)
                if code != 0:
                    sys.exit(f"{verb} does not work without faults: {message}")
                again = trial.run(VERBS[verb], kind, 0)[2]
                whole = {name: data if again.get(name) == data else None for name, data in whole.items()}
                most = given.most or calls
                numbers = sorted({1 + i * calls // most for i in range(most)}) if calls > most else range(1, calls + 1)
                codes = collections.Counter()
                for at in numbers:
                    code, message, files, _ = trial.run(VERBS[verb], kind, at)
                    codes[code] += 1
                    wrong = complaint(whole, code, message, files)
                    if wrong:
                        failures += 1
                        print(f"{verb}: {kind} {at} of {calls}: {wrong}: {message.strip()[:300]}", flush=True)
                table[verb][kind] = f"{len(numbers)} of {calls} calls, exit codes {dict(sorted(codes.items()))}"
                print(f"{verb:10} {kind:7} {table[verb][kind]}", flush=True)
    print(f"{failures} complaints")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: MIT
"""What a plant does to a program: kills, signals, files that change under it, calls of the system that fail. A few of
each; tools/dev/soak does many."""
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

from support import TOOL, ToolTest, png
from training import VOCABULARY, micro_clip

SOAK = Path(__file__).resolve().parents[2] / "tools" / "dev" / "soak"


@unittest.skipUnless(os.name == "posix", "signals and preloading are POSIX's")
class Faults(ToolTest):
    def soak(self, script, *words):
        done = subprocess.run([sys.executable, SOAK / script, TOOL, *words], capture_output=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout.decode() + done.stderr.decode())

    @unittest.skipUnless(shutil.which("cc") and sys.platform == "linux", "needs a C compiler and LD_PRELOAD")
    def test_calls_that_fail(self):
        self.soak("faults.py", "--most", "2", "--verbs", "learn,detect", "--kinds", "write,open,rename,thread,memory")
        self.soak("faults.py", "--most", "2", "--verbs", "eval", "--kinds", "write")  # its first wakes a thread
        self.soak("faults.py", "--lasting", "--most", "3", "--verbs", "words,convert", "--kinds", "write,memory")

    def test_kills(self):
        self.soak("kills.py", "--count", "4", "--verbs", "learn,synthesize")

    def test_damaged_files(self):
        self.soak("damage.py", "--count", "6")

    def test_signals_are_said(self):
        for end in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process = subprocess.Popen([TOOL, "pretrain", "--out", self.folder / "x.safetensors"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            time.sleep(0.5)
            process.send_signal(end)
            start = time.monotonic()
            message = process.communicate(timeout=60)[1].decode()
            self.assertLess(time.monotonic() - start, 1)
            self.assertEqual(process.returncode, 3, message)
            self.assertIn("stopped by a signal", message)

    @unittest.skipUnless(sys.platform == "linux", "needs limits on the size of files")
    def test_a_file_that_may_not_grow_is_an_output_that_cannot_be_written(self):
        picture = self.write("a.png", png(64, 64, bytes(range(256)) * 48))
        out = self.folder / "x.moeclip"
        done = subprocess.run(["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", TOOL, "learn", picture, "-o", out],
                              capture_output=True, timeout=60)
        self.assertEqual((done.returncode, out.exists()), (3, False), done.stderr)
        self.assertIn(b"x.moeclip", done.stderr)

    def test_training_stops_in_the_middle_of_a_long_step(self):
        for name in ("set/test/good", "set/test/bad"):
            (self.folder / name).mkdir(parents=True)
            for i in range(4):
                self.write(f"{name}/{i}.png", png(48, 48, bytes((40 * i + x) % 256 for x in range(3 * 48 * 48))))
        out = self.folder / "run"
        process = subprocess.Popen([TOOL, "train", self.folder / "set", "--out", out, "--image-size", "512", "--batch",
                                    "4", "--steps", "4", "--threads", "1"], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE)
        log = out / "log.jsonl"
        while process.poll() is None and not (log.exists() and log.read_bytes()):
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        start = time.monotonic()
        message = process.communicate(timeout=60)[1].decode()
        self.assertLess(time.monotonic() - start, 1.5)
        self.assertEqual(process.returncode, 3, message)
        self.assertIn("--resume goes on", message)
        self.assertEqual(self.objects("inspect", out / "moe_last.safetensors")[0]["format"], "safetensors")

    def test_weights_that_shrink_are_an_error(self):
        clip = self.write("clip.safetensors", micro_clip())
        words = [TOOL, "detect", "-", "--json", "--clip", clip, "--vocab", VOCABULARY, "--image-size", "28"]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        picture = b"P6\n32 32\n255\n" + bytes(range(96)) * 32
        process.stdin.write(picture)
        process.stdin.flush()
        self.assertIn(b"score", process.stdout.readline())
        os.truncate(clip, 0)
        _, message = process.communicate(picture, timeout=60)
        self.assertIn(process.returncode, (0, 3))  # what it needs is in memory, or missed
        if process.returncode == 3:
            self.assertIn(b"became shorter", message)


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: MIT
"""Training by several processes under mpirun gives the files of one process, to the bit.

usage: test_mpi.py MOECLIP MOECLIP_MPI
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

SKIPPED = 77
MPI_TOOL = sys.argv.pop(2) if len(sys.argv) > 2 else "none"
MPIRUN = shutil.which("mpirun")
if not MPIRUN or not os.path.exists(MPI_TOOL):
    print("skipped: no mpirun, or no moeclip-mpi (Debian: openmpi-bin libopenmpi-dev)")
    sys.exit(SKIPPED)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tool"))
from support import TOOL, ToolTest  # noqa: E402
from training import micro_clip, train_words, write_data, write_judges  # noqa: E402

FILES = ["moe_last.safetensors", "moe_best.safetensors", "moe_epoch_1.safetensors", "valid.jsonl", "report.html"]
# root in a container, more processes than cores, no network
OPTIONS = ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "--mca", "btl", "self,vader"]


def descendants(pid):
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += [int(child), *descendants(int(child))]
    return found


class MpiTest(ToolTest):
    def setUp(self):
        super().setUp()
        self.clip = self.write("clip.safetensors", micro_clip())
        self.data = write_data(self.folder, count=7)  # batches of 5 and 2: of three processes one has none

    def words(self, out, *more):
        return train_words(self.clip, self.data, self.folder / out, "--threads", 1, "--batch", 5, *more)

    def alone(self, out, *more):
        return self.run_tool(*self.words(out, *more))

    def together(self, processes, out, *more, code=0):
        done = subprocess.run([MPIRUN, *OPTIONS, "-np", str(processes), MPI_TOOL, *self.words(out, *more)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        self.assertEqual(done.returncode, code, done.stderr.decode()[-2000:])
        return done.stdout.decode(), done.stderr.decode()

    def expect_same(self, a, b, names=FILES):
        for name in names:
            self.assertTrue((self.folder / a / name).read_bytes() == (self.folder / b / name).read_bytes(), name)

    def losses(self, out):
        lines = [json.loads(line) for line in (self.folder / out / "log.jsonl").read_text().splitlines()]
        return [{k: v for k, v in line.items() if k not in ("images_per_second", "seconds_left")} for line in lines]

    def test_two_and_three_processes_are_one(self):
        more = ("--valid", write_judges(self.folder), "--epochs", 3)
        one, _ = self.alone("one", *more)
        for processes in (2, 3):
            out = f"np{processes}"
            text, _ = self.together(processes, out, *more)
            self.assertEqual(text, one.replace("/one/", f"/{out}/"))  # said once
            self.expect_same("one", out)
            self.assertEqual(self.losses("one"), self.losses(out))

    def test_patience_and_resuming(self):
        more = ("--valid", write_judges(self.folder), "--valid-every", 1, "--patience", 2)
        self.alone("one", *more, "--epochs", 6)
        steps = len(self.losses("one"))
        self.assertLess(steps, 12)
        self.together(2, "two", *more, "--steps", 2)
        self.together(3, "two", *more, "--epochs", 6, "--resume")
        self.expect_same("one", "two", FILES[:2])
        self.assertEqual(self.losses("one"), self.losses("two"))
        text, _ = self.together(2, "two", *more, "--epochs", 6, "--resume")  # nothing is left
        self.assertIn("ended because it got no better", text)

    def test_what_differs_is_said(self):
        done = subprocess.run([MPIRUN, *OPTIONS, "-np", "1", MPI_TOOL, *self.words("run"), ":", "-np", "1", MPI_TOOL,
                               *self.words("run", "--lr", 0.25)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=60)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("process 1 has not what the first one has (there, here): lr: 5e-05 there, 0.25 here",
                      done.stderr.decode())

    def test_a_killed_process_ends_the_others_and_the_run_goes_on(self):
        self.alone("one", "--epochs", 4)
        run = self.folder / "two"
        words = [MPIRUN, *OPTIONS, "-np", "2", MPI_TOOL, *self.words("two", "--checkpoint-every", 1, "--epochs", 100000)]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while not (run / "moe_last.safetensors").exists():
            time.sleep(0.01)
        tools = [pid for pid in descendants(process.pid)
                 if os.path.realpath(f"/proc/{pid}/exe") == os.path.realpath(MPI_TOOL)]
        self.assertEqual(len(tools), 2)
        follower = [pid for pid in tools if b"OMPI_COMM_WORLD_RANK=1\0" in Path(f"/proc/{pid}/environ").read_bytes()]
        start = time.monotonic()
        os.kill(follower[0], signal.SIGKILL)
        err = process.communicate(timeout=30)[1].decode()
        self.assertLess(time.monotonic() - start, 10)
        self.assertNotEqual(process.returncode, 0)
        self.assertIn("moeclip: ", err)
        for pid in tools:
            self.assertFalse(os.path.exists(f"/proc/{pid}/exe"), "is still there")
        steps = json.loads(self.run_tool("inspect", run / "moe_last.safetensors", "--json")[0])
        self.assertTrue(steps)
        done = len(self.losses("two"))
        self.together(2, "two", "--steps", done + 3, "--epochs", 100000, "--resume")
        self.alone("same", "--steps", done + 3, "--epochs", 100000)
        self.expect_same("same", "two", FILES[:1])


if __name__ == "__main__":
    unittest.main()

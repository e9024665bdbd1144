# SPDX-License-Identifier: MIT
"""What commands show while they work: on a terminal, in a pipe, to a machine, and to nobody."""
import hashlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import unittest

from support import TOOL, ToolTest
from training import micro_clip, train_words, write_data, write_judges

LONG_VERBS = ["train", "pretrain", "eval", "learn", "calibrate", "detect", "ablate", "synthesize", "export", "quantize",
              "demo", "explain"]


class ProgressTest(ToolTest):
    def setUp(self):
        super().setUp()
        self.clip = self.write("clip.safetensors", micro_clip())
        self.data = write_data(self.folder)

    def train(self, out, *more):
        return train_words(self.clip, self.data, self.folder / out, "--epochs", 2, *more)

    def on_terminal(self, *arguments, is_stopped=False):
        """What a terminal of 60 columns gets from stderr; the command may be stopped when it shows something."""
        code = 3 if is_stopped else 0
        ours, theirs = pty.openpty()
        os.set_blocking(ours, True)
        subprocess.run(["stty", "cols", "60"], stdin=theirs, check=True)
        environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        process = subprocess.Popen([TOOL, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=theirs,
                                   env={**environment, "TERM": "xterm"})
        os.close(theirs)
        text = b""
        while select.select([ours], [], [], 60)[0]:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # nobody writes any more
                break
            if not piece:
                break
            text += piece
            if is_stopped and b" left" in text:
                process.send_signal(signal.SIGTERM)
                is_stopped = False
        os.close(ours)
        self.assertEqual(process.wait(60), code)
        return text.decode()

    def test_a_terminal_has_one_line_and_in_the_end_none(self):
        text = self.on_terminal(*self.train("run"))
        self.assertIn("\r\x1b[K1/", text)
        self.assertIn(" MiB: epoch 1/2, loss", text)
        self.assertTrue(all(len(line) < 60 for line in re.split(r"\r\x1b\[K|\r\n", text) if re.match(r"\d+/\d+", line)))
        self.assertTrue(text.endswith("\r\x1b[K") or text.endswith("\n"), text[-80:])
        self.assertNotIn("\x1b[K", text[text.rindex("\x1b[K") + 3:])
        self.assertEqual(text[text.rindex("\x1b[K") + 3:].strip(), "")

    def test_nothing_is_left_where_a_signal_ends_it(self):
        words = ["synthesize", "--out", self.folder / "many", "--count", 200, "--size", 64]
        text = self.on_terminal(*words, is_stopped=True)
        self.assertEqual(text[text.rindex("\x1b[K") + 3:],
                         "moeclip: stopped by a signal; nothing is half-written\r\n")

    def test_quiet_is_quiet_and_the_log_is_complete(self):
        log, judges = self.folder / "log", write_judges(self.folder)
        out, err = self.run_tool(*self.train("quiet", "--valid", judges, "--quiet", "--log-json", log))
        self.assertEqual(err, "")
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        steps = [line for line in lines if line["stage"] == "train"]
        self.assertEqual([line["done"] for line in steps], list(range(1, len(steps) + 1)))
        self.assertEqual(steps[-1]["total"], len(steps))
        for line in steps:
            self.assertEqual(line["verb"], "train")
            self.assertGreater(line["resident_bytes"], 1 << 20)
            self.assertGreater(line["rate"], 0)
            for part in ("loss", "cross_entropy", "focal", "dice_normal", "dice_abnormal", "lr", "gradient_norm"):
                self.assertIn(part, line)
        self.assertIn("pixel_ap", [line for line in lines if line["stage"] == "valid"][0])
        self.assertEqual(out.replace("quiet", "loud"), self.run_tool(*self.train("loud", "--valid", judges))[0])
        for name in ("moe_last.safetensors", "moe_best.safetensors"):
            digests = {hashlib.sha256((self.folder / run / name).read_bytes()).hexdigest() for run in ("quiet", "loud")}
            self.assertEqual(len(digests), 1, name)

    def test_errors_pass_quiet(self):
        self.assertIn("no such file", self.message(3, *train_words(self.clip, "nowhere", self.folder / "x", "--quiet")).lower())

    def test_every_long_verb_takes_the_options(self):
        for verb in LONG_VERBS:
            text = self.run_tool(verb, "--help")[0]
            self.assertIn("--quiet", text, verb)
            self.assertIn("--log-json FILE", text, verb)
        self.assertIn("--log-json", self.run_tool("dataset", "check", "--help")[0])
        self.assertIn("--log-json FILE", self.run_tool("help")[0])

    def test_pictures_are_counted(self):
        log = self.folder / "log"
        words = ["synthesize", "--out", self.folder / "drawn", "--categories", "nut", "--count", 2, "--size", 64]
        self.run_tool(*words, "--quiet", "--log-json", log)
        pictures = sorted((self.folder / "drawn").rglob("*.png"))[:3]
        self.run_tool("detect", *pictures, "--quiet", "--log-json", log)  # a log is added to
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        judged = [line for line in lines if line["verb"] == "detect"]
        self.assertEqual([line["name"] for line in judged], [*map(str, pictures), ""])
        self.assertEqual([line["done"] for line in judged], [0, 1, 2, 3])
        self.assertEqual([line["total"] for line in judged], [3, 3, 3, 3])
        self.assertGreater(len(lines), len(judged))


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: MIT
"""moeclip pretrain: a CLIP from nothing, in a file that needs nothing beside it."""
import unittest

from support import ToolTest

QUICK = ["--steps=2", "--whole-steps=1", "--pairs=8", "--exam=2"]


class Pretrain(ToolTest):
    def test_result_is_a_whole_clip(self):
        path = self.folder / "tiny.safetensors"
        report, = self.objects("pretrain", "--out", path, *QUICK)
        self.assertEqual(report["steps"], 3)
        self.assertLess(path.stat().st_size, 4_000_000)
        for name in ("category", "state", "defect", "held_out_state", "unseen_category_state", "unseen_both_state"):
            row = report["zero_shot"][name]
            self.assertGreater(row["answers"], 0)
            self.assertTrue(0 <= row["accuracy"] <= 1 and 0 < row["chance"] <= 0.5)
        found, = self.objects("inspect", path)
        self.assertEqual(found["kind"], "weights")
        self.assertEqual(len(self.output("tokenize", "--vocab", path, "a photo of a damaged battery.").split()), 7)

    def test_same_bytes_on_any_number_of_threads(self):
        files = [self.folder / f"{threads}.safetensors" for threads in (1, 2)]
        for threads, path in enumerate(files, 1):
            self.run_tool("pretrain", "--out", path, "--threads", threads, *QUICK)
        self.assertEqual(files[0].read_bytes(), files[1].read_bytes())

    def test_what_makes_no_sense_is_told_before_the_work(self):
        self.assertIn("--out", self.message(2, "pretrain"))
        self.assertIn(".safetensors", self.message(2, "pretrain", "--out", "tiny.bin"))
        self.assertIn("--pairs", self.message(2, "pretrain", "--out", "a.safetensors", "--pairs", "0"))
        path = self.folder / "there.safetensors"
        path.write_bytes(b"")
        self.assertIn("there.safetensors", self.message(3, "pretrain", "--out", path))


if __name__ == "__main__":
    unittest.main()

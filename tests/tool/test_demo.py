# SPDX-License-Identifier: MIT
"""moeclip demo: the built-in model, and one trained on the spot for a moment only."""
import unittest

from support import ToolTest

QUICK = ["--train", "--train-pictures", 8, "--epochs", 1, "--pictures", 3, "--threads", 2]


class DemoTest(ToolTest):
    def test_trains_and_shows(self):
        out = self.folder / "shown"
        text, _ = self.run_tool("demo", "--out", out, *QUICK)
        self.assertIn("of 3 verdicts are right", text)
        names = sorted(path.name for path in out.iterdir())
        self.assertEqual(names[-3:], ["adapter.safetensors", "all.png", "report.html"])
        self.assertEqual(len(names), 6)
        report = (out / "report.html").read_text()
        self.assertIn("of 3 verdicts are right", report)
        self.assertIn("Grad-CAM", report)
        self.assertTrue(all((out / name).read_bytes().startswith(b"\x89PNG") for name in names if name.endswith("png")))
        self.assertIn("--force", self.message(3, "demo", "--out", out, *QUICK))

        # the same adapter, shown again
        (result,) = self.objects("demo", "--out", self.folder / "again", "--adapter", out / "adapter.safetensors",
                                 "--pictures", 3)
        self.assertEqual(len(result["pictures"]), 3)
        for picture, line in zip(result["pictures"], text.splitlines()[1:]):
            self.assertTrue(line.startswith(picture["class"]))
            self.assertIn(f"{picture['score']:.3f}", line)
            self.assertEqual(picture["overlap"] is None, picture["truth"] == "good")
            self.assertEqual(picture["is_anomalous"], picture["score"] >= result["threshold"])

    def test_built_in_model(self):
        (result,) = self.objects("demo", "--out", self.folder / "shown", "--seed", 5)
        self.assertEqual(len(result["pictures"]), 12)
        self.assertLess(result["seconds"], 60)
        self.assertGreaterEqual(sum(picture["is_right"] for picture in result["pictures"]), 6)

    def test_command_line(self):
        for words, part in [(["--pictures", 0], "--pictures"), (["--clip", "x"], "--adapter"),
                            (["--train", "--adapter", "x"], "--train"), (["--from-scratch", "--clip", "x"], "--clip"),
                            (["--threads", -1], "--threads")]:
            self.assertIn(part, self.message(2, "demo", *words))


if __name__ == "__main__":
    unittest.main()

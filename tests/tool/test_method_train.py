# SPDX-License-Identifier: MIT
"""`moeclip train --method` of every method that is trained, and `detect` and `eval` with what came of it: the same bytes
from any number of threads, and files that say of which method they are."""
import re
import unittest

from support import GOLDEN, ToolTest
from training import VOCABULARY, micro_clip, write_data

SIZE = ("--image-size", 28)


class MethodTrainTest(ToolTest):
    def setUp(self):
        super().setUp()
        self.clip = ("--clip", self.write("clip.safetensors", micro_clip()), "--vocab", VOCABULARY)
        self.data = write_data(self.folder)

    def methods(self):
        """Those that `train` offers and does not refuse for having nothing to learn."""
        names = re.search(r"--method (\S+)", self.output("train", "--help")).group(1).split("|")
        self.assertIn("anomalyclip", names)
        return [name for name in names if name not in ("moeclip", "winclip")]

    def train(self, method, name, *arguments, **options):
        out = self.folder / name
        self.run_tool("train", "--method", method, *self.clip, *SIZE, "--data", self.data, "--out", out, "--batch", 3,
                      "--steps", 2, *arguments, "--quiet", **options)
        return (out / "method_last.safetensors").read_bytes()

    def test_same_bytes_and_verdicts(self):
        picture = next(self.folder.glob("**/*.png"))
        for method in self.methods():
            with self.subTest(method=method):
                one = self.train(method, method + "1", "--threads", 1)
                self.assertEqual(one, self.train(method, method + "2", "--threads", 2))
                self.assertNotEqual(one, self.train(method, method + "3", "--seed", 5))
                adapter = ("--adapter", self.folder / (method + "1") / "method_last.safetensors")
                by_file, by_name = (self.objects("detect", picture, *self.clip, *adapter, *how)[0]
                                    for how in ((), ("--method", method)))
                by_file.pop("milliseconds"), by_name.pop("milliseconds")
                self.assertEqual(by_file, by_name)
                self.assertTrue(0 <= by_file["score"] <= 1, by_file)
                judge = ("eval", self.data, *self.clip, *adapter)
                self.assertIn("trained on this picture", self.message(3, *judge))
                self.assertIn("AUROC", self.run_tool(*judge, "--allow-training-pictures")[0])
                other = next(name for name in ("anomalyclip", "aa-clip") if name != method)
                if other in self.methods():
                    self.assertIn(method, self.message(3, "detect", picture, *self.clip, *adapter, "--method", other))

    def test_untrained_and_foreign_files_are_refused(self):
        picture = next(self.folder.glob("**/*.png"))
        for method in self.methods():
            with self.subTest(method=method):
                self.assertIn("--adapter", self.message(2, "detect", picture, *self.clip, "--method", method))
        official = GOLDEN / "methods" / "anomaly_clip_epoch_1.pth"  # of a CLIP whose text is 12 wide
        self.assertIn("width 12", self.message(3, "detect", picture, *self.clip, "--method", "anomalyclip", "--adapter",
                                               official))


if __name__ == "__main__":
    unittest.main()

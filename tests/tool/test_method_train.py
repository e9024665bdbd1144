# SPDX-License-Identifier: MIT
"""`moeclip train --method` of every method that is trained, and `detect` and `eval` with what came of it: the same bytes
from any number of threads, and files that say of which method they are."""
import json
import re
import shutil
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
                self.assertIn("weights of", self.output("inspect", adapter[1]))
                self.assertIn(f"is of the method {method}", self.message(3, "explain", picture, *adapter))
                self.assertIn(f"is of the method {method}", self.message(
                    2, "export", *self.clip, *adapter, "--out", self.folder / "part.moeclip"))
                other = next(name for name in ("anomalyclip", "aa-clip") if name != method)
                if other in self.methods():
                    self.assertIn(method, self.message(3, "detect", picture, *self.clip, *adapter, "--method", other))

    def test_a_run_tells_its_steps_and_goes_on(self):
        for method in self.methods():
            with self.subTest(method=method):
                self.train(method, method, "--seed", 5)
                out = self.folder / method
                steps = [json.loads(line)["step"] for line in (out / "log.jsonl").read_text().splitlines()]
                self.assertEqual(steps, list(range(1, len(steps) + 1)))
                self.assertIn("<title>", (out / "report.html").read_text())
                words = ("train", *self.clip, *SIZE, "--data", self.data, "--out", out, "--batch", 3, "--steps", 2,
                         "--seed", 5)
                (again,) = self.objects(*words, "--resume", "--quiet")  # the folder says which method
                self.assertEqual((again["method"], again["steps"], again["is_done"]), (method, len(steps), True))
                self.assertEqual(len(steps), 2 * again["stages"])
                self.assertEqual(len((out / "log.jsonl").read_text().splitlines()), len(steps))

    def test_one_folder_holds_one_run(self):
        self.train("anomalyclip", "run")
        out, words = self.folder / "run", ("train", *self.clip, *SIZE, "--data", self.data, "--steps", 1, "--quiet")
        for more in ((), ("--method", "moeclip", "--resume")):
            self.assertIn("method_last.safetensors: a run of another method", self.message(
                3, *words, "--out", out, *more))
        self.run_tool(*words, "--out", out, "--force")
        self.assertFalse((out / "method_last.safetensors").exists())
        self.assertIn("moe_last.safetensors: a run of another method", self.message(
            3, *words, "--out", out, "--method", "anomalyclip"))

    def test_official_files_name_their_method(self):
        picture = next(self.folder.glob("**/*.png"))
        golden = GOLDEN / "methods"
        for method, file in (("anomalyclip", golden / "anomaly_clip_epoch_1.pth"), ("bayes-pfl", golden / "bayes_pfl.pth"),
                             ("aa-clip", golden / "aa_clip" / "text_adapter.pth"), ("aa-clip", golden / "aa_clip")):
            with self.subTest(file=file.name):
                self.assertIn(f"--method {method}", self.message(2, "detect", picture, *self.clip, "--adapter", file))
        self.assertIn("--method anomalyclip", self.output("inspect", golden / "anomaly_clip_epoch_1.pth"))
        folder = self.folder / "official"
        shutil.copytree(golden / "aa_clip", folder)
        named = ("detect", picture, *self.clip, "--method", "aa-clip", "--adapter", folder)
        self.assertIn("image_adapter_2.pth: ", self.message(3, *named))  # found, and of another CLIP
        shutil.copy(folder / "image_adapter_2.pth", folder / "image_adapter_3.pth")
        self.assertIn("image_adapter_2.pth to image_adapter_3.pth", self.message(3, *named))

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

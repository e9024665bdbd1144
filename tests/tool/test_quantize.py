# SPDX-License-Identifier: MIT
"""moeclip quantize, and --dtype of the commands that judge pictures."""
import json
import unittest

from support import ToolTest, read_safetensors


class Quantize(ToolTest):
    def data(self):
        folder = self.folder / "set"
        self.run_tool("synthesize", "--out", folder, "--categories", "gear,circuit_board", "--defects", "missing part",
                      "--count", "2", "--size", "64")
        return folder

    def metadata(self, path):
        data = path.read_bytes()
        return json.loads(data[8:8 + int.from_bytes(data[:8], "little")])["__metadata__"]

    def test_a_file_is_written_and_judges_as_it_was_measured(self):
        data, out = self.data(), self.folder / "q.safetensors"
        for dtype, limit in (("int8", 1.0), ("bf16", 0.3)):
            report, = self.objects("quantize", "--dtype", dtype, "--check", data, "--out", out, "--force")
            self.assertEqual((report["precision"], report["pictures"], report["broken"]), (dtype, 8, []))
            self.assertGreater(report["rank_correlation"], report["limits"]["rank_correlation"])
            self.assertGreater(report["largest_difference"], 0)
            self.assertAlmostEqual(report["limits"]["metric"], limit / 100)
            for name in ("pixel_auroc", "pixel_ap", "image_auroc", "image_ap"):
                self.assertLessEqual(abs(report["full"][name] - report["rounded"][name]), limit / 100)
            self.assertRegex(report["most_harmful"], r"^visual\.transformer\.resblocks\.\d+\.(attn|mlp)\.")
            told = self.metadata(out)
            self.assertEqual((told["moeclip.precision"], told["moeclip.quantized.version"]), (dtype, "1"))
            self.assertEqual(json.loads(told["moeclip.quantized.from"]), report)
            stored = {tensor[0] for name, tensor in read_safetensors(out).items() if "resblocks" in name}
            self.assertLessEqual({"I8", "BF16"} if dtype == "int8" else {"BF16"}, stored)

            picture = data / "gear" / "test" / "missing_part" / "000.png"
            adapter = self.adapter()
            from_file, = self.objects("detect", "--clip", out, "--adapter", adapter, picture)
            rounded, = self.objects("detect", "--dtype", dtype, picture)
            full, = self.objects("detect", "--dtype", "f32", picture)
            if not report["kept_bf16"]:
                self.assertEqual(from_file["score"], rounded["score"])
            self.assertNotEqual(full["score"], rounded["score"])
            self.assertLess(abs(full["score"] - rounded["score"]), report["limits"]["score_difference"])
            self.assertIn("is quantized already",
                          self.message(3, "quantize", "--clip", out, "--adapter", adapter, "--check", data))

    def adapter(self):
        from support import TOOL
        from pathlib import Path
        return Path(TOOL).resolve().parent.parent / "share" / "moeclip" / "tiny_adapter.safetensors"

    def test_what_is_not_good_enough_is_not_written(self):
        data, out = self.data(), self.folder / "q.safetensors"
        told, message = self.run_tool("quantize", "--check", data, "--out", out, "--min-correlation", "1", code=3)
        self.assertIn("not good enough           the mean rank correlation of maps is ", told)
        self.assertIn("most harmful matrix       visual.transformer.resblocks.", told)
        self.assertIn("stays bf16                visual.transformer.resblocks.", told)
        self.assertIn("q.safetensors: was not written", message)
        self.assertFalse(out.exists())

    def test_pictures_without_labels(self):
        pictures = self.data() / "gear" / "test" / "good"
        report, = self.objects("quantize", "--check", pictures / "000.png")
        self.assertEqual((report["pictures"], report["full"], report["rounded"]), (1, {}, {}))

    def test_matrices_that_are_kept(self):
        data, out = self.data(), self.folder / "q.safetensors"
        kept = "visual.transformer.resblocks.0.mlp.c_fc"
        report, = self.objects("quantize", "--check", data, "--keep", kept, "--pictures", "2", "--out", out)
        self.assertIn(kept, report["kept_bf16"])
        self.assertEqual(report["pictures"], 2)
        self.assertEqual(read_safetensors(out)[kept + ".weight"][0], "BF16")
        self.assertIn("--force", self.message(3, "quantize", "--check", data, "--out", out))
        self.assertIn("no matrix of the image tower",
                      self.message(2, "quantize", "--check", data, "--pictures", "1", "--keep", "visual.proj"))

    def test_nonsense(self):
        (self.folder / "empty").mkdir()
        said = self.message(3, "quantize", "--check", self.folder / "empty")
        self.assertIn("no pictures are in this folder", said)
        self.assertEqual(said.count("moeclip: "), 1)
        self.assertIn("--check", self.message(2, "quantize"))
        self.assertIn("int8", self.message(2, "quantize", "--dtype", "int4", "--check", "x"))
        self.assertIn("correlation", self.message(2, "quantize", "--check", "x", "--min-correlation", "2"))
        self.assertIn("bf16", self.message(2, "detect", "--dtype", "half"))

    def test_eval_in_every_precision(self):
        data = self.data()
        for dtype in ("f32", "bf16", "int8"):
            result, = self.objects("eval", data, "--dtype", dtype, "--protocol", "default")
            again, = self.objects("eval", data, "--dtype", dtype, "--protocol", "default", "--threads", "1")
            self.assertEqual(result["mean"], again["mean"])


if __name__ == "__main__":
    unittest.main()

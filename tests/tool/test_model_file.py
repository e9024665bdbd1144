# SPDX-License-Identifier: MIT
"""`moeclip export`, and --model of the commands that judge pictures, with the built-in model on drawn pictures."""
import json
import subprocess
import tempfile
import unittest
from pathlib import Path

from support import TOOL, ToolTest, read_safetensors, without_checksum
from training import VOCABULARY, micro_clip

SHARE = Path(TOOL).resolve().parent.parent / "share" / "moeclip"
CLIP, ADAPTER = SHARE / "tiny.safetensors", SHARE / "tiny_adapter.safetensors"


class ModelFileTest(ToolTest):
    shared = None

    @classmethod
    def setUpClass(cls):
        if ModelFileTest.shared is None:
            ModelFileTest.shared = tempfile.TemporaryDirectory(prefix="moeclip-model-")
            unittest.addModuleCleanup(ModelFileTest.shared.cleanup)
            folder = Path(ModelFileTest.shared.name)
            ModelFileTest.data = folder / "set"
            subprocess.run([TOOL, "synthesize", "--out", cls.data, "--size", "96", "--count", "3", "--categories", "gear",
                            "--defects", "hole"], check=True, stdout=subprocess.DEVNULL, timeout=100)
            ModelFileTest.good = cls.data / "gear" / "train" / "good"
            ModelFileTest.photos = cls.data / "gear" / "test"

    def export(self, *options, name="part.moeclip"):
        out = self.folder / name
        self.run_tool("export", *options, "--out", out)
        return out

    def metadata(self, path):
        data = path.read_bytes()
        return json.loads(data[8:8 + int.from_bytes(data[:8], "little")])["__metadata__"]

    def verdicts(self, *options, folder=None):
        """What `detect` says of the photographs, with its maps as bytes."""
        out = self.folder / (folder or f"results{len(list(self.folder.iterdir()))}")
        lines = self.objects("detect", self.photos, *options, "--out", out)
        self.assertGreater(len(lines), 3)
        maps = {path.relative_to(out): path.read_bytes() for path in sorted(out.rglob("*.npy"))}
        self.assertEqual(len(maps), len(lines))
        return [{**line, "milliseconds": 0, "files": 0} for line in lines], maps

    def test_a_file_judges_as_what_it_was_made_of(self):
        memory = self.folder / "gear.moeclip"
        self.run_tool("learn", self.good, "-o", memory, "--clip", CLIP, "--adapter", ADAPTER, "--class", "gear")
        calibration = self.folder / "calibration.json"
        self.run_tool("calibrate", self.data, "--out", calibration)
        textures = self.folder / "textures.moeclip"
        self.run_tool("learn", self.good, "-o", textures)
        for options in (("--class", "gear"), ("--dtype", "int8", "--image-size", "64"), ("--map", "reference", "--domain", "medical", "--exif"),
                        ("--good", memory, "--clip", CLIP, "--adapter", ADAPTER, "--class", "gear"),
                        ("--good", self.good, "--clip", CLIP, "--dtype", "int8", "--text-weight", "0.3"),
                        ("--good", self.good), ("--good", textures), ("--calibration", calibration, "--trust-calibration"),
                        ("--tile", "48", "--threshold", "0.7"), ("--activation", "gelu", "--clip", CLIP)):
            with self.subTest(options):
                model = self.folder / "model.moeclip"
                self.run_tool("export", *options, "--out", model, "--force")
                told, maps = self.verdicts(*options)
                again, same_maps = self.verdicts("--model", model)
                self.assertEqual(told, again)
                self.assertEqual(maps, same_maps)
        told, maps = self.verdicts("--model", textures)  # as `learn` wrote it
        self.assertEqual(told, self.verdicts("--good", textures)[0])

    def test_eval_judges_with_a_file_as_with_its_parts(self):
        textures = self.folder / "textures.moeclip"
        self.run_tool("learn", self.good, "-o", textures)
        for options in ((), ("--dtype", "int8"), ("--good", textures)):
            with self.subTest(options):
                model = self.folder / "model.moeclip"
                self.run_tool("export", *options, "--class", "gear", "--out", model, "--force")
                parts = self.objects("eval", self.data, *options, "--protocol", "default", "--json")[0]
                whole = self.objects("eval", self.data, "--model", model, "--json")[0]
                for key in ("rows", "mean", "verdicts"):
                    self.assertEqual(parts[key], whole[key], key)
        page = self.folder / "page.html"
        self.run_tool("eval", self.data, "--model", model, "--threshold", "0.4", "--out", self.folder / "run", "--report", page,
                      "--quiet", "--log-json", self.folder / "log.jsonl")
        self.assertIn("At the threshold 0.4", page.read_text())
        self.assertIn("was decided when", self.message(2, "eval", self.data, "--model", model, "--clip", CLIP))
        two = self.export("--classes", "nut,bolt", name="two.moeclip")
        self.assertIn("knows no class", self.message(3, "eval", self.data, "--model", two))

    def test_thresholds_for_a_file_that_is_there(self):
        textures = self.folder / "textures.moeclip"
        self.run_tool("learn", self.good, "-o", textures)
        words = self.export("--class", "gear", name="words.moeclip")
        two = self.export("--classes", "gear,nut", name="two.moeclip")
        fresh = self.photos / "good"
        for model, options in ((textures, ()), (words, ()), (two, ("--class", "gear"))):
            with self.subTest(model):
                out = self.folder / f"{model.stem}.json"
                told = json.loads(self.run_tool("calibrate", fresh, "--model", model, *options, "--false-positives", "0.25",
                                                "--out", out, "--json")[0])
                plain = self.objects("detect", fresh, "--model", model, *options)
                self.assertAlmostEqual(told["threshold"], max(line["score"] for line in plain), 5)
                for line in self.objects("detect", self.photos, "--model", model, *options, "--calibration", out):
                    self.assertEqual(line["threshold_source"], "calibration")
                    self.assertAlmostEqual(line["threshold"], told["threshold"], 6)
                    self.assertAlmostEqual(line["map"]["pixel_threshold"], told["pixel_threshold"], 6)
        _, said = self.run_tool("detect", fresh, "--model", two, "--class", "nut", "--calibration", self.folder / "two.json")
        self.assertIn('for "nut" it promises nothing', said)
        detect = ("detect", fresh, "--model", words, "--calibration", self.folder / "textures.json")
        self.assertIn("another model", self.message(3, *detect))
        self.run_tool(*detect, "--trust-calibration")
        self.assertIn("another CLIP", self.message(3, "detect", fresh, *detect[4:]))
        self.assertIn("was decided when", self.message(2, "calibrate", fresh, "--model", words, "--clip", CLIP))
        self.assertIn("holds scores already", self.message(2, "calibrate", "--from", "run", "--model", words))
        self.assertIn("knows no class", self.message(3, "calibrate", fresh, "--model", two))

    def test_thresholds_for_another_method(self):
        out = self.folder / "winclip.json"
        fresh = self.photos / "good"
        told = json.loads(self.run_tool("calibrate", fresh, "--method", "winclip", "--false-positives", "0.25", "--out", out,
                                        "--json")[0])
        line = self.objects("detect", fresh, "--method", "winclip", "--calibration", out)[0]
        self.assertEqual((line["threshold"], line["map"]["pixel_threshold"]),
                         (told["threshold"], told["pixel_threshold"]))
        self.assertIn("another adapter", self.message(3, "detect", fresh, "--calibration", out))

    def test_any_clip_and_the_same_bytes_again(self):
        clip = self.write("clip.safetensors", micro_clip())
        options = ("--clip", clip, "--vocab", VOCABULARY, "--image-size", "28")
        model = self.export(*options)
        self.assertEqual(self.verdicts("--model", model), self.verdicts(*options))
        (self.folder / "elsewhere").mkdir()
        moved = clip.rename(self.folder / "elsewhere" / "clip.safetensors")
        self.assertEqual(self.export("--clip", moved, *options[2:], name="b.moeclip").read_bytes(), model.read_bytes())
        self.assertFalse([name for name in read_safetensors(model) if not name.startswith("visual.") and name != "anchors"])

    def test_what_is_inside(self):
        model = self.export("--classes", "gear,metal nut", "--dtype", "int8")
        tensors = read_safetensors(model)
        self.assertEqual(tensors["visual.transformer.resblocks.0.mlp.c_fc.weight"][0], "I8")
        self.assertEqual(tensors["anchors"][1][:2], [2, 2])
        self.assertFalse([name for name in tensors if "token_embedding" in name or "text" in name])
        self.assertTrue([name for name in tensors if name.startswith("image_adapter.moe_adapters.0.experts")])
        record = json.loads(self.metadata(model)["moeclip"])["model"]
        self.assertEqual((record["format"], record["classes"]), (1, ["gear", "metal nut"]))
        sources = {source["what"]: source for source in record["provenance"]["sources"]}
        self.assertEqual(sources["clip"]["name"], "tiny.safetensors")
        self.assertEqual(sources["clip"]["bytes"], CLIP.stat().st_size)
        self.assertRegex(sources["adapter"]["sha256"], "^[0-9a-f]{64}$")
        self.assertRegex(self.output("inspect", model), 'moeclip model, version 1: image tower .* int8, at 128 px, words about')
        by_class = self.verdicts("--model", model, "--class", "metal nut")
        self.assertEqual(by_class, self.verdicts("--class", "metal nut", "--dtype", "int8"))
        self.assertIn("there are gear, metal nut", self.message(3, "detect", self.photos, "--model", model).replace('"', ""))
        self.assertIn("knows no class", self.message(3, "detect", self.photos, "--model", model, "--class", "cap"))

    def test_the_check_of_lower_precision(self):
        out = self.folder / "a.moeclip"
        report, = self.objects("export", "--dtype", "bf16", "--check", self.data, "--out", out)
        self.assertGreater(report["check"]["rank_correlation"], 0.99)
        self.assertEqual(report["precision"], "bf16")
        clip = self.write("clip.safetensors", micro_clip(blocks=12))  # of random weights: rounding harms it
        harmed = self.folder / "b.moeclip"
        message = self.message(3, "export", "--clip", clip, "--vocab", VOCABULARY, "--image-size", "28", "--dtype", "int8",
                               "--check", self.photos, "--out", harmed, "--max-score-change", "0")
        self.assertIn("was not written", message)
        self.assertFalse(harmed.exists())
        self.assertIn("--dtype", self.message(2, "export", "--check", self.data, "--out", harmed))

    def test_the_check_of_lower_precision_with_good_pictures(self):
        out = self.folder / "a.moeclip"
        options = ("--clip", CLIP, "--dtype", "bf16", "--check", self.photos, "--out", out)
        report, = self.objects("export", "--good", self.good, *options)
        self.assertEqual(report["check"]["other_verdicts"], 0)
        self.assertIn("by good pictures", self.message(3, "export", "--json", "--good", self.good, *options, "--force",
                                                       "--max-score-change", "0.0000001", "--min-correlation", "-1"))

    def test_thresholds_of_ones_own(self):
        model = self.export()
        for line in self.verdicts("--model", model, "--threshold", "0")[0]:
            self.assertEqual((line["threshold"], line["threshold_source"], line["is_anomalous"]), (0, "--threshold", True))

    def test_damage_and_other_files(self):
        model = self.export(name="a.moeclip")
        data = model.read_bytes()
        photo = next(self.photos.rglob("*.png"))

        def refusal(bytes_of_file, name="damaged.moeclip"):
            return self.message(3, "detect", photo, "--model", self.write(name, bytes_of_file))

        for at in (0, 7, 8, 9, 300, len(data) // 2, len(data) - 1):
            for bit in (0, 7):
                damaged = bytearray(data)
                damaged[at] ^= 1 << bit
                self.assertIn("damaged.moeclip", refusal(damaged))
        for end in (0, 5, 100, len(data) // 2, len(data) - 1):
            refusal(data[:end])
        newer = without_checksum(data).replace(b'\\"format\\":1,', b'\\"format\\":7,')
        self.assertIn("version 7", refusal(newer))
        self.assertIn("a CLIP", self.message(3, "detect", photo, "--model", CLIP))
        self.assertIn("an adapter", self.message(3, "detect", photo, "--model", ADAPTER))
        self.assertIn("a picture", self.message(3, "detect", photo, "--model", photo))
        self.assertIn("PyTorch", refusal(b"PK\3\4" + bytes(100)))
        self.assertIn("no such file", self.message(3, "detect", photo, "--model", self.folder / "none"))
        memory = self.folder / "gear.moeclip"
        self.run_tool("learn", self.good, "-o", memory, "--clip", CLIP)
        self.assertIn("moeclip export --clip", self.message(3, "detect", photo, "--model", memory))

    def test_options_that_a_model_has_decided(self):
        model = self.export()
        photo = next(self.photos.rglob("*.png"))
        for option in (("--clip", CLIP), ("--adapter", ADAPTER), ("--good", self.good), ("--dtype", "int8"), ("--exif",),
                       ("--tile", "48"), ("--image-size", "64"), ("--map", "reference"), ("--seed", "2")):
            message = self.message(2, "detect", photo, "--model", model, *option)
            self.assertIn(f"{option[0]} was decided when", message)
        self.message(2, "serve", "--model", model, "--clip", CLIP)
        for options, told in (((), "--out"), (("--classes", "a,,b", "-o", "x"), "commas"),
                              (("--classes", "a,a", "-o", "x"), "twice"), (("--model", model, "-o", "x"), "--model"),
                              (("--classes", "a", "--class", "b", "-o", "x"), "choose one"),
                              (("--classes", "a,b", "--good", self.good, "-o", "x"), "one class"),
                              (("--memory", model, "--good", self.good, "-o", "x"), "in place of --good")):
            self.assertIn(told, self.message(2, "export", *options))


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: MIT
"""moeclip explain: sentences with their evidence, figures, a vocabulary of one's own, and the measurement."""
import json
import struct
import unittest
from pathlib import Path

from support import TOOL, ToolTest, png

SHARE = Path(TOOL).resolve().parent.parent / "share" / "moeclip"


def size_of(path):
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    return struct.unpack(">II", data[16:24])


class ExplainTest(ToolTest):
    def test_drawn_picture(self):
        out = self.folder / "figures"
        (result,) = self.objects("explain", "--out", out)
        found = result["explanation"]
        self.assertEqual(result["class"], "gear")
        self.assertIn(found["place"], found["sentence"])
        self.assertEqual(found["is_anomalous"], found["score"] >= found["threshold"])
        words = found["words"]
        self.assertEqual(len(words), 12)
        self.assertTrue(found["is_calibrated"])  # the built-in model comes with its fit
        self.assertEqual(words, sorted(words, key=lambda word: -word["probability"]))
        self.assertAlmostEqual(sum(word["probability"] for word in words) + found["no_defect"], 1, places=6)
        self.assertEqual(found["is_certain"],
                         found["is_anomalous"] and words[0]["probability"] >= found["certain_from"])
        self.assertGreaterEqual(found["certain_right"] / found["certain_answers"], 0.8)
        self.assertEqual("not certain" in found["sentence"], found["is_anomalous"] and not found["is_certain"])
        carrier = found["carrier"]
        self.assertEqual(len(carrier["experts"]), 4)
        self.assertEqual(carrier["cam_share"], max(expert["cam_share"] for expert in carrier["experts"]))
        self.assertTrue(0 <= carrier["cam_share"] <= 1)
        self.assertEqual([block["block"] for block in result["blocks"]], [1, 2, 3, 4])
        for block in result["blocks"]:
            self.assertAlmostEqual(sum(block["load"]), 1, places=6)
            self.assertAlmostEqual(block["etf_target"], -1 / 3, places=6)
            for e in range(4):
                self.assertAlmostEqual(block["cosines"][e][e], 1, places=5)
        self.assertEqual(len(result["figures"]), 8)  # map, four blocks, cosines, load, what each expert sees
        for figure in result["figures"]:
            width, height = size_of(out / figure["path"].split("/")[-1])
            self.assertTrue(200 < width <= 560 and height > 100)
            self.assertTrue(figure["title"] and figure["description"].endswith("."))
        self.assertIn("--force", self.message(3, "explain", "--out", out))
        text = self.output("explain", "--out", out, "--force", "--threads", 1)
        self.assertIn(found["sentence"], text)

    def test_own_picture_and_vocabulary(self):
        gray = bytes([120, 122, 125] * 64 * 48)
        picture, mask = self.write("plate.png", png(64, 48, gray)), self.write("mask.png", png(64, 48, bytes(64 * 48 * 3)))
        small = self.write("small.png", png(8, 3, bytes(8 * 3 * 3)))
        words = self.write("words.json", json.dumps(
            {"words": {"hole": ["a {} with a hole"], "stain": ["a stained {}"], "dent": ["a dented {}"]}}).encode())
        out = self.folder / "why"
        self.assertIn("--out", self.message(2, "explain", picture, "--mask", mask))
        self.assertIn("8x3", self.message(1, "explain", picture, "--mask", small, "--out", out))
        (result,) = self.objects("explain", picture, "--mask", mask, "--class", "plate", "--vocabulary", words,
                                 "--threshold", 1, "--out", out)
        found = result["explanation"]
        self.assertFalse(found["is_anomalous"] or found["is_certain"] or found["is_calibrated"])  # other words
        self.assertIn("Nothing counts as abnormal", found["sentence"])
        self.assertEqual({word["word"] for word in found["words"]}, {"hole", "stain", "dent"})
        self.assertEqual(len(result["figures"]), len(list(out.iterdir())))

    def test_measurement(self):
        page = self.folder / "names.html"
        (result,) = self.objects("explain", "--benchmark", 12, "--report", page, "--threads", 1)
        self.assertAlmostEqual(result["chance"], 1 / 12)
        ways = {row["way"]: row for row in result["rows"] if row["group"] == "all kinds"}
        self.assertEqual(ways["explain"]["answers"], 12)
        self.assertEqual(ways["plain CLIP, whole picture"]["answers"], 12)
        certain = ways.get("explain, certain", {"answers": 0})["answers"]
        self.assertEqual(certain + ways["explain, not certain"]["answers"], 12)
        for row in result["rows"]:
            self.assertTrue(0 <= row["low"] <= row["right"] / row["answers"] <= row["high"] <= 1)
        self.assertTrue(0 <= result["calibration_error"] <= 1)
        text = page.read_text()
        self.assertEqual(text.count("expected calibration error"), 4)  # two diagrams, below the title and spoken
        counts = [int(part.split("<")[0]) for part in text.split("mid count")[1:11] for part in [part.split(">")[1]]]
        self.assertEqual(sum(counts), 12)
        self.assertIn("--force", self.message(3, "explain", "--benchmark", 12, "--report", page))
        self.assertIn("95 %", self.run_tool("explain", "--benchmark", 3, "--categories", "seen", "--threads", 1)[0])

    def test_fit_on_folders(self):
        data = self.folder / "drawn"
        self.run_tool("synthesize", "--out", data, "--count", 4, "--size", 64, "--categories", "wood,screw",
                      "--defects", "scratch,hole,stain")
        words = self.folder / "words.safetensors"
        fit = ["explain", "--threads", 1, "--calibrate-words", words]
        (result,) = self.objects(*fit, data)
        self.assertEqual(result["categories"], 2)
        self.assertEqual(result["named"], 24)
        self.assertGreaterEqual(result["named_right"], result["plain_right"])
        self.assertLessEqual(result["certain_right"], result["certain"])
        self.assertIn("--force", self.message(3, *fit, data))
        picture = next((data / "wood" / "test").glob("*/*.png"))
        (explained,) = self.objects("explain", picture, "--words", words, "--class", "wood", "--threads", 1)
        self.assertTrue(explained["explanation"]["is_calibrated"])
        self.assertEqual(explained["explanation"]["certain_from"], result["threshold"])
        self.assertIn("fitted words", self.message(3, "explain", picture, "--words", SHARE / "tiny_adapter.safetensors"))
        own = self.write("own.json", json.dumps(
            {"words": {"rust": ["a {} with rust"], "moss": ["a mossy {}"]}}).encode())
        self.assertIn("two kinds", self.message(3, *fit, data, "--force", "--vocabulary", own))

    def test_command_line(self):
        for words, part in [(["--mask", "x"], "--mask"), (["x", "--benchmark", 3], "draws"),
                            (["--benchmark", 0], "--benchmark"), (["--promise", 0.9], "--calibrate-words"),
                            (["--calibrate-words", "x", "--benchmark", 3], "--calibrate-words"),
                            (["--report", "x.html"], "--report"),
                            (["--calibrate-words", "x", "--promise", 1], "--promise"), (["--threshold", 2], "--threshold")]:
            self.assertIn(part, self.message(2, "explain", *words))
        self.assertIn("x: no such file", self.message(3, "explain", "--adapter", "x"))  # of the built-in CLIP
        bad = self.write("bad.json", b'{"words": {"hole": ["no place"], "dent": ["a dented {}"]}}')
        self.assertIn("{}", self.message(3, "explain", "--vocabulary", bad))
        self.run_tool("explain", self.folder / "missing.png", code=1)


if __name__ == "__main__":
    unittest.main()

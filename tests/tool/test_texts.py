# SPDX-License-Identifier: MIT
"""Texts that people write are read as any editor saves them: sentences, words, words for defects, thresholds; and names
of files do no harm where they are printed."""
import json
import os
import unittest

from support import ToolTest, png
from training import VOCABULARY, micro_clip, write_data

FORMS = {
    "bom": lambda text: text.encode("utf-8-sig"),
    "utf-16": lambda text: text.encode("utf-16"),
    "utf-16-le": lambda text: text.encode("utf-16-le"),
    "utf-16-be": lambda text: text.encode("utf-16-be"),
    "utf-32": lambda text: text.encode("utf-32"),
    "crlf": lambda text: text.replace("\n", "\r\n").encode(),
    "cr": lambda text: text.replace("\n", "\r").encode(),
}


class Texts(ToolTest):
    def test_every_form(self):
        look = ("detect", self.write("a.png", png(28, 28, bytes(3 * 28 * 28))), "--clip",
                self.write("clip.safetensors", micro_clip()), "--vocab", VOCABULARY, "--image-size", 28)
        self.run_tool("calibrate", write_data(self.folder), *look[2:], "--out", self.folder / "limits.json")
        texts = {
            "--prompts": json.dumps({"normal": ["a fine {}", "ein sch\u00f6nes {}"], "abnormal": ["a broken {}"]},
                                    ensure_ascii=False, indent=1),
            "--calibration": (self.folder / "limits.json").read_text(),
        }
        for option, text in texts.items():
            wanted = self.objects(*look, option, self.write("plain.json", text.encode()))[0]
            for name, form in FORMS.items():
                with self.subTest(option=option, form=name):
                    found = self.objects(*look, option, self.write("x.json", form(text)))[0]
                    self.assertEqual((found["score"], found["threshold"]), (wanted["score"], wanted["threshold"]))

    @unittest.skipUnless(os.name == "posix", "Windows has no such names")
    def test_sentences_of_ones_own(self):
        detect = ("detect", self.write("a.png", png(8, 8, bytes(192))), "--clip",
                  self.write("clip.safetensors", micro_clip()), "--vocab", VOCABULARY, "--image-size", 28, "--class",
                  "nut", "--prompts")
        scores = []
        for good, bad in (("a {}", "b {}"), ("a nut", "b nut"), ("a bolt", "b bolt")):
            sentences = json.dumps({"normal": [good], "abnormal": [bad]}).encode()
            scores.append(self.objects(*detect, self.write("own.json", sentences))[0]["score"])
        self.assertEqual(scores[0], scores[1])
        self.assertNotEqual(scores[1], scores[2])
        for good, said in (("b", "tells nothing apart"), (" ", "an empty sentence")):
            sentences = json.dumps({"normal": [good], "abnormal": ["b"]}).encode()
            self.assertIn(said, self.message(3, *detect, self.write("own.json", sentences)))

    def test_names_that_would_move_the_cursor(self):
        self.write("\x1b[2Jred\n.png", png(28, 28, bytes(3 * 28 * 28)))
        out, _ = self.run_tool("detect", self.folder, "--clip", self.write("clip.safetensors", micro_clip()), "--vocab",
                               VOCABULARY, "--image-size", 28, "--out", self.folder / "out")
        self.assertIn("?[2Jred?.png: ", out)
        self.assertEqual(out.count("red?"), 2)  # with its overlay


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: MIT
"""Methods that take good pictures: `--good` of `detect`, and `--good` and `--shots` of `eval`, with --method winclip and
the built-in CLIP on a drawn data set."""
import json
import subprocess
import tempfile
import unittest
from pathlib import Path

from support import TOOL, ToolTest

WINCLIP = ("--method", "winclip")


class MethodGoodTest(ToolTest):
    @classmethod
    def setUpClass(cls):
        shared = tempfile.TemporaryDirectory(prefix="moeclip-method-")
        unittest.addModuleCleanup(shared.cleanup)
        cls.data = Path(shared.name) / "set"
        subprocess.run([TOOL, "synthesize", "--out", cls.data, "--size", "96", "--count", "3", "--categories",
                        "tile,gear", "--defects", "stain", "--lowest-severity", "0.9"], check=True,
                       stdout=subprocess.DEVNULL, timeout=100)
        cls.good, cls.test = cls.data / "tile" / "train" / "good", cls.data / "tile" / "test"

    def scores(self, *arguments):
        found = self.objects("detect", *arguments, *WINCLIP, "--class", "tile")
        for line in found:
            self.assertTrue(0 <= line["score"] <= 1, line)
            self.assertEqual(line["threshold_source"], "default")
        return [line["score"] for line in found]

    def test_words_and_good_pictures(self):
        words, both = self.scores(self.test), self.scores(self.test, "--good", self.good)
        self.assertEqual(both, self.scores(self.test, "--good", self.good, "--threads", 3))
        self.assertTrue(all(a != b for a, b in zip(words, both, strict=True)))
        # a good picture that was shown is no distance away: half of what words say is left
        for alone, known in zip(self.scores(self.good), self.scores(self.good, "--good", self.good), strict=True):
            self.assertAlmostEqual(known, alone / 2, places=6)

    def test_good_pictures_in_tiles(self):
        tiles = ("--tile", 64, "--image-size", 64)
        for alone, known in zip(self.scores(self.good, *tiles), self.scores(self.good, "--good", self.good, *tiles),
                                strict=True):
            self.assertAlmostEqual(known, alone / 2, places=6)

    def test_shots(self):
        small = ("--image-size", 64)
        runs = json.loads(self.run_tool("eval", self.data, *WINCLIP, *small, "--shots", "1,3", "--json")[0])["runs"]
        self.assertEqual([run["shots"] for run in runs], [1, 3])
        scores = []
        for name, shots in (("words", ()), ("both", ("--shots", "3"))):
            out = self.folder / name
            self.run_tool("eval", self.data, *WINCLIP, *small, "--split", "train", *shots, "--out", out,
                          "--allow-training-pictures")
            lines = [json.loads(line) for line in (out / "pictures.jsonl").read_text().splitlines()]
            scores.append({line["path"]: line["score"] for line in lines})
        self.assertEqual(len(scores[0]), 6)
        for path, score in scores[0].items():  # each class is judged by its own pictures, which are all that there are
            self.assertAlmostEqual(scores[1][path], score / 2, places=6, msg=path)
        self.assertIn("another evaluation", self.message(
            3, "eval", self.data, *WINCLIP, *small, "--split", "train", "--shots", "2", "--out", self.folder / "both",
            "--resume", "--allow-training-pictures"))

    def test_a_toy_is_called_one(self):
        for more in ((), ("--good", self.good)):
            _, said = self.run_tool("detect", self.test, *WINCLIP, "--image-size", 64, *more)
            self.assertEqual(said.count("is a toy"), 1)

    def test_what_has_no_meaning(self):
        self.assertNotIn("--method", self.output("export", "--help"))
        self.assertIn("--features has no meaning for the method winclip", self.message(
            2, "detect", self.test, *WINCLIP, "--good", self.good, "--features", "texture"))
        self.assertIn("--seed has no meaning", self.message(2, "eval", self.data, *WINCLIP, "--seed", 1))
        memory = self.write("learned.moeclip", b"")
        for command in (("detect", self.test), ("eval", self.data / "tile")):
            self.assertIn("takes good pictures themselves", self.message(2, *command, *WINCLIP, "--good", memory))
        self.assertIn("2 classes", self.message(2, "eval", self.data, *WINCLIP, "--good", self.good))


if __name__ == "__main__":
    unittest.main()

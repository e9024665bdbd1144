# SPDX-License-Identifier: MIT
"""moeclip synthesize: data sets drawn from numbers."""
import json
import unittest

from support import ToolTest


class Synthesize(ToolTest):
    def draw(self, name, *options):
        folder = self.folder / name
        self.run_tool("synthesize", "--out", folder, "--categories", "gear,circuit_board", "--defects", "missing part",
                      "--count", "2", "--size", "40", *options)
        return folder

    def test_folders_and_lists(self):
        folder = self.draw("set")
        lines = [json.loads(line) for line in (folder / "test.jsonl").read_text(encoding="utf-8").splitlines()]
        self.assertEqual(len(lines), 8)
        self.assertEqual({line["class_name"] for line in lines}, {"gear", "circuit board"})
        for line in lines:
            self.assertTrue((folder / line["image_path"]).exists())
            self.assertEqual(line["label"] == 1, "mask_path" in line)
            if line["label"]:
                self.assertTrue((folder / line["mask_path"]).exists())
        self.assertEqual(len((folder / "train.jsonl").read_text(encoding="utf-8").splitlines()), 4)
        self.assertTrue((folder / "circuit_board/ground_truth/missing_part/001_mask.png").exists())

    def test_worlds(self):
        for world, marks in (("regions", {"dot", "dash", "ring"}), ("homogeneous", {"dot"})):
            folder = self.folder / world
            self.run_tool("synthesize", "--out", folder, "--world", world, "--categories", "lid", "--count", 1, "--size", 32)
            self.assertEqual({path.name for path in (folder / "lid/ground_truth").iterdir()}, marks)
        said = self.message(2, "synthesize", "--out", self.folder / "x", "--world", "regions", "--categories", "gear")
        self.assertIn("there is no category 'gear'", said)
        self.message(2, "synthesize", "--out", self.folder / "x", "--world", "homogeneous", "--defects", "ring")

    def test_cameras(self):
        picture, mask = "gear/test/missing_part/000.png", "gear/ground_truth/missing_part/000_mask.png"
        plain, fixed, held = self.draw("a"), self.draw("b", "--camera", "fixed"), self.draw("c", "--camera", "handheld")
        for file in (picture, mask):
            self.assertEqual((plain / file).read_bytes(), (fixed / file).read_bytes())
            self.assertNotEqual((plain / file).read_bytes(), (held / file).read_bytes())
        self.message(2, "synthesize", "--out", self.folder / "x", "--camera", "drone")

    def test_the_seed_decides(self):
        picture = "gear/test/missing_part/000.png"
        first = (self.draw("a") / picture).read_bytes()
        self.assertEqual(first, (self.draw("b", "--threads", "1") / picture).read_bytes())
        self.assertNotEqual(first, (self.draw("c", "--seed", "1") / picture).read_bytes())

    def test_nothing_is_overwritten_without_force(self):
        folder = self.draw("set")
        self.assertIn("--force", self.message(3, "synthesize", "--out", folder, "--categories", "gear", "--count", "1"))
        self.draw("set", "--force")
        for name in ("train.jsonl", "test.jsonl"):  # pictures of one's own, without a list
            (folder / name).unlink()
        self.assertIn("--force", self.message(3, "synthesize", "--out", folder, "--categories", "gear", "--count", "1"))

    def test_nothing_is_left_of_a_run_that_was_killed(self):
        folder = self.folder / "set"
        left = folder / ".moeclip-unfinished" / "gear/test/good/009.png"
        left.parent.mkdir(parents=True)
        left.write_bytes(b"half")
        self.assertIn("no pictures", self.message(3, "dataset", "check", folder))
        self.draw("set")
        self.assertFalse((folder / ".moeclip-unfinished").exists())
        self.assertFalse((folder / "gear/test/good/009.png").exists())

    def test_nonsense(self):
        self.assertIn("--out", self.message(2, "synthesize"))
        self.assertIn("gear", self.message(2, "synthesize", "--out", self.folder / "x", "--categories", "geer"))
        self.assertIn("scratch", self.message(2, "synthesize", "--out", self.folder / "x", "--defects", "scratsh"))
        self.assertIn("--size", self.message(2, "synthesize", "--out", self.folder / "x", "--size", "5"))


if __name__ == "__main__":
    unittest.main()

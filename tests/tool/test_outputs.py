# SPDX-License-Identifier: MIT
"""Outputs that cannot be written are code 3 and said once, whatever the command; and pictures that are not whole are said to be so."""
import os
import struct
import subprocess
import unittest

from support import TOOL, ToolTest, png


class Outputs(ToolTest):
    def setUp(self):
        super().setUp()
        self.pictures = [self.write(f"{i}.png", png(8, 6, bytes([90 + i, 100, 110] * 48))) for i in range(3)]

    def test_a_folder_that_cannot_be_made(self):
        file = self.write("file", b"x")
        for command in (["detect", *self.pictures], ["explain", *self.pictures]):
            _, error = self.run_tool(*command, "--out", file / "below", code=3)
            self.assertEqual(error.count("cannot be created"), 1, error)
            self.assertIn("file", error)
            self.assertNotIn("0.png: ", error)

    @unittest.skipIf(os.name != "posix" or os.geteuid() == 0, "needs a user who may not do everything")
    def test_a_folder_that_may_not_be_written(self):
        folder = self.folder / "closed"
        folder.mkdir(mode=0o500)
        _, error = self.run_tool("detect", *self.pictures, "--out", folder, code=3)
        self.assertEqual(error.count("closed"), 1, error)

    def test_no_folder_is_left_of_a_command_that_fails(self):
        kept = self.folder / "kept"
        kept.mkdir()
        self.run_tool("detect", self.folder / "none.png", "--out", self.folder / "new" / "inner", code=1)
        self.run_tool("detect", self.folder / "none.png", "--out", kept, code=1)
        self.run_tool("merge", self.pictures[0], "--out", self.folder / "new", code=3)
        self.assertFalse((self.folder / "new").exists())
        self.assertTrue(kept.exists())

    def test_one_picture_of_a_kind(self):
        for kind in ("good", "bad"):
            (self.folder / f"set/{kind}").mkdir(parents=True)
            self.write(f"set/{kind}/1.png", png(8, 6, bytes(144)))
        out, _ = self.run_tool("eval", self.folder / "set")
        self.assertRegex(out, r"[01] of 1 defective picture is found, [01] of 1 good one is called defective\.")
        self.assertIn("see --split", self.message(3, "eval", self.folder / "set", "--split", "train"))

    def test_nothing_is_done_if_one_output_is_there(self):
        out = self.folder / "out"
        out.mkdir()
        (out / "2.map.png").write_bytes(b"mine")
        self.assertIn("--force", self.message(3, "detect", *self.pictures, "--out", out))
        self.assertEqual([path.name for path in out.iterdir()], ["2.map.png"])
        self.run_tool("detect", *self.pictures, "--out", out, "--force")
        self.assertEqual(len(list(out.iterdir())), 9)

    def test_inputs_and_outputs_are_told_apart(self):
        out = self.folder / "out"
        _, error = self.run_tool("detect", self.pictures[0], self.folder / "none.png", "--out", out, code=1)
        self.assertIn("none.png", error)
        self.assertEqual(len(list(out.iterdir())), 3)

    @unittest.skipUnless(os.name == "posix", "needs pipes of POSIX")
    def test_head(self):
        command = f"'{TOOL}' detect {' '.join(map(str, self.pictures * 40))} | head -n 1"
        done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=100, check=False)
        said = [line for line in done.stderr.splitlines() if b"the built-in model is a toy" not in line]
        self.assertEqual(said, [])
        self.assertEqual(done.stdout.count(b"\n"), 1)


class NotWhole(ToolTest):
    def test_a_bitmap_whose_codes_end_early(self):
        palette = bytes([0, 0, 0, 0, 200, 200, 200, 0])
        codes = bytes([4, 1, 0, 0, 6, 1, 0, 1])  # a row, one that is too long, and no more
        header = struct.pack("<IiiHHIIiiII", 40, 4, 4, 1, 8, 1, len(codes), 0, 0, 2, 0)
        offset = 14 + len(header) + len(palette)
        file = b"BM" + struct.pack("<IHHI", offset + len(codes), 0, 0, offset) + header + palette + codes
        path = self.write("half.bmp", file)
        for command in (["detect", path], ["decode", path, self.folder / "out.png"], ["explain", path]):
            _, error = self.run_tool(*command)
            self.assertIn("half.bmp: the picture is not whole: its run-length codes leave out 8 pixels of 16", error)
            self.assertIn("put 2 pixels beyond the end of a row", error)
        data = self.folder / "set"
        (data / "test/good").mkdir(parents=True)
        (data / "test/bad").mkdir()
        (data / "test/good/half.bmp").write_bytes(file)
        (data / "test/bad/half2.bmp").write_bytes(file)
        for command in (["eval", data, "--image-size", 32], ["dataset", "check", data],
                        ["train", data, "--out", self.folder / "run", "--steps", 3, "--image-size", 32]):
            done = subprocess.run([TOOL, *map(str, command)], capture_output=True, timeout=100, check=False)
            said = (done.stdout + done.stderr).decode()
            for name in ("good/half.bmp", "bad/half2.bmp"):
                self.assertEqual(said.count(name + ": "), 1, said)
            self.assertIn("not whole", said)


if __name__ == "__main__":
    unittest.main()

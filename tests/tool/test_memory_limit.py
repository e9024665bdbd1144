# SPDX-License-Identifier: MIT
"""No reader takes more than 64 MiB + 4 x its file + 4 x what comes of it, whatever the file promises: the tool runs with
that much address space. Pictures larger than these are tried by tests/image/test_reader_memory.cpp."""
import io
import json
import random
try:
    import resource
except ImportError:
    resource = None  # Windows
import struct
import subprocess
import sys
import unittest
import zipfile
import zlib

from support import GOLDEN, TOOL, ToolTest, png_chunk, safetensors

MIB = 1 << 20
STEP = 4 * MIB


@unittest.skipUnless(sys.platform == "linux", "RLIMIT_AS limits address space on Linux")
class MemoryLimit(ToolTest):
    def run_in(self, most, words):
        return subprocess.run([TOOL, *map(str, words)], capture_output=True, timeout=100,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (most, most)))

    def base_of(self, *words):
        """The least address space in which a command that reads next to nothing succeeds."""
        low, high = 0, 4096 * MIB
        while high - low > STEP:
            middle = (low + high) // 2
            if self.run_in(middle, words).returncode == 0:
                high = middle
            else:
                low = middle
        return high

    def setUp(self):
        super().setUp()
        self.small = self.write("small.safetensors", safetensors({"a": ("F32", [1], bytes(4))}))
        self.base = self.base_of("inspect", self.small)
        if self.base > 3072 * MIB:
            self.skipTest("a sanitizer takes terabytes of addresses itself")

    def expect_bounded(self, path, size=None, comes=0, *words):
        size = path.stat().st_size if size is None else size
        done = self.run_in(self.base + 64 * MIB + 4 * size + 4 * comes, words or ("inspect", path))
        message = done.stderr.decode(errors="replace")
        self.assertIn(done.returncode, (0, 1, 2, 3), f"{path.name}: {message}")
        self.assertNotIn("memory", message, path.name)
        return done.returncode

    def test_damaged_weights(self):
        files = [GOLDEN / "formats" / name for name in (
            "moeclip/default.pth", "openai_jit.pt", "hf/model.safetensors", "sharded/model.safetensors.index.json")]
        files += sorted((GOLDEN / "formats" / "wrapped").glob("*.p*t*"))[:2] + sorted(
            (GOLDEN / "formats" / "zoo").glob("*legacy*"))[:1]
        for file in files:
            data = file.read_bytes()
            draw = random.Random(file.name)
            for i in range(12):  # large numbers at the beginning, where headers are, and at the end, where directories are
                place = draw.randrange(min(len(data) - 8, 600))
                place = place if i % 2 == 0 else len(data) - 8 - place
                large = draw.choice((b"\xff\xff\xff\x7f", b"\xff\xff\xff\x3f\0\0\0\0", b"99999999", b"\0\0\0\0\1\0\0\0"))
                self.expect_bounded(self.write("damaged" + file.suffix,
                                               data[:place] + large + data[place + len(large):]))

    def test_what_inflates(self):
        bomb = io.BytesIO()
        with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a/data.pkl", b"\x80\x02}." + bytes(512 * MIB))
            archive.writestr("a/version", "3\n")
        self.assertNotEqual(self.expect_bounded(self.write("bomb.pth", bomb.getvalue())), 0)
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        stream = b"".join([packer.compress(bytes(MIB)) for _ in range(512)] + [packer.flush()])
        vocabulary = self.write("vocab.txt.gz", stream)
        self.assertNotEqual(self.expect_bounded(vocabulary), 0)
        words = ["tokenize", "--vocab", vocabulary, "a nut"]
        self.assertNotEqual(self.expect_bounded(vocabulary, None, 0, *words), 0)
        rows = zlib.compress(bytes(256 * MIB), 1)
        self.expect_bounded(self.write("bomb.png", b"\x89PNG\r\n\x1a\n" + png_chunk(
            b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)) + png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")))

    def test_deep_and_long_texts(self):
        for name, text in (("deep.json", "[" * 200000), ("long.json", '{"a":"' + "x" * 200000),
                           ("keys.json", "{" + ",".join(f'"{i}":{i}' for i in range(50000)) + "}")):
            path = self.write(name, text.encode())
            for words in (["prompts", "nut", "--words", path], ["detect", self.small, "--calibration", path],
                          ["inspect", path]):
                self.expect_bounded(path, None, 0, *words)
        memos = b"\x80\x02" + b"".join(b"(" + b"h\0" * 100 + b"t" for _ in range(2000)) + b"."
        self.expect_bounded(self.write("memos.pth", memos))
        header = json.dumps({f"t{i}": {"dtype": "F32", "shape": [1 << 20, 1 << 20], "data_offsets": [0, 1 << 42]}
                             for i in range(2000)}).encode()
        self.expect_bounded(self.write("large.safetensors", struct.pack("<Q", len(header)) + header))

    def test_pictures(self):
        sides = b"99999 99999"
        for name, data in (("a.ppm", b"P6 " + sides + b" 255\n"), ("a.pgm", b"P2 " + sides + b" 255\n1 2"),
                           ("a.pbm", b"P4 " + sides + b"\n"), ("a.pam", b"P7\nWIDTH 99999\nHEIGHT 99999\nDEPTH 4\n"
                                                               b"MAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n")):
            path = self.write(name, data)
            self.assertEqual(self.expect_bounded(path, None, 0, "decode", path, self.folder / "out.png", "--force"), 1)


if __name__ == "__main__":
    unittest.main()

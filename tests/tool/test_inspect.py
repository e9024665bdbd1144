# SPDX-License-Identifier: MIT
"""moeclip inspect: what files hold."""
import hashlib
import json
import os
import struct
import subprocess
import unittest

from support import GOLDEN, TOOL, ToolTest, png, safetensors

DTYPES = {"float32": "f32", "float16": "f16", "bfloat16": "bf16", "float64": "f64", "int64": "i64", "int32": "i32",
          "int16": "i16", "int8": "i8", "uint8": "u8", "bool": "bool"}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Inspect(ToolTest):
    def setUp(self):
        super().setUp()
        self.halves, self.longs = struct.pack("<6e", 1, -2, .5, 65504, 6e-8, 0), struct.pack("<2q", -1, 2**40 + 1)
        self.weights = self.write("w.safetensors", safetensors(
            {"a.weight": ("F16", [2, 3], self.halves), "counts": ("I64", [2], self.longs), "none": ("F32", [0, 4], b"")},
            {"format": "pt", "note": 'a "quoted" \x1b[31m note'}))

    def test_text(self):
        text = self.output("inspect", self.weights)
        self.assertIn("w.safetensors: safetensors, 3 tensors, 8 parameters, 28 bytes\n", text)
        self.assertRegex(text, r"a\.weight +f16 +\(2,3\)\n")
        self.assertRegex(text, r"counts +i64 +\(2\)\n")
        self.assertIn("format = pt", text)
        self.assertIn(sha256(self.halves), self.output("inspect", "--hash", self.weights))

    def test_json_is_complete(self):
        found, = self.objects("inspect", self.weights)
        self.assertEqual((found["kind"], found["format"], found["parameters"], found["bytes"]),
                         ("weights", "safetensors", 8, 28))
        self.assertEqual(found["tensors"], [{"name": "a.weight", "dtype": "f16", "shape": [2, 3]},
                                            {"name": "counts", "dtype": "i64", "shape": [2]},
                                            {"name": "none", "dtype": "f32", "shape": [0, 4]}])
        self.assertEqual(found["metadata"], {"format": "pt", "note": 'a "quoted" \x1b[31m note'})
        self.assertEqual(found["values"], {})
        self.assertIsNone(found["model"])

    def test_hash(self):
        stored = [sha256(self.halves), sha256(self.longs), sha256(b"")]
        as_f32 = [sha256(struct.pack("<6f", *struct.unpack("<6e", self.halves))),
                  sha256(struct.pack("<2f", -1, 2**40 + 1)), sha256(b"")]
        self.assertEqual([t["sha256"] for t in self.objects("inspect", "--hash", self.weights)[0]["tensors"]], stored)
        self.assertEqual([t["sha256"] for t in self.objects("inspect", "--hash", "--as", "f32", self.weights)[0]["tensors"]],
                         as_f32)
        self.assertIn("--as needs --hash", self.message(2, "inspect", "--as", "f32", self.weights))

    def test_recorded_files(self):
        """Every tensor and every other value of the files that PyTorch wrote."""
        for record in sorted((GOLDEN / "formats" / "expected").glob("*.json")):
            expected = json.loads(record.read_text())
            path = GOLDEN / "formats" / expected["file"]
            if "tensors" not in expected or not path.exists():
                continue
            f32, = self.objects("inspect", "--hash", "--as", "f32", path)
            raw, = self.objects("inspect", "--hash", path)
            f32, raw, values = ({t["name"]: t for t in f32["tensors"]}, {t["name"]: t for t in raw["tensors"]},
                                f32["values"])
            for name, tensor in expected["tensors"].items():
                self.assertEqual(f32[name], {"name": name, "dtype": DTYPES[tensor["dtype"]], "shape": tensor["shape"],
                                             "sha256": tensor["sha256_f32"]}, path)
                if "sha256_raw" in tensor:
                    self.assertEqual(raw[name]["sha256"], tensor["sha256_raw"], (path, name))
            for name, value in expected.get("values", {}).items():
                is_huge = isinstance(value, int) and abs(value) >= 2**64
                self.assertEqual(values[name], str(value) if is_huge else value, (path, name))

    def test_image(self):
        image = self.write("picture", png(3, 2, bytes(18), orientation=6))
        self.assertIn("picture: PNG image, 3 x 2, RGB, 8 bit, EXIF orientation 6\n", self.output("inspect", image))
        self.assertEqual(self.objects("inspect", image), [
            {"file": str(image), "kind": "image", "format": "PNG", "width": 3, "height": 2, "mode": "RGB", "depth": 8,
             "note": "", "orientation": 6}])
        self.assertIn("WebP", self.message(1, "inspect", self.write("a", b"RIFF\0\0\0\0WEBPVP8 ")))

    def test_tokenizer(self):
        for name in ("bpe_micro.txt.gz", "tokenizer.json", "vocab.json", "merges.txt"):
            found, = self.objects("inspect", GOLDEN / "tokenizer" / name)
            self.assertEqual((found["kind"], found["tokens"], found["start_token"], found["end_token"]),
                             ("tokenizer", 600, 598, 599))
            self.assertIn("CLIP tokenizer", self.output("inspect", GOLDEN / "tokenizer" / name))

    def test_other_json_is_refused(self):
        for text in (b"{}", b'{"a": 1}', b"{", b'{"model": "ViT"}'):
            self.assertIn("c.json", self.message(1, "inspect", self.write("c.json", text)))

    def test_header_length_that_looks_like_a_picture(self):
        plain = safetensors({"x": ("U8", [1], b"\1")})
        for magic in (b"BM", b"P5\n"):
            length = int.from_bytes(magic, "little")
            header = plain[8:-1].ljust(length)
            found, = self.objects("inspect", self.write("w", struct.pack("<Q", length) + header + b"\1"))
            self.assertEqual(found["kind"], "weights")

    def test_one_bad_file_of_many(self):
        bad = self.write("bad.safetensors", self.weights.read_bytes()[:-1])
        out, error = self.run_tool("inspect", "--json", self.weights, bad, self.folder / "none", self.weights, code=1)
        found = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(["error" in one for one in found], [False, True, True, False])
        self.assertEqual(found[1]["error"]["code"], "format")
        self.assertEqual(found[2]["error"]["code"], "io")
        self.assertEqual(len(error.splitlines()), 2)
        out, error = self.run_tool("inspect", self.weights, bad, self.weights, code=1)
        self.assertEqual(out.count("w.safetensors: safetensors"), 2)
        self.assertIn("bad.safetensors", error)

    def test_damage_that_only_the_hash_meets(self):
        """The checksum of a storage fails in the middle of the list: the line is valid JSON all the same."""
        path = GOLDEN / "formats" / "openai_jit.pt"
        damaged = bytearray(path.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        damaged = self.write("damaged.pt", damaged)
        self.assertNotIn("error", self.objects("inspect", damaged)[0])
        found, = self.objects("inspect", "--hash", damaged, code=1)
        self.assertEqual(found["error"]["code"], "format")
        self.assertLess(len(found["tensors"]), 41)

    @unittest.skipUnless(hasattr(os, "wait4"), "needs wait4")
    def test_large_file_is_not_loaded(self):
        size = 160 << 20
        text = safetensors({"x": ("I64", [size // 8], b"")})[8:].replace(b"[0, 0]", f"[0, {size}]".encode())
        path = self.write("large", struct.pack("<Q", len(text)) + text)
        os.truncate(path, 8 + len(text) + size)  # a sparse file of zeros
        for options in ([], ["--hash", "--as", "f32"]):
            tool = subprocess.Popen([TOOL, "inspect", path, *options], stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(tool.pid, 0)
            tool.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(tool.returncode, 0)
            self.assertLess(usage.ru_maxrss, 100 << 10)  # KiB


if __name__ == "__main__":
    unittest.main()

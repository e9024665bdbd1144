# SPDX-License-Identifier: MIT
"""How pictures are read (--exif, --pillow-gray) is the same in every verb that reads them, and runs remember it."""
import json
import random
import struct
import unittest
import zlib
from pathlib import Path

from support import TOOL, ToolTest, png, png_chunk, read_ppm
from training import VOCABULARY, micro_clip

SHARE = Path(TOOL).resolve().parent.parent / "share" / "moeclip"
MODEL = ("--clip", SHARE / "tiny.safetensors", "--adapter", SHARE / "tiny_adapter.safetensors")
WIDTH, HEIGHT = 40, 28


def sideways(rgb):
    """A picture of WIDTH x HEIGHT as a camera stores it that was held for orientation 6: turned left by 90 degrees."""
    return b"".join(rgb[3 * (WIDTH * y + WIDTH - 1 - x):][:3] for x in range(WIDTH) for y in range(HEIGHT))


def gray_png(width, samples, depth):
    """A gray PNG of 8 or 16 bits; `samples` are all of its rows."""
    height, kind = len(samples) // width, {8: "B", 16: "H"}[depth]
    rows = b"".join(b"\0" + struct.pack(f">{width}{kind}", *samples[width * y:width * (y + 1)]) for y in range(height))
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)) +
            png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b""))


class Turned(ToolTest):
    """One data set twice: upright, and as a camera stores it that was held sideways, masks included."""

    def setUp(self):
        super().setUp()
        draw = random.Random(3)
        self.upright, self.stored = self.folder / "data", self.folder / "stored"
        self.upright.mkdir(), self.stored.mkdir()
        lines = []
        for i in range(4):
            rgb, mask = bytearray(draw.randbytes(3 * WIDTH * HEIGHT)), bytearray(3 * WIDTH * HEIGHT)
            for y in range(4, 11):
                for x in range(5, 17):
                    at = 3 * (y * WIDTH + x)
                    rgb[at:at + 3] = mask[at:at + 3] = b"\xff" * 3
            line = {"image_path": f"{i}.png", "label": i % 2, "class_name": "nut"}
            self.put(f"{i}.png", bytes(rgb), 6)
            if i % 2:
                self.put(f"{i}_mask.png", bytes(mask))
                line["mask_path"] = f"{i}_mask.png"
            lines.append(json.dumps(line) + "\n")
        for folder in (self.upright, self.stored):
            (folder / "data.jsonl").write_text("".join(lines))

    def put(self, name, rgb, orientation=None):
        (self.upright / name).write_bytes(png(WIDTH, HEIGHT, rgb))
        (self.stored / name).write_bytes(png(HEIGHT, WIDTH, sideways(rgb), orientation))

    def all_three(self, result):
        """The result for upright pictures, for stored ones with --exif, and without."""
        return (result(self.upright, "upright"), result(self.stored, "turned", "--exif"),
                result(self.stored, "as they are"))

    def assert_exif_counts(self, result):
        upright, turned, plain = self.all_three(result)
        self.assertEqual(turned, upright)
        self.assertNotEqual(plain, upright)

    def test_decode(self):
        def decoded(data, name, *words):
            self.output("decode", data / "1.png", self.folder / f"{name}.ppm", *words)
            return read_ppm(self.folder / f"{name}.ppm")
        self.assert_exif_counts(decoded)

    def test_detect(self):
        def scores(data, _, *words):
            return [found["score"] for found in self.objects("detect", data / "1.png", data / "2.png", *MODEL, *words)]
        self.assert_exif_counts(scores)

    def test_explain_with_a_mask_that_lies_either_way(self):
        def figures(data, name, *words, mask=None):
            self.run_tool("explain", data / "1.png", "--mask", mask or data / "1_mask.png", "--out",
                          self.folder / name, *words)
            return [path.read_bytes() for path in sorted((self.folder / name).iterdir())]
        upright, turned, plain = self.all_three(figures)
        self.assertEqual(turned, upright)
        self.assertNotEqual(plain, upright)
        self.assertEqual(figures(self.stored, "other", "--exif", mask=self.upright / "1_mask.png"), upright)
        self.assertIn("28x40", self.message(1, "explain", self.stored / "1.png", "--mask",
                                            self.upright / "1_mask.png", "--out", self.folder / "none"))
        piped, _ = self.run_tool("explain", "-", "--exif", "--mask", self.stored / "1_mask.png", "--out",
                                 self.folder / "piped", stdin=(self.stored / "1.png").read_bytes())
        self.assertEqual([path.read_bytes() for path in sorted((self.folder / "piped").iterdir())], upright)

    def test_eval_and_its_state(self):
        def scores(data, name, *words):
            self.run_tool("eval", data / "data.jsonl", "--out", self.folder / name, *words)
            results = json.loads((self.folder / name / "results.json").read_text())
            self.assertEqual(results["settings"]["images"]["exif"], bool(words))
            lines = (self.folder / name / "pictures.jsonl").read_text().splitlines()
            return [json.loads(line)["score"] for line in lines]
        self.assert_exif_counts(scores)
        again = ("eval", self.stored / "data.jsonl", "--out", self.folder / "turned", "--resume")
        self.assertIn("images (found {", self.message(3, *again))
        self.run_tool(*again, "--exif")

    def test_calibrate_and_detect(self):
        def threshold(data, name, *words):
            path = self.folder / f"{name}.json"
            self.run_tool("calibrate", data / "data.jsonl", "--best-f1", "--out", path, *MODEL, *words)
            return json.loads(path.read_text())["threshold"]
        self.assert_exif_counts(threshold)
        picture, file = self.stored / "1.png", self.folder / "turned.json"
        detect = ("detect", picture, *MODEL, "--calibration", file)
        self.assertIn("turned upright by EXIF, with 16-bit gray scaled", self.message(3, *detect))
        self.assertIn("turned upright by EXIF", self.message(3, *detect, "--exif", "--pillow-gray"))
        self.run_tool(*detect, "--exif")
        self.run_tool(*detect, "--trust-calibration")
        old = json.loads(file.read_text())
        del old["images"], old["crc32"]  # from before there was a choice
        old["format"] = "moeclip calibration 1"
        file.write_text(json.dumps(old))
        self.run_tool(*detect)
        self.run_tool("eval", self.stored / "data.jsonl", "--out", self.folder / "run", "--exif", *MODEL)
        self.run_tool("calibrate", "--from", self.folder / "run", "--best-f1", "--out", file, "--force")
        self.assertEqual(json.loads(file.read_text())["images"], {"exif": True, "deep_gray": "scaled"})
        self.assertIn("--from", self.message(2, "calibrate", "--from", self.folder / "run", "--exif"))

    def test_train_and_resume(self):
        clip = self.write("clip.safetensors", micro_clip())

        def weights(data, name, *words, epochs=1, code=0):
            out, err = self.run_tool("train", "--clip", clip, "--data", data / "data.jsonl", "--out",
                                     self.folder / name, "--vocab", VOCABULARY, "--image-size", 28, "--epochs", epochs,
                                     *words, code=code)
            file = (self.folder / name / "moe_last.safetensors").read_bytes()
            return err if code else file[8 + int.from_bytes(file[:8], "little"):]
        self.assert_exif_counts(weights)
        # a resumed run reads pictures as it did, without being told
        self.assertEqual(weights(self.stored, "turned", "--resume", epochs=2),
                         weights(self.upright, "upright", "--resume", epochs=2))
        self.assertIn("its pictures were read as they are stored, with 16-bit gray scaled, not turned upright by EXIF",
                      weights(self.stored, "as they are", "--resume", "--exif", code=3))

    def test_dataset_check(self):
        self.assertIn("no problems", self.output("dataset", "check", self.stored / "data.jsonl", "--exif"))
        (self.stored / "1_mask.png").write_bytes((self.upright / "1_mask.png").read_bytes())
        self.assertIn("no problems", self.output("dataset", "check", self.stored / "data.jsonl", "--exif"))
        self.assertIn("28 x 40", self.run_tool("dataset", "check", self.stored / "data.jsonl", code=1)[0])


class DeepGray(ToolTest):
    """16-bit gray is the same as 8-bit gray of its high bytes, or with --pillow-gray of what is clipped at 255."""

    def setUp(self):
        super().setUp()
        draw = random.Random(4)
        samples = [draw.randrange(65536) >> draw.randrange(16) for _ in range(32 * 32)]
        self.deep = self.write("deep.png", gray_png(32, samples, 16))
        self.scaled = self.write("scaled.png", gray_png(32, [v >> 8 for v in samples], 8))
        self.clipped = self.write("clipped.png", gray_png(32, [min(v, 255) for v in samples], 8))

    def assert_reads_both_ways(self, result):
        self.assertEqual(result(self.deep), result(self.scaled))
        self.assertEqual(result(self.deep, "--pillow-gray"), result(self.clipped))
        self.assertNotEqual(result(self.deep), result(self.clipped))

    def test_decode(self):
        def pixels(path, *words):
            self.output("decode", path, self.folder / "out.ppm", "--force", *words)
            return read_ppm(self.folder / "out.ppm")
        self.assert_reads_both_ways(pixels)
        bright = self.write("bright.png", gray_png(3, [1, 256, 65535], 16))
        self.assertEqual(pixels(bright)[2], bytes([0] * 3 + [1] * 3 + [255] * 3))
        self.assertEqual(pixels(bright, "--pillow-gray")[2], bytes([1] * 3 + [255] * 6))

    def test_detect_and_explain(self):
        self.assert_reads_both_ways(
            lambda path, *words: self.objects("detect", path, *MODEL, *words)[0]["score"])
        self.assert_reads_both_ways(
            lambda path, *words: self.objects("explain", path, *words)[0]["explanation"])

    def test_eval(self):
        def score(path, *words):
            data = self.write("one.jsonl", json.dumps({"image_path": path.name, "label": 0, "class_name": "x"}).encode())
            self.run_tool("eval", data, "--out", self.folder / "run", "--force", *words)
            return json.loads((self.folder / "run" / "pictures.jsonl").read_text())["score"]
        self.assert_reads_both_ways(score)


if __name__ == "__main__":
    unittest.main()

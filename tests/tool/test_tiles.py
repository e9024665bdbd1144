# SPDX-License-Identifier: MIT
"""Big pictures: `--tile` and `--overlap` of detect, learn, eval, calibrate and train."""
import json
import random
import struct
import unittest

from support import ToolTest, png


def grain(seed, width, height, dent=None):
    """Rolled metal with grain; `dent`: a dark square of 20 pixels at (x, y)."""
    rng = random.Random(seed)
    pixels = bytearray()
    noise = [rng.randrange(-6, 7) for _ in range(4099)]
    for y in range(height):
        for x in range(width):
            value = 120 + 20 * (x // 25 % 2) + noise[(y * width + x) % 4099]
            if dent and dent[0] <= x < dent[0] + 20 and dent[1] <= y < dent[1] + 20:
                value = 30
            pixels.append(value)
    return bytes(pixels)


def pgm(seed, width, height, dent=None):
    return b"P5 %d %d 255\n" % (width, height) + grain(seed, width, height, dent)


class Tiles(ToolTest):
    def learned(self, *options, name="part.moeclip", size=(200, 500), count=4):
        good = self.folder / "good"
        good.mkdir(exist_ok=True)
        for i in range(count):
            (good / f"{i}.pgm").write_bytes(pgm(i, *size))
        memory = self.folder / name
        made, = self.objects("learn", good, "-o", memory, "--patches", "200", *options)
        return memory, made

    def test_a_small_defect_in_a_line_scan(self):
        memory, made = self.learned("--tile", "200", "--overlap", "40")
        self.assertEqual(made["tiles"], {"size": 200, "overlap": 40})
        scan = self.write("scan.pgm", pgm(77, 200, 5000, (90, 3210)))
        clean = self.write("clean.pgm", pgm(78, 200, 5000))
        found, good = self.objects("detect", scan, clean, "--good", memory, "--out", self.folder / "out")
        self.assertTrue(found["is_anomalous"])
        self.assertGreater(found["score"], good["score"])
        self.assertEqual((found["map"]["width"], found["map"]["height"]), (200, 5000))
        region = found["regions"][0]
        self.assertLess(abs(region["peak_x"] - 100) + abs(region["peak_y"] - 3220), 40)
        values = (self.folder / "out/scan.map.npy").read_bytes()
        self.assertIn(b"(5000, 200)", values[:128])
        width, height = struct.unpack(">II", (self.folder / "out/scan.map.png").read_bytes()[16:24])
        self.assertEqual((width, height), (200, 5000))
        self.assertTrue((self.folder / "out/scan.overlay.png").exists())
        piped, = [json.loads(line) for line in self.run_tool(
            "detect", "-", "--good", memory, "--json", stdin=scan.read_bytes())[0].splitlines()]
        self.assertEqual(piped["score"], found["score"])
        said = self.message(3, "detect", scan, "--good", memory, "--tile", "100")
        self.assertIn("was made from pictures that were looked at in tiles of 200 pixels that share 40", said)
        whole, _ = self.learned(name="whole.moeclip")
        self.assertIn("as a whole", self.message(3, "detect", scan, "--good", whole, "--tile", "100"))

    def test_words_in_tiles(self):
        scan = self.write("scan.ppm", pgm(3, 300, 200))
        found, = self.objects("detect", scan, "--tile", "128")
        self.assertEqual((found["map"]["width"], found["map"]["height"]), (300, 200))
        small, = self.objects("detect", self.write("small.pgm", pgm(3, 50, 40)), "--tile", "128")
        self.assertEqual((small["map"]["width"], small["map"]["height"]), (50, 40))

    def data_set(self):
        """Good and defective plates with masks, as a folder that all verbs know."""
        for kind, count in (("train/good", 3), ("test/good", 2), ("test/bad", 2)):
            folder = self.folder / "plates" / kind
            folder.mkdir(parents=True)
            for i in range(count):
                dent = (150, 60 + 30 * i) if kind == "test/bad" else None
                (folder / f"{i}.png").write_bytes(
                    png(260, 180, b"".join(bytes((v, v, v)) for v in grain(len(kind) * 9 + i, 260, 180, dent))))
        masks = self.folder / "plates/ground_truth/bad"
        masks.mkdir(parents=True)
        for i in range(2):
            marked = b"".join(b"\xff\xff\xff" if 150 <= x < 170 and 60 + 30 * i <= y < 80 + 30 * i else bytes(3)
                              for y in range(180) for x in range(260))
            (masks / f"{i}_mask.png").write_bytes(png(260, 180, marked))
        return self.folder / "plates"

    def test_eval_and_calibrate(self):
        data = self.data_set()
        run = self.folder / "run"
        shots, = self.objects("eval", data, "--shots", "2,3", "--patches", "200", "--tile", "100", "--overlap", "30")
        for run_of in shots["runs"]:
            self.assertEqual(run_of["image_auroc"], 1)
            self.assertGreater(run_of["pixel_auroc"], 0.9)
        self.run_tool("eval", data, "--tile", "130", "--out", run, "--protocol", "both")
        settings = json.loads((run / "results.json").read_text())["settings"]
        self.assertEqual(settings["tiles"], {"size": 130, "overlap": 32})
        out = self.folder / "c.json"
        self.run_tool("calibrate", data, "--tile", "130", "--out", out)
        self.assertEqual(json.loads(out.read_text())["tiles"], {"size": 130, "overlap": 32})
        again = self.folder / "d.json"
        self.run_tool("calibrate", "--from", run, "--out", again)
        self.assertEqual(json.loads(again.read_text()), json.loads(out.read_text()))
        found, = self.objects("detect", data / "test/bad/0.png", "--calibration", out)
        self.assertEqual(found["map"]["width"], 260)
        self.assertIn("in tiles of 130", self.message(3, "detect", data / "test/bad/0.png", "--calibration", out,
                                                      "--tile", "100"))

    def test_train(self):
        data = self.data_set()
        trained = self.run_tool("train", data, "--tile", "100", "--overlap", "30", "--steps", "1", "--image-size", "64",
                                "--batch", "2", "--valid", "0", "--out", self.folder / "run")[1]
        self.assertNotIn("error", trained)
        self.run_tool("train", "--good", data / "train/good", "--tile", "100", "--steps", "1", "--image-size", "64",
                      "--batch", "2", "--valid", "0", "--out", self.folder / "good-run")

    def test_what_looks_at_whole_pictures_says_so(self):
        self.assertIn("detect --tile", self.message(2, "explain", "a.png", "--tile", "64"))
        self.assertIn("recorded tensors", self.message(2, "trace", "--tile", "64"))
        self.assertIn("leave --tile out", self.message(2, "eval", "a", "--shots", "1", "--tile", "64", "--report", "a.html"))

    def test_misuse(self):
        for said, words in (("--overlap belongs to --tile", ["--overlap", "3"]), ("8 or more", ["--tile", "4"]),
                            ("at most half", ["--tile", "64", "--overlap", "33"])):
            for verb in ("detect", "eval", "calibrate"):
                self.assertIn(said, self.message(2, verb, "a.png", *words))


if __name__ == "__main__":
    unittest.main()

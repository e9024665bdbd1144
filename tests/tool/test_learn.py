# SPDX-License-Identifier: MIT
"""`moeclip learn`, and `--good` and `--shots` of `detect` and `eval`, with the built-in model on a drawn data set."""
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from support import TOOL, ToolTest, png, without_checksum

SHARE = Path(TOOL).resolve().parent.parent / "share" / "moeclip"
MODEL = ("--clip", SHARE / "tiny.safetensors", "--adapter", SHARE / "tiny_adapter.safetensors")


class LearnTest(ToolTest):
    shared = None

    @classmethod
    def setUpClass(cls):
        if LearnTest.shared is None:
            LearnTest.shared = tempfile.TemporaryDirectory(prefix="moeclip-learn-")
            unittest.addModuleCleanup(LearnTest.shared.cleanup)
            folder = Path(LearnTest.shared.name)
            LearnTest.data, LearnTest.memory = folder / "set", folder / "tile.moeclip"
            for words in (["synthesize", "--out", LearnTest.data, "--size", "96", "--count", "6", "--categories",
                           "tile,gear", "--defects", "stain,hole", "--lowest-severity", "0.9"],
                          ["learn", LearnTest.data / "tile" / "train" / "good", "-o", LearnTest.memory]):
                subprocess.run([TOOL, *words], check=True, stdout=subprocess.DEVNULL, timeout=100)
            LearnTest.good = LearnTest.data / "tile" / "train" / "good"
            LearnTest.test = LearnTest.data / "tile" / "test"

    def test_what_is_said(self):
        out = self.output("learn", self.good, "--out", self.folder / "a.moeclip")
        self.assertIn("patches of 6 good pictures", out)
        self.assertIn("from 6 good pictures, each judged without itself", out)
        self.assertIn("false alarms on new good pictures: 14.3 % expected, up to 45.9 %", out)
        self.assertIn("5.0 % cannot be promised by 6 pictures: 19 are needed", out)
        self.assertEqual((self.folder / "a.moeclip").read_bytes(), self.memory.read_bytes())
        found, = self.objects("learn", self.good, "--out", self.folder / "b.moeclip", "--false-positives", 0.3,
                              "--patches", 500, "--threads", 1)
        self.assertEqual((found["pictures"], found["patches"], found["text_weight"]), (6, 500, 0))
        self.assertEqual(sum(score >= found["threshold"] for score in found["held_out"]), 1)
        self.assertIn("exists", self.message(3, "learn", self.good, "--out", self.memory))

    def test_a_file_and_its_folder_judge_alike(self):
        by_file = self.objects("detect", self.test, "--good", self.memory)
        by_folder = self.objects("detect", self.test, "--good", self.good, "--threads", 3)
        for a, b in zip(by_file, by_folder, strict=True):
            self.assertEqual({**a, "milliseconds": 0}, {**b, "milliseconds": 0})
        self.assertEqual({line["threshold_source"] for line in by_file}, {"good pictures"})
        alarms = {Path(line["image"]).parent.name: 0 for line in by_file}
        for line in by_file:
            self.assertEqual(line["is_anomalous"], line["score"] >= line["threshold"])
            alarms[Path(line["image"]).parent.name] += line["is_anomalous"]
        self.assertLessEqual(alarms["good"], 1)
        known = self.objects("detect", self.good, "--good", self.good, "--patches", 4000)  # all of them
        self.assertTrue(all(line["score"] < 0.05 and not line["is_anomalous"] for line in known))
        forced = self.objects("detect", self.test, "--good", self.memory, "--threshold", 0.001)
        self.assertTrue(all(line["is_anomalous"] for line in forced))

    def test_textures_take_no_weights(self):
        alone = shutil.copy(TOOL, self.folder / "moeclip")  # no model lies beside it
        done = subprocess.run([alone, "detect", self.test, "--good", self.memory, "--json"], capture_output=True,
                              timeout=100, check=False)
        if os.path.exists("/usr/share/moeclip") or os.path.exists("/usr/local/share/moeclip"):
            self.skipTest("a model is installed")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        here = self.run_tool("detect", self.test, "--good", self.memory, "--json")[0]
        scores = [[json.loads(line)["score"] for line in text.splitlines()] for text in (done.stdout.decode(), here)]
        self.assertEqual(*scores)

    def test_textures_without_good_pictures_compare_a_picture_with_itself(self):
        lines = self.objects("detect", self.test / "hole", "--features", "texture")
        self.assertTrue(all(line["is_anomalous"] is None and 0 < line["score"] < 1 for line in lines))
        self.assertIn("unlike the rest of its own picture", self.output("detect", self.test, "--features", "texture"))
        verdict, = {line["is_anomalous"] for line in
                    self.objects("detect", self.test / "hole", "--features", "texture", "--threshold", 0)}
        self.assertTrue(verdict)
        shots = json.loads(self.output("eval", self.data, "--shots", "0,1", "--json"))["runs"]
        self.assertEqual([(each["shots"], each["good"]) for each in shots], [(0, 0), (1, 0)])
        untrained = shutil.copytree(self.data / "tile" / "test", self.folder / "untrained" / "test")  # no train/
        shutil.copytree(self.data / "tile" / "ground_truth", self.folder / "untrained" / "ground_truth")
        shots, = json.loads(self.output("eval", untrained.parent, "--shots", 0, "--draws", 2, "--json"))["runs"][:1]
        self.assertEqual(shots["shots"], 0)
        model = self.message(2, "detect", self.test, "--features", "texture", *MODEL)
        self.assertIn("texture takes no --clip", model)
        self.assertIn("leave --clip", self.message(2, "eval", self.data, "--shots", 0, *MODEL))
        self.assertIn("--shots 0 has nothing", self.message(2, "eval", self.data, "--shots", 0, "--report", "a.html"))
        self.assertIn("nothing to export", self.message(2, "export", "--features", "texture", "-o", "a.moeclip"))

    def test_text_has_a_say_with_an_adapter(self):
        found, = self.objects("learn", self.good, "--out", self.folder / "t.moeclip", "--class", "tile", *MODEL)
        self.assertEqual(found["features"], "encoder")
        self.assertEqual(found["text_weight"], 0.5)
        picture = next((self.test / "hole").glob("*.png"))
        mixed, = self.objects("detect", picture, "--good", self.folder / "t.moeclip", "--class", "tile", *MODEL)
        text, = self.objects("detect", picture, "--class", "tile", *MODEL)
        alone, = self.objects("detect", picture, "--good", self.good, "--features", "encoder")
        self.assertAlmostEqual(mixed["score"], (text["score"] + alone["score"]) / 2, 5)

    def test_bad_pictures_are_told_and_left_out(self):
        (self.folder / "good").mkdir()
        for path in list(self.good.glob("*.png"))[:3]:
            (self.folder / "good" / path.name).write_bytes(path.read_bytes())
        (self.folder / "good" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        out, err = self.run_tool("learn", self.folder / "good", "--out", self.folder / "a.moeclip", code=1)
        self.assertIn("broken.png", err)
        self.assertIn("of 3 good pictures", out)
        self.assertIn("no good picture", self.message(3, "learn", self.folder / "good" / "broken.png", "-o",
                                                      self.folder / "b.moeclip"))
        one = self.output("learn", next(self.good.glob("*.png")), "--out", self.folder / "one.moeclip")
        self.assertIn("no threshold: one good picture says nothing", one)
        out, text = self.run_tool("detect", self.test / "good", "--good", self.folder / "one.moeclip")
        self.assertNotIn("?", text)
        self.assertTrue(all(": no verdict  score " in line for line in out.splitlines()), out)
        for line in self.objects("detect", self.test / "good", "--good", self.folder / "one.moeclip"):
            self.assertEqual((line["is_anomalous"], line["threshold"]), (None, None))

    def test_pictures_that_differ_in_kind_are_told(self):
        gray, colour = bytes([90] * 3 * 64 * 64), bytes([90, 80, 70] * 64 * 64)
        a, b = self.write("a.png", png(64, 64, gray)), self.write("b.png", png(64, 64, colour))
        c = self.write("c.png", png(128, 32, colour))
        _, text = self.run_tool("learn", a, b, "--out", self.folder / "ab.moeclip")
        self.assertIn("1 of 2 good pictures are gray, the others in colour; learn only such", text)
        _, text = self.run_tool("detect", b, "--good", b, "--good", c)
        self.assertIn("good pictures are 64 to 128 pixels long, and seen at one size; learn only such", text)
        self.assertNotIn("learn only", self.run_tool("learn", self.good, "--out", self.folder / "d.moeclip")[1])

    def test_copies_count_once(self):
        again = shutil.copytree(self.good, self.folder / "again")
        out, text = self.run_tool("learn", self.good, again, "--all-different", "-o", self.folder / "a.moeclip")
        self.assertIn("6 good pictures are copies, byte by byte, and left out", text)
        self.assertIn("from 6 good pictures", out)

    def test_what_was_learned_is_not_judged(self):
        limits = ("-o", self.folder / "limits.json", "--force")
        part, encoder = self.folder / "part.moeclip", self.folder / "encoder.moeclip"
        self.run_tool("export", "--good", self.memory, "-o", part)
        _, text = self.run_tool("export", "--good", self.good, "--features", "encoder", "-o", encoder)
        self.assertIn("patches are known by the built-in model", text)
        for model in (self.memory, part, encoder):
            message = self.message(3, "calibrate", self.good, "--model", model, *limits)
            self.assertIn("the model was trained on this picture and 5 more of these", message)
            self.run_tool("calibrate", self.good, "--model", model, "--allow-training-pictures", *limits)
            _, text = self.run_tool("calibrate", self.test / "good", "--model", model, *limits)
            self.assertNotIn("none of those here", text)
            self.assertEqual("holds the built-in model" in text, model == encoder)
        for words in (("--good", self.test / "good"), ("--good", self.memory, "--split", "train"),
                      ("--shots", 3, "--split", "train"), ("--shots", "2,3", "--split", "train")):
            self.assertIn("the model was trained on", self.message(3, "eval", self.data / "tile", *words))
        _, text = self.run_tool("detect", self.good, self.test / "good", "--good", self.good)
        self.assertRegex(text, "6 of the [0-9]+ pictures to judge were learned as good ones")
        old = without_checksum(self.memory.read_bytes()).replace(b"trained_on", b"trained_by")  # as of old versions
        self.assertIn("if none of those here", self.run_tool("calibrate", self.good, "--model",
                                                             self.write("old.moeclip", old), *limits)[1])

    def test_calibrated_thresholds_go_with_a_file(self):
        limits = self.folder / "limits.json"
        self.run_tool("calibrate", self.test / "good", "--model", self.memory, "--false-positives", 0.3, "-o", limits)
        wanted = json.loads(limits.read_text())["threshold"]
        for words in (("--good", self.memory), ("--model", self.memory)):
            for line in self.objects("detect", self.test / "hole", *words, "--calibration", limits):
                self.assertEqual((line["threshold"], line["threshold_source"]), (wanted, "calibration"))
        part = self.folder / "part.moeclip"
        self.run_tool("export", "--good", self.memory, "--calibration", limits, "-o", part)
        self.assertEqual({line["threshold"] for line in self.objects("detect", self.test, "--model", part)}, {wanted})
        self.run_tool("learn", self.good, "-o", self.folder / "other.moeclip", "--patches", 50)
        message = self.message(3, "detect", self.test, "--good", self.folder / "other.moeclip", "--calibration", limits)
        self.assertIn("was made with another model than", message)

    def test_files_that_do_not_fit(self):
        detect = ("detect", self.test / "good", "--good")
        clip = ("--clip", SHARE / "tiny.safetensors")
        self.assertIn("was learned from textures", self.message(3, *detect, self.memory, *clip))
        self.run_tool("learn", self.good, "-o", self.folder / "e.moeclip", "--features", "encoder")
        self.assertIn("was learned with another adapter", self.message(3, *detect, self.folder / "e.moeclip", *clip))
        self.run_tool(*detect, self.folder / "e.moeclip")
        self.assertIn("pictures read", self.message(3, *detect, self.memory, "--exif"))
        no = self.folder / "no.moeclip"
        no.write_bytes((SHARE / "tiny.safetensors").read_bytes())
        self.assertIn("is no memory of good pictures", self.message(3, *detect, no))
        for cut in (0, 7, 100, 3000):
            no.write_bytes(self.memory.read_bytes()[:cut])
            self.assertIn("no.moeclip", self.message(3, *detect, no))
        data = bytearray(without_checksum(self.memory.read_bytes()))
        data[-4:] = b"\x00\x00\xc0\x7f"  # NaN
        no.write_bytes(data)
        self.assertIn("which is no finite number", self.message(3, *detect, no))
        for name, wrong in (("unit", "0"), ("pictures", "0"), ("text_weight", "7")):
            text = without_checksum(self.memory.read_bytes())
            start = text.index(f'\\"{name}\\":'.encode()) + len(name) + 5
            end = min(text.index(b",", start), text.index(b"}", start))
            wrong = wrong.encode().rjust(end - start)
            no.write_bytes(text[:start] + wrong + text[end:])
            self.assertIn(f'"{name}" is {wrong.decode().strip()}', self.message(3, *detect, no))

    def test_what_lies_among_defects_is_not_taken_for_good(self):
        for folder in (self.data / "gear" / "test", self.data / "gear"):
            message = self.message(3, "learn", folder, "-o", self.folder / "x.moeclip")
            self.assertRegex(message, "would be taken for good, but .* seems to be something else")
            self.assertFalse((self.folder / "x.moeclip").exists())

    def test_masks_beside_pictures_are_not_taken_for_good(self):
        folder = self.folder / "mixed"
        folder.mkdir()
        for i, path in enumerate(sorted(self.good.iterdir())[:3]):
            (folder / f"{i}.png").write_bytes(path.read_bytes())
            (folder / f"{i}_mask.png").write_bytes(png(8, 8, bytes(192)))
        message = self.message(3, "learn", folder, "-o", self.folder / "x.moeclip")
        self.assertIn("0_mask.png seems to be something else", message)

    def test_what_makes_no_sense(self):
        picture = self.test / "good"
        encoder = self.folder / "e.moeclip"
        self.run_tool("learn", self.good, "-o", encoder, "--features", "encoder")
        for message, words in (("belong to --good", ["detect", picture, "--folds", 5]),
                               ("good pictures: give --good", ["detect", picture, "--features", "encoder"]),
                               ("decided by `moeclip learn`", ["detect", picture, "--good", encoder,
                                                               "--text-weight", 0.5]),
                               ("decided by `moeclip learn`", ["eval", self.data / "tile", "--good", encoder,
                                                               "--patches", 9]),
                               ("have one size", ["learn", self.good, "-o", "x.moeclip", "--image-size", 0]),
                               ("takes no --clip", ["learn", self.good, "-o", "x.moeclip", "--features", "texture",
                                                    "--clip", "no.safetensors"]),
                               ("beyond what a number can hold", ["learn", self.good, "-o", "x.moeclip",
                                                                  "--seed", 1 << 63]),
                               ("decided by `moeclip learn`", ["detect", picture, "--good", self.memory, "--folds", 5]),
                               ("no --map", ["detect", picture, "--good", self.good, "--map", "reference"]),
                               ("stands alone", ["detect", picture, "--good", self.memory, "--good", self.good]),
                               ("stands alone", ["eval", self.data, "--good", self.good, "--good", self.memory]),
                               ("a file of `moeclip learn`", ["detect", picture, "--good", self.good,
                                                              "--calibration", "x.json"]),
                               ("at most 8192", ["detect", picture, "--image-size", 100000]),
                               ("lies between 0 and 1", ["learn", self.good, "-o", "x.moeclip", "--text-weight", 2]),
                               ("know no words", ["learn", self.good, "-o", "x.moeclip", "--text-weight", 0.5]),
                               ("know no words", ["detect", picture, "--good", self.good, "--features", "texture",
                                                  "--text-weight", 0.5]),
                               ("know no words", ["detect", picture, "--good", self.good, "--text-weight", 0.5]),
                               ("end in .moeclip", ["learn", self.good, "-o", "x.bin"]),
                               ("is missing", ["learn", "-o", "x.moeclip"]), ("is needed", ["learn", self.good]),
                               ("standard input", ["learn", "-", "-o", "x.moeclip"]),
                               ("say the same", ["eval", self.data, "--good", self.good, "--shots", 2]),
                               ("counts such as", ["eval", self.data, "--shots", "2,x"]),
                               ("one draw", ["eval", self.data, "--shots", "1,2", "--out", "x"]),
                               ("have 2 classes", ["eval", self.data, "--good", self.good])):
            with self.subTest(message):
                self.assertIn(message, self.message(2, *words))

    def test_eval_by_a_memory(self):
        result, = self.objects("eval", self.data / "tile", "--good", self.memory)
        pictures = self.objects("detect", self.test, "--good", self.memory)
        good = [p["score"] for p in pictures if "/good/" in p["image"]]
        bad = [p["score"] for p in pictures if "/good/" not in p["image"]]
        auroc = sum((b > g) + (b == g) / 2 for g in good for b in bad) / len(good) / len(bad)
        self.assertAlmostEqual(result["mean"]["default"]["image"]["auroc"]["value"], auroc, 12)
        self.assertEqual({result["threshold"]}, {p["threshold"] for p in pictures})
        self.assertEqual(result["good_pictures"][0]["threshold"], result["threshold"])
        self.assertAlmostEqual(result["good_pictures"][0]["false_positive_rate"]["expected"], 1 / 7)
        self.assertIsNone(self.objects("eval", self.data, "--shots", 3)[0]["threshold"])  # each class has its own
        self.assertEqual(result["verdicts"]["found"], sum(p["is_anomalous"] for p in pictures if "/good/" not in p["image"]))

    def test_report_shows_what_was_compared(self):
        page = self.folder / "tile.html"
        only = self.folder / "tile"
        only.symlink_to(self.data / "tile")
        self.run_tool("eval", only, "--good", self.good, "--report", page)
        text = page.read_text()
        for part in ("the threshold of its good pictures", "What it was compared with", "nearest to it in the good pictures: in ",
                     "Where the picture looks abnormal", " of 6 good pictures: good.", "at most % (95 %)"):
            self.assertTrue(part in text, part)  # the page is too long to be shown
        self.run_tool("eval", only, "--good", self.memory, "--report", page, "--force")  # which keeps no pixels
        self.assertTrue("from all that is remembered." in page.read_text())
        self.assertFalse("nearest to it in the good pictures" in page.read_text())
        self.run_tool("eval", self.data, "--shots", 3, "--features", "encoder", "--report", page, "--force")
        self.assertTrue("the threshold of their class" in page.read_text())  # two classes, two thresholds
        self.assertIn("--beside compares experts", self.message(2, "eval", only, "--good", self.good, "--report", page,
                                                                "--force", "--beside", "a=b"))

    def test_twins_count_once(self):
        (self.folder / "twice").mkdir()
        for path in self.good.glob("*.png"):
            for copy in "ab":
                (self.folder / "twice" / f"{path.stem}{copy}.png").write_bytes(path.read_bytes() + copy.encode())
        out, _ = self.run_tool("learn", self.folder / "twice", "-o", self.folder / "t.moeclip")
        self.assertIn("the 12 pictures show only 6 things", out)
        self.assertIn("14.3 % expected, up to 45.9 %", out)
        self.assertIn("5.0 % cannot be promised by 6 pictures: 19 are needed", out)
        one = self.output("learn", *sorted((self.folder / "twice").glob("000?.png")), "-o", self.folder / "o.moeclip")
        self.assertIn("no threshold: 2 pictures of one thing say nothing", one)
        self.assertIn("if each is of another part, --all-different", one)
        apart, _ = self.run_tool("learn", self.folder / "twice", "--all-different", "-o", self.folder / "a.moeclip")
        self.assertNotIn("things", apart)
        self.assertIn("7.7 % expected", apart)
        calibrate = ("calibrate", self.folder / "twice", "--model", self.memory, "-o", self.folder / "c.json", "--json")
        out, text = self.run_tool(*calibrate)
        self.assertIn("the 12 good pictures show only 6 things", text)
        self.assertEqual(json.loads(out)["good"], 6)
        self.assertEqual(json.loads(self.run_tool(*calibrate, "--force", "--all-different")[0])["good"], 12)

    def test_what_cannot_be_written_is_told_before_the_work(self):
        started = time.monotonic()
        nowhere, file = self.folder / "no" / "part.moeclip", self.write("file", b"")
        for out in (nowhere, file / "part.moeclip"):
            message = self.message(3, "learn", self.good, "-o", out)
            self.assertIn("part.moeclip: cannot be written", message)
            self.assertNotIn("/tile/", message)  # no progress
        for words in (["detect", self.test, "--out", file / "x"], ["eval", self.data, "--out", file / "x"],
                      ["explain", self.test, "--out", file / "x"], ["train", self.data, "--out", file / "x"],
                      ["demo", "--out", file / "x"], ["synthesize", "--out", file / "x"],
                      ["calibrate", self.data, "--out", nowhere], ["ablate", "--out", nowhere],
                      ["pretrain", "--out", nowhere.with_suffix(".safetensors")],
                      ["eval", self.data, "--report", nowhere], ["dataset", "scan", self.data, "--out", nowhere]):
            self.assertRegex(self.message(3, *words), "cannot be|no such|not a directory", words[0])
        self.assertLess(time.monotonic() - started, 60)

    def test_shots(self):
        first, = self.objects("eval", self.data, "--shots", "1,4", "--draws", 2)
        again, = self.objects("eval", self.data, "--shots", "4", "--out", self.folder / "four")
        self.assertEqual([(run["shots"], run["draw"]) for run in first["runs"]], [(1, 0), (1, 1), (4, 0), (4, 1)])
        self.assertAlmostEqual(first["runs"][2]["pixel_auroc"], again["mean"]["default"]["pixel"]["auroc"]["value"], 12)
        self.assertNotEqual(first["runs"][2]["pixel_auroc"], first["runs"][3]["pixel_auroc"])
        self.assertEqual(first["runs"][0]["good"], 0)  # one picture gives no verdicts
        self.assertGreater(first["runs"][2]["good"], 0)
        text, _ = self.run_tool("eval", self.data, "--shots", "4", "--draws", 2)
        self.assertIn("false alarms", text)
        results = json.loads((self.folder / "four" / "results.json").read_text())
        self.assertEqual(len(results["settings"]["memory"]), 64)
        self.assertIn("memory", self.message(3, "eval", self.data, "--shots", "3", "--out", self.folder / "four",
                                             "--resume"))
        self.assertIn("6 good pictures in its training part; 7 were wanted",
                      self.message(3, "eval", self.data, "--shots", "7"))


if __name__ == "__main__":
    unittest.main()

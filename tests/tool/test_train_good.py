# SPDX-License-Identifier: MIT
"""`moeclip train --good`, the built-in model, judging while training, and budgets."""
import hashlib
import json
import random
import time
import unittest

from support import ToolTest, png
from training import SIZE, VOCABULARY, micro_clip, write_data

HICCUP = 2  # seconds that a busy machine may take a process away for, just when its time is nearly over


def write_good(folder, count=10):
    """Stripes with a little noise, each picture of its own colour."""
    folder.mkdir(parents=True)
    draw = random.Random(3)
    for i in range(count):
        tone = [draw.randrange(60, 200) for _ in range(3)]
        pixels = bytes(min(255, max(0, tone[c] + 30 * (x // 4 % 2) + draw.randrange(-5, 6)))
                       for _ in range(SIZE) for x in range(SIZE) for c in range(3))
        (folder / f"{i:02}.png").write_bytes(png(SIZE, SIZE, pixels))
    return folder


def write_things(folder, count, shots):
    """Noise, another for each thing, of which there are several shots that differ in light."""
    folder.mkdir(parents=True)
    draw = random.Random(4)
    for i in range(count):
        noise = [draw.randrange(60, 160) for _ in range(3 * SIZE * SIZE)]
        for shot in range(shots):
            (folder / f"{i}{shot}.png").write_bytes(png(SIZE, SIZE, bytes(tone + 5 * shot for tone in noise)))


class TrainGoodTest(ToolTest):
    def setUp(self):
        super().setUp()
        self.clip = self.write("clip.safetensors", micro_clip())
        self.good = write_good(self.folder / "good")

    def train(self, out, *more, code=0, good=True):
        words = ["train", "--clip", self.clip, "--out", self.folder / out, "--vocab", VOCABULARY, "--image-size", SIZE]
        return self.run_tool(*words, *(["--good", self.good] if good else []), *more, code=code)

    def weights(self, out, name="moe_last.safetensors"):
        return (self.folder / out / name).read_bytes()

    def lines(self, out, name):
        return [json.loads(line) for line in (self.folder / out / name).read_text().splitlines()]

    def test_good_pictures_are_enough(self):
        out, message = self.train("run", "--class", "plate", "--draws", 3, "--epochs", 2, "--batch", 4)
        self.assertIn("10 good pictures: 3 samples of each of 8 in an epoch, 42 to judge by from 2 that are held out", message)
        self.assertIn("12 steps, 2 of 2 epochs", out)
        self.assertIn("moe_best.safetensors: the best, of step", out)
        judged = self.lines("run", "valid.jsonl")
        self.assertEqual([line["step"] for line in judged], [6, 12])
        seen, = self.objects("inspect", self.folder / "run" / "moe_best.safetensors")
        self.assertIn("plate", json.dumps(seen))
        # the pictures that were trained on are recorded; the ones held out are not
        refused = self.folder / "part.jsonl"
        refused.write_text("".join(json.dumps({"image_path": f"good/{i:02}.png", "label": 0, "class_name": "plate"}) + "\n"
                                   for i in range(10)))
        message = self.message(3, "eval", refused, "--clip", self.clip, "--vocab", VOCABULARY, "--adapter",
                               self.folder / "run" / "moe_last.safetensors")
        self.assertIn("the adapter was trained on this picture and 7 more", message)
        held = [line for i, line in enumerate(refused.read_text().splitlines(True)) if self.is_held_out(i)]
        self.assertEqual(len(held), 2)
        refused.write_text("".join(held))
        self.assertIn("by 2 of these pictures training chose the weights", self.run_tool(
            "eval", refused, "--clip", self.clip, "--vocab", VOCABULARY, "--adapter",
            self.folder / "run" / "moe_best.safetensors")[0])

    def is_held_out(self, i):
        """Whether the run names picture i among those that it was judged by, and not among those that it learned."""
        data = (self.folder / "run" / "moe_best.safetensors").read_bytes()
        header = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])
        record = json.loads(header["__metadata__"]["moeclip"])
        name = hashlib.sha256((self.good / f"{i:02}.png").read_bytes()).hexdigest()[:16]
        self.assertEqual(name in record["judged_by"]["pictures"], name not in record["trained_on"]["pictures"])
        return name in record["judged_by"]["pictures"]

    def test_resume_gives_the_bits_of_the_whole_run(self):
        more = ("--draws", 2, "--batch", 3, "--lr", "1e-2")
        self.train("whole", "--epochs", 4, *more)
        self.train("parts", "--epochs", 1, *more)
        self.train("parts", "--epochs", 4, *more, "--resume")
        for name in ("moe_last.safetensors", "moe_best.safetensors", "valid.jsonl"):
            self.assertEqual(self.weights("whole", name), self.weights("parts", name))
        self.train("threads", "--epochs", 4, *more, "--threads", 1, "--ahead", 0)
        self.assertEqual(self.weights("whole"), self.weights("threads"))
        self.assertIn("other data", self.train("parts", "--epochs", 5, *more, "--resume", "--class", "x", code=3)[1])

    def test_epochs_show_other_flaws(self):
        self.train("run", "--epochs", 2, "--batch", 16, "--draws", 2, "--lr", "1e-30", "--is-augmented", "off",
                   "--defective-share", 1, "--expert-dropout", 0)
        first, second = self.lines("run", "log.jsonl")
        self.assertGreater(abs(first["focal"][0] - second["focal"][0]), 1e-6)  # the same weights

    def test_which_pictures_are_good(self):
        data = self.folder / "set" / "cap"
        for kind in ("train/good", "test/good", "test/hole"):
            write_good(data / kind, 6)
        self.good = data
        self.assertIn("6 good pictures", self.train("set", "--epochs", 1)[1])
        self.train("named", "--epochs", 1, "--class", "lid")
        for out, name in (("set", "cap"), ("named", "lid")):
            seen, = self.objects("inspect", self.folder / out / "moe_last.safetensors")
            self.assertIn(f'\\"classes\\":[\\"{name}\\"]', json.dumps(seen))
        self.good = write_good(self.folder / "few", 3)
        out, message = self.train("few", "--epochs", 1)
        self.assertIn("3 good pictures: 67 samples of each of 3 in an epoch, nothing to judge by", message)
        self.assertNotIn("moe_best", out)
        self.assertIn("that takes five", self.train("none", "--valid", 0.2, code=3)[1])
        self.good = self.folder / "empty"
        self.good.mkdir()
        self.assertIn("no pictures", self.train("none", code=3)[1])

    def test_pictures_that_cannot_be_read_are_left_out(self):
        whole = (self.good / "03.png").read_bytes()
        (self.good / "03.png").write_bytes(whole[:len(whole) // 2])
        (self.good / "07.png").write_bytes(b"")
        out, message = self.train("run", "--steps", 2, code=1)
        self.assertIn("03.png: ", message)
        self.assertIn("07.png: ", message)
        self.assertLess(message.index("07.png: "), message.index("8 good pictures: "))
        self.assertIn("2 steps", out)
        self.assertIn("3 steps", self.train("run", "--steps", 3, "--resume", code=1)[0])
        for path in self.good.iterdir():
            path.write_bytes(b"")
        self.assertIn("there is no good picture to train on", self.train("none", code=3)[1])
        self.assertFalse((self.folder / "none").exists())

    def test_copies_do_not_judge(self):
        """They are left out, and shots of one thing are on one side."""
        copies = self.folder / "copies"
        copies.mkdir()
        for i in range(4):
            (copies / f"{i}.png").write_bytes((self.good / f"{i:02}.png").read_bytes())
        message = self.train("copies", "--steps", 1, "--good", copies)[1]
        self.assertIn("4 good pictures are copies, byte by byte, and left out", message)
        self.assertIn("10 good pictures: ", message)
        self.train("plain", "--steps", 1)
        self.assertEqual(self.weights("copies"), self.weights("plain"))
        self.good = self.folder / "shots"
        write_things(self.good, 5, shots=2)
        message = self.train("shots", "--steps", 1)[1]
        self.assertIn("the 10 good pictures show only 5 things", message)
        self.assertIn("of each of 8 in an epoch, 42 to judge by from 2 that are held out", message)

    def test_single_files(self):
        self.good = self.good / "01.png"
        self.assertIn("1 good picture: ", self.train("run", "--steps", 1)[1])

    def test_what_cannot_be_judged_is_not_the_best(self):
        self.good = self.folder / "dots"
        self.good.mkdir()
        for i in range(5):
            (self.good / f"{i}.png").write_bytes(png(1, 1, bytes([40 * i] * 3)))
        out, message = self.train("run", "--steps", 2, "--valid-every", 1)
        self.assertIn("step 1: nothing could be judged", message)
        self.assertNotIn("best", out + message)
        self.assertFalse((self.folder / "run" / "moe_best.safetensors").exists())

    def test_early_stop(self):
        """The learning rate is so small that nothing changes: the first judgement stays the best."""
        more = ("--draws", 2, "--batch", 8, "--lr", "1e-30", "--patience", 2)
        out, _ = self.train("run", "--epochs", 9, *more)
        self.assertIn("6 steps, 3 of 9 epochs, ended because it got no better", out)
        self.assertIn("the best, of step 2:", out)
        self.assertEqual([line["step"] for line in self.lines("run", "valid.jsonl")], [2, 4, 6])
        before = self.weights("run")
        out, _ = self.train("run", "--epochs", 9, *more, "--resume")
        self.assertIn("6 steps, 3 of 9 epochs, ended because", out)
        self.assertEqual(self.weights("run"), before)
        out, _ = self.train("run", "--epochs", 9, *more, "--resume", "--patience", 0)
        self.assertIn("18 steps, 9 of 9 epochs\n", out)

    def test_judged_by_a_data_set(self):
        data = write_data(self.folder, count=6, classes=("nut",))
        out, _ = self.train("run", "--epochs", 2, "--draws", 1, "--batch", 4, "--valid", data, "--valid-every", 2)
        judged = self.lines("run", "valid.jsonl")
        self.assertEqual([line["step"] for line in judged], [2, 4, 6])
        best = max(judged, key=lambda line: line["image_auroc"] + line["pixel_ap"])
        self.assertIn(f"the best, of step {best['step']}:", out)
        found, = self.objects("eval", data, "--clip", self.clip, "--vocab", VOCABULARY, "--adapter",
                              self.folder / "run" / "moe_best.safetensors")
        other = write_data(self.folder, count=4, classes=("nut",), name="other.jsonl")
        self.assertIn("judged by other pictures", self.train("run", "--epochs", 3, "--draws", 1, "--batch", 4, "--valid",
                                                             other, "--resume", code=3)[1])
        row = found["rows"][0]["default"]
        self.assertAlmostEqual(row["image"]["auroc"]["value"], best["image_auroc"])
        self.assertAlmostEqual(row["pixel"]["ap"]["value"], best["pixel_ap"])

    def test_a_share_is_held_out(self):
        data = write_data(self.folder, count=20, classes=("nut",))
        more = ("--data", data, "--valid", 0.2, "--batch", 4)
        self.train("run", "--epochs", 2, *more, good=False)
        self.assertEqual([line["step"] for line in self.lines("run", "valid.jsonl")], [4, 8])  # 16 of 20 are trained on
        self.assertIn("other data", self.train("run", "--epochs", 3, "--data", data, "--batch", 4, "--resume", code=3, good=False)[1])
        message = self.train("none", "--epochs", 1, "--data", write_data(self.folder, count=4, name="four.jsonl"),
                             "--valid", 0.2, code=3, good=False)[1]
        self.assertIn("good and defective pictures are needed", message)

    def test_the_best_of_an_earlier_run(self):
        self.train("run", "--epochs", 1, "--draws", 1)
        _, message = self.train("run", "--epochs", 1, "--draws", 1, "--valid", 0, "--force")
        self.assertIn("moe_best.safetensors: is of an earlier run", message)

    def test_steps(self):
        self.train("whole", "--epochs", 2, "--draws", 2, "--batch", 4)
        out, _ = self.train("run", "--steps", 3, "--draws", 2, "--batch", 4)
        self.assertIn("3 steps, 0 of 20 epochs\n", out)
        self.assertEqual([(line["step"], line["is_regular"]) for line in self.lines("run", "valid.jsonl")], [(3, False)])
        self.train("run", "--epochs", 2, "--draws", 2, "--batch", 4, "--resume")
        self.assertEqual(self.weights("whole"), self.weights("run"))

    def test_budget(self):
        start = time.monotonic()
        out, message = self.train("run", "--epochs", 100000, "--patience", 0, "--budget", "6s", "--json")
        done = json.loads(out)
        self.assertLess(time.monotonic() - start, 6 + HICCUP)
        self.assertIn(done["ended_by"], ("steps", "budget"))
        self.assertGreater(done["steps"], 0)
        self.assertTrue("best" in done or "not judged" in message, message)  # a machine that was busy just then
        _, message = self.train("fits", "--epochs", 1, "--budget", "1h", "--draws", 1)
        self.assertIn("budget 1h: 4 steps of 2 pictures of 28 pixels", message)
        self.assertIn("nothing is given up", message)
        start = time.monotonic()
        _, message = self.run_tool("train", "--clip", self.clip, "--out", self.folder / "small", "--vocab", VOCABULARY,
                                   "--good", self.good, "--patience", 0, "--budget", "5s")
        self.assertLess(time.monotonic() - start, 5 + HICCUP)
        self.assertIn(" instead of 518 pixels", message)
        self.assertRegex(message, r"the same again without a clock: --image-size \d+ --batch \d --steps \d+")
        _, message = self.run_tool("train", "--clip", self.clip, "--out", self.folder / "small", "--vocab", VOCABULARY,
                                   "--good", self.good, "--patience", 0, "--budget", "5s", "--resume")
        self.assertIn("going on behind step", message)
        self.assertNotIn("instead of 518", message)
        message = self.train("short", "--budget", "0.001s", code=3)[1]
        self.assertIn("not one step fits", message)

    def test_estimate(self):
        _, message = self.train("run", "--epochs", 2, "--draws", 5, "--threads", 1)
        self.assertRegex(message, r"about [0-9.]+ (s|min) for 40 steps on 1 thread")

    def test_one_expert_and_other_variants(self):
        for name, more in (("uniform", ("--experts", 1, "--chosen", 1, "--rank", 16)), ("plain", ("--mix-weight", 0)),
                           ("moe", ("--use-fofs", "off", "--lambda-etf", 0)), ("windows", ("--use-aggregation", "off")),
                           ("top", ("--experts", 1, "--top-k", 1))):
            out, _ = self.train(name, "--epochs", 1, "--draws", 1, *more)
            self.assertIn("4 steps", out)

    def test_built_in_model(self):
        """Without --clip, with the rate and the batch of that model."""
        good = self.folder / "drawn"
        self.run_tool("synthesize", "--out", good, "--categories", "gear", "--count", 8, "--size", 64, "--defects", "hole")
        words = ["train", "--good", good / "gear", "--image-size", 64, "--draws", 1, "--epochs", 1, "--out"]
        self.assertIn("begins with the built-in adapter", self.run_tool(*words, self.folder / "run")[1])
        log = self.lines("run", "log.jsonl")
        self.assertEqual(len(log), 1)
        self.assertEqual(log[0]["lr"], 0.0003)
        self.run_tool(*words[:-2], 2, "--out", self.folder / "run", "--resume")
        self.assertEqual(len(self.lines("run", "log.jsonl")), 2)
        self.run_tool(*words, self.folder / "none", "--start", "none")
        self.assertEqual(self.lines("none", "log.jsonl")[0]["lr"], 0.001)
        self.assertNotEqual(self.lines("none", "log.jsonl")[0]["loss"], log[0]["loss"])
        _, message = self.run_tool(*words, self.folder / "uniform", "--experts", 1, "--chosen", 1, "--rank", 16)
        self.assertIn("begins with nothing: the built-in adapter has other options", message)


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: MIT
"""`moeclip train`: runs, resumes to the same bits, and leaves whole files whatever happens."""
import json
import math
import os
import signal
import subprocess
import time
import unittest

from support import GOLDEN, TOOL, ToolTest, png
from train_survives_kill import survive_kills
from training import SIZE, micro_clip, train_words, write_data, write_judges

try:
    import resource
except ImportError:  # Windows
    resource = None


def elements(file):
    """The data of a safetensors file, without its header."""
    return file[8 + int.from_bytes(file[:8], "little"):]


class TrainTest(ToolTest):
    def setUp(self):
        super().setUp()
        self.clip = self.write("clip.safetensors", micro_clip())
        self.data = write_data(self.folder)

    def train(self, out, *more, code=0, **environment):
        return self.run_tool(*train_words(self.clip, self.data, self.folder / out, *more), code=code, **environment)

    def weights(self, out, name="moe_last.safetensors"):
        return (self.folder / out / name).read_bytes()

    def test_nothing_counts_twice(self):
        self.assertIn("would count twice", self.train("run", "--data", self.data, code=3)[1])

    def test_help_shows_the_recipes(self):
        text = self.output("train", "--help")
        self.assertIn("--lambda-etf X", text)
        self.assertIn("[5e-05 | 5e-05 | ", text)
        self.assertIn("[off | on | on]", text)

    def test_every_recipe_trains(self):
        for recipe in ("moeclip", "paper", "released"):
            out, _ = self.train(recipe, "--recipe", recipe, "--epochs", 2)
            self.assertIn("6 steps, 2 of 2 epochs", out)
            self.assertEqual(sorted(os.listdir(self.folder / recipe)),
                             ["log.jsonl", "moe_epoch_1.safetensors", "moe_epoch_2.safetensors", "moe_last.safetensors",
                              "report.html"])
            lines = [json.loads(line) for line in (self.folder / recipe / "log.jsonl").read_text().splitlines()]
            self.assertEqual([line["step"] for line in lines], list(range(1, 7)))
            self.assertEqual([line["batch"] for line in lines], [1, 2, 3] * 2)
            self.assertEqual(len(lines[0]["focal"]), 12)
            self.assertEqual([sum(layer) for layer in lines[0]["expert_tokens"]], [2 * 2 * 17] * 4)
            if recipe == "released":
                self.assertEqual(lines[0]["etf"], [0, 0, 0, 0])

    def test_a_small_clip_has_a_mixture_behind_each_block(self):
        self.clip = self.write("small.safetensors", micro_clip(blocks=2))
        _, message = self.train("small", "--steps", 1)
        self.assertIn("has 2 blocks, so there are 2 mixtures, not 4", message)
        self.train("small", "--steps", 2, "--resume")
        self.assertIn("2 mixtures of 4 experts of rank 8, 2 levels", self.output("inspect", self.folder / "small" / "moe_last.safetensors"))
        self.assertIn("3 mixtures for an image tower of 2 blocks", self.train("other", "--mixtures", 3, code=3)[1])

    def test_threads_and_memory_change_no_bit(self):
        self.train("one", "--epochs", 1, "--threads", 1, "--ahead", 0)
        self.train("two", "--epochs", 1, "--threads", 2, "--memory", 1, "--ahead", 3)
        self.assertEqual(self.weights("one"), self.weights("two"))

    def test_resume_gives_the_bits_of_the_whole_run(self):
        self.train("whole", "--epochs", 3, "--recipe", "paper", "--lr", "1e-3", "--batch", 3)
        self.train("parts", "--epochs", 1, "--recipe", "paper", "--lr", "1e-3", "--batch", 3)
        _, message = self.train("parts", "--epochs", 3, "--resume", "--recipe", "paper", "--lr", "1e-3", "--batch", 3)
        self.assertIn("going on behind step 2", message)
        # the paper's schedule starts anew on resume, as the header records; every tensor is the same
        self.assertEqual(elements(self.weights("whole")), elements(self.weights("parts")))
        log = [json.loads(line)["loss"] for line in (self.folder / "parts" / "log.jsonl").read_text().splitlines()]
        self.assertEqual(log, [json.loads(line)["loss"] for line in
                               (self.folder / "whole" / "log.jsonl").read_text().splitlines()])

    def test_resume_knows_the_recipe(self):
        more = ("--recipe", "released", "--keeps-schedule", "on", "--lr", "1e-3", "--batch", 3, "--seed", 5)
        self.train("whole", "--epochs", 2, *more)
        self.train("parts", "--epochs", 1, *more)
        self.train("parts", "--epochs", 2, "--resume")
        self.assertEqual(self.weights("whole"), self.weights("parts"))

    def test_a_folder_trains_as_its_list_does(self):
        good, bad, truth = (self.folder / "cap" / "test" / kind for kind in ("good", "hole", "../ground_truth/hole"))
        for folder in (good, bad, truth):
            folder.mkdir(parents=True)
        for i in range(4):
            os.rename(self.folder / f"{i}.png", (bad if i % 2 else good) / f"{i}.png")
            if i % 2:
                os.rename(self.folder / f"{i}_mask.png", truth / f"{i}_mask.png")
        self.data = self.folder / "cap"
        self.train("folder", "--epochs", 1)
        self.data = self.folder / "cap.jsonl"
        self.run_tool("dataset", "scan", self.folder / "cap", "--out", self.data)
        self.train("list", "--epochs", 1)
        self.assertEqual(self.weights("folder"), self.weights("list"))
        self.data = self.folder / "cap"
        self.assertIn("no pictures in that part", self.message(3, *train_words(self.clip, self.data, self.folder / "x", "--split", "train")))

    def test_words_are_part_of_the_run(self):
        words = self.write("words.json", b'{"classes": {"cap": {"words": "lid", "normal": ["a b."], "abnormal": ["c d."]}}}')
        self.train("plain", "--epochs", 1)
        self.train("words", "--epochs", 1, "--words", words)
        self.assertNotEqual(elements(self.weights("plain")), elements(self.weights("words")))
        self.train("words", "--epochs", 2, "--words", words, "--resume")
        self.assertIn("other data", self.train("plain", "--epochs", 2, "--words", words, "--resume", code=3)[1])

    def test_the_report_shows_the_run(self):
        """It is there at the first checkpoint, whole at the end, and the same after resuming."""
        def page(out):
            return (self.folder / out / "report.html").read_text()

        judges = write_judges(self.folder)
        self.train("whole", "--epochs", 3, "--valid", judges)
        self.train("parts", "--epochs", 1, "--valid", judges)
        first = page("parts")
        self.train("parts", "--epochs", 3, "--valid", judges, "--resume")
        self.assertTrue(page("whole") == page("parts"))
        self.assertTrue(first != page("parts"))
        for text in ("Ended: step 9 of 9, 3 of 3 epochs done.", "Parts of the loss", "Learning rate", "Validation",
                     "total: from ", "pixel AP: from ", "use_fofs", "<dt>CLIP</dt>", "Each step is a point."):
            self.assertTrue(text in page("whole"), text)
        self.assertFalse("http:" in page("whole") or "https:" in page("whole"))
        self.run_tool(*train_words(self.clip, self.data, self.folder / "short", "--epochs", 3, "--steps", 2))
        self.assertTrue("Ended: step 2 of 2, 0 of 3 epochs done." in page("short"))

    def test_what_is_trained_on_does_not_judge(self):
        copies = self.folder / "copies"
        copies.mkdir()
        judges = write_data(copies)
        message = self.train("run", "--valid", judges, code=3)[1]
        self.assertIn("of 6 pictures 6 are trained on, too, such as", message)
        self.assertIn("--valid 0.2", message)
        self.assertFalse((self.folder / "run").exists())

    def test_a_tower_in_bf16(self):
        """Its products are rounded, what is trained is not; a run stays in the precision that it began in."""
        for out, dtype in (("full", "f32"), ("narrow", "bf16"), ("parts", "bf16")):
            self.train(out, "--epochs", 1 if out == "parts" else 2, "--dtype", dtype)
        refused = self.message(3, *train_words(self.clip, self.data, self.folder / "parts", "--epochs", 2, "--resume"))
        self.assertIn("another CLIP, or in another precision", refused)
        self.train("parts", "--epochs", 2, "--dtype", "bf16", "--resume")
        self.assertEqual(self.weights("parts"), self.weights("narrow"))
        full, narrow = ([json.loads(line)["loss"] for line in (self.folder / out / "log.jsonl").read_text().splitlines()]
                        for out in ("full", "narrow"))
        self.assertNotEqual(full, narrow)
        for one, other in zip(full, narrow):
            self.assertLess(abs(one - other), 12 * 2 ** -8 * one)  # blocks' products, each of two rounded operands

    def test_another_run_is_not_resumed(self):
        self.train("run", "--epochs", 1)
        other = self.write("other.safetensors", micro_clip(seed=2))
        data = write_data(self.folder, count=4, name="other.jsonl")

        def refusal(clip, data, *more):
            return self.message(3, *train_words(clip, data, self.folder / "run", "--resume", "--epochs", 2, *more))

        before = self.weights("run")
        self.assertIn("another CLIP", refusal(other, self.data))
        self.assertIn("other data", refusal(self.clip, data))
        self.assertIn("lr", refusal(self.clip, self.data, "--lr", "1e-3"))
        self.assertIn("recipe differs", refusal(self.clip, self.data, "--recipe", "released"))
        self.assertIn("seed", refusal(self.clip, self.data, "--seed", 1))
        self.assertIn("batch size", refusal(self.clip, self.data, "--batch", 1))
        self.assertIn("image size", refusal(self.clip, self.data, "--image-size", 35))
        self.assertIn("--resume goes on", self.message(3, *train_words(self.clip, self.data, self.folder / "run")))
        self.assertEqual(self.weights("run"), before)
        self.train("run", "--epochs", 1, "--force")
        self.assertEqual(self.weights("run"), before)

    def test_what_makes_no_sense(self):
        for words, fact in (((), "--data"), (("--data", "x", "--good", "y"), "--data"),
                            (("--data", "x", "--draws", 2), "--good"), (("--good", "x", "--draws", 0), "--draws"),
                            (("--good", "x", "--defective-share", 2), "--defective-share"),
                            (("--data", "x", "--valid", "1.5"), "--valid"), (("--data", "x", "--steps", 0), "--steps"),
                            (("--data", "x", "--budget", "soon"), "2h, 90m or 600s"),
                            (("--data", "x", "--budget", "0h"), "2h, 90m or 600s"),
                            (("--data", "x", "--budget", "2h", "--steps", 9), "--steps"),
                            (("--data", "x", "--experts", "1"), "--experts 1: recipe: chosen must be"),
                            (("--clip", "x", "--data", "y", "--experts", "0"), "--experts"),
                            (("--clip", "x", "--data", "y", "--lr", "nan"), "--lr wants a number, not 'nan'"),
                            (("--clip", "x", "--data", "y", "--rank", "1.5"), "--rank wants a whole number, not '1.5'"),
                            (("--clip", "x", "--data", "y", "--is-training", "maybe"),
                             "--is-training wants on or off, not 'maybe'"),
                            (("--data", "x", "--steps", 1, "--epochs", 0), "--epochs, --steps and --valid-every are 1"),
                            (("--clip", "x", "--data", "y", "--resume", "--force"), "--force")):
            self.assertIn(fact, self.message(2, "train", *words))
        self.assertIn("no such file", self.message(3, *train_words(self.clip, self.folder / "none", self.folder / "o")))

    def test_missing_files(self):
        write_data(self.folder, without_mask=(3,))
        (self.folder / "5_mask.png").unlink()
        _, message = self.train("masks", "--epochs", 1)
        self.assertEqual(message.count("1 mask file is not there"), 1)
        self.assertEqual(message.count("of 3 defective pictures 2 have no mask"), 1)
        (self.folder / "2.png").unlink()
        self.assertIn("2.png", self.train("pictures", code=3)[1])
        self.assertFalse((self.folder / "pictures").exists())

    def test_detect_reads_a_checkpoint(self):
        self.train("run", "--epochs", 1, "--use-aggregation", "off", "--chosen", 1, "--rank", 4,
                   "--image-size", 35)
        found, = self.objects("detect", "--clip", self.clip, "--adapter", self.folder / "run" / "moe_last.safetensors",
                              "--vocab", GOLDEN / "tokenizer" / "bpe_micro.txt.gz",  "--out", self.folder / "maps",
                              self.folder / "1.png")
        self.assertGreater(found["score"], 0)
        self.assertIn(b"(35, 35)", (self.folder / "maps" / "1.map.npy").read_bytes())  # as it was trained

    def test_start_from_an_adapter(self):
        self.train("first", "--epochs", 1)
        self.train("second", "--epochs", 1, "--start", self.folder / "first" / "moe_last.safetensors")
        self.assertNotEqual(self.weights("first"), self.weights("second"))

    def test_start_says_what_differs(self):
        self.train("first", "--epochs", 1, "--chosen", 3, "--similarity-scale", 20)
        first = self.folder / "first" / "moe_last.safetensors"
        _, message = self.train("second", "--epochs", 1, "--start", first)
        self.assertIn("goes on with settings that it was not trained with (there, here): chosen (3, 2), "
                      "similarity_scale (20.0, 10.0)", message)
        self.assertNotIn("(there, here)", self.train("third", "--epochs", 1, "--start", first, "--top-k", 3,
                                                     "--lora-alpha", 16, "--similarity-scale", 20)[1])
        self.assertIn("records top-k (experts per token) 3, but 2 was asked for",
                      self.train("fourth", "--epochs", 1, "--start", first, "--top-k", 2, code=3)[1])
        self.run_tool("convert", first, self.folder / "a.pth", "--lossy")
        _, message = self.train("fifth", "--epochs", 1, "--start", self.folder / "a.pth")
        self.assertIn("a.pth says neither how many experts a token gets nor alpha; 2 and 16 are assumed", message)
        _, message = self.train("sixth", "--epochs", 1, "--start", self.folder / "a.pth", "--top-k", 3, "--lora-alpha", 12)
        self.assertNotIn("assumed", message)
        found, = self.objects("inspect", self.folder / "sixth" / "moe_last.safetensors")
        self.assertEqual((found["model"]["top_k"], found["model"]["alpha"]), (3, 12))
        _, message = self.train("seventh", "--epochs", 1, "--start", self.folder / "a.pth", "--chosen", 3)
        self.assertIn("a.pth does not say alpha; 16 is assumed", message)
        self.assertIn("choose one", self.train("x", "--top-k", 3, "--chosen", 3, code=2)[1])
        self.assertIn("from 1 to the number of experts", self.train("x", "--top-k", 5, code=2)[1])

    def log(self, out):
        return [json.loads(line) for line in (self.folder / out / "log.jsonl").read_text().splitlines()]

    def test_gates_that_start_apart(self):
        self.train("tied", "--epochs", 1)
        self.train("apart", "--epochs", 1, "--gate-init", "0.05")
        self.assertEqual(self.log("tied")[0]["expert_tokens"], [[34, 34, 0, 0]] * 4)  # the first two experts, for all
        for layer in self.log("apart")[0]["expert_tokens"]:
            self.assertEqual(sum(layer), 68)
            self.assertGreater(layer[2] + layer[3], 0)

    def test_a_defect_that_leaves_the_frame(self):
        """In a corner, where turning and moving often lose it; label and class loss are then those of a good picture."""
        mask = bytearray(3 * SIZE * SIZE)
        mask[:6] = b"\xff" * 6
        (self.folder / "1_mask.png").write_bytes(png(SIZE, SIZE, bytes(mask)))
        self.data.write_text(json.dumps({"image_path": "1.png", "label": 1, "class_name": "nut",
                                         "mask_path": "1_mask.png"}) + "\n")
        for name, more in (("kept", ()), ("revised", ("--revises-labels", "on")), ("still", ("--is-augmented", "off")),
                           ("both", ("--is-augmented", "off", "--revises-labels", "on"))):
            self.train(name, "--epochs", 12, "--batch", 1, *more)
        kept, revised = self.log("kept"), self.log("revised")
        first = next(i for i in range(12) if kept[i]["cross_entropy"] != revised[i]["cross_entropy"])
        # cross entropy of the two labels: log(1 + e^-z) and log(1 + e^z), so that e^-a + e^-b = 1
        a, b = kept[first]["cross_entropy"], revised[first]["cross_entropy"]
        self.assertAlmostEqual(math.exp(-a) + math.exp(-b), 1, places=5)
        self.assertEqual(kept[first]["focal"], revised[first]["focal"])
        self.assertEqual([line["loss"] for line in self.log("still")], [line["loss"] for line in self.log("both")])

    def test_losses_that_are_no_numbers(self):
        self.train("run", "--epochs", 1)
        before = self.weights("run")
        message = self.train("run", "--epochs", 9, "--resume", "--recipe", "moeclip", code=0)[1]
        self.assertNotEqual(before, self.weights("run"))
        _, message = self.train("wild", "--epochs", 3, "--lr", "1e38", code=3)
        self.assertIn("the step was not made", message)
        self.assertIn(".png", message)
        self.assertEqual(len((self.folder / "wild" / "log.jsonl").read_text().splitlines()), 1)

    @unittest.skipUnless(hasattr(os, "geteuid") and os.geteuid() != 0, "root may write everywhere")
    def test_read_only_folder(self):
        (self.folder / "closed").mkdir(mode=0o500)
        self.assertIn("cannot be", self.train("closed", code=3)[1])

    @unittest.skipUnless(resource, "needs limits of resources")
    def test_full_disk(self):
        self.train("run", "--epochs", 1)
        before = self.weights("run")
        limit = len(before) // 2
        done = subprocess.run([TOOL, *train_words(self.clip, self.data, self.folder / "run", "--resume", "--epochs", 2)],
                              capture_output=True, timeout=100, preexec_fn=lambda: (
                                  signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
                                  resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))))
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn(b"cannot be written", done.stderr)
        self.assertEqual(self.weights("run"), before)
        self.assertEqual([name for name in os.listdir(self.folder / "run") if name.startswith(".")], [])

    def test_interrupt(self):
        self.train("whole", "--epochs", 40)
        tool = subprocess.Popen([TOOL, *train_words(self.clip, self.data, self.folder / "run", "--epochs", 40)],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while not (self.folder / "run" / "moe_epoch_2.safetensors").exists():
            time.sleep(0.01)
        tool.send_signal(signal.SIGINT)
        out, _ = tool.communicate(timeout=60)
        if tool.returncode == 3:  # else it was done before the signal came
            self.assertIn(b"stopped; --resume goes on", out)
            self.train("run", "--epochs", 40, "--resume")
        self.assertEqual(self.weights("whole"), self.weights("run"))

    def test_kill(self):
        survive_kills(self.folder / "kill", kills=4)


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: MIT
"""`moeclip trace`: every intermediate of a pass and of training steps, under the names of the golden data."""
import array
import random
import struct
import unittest

from support import ToolTest, read_safetensors, safetensors
from training import SIZE, micro_clip, train_words, write_data

IMAGES, TOKENS = 2, 77


def trace_input():
    """Two pictures with masks and labels, and six good and two bad sentences for each of two classes."""
    draw = random.Random(3)
    pixels = array.array("f", (draw.gauss(0, 1) for _ in range(IMAGES * 3 * SIZE * SIZE)))
    masks = array.array("f", (0.0 if i < SIZE * SIZE else float(i % 5 == 0) for i in range(IMAGES * SIZE * SIZE)))
    tensors = {"inputs/image": ("F32", [IMAGES, 3, SIZE, SIZE], pixels.tobytes()),
               "inputs/mask": ("F32", [IMAGES, SIZE, SIZE], masks.tobytes()),
               "inputs/label": ("I64", [IMAGES], struct.pack("<2q", 0, 1))}
    for name in ("nut", "cap"):
        rows = []
        for _ in range(8):
            words = [draw.randrange(500) for _ in range(4)]
            rows += [598, *words, 599] + [0] * (TOKENS - len(words) - 2)
        tensors[f"text/{name}/tokens"] = ("I64", [8, TOKENS], struct.pack(f"<{len(rows)}q", *rows))
    return safetensors(tensors)


class TraceTest(ToolTest):
    def setUp(self):
        super().setUp()
        self.clip = self.write("clip.safetensors", micro_clip())
        self.run_tool(*train_words(self.clip, write_data(self.folder), self.folder / "run", "--epochs", 1))
        self.words = ["trace", "--clip", self.clip, "--adapter", self.folder / "run" / "moe_last.safetensors",
                      "--input", self.write("in.safetensors", trace_input()), "--out"]

    def trace(self, name, *more):
        self.run_tool(*self.words, self.folder / name, *more)
        return read_safetensors(self.folder / name)

    def test_a_pass(self):
        tensors = self.trace("out.safetensors")
        self.assertEqual(tensors["seg_tokens/00"][1], [IMAGES, 16, 20])
        self.assertEqual(tensors["moe_0/router_probs"][1], [IMAGES, 17, 4])
        self.assertFalse([name for name in tensors if name.startswith(("grad", "loss", "param"))])

    def test_training_steps(self):
        more = ("--train", "nut,cap", "--steps", 2, "--recipe", "paper")
        tensors = self.trace("two.safetensors", *more, "--threads", 2)
        self.assertEqual(tensors["loss/focal"][1], [12])
        self.assertEqual(tensors["loss/etf_per_layer"][1], [4])
        self.assertEqual(tensors["grad/image_adapter.seg_proj.0.fc.weight"][1], [20, 64])
        self.assertEqual(len([name for name in tensors if name.startswith("param_step2/")]),
                         len([name for name in tensors if name.startswith("grad/")]))
        losses = struct.unpack("<2d", tensors["loss/total_per_step"][2])
        self.assertEqual(losses[0], struct.unpack("<d", tensors["loss/total"][2])[0])
        self.assertNotEqual(losses[0], losses[1])
        self.assertEqual(tensors, self.trace("one.safetensors", *more, "--threads", 1))
        exact = self.trace("exact.safetensors", *more, "--scalar", "f64")
        self.assertEqual(exact["grad_det_token"][0], "F64")
        self.assertAlmostEqual(struct.unpack("<d", exact["loss/total"][2])[0], losses[0], places=3)

    def test_top_k_and_alpha_reach_the_experts(self):
        official, recorded = self.folder / "a.pth", self.words[4]
        self.run_tool("convert", recorded, official, "--lossy")
        self.words[4] = official
        train = ("--train", "nut,cap", "--steps", 0, "--recipe", "paper")

        def outputs(*more):
            tensors = self.trace("out.safetensors", "--force", *more)
            values = {name: array.array("f", tensors[name][2]) for name in ("moe_0/output", "moe_0/input")}
            return tensors, values["moe_0/output"], values["moe_0/input"]

        plain, one, x = outputs()
        same, _, _ = outputs("--top-k", 2, "--lora-alpha", 16)
        self.assertEqual(plain, same)
        _, twice, again = outputs("--lora-alpha", 32)
        self.assertEqual(x, again)
        self.assertTrue(any(one))
        self.assertEqual(array.array("f", (2 * value for value in one)), twice)
        tensors, three, _ = outputs("--top-k", 3, "--lora-alpha", 12, *train)
        self.assertEqual(tensors["moe_0/topk"][1], [IMAGES, 17, 3])
        self.assertNotEqual(one, three)
        _, twice, _ = outputs("--top-k", 3, "--lora-alpha", 24, *train)
        self.assertEqual(array.array("f", (2 * value for value in three)), twice)
        # training sees three experts a token, too: their choice is in the losses and gradients
        of_two, _, _ = outputs("--lora-alpha", 12, *train)
        self.assertNotEqual(of_two["loss/total"], tensors["loss/total"])
        self.assertIn("a.pth says neither how many experts a token gets nor alpha; 2 and 16 are assumed",
                      self.run_tool(*self.words, self.folder / "x")[1])
        self.assertIn("has 4", self.message(3, *self.words, self.folder / "y", "--top-k", 5, "--lora-alpha", 16))
        self.words[4] = recorded
        self.assertIn("records alpha 16, but 12 was asked for",
                      self.message(3, *self.words, self.folder / "y", "--lora-alpha", 12))

    def test_an_official_file_of_another_shape(self):
        self.run_tool(*train_words(self.clip, self.folder / "data.jsonl", self.folder / "six", "--epochs", 1, "--recipe",
                                   "released", "--experts", 6, "--rank", 4, "--chosen", 3, "--scale", 3))
        self.words[4], official = self.folder / "six" / "moe_last.safetensors", self.folder / "six.pth"
        self.run_tool("convert", self.words[4], official, "--lossy")
        more = ("--train", "nut,cap", "--steps", 2, "--recipe", "paper")
        ours = self.trace("ours.safetensors", *more)
        self.words[4] = official
        self.assertEqual(ours, self.trace("told.safetensors", *more, "--top-k", 3, "--lora-alpha", 12))
        self.assertNotEqual(ours, self.trace("assumed.safetensors", *more))

    def test_what_does_not_fit_is_told(self):
        self.assertIn("--train wants NAME,NAME", self.message(2, *self.words, self.folder / "x", "--train", "nut,"))
        self.assertIn("text/lid/tokens", self.message(3, *self.words, self.folder / "x", "--train", "nut,lid"))
        self.assertIn("names 3 images", self.message(3, *self.words, self.folder / "x", "--train", "nut,cap,nut"))


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: MIT
"""--top-k and --lora-alpha: what files of the official code do not say, told to every command that runs an adapter."""
import json
import unittest

from support import ToolTest
from training import SIZE, VOCABULARY, micro_clip, train_words, write_data


class AdapterFlagsTest(ToolTest):
    def setUp(self):
        super().setUp()
        self.clip, self.data = self.write("clip.safetensors", micro_clip()), write_data(self.folder)
        self.run_tool(*train_words(self.clip, self.data, self.folder / "run", "--epochs", 1))
        self.ours, self.official = self.folder / "run" / "moe_last.safetensors", self.folder / "a.pth"
        self.run_tool("convert", self.ours, self.official, "--lossy")
        picture = self.folder / "1.png"
        size = ("--image-size", SIZE)
        self.verbs = {"detect": [picture, "--vocab", VOCABULARY, "--json", *size],
                      "eval": [self.data, "--vocab", VOCABULARY, "--json", "--allow-training-pictures", *size],
                      "calibrate": [self.data, "--vocab", VOCABULARY, "--json", "--allow-training-pictures", "--out",
                                    self.folder / "c.json", "--force", *size],
                      "prompts": ["--vocab", VOCABULARY, "--class", "nut", "--json"]}

    def run_verb(self, verb, adapter, *more, code=0):
        return self.run_tool(verb, "--clip", self.clip, "--adapter", adapter, *self.verbs[verb], *more, code=code)

    def test_what_is_assumed_is_said_once(self):
        said = "a.pth says neither how many experts a token gets nor alpha; 2 and 16 are assumed (--top-k, --lora-alpha)\n"
        for verb in ("detect", "eval", "calibrate"):
            out, message = self.run_verb(verb, self.official)
            json.loads(out)  # nothing else is there
            self.assertEqual(message.count(said), 1, verb)
            self.assertNotIn("assumed", self.run_verb(verb, self.official, "--top-k", 3, "--lora-alpha", 12)[1])
            self.assertNotIn("assumed", self.run_verb(verb, self.ours)[1])
        self.assertNotIn("assumed", self.run_verb("prompts", self.official)[1])  # experts have no part in it

    def test_they_reach_the_scores(self):
        def score(*more):
            return json.loads(self.run_verb("detect", self.official, *more)[0])["score"]

        self.assertEqual(score(), score("--top-k", 2, "--lora-alpha", 16))
        self.assertNotEqual(score(), score("--top-k", 3))
        pictures = {}
        for k in (2, 3):
            out = self.folder / f"eval{k}"
            self.run_verb("eval", self.official, "--top-k", k, "--out", out)
            lines = [json.loads(line) for line in (out / "pictures.jsonl").read_text().splitlines()]
            pictures[k] = [line["score"] for line in lines]
        self.assertNotEqual(pictures[2], pictures[3])
        _, message = self.run_verb("eval", self.official, "--top-k", 3, "--out", self.folder / "eval2", "--resume", code=3)
        self.assertIn("it is of another evaluation: adapter", message)

    def test_what_a_file_records_is_not_contradicted(self):
        for verb in self.verbs:
            self.run_verb(verb, self.ours, "--top-k", 2, "--lora-alpha", 16)
            self.assertIn("moe_last.safetensors: records top-k (experts per token) 2, but 3 was asked for",
                          self.run_verb(verb, self.ours, "--top-k", 3, code=3)[1], verb)
            self.assertIn("moe_last.safetensors: records alpha 16, but 12 was asked for",
                          self.run_verb(verb, self.ours, "--lora-alpha", 12, code=3)[1], verb)
            self.assertIn("the opposite was asked for", self.run_verb(verb, self.ours, "--no-paa", code=3)[1], verb)

    def test_what_makes_no_sense(self):
        for verb in ("detect", "eval", "calibrate", "prompts", "explain", "demo", "trace", "convert", "train"):
            text = self.output(verb, "--help")
            self.assertIn("--top-k K", text)
            self.assertIn("--lora-alpha A", text)
        for verb in ("detect", "eval", "calibrate", "explain", "demo"):
            self.assertIn("give --adapter", self.message(2, verb, *(["x", "--clip", "y"] if verb != "demo" else []),
                                                         "--top-k", 3))
            self.assertIn("--top-k is a count", self.message(2, verb, *(["x"] if verb != "demo" else []), "--clip", "y",
                                                             "--adapter", "z", "--top-k", 0))
        self.assertIn("takes no options about models", self.message(2, "calibrate", "--from", "x", "--top-k", 3, "--clip",
                                                                    "y", "--adapter", "z"))


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: MIT
"""moeclip tokenize: ids of texts."""
import json
import unittest

from support import GOLDEN, ToolTest

VOCABULARIES = ["bpe_micro.txt.gz", "tokenizer.json", "tokenizer_pairs.json", "vocab.json", "merges.txt"]


def line(ids):
    return " ".join(map(str, ids)) + "\n"


class Tokenize(ToolTest):
    def test_standard_vocabulary_is_found(self):
        self.assertEqual(self.output("tokenize", "a photo of a cat."), "320 1125 539 320 2368 269\n")

    def test_one_line_each(self):
        cases = json.loads((GOLDEN / "tokenizer" / "clip_tokens.json").read_text())
        texts = [case["text"] for case in cases if "\0" not in case["text"]]
        expected = "".join(line(case["ids"]) for case in cases if "\0" not in case["text"])
        self.assertEqual(self.output("tokenize", "--", *texts), expected)

    def test_any_vocabulary(self):
        cases = [case for case in json.loads((GOLDEN / "tokenizer" / "micro_tokens.json").read_text())["strings"]
                 if "\0" not in case["text"] and "without_ftfy_html" not in case]
        texts = [case["text"] for case in cases]
        for name in VOCABULARIES:
            vocabulary = f"--vocab={GOLDEN / 'tokenizer' / name}"
            self.assertEqual(self.output("tokenize", vocabulary, "--", *texts), "".join(line(c["ids"]) for c in cases))
            self.assertEqual(self.output("tokenize", vocabulary, "--padded", 16, "--truncate", "--", *texts),
                             "".join(line(c["padded"]) for c in cases))

    def test_lines_of_stdin(self):
        self.assertEqual(self.output("tokenize", "-", stdin="cat\n\ncat\r\ncat"), "2368\n\n2368\n2368\n")
        self.assertEqual(self.output("tokenize", "a", "-", "a", stdin="cat\n"), "320\n2368\n320\n")
        self.assertEqual(self.output("tokenize", "-"), "")

    def test_padded(self):
        self.assertEqual(self.output("tokenize", "--padded", 77, "cat"), line([49406, 2368, 49407] + [0] * 74))

    def test_too_long(self):
        out, error = self.run_tool("tokenize", "--padded", 4, "cat cat", "cat cat cat", "cat", code=1)
        self.assertEqual(out, "49406 2368 2368 49407\n\n49406 2368 49407 0\n")
        self.assertIn("5 tokens", error)
        self.assertEqual(self.output("tokenize", "--padded", 4, "--truncate", "cat cat cat"), "49406 2368 2368 49407\n")

    def test_bad_text_is_reported_and_the_rest_goes_on(self):
        out, error = self.run_tool("tokenize", "-", stdin=b"cat\n\xff\xfe\ncat\n", code=1)
        self.assertEqual(out, "2368\n\n2368\n")
        self.assertIn("UTF-8", error)

    def test_usage(self):
        for padded in ("1", "-5", "1000001", "99999999999999999999"):
            self.assertIn("--padded", self.message(2, "tokenize", "--padded", padded, "cat"))
        self.assertIn("--padded", self.message(2, "tokenize", "--truncate", "cat"))

    def test_vocabulary_cannot_be_used(self):
        self.assertIn("no such file", self.message(3, "tokenize", "--vocab", self.folder / "none.json", "cat"))
        self.assertIn("bad.txt", self.message(3, "tokenize", "--vocab", self.write("bad.txt", b"nothing"), "cat"))
        self.assertIn("MOECLIP_VOCABULARY", self.message(3, "tokenize", "cat", MOECLIP_VOCABULARY="/nowhere"))


if __name__ == "__main__":
    unittest.main()

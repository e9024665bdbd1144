# SPDX-License-Identifier: MIT
"""moeclip dataset and moeclip prompts: what is in a folder, whether it is whole, and what is said about a class."""
import array
import json
import os
import random
import shutil
import time
import unittest

from support import GOLDEN, ToolTest, png, safetensors

SIDE = 8
MARKED = bytes(3 * SIDE) * 4 + b"\xff" * (3 * SIDE) + bytes(3 * SIDE) * 3


def micro_clip(width=64, embed=32, tokens=49408):
    """A CLIP of one block per tower with arbitrary weights, in OpenAI's names."""
    rng = random.Random(1)
    pool = array.array("f", (rng.gauss(0, 0.1) for _ in range(4099)))  # a prime number: rows differ
    tensors = {}

    def put(name, *shape):
        count = 1
        for extent in shape:
            count *= extent
        tensors[name] = ("F32", list(shape), (pool * (count // len(pool) + 1))[:count].tobytes())

    def norm(name):
        tensors[f"{name}.weight"] = ("F32", [width], array.array("f", [1] * width).tobytes())
        put(f"{name}.bias", width)

    for tower in ("visual.", ""):
        block = f"{tower}transformer.resblocks.0"
        norm(f"{block}.ln_1"), norm(f"{block}.ln_2")
        put(f"{block}.attn.in_proj_weight", 3 * width, width), put(f"{block}.attn.in_proj_bias", 3 * width)
        put(f"{block}.attn.out_proj.weight", width, width), put(f"{block}.attn.out_proj.bias", width)
        put(f"{block}.mlp.c_fc.weight", 4 * width, width), put(f"{block}.mlp.c_fc.bias", 4 * width)
        put(f"{block}.mlp.c_proj.weight", width, 4 * width), put(f"{block}.mlp.c_proj.bias", width)
    put("visual.conv1.weight", width, 3, 16, 16), put("visual.class_embedding", width)
    put("visual.positional_embedding", 5, width), norm("visual.ln_pre"), norm("visual.ln_post")
    put("visual.proj", width, embed), put("token_embedding.weight", tokens, width)
    put("positional_embedding", 77, width), norm("ln_final"), put("text_projection", width, embed), put("logit_scale")
    return safetensors(tensors)


class Dataset(ToolTest):
    def put(self, *names, rgb=bytes(3 * SIDE * SIDE)):
        for name in names:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(SIDE, SIDE, rgb))

    def masks(self, *names):
        self.put(*names, rgb=MARKED)

    def make_bolts(self):
        self.put("bolts/good/0.png", "bolts/good/1.png", "bolts/bad/2.png")
        self.masks("bolts/masks/2.png")

    def make_bottle(self):
        root = "mvtec/bottle"
        self.put(f"{root}/train/good/000.png", f"{root}/test/good/000.png", f"{root}/test/good/002.png",
                 f"{root}/test/contamination/000.png")
        self.masks(f"{root}/ground_truth/contamination/000_mask.png")

    def entries(self, path):
        return [json.loads(line) for line in path.read_text().splitlines()]


class Scan(Dataset):
    def test_numbers(self):
        self.make_bolts()
        out = self.output("dataset", "scan", self.folder / "bolts")
        self.assertIn("layout good_bad, 3 pictures, 1 class", out)
        self.assertRegex(out, r"bolts +0 +0 +2 +1 +1\n")
        (found,) = self.objects("dataset", "scan", self.folder / "bolts")
        self.assertEqual(found["layout"], "good_bad")
        self.assertEqual(found["classes"], [{"name": "bolts", "set": None, "train": 0, "valid": 0, "good": 2,
                                             "defective": 1, "masks": 1, "unlabelled": 0}])
        self.assertIsNone(found["out"])

    def test_kinds_are_shown_with_their_labels(self):
        self.put(*(f"casting/test/{kind}/1.png" for kind in ("ok_front", "def_front")), "bad/test/hole/1.png")
        out = self.output("dataset", "scan", self.folder / "casting")
        self.assertIn("good by folder: ok_front (1)\n  defective by folder: def_front (1)\n", out)
        (found,) = self.objects("dataset", "scan", self.folder / "casting")
        self.assertEqual([(kind["name"], kind["label"]) for kind in found["kinds"]], [("ok_front", 0), ("def_front", 1)])
        for verb in ("scan", "check"):
            self.assertIn("no folder of pictures for testing is good", self.output("dataset", verb, self.folder / "bad"))

    def test_an_empty_list_is_told(self):
        self.put("only/good/1.png")
        out, said = self.run_tool("dataset", "scan", self.folder / "only", "--split", "train", "--out", "-")
        self.assertEqual(out, "")
        self.assertIn("no pictures of the part train", said)

    def test_list_is_relative_where_it_can_be(self):
        self.make_bolts()
        inside, beside, away = (self.folder / name for name in ("bolts/list.jsonl", "list.jsonl", "away/list.jsonl"))
        away.parent.mkdir()
        for path, first in ((inside, "bad/2.png"), (beside, "bolts/bad/2.png"),
                            (away, os.path.realpath(self.folder / "bolts/bad/2.png"))):
            self.assertTrue(self.output("dataset", "scan", self.folder / "bolts", "--out", path).endswith(f"{path}\n"))
            self.assertEqual(self.entries(path)[0]["image_path"], first)
            self.assertEqual(sorted(self.entries(path)[0]), ["class_name", "image_path", "label", "mask_path"])
            self.assertIn("no problems", self.output("dataset", "check", path))
        self.assertIn("--force", self.message(3, "dataset", "scan", self.folder / "bolts", "--out", inside))
        self.output("dataset", "scan", self.folder / "bolts", "--out", inside, "--force")
        lines = self.output("dataset", "scan", self.folder / "bolts", "--out", "-").splitlines()
        self.assertEqual([json.loads(line)["label"] for line in lines], [1, 0, 0])

    def test_split_and_class(self):
        self.make_bottle()
        for split, count in (("test", 3), ("train", 1), ("valid", 0), ("all", 4)):
            (found,) = self.objects("dataset", "scan", self.folder / "mvtec", "--split", split)
            self.assertEqual((found["pictures"], found["sets"]), (count, ["MVTec"]))
        self.make_bolts()
        line = self.output("dataset", "scan", self.folder / "bolts", "--class", "steel bolt", "--out", "-").split("\n")[0]
        self.assertEqual(json.loads(line)["class_name"], "steel bolt")

    def test_layout_is_chosen(self):
        self.put("s/images/1.png", "s/images/2.png")
        self.masks("s/masks/1.png")
        (self.folder / "s/labels.csv").write_text("image,label\n1.png,0\n2.png,1\n")
        error = self.message(3, "dataset", "scan", self.folder / "s")
        for part in ("--layout", "image_mask", "csv"):
            self.assertIn(part, error)
        self.assertIn("layout csv", self.output("dataset", "scan", self.folder / "s", "--layout", "csv"))
        self.assertIn("did you mean 'image_mask'", self.message(2, "dataset", "scan", "s", "--layout", "image_masks"))

    def test_nothing_to_list(self):
        self.assertIn("no pictures", self.message(3, "dataset", "scan", self.folder))
        self.put("heap/1.png")
        self.assertIn("no layout", self.message(3, "dataset", "scan", self.folder))
        self.assertIn("no such folder", self.message(3, "dataset", "scan", self.folder / "none"))

    @unittest.skipUnless(os.name == "posix", "needs links and any bytes in names")
    def test_odd_folders(self):
        self.make_bolts()
        os.symlink(self.folder, self.folder / "bolts/good/circle")
        os.symlink("nowhere.png", self.folder / "bolts/good/7.png")
        shutil.copy(self.folder / "bolts/good/0.png", os.fsencode(self.folder / "bolts/good") + b"/\xff.png")
        shutil.copy(self.folder / "bolts/good/0.png", self.folder / "bolts/good/gr\u00fcn \u65e5.png")
        path = self.folder / "list.jsonl"
        out, error = self.run_tool("dataset", "scan", self.folder / "bolts", "--out", path, code=1)
        self.assertIn("circle: is a link to a folder around this one", out)
        self.assertIn("7.png: is a link to nothing", out)
        self.assertIn("UTF-8", error)
        self.assertIn("bolts/good/gr\u00fcn \u65e5.png", [entry["image_path"] for entry in self.entries(path)])
        self.assertEqual(len(self.entries(path)), 4)
        out, _ = self.run_tool("dataset", "check", self.folder / "bolts", code=1)
        self.assertIn("names that are not UTF-8, which a list cannot hold: 1", out)

    def test_usage(self):
        self.assertIn("scan or check", self.message(2, "dataset"))
        self.assertIn("did you mean 'scan'", self.message(2, "dataset", "scna"))
        self.assertIn("DIR is missing", self.message(2, "dataset", "scan"))
        self.assertIn("usage", self.output("dataset", "--help"))
        self.assertIn("Colon_Kvasir", self.output("dataset", "scan", "--help"))

    def test_many_files(self):
        (self.folder / "many/good").mkdir(parents=True)
        (self.folder / "many/bad").mkdir()
        for i in range(20000):
            (self.folder / f"many/{'bad' if i % 2 else 'good'}/{i}.png").touch()
        start = time.monotonic()
        self.output("dataset", "scan", self.folder / "many", "--out", self.folder / "list.jsonl")
        self.assertLess(time.monotonic() - start, 20)
        self.assertEqual(len(self.entries(self.folder / "list.jsonl")), 20000)


class Check(Dataset):
    def test_what_is_missing_is_named(self):
        self.make_bottle()
        out, error = self.run_tool("dataset", "check", self.folder / "mvtec/bottle", code=1)
        self.assertIn("2 of 20 good test pictures", out)
        self.assertIn("1 of 209 training pictures", out)
        self.assertIn("bottle/test/good/001.png: by the numbers", out)
        self.assertNotIn("capsule", out)  # the folder is one class
        self.assertIn("problems were found", error)
        out, _ = self.run_tool("dataset", "check", self.folder / "mvtec", code=1)
        self.assertIn("MVTec, capsule: the class is not there", out + self.run_tool(
            "dataset", "check", "--all", self.folder / "mvtec", code=1)[0])

    def test_problems(self):
        self.make_bolts()
        self.put("bolts/bad/3.png", "bolts/bad/4.png", "bolts/masks/4.png")
        self.masks("bolts/masks/9.png")
        (self.folder / "bolts/good/5.png").write_bytes(b"no picture")
        whole = (GOLDEN / "jpeg" / "quality95.jpg").read_bytes()
        (self.folder / "bolts/good/6.JPG").write_bytes(whole[:len(whole) // 2])
        out, _ = self.run_tool("dataset", "check", "--json", self.folder / "bolts", code=1)
        found = [(item["kind"], os.path.basename(item["path"])) for item in json.loads(out)["findings"]]
        self.assertEqual(found, [("unreadable_image", "5.png"), ("unreadable_image", "6.JPG"), ("no_mask", "3.png"),
                                 ("empty_mask", "4.png"), ("spare_mask", "9.png")])
        self.assertEqual(json.loads(out)["problems"], 5)
        out, _ = self.run_tool("dataset", "check", "--quick", self.folder / "bolts", code=1)
        self.assertIn("pictures that cannot be read: 1", out)

    def test_list_of_the_official_code(self):
        self.make_bolts()
        shutil.copy(GOLDEN / "jpeg" / "quality95.jpg", self.folder / "bolts/good/0.JPG")
        path = self.folder / "metadata" / "full-shot.jsonl"
        path.parent.mkdir()
        path.write_text('{"image_path": "bad/2.png", "label": 1.0, "class_name": "b", "mask_path": "masks/2.png"}\n'
                        '{"image_path": "good/0.JPG", "label": 0.0, "class_name": "b"}\n')
        self.assertIn("no problems", self.output("dataset", "check", path, "--root", self.folder / "bolts"))
        out, _ = self.run_tool("dataset", "check", path, code=1)
        self.assertIn("pictures that are not there: 2", out)

    def test_only_the_first_of_many_are_shown(self):
        self.put(*(f"bolts/good/{i}.png" for i in range(3)))
        self.put(*(f"bolts/bad/{i}.png" for i in range(9)))
        self.masks("bolts/masks/0.png")
        out, _ = self.run_tool("dataset", "check", self.folder / "bolts", code=1)
        self.assertIn("and 3 more (--all shows them)", out)
        out, _ = self.run_tool("dataset", "check", "--all", self.folder / "bolts", code=1)
        self.assertEqual(out.count("bolts/bad/"), 8)


class Prompts(ToolTest):
    def test_sentences_and_tokens(self):
        (found,) = self.objects("prompts", "--class", "metal_nut")
        self.assertEqual(found["words"], "metal nut")
        self.assertTrue(found["is_listed"])
        self.assertEqual((len(found["normal"]), len(found["abnormal"])), (6, 10))
        self.assertEqual(found["normal"][3]["sentence"], "a photo of a metal nut.")
        tokens = self.output("tokenize", "a photo of a metal nut.").split()
        self.assertEqual(found["normal"][3]["tokens"], [int(token) for token in tokens])
        out = self.output("prompts", "--class", "my_part", "--class", "Woven_127")
        self.assertIn('my_part: "my part" (in no word list', out)
        self.assertIn("a damaged woven fabric.", out)

    def test_classes_are_listed(self):
        names = [found["class"] for found in self.objects("prompts")]
        self.assertEqual(names, sorted(names))
        for name in ("bottle", "pcb4", "03", "RSDD", "Blotchy_099", "Woven", "Kvasir", "headct"):
            self.assertIn(name, names)

    def test_words_of_ones_own(self):
        path = self.write("w.json", json.dumps({"normal": ["a whole {}"], "abnormal": ["a bent {}"],
                                                "classes": {"bolt": "steel bolt"}}).encode())
        (found,) = self.objects("prompts", "--class", "bolt", "--words", path)
        self.assertEqual([item["sentence"] for item in found["normal"]], ["a whole steel bolt.",
                                                                        "a photo of a whole steel bolt."])
        (found,) = self.objects("prompts", "--class", "grid", "--words", path)
        self.assertTrue(found["is_listed"])  # the installed words are there as well
        path = self.write("bad.json", b'{"normal": ["none"]}')
        self.assertIn("{}", self.message(3, "prompts", "--class", "bolt", "--words", path))

    def test_anchors(self):
        clip = self.write("clip.safetensors", micro_clip())
        (found,) = self.objects("prompts", "--class", "grid", "--clip", clip)
        self.assertLess(abs(found["cosine"]), 1)
        self.assertIn("degrees apart", self.output("prompts", "--class", "grid", "--clip", clip))

    def test_usage(self):
        self.assertIn("--clip", self.message(2, "prompts", "--class", "x", "--adapter", "a.pth"))


if __name__ == "__main__":
    unittest.main()

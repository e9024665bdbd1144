# SPDX-License-Identifier: MIT
"""`moeclip convert`: the official .pth layout, there and back, checked with torch where it is installed."""
import json
import os
import unittest

from support import GOLDEN, ToolTest
from training import VOCABULARY, micro_clip, train_words, write_data

try:
    import torch
except ImportError:
    torch = None

OFFICIAL = GOLDEN / "formats" / "moeclip"


class ConvertTest(ToolTest):
    def content(self, path):
        """Names, shapes and hashes of the tensors of a file, and its plain values."""
        found, = self.objects("inspect", "--hash", path)
        return {tensor["name"]: tensor for tensor in found["tensors"]}, found["values"]

    def test_official_file_and_back(self):
        for name in ("default", "nopaa", "relu_separate"):
            official = OFFICIAL / f"{name}.pth"
            _, message = self.run_tool("convert", official, self.folder / f"{name}.safetensors")
            self.assertIn(f"{name}.pth says neither how many experts a token gets nor alpha; 2 and 8 are assumed "
                          "(--top-k, --lora-alpha)\n", message)
            text, _ = self.run_tool("convert", self.folder / f"{name}.safetensors", self.folder / f"{name}.pth")
            self.assertIn("1 epoch, the optimiser's state of ", text)
            before, after = self.content(official), self.content(self.folder / f"{name}.pth")
            self.assertEqual(before[0], after[0])
            # "fused" is None before torch 2, and what other values are is the same
            values = {key: value for key, value in before[1].items() if not key.endswith("/fused")}
            self.assertEqual(values, {key: after[1][key] for key in values})

    def trained(self, *more):
        clip, data = self.write("clip.safetensors", micro_clip()), write_data(self.folder)
        self.run_tool(*train_words(clip, data, self.folder / "run", "--epochs", 2, "--milestones", "3", *more))
        return self.folder / "run" / "moe_last.safetensors"

    def test_trained_adapter_and_back(self):
        for more in ((), ("--use-fofs", "off", "--force")):
            last = self.trained(*more)
            self.run_tool("convert", last, self.folder / "a.pth", "--force")
            self.output("convert", self.folder / "a.pth", self.folder / "b.safetensors", "--force")
            self.assertEqual(self.content(last)[0], self.content(self.folder / "b.safetensors")[0])
            self.assertEqual(last.read_bytes(), (self.folder / "b.safetensors").read_bytes())

    def detect(self, adapter, *more):
        """Score and map of a picture, and what is said on stderr."""
        out, message = self.run_tool("detect", "--clip", self.folder / "clip.safetensors", "--adapter", adapter, "--vocab",
                                     VOCABULARY, "--out", self.folder / "maps", "--force", "--json",
                                     self.folder / "1.png", *more)
        return json.loads(out)["score"], (self.folder / "maps" / "1.map.npy").read_bytes(), message

    def test_settings_survive_to_the_bit(self):
        last = self.trained("--chosen", 3, "--mix-weight", "0.2", "--scale", "1.3", "--use-aggregation", "off")
        _, message = self.run_tool("convert", last, self.folder / "a.pth")
        for part in ("a.pth cannot hold these settings: top-k 3, alpha 10.4, mix weight 0.2, similarity scale 10, ",
                     "activation gelu, patch aggregation off, mixtures after blocks 1 2 3 4, levels after blocks 1 2 3 4, ",
                     "pictures of 28 pixels, and the record of its training", "a.pth.json, which belongs beside it"):
            self.assertIn(part, message)
        self.output("convert", self.folder / "a.pth", self.folder / "b.safetensors")
        ours = self.detect(last)
        self.assertEqual(ours[2], "")
        self.assertEqual(self.detect(self.folder / "a.pth"), ours)
        self.assertEqual(self.detect(self.folder / "b.safetensors"), ours)
        self.assertEqual((self.folder / "b.safetensors").read_bytes(), last.read_bytes())
        record = json.loads((self.folder / "a.pth.json").read_text())["record"]
        self.assertEqual(record["adapter"]["similarity_scale"], 10)
        self.assertEqual(record["recipe"]["name"], "moeclip")
        # without it the result is another one, and something is said
        os.remove(self.folder / "a.pth.json")
        alone = self.detect(self.folder / "a.pth", "--image-size", 28)
        self.assertNotEqual(alone[0], ours[0])
        self.assertIn("a.pth says neither", alone[2])

    def test_a_stale_sidecar_is_refused(self):
        last = self.trained()
        self.run_tool("convert", last, self.folder / "a.pth")
        official = (OFFICIAL / "default.pth").read_bytes()
        (self.folder / "a.pth").write_bytes(official)
        for words in (["inspect", self.folder / "a.pth"], ["convert", self.folder / "a.pth", self.folder / "c.safetensors"]):
            self.assertIn("a.pth.json: holds the settings of another file than a.pth",
                          self.run_tool(*words, code=1 if words[0] == "inspect" else 3)[1])

    def test_nothing_is_lost_unasked(self):
        last, out = self.trained(), self.folder / "a.pth"
        long = self.folder / ("a" * 247 + ".pth")  # its name leaves no room for .json
        self.assertIn("--lossy writes the .pth alone", self.message(3, "convert", last, long))
        self.assertFalse(long.exists())
        _, message = self.run_tool("convert", last, out, "--lossy")
        self.assertIn("a.pth cannot hold these settings: top-k 2, alpha 16, ", message)
        self.assertIn("they are lost (--lossy)", message)
        self.assertEqual([name for name in os.listdir(self.folder) if name.startswith("a.")], ["a.pth"])
        self.run_tool("convert", last, out, "--force")
        self.assertIn("a.pth.json: would be taken for the settings",
                      self.message(3, "convert", last, out, "--force", "--lossy"))
        self.assertIn("--force", self.message(3, "convert", last, out))
        out.unlink()
        self.assertIn("a.pth.json", self.message(3, "convert", last, out))
        self.assertIn("--lossy", self.message(2, "convert", last, self.folder / "b.safetensors", "--lossy"))

    def test_what_is_assumed_is_recorded(self):
        official, ours = OFFICIAL / "default.pth", self.folder / "a.safetensors"
        _, message = self.run_tool("convert", official, ours, "--top-k", 3)
        self.assertIn("default.pth does not say alpha; 8 is assumed (--lora-alpha)\n", message)
        _, message = self.run_tool("convert", official, ours, "--lora-alpha", 12, "--force")
        self.assertIn("default.pth does not say how many experts a token gets; 2 is assumed (--top-k)\n", message)
        self.output("convert", official, ours, "--top-k", 3, "--lora-alpha", 12, "--force")
        found, = self.objects("inspect", ours)
        self.assertEqual((found["model"]["top_k"], found["model"]["alpha"]), (3, 12))
        self.assertIn(", top-k 3, alpha 12;", self.output("inspect", ours))
        self.assertIn("top-k and alpha not recorded", self.output("inspect", official))
        self.output("convert", ours, self.folder / "b.safetensors", "--top-k", 3, "--lora-alpha", 12)
        self.assertIn("a.safetensors: records alpha 12, but 16 was asked for",
                      self.message(3, "convert", ours, self.folder / "c.safetensors", "--lora-alpha", 16))
        self.assertIn("records top-k (experts per token) 3, but 2 was asked for",
                      self.message(3, "convert", ours, self.folder / "c.safetensors", "--top-k", 2))
        for words in (["--top-k", 0], ["--lora-alpha", 0], ["--lora-alpha", "nan"]):
            self.assertIn(words[0], self.message(2, "convert", ours, self.folder / "c.safetensors", *words))

    @unittest.skipUnless(torch, "needs torch")
    def test_torch_loads_it(self):
        last = self.trained("--recipe", "released", "--lr", "0.25")
        self.run_tool("convert", last, self.folder / "a.pth")
        loaded = torch.load(self.folder / "a.pth")
        self.assertEqual(loaded["epoch"], 2)
        text, image = loaded["text_adapter"], loaded["image_adapter"]
        self.assertEqual(list(text), ["0.fc.0.weight"])
        self.assertEqual(image["det_proj.adapter.2.weight"].shape, (20, 64, 1))
        trained = [text["0.fc.0.weight"], *(value for key, value in image.items() if "lora_A" not in key)]
        trained = [torch.nn.Parameter(value) for value in trained]
        adam = torch.optim.Adam([{"params": trained[:1]}, {"params": trained[1:]}], lr=5e-5, betas=(0.5, 0.999))
        adam.load_state_dict(loaded["optimizer_state_dict"])
        self.assertEqual([group["lr"] for group in adam.param_groups], [0.125, 0.125])
        for parameter in trained:
            parameter.grad = torch.ones_like(parameter)
        adam.step()
        self.assertEqual(adam.state[trained[0]]["step"], 7)

    def test_what_makes_no_sense(self):
        self.assertIn(".safetensors, .pth or .pt", self.message(2, "convert", "a", "b.bin"))
        clip = self.write("clip.safetensors", micro_clip())
        self.assertIn("is a CLIP", self.message(3, "convert", clip, self.folder / "a.pth"))
        self.assertIn("no such file", self.message(3, "convert", self.folder / "none", self.folder / "a.pth"))
        self.assertIn("--force", self.message(3, "convert", OFFICIAL / "default.pth", clip))


if __name__ == "__main__":
    unittest.main()

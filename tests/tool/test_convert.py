# SPDX-License-Identifier: MIT
"""`moeclip convert`: the official .pth layout, there and back, checked with torch where it is installed."""
import unittest

from support import GOLDEN, ToolTest
from training import micro_clip, train_words, write_data

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
            self.output("convert", official, self.folder / f"{name}.safetensors")
            text = self.output("convert", self.folder / f"{name}.safetensors", self.folder / f"{name}.pth")
            self.assertIn("1 epochs, the optimiser's state of ", text)
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
            self.output("convert", last, self.folder / "a.pth", "--force")
            self.output("convert", self.folder / "a.pth", self.folder / "b.safetensors", "--force")
            self.assertEqual(self.content(last)[0], self.content(self.folder / "b.safetensors")[0])

    @unittest.skipUnless(torch, "needs torch")
    def test_torch_loads_it(self):
        last = self.trained("--recipe", "released", "--lr", "0.25")
        self.output("convert", last, self.folder / "a.pth")
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

# SPDX-License-Identifier: MIT
"""NaN and infinity in what people give the tool: the error names the file, the tensor and the place."""
import json
import struct
import unittest

from support import ToolTest, png, without_checksum
from training import VOCABULARY, micro_clip

BAD = {"NaN": b"\x00\x00\xc0\x7f", "infinity": b"\x00\x00\x80\x7f", "less than nothing": b"\x00\x00\x80\xff"}


def poisoned(data, name, bytes_, place=0):
    """A safetensors file of float32 in which element `place` of tensor `name` is another."""
    data = bytearray(without_checksum(data))
    start = 8 + int.from_bytes(data[:8], "little")
    tensor = json.loads(data[8:start])[name]
    assert tensor["dtype"] == "F32"
    at = start + tensor["data_offsets"][0] + 4 * place
    data[at:at + 4] = bytes_
    return bytes(data)


class Numbers(ToolTest):
    def setUp(self):
        super().setUp()
        for name in ("set/test/good", "set/test/bad"):
            (self.folder / name).mkdir(parents=True)
            for i in range(2):
                self.write(f"{name}/{i}.png", png(48, 48, bytes((40 * i + x) % 256 for x in range(3 * 48 * 48))))
        self.data = self.folder / "set"
        self.picture = self.folder / "set/test/good/0.png"

    def expect_named(self, path, tensor, *words):
        message = self.message(3, *words)
        for fact in (path.name, tensor, "no finite number"):
            self.assertIn(fact, message)

    def test_adapter(self):
        self.run_tool("train", self.data, "--out", self.folder / "run", "--steps", 1, "--image-size", 64)
        whole = (self.folder / "run/moe_last.safetensors").read_bytes()
        tensor = "image_adapter.seg_proj.0.fc.weight"
        if tensor.encode() not in whole:
            tensor = "image_adapter.seg_proj.0.fc.0.weight"
        for bytes_ in BAD.values():
            adapter = self.write("bad.safetensors", poisoned(whole, tensor, bytes_, 7))
            for words in (("detect", self.picture), ("eval", self.data), ("explain", self.picture)):
                self.expect_named(adapter, tensor, *words, "--adapter", adapter, "--image-size", 64)
        self.expect_named(adapter, tensor, "train", self.data, "--out", self.folder / "more", "--start", adapter,
                          "--image-size", 64)
        moment = next(name for name in json.loads(whole[8:8 + int.from_bytes(whole[:8], "little")])
                      if name.startswith("adam."))
        (self.folder / "run/moe_last.safetensors").write_bytes(poisoned(whole, moment, BAD["NaN"]))
        self.expect_named(self.folder / "run/moe_last.safetensors", moment, "train", self.data, "--out",
                          self.folder / "run", "--steps", 2, "--image-size", 64, "--resume")

    def test_clip(self):
        words = ["--vocab", VOCABULARY, "--image-size", 28]
        whole = micro_clip()
        for tensor in ("visual.conv1.weight", "visual.transformer.resblocks.0.mlp.c_fc.weight", "token_embedding.weight",
                       "transformer.resblocks.0.attn.in_proj_weight"):
            clip = self.write("clip.safetensors", poisoned(whole, tensor, BAD["infinity"], 3))
            self.expect_named(clip, tensor, "detect", self.picture, "--clip", clip, *words)
        for verb in (["eval", self.data], ["learn", self.data / "test/good", "-o", self.folder / "m.moeclip"],
                     ["train", self.data, "--out", self.folder / "out"]):
            self.expect_named(clip, tensor, *verb, "--clip", clip, *words)

    def test_memory(self):
        self.run_tool("learn", self.data / "test/good", "-o", self.folder / "part.moeclip", "--patches", 50)
        whole = (self.folder / "part.moeclip").read_bytes()
        memory = self.write("bad.moeclip", poisoned(whole, "patches", BAD["NaN"], 5))
        for words in (("detect", self.picture), ("eval", self.data)):
            self.expect_named(memory, "patches", *words, "--good", memory)

    def test_calibration(self):
        limits = self.folder / "limits.json"
        self.run_tool("calibrate", self.data, "--out", limits, "--image-size", 64)
        record = json.loads(limits.read_text())
        record.pop("crc32")
        for value in ("NaN", "1e999", "Infinity"):
            record.update(format="moeclip calibration 1", threshold="@")
            limits.write_text(json.dumps(record).replace('"@"', value))
            self.assertIn("limits.json", self.message(3, "detect", self.picture, "--calibration", limits))
        record.update(format="moeclip calibration 2", threshold=0.25, crc32="12345678")
        limits.write_text(json.dumps(record))
        self.assertIn("checksum", self.message(3, "detect", self.picture, "--calibration", limits))


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: MIT
"""Files of our own whose format is of another version: a newer one is called newer, an older one older."""
import json
import struct
import unittest

from support import ToolTest, png
from training import VOCABULARY, micro_clip, train_words, write_data


def with_header(data, change):
    """A safetensors file whose header `change` has changed, and which has no checksum any more."""
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    header["__metadata__"].pop("moeclip.crc32", None)
    change(header["__metadata__"])
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + size:]


def setting(version, key, *way):
    """Sets a version in the JSON of a metadata entry."""
    def change(metadata):
        if not way:
            metadata[key] = version
            return
        record = json.loads(metadata[key])
        place = record
        for name in way[:-1]:
            place = place[name]
        place[way[-1]] = version
        metadata[key] = json.dumps(record)
    return change


class Versions(ToolTest):
    def files(self):
        """Name, whether its version is a text, where it stands, and the command that reads it."""
        clip = ("--clip", self.write("clip.safetensors", micro_clip()), "--vocab", VOCABULARY, "--image-size", 28)
        data = write_data(self.folder)
        good = self.folder / "0.png"
        self.run_tool(*train_words(self.folder / "clip.safetensors", data, self.folder / "run", "--steps", 1))
        self.run_tool("learn", good, self.folder / "2.png", "-o", self.folder / "part.moeclip", "--patches", 20)
        self.run_tool("export", *clip, "--class", "nut", "-o", self.folder / "model.moeclip")
        self.run_tool("quantize", *clip, "--check", good, "--min-correlation", -1, "--max-score-change", 1, "-o",
                      self.folder / "small.safetensors")
        self.run_tool("eval", data, *clip, "--out", self.folder / "judged")
        moeclip, look = "moeclip", ("detect", good)
        return (
            ("run/moe_last.safetensors", False, (moeclip, "format"), (*look, *clip, "--adapter")),
            ("part.moeclip", False, (moeclip, "format"), (*look, "--good")),
            ("model.moeclip", False, (moeclip, "model", "format"), (*look, "--model")),
            ("small.safetensors", True, ("moeclip.quantized.version",), (*look, "--vocab", VOCABULARY, "--clip")),
            ("judged/state.safetensors", False, ("moeclip.evaluation", "format"), ("merge",)),
        )

    def test_newer_and_older(self):
        for name, is_text, place, words in self.files():
            path = self.folder / name
            whole = path.read_bytes()
            for version, sentence in ((9, "newer than this program"), (0, "older than this program")):
                with self.subTest(name=name, version=version):
                    path.write_bytes(with_header(whole, setting(str(version) if is_text else version, *place)))
                    message = self.message(3, *words, path)
                    self.assertIn(f"of version {version}, {sentence}", message)
                    self.assertNotIn("newer" if version == 0 else "older", message)
        picture = self.write("a.png", png(8, 8, bytes(192)))
        for version, sentence in ((9, "newer"), (0, "older")):
            text = json.dumps({"format": f"moeclip calibration {version}"})
            message = self.message(3, "detect", picture, "--calibration", self.write("limits.json", text.encode()))
            self.assertIn(f"of version {version}, {sentence} than", message)


if __name__ == "__main__":
    unittest.main()

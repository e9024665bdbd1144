# SPDX-License-Identifier: MIT
"""What README.md and tools/README.md tell people to type is typed, in their order, in a folder with small files of the
names that they use; and the messages that they explain are said by the sources."""
import re
import shlex
import shutil
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

from support import TOOL, ToolTest, read_ppm

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ("README.md", "tools/README.md")
SHARE = Path(TOOL).resolve().parent.parent / "share" / "moeclip"

# What other tests do: building (CI), servers and watched folders (test_serve, test_streams), moeclip-infer (infer); and
# what changes the machine.
ELSEWHERE = ("apt-get ", "cmake ", "curl ", "moeclip serve ", "moeclip detect --watch ", "moeclip-infer ", "sbatch ", "sudo ")
SMALLER = {"train": ["--epochs", "1", "--batch", "1", "--force"], "export": ["--force"], "learn": ["--force"],
           "calibrate": ["--force"], "merge": ["--force"]}


def lines_of(guide):
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / guide).read_text(encoding="utf-8"), re.S):
        for line in block.splitlines():
            yield shlex.join(shlex.split(line, comments=True)) if "|" not in line else line


class ReadmeTest(ToolTest):
    def test_commands(self):
        with tempfile.TemporaryDirectory(prefix="moeclip-readme-") as name:
            self.prepare(Path(name))
            for guide in GUIDES:
                for line in lines_of(guide):
                    if line and not line.startswith(ELSEWHERE):
                        with self.subTest(guide=guide, line=line):
                            self.type(line, Path(name))

    def prepare(self, folder):
        def draw(name, count, defects, *options):
            subprocess.run([TOOL, "synthesize", "--out", folder / name, "--size", "64", "--count", count, "--categories",
                            "gear", "--defects", defects, *options], check=True, stdout=subprocess.DEVNULL, timeout=100)

        draw("visa", "4", "hole")
        draw("mvtec", "2", "hole,scratch", "--seed", "5")
        shutil.copytree(folder / "mvtec/gear", folder / "mvtec/metal_nut")
        shutil.copytree(folder / "visa/gear/train/good", folder / "good")
        draw("more", "4", "hole", "--seed", "6")
        shutil.copytree(folder / "more/gear/train/good", folder / "more_good")
        shutil.copytree(folder / "good", folder / "photos/good")
        shutil.copytree(folder / "good", folder / "scans/good")
        for picture in (folder / "mvtec/gear/test").rglob("*.png"):
            shutil.copy(picture, folder / "photos" / f"{picture.parent.name}{picture.name}")
            shutil.copy(picture, folder / "photo.jpg")  # files are known by what they hold
        shutil.copy(folder / "photo.jpg", folder / "nut.png")
        for name, source in (("ViT-L-14-336px.pt", "tiny"), ("clip.pt", "tiny"), ("moe_last.safetensors", "tiny_adapter")):
            shutil.copy(SHARE / f"{source}.safetensors", folder / name)

    def type(self, line, folder):
        if not line.startswith("moeclip merge"):  # what the line before has written
            shutil.rmtree(folder / "results", ignore_errors=True)
        if "|" in line:  # a camera in front
            camera, line = line.split(" | ")
            self.assertRegex(camera, "^ffmpeg .*-c:v bmp -$")
            stdin = b"".join(self.bmp(folder / "photo.jpg") for _ in range(2))
        else:
            stdin = b""
        repeated = re.fullmatch(r"parallel (.*) ::: \{1\.\.(\d)\}", line.replace("'", ""))
        lines = [repeated[1].replace("{}", str(i + 1)) for i in range(int(repeated[2]))] if repeated else [line]
        for each in lines:
            words = shlex.split(each)
            self.assertEqual(words[0], "moeclip", line)
            result = subprocess.run([TOOL, *words[1:], *SMALLER.get(words[1], [])], cwd=folder, input=stdin, timeout=300,
                                    capture_output=True)
            self.assertEqual(result.returncode, 0, result.stderr.decode())
            self.assertTrue(result.stdout)

    def bmp(self, picture):
        out = picture.with_suffix(".ppm")
        subprocess.run([TOOL, "decode", picture, out, "--force"], check=True, capture_output=True, timeout=100)
        width, height, pixels = read_ppm(out)
        rows = [pixels[3 * width * y:3 * width * (y + 1)] for y in range(height)]
        data = b"".join(b"".join(row[3 * x:3 * x + 3][::-1] for x in range(width)) + bytes(-3 * width % 4) for row in rows)
        return struct.pack("<2sIII", b"BM", 54 + len(data), 0, 54) + struct.pack("<IiiHHIIiiII", 40, width, -height, 1, 24, 0,
                                                                                 len(data), 2835, 2835, 0, 0) + data

    def test_verbs_and_options_in_every_readme(self):
        helps, count = {}, 0
        for path in sorted(ROOT.rglob("*.md")):
            if "build" in path.relative_to(ROOT).parts:
                continue
            text = path.read_text(encoding="utf-8")
            code = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S) + re.findall(r"`(moeclip(?:-mpi)? [^`\n]+)`", text)
            code = re.sub(r"#.*", "", "\n".join(code))
            for verb, rest in re.findall(r"(?<![\w.-])moeclip(?:-mpi)? ([a-z]+)(?![\w/])([^|;&\n]*)", code):
                helps[verb] = helps.get(verb) or self.output("help", verb)
                for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", rest):
                    count += 1
                    self.assertRegex(helps[verb], rf"{option}(?![\w-])", f"{path}: moeclip {verb}{rest}")
        self.assertGreater(count, 100)

    def test_messages(self):
        sources = "".join(path.read_text(encoding="utf-8") for folder in ("include", "tools/moeclip")
                          for path in sorted((ROOT / folder).rglob("*")) if path.suffix in (".hpp", ".cpp"))
        plain = re.sub(r'"\s*\n?\s*"', "", sources)
        table = (ROOT / "tools/README.md").read_text(encoding="utf-8").split("## Messages")[1]
        messages = [row.split("|")[1].strip() for row in table.splitlines() if row.startswith("| ")][1:]
        self.assertGreater(len(messages), 10)
        for message in messages:
            for part in message.split("..."):
                self.assertTrue(part.strip() in plain, message)


if __name__ == "__main__":
    unittest.main()

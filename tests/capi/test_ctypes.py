# SPDX-License-Identifier: MIT
"""usage: test_ctypes.py LIBRARY [TOOL]: the Python wrapper, its examples, the library's symbols, and the same numbers as
the command line tool. Without NumPy, arrays are tried as memoryviews."""
import array
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "model"
DATA = ROOT / "tools" / "moeclip" / "data"

if len(sys.argv) < 2 or not Path(sys.argv[1]).exists():
    print("not built:", *sys.argv[1:2])
    sys.exit(77)
LIBRARY = os.path.abspath(sys.argv.pop(1))
TOOL = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else ""
os.environ["MOECLIP_LIBRARY"] = LIBRARY
os.environ["MOECLIP_VOCABULARY"] = str(DATA / "bpe_simple_vocab_16e6.txt.gz")
sys.path.insert(0, str(ROOT / "tools" / "capi"))
import moeclip  # noqa: E402

numpy = moeclip.numpy


def pixels(width, height, channels=3, seed=1):
    """Rows of bytes from a little generator."""
    data = bytearray()
    for _ in range(width * height * channels):
        seed = (seed * 1103515245 + 12345) % 2**31
        data.append(seed >> 16 & 255)
    return bytes(data)


def shaped(data, *shape):
    return numpy.frombuffer(data, numpy.uint8).reshape(shape) if numpy else memoryview(data).cast("B", shape)


def netpbm(data, width, height, channels):
    return b"P%d %d %d 255\n" % (5 if channels == 1 else 6, width, height) + data


class WrapperTest(unittest.TestCase):
    def test_ways_to_hand_over_a_picture(self):
        with moeclip.Detector(GOLDEN / "textures.moeclip", threads=1) as detector:
            for width, height, channels in [(90, 70, 3), (41, 83, 1), (1, 1, 3)]:
                data = pixels(width, height, channels)
                shape = (height, width) if channels == 1 else (height, width, channels)
                encoded = netpbm(data, width, height, channels)
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder) / "Stra\u00dfe \u4e2d.ppm"
                    path.write_bytes(encoded)
                    results = [detector.detect(shaped(data, *shape)), detector.detect(encoded), detector.detect(path),
                               detector.detect(str(path))]
                self.assertEqual(len({result.score for result in results}), 1)
                self.assertEqual(len({bytes(result.map) for result in results}), 1)
                self.assertEqual(results[0].size, (width, height))
                self.assertEqual(results[0].is_anomalous, results[0].score >= results[0].threshold)
                self.assertEqual(results[0].remark, "")

    def test_results_are_used_again(self):
        with moeclip.Detector(GOLDEN / "textures.moeclip") as detector, moeclip.Context(2) as context:
            result = moeclip.Result()
            self.assertRaisesRegex(moeclip.MoeclipError, "holds no picture", lambda: result.score)
            seen = detector.detect(GOLDEN / "bad.png", result=result, context=context)
            self.assertIs(seen, result)
            score, before, regions = result.score, result.map, result.regions
            self.assertTrue(regions)
            detector.detect(GOLDEN / "good.png", result=result, context=context)
            self.assertNotEqual(result.score, score)
            self.assertNotEqual(bytes(result.map), bytes(before))  # which is a copy
            self.assertRaises(moeclip.MoeclipError, detector.detect, "no.png", result=result)
            self.assertRaises(moeclip.MoeclipError, lambda: result.map)
            detector.set_threshold(1)
            self.assertEqual(detector.detect(GOLDEN / "good.png").threshold, 1)

    def test_errors(self):
        def code(call, *arguments, **named):
            with self.assertRaises(moeclip.MoeclipError) as caught:
                call(*arguments, **named)
            return caught.exception.code

        self.assertEqual(code(moeclip.Detector, "none.moeclip"), "io")
        self.assertEqual(code(moeclip.Detector, GOLDEN / "good.png"), "missing")
        self.assertEqual(code(moeclip.Detector), "contract")
        self.assertEqual(code(moeclip.Detector, adapter="a.pth", memory="m"), "contract")
        self.assertEqual(code(moeclip.Context, -1), "contract")
        self.assertEqual(code(moeclip.Detector, clip=DATA / "tiny.safetensors", classes=["a", "b"], normal=["x"],
                              abnormal=["y"]), "contract")
        self.assertEqual(code(moeclip.Detector, clip=DATA / "tiny.safetensors", normal=["x"]), "contract")
        self.assertEqual(code(moeclip.Detector, clip=DATA / "tiny.safetensors",
                              memory=GOLDEN / "textures.moeclip"), "mismatch")
        self.assertRaises(TypeError, moeclip.Detector, GOLDEN / "words.moeclip", classes=["a"])
        self.assertRaises(ValueError, moeclip.Detector, "a\0b")
        with moeclip.Detector(GOLDEN / "words.moeclip") as detector:
            self.assertEqual(code(detector.detect, GOLDEN / "bad.png", "no such class"), "missing")
            self.assertEqual(code(detector.detect, b"GIF89a"), "format")
            self.assertEqual(code(detector.detect, b""), "format")
            self.assertEqual(code(detector.detect, shaped(pixels(5, 4, 4), 4, 5, 4)), "contract")
            self.assertRaises(ValueError, detector.detect, shaped(pixels(5, 4), 60))
            self.assertRaises(TypeError, detector.detect, numpy.zeros((3, 3)) if numpy else array.array("f", [1.0]))
        self.assertEqual(code(detector.detect, GOLDEN / "bad.png"), "contract")  # it was closed

    @unittest.skipUnless(numpy, "NumPy is not installed")
    def test_windows_on_arrays(self):
        data = shaped(pixels(90, 70), 70, 90, 3)
        with moeclip.Detector(GOLDEN / "textures.moeclip") as detector:
            one = data[3].copy()
            for window in (data[5:65, 7:80], data[:, ::2], data[::-1], data[:, :, ::-1], data[:1], data[:, :1], data[:, :, 1],
                           data[:, :, :1], data.transpose(1, 0, 2), numpy.asfortranarray(data), data.astype(">u1"),
                           numpy.broadcast_to(one, data.shape), numpy.broadcast_to(one[:, 0], (70, 90)),
                           numpy.broadcast_to(one[:1], data.shape), numpy.lib.stride_tricks.as_strided(data, (40, 90, 3), (9, 3, 1))):
                whole = detector.detect(numpy.array(window, order="C"))
                self.assertEqual(bytes(detector.detect(window).map), bytes(whole.map))
            self.assertEqual(detector.detect(data).map.dtype, numpy.float32)
            for empty in (data[:0], data[:, :0], data[:, :, :0]):
                self.assertEqual(code_of(lambda: detector.detect(empty)), "contract")
            self.assertEqual(code_of(lambda: detector.detect(data[:, :, :2])), "contract")
            for other in (data.astype(">u2"), data.astype(float), data > 3, data.astype(object), data.tolist(), None):
                self.assertRaises(TypeError, detector.detect, other)
            for other in (data[None], data.ravel(), data[0, 0, 0]):
                self.assertRaises(ValueError, detector.detect, other)

    @unittest.skipIf(numpy, "NumPy is installed")
    def test_by_another_interpreter_with_numpy(self):
        """The interpreter of the build need not have it while the system's has."""
        for folder in os.get_exec_path():
            other = Path(folder) / "python3"
            if other.is_file() and subprocess.run([other, "-c", "import numpy"], stderr=subprocess.DEVNULL).returncode == 0:
                subprocess.run([other, __file__, LIBRARY, "-k", "test_windows_on_arrays"], check=True)
                return
        self.skipTest("no interpreter here has NumPy")

    def test_eight_threads(self):
        picture = shaped(pixels(90, 70), 70, 90, 3)
        with moeclip.Detector(GOLDEN / "textures.moeclip", threads=1) as detector:
            score, scores = detector.detect(picture).score, []
            threads = [threading.Thread(target=lambda: scores.extend(detector.detect(picture).score for _ in range(3)))
                       for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(scores, [score] * 24)


def code_of(call):
    try:
        call()
    except moeclip.MoeclipError as error:
        return error.code
    return None


@unittest.skipUnless(TOOL, "the command line tool is not there")
class SameAsTool(unittest.TestCase):
    """To the last bit."""

    def expect_same(self, detector, picture, *arguments, class_name=None):
        result = detector.detect(picture, class_name)
        with tempfile.TemporaryDirectory() as folder:
            out = subprocess.run([TOOL, "detect", "--json", "--out", folder, *map(str, arguments), str(picture)],
                                 stdout=subprocess.PIPE, check=True, text=True).stdout
            said = json.loads(out.splitlines()[-1])
            recorded = (Path(folder) / f"{picture.stem}.map.npy").read_bytes()
        size = struct.unpack("<H", recorded[8:10])[0]
        self.assertEqual(recorded[10 + size:], bytes(result.map))
        single = struct.Struct("<f")
        self.assertEqual(single.pack(said["score"]), single.pack(result.score))
        self.assertEqual(single.pack(said["threshold"]), single.pack(result.threshold))
        self.assertEqual(said["is_anomalous"], result.is_anomalous)
        self.assertEqual([[r[k] for k in ("x", "y", "width", "height")] for r in said["regions"]],
                         [list(r[:4]) for r in result.regions])

    def test_models(self):
        for name in ("textures", "words", "fused"):
            with moeclip.Detector(GOLDEN / f"{name}.moeclip") as detector:
                for picture in ("good.png", "bad.png"):
                    self.expect_same(detector, GOLDEN / picture, "--model", GOLDEN / f"{name}.moeclip")

    def test_clip_adapter_and_words(self):
        clip, adapter, picture = DATA / "tiny.safetensors", DATA / "tiny_adapter.safetensors", GOLDEN / "bad.png"
        with moeclip.Detector(clip=clip, adapter=adapter, classes=["metal_nut", "cable"]) as detector:
            self.assertEqual(detector.classes, ["metal_nut", "cable"])
            for name in detector.classes:
                self.expect_same(detector, picture, "--clip", clip, "--adapter", adapter, "--class", name, class_name=name)
        with moeclip.Detector(clip=clip) as detector:
            self.expect_same(detector, picture, "--clip", clip)
        words = {"normal": ["a fine nut"], "abnormal": ["a broken nut", "a bent nut"]}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(words, file)
            file.flush()
            with moeclip.Detector(clip=clip, adapter=adapter, **words) as detector:
                self.expect_same(detector, picture, "--clip", clip, "--adapter", adapter, "--prompts", file.name)

    def test_good_pictures(self):
        clip, adapter = DATA / "tiny.safetensors", DATA / "tiny_adapter.safetensors"
        with tempfile.TemporaryDirectory() as folder:
            memory = Path(folder) / "nut.moeclip"
            subprocess.run([TOOL, "learn", "--clip", clip, "--adapter", adapter, "--out", memory, GOLDEN / "good.png"],
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            with moeclip.Detector(clip=clip, adapter=adapter, memory=memory) as detector:
                result = detector.detect(GOLDEN / "bad.png")
                self.assertIsNone(result.threshold)  # of one good picture
                self.assertIsNone(result.is_anomalous)
                out = subprocess.run([TOOL, "detect", "--json", "--clip", clip, "--adapter", adapter, "--good", memory,
                                      GOLDEN / "bad.png"], stdout=subprocess.PIPE, check=True, text=True).stdout
                self.assertEqual(struct.pack("<f", json.loads(out)["score"]), struct.pack("<f", result.score))
            self.assertEqual(code_of(lambda: moeclip.Detector(clip=clip, memory=memory)), "mismatch")
            self.assertEqual(code_of(lambda: moeclip.Detector(memory=memory)), "mismatch")


class LibraryTest(unittest.TestCase):
    def test_only_our_names_are_exported(self):
        header = (ROOT / "tools" / "capi" / "moeclip.h").read_text(encoding="utf-8")
        declared = set(re.findall(r"\b(moeclip_\w+)\(", re.sub(r"/\*.*?\*/", "", header, flags=re.S)))
        self.assertEqual(declared, {"moeclip_" + name for name in moeclip._FUNCTIONS})
        if not sys.platform.startswith("linux"):
            self.skipTest("nm -D")
        lines = subprocess.run(["nm", "-D", "--defined-only", LIBRARY], stdout=subprocess.PIPE, check=True, text=True).stdout
        names = {line.split()[-1] for line in lines.splitlines() if line.split()[1] != "A"}
        node = "@@MOECLIP_" + ".".join(moeclip.version().split(".")[:2])
        self.assertEqual(names, {name + node for name in declared})
        self.assertRegex(subprocess.run(["readelf", "-d", LIBRARY], stdout=subprocess.PIPE, check=True, text=True).stdout,
                         r"SONAME.*\[libmoeclip_c\.so\.\d+\.\d+\]")

    def test_the_examples_of_the_readme(self):
        readme = (ROOT / "tools" / "capi" / "README.md").read_text(encoding="utf-8")
        example = re.search(r"```python\n(.*?)```", readme, re.S).group(1)
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "tools" / "capi")}
        with tempfile.TemporaryDirectory() as folder:
            for name, source in (("part.moeclip", "textures.moeclip"), ("photo.png", "bad.png")):
                (Path(folder) / name).write_bytes((GOLDEN / source).read_bytes())
            out = subprocess.run([sys.executable, "-c", example], cwd=folder, env=environment, stdout=subprocess.PIPE,
                                 check=True, text=True).stdout
        self.assertRegex(out, r"^0\.\d+ True\n")


if __name__ == "__main__":
    unittest.main()

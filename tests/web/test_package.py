# SPDX-License-Identifier: MIT
"""The npm package: packed, installed without a network, and compared under node with the native tool.

usage: test_package.py SITE TOOL      SITE: build/web/site, beside which the package is
"""
import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import native  # noqa: E402

if len(sys.argv) < 3 or not shutil.which("npm") or not Path(sys.argv[1]).with_name("npm").is_dir():
    print("skipped: no package, no native tool, or no npm")
    sys.exit(77)
TOOL, PACKAGE = Path(sys.argv.pop(2)).resolve(), Path(sys.argv.pop(1)).resolve().with_name("npm")
MODEL = HERE.parent / "golden" / "model" / "textures.moeclip"
MEGABYTE = 1e6


class PackageTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="moeclip-npm-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def npm(self, *words):
        return subprocess.run(["npm", *map(str, words), "--offline", "--no-audit", "--no-fund"], check=True, timeout=100,
                              cwd=self.folder, capture_output=True).stdout.decode()

    def test_package(self):
        packed = json.loads(self.npm("pack", PACKAGE.resolve(), "--json"))[0]
        self.assertEqual(len(packed["files"]), 10, packed["files"])
        self.assertLess(packed["unpackedSize"], 5 * MEGABYTE)
        (self.folder / "package.json").write_text('{"private": true}')
        self.npm("install", self.folder / packed["filename"])
        native.run(TOOL, "synthesize", "--out", "wood", "--categories", "wood", "--defects", "hole", "--count", 4, "--size",
                   128, folder=self.folder)
        good = sorted((self.folder / "wood/wood/train/good").iterdir())
        picture = sorted((self.folder / "wood/wood/test/hole").iterdir())[0]
        shutil.copy(HERE / "package.mjs", self.folder)
        said = json.loads(subprocess.run(["node", "package.mjs", picture, MODEL, *good], check=True, timeout=100,
                                         cwd=self.folder, capture_output=True).stdout)
        self.assertEqual(said["about"]["isa"], "simd128")
        self.assertEqual(said["steps"], [[i, 8] for i in range(8)])
        self.assertEqual([figure[1] for figure in said["figures"]], [True] * 6)
        told = native.explain(TOOL, picture)
        self.assertEqual((said["told"]["sentence"], said["told"]["is_certain"]), (told["sentence"], told["is_certain"]))
        self.assertEqual([name["word"] for name in said["told"]["words"]], [name["word"] for name in told["words"]])
        for name, expected in zip(said["told"]["words"], told["words"]):
            self.assertAlmostEqual(name["probability"], expected["probability"], delta=1e-4)
        self.assertEqual([(is_own, code) for is_own, code, _ in said["errors"]],
                         [(True, "missing"), (True, "unsupported"), (True, "format")])
        self.assertIn("cut.moeclip", said["errors"][2][2])
        self.assertEqual(said["after"]["score"], said["byGood"]["score"])  # what could not be read changed nothing
        out, memory = self.folder / "out", self.folder / "native.moeclip"
        learned = json.loads(native.run(TOOL, "learn", *good, "--out", memory, "--json"))
        self.assertEqual(said["learned"]["size"], memory.stat().st_size)
        for name, options in (("builtin", ()), ("scalar", ()), ("file", ("--model", MODEL)), ("byGood", ("--model", memory))):
            expected, most = native.bound(TOOL, picture, out, *options)
            apart = native.distance(expected, said[name])
            print(f"{name}: {apart:.1e} from scalar, bound {most:.1e}")
            self.assertLessEqual(apart, most, name)
        self.assertLessEqual(abs(said["learned"]["threshold"] - learned["threshold"]), most)


unittest.main()

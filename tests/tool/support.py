# SPDX-License-Identifier: MIT
"""What the tests of the command line tool share. The tool is the first argument, or $MOECLIP_TOOL."""
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib
from pathlib import Path

GOLDEN = Path(os.environ.get("MOECLIP_TEST_GOLDEN_DIR", Path(__file__).resolve().parent.parent / "golden"))


def tool_path():
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        return os.path.abspath(sys.argv.pop(1))
    path = os.environ.get("MOECLIP_TOOL")
    if not path:
        sys.exit("usage: test_X.py TOOL [unittest options], or set MOECLIP_TOOL")
    return os.path.abspath(path)


TOOL = tool_path()


class ToolTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="moeclip-tool-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_tool(self, *arguments, code=0, stdin="", stdout=subprocess.PIPE, **environment):
        """Runs the tool and expects an exit code; returns what it wrote to stdout and stderr."""
        done = subprocess.run([TOOL, *map(str, arguments)], input=stdin.encode() if isinstance(stdin, str) else stdin,
                              stdout=stdout, stderr=subprocess.PIPE, env={**os.environ, **environment}, timeout=100)
        out, err = (done.stdout or b"").decode(), done.stderr.decode()
        self.assertEqual(done.returncode, code, f"{arguments}\nstdout: {out[-2000:]}\nstderr: {err[-2000:]}")
        if code != 0:
            self.assertTrue(err.startswith("moeclip: "), err)
        self.assertNotIn("\x1b", out + err)  # neither is a terminal
        return out, err

    def output(self, *arguments, **options):
        """stdout of a command that succeeds and says nothing else, but for its progress on a machine that is slow."""
        out, err = self.run_tool(*arguments, **options)
        self.assertEqual(re.sub(r"^\d+/\d+(, .* left)?(, \d+ MiB)?: .*\n", "", err, flags=re.M), "")
        return out

    def message(self, code, *arguments, **options):
        """stderr of a command that fails with `code` and prints no result."""
        out, err = self.run_tool(*arguments, code=code, **options)
        self.assertEqual(out, "")
        return err

    def objects(self, *arguments, **options):
        """The JSON objects, one a line, that a command prints."""
        return [json.loads(line) for line in self.run_tool(*arguments, "--json", **options)[0].splitlines()]

    def write(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return path


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, rgb, orientation=None):
    """An RGB PNG of `rgb` (bytes), optionally with an EXIF orientation."""
    rows = b"".join(b"\0" + rgb[3 * width * y:3 * width * (y + 1)] for y in range(height))
    exif = b"" if orientation is None else png_chunk(
        b"eXIf", b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0))
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + exif +
            png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b""))


def read_ppm(path):
    """Width, height and pixels of a binary PPM."""
    kind, width, height, depth, pixels = path.read_bytes().split(maxsplit=4)[:5]
    assert (kind, depth) == (b"P6", b"255")
    return int(width), int(height), pixels


def safetensors(tensors, metadata=None):
    """A safetensors file of {name: (dtype, shape, bytes)}."""
    header, data = {}, b""
    if metadata is not None:
        header["__metadata__"] = metadata
    for name, (dtype, shape, elements) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(elements)]}
        data += elements
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def without_checksum(data):
    """A safetensors file of ours whose checksum says that there is none, so that a test may change something else."""
    return re.sub(rb'"moeclip\.crc32":"[0-9a-f]{8}"', b'"moeclip.crc32":"00000000"', bytes(data))


def read_safetensors(path):
    """{name: (dtype, shape, bytes)} of a safetensors file."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    return {name: (t["dtype"], t["shape"], data[start + t["data_offsets"][0]:start + t["data_offsets"][1]])
            for name, t in header.items()}

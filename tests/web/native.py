# SPDX-License-Identifier: MIT
"""What the native tool says, for comparison with WebAssembly, and how far apart they may be.

The bound is measured: instruction sets differ in the order of sums and in products that are rounded or fused. The
distance of scalar kernels from those that the machine picks is one sample of that, WebAssembly's from scalar another
of the same kind; SAFETY times the first is allowed for the second, and never less than an eps of 1.
"""
import json
import os
import struct
import subprocess
from pathlib import Path

SAFETY = 8
EPS = 2.0 ** -23


def run(tool, *words, isa="scalar", folder=None):
    """stdout of the tool on one thread with an instruction set; "": the best."""
    environment = {**os.environ, "MOECLIP_ISA": isa}
    return subprocess.run([tool, *map(str, words)], check=True, capture_output=True, timeout=100,
                          env=environment, cwd=folder).stdout.decode()


def read_map(path):
    """The values of a .npy file of float."""
    data = Path(path).read_bytes()
    header = struct.unpack("<H", data[8:10])[0]
    assert b"'<f4'" in data[:10 + header]
    return [value for (value,) in struct.iter_unpack("<f", data[10 + header:])]


def judge(tool, picture, folder, *options, isa="scalar"):
    """The JSON of `moeclip detect` with "values", its map."""
    found = json.loads(run(tool, "detect", picture, "--json", "--force", "--out", folder, *options, isa=isa))
    found["values"] = read_map(found["files"]["map_npy"])
    return found


def explain(tool, picture):
    """What `moeclip explain` says of it by scalar kernels, whose bits WebAssembly's scalar ones have."""
    return json.loads(run(tool, "explain", picture, "--json", "--quiet"))["explanation"]


def distance(a, b):
    """Of scores and maps."""
    assert len(a["values"]) == len(b["values"])
    return max(abs(a["score"] - b["score"]), max(abs(x - y) for x, y in zip(a["values"], b["values"])))


def bound(tool, picture, folder, *options):
    """What scalar says, and how far from it something else may be."""
    scalar = judge(tool, picture, folder, *options)
    return scalar, SAFETY * max(EPS, distance(scalar, judge(tool, picture, folder, *options, isa="")))

# SPDX-License-Identifier: MIT
"""Records tests/golden/memory/: what scikit-learn says of neighbours, and PyTorch of textures.

usage: record_memory.py      needs Debian's python3-sklearn and python3-torch; building and testing do not
"""
import json
import struct

import numpy
import torch
import torch.nn.functional as F
from sklearn.neighbors import NearestNeighbors

from cpp_source import ROOT

NEIGHBOURS = 9  # as kMemoryNeighbours
UNIT = 0.4


def write(name, tensors):
    header, data = {}, b""
    for key, array in sorted(tensors.items()):
        kind = {"float32": "F32", "float64": "F64", "int64": "I64"}[str(array.dtype)]
        header[key] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (ROOT / "tests" / "golden" / "memory" / name).write_bytes(struct.pack("<Q", len(text)) + text + data)


def neighbours():
    random = numpy.random.default_rng(7)
    rows, queries = (random.standard_normal((n, 24)) for n in (150, 60))
    rows, queries = ((x / numpy.linalg.norm(x, axis=1, keepdims=True)).astype(numpy.float32) for x in (rows, queries))
    wide_rows, wide_queries = rows.astype(numpy.float64), queries.astype(numpy.float64)
    distances, nearest = (x[:, 0] for x in NearestNeighbors(n_neighbors=1).fit(wide_rows).kneighbors(wide_queries))
    around = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(wide_rows).kneighbors(wide_rows)[1]
    farthest = int(distances.argmax())
    neighbours = wide_rows[around[nearest[farthest]]]
    weights = numpy.exp(numpy.linalg.norm(wide_queries[farthest] - neighbours, axis=1) / UNIT)
    score = (1 - numpy.exp(distances[farthest] / UNIT) / weights.sum()) * distances[farthest]
    write("neighbours.safetensors", {"rows": rows, "queries": queries, "nearest": nearest.astype(numpy.int64), "distances": distances,
               "around": around.astype(numpy.int64), "score": numpy.array([score])})


def derivatives(x):
    p = F.pad(x, (1, 1, 1, 1), mode="replicate")
    middle, first, last = slice(1, -1), slice(None, -2), slice(2, None)
    at = lambda y, x: p[..., y, x]
    c, l, r, t, b = at(middle, middle), at(middle, first), at(middle, last), at(first, middle), at(last, middle)
    return [(r - l) / 2, (b - t) / 2, (at(last, last) - at(first, first)) / 8 ** 0.5,
            (at(last, first) - at(first, last)) / 8 ** 0.5, (l + r - 2 * c) / 2, (t + b - 2 * c) / 2]


def shrunk(y):
    """Two thirds of the size: means over the 1.5 x 1.5 pixels that a pixel covers."""
    weights = torch.zeros(y.shape[-1] * 2 // 3, y.shape[-1], dtype=y.dtype)
    for i in range(0, len(weights), 2):
        weights[i, 3 * i // 2:3 * i // 2 + 2] = torch.tensor([2, 1]).double() / 3
        weights[i + 1, 3 * i // 2 + 1:3 * i // 2 + 3] = torch.tensor([1, 2]).double() / 3
    return weights @ y @ weights.T


def textures_of_size(y):
    energies = [F.avg_pool2d(y, 8)]
    for scale in range(4):
        colours = [d[:, c:c + 1] for c in range(2) for d in derivatives(y[:, 1:])[:2]]
        for d in derivatives(y[:, :1]) + colours:
            energies.append(torch.sqrt(F.avg_pool2d(d.abs(), 8 >> scale) + 1e-4))
        y = F.avg_pool2d(y, 2)
    e = torch.cat(energies, 1)
    t = e / (e.norm(dim=1, keepdim=True) + 0.3)
    return torch.cat([t, F.avg_pool2d(F.pad(t, (2, 2, 2, 2), mode="replicate"), 5, 1)], 1)


def textures(picture):
    """Descriptors (576, 172) of a picture (192, 192, 3) of bytes, as memory/texture.hpp says."""
    x = torch.from_numpy(picture).permute(2, 0, 1)[None].double() / 255
    light = x.mean(1, keepdim=True)
    y = torch.cat([light, x[:, :1] - x[:, 1:2], x[:, 2:] - light], 1)
    small = F.interpolate(textures_of_size(shrunk(y)), (24, 24), mode="bilinear", align_corners=False)
    f = torch.cat([2 * textures_of_size(y), small], 1) / 5 ** 0.5
    return f[0].flatten(1).T.contiguous().numpy()


def main():
    neighbours()
    y, x, c = numpy.mgrid[0:192, 0:192, 0:3]
    picture = (((7 * x + 3 * y * (c + 1)) ^ (x * y >> 4)) & 255).astype(numpy.uint8)  # the test draws the same
    rows = numpy.arange(0, 576, 23)
    write("textures.safetensors", {"rows": rows.astype(numpy.int64), "descriptors": textures(picture)[rows]})


if __name__ == "__main__":
    main()

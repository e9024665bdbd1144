# SPDX-License-Identifier: MIT
"""Records tests/golden/memory/neighbours.safetensors: unit vectors, and what scikit-learn says of them, for the tests of memory/.

usage: record_neighbours.py      needs Debian's python3-numpy and python3-sklearn; building and testing do not
"""
import json
import struct

import numpy
from sklearn.neighbors import NearestNeighbors

from cpp_source import ROOT

NEIGHBOURS = 9  # as kMemoryNeighbours
UNIT = 0.4


def main():
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
    tensors = {"rows": rows, "queries": queries, "nearest": nearest.astype(numpy.int64), "distances": distances,
               "around": around.astype(numpy.int64), "score": numpy.array([score])}
    header, data = {}, b""
    for name, array in sorted(tensors.items()):
        kind = {"float32": "F32", "float64": "F64", "int64": "I64"}[str(array.dtype)]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path = ROOT / "tests" / "golden" / "memory" / "neighbours.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


if __name__ == "__main__":
    main()

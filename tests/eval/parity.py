#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""parity.py PROGRAM [CASES]

Compares the metrics of PROGRAM (built from parity.cpp) with scikit-learn's, and AUPRO with one made of SciPy's labels,
on random rankings and maps. Prints the worst difference of each; fails beyond 1e-10 (exact) or beyond what the binned
table itself states. To build the program:

    g++ -std=c++20 -O2 -Iinclude tests/eval/parity.cpp -o parity -pthread
"""
import subprocess
import sys

import numpy as np
from scipy import ndimage
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

NAMES = ["AUROC", "AP", "F1-max", "threshold", "AUPRO"]


def draw_scores(rng, shape):
    kind = rng.integers(6)
    scores = rng.random(shape)
    if kind == 1:
        scores = np.round(scores * rng.integers(1, 12)) / 8  # many ties
    elif kind == 2:
        scores = 1 / (1 + np.exp(-12 * (scores - 0.5) * rng.random()))
    elif kind == 3:
        scores = rng.normal(size=shape) * 10.0 ** rng.integers(-6, 6)
    elif kind == 4:
        scores = scores ** 9
    elif kind == 5 and rng.random() < 0.2:
        scores = np.full(shape, rng.normal())
    return scores.astype(np.float32)


def draw_ranking(rng):
    n = int(rng.integers(2, 400))
    labels = (rng.random(n) < rng.random()).astype(np.uint8)
    labels[:2] = [0, 1]
    scores = draw_scores(rng, n)
    lift = np.float32(rng.random() * scores.std())
    return (0, n, 1, 1), scores + lift * labels, labels


def draw_maps(rng):
    n, height, width = int(rng.integers(1, 5)), int(rng.integers(3, 40)), int(rng.integers(3, 40))
    noise = ndimage.gaussian_filter(rng.normal(size=(n, height, width)), (0, 1, 1))
    masks = (noise > np.quantile(noise, 0.5 + 0.49 * rng.random())).astype(np.uint8)
    masks.flat[0], masks.flat[-1] = 0, 1
    scores = draw_scores(rng, (n, height, width))
    return (1, n, height, width), scores + np.float32(rng.random() * scores.std()) * masks, masks


def f1_max(labels, scores):
    precision, recall, thresholds = precision_recall_curve(labels, scores)
    f1 = np.where(precision + recall > 0, 2 * precision * recall / np.maximum(precision + recall, 1e-300), 0)[:-1]
    best = f1.max()
    return best, float(thresholds[np.flatnonzero(f1 >= best - 1e-15)[-1]])


def aupro(scores, masks, limit=0.3):
    label, count = ndimage.label(masks, structure=np.zeros((3, 3, 3)) + np.array([0, 1, 0])[:, None, None])
    sizes = np.bincount(label.ravel())
    weight = np.where(label > 0, 1.0 / sizes[label], 0.0).ravel()
    order = np.argsort(-scores.ravel(), kind="stable")
    ranked = scores.ravel()[order]
    last = np.append(ranked[1:] != ranked[:-1], True)
    overlap = np.concatenate([[0], np.cumsum(weight[order])[last] / count])
    normal = (label == 0).ravel()
    rate = np.concatenate([[0], np.cumsum(normal[order])[last] / normal.sum()])
    return area_to(rate, overlap, limit) / limit


def area_to(x, y, limit):
    area = 0.0
    for x0, x1, y0, y1 in zip(x[:-1], x[1:], y[:-1], y[1:]):
        if x0 >= limit:
            break
        if x1 > limit:
            x1, y1 = limit, y0 + (y1 - y0) * (limit - x0) / (x1 - x0)
        area += (x1 - x0) * (y0 + y1) / 2
    return area


def wanted(case):
    (kind, *_), scores, labels = case
    flat, truth = scores.ravel().astype(np.float64), labels.ravel()
    best, threshold = f1_max(truth, flat)
    return [roc_auc_score(truth, flat), average_precision_score(truth, flat), best, threshold,
            aupro(scores, labels) if kind == 1 else np.nan]


def run(program, cases, is_exact):
    data = b"".join(np.array([*head, is_exact], np.int64).tobytes() + scores.astype(np.float32).tobytes() +
                    labels.tobytes() for head, scores, labels in cases)
    out = subprocess.run([program], input=data, stdout=subprocess.PIPE, check=True).stdout
    return np.array([line.split() for line in out.decode().splitlines()], float).reshape(len(cases), 5, 2)


def main():
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    rng = np.random.default_rng(1)
    cases = [draw_maps(rng) if i % 2 else draw_ranking(rng) for i in range(count)]
    truth = np.array([wanted(case) for case in cases])
    is_good = True
    for is_exact in (1, 0):
        mine = run(sys.argv[1], cases, is_exact)
        difference, stated = np.abs(mine[..., 0] - truth), mine[..., 1]
        if not is_exact:
            difference[:, 3] = np.nan  # one of several thresholds in a bin
        for i, name in enumerate(NAMES):
            if np.isnan(difference[:, i]).all():
                continue
            beyond = np.nanmax(difference[:, i] - stated[:, i])
            is_good &= bool(beyond <= (1e-7 if name == "threshold" else 1e-10))
            print(f"{'exact ' if is_exact else 'binned'} {name:9}: {np.isfinite(difference[:, i]).sum()} cases, worst "
                  f"difference {np.nanmax(difference[:, i]):.2e}, largest stated error {stated[:, i].max():.2e}")
        is_good &= bool((np.isnan(mine[..., 0]) == np.isnan(truth)).all())
    sys.exit(0 if is_good else "metrics differ")


if __name__ == "__main__":
    main()

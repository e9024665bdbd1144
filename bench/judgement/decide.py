# SPDX-License-Identifier: MIT
"""The verdicts of the plan in README.md, from what `moeclip ablate --preset worlds --json` prints.

usage: moeclip ablate --preset worlds ... --json | decide.py [--metric pixel_auroc]

A difference is shown if both of its 95 % intervals (paired bootstrap over seeds and pictures; Student's t over seeds) leave 0 out.
"""
import argparse
import json
import math
import statistics
import sys


def within(t, freedom):
    """P(|T| <= t) of Student's t, by Simpson's rule over its density: freedom need not be whole."""
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    density = [scale * (1 + (t * i / 2000) ** 2 / freedom) ** (-(freedom + 1) / 2) for i in range(2001)]
    return 2 * t / 6000 * (density[0] + density[-1] + 4 * sum(density[1:-1:2]) + 2 * sum(density[2:-1:2]))


def quantile(freedom):
    """What |T| stays below with 95 %."""
    low, high = 0.0, 1.0
    while within(high, freedom) < 0.95:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle, freedom) < 0.95 else (low, middle)
    return high


def welch(a, b):
    """Difference of two means and its interval."""
    va, vb = statistics.variance(a) / len(a), statistics.variance(b) / len(b)
    middle = statistics.fmean(a) - statistics.fmean(b)
    if va + vb == 0:
        return middle, middle, middle
    freedom = (va + vb) ** 2 / (va ** 2 / (len(a) - 1) + vb ** 2 / (len(b) - 1))
    half = quantile(freedom) * math.sqrt(va + vb)
    return middle, middle - half, middle + half


def verdict(low, high):
    return "shown" if low > 0 else "shown to be the other way round" if high < 0 else "not shown"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--metric", default="pixel_auroc")
    metric = parser.parse_args().metric
    found = {row["name"]: row["metrics"][metric] for row in json.load(sys.stdin)["variants"]}
    gains = {name: [a - b for a, b in zip(found[name.split("/")[0] + "/moeclip"]["values"], row["values"])]
             for name, row in found.items()}

    def compare(label, name):
        if name not in found:
            return print(f"{label}  moeclip over {name:30} was not run")
        row = found[name]
        ends = row["gain_interval"], row["gain_interval_by_t"]
        if None in ends[0] + ends[1]:  # undefined, or the same for all seeds
            return print(f"{label}  moeclip over {name:30} has not both intervals: not shown")
        low, high = min(end[0] for end in ends), max(end[1] for end in ends)
        print(f"{label}  moeclip over {name:30} {100 * row['gain_of_first']:+6.2f}  bootstrap "
              f"[{100 * ends[0][0]:+.2f}, {100 * ends[0][1]:+.2f}]  t [{100 * ends[1][0]:+.2f}, {100 * ends[1][1]:+.2f}]  "
              f"{verdict(low, high)}")

    seeds = len(gains["regions/uniform"])
    print(f"{metric}, points, {seeds} seeds" + ("" if seeds > 1 else ": intervals need two"))
    if seeds < 2:
        return
    compare("H1", "regions/uniform")
    compare("H2", "homogeneous/uniform")
    middle, low, high = welch(gains["regions/uniform"], gains["homogeneous/uniform"])
    print(f"H3  H1's difference less H2's                 {100 * middle:+6.2f}  Welch [{100 * low:+.2f}, {100 * high:+.2f}]  "
          f"{verdict(low, high)}")
    for world in ("regions", "homogeneous"):
        for recipe in ("paper", "released"):
            compare("H4", f"{world}/recipe-{recipe}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Products and attention beside oneDNN and OpenBLAS, as shares of what the processor can do.

    compare.py BUILD/bench [--out DIR] [--only REGEX] [--isa avx512 avx2] [--threads 1 2] [--repetitions N]

Runs bench_gemm and bench_attention, which check every result before they time it (Google Benchmark; Debian: libbenchmark-dev,
libdnnl-dev, libopenblas-dev). All that a line of the table compares runs interleaved within seconds, the ceiling
(multiply-adds in registers) included. A figure is the best of the repetitions; on one thread it is processor time, so that
neighbours on the machine count little, on two it is wall-clock time. The libraries are held to the instruction set that the
line is about. Writes peers.txt, peers.json and peers.svg to DIR (default: the current one) and the text to the terminal.
"""
import argparse
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

# What makes the libraries use an instruction set. OpenBLAS 0.3.21 knows Zen 4 and 5 by no name, so it is told its best.
PINS = {"avx512": {"OPENBLAS_CORETYPE": "SkylakeX"},
        "avx2": {"OPENBLAS_CORETYPE": "Zen", "DNNL_MAX_CPU_ISA": "AVX2"}}
PEERS = ("onednn", "openblas")


def machine():
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    fields = dict(re.findall(r"^(model name|cpu family|model)\s*: (.*)$", text, re.M))
    name = fields.get("model name", platform.processor() or platform.machine())
    return f"{name} (family {fields.get('cpu family', '?')}, model {fields.get('model', '?')}), {os.cpu_count()} cores"


def run(program, arguments, pins=None):
    env = {**os.environ, **(pins or {})}
    return subprocess.run([program, *arguments], env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


def workloads(program):
    names = run(program, ["--benchmark_list_tests=true"]).split()
    return list(dict.fromkeys(name.split("/")[0] for name in names)), names


def measure(program, workload, isa, options):
    """Best seconds and operations of a run of `workload` by (who, threads)."""
    threads = "|".join(map(str, options.threads))
    pattern = f"^{workload}/((ceiling|moeclip)/{isa}|{'|'.join(PEERS)})/threads:({threads})/"
    report = json.loads(run(program, [
        f"--benchmark_filter={pattern}", f"--benchmark_repetitions={options.repetitions}", "--benchmark_min_time=0.02",
        "--benchmark_enable_random_interleaving=true", "--benchmark_format=json"], PINS[isa]))
    best = {}
    for entry in report["benchmarks"]:
        if entry["run_type"] != "iteration":
            continue
        who, threads = entry["name"].split("/")[1], int(re.search(r"threads:(\d+)", entry["name"])[1])
        clock = "cpu_time" if threads == 1 and who != "ceiling" else "real_time"  # the ceiling times itself
        time = entry[clock] * {"ns": 1e-9, "us": 1e-6, "ms": 1e-3}[entry["time_unit"]]
        if (who, threads) not in best or time < best[who, threads][0]:
            best[who, threads] = time, entry["flops"]
    return best


def row(workload, isa, threads, best):
    rate = {who: best[who, threads][1] / best[who, threads][0]
            for who in ("ceiling", "moeclip", *PEERS) if (who, threads) in best}
    ratios = {who: rate[who] / rate["moeclip"] for who in PEERS if who in rate}
    return {"workload": workload, "isa": isa, "threads": threads, "milliseconds": 1e3 * best["moeclip", threads][0],
            "gflops": rate["moeclip"] / 1e9, "share_of_ceiling": rate["moeclip"] / rate["ceiling"],
            "time_relative_to": ratios}


def as_text(rows, where):
    lines = [f"{where}. Time of moeclip: milliseconds, GFLOP/s, share of the ceiling, and relative to others (below 1 is faster)", "",
             f"{'workload':>16} {'isa':>7} {'threads':>7} {'ms':>9} {'GFLOP/s':>8} {'ceiling':>7} {'oneDNN':>7} {'OpenBLAS':>8}"]
    for r in rows:
        ratios = [f"{r['time_relative_to'][who]:.2f}" if who in r["time_relative_to"] else "-" for who in PEERS]
        lines.append(f"{r['workload']:>16} {r['isa']:>7} {r['threads']:>7} {r['milliseconds']:>9.3f} {r['gflops']:>8.0f} "
                     f"{100 * r['share_of_ceiling']:>5.0f} % {ratios[0]:>7} {ratios[1]:>8}")
    return "\n".join(lines) + "\n"


def as_svg(rows, where):
    """A bar per row: the share of the ceiling; marks where the peers are."""
    height, left, width = 16, 230, 500
    colours = {"onednn": "#d62728", "openblas": "#2ca02c"}
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 60}" height="{(len(rows) + 3) * height}" '
             'font-family="sans-serif" font-size="11">',
             f'<text x="4" y="12">{where}: share of the ceiling. Bars: moeclip, red: oneDNN, green: OpenBLAS</text>']
    for i, r in enumerate(rows):
        y, share = (i + 2) * height, r["share_of_ceiling"]
        parts.append(f'<text x="4" y="{y + 11}">{r["workload"]}, {r["isa"]}, {r["threads"]} threads</text>'
                     f'<rect x="{left}" y="{y + 2}" width="{width * share:.1f}" height="{height - 4}" fill="#9ecae1"/>'
                     f'<text x="{left + 4}" y="{y + 11}">{100 * share:.0f} %</text>')
        for who, ratio in r["time_relative_to"].items():
            x = left + width * share * ratio
            parts.append(f'<rect x="{x:.1f}" y="{y}" width="2" height="{height}" fill="{colours[who]}"/>')
    return "\n".join(parts) + "\n</svg>\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench", type=Path, help="the folder of the benchmarks")
    parser.add_argument("--out", type=Path, default=Path("."))
    parser.add_argument("--only", default="", help="workloads that match this")
    parser.add_argument("--isa", nargs="+", choices=PINS, default=list(PINS))
    parser.add_argument("--threads", type=int, nargs="+", choices=(1, 2), default=[1, 2])
    parser.add_argument("--repetitions", type=int, default=9)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for program in (options.bench / "bench_gemm", options.bench / "bench_attention"):
        found, names = workloads(program)
        for workload in (w for w in found if re.search(options.only, w)):
            for isa in (isa for isa in options.isa if any(f"/moeclip/{isa}/" in name for name in names)):
                best = measure(program, workload, isa, options)
                for threads in options.threads:
                    rows.append(row(workload, isa, threads, best))
                    print(as_text(rows[-1:], "").splitlines()[-1], file=sys.stderr)
    where = machine()
    text = as_text(rows, where)
    (options.out / "peers.txt").write_text(text)
    (options.out / "peers.json").write_text(json.dumps({"machine": where, "rows": rows}, indent=1) + "\n")
    (options.out / "peers.svg").write_text(as_svg(rows, where))
    print(text, end="")


main()

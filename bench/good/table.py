# SPDX-License-Identifier: MIT
"""What words, good pictures and both find: the tables of memory/README.md.

usage: table.py TOOL MODELS OUT SET... [--shots 0,1,5,20,100] [--draws 3]

MODELS is the folder of the built-in model (tools/moeclip/data). Sets are folders as `moeclip eval` takes them, such as those of
lay_out.py. Every evaluation is a process on one thread; its result lies in OUT afterwards and is not made again, so
that an interrupted run goes on. Where a set has fewer good pictures than shots, all are learned. CPU seconds and
MB are those of one evaluation: learning, judging and measuring.
"""
import argparse
import json
import os
import statistics
import subprocess
from pathlib import Path

COLUMNS = ("image_auroc", "image_ap", "pixel_auroc", "pixel_ap", "aupro")
TITLES = ("image AUROC", "image AP", "pixel AUROC", "pixel AP", "AUPRO")
BOTH = ("--features", "encoder", "--text-weight", "0.5")


def run(command, path):
    """The JSON that the command prints, with what it cost; from `path` if it was run before."""
    if path.exists():
        return json.loads(path.read_text())
    child = subprocess.Popen([*map(str, command), "--json", "--threads", "1"], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
    text = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: ended with status {status}")
    result = {"cpu": usage.ru_utime + usage.ru_stime, "mb": usage.ru_maxrss / 1024, **json.loads(text)}
    part = path.with_suffix(".part")
    part.write_text(json.dumps(result))
    part.rename(path)
    return result


def value(metric):
    return metric["value"] if metric else None


def verdicts(one):
    """Shares of false alarms and of what is found; nothing where there are no verdicts."""
    if not one["good"] or not one["defective"]:
        return {}
    return {"alarms": one["false_positives"] / one["good"], "found": one["found"] / one["defective"]}


def zero_shot(wanted, folder, name, options):
    done = run([wanted.tool, "eval", folder, *options], wanted.out / f"{folder.name}.{name}.json")
    seen, = (mean for mean in done["means"] if mean["name"] == "mean")
    image, pixel = seen["default"]["image"], seen["default"]["pixel"]
    metrics = (image["auroc"], image["ap"], pixel.get("auroc"), pixel.get("ap"), pixel.get("aupro"))
    return [dict(zip(COLUMNS, map(value, metrics)), cpu=done["cpu"], mb=done["mb"])]


def few_shot(wanted, folder, name, shots, options):
    there = len(list(folder.glob("*/train/good/*")))
    classes = len(list(folder.glob("*/train/good")))
    draws = wanted.draws if 0 < shots * classes < there else 2  # of one alone, the tool prints another kind of result
    done = run([wanted.tool, "eval", folder, "--shots", min(shots, there // classes), "--draws", draws, *options],
               wanted.out / f"{folder.name}.{name}{shots}.json")
    return [dict({column: one[column] for column in COLUMNS}, cpu=done["cpu"] / draws, mb=done["mb"],
                 **verdicts(one))
            for one in done["runs"]]


def rows_of(wanted, folder):
    adapter = ("--clip", wanted.models / "tiny.safetensors", "--adapter", wanted.models / "tiny_adapter.safetensors")
    yield "plain", zero_shot(wanted, folder, "plain", adapter[:2])
    yield "adapter", zero_shot(wanted, folder, "adapter", adapter)
    for shots in wanted.shots:
        yield f"{shots} good", few_shot(wanted, folder, "good", shots, ())
    for shots in filter(None, wanted.shots):
        yield f"{shots} good and adapter", few_shot(wanted, folder, "both", shots, (*adapter, *BOTH))


def share(values):
    """Mean and standard deviation of shares, as percent."""
    if not values or None in values:
        return "-"
    text = f"{100 * statistics.mean(values):.1f}"
    return text if len(values) < 2 else f"{text} +- {100 * statistics.stdev(values):.1f}"


def print_table(title, rows):
    print(f"\n| {title} | {' | '.join(TITLES)} | false alarms | found | CPU s | MB |\n|{'---|' * 10}")
    for name, draws in rows.items():
        cells = [share([draw.get(column) for draw in draws]) for column in COLUMNS]
        cells += [share([draw[column] for draw in draws if column in draw]) for column in ("alarms", "found")]
        print(f"| {name} | {' | '.join(cells)} | {statistics.mean(draw['cpu'] for draw in draws):.1f} | "
              f"{max(draw['mb'] for draw in draws):.0f} |", flush=True)


def mean_of(tables):
    """Means of the sets for each draw; of pixels, those of the sets that have masks."""
    rows = {}
    for name in tables[0]:
        draws = max(len(table[name]) for table in tables)
        rows[name] = []
        for i in range(draws):
            own = [table[name][min(i, len(table[name]) - 1)] for table in tables]
            known = {key: [one[key] for one in own if one.get(key) is not None] for key in own[0]}
            rows[name].append({key: statistics.mean(values) for key, values in known.items() if values})
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tool")
    parser.add_argument("models", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--shots", type=lambda text: [int(word) for word in text.split(",")], default=[0, 1, 5, 20, 100])
    parser.add_argument("--draws", type=int, default=3)
    wanted = parser.parse_args()
    wanted.out.mkdir(parents=True, exist_ok=True)
    tables = []
    for folder in wanted.sets:
        tables.append(dict(rows_of(wanted, folder)))
        print_table(folder.name, tables[-1])
    if len(tables) > 1:
        print_table("mean of the sets", mean_of(tables))


if __name__ == "__main__":
    main()

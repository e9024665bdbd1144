# SPDX-License-Identifier: MIT
"""Methods on photographs: trained on some public sets, judged on others, from several seeds, by `moeclip ablate`.

usage: real.py TOOL SETS OUT [--seeds 3] [--epochs 1] [--most 50] [--fold one|two] [--preset paper-table | --variant NAME...] [ablate's options]

SETS holds sets as bench/good/lay_out.py lays them out (SET/SET/{train,test,ground_truth}): those that may be used for trying and
choosing, never those that are kept for judging. There are two folds; in each, what is trained on and what is judged on share no set:

  one  trained on neu, pcb (steel, boards);  judged on bsd, crack, elpv_mono, elpv_poly, brain
  two  trained on bsd, crack (screws, roads); judged on neu, pcb, elpv_mono, elpv_poly, brain

Training takes good and defective pictures with masks, --most of each and set; judging takes all good and defective pictures of the
other sets, --most of each. elpv and brain have no masks: they count in image metrics alone. A set is a class.

OUT gets a folder for each fold: its two lists, the finished runs and their pictures, the table as JSON, and a page. The same
command goes on where it stopped; with --shard I/N and an OUT of its own, each of several machines makes a part, and
`moeclip ablate --merge` puts them together. Nothing of the sets is written but the paths.
"""
import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

WITHOUT_MASKS = ("elpv_mono", "elpv_poly", "brain")
FOLDS = {"one": (("neu", "pcb"), ("bsd", "crack", *WITHOUT_MASKS)),
         "two": (("bsd", "crack"), ("neu", "pcb", *WITHOUT_MASKS))}
# short enough for WinCLIP's longest sentence in the 32 tokens of the built-in CLIP
WORDS = {"neu": "steel", "pcb": "circuit board", "bsd": "ball screw", "crack": "road", "elpv_mono": "mono cell",
         "elpv_poly": "poly cell", "brain": "brain scan"}


def lines_of(root, name, most):
    """The entries of a set, in the form of the tool's lists."""
    folder = root / name / name
    for part, label in (("good", 0), ("bad", 1)):
        for path in sorted((folder / "test" / part).glob("*.png"))[:most]:
            line = {"image_path": str(path), "label": label, "class_name": WORDS[name]}
            mask = folder / "ground_truth" / part / f"{path.stem}_mask.png"
            if label and mask.exists():
                line["mask_path"] = str(mask)
            yield line


def write_list(path, root, names, most):
    lines = [line for name in names for line in lines_of(root, name, most)]
    labels = {line["label"] for line in lines}
    if labels != {0, 1}:
        sys.exit(f"{root}: the sets {', '.join(names)} have not both good and defective pictures")
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def run_fold(wanted, name, more):
    trained, judged = ([s for s in names if (wanted.sets / s).is_dir()] for names in FOLDS[name])
    if not trained or not judged:
        return print(f"{name}: of its sets, none to train on or none to judge on is in {wanted.sets}", file=sys.stderr)
    folder = wanted.out / name
    folder.mkdir(parents=True, exist_ok=True)
    for part, names in (("train", trained), ("test", judged)):
        write_list(folder / f"{part}.jsonl", wanted.sets.resolve(), names, wanted.most)
    which = [word for variant in wanted.variant for word in ("--variant", variant)] or ["--preset", wanted.preset]
    command = [wanted.tool, "ablate", "--train", folder / "train.jsonl", "--test", folder / "test.jsonl", "--out",
               folder / "runs.jsonl", "--seeds", wanted.seeds, "--epochs", wanted.epochs, *which, *more]
    subprocess.run([*map(str, command), "--report", str(folder / "page.html"), "--force"], check=True)
    with open(folder / "table.json.part", "wb") as file:  # nothing is run again
        subprocess.run([*map(str, command), "--json", "--quiet"], check=True, stdout=file)
    os.replace(folder / "table.json.part", folder / "table.json")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tool")
    parser.add_argument("sets", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--most", type=int, default=50)
    parser.add_argument("--preset", default="paper-table")
    parser.add_argument("--fold", action="append", choices=list(FOLDS), help="only this one")
    parser.add_argument("--variant", action="append", default=[])
    wanted, more = parser.parse_known_args()
    for name in wanted.fold or FOLDS:
        run_fold(wanted, name, more)


if __name__ == "__main__":
    main()

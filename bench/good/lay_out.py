# SPDX-License-Identifier: MIT
"""Lays public sets of photographs out as table.py and promise.py take them: SET/SET/{train,test,ground_truth}, where up
to 150 good pictures are there to learn from, 50 good and 50 defective ones to be judged, and nothing of a photograph is
on both sides. Needs Pillow and numpy; nothing of the sets is committed, and each has its own licence.

usage: lay_out.py CLONES OUT [SET...]     CLONES holds clones named OWNER+NAME

  elpv_mono, elpv_poly  zae-bayern/elpv-dataset: solar cells, good (0) and defective for sure (1); no masks
  pcb     tangsanli5201/DeepPCB: the quadrant with most defects, of the template and of the defective board
  crack   cuilimeng/CrackForest-dataset: roads, cut to 160 pixels
  neu     DHW-Master/NEU_Seg: rolled steel, cut to 100 pixels
  bsd     2Obe/BSData: ball screws, cut to 230 pixels
  brain   MohamedAliHabib/Brain-Tumor-Detection: scans; no masks
"""
import argparse
import json
import random
from pathlib import Path

import numpy
from PIL import Image, ImageDraw

LEARNED, JUDGED = 150, 50
SIDE = 384  # every picture is made so large


def blank(picture):
    return Image.new("L", picture.size)


def solar_cells(clone, kind):
    """Pairs of a picture and its mask, or none where there is none; with a name of the photograph, and if it is good."""
    root = clone / "src/elpv_dataset/data"
    for line in (root / "labels.csv").read_text().splitlines():
        name, grade, own = line.split()
        if own == kind and float(grade) in (0, 1):
            yield name, float(grade) == 0, lambda name=name: (Image.open(root / name), None)


def boards(clone):
    def cut(template, is_good):
        board = Path(str(template).replace("_temp", "_test"))
        picture = Image.open(template if is_good else board)
        mask = blank(picture)
        for line in boxes(template).read_text().splitlines():
            ImageDraw.Draw(mask).rectangle([int(word) for word in line.split()[:4]], fill=255)
        pixels = numpy.array(mask)
        _, x, y = max((int(pixels[y:y + 320, x:x + 320].sum()), x, y) for x in (0, 320) for y in (0, 320))
        corner = (x, y, x + 320, y + 320)
        return picture.crop(corner), mask.crop(corner)

    def boxes(template):
        return template.parent.with_name(template.parent.name + "_not") / (template.name[:-9] + ".txt")

    for template in sorted(clone.glob("PCBData/group*/*/*_temp.jpg")):
        if boxes(template).exists():
            for is_good in (True, False):
                yield template.name, is_good, lambda t=template, g=is_good: cut(t, g)


def squares(photographs, side, least):
    """Squares of photographs: good without any masked pixel, defective with at least so many inside; others are left."""
    for name, picture, mask in photographs:
        pixels = numpy.array(mask) > 0
        for y in range(0, picture.height - side + 1, side):
            for x in range(0, picture.width - side + 1, side):
                inside, corner = pixels[y:y + side, x:x + side], (x, y, x + side, y + side)
                is_good = not inside.any()
                if is_good or inside[4:-4, 4:-4].sum() >= least:
                    yield name, is_good, lambda p=picture, m=mask, c=corner: (p.crop(c), m.crop(c))


def roads(clone):
    for path in sorted(clone.glob("seg/*.seg")):
        picture = Image.open(clone / "image" / (path.stem + ".jpg")).convert("RGB")
        pixels = numpy.zeros((picture.height, picture.width), numpy.uint8)
        lines = path.read_text().splitlines()
        for line in lines[1 + next(i for i, line in enumerate(lines) if line.startswith("data")):]:
            segment, row, first, last = map(int, line.split())
            if segment:
                pixels[row, first:last + 1] = 255
        yield path.stem, picture, Image.fromarray(pixels)


def steel(clone):
    for path in sorted(clone.glob("annotations/training/*.png"))[::3]:
        pixels = (numpy.array(Image.open(path)) > 0).astype(numpy.uint8) * 255
        yield path.stem, Image.open(clone / "images/training" / (path.stem + ".jpg")), Image.fromarray(pixels)


def screws(clone):
    labels = {path.stem: path for path in clone.glob("label/*.json")}
    paths = sorted(clone.glob("data/*.jpg"))
    chosen = [path for path in paths if path.stem in labels][:200] + [p for p in paths if p.stem not in labels][:150]
    for path in chosen:
        picture = Image.open(path).convert("RGB")
        mask = blank(picture)
        for shape in json.loads(labels[path.stem].read_text())["shapes"] if path.stem in labels else ():
            if len(shape["points"]) > 2:
                ImageDraw.Draw(mask).polygon([tuple(point) for point in shape["points"]], fill=255)
        yield path.stem, picture, mask


def scans(clone):
    for folder in ("no", "yes"):
        for path in sorted((clone / folder).iterdir()):
            yield path.name, folder == "no", lambda path=path: (Image.open(path), None)


SETS = {"elpv_mono": ("zae-bayern+elpv-dataset", lambda clone: solar_cells(clone, "mono")),
        "elpv_poly": ("zae-bayern+elpv-dataset", lambda clone: solar_cells(clone, "poly")),
        "pcb": ("tangsanli5201+DeepPCB", boards),
        "crack": ("cuilimeng+CrackForest-dataset", lambda clone: squares(roads(clone), 160, 60)),
        "neu": ("DHW-Master+NEU_Seg", lambda clone: squares(steel(clone), 100, 60)),
        "bsd": ("2Obe+BSData", lambda clone: squares(screws(clone), 230, 200)),
        "brain": ("MohamedAliHabib+Brain-Tumor-Detection", scans)}


def lay_out(pieces, folder):
    rng = random.Random(folder.name)
    pieces = list(pieces)
    names = sorted({name for name, _, _ in pieces})
    rng.shuffle(names)
    rng.shuffle(pieces)
    place = {name: i for i, name in enumerate(names)}
    good, bad = ([piece for piece in pieces if piece[1] == is_good] for is_good in (True, False))
    for share in (0.3, 0.4, 0.5, 0.6):  # of the photographs, to learn from
        cut = int(share * len(names))
        learned = [piece for piece in good if place[piece[0]] < cut]
        if len(learned) >= LEARNED:
            break
    judged = {kind: [p for p in of if place[p[0]] >= cut][:JUDGED] for kind, of in (("good", good), ("bad", bad))}
    for part, of in (("train/good", learned[:LEARNED]), ("test/good", judged["good"]), ("test/bad", judged["bad"])):
        (folder / part).mkdir(parents=True)
        for i, (_, _, load) in enumerate(of):
            picture, mask = load()
            picture.convert("RGB").resize((SIDE, SIDE), Image.BICUBIC).save(folder / part / f"{i:03}.png")
            if part == "test/bad" and mask is not None:
                (folder / "ground_truth/bad").mkdir(parents=True, exist_ok=True)
                covered = mask.resize((SIDE, SIDE), Image.BOX).point(lambda value: 255 * (value > 48))
                covered.save(folder / "ground_truth/bad" / f"{i:03}_mask.png")
    print(f"{folder}: {len(learned[:LEARNED])} good to learn, {len(judged['good'])} good and {len(judged['bad'])} "
          "defective to be judged", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clones", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("sets", nargs="*", help=", ".join(SETS))
    wanted = parser.parse_args()
    for name in wanted.sets or SETS:
        clone, pieces = SETS[name]
        if not (wanted.out / name).exists():
            lay_out(pieces(wanted.clones / clone), wanted.out / name / name)


if __name__ == "__main__":
    main()

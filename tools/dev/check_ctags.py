# SPDX-License-Identifier: MIT
"""Checks that tools which list definitions see ours: Universal Ctags must find the public names below, and every public
type and function that our own reading of a header finds, with their namespaces.

usage: check_ctags.py      needs Universal Ctags (Debian: universal-ctags)
"""
import json
import shutil
import subprocess
import sys

from cpp_source import INCLUDE, public_headers
from declarations import declarations

# Where a newcomer would look first.
WANTED = ["BasicDetector", "BasicDetector::detect", "Detection", "decode_image", "read_image", "layer_norm_forward",
          "layer_norm_backward", "features_forward", "adapter_forward_backward", "Trainer::fit", "WeightFile::open"]
# Public names that ctags may miss, in percent: it has no preprocessor, so some signatures stay dark to it.
MISSED_AT_MOST = 1.0


def tags_of(paths):
    """{(file, namespaces and types joined with ::, name)} of all definitions and declarations."""
    out = subprocess.run(["ctags", "--output-format=json", "--languages=C++", "--kinds-C++=+p", "--fields=+sE", "-f", "-",
                          *map(str, paths)], stdout=subprocess.PIPE, text=True, check=True).stdout
    found = set()
    for line in out.splitlines():
        tag = json.loads(line)
        found.add((tag["path"], tag.get("scope", ""), tag["name"].replace(" ", "")))
    return found


def main():
    if shutil.which("ctags") is None:
        sys.exit("check_ctags: ctags is not installed (Debian: universal-ctags)")
    headers = public_headers()
    found = tags_of(headers)
    names = {f"{scope}::{name}" for _, scope, name in found}
    wrong = [f"ctags does not list moeclip::{name}" for name in WANTED if f"moeclip::abi_v0_1::{name}" not in names]

    total, missed = 0, []
    for path in headers:
        for here in declarations(path.read_text(encoding="utf-8")):
            if here.kind in ("type", "function") and here.access == "public" and "operator" not in here.name:
                total += 1
                scope = "::".join(part for name in here.scope for part in name.split("::"))
                if (str(path), scope, here.name.replace(" ", "")) not in found:
                    missed.append(f"{path.relative_to(INCLUDE)}: {scope}::{here.name}")
    if len(missed) > MISSED_AT_MOST / 100 * total:
        wrong += missed
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(f"check_ctags: {total - len(missed)} of {total} public types and functions listed, {len(wrong)} complaints")
    sys.exit(1 if wrong else 0)


main()

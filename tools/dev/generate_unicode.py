#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes include/moeclip/clip/unicode_tables.hpp from Python's own Unicode data (standard library only).

usage: generate_unicode.py [OUT.hpp]        (the default is the header itself)

The Unicode version is that of the Python that runs this (3.13 has 15.1); a header of a newer one is left alone. White
space, casing and the two properties behind the final-sigma rule are not in `unicodedata`, but str.isspace and str.lower
know them.
"""
import pathlib
import re
import sys
import unicodedata

EVERY = range(0x110000)
SEPARATORS = range(0x1C, 0x20)  # str.isspace accepts these four, the property White_Space and a regex \s do not
SIGMA, FINAL_SIGMA = "\u03a3", "\u03c2"


def ends_a_word(before):
    """True if a capital sigma after `before` becomes a final one."""
    return (before + SIGMA).lower().endswith(FINAL_SIGMA)


def bounds(members):
    """Sorted code points where membership flips: [first, end) of every range, flattened."""
    flips = []
    for code in members:
        if flips and flips[-1] == code:
            flips[-1] = code + 1
        else:
            flips += [code, code + 1]
    return flips


def lower_runs():
    """[first, last, step, delta] of code points whose lower case is one code point at the same distance."""
    runs = []
    for code in EVERY:
        lower = chr(code).lower()
        if len(lower) != 1:
            assert code == 0x130 and lower == "i\u0307", hex(code)  # the one special case, written out in unicode.hpp
            continue
        delta = ord(lower) - code
        if delta == 0:
            continue
        if runs and runs[-1][3] == delta:
            first, last, step, _ = runs[-1]
            if code - last <= 2 and (first == last or code - last == step):
                runs[-1][1:3] = [code, code - last]
                continue
        runs.append([code, code, 1, delta])
    return runs


def wrapped(pieces, width=120):
    lines = [" "]
    for piece in pieces:
        if len(lines[-1]) + 1 + len(piece) > width:
            lines.append(" ")
        lines[-1] += " " + piece
    return "\n".join(lines)


def bounds_table(name, what, members):
    flips = bounds(members)
    body = wrapped(f"0x{code:X}," for code in flips)
    return f"/// {what}: {len(flips) // 2} ranges.\ninline constexpr char32_t {name}[] = {{\n{body}\n}};\n"


def refuse_older_data(header):
    known = re.search(r"of Unicode ([0-9.]+)\.$", header.read_text(encoding="ascii"), re.MULTILINE)
    if known and [*map(int, known[1].split("."))] > [*map(int, unicodedata.unidata_version.split("."))]:
        sys.exit(f"{header} is of Unicode {known[1]}, this Python only knows {unicodedata.unidata_version}")


def main():
    here = pathlib.Path(__file__).resolve().parent
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here / "../../include/moeclip/clip/unicode_tables.hpp"
    if out.exists():
        refuse_older_data(out)
    category = [unicodedata.category(chr(code))[0] for code in EVERY]
    cased = [code for code in EVERY if ends_a_word(chr(code))]
    ignorable = sorted({code for code in EVERY if ends_a_word("A" + chr(code))} - set(cased))
    runs = lower_runs()
    tables = [
        bounds_table("kLetterBounds", "General category L*", [c for c in EVERY if category[c] == "L"]),
        bounds_table("kNumberBounds", "General category N*", [c for c in EVERY if category[c] == "N"]),
        bounds_table("kSpaceBounds", "Property White_Space",
                     [c for c in EVERY if chr(c).isspace() and c not in SEPARATORS]),
        bounds_table("kCasedBounds", "Property Cased, without the code points that are Case_Ignorable", cased),
        bounds_table("kCaseIgnorableBounds", "Property Case_Ignorable", ignorable),
        "/// Every step-th code point from `first` to `last` has its lower case `delta` further on.\n"
        "struct LowerRun {\n  char32_t first, last;\n  std::int32_t step, delta;\n};\n\n"
        f"/// Lower case, sorted: {len(runs)} runs.\ninline constexpr LowerRun kLowerRuns[] = {{\n"
        + wrapped(f"{{0x{first:X}, 0x{last:X}, {step}, {delta}}}," for first, last, step, delta in runs) + "\n};\n",
    ]
    text = f"""// SPDX-License-Identifier: MIT
// clang-format off
#pragma once
// Character classes and lower case of Unicode {unicodedata.unidata_version}.
// Written by tools/dev/generate_unicode.py: change that, not this. A `Bounds` table holds the first code point and the
// end of every range in turn: a code point belongs to the class if an odd number of entries is not above it.

#include <cstdint>

#include "../base/version.hpp"

namespace moeclip {{ inline namespace abi_v0_1 {{ namespace detail {{

{chr(10).join(tables)}
}}}}}}  // namespace moeclip::abi_v0_1::detail
"""
    out.write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()

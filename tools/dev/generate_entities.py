#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes include/moeclip/clip/html_entity_table.hpp from Python's html package (standard library only).

usage: generate_entities.py [OUT.hpp]        (the default is the header itself)
"""
import html
import html.entities
import pathlib
import sys

WIDTH = 115  # of a piece of the string literal, without indent and quotes


def records():
    """One record per name: name, ':' or '?' (semicolon optional), hex code points joined by '+', a space."""
    found = []
    for name in sorted({name.rstrip(";") for name in html.entities.html5}):
        value = html.entities.html5[name + ";"]
        is_optional = name in html.entities.html5
        assert name.isascii() and name.isalnum() and (not is_optional or html.entities.html5[name] == value)
        found.append(name + ":?"[is_optional] + "+".join(f"{ord(letter):X}" for letter in value) + " ")
    return found


def literal(pieces):
    lines = [""]
    for piece in pieces:
        if len(lines[-1]) + len(piece) > WIDTH:
            lines.append("")
        lines[-1] += piece
    return "\n".join(f'  "{line}"' for line in lines)


def check_rules():
    """The rules that html_entities.hpp writes as code must be those of this Python."""
    invalid = {code for code in range(0x110000) if 1 <= code <= 8 or code == 0xB or 0xE <= code <= 0x1F
               or 0x7F <= code <= 0x9F or 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE}
    assert set(html._invalid_codepoints) == invalid
    assert set(html._invalid_charrefs) == {0, 0xD, *range(0x80, 0xA0)}
    assert html._invalid_charrefs[0] == "\ufffd" and html._invalid_charrefs[0xD] == "\r"


def main():
    here = pathlib.Path(__file__).resolve().parent
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here / "../../include/moeclip/clip/html_entity_table.hpp"
    check_rules()
    longest = max(len(name.rstrip(";")) for name in html.entities.html5)
    longest_optional = max(len(name) for name in html.entities.html5 if not name.endswith(";"))
    replaced = ", ".join(f"0x{ord(html._invalid_charrefs[code]):X}" for code in range(0x80, 0xA0))
    replaced = replaced.replace(", 0x90", ",\n  0x90")
    text = f"""// SPDX-License-Identifier: MIT
// clang-format off
#pragma once
// The named character references of HTML5. Written by tools/dev/generate_entities.py: change that, not this.

#include <cstddef>

#include "../base/version.hpp"

namespace moeclip {{ inline namespace abi_v0_1 {{ namespace detail {{

inline constexpr std::size_t kLongestEntity = {longest};         // without the semicolon
inline constexpr std::size_t kLongestOptionalEntity = {longest_optional};  // of those that may lack it

/// What numeric references to 0x80..0x9F mean: Windows-1252, as browsers read them.
inline constexpr char16_t kWindows1252[32] = {{
  {replaced},
}};

/// Sorted records, each ended by a space: name, ':' or '?' (the semicolon may be left out), code points in hex.
inline constexpr char kHtmlEntities[] =
{literal(records())};

}}}}}}  // namespace moeclip::abi_v0_1::detail
"""
    out.write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()

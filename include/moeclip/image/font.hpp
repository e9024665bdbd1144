// SPDX-License-Identifier: MIT
#pragma once
// This is a small bitmap font, 5 pixels wide and 7 high, for labels on pictures: the printable ASCII characters, drawn
// for this library. A glyph is seven letters, one per row from the top; the low five bits of a letter are the row's
// pixels, the highest one leftmost: 'D' is 00100, 'Q' is 10001, '_' is 11111, '@' is empty.

#include <string_view>

#include "../base/types.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

inline constexpr index_t kGlyphWidth = 5;
inline constexpr index_t kGlyphHeight = 7;

// clang-format off
inline constexpr std::string_view kGlyphs =
    "@@@@@@@" "DDDDD@D" "JJJ@@@@" "JJ_J_JJ" "DOTNE^D" "YYBDHSS" "HTTHURM" "DDD@@@@" "BDHHHDB" "HDBBBDH" "@DUNUD@"
    "@DD_DD@" "@@@@DDH" "@@@N@@@" "@@@@@@D" "AABDHPP" "NQSUYQN" "DLTDDD_" "NQAFHP_" "NQAFAQN" "CEIQ_AA" "_P^AAQN"
    "NPP^QQN" "_ABBDDD" "NQQNQQN" "NQQOAAN" "@@D@@D@" "@@D@DDH" "ABDHDBA" "@@_@_@@" "PHDBDHP" "NQABD@D" "NQWUWPO"
    "DJQQ_QQ" "^QQ^QQ^" "NQPPPQN" "\\RQQQR\\" "_PP^PP_" "_PP^PPP" "NQPSQQO" "QQQ_QQQ" "_DDDDD_" "GBBBBRL" "QRTXTRQ"
    "PPPPPP_" "Q[UUQQQ" "QYYUSSQ" "NQQQQQN" "^QQ^PPP" "NQQQURM" "^QQ^TRQ" "OPPNAA^" "_DDDDDD" "QQQQQQN" "QQQJJJD"
    "QQQUU[Q" "QQJDJQQ" "QQJJDDD" "_ABDHP_" "NHHHHHN" "PPHDBAA" "NBBBBBN" "DJQ@@@@" "@@@@@@_" "HD@@@@@" "@@NAOQO"
    "PP^QQQ^" "@@OPPPO" "AAOQQQO" "@@NQ_PO" "CDNDDDD" "@OQQOA^" "PP^QQQQ" "D@LDDDN" "B@FBBRL" "PPRTXTR" "LDDDDDN"
    "@@^UUUU" "@@^QQQQ" "@@NQQQN" "@@^Q^PP" "@@OQOAA" "@@KLHHH" "@@OPNA^" "DDNDDDC" "@@QQQQO" "@@QQJJD" "@@QUUUJ"
    "@@QJDJQ" "@QQQOA^" "@@_BDH_" "CDDHDDC" "DDDDDDD" "XDDBDDX" "@@HUB@@";
// clang-format on
static_assert(kGlyphs.size() == 95 * kGlyphHeight);

/// The rows of a character; a question mark stands for those that have no glyph.
constexpr std::string_view glyph_rows(char letter) {
  const auto code = static_cast<unsigned char>(letter);
  const std::size_t index = code >= 32 && code < 127 ? code - 32u : '?' - 32u;
  return kGlyphs.substr(index * kGlyphHeight, kGlyphHeight);
}

/// Is pixel x of a glyph's row set?
constexpr bool has_glyph_pixel(char row, index_t x) {
  return (static_cast<unsigned>(row) >> (kGlyphWidth - 1 - x) & 1u) != 0;
}

}}}  // namespace moeclip::abi_v0_1::detail

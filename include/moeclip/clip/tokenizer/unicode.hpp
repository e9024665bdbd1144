// SPDX-License-Identifier: MIT
#pragma once
// This is what the tokenizer needs of Unicode: code points, the classes that its pattern names, and lower case as
// Python's str.lower makes it, with the final sigma. The tables are those of Unicode 15.1; a newer version only adds
// characters.

#include <algorithm>
#include <iterator>
#include <span>
#include <string>
#include <string_view>

#include "../../base/error.hpp"
#include "../../io/utf8.hpp"
#include "unicode_tables.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// True if an odd number of `bounds` is at or below `code` (unicode_tables.hpp).
inline bool in_bounds(std::span<const char32_t> bounds, char32_t code) {
  return (std::upper_bound(bounds.begin(), bounds.end(), code) - bounds.begin()) % 2 != 0;
}

/// Lower case of one code point where that is one code point too; U+0130 is the only one for which it is not.
inline char32_t lower_code_point(char32_t code) {
  if (code < 0x80) return code >= U'A' && code <= U'Z' ? code + 0x20 : code;
  const auto run = std::lower_bound(std::begin(kLowerRuns), std::end(kLowerRuns), code,
                                    [](const LowerRun& r, char32_t c) { return r.last < c; });
  if (run == std::end(kLowerRuns) || code < run->first) return code;
  const auto distance = static_cast<std::int32_t>(code - run->first);
  if (distance % run->step != 0) return code;
  return static_cast<char32_t>(static_cast<std::int32_t>(code) + run->delta);
}

/// The Final_Sigma condition of Unicode: the capital sigma at `text[at]` ends a word. Case-ignorable characters
/// (accents, apostrophes) are looked past; the sigma follows a cased letter, and none comes after it. Two looks never
/// pass the same stretch in the same direction, for a sigma is cased itself: lower-casing stays linear.
inline bool is_final_sigma(std::u32string_view text, std::size_t at) {
  const auto is_ignorable = [](char32_t code) { return in_bounds(kCaseIgnorableBounds, code); };
  const auto before = std::find_if_not(text.rend() - static_cast<std::ptrdiff_t>(at), text.rend(), is_ignorable);
  if (before == text.rend() || !in_bounds(kCasedBounds, *before)) return false;
  const auto after = std::find_if_not(text.begin() + static_cast<std::ptrdiff_t>(at) + 1, text.end(), is_ignorable);
  return after == text.end() || !in_bounds(kCasedBounds, *after);
}

}  // namespace detail

/// General category L*: letters of any script.
inline bool is_letter(char32_t code) {
  if (code < 0x80) return (code | 0x20) >= U'a' && (code | 0x20) <= U'z';
  return detail::in_bounds(detail::kLetterBounds, code);
}

/// General category N*: digits, fractions, Roman numerals, circled numbers.
inline bool is_number(char32_t code) {
  if (code < 0x80) return code >= U'0' && code <= U'9';
  return detail::in_bounds(detail::kNumberBounds, code);
}

/// Property White_Space: what `\s` matches.
inline bool is_space(char32_t code) { return detail::in_bounds(detail::kSpaceBounds, code); }

/// Code points of UTF-8 text. Throws format, naming `source` and the place, if it is not UTF-8.
inline std::u32string decode_utf8(std::string_view text, std::string_view source) {
  std::u32string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(text.substr(at, 4));
    const unsigned lead = static_cast<unsigned char>(text[at]);
    if (length == 0) fail(ErrorCode::format, concat(source, " is not UTF-8: byte ", lead, " at offset ", at));
    char32_t code = length == 1 ? lead : lead & (0x7Fu >> length);  // the lead byte of n has n + 1 bits for itself
    for (std::size_t i = 1; i < length; ++i) code = code << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3Fu);
    out += code;
    at += length;
  }
  return out;
}

/// The beginning of `text`, fit for a message: at most so many characters, a question mark for what cannot be printed.
inline std::string excerpt(std::string_view text, int most = 40) {
  std::string out;
  for (int i = 0; i < most && !text.empty(); ++i) {
    const std::size_t length = utf8_length(text.substr(0, 4));
    const bool is_printable = length > 1 || (length == 1 && text[0] >= 0x20 && text[0] < 0x7F);
    out += is_printable ? text.substr(0, length) : std::string_view("?");
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return text.empty() ? out : out + "...";
}

/// Full lower case, independent of language, as Python's str.lower: U+0130 becomes two code points, and a capital
/// sigma at the end of a word the final one.
inline std::u32string to_lower(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == 0x130) {  // I with a dot above: i and the dot
      out += {U'i', 0x307};
    } else if (text[at] == 0x3A3) {
      out += detail::is_final_sigma(text, at) ? char32_t{0x3C2} : char32_t{0x3C3};
    } else {
      out += detail::lower_code_point(text[at]);
    }
  }
  return out;
}

}}  // namespace moeclip::abi_v0_1

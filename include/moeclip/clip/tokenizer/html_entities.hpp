// SPDX-License-Identifier: MIT
#pragma once
// Turns character references of HTML ("&amp;", "&#233;", "&copy") into characters, by the rules of Python's
// html.unescape, which are those of HTML5: names may lack their semicolon if HTML once allowed that, the longest name
// wins, numbers 0x80..0x9F mean Windows-1252, impossible numbers become U+FFFD or nothing, and what is no reference
// stays as it is.

#include <algorithm>
#include <string>
#include <string_view>

#include "html_entity_table.hpp"
#include "unicode.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline bool is_ascii_digit(char letter) { return letter >= '0' && letter <= '9'; }
inline bool is_ascii_letter(char letter) { return (letter | 0x20) >= 'a' && (letter | 0x20) <= 'z'; }

/// Value of a hexadecimal digit, 16 or more for anything else.
inline unsigned hex_value(char letter) {
  if (is_ascii_digit(letter)) return static_cast<unsigned>(letter - '0');
  return is_ascii_letter(letter) ? static_cast<unsigned>((letter | 0x20) - 'a') + 10 : 16;
}

/// A record of the table: "AMP?26" is "AMP", optional semicolon, "26".
struct HtmlEntity {
  std::string_view code_points;  // in hex, joined by '+'; empty: no such name
  bool needs_semicolon = true;
};

/// Finds `name` (without semicolon) by halving the sorted text of the table at record boundaries.
inline HtmlEntity find_html_entity(std::string_view name) {
  const std::string_view table(kHtmlEntities, sizeof kHtmlEntities - 1);
  std::size_t low = 0, high = table.size();  // both at the start of a record, or at the end
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    std::size_t begin = middle;
    while (begin > low && table[begin - 1] != ' ') --begin;
    const std::size_t mark = table.find_first_of(":?", begin);
    const std::size_t end = table.find(' ', mark);
    const int order = table.substr(begin, mark - begin).compare(name);
    if (order == 0) return {table.substr(mark + 1, end - mark - 1), table[mark] == ':'};
    (order < 0 ? low : high) = order < 0 ? end + 1 : begin;
  }
  return {};
}

inline void append_html_entity(std::string& out, std::string_view code_points) {
  char32_t code = 0;
  for (const char letter : code_points) {
    if (letter == '+') {
      append_utf8(out, code);
      code = 0;
    } else {
      code = code * 16 + hex_value(letter);
    }
  }
  append_utf8(out, code);
}

/// What the reference to number `code` stands for.
inline void append_html_number(std::string& out, char32_t code) {
  const bool is_control = code <= 8 || code == 0xB || (code >= 0xE && code < 0x20) || code == 0x7F;
  const bool is_noncharacter = (code >= 0xFDD0 && code <= 0xFDEF) || (code & 0xFFFE) == 0xFFFE;
  if (code == 0 || (code >= 0xD800 && code < 0xE000) || code > 0x10FFFF) {
    append_utf8(out, 0xFFFD);
  } else if (code >= 0x80 && code < 0xA0) {
    append_utf8(out, kWindows1252[code - 0x80]);
  } else if (!is_control && !is_noncharacter) {
    append_utf8(out, code);
  }
}

/// Reads "#233;" or "#xE9;" (the semicolon is optional). Returns the characters used, 0 if it is no number.
inline std::size_t unescape_number(std::string_view text, std::string& out) {
  const bool is_hex = text.size() > 1 && (text[1] | 0x20) == 'x';
  const unsigned base = is_hex ? 16 : 10;
  const std::size_t first = is_hex ? 2 : 1;
  std::size_t at = first;
  char32_t code = 0;
  for (; at < text.size() && hex_value(text[at]) < base; ++at)
    code = std::min<char32_t>(code * base + hex_value(text[at]), 0x110000);  // from there on it stays too large
  if (at == first) return 0;
  append_html_number(out, code);
  return at + (at < text.size() && text[at] == ';');
}

/// Reads "eacute;", or the longest name that may lack its semicolon. Returns the characters used, 0 if none is known.
inline std::size_t unescape_name(std::string_view text, std::string& out) {
  std::size_t length = 0;
  while (length < text.size() && length <= kLongestEntity &&
         (is_ascii_letter(text[length]) || is_ascii_digit(text[length])))
    ++length;
  if (length < text.size() && text[length] == ';') {
    const HtmlEntity entity = find_html_entity(text.substr(0, length));
    if (!entity.code_points.empty()) {
      append_html_entity(out, entity.code_points);
      return length + 1;
    }
  }
  for (length = (std::min)(length, kLongestOptionalEntity); length > 1; --length) {
    const HtmlEntity entity = find_html_entity(text.substr(0, length));
    if (entity.needs_semicolon) continue;
    append_html_entity(out, entity.code_points);
    return length;
  }
  return 0;
}

}  // namespace detail

/// `text` (UTF-8) with its character references replaced, once: "&amp;lt;" becomes "&lt;". Linear in its length.
inline std::string unescape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (true) {
    const std::size_t mark = (std::min)(text.find('&'), text.size());
    out.append(text.substr(0, mark));
    if (mark == text.size()) return out;
    text.remove_prefix(mark + 1);
    const bool is_number = text.starts_with('#');
    const std::size_t used = is_number ? detail::unescape_number(text, out) : detail::unescape_name(text, out);
    if (used == 0) out += '&';
    text.remove_prefix(used);
  }
}

}}  // namespace moeclip::abi_v0_1

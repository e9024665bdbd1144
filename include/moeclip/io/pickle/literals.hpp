// SPDX-License-Identifier: MIT
#pragma once
// The spellings of numbers and strings inside pickles that need more than a load: integers of any length and the
// text forms of protocols 0 and 1.

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../../base/lists.hpp"
#include "../../base/read_number.hpp"
#include "../bytes.hpp"
#include "../utf8.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// The number that all of `text` spells, or nothing.
template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value{};
  const auto end = read_number(text.data(), text.data() + text.size(), value);
  if (end.ec != std::errc{} || end.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

/// True for an optional minus sign and digits.
inline bool is_decimal(std::string_view text) {
  const std::string_view natural = text.starts_with('-') ? text.substr(1) : text;
  return !natural.empty() && natural.find_first_not_of("0123456789") == std::string_view::npos;
}

/// A two's complement, little-endian integer of at most eight bytes.
inline std::int64_t small_long(Bytes bytes) {
  const bool is_negative = !bytes.empty() && (bytes.back() & std::byte{0x80}) != std::byte{0};
  std::uint64_t value = is_negative ? ~std::uint64_t{0} : 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  return static_cast<std::int64_t>(value);
}

/// The digits of a two's complement, little-endian integer of any length. Quadratic: the caller bounds the length.
inline std::string big_long(Bytes bytes) {
  const bool is_negative = !bytes.empty() && (bytes.back() & std::byte{0x80}) != std::byte{0};
  std::vector<std::uint32_t> magnitude;  // base 256, lowest first
  std::uint32_t carry = is_negative ? 1 : 0;
  for (const std::byte byte : bytes) {
    const std::uint32_t digit = (std::to_integer<std::uint32_t>(byte) ^ (is_negative ? 0xFFu : 0u)) + carry;
    magnitude.push_back(digit & 0xFFu);
    carry = digit >> 8;
  }
  if (carry != 0) magnitude.push_back(carry);
  std::string digits;
  do {  // divide by ten until nothing is left
    std::uint32_t rest = 0;
    for (std::size_t i = magnitude.size(); i-- > 0;) {
      const std::uint32_t value = rest * 256 + magnitude[i];
      magnitude[i] = value / 10;
      rest = value % 10;
    }
    digits.push_back(static_cast<char>('0' + rest));
    while (!magnitude.empty() && magnitude.back() == 0) magnitude.pop_back();
  } while (!magnitude.empty());
  if (is_negative) digits.push_back('-');
  lists::reverse(digits);
  return digits;
}

/// A string in quotes without escapes (which names of tensors do not have), as repr() of Python 2 writes it; or
/// nothing.
inline std::optional<std::string_view> unquote(std::string_view text) {
  const bool is_quoted =
      text.size() >= 2 && text.front() == text.back() && (text.front() == '\'' || text.front() == '"');
  if (!is_quoted || text.find('\\') != std::string_view::npos) return std::nullopt;
  return text.substr(1, text.size() - 2);
}

/// A string in Python's raw-unicode-escape, Latin-1 with \uXXXX and \UXXXXXXXX, as UTF-8; or nothing.
inline std::optional<std::string> decode_raw_unicode_escape(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    std::uint32_t code = static_cast<unsigned char>(text[at++]);
    if (code == '\\' && at < text.size() && (text[at] == 'u' || text[at] == 'U')) {
      const std::string_view digits = text.substr(at + 1, text[at] == 'u' ? 4 : 8);
      const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
      if (digits.size() % 4 != 0 || digits.empty() || end.ptr != digits.data() + digits.size() || code > 0x10FFFF)
        return std::nullopt;
      at += 1 + digits.size();
    }
    append_utf8(out, code);
  }
  return out;
}

}}}  // namespace moeclip::abi_v0_1::detail

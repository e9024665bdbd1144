// SPDX-License-Identifier: MIT
#pragma once
// Building messages from pieces: `concat("row ", 3, " of ", path)`. Stands in for <format> (absent from GCC 12) and
// <sstream> (slow to compile, bound to the locale). Numbers print in their shortest form that reads back the same.

#include <charconv>
#include <string>
#include <string_view>
#include <type_traits>

#include "version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline void append_piece(std::string& out, std::string_view text) { out.append(text); }
inline void append_piece(std::string& out, const char* text) { out.append(text); }
inline void append_piece(std::string& out, char letter) { out.push_back(letter); }
inline void append_piece(std::string& out, bool value) { out.append(value ? "true" : "false"); }

template <class Number>
requires(std::is_arithmetic_v<Number>) void append_piece(std::string& out, Number value) {
  char digits[64];
  const auto end = std::to_chars(digits, digits + sizeof digits, value);
  out.append(digits, end.ptr);
}

}  // namespace detail

/// Joins strings, characters, booleans and numbers into one string.
template <class... Pieces>
std::string concat(const Pieces&... pieces) {
  std::string out;
  (detail::append_piece(out, pieces), ...);
  return out;
}

/// `value` with `decimals` digits after the point, as printf("%.*f") writes it in the C locale.
inline std::string fixed(double value, int decimals) {
  char digits[400];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed, decimals);
  return std::string(digits, end.ptr);
}

}}  // namespace moeclip::abi_v0_1

// SPDX-License-Identifier: MIT
#pragma once
// What libc++ 13, of Debian 12's Emscripten, lacks of C++20's library: std::bit_cast, and numbers with a point to and
// from text. Included in front of every file by emscripten.cmake where the library is that old.

#if __cplusplus >= 202002L  // CMake tries things in older ones

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>

namespace std {  // NOLINT(cert-dcl58-cpp): these are the names that are missing

template <class To, class From>
constexpr To bit_cast(const From& from) noexcept {
  return __builtin_bit_cast(To, from);
}

/// The fewest digits that are read back as `value`.
template <class T, enable_if_t<is_floating_point_v<T>, int> = 0>
to_chars_result to_chars(char* first, char* last, T value) {
  char text[64];
  int length = 0;
  for (int digits = 1; digits <= numeric_limits<T>::max_digits10; ++digits) {
    length = snprintf(text, sizeof text, "%.*g", digits, static_cast<double>(value));
    if (static_cast<T>(strtod(text, nullptr)) == value) break;
  }
  if (length > last - first) return {last, errc::value_too_large};
  memcpy(first, text, static_cast<size_t>(length));
  return {first + length, errc{}};
}

/// The only format that the library asks for is chars_format::fixed.
template <class T, enable_if_t<is_floating_point_v<T>, int> = 0>
to_chars_result to_chars(char* first, char* last, T value, chars_format, int digits) {
  const int length = snprintf(first, static_cast<size_t>(last - first), "%.*f", digits, static_cast<double>(value));
  if (length >= last - first) return {last, errc::value_too_large};
  return {first + length, errc{}};
}

/// A decimal number without space or plus in front; result_out_of_range where no T is near to it.
template <class T, enable_if_t<is_floating_point_v<T>, int> = 0>
from_chars_result from_chars(const char* first, const char* last, T& value) {
  string text(first, last);
  text.resize(min(text.find_first_not_of("0123456789.eE+-"), text.size()));  // strtod also reads "0x1" and "inf"
  if (text.empty() || text[0] == '+') return {first, errc::invalid_argument};
  char* end = nullptr;
  const auto found = static_cast<T>(strtod(text.c_str(), &end));
  if (end == text.c_str()) return {first, errc::invalid_argument};
  text.resize(static_cast<size_t>(end - text.c_str()));
  const char* const after = first + text.size();
  const bool is_zero = text.find_first_of("123456789") >= min(text.find_first_of("eE"), text.size());
  if (found - found != T(0) || (found == T(0) && !is_zero)) return {after, errc::result_out_of_range};
  value = found;
  return {after, errc{}};
}

}  // namespace std

#endif

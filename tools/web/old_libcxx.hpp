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

/// The fewest digits that are read back as `value`, with an exponent if that is shorter: the characters of other
/// standard libraries, on which fingerprints of weights depend.
template <class T, enable_if_t<is_floating_point_v<T>, int> = 0>
to_chars_result to_chars(char* first, char* last, T value) {
  constexpr int kLongest = 40;  // beyond, an exponent is shorter
  const auto number = static_cast<double>(value);
  char text[2 * kLongest], plain[2 * kLongest];
  int digits = 1, length = 0;
  do {
    length = snprintf(text, sizeof text, "%.*e", digits - 1, number);
  } while (static_cast<T>(strtod(text, nullptr)) != value && ++digits <= numeric_limits<T>::max_digits10);
  const char* const power = strchr(text, 'e');
  const int exponent = power != nullptr ? atoi(power + 1) : 0;  // no power: inf and nan
  if (exponent > -kLongest && exponent < kLongest) {
    const int plain_length = snprintf(plain, sizeof plain, "%.*f", max(0, digits - 1 - exponent), number);
    if (plain_length <= length) memcpy(text, plain, static_cast<size_t>(length = plain_length));
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

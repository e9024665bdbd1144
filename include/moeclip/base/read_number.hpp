// SPDX-License-Identifier: MIT
#pragma once
// Numbers from text, as std::from_chars reads them: no white space, no plus sign, no locale. That of libc++ before
// version 20, and so of Apple's compilers, reads integers alone; there, real numbers are read here.

#include <charconv>
#include <type_traits>

#include "version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {
/// std::from_chars for double, by means of std::strtod.
std::from_chars_result real_by_strtod(const char* first, const char* last, double& value);
}  // namespace detail

/// Reads the number at the start of the text from `first` to `last`, in base 10: std::from_chars for integers and
/// double.
template <class Number>
std::from_chars_result read_number(const char* first, const char* last, Number& value) {
#if defined(__cpp_lib_to_chars)
  return std::from_chars(first, last, value);
#else
  if constexpr (std::is_integral_v<Number>)
    return std::from_chars(first, last, value);
  else
    return detail::real_by_strtod(first, last, value);
#endif
}

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_BASE)

#include <clocale>
#include <cmath>
#include <cstdlib>
#include <string>
#include <system_error>

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// The end of the digits that a text begins with.
inline const char* skip_digits(const char* first, const char* last) {
  while (first < last && *first >= '0' && *first <= '9') ++first;
  return first;
}

/// The end of the real number that a text begins with, in decimal digits; `first` if there is none.
inline const char* end_of_real(const char* first, const char* last) {
  const char* const digits = first < last && *first == '-' ? first + 1 : first;
  const char* end = skip_digits(digits, last);
  auto count = end - digits;
  if (end < last && *end == '.') {
    const char* const point = end;
    end = skip_digits(point + 1, last);
    count += end - point - 1;
    if (count > 0 && end == point + 1) return end;  // "1."
  }
  if (count == 0) return first;
  if (end == last || (*end != 'e' && *end != 'E')) return end;
  const char* exponent = end + 1;
  if (exponent < last && (*exponent == '+' || *exponent == '-')) ++exponent;
  const char* const whole = skip_digits(exponent, last);
  return whole > exponent ? whole : end;
}

/// The end of "inf", "infinity" or "nan" in any letters, after a minus sign or not; `first` if it is none of them.
inline const char* end_of_no_number(const char* first, const char* last) {
  const char* const start = first < last && *first == '-' ? first + 1 : first;
  const auto begins_with = [&](const char* word) {
    const char* p = start;
    for (; *word != '\0'; ++word, ++p)
      if (p == last || (*p | 0x20) != *word) return first;
    return p;
  };
  for (const char* word : {"infinity", "inf", "nan"})
    if (const char* const end = begins_with(word); end != first) return end;
  return first;
}

MOECLIP_FUNC std::from_chars_result real_by_strtod(const char* first, const char* last, double& value) {
  const char* end = end_of_real(first, last);
  if (end == first) end = end_of_no_number(first, last);
  if (end == first) return {first, std::errc::invalid_argument};
  std::string text(first, end);
  const char* const point = std::localeconv()->decimal_point;  // strtod reads as the program's locale writes
  if (const auto place = text.find('.'); place != std::string::npos) text.replace(place, 1, point);
  const double read = std::strtod(text.c_str(), nullptr);
  const auto mantissa = text.substr(0, text.find_first_of("eE"));
  const bool is_real = text.find_first_of("nN") == std::string::npos;
  const bool is_lost = read == 0 && mantissa.find_first_of("123456789") != std::string::npos;
  if (is_real && (is_lost || std::isinf(read))) return {end, std::errc::result_out_of_range};
  value = read;
  return {end, std::errc()};
}

}  // namespace detail

}}  // namespace moeclip::abi_v0_1

#endif

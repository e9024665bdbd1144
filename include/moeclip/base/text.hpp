// SPDX-License-Identifier: MIT
#pragma once
// Text without streams and locales: joining pieces, and numbers as fixed decimals.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include "version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// One argument of `concat`, whatever its type: so joining is one function, not one for each list of types.
class Piece {
 public:
  Piece(std::string_view text) : kind_(Kind::text), text_(text) {}   // NOLINT: pieces are made from what is given
  Piece(const char* text) : Piece(std::string_view(text)) {}         // NOLINT
  Piece(const std::string& text) : Piece(std::string_view(text)) {}  // NOLINT
  Piece(char letter) : kind_(Kind::letter), letter_(letter) {}       // NOLINT
  Piece(bool value) : Piece(value ? "true" : "false") {}             // NOLINT

  template <class Number>
  requires(std::is_arithmetic_v<Number>) Piece(Number value) {  // NOLINT
    if constexpr (std::is_same_v<Number, float>) {
      kind_ = Kind::single_precision, float_ = value;
    } else if constexpr (std::is_floating_point_v<Number>) {
      kind_ = Kind::double_precision, double_ = value;
    } else if constexpr (std::is_signed_v<Number>) {
      kind_ = Kind::integer, integer_ = value;
    } else {
      kind_ = Kind::natural, natural_ = value;
    }
  }

  void append_to(std::string& out) const;

 private:
  enum class Kind : unsigned char { text, letter, integer, natural, single_precision, double_precision };
  Kind kind_;
  union {
    std::string_view text_;
    char letter_;
    std::int64_t integer_;
    std::uint64_t natural_;
    float float_;
    double double_;
  };
};

std::string join(std::initializer_list<Piece> pieces);

std::string join_noun(std::int64_t count, std::string_view noun);

}  // namespace detail

/// Joins strings, characters, booleans and numbers into one string.
template <class... Pieces>
std::string concat(const Pieces&... pieces) {
  return detail::join({detail::Piece(pieces)...});
}

/// "1 picture", "2 pictures", "0 good patches": a number and what it counts, given as of one.
template <class Count>
std::string counted(Count count, std::string_view noun) {
  return detail::join_noun(static_cast<std::int64_t>(count), noun);
}

/// `value` with `decimals` digits after the point, as printf("%.*f") writes it in the C locale.
std::string fixed(double value, int decimals);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_BASE)

#include <charconv>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

MOECLIP_COLD MOECLIP_FUNC void Piece::append_to(std::string& out) const {
  char digits[64];
  const auto append = [&](auto value) { out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr); };
  switch (kind_) {
    case Kind::text: out.append(text_); return;
    case Kind::letter: out.push_back(letter_); return;
    case Kind::integer: return append(integer_);
    case Kind::natural: return append(natural_);
    case Kind::single_precision: return append(float_);
    case Kind::double_precision: return append(double_);
  }
}

MOECLIP_COLD MOECLIP_FUNC std::string join(std::initializer_list<Piece> pieces) {
  std::string out;
  for (const Piece& piece : pieces) piece.append_to(out);
  return out;
}

MOECLIP_COLD MOECLIP_FUNC std::string join_noun(std::int64_t count, std::string_view noun) {
  std::string text = join({count, ' ', noun});
  if (count == 1) return text;
  for (const std::string_view end : {"ay", "ey", "oy", "uy"})
    if (noun.ends_with(end)) return text + "s";
  if (noun.ends_with('y')) return text.replace(text.size() - 1, 1, "ies");
  for (const std::string_view end : {"s", "x", "tch", "sh"})
    if (noun.ends_with(end)) return text + "es";
  return text + "s";
}

}  // namespace detail

MOECLIP_FUNC std::string fixed(double value, int decimals) {
  char digits[400];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed, decimals);
  return std::string(digits, end.ptr);
}

}}  // namespace moeclip::abi_v0_1

#endif

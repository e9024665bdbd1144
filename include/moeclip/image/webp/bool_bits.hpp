// SPDX-License-Identifier: MIT
#pragma once
// The arithmetic decoder of VP8 (RFC 6386, section 7): each bit has a chance of being 0, in 256ths.

#include <cstdint>

#include "../../io/bytes.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

class Vp8Bits {
 public:
  Vp8Bits() = default;
  explicit Vp8Bits(Bytes in) : in_(in) {}

  /// A bit that is 0 with a chance of `chance` / 256.
  bool bit(unsigned chance) {
    while (held_ < 0) load();
    const std::uint32_t split = 1 + ((range_ - 1) * chance >> 8);
    const std::uint32_t above = split << held_;
    const bool is_one = value_ >= above;
    range_ = is_one ? range_ - split : split;
    if (is_one) value_ -= above;
    while (range_ < 128) range_ <<= 1, --held_;
    return is_one;
  }

  /// A number of `count` bits, highest first, each as likely 0 as 1.
  int number(int count) {
    int value = 0;
    while (count-- > 0) value = 2 * value + (bit(128) ? 1 : 0);
    return value;
  }

  /// The same with a sign behind it.
  int with_sign(int count) {
    const int value = number(count);
    return bit(128) ? -value : value;
  }

  /// with_sign behind a bit that says whether there is one; 0 without.
  int optional(int count) { return bit(128) ? with_sign(count) : 0; }

  [[nodiscard]] bool is_overrun() const { return is_overrun_; }

 private:
  void load() {
    is_overrun_ |= at_ == in_.size();
    const auto byte = at_ < in_.size() ? std::to_integer<std::uint32_t>(in_[at_++]) : 0;
    value_ = value_ << 8 | byte;
    held_ += 8;
  }

  Bytes in_;
  std::size_t at_ = 0;
  std::uint32_t value_ = 0;  // of which the lowest held_ bits wait for their turn
  std::uint32_t range_ = 255;
  int held_ = -8;
  bool is_overrun_ = false;
};

}}}  // namespace moeclip::abi_v0_1::detail

// SPDX-License-Identifier: MIT
#pragma once
// Reads the bits of entropy-coded JPEG data, first bit first (T.81 F.2.2.5). Stuffed zero bytes after 0xFF are taken
// out; at a marker or the end of the data the reader goes on with zero bits and counts them, so that the hot loops need
// no check and `is_overrun` tells afterwards whether one of those was used.

#include <cstdint>

#include "../../io/bytes.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

class JpegBits {
 public:
  JpegBits() = default;
  explicit JpegBits(Bytes data) : next_(data.data()), end_(data.data() + data.size()) {}

  /// Makes at least 32 bits available to `peek`, `drop` and the like.
  void ensure() {
    if (count_ < 32) fill();
  }

  /// The next `n` bits, 1 <= n <= 16, as a number.
  [[nodiscard]] std::uint32_t peek(int n) const { return static_cast<std::uint32_t>(buffer_ >> (64 - n)); }

  void drop(int n) {
    buffer_ <<= n;
    count_ -= n;
  }

  /// The next `n` bits, 1 <= n <= 16, taken.
  std::uint32_t take(int n) {
    const std::uint32_t value = peek(n);
    drop(n);
    return value;
  }

  /// A value of `size` bits, 1 <= size <= 15, of which the lower half stands for negative numbers (T.81 F.12, EXTEND).
  int take_signed(int size) {
    const int value = static_cast<int>(take(size));
    const int is_negative = (value >> (size - 1)) - 1;  // 0 or -1
    return value + (is_negative & (1 - (1 << size)));
  }

  /// True once a bit was taken that the data does not have.
  [[nodiscard]] bool is_overrun() const { return count_ < padding_; }

  /// Where the rest of the data begins: at a marker, or at bytes that no code used.
  [[nodiscard]] const std::byte* position() const { return next_; }

  /// Remembers that an impossible code was met.
  void mark_bad() { is_bad_ = true; }
  [[nodiscard]] bool is_bad() const { return is_bad_; }

 private:
  static bool has_ff(std::uint64_t word) { return ((~word - 0x0101010101010101u) & word & 0x8080808080808080u) != 0; }

  // Eight plain bytes at once. Bits of the last one that do not fit stay below `count_`, where the next call puts the
  // same bits again.
  void fill() {
    if (end_ - next_ >= 8) {
      const std::uint64_t word = load_u64be(next_);
      if (!has_ff(word)) [[likely]] {
        buffer_ |= word >> count_;
        next_ += (63 - count_) >> 3;
        count_ |= 56;
        return;
      }
    }
    fill_bytewise();
  }

  void fill_bytewise() {
    for (; count_ < 56; count_ += 8) {
      std::uint64_t byte = 0;
      if (next_ == end_) {
        padding_ += 8;
      } else if (*next_ != std::byte{0xFF}) {
        byte = std::to_integer<std::uint64_t>(*next_++);
      } else {
        const std::byte* after = next_ + 1;  // any number of 0xFF may precede the zero or the marker code
        while (after != end_ && *after == std::byte{0xFF}) ++after;
        if (after != end_ && *after == std::byte{0}) {
          byte = 0xFF;
          next_ = after + 1;
        } else {
          end_ = next_;  // a marker: this segment ends here
          padding_ += 8;
        }
      }
      buffer_ |= byte << (56 - count_);
    }
  }

  const std::byte* next_ = nullptr;
  const std::byte* end_ = nullptr;
  std::uint64_t buffer_ = 0;  // next bit on top
  int count_ = 0;             // valid bits of it, the zeros of the padding included
  std::int64_t padding_ = 0;  // zero bits added after the end
  bool is_bad_ = false;
};

}  // namespace detail
}}  // namespace moeclip::abi_v0_1

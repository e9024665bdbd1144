// SPDX-License-Identifier: MIT
#pragma once
// Bits and prefix codes of lossless WebP (RFC 9649, sections 3.2 and 3.7): bits from the lowest of each byte on, codes
// of up to 15 bits, and codes of a single symbol, which take no bits at all.

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "../../io/bytes.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// Reads bits; behind the end there are zeros, and is_overrun() says that one was used.
class Vp8lBits {
 public:
  explicit Vp8lBits(Bytes in) : in_(in) {}

  /// The next `count` bits, at most 32, which stay.
  std::uint32_t peek(int count) {
    while (held_ < count) {
      const std::uint64_t byte = at_ < in_.size() ? std::to_integer<std::uint64_t>(in_[at_]) : 0;
      bits_ |= byte << held_;
      held_ += 8;
      ++at_;
    }
    return static_cast<std::uint32_t>(bits_ & ((std::uint64_t{1} << count) - 1));
  }

  /// Goes on by `count` bits that were peeked at.
  void skip(int count) {
    bits_ >>= count;
    held_ -= count;
  }

  std::uint32_t read(int count) {
    const std::uint32_t value = peek(count);
    skip(count);
    return value;
  }
  bool flag() { return read(1) != 0; }

  [[nodiscard]] bool is_overrun() const { return at_ - static_cast<std::size_t>(held_ / 8) > in_.size(); }

 private:
  Bytes in_;
  std::size_t at_ = 0;
  std::uint64_t bits_ = 0;
  int held_ = 0;
};

/// A prefix code: what its symbols are, ordered by their codes, and how many have each length.
class Vp8lCode {
 public:
  static constexpr int kLongest = 15, kTableBits = 8;

  /// Makes the code with these lengths, one per symbol; false if there is none. A table makes reading faster, and takes
  /// 1 KiB.
  bool build(std::span<const std::uint8_t> lengths, bool has_table) {
    counts_ = {};
    for (const std::uint8_t length : lengths) ++counts_[length];
    counts_[0] = 0;
    std::array<std::uint32_t, kLongest + 2> first{};
    int left = 1;
    for (std::size_t n = 1; n <= kLongest; ++n) {
      left = 2 * left - counts_[n];
      if (left < 0) return false;
      first[n + 1] = first[n] + counts_[n];
    }
    symbols_.resize(first[kLongest + 1]);
    for (std::size_t symbol = 0; symbol < lengths.size(); ++symbol)
      if (lengths[symbol] != 0) symbols_[first[lengths[symbol]]++] = static_cast<std::uint16_t>(symbol);
    if (symbols_.size() == 1) return true;
    if (left != 0) return false;
    if (has_table) fill_table();
    return true;
  }

  int read(Vp8lBits& bits) const {
    if (symbols_.size() == 1) return symbols_[0];
    if (!table_.empty()) {
      const Entry entry = table_[bits.peek(kTableBits)];
      if (entry.length != 0) {
        bits.skip(entry.length);
        return entry.symbol;
      }
    }
    // The codes of each length follow those of the one before, doubled: the first of them and its place are enough.
    int code = 0, first = 0, place = 0;
    const std::uint32_t all = bits.peek(kLongest);
    for (int n = 1; n <= kLongest; ++n) {
      code |= static_cast<int>(all >> (n - 1) & 1u);
      const int count = counts_[static_cast<std::size_t>(n)];
      if (code - first < count) {
        bits.skip(n);
        return symbols_[static_cast<std::size_t>(place + code - first)];
      }
      place += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    return 0;  // cannot be: the code is complete
  }

 private:
  struct Entry {
    std::uint16_t symbol = 0;
    std::uint8_t length = 0;  // 0: longer than the table's bits
  };

  void fill_table() {
    table_.assign(std::size_t{1} << kTableBits, Entry());
    unsigned code = 0;
    std::size_t place = 0;
    for (int n = 1; n <= kTableBits; ++n, code <<= 1)
      for (int i = 0; i < counts_[static_cast<std::size_t>(n)]; ++i, ++code, ++place) {
        unsigned turned = 0;  // bits come lowest first, codes highest first
        for (int b = 0; b < n; ++b) turned |= (code >> b & 1u) << (n - 1 - b);
        for (unsigned at = turned; at < table_.size(); at += 1u << n)
          table_[at] = {symbols_[place], static_cast<std::uint8_t>(n)};
      }
  }

  std::array<std::uint16_t, kLongest + 1> counts_ = {};
  std::vector<std::uint16_t> symbols_;
  std::vector<Entry> table_;
};

}}}  // namespace moeclip::abi_v0_1::detail

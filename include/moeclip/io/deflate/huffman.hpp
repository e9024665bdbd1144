// SPDX-License-Identifier: MIT
#pragma once
// Tables that decode Huffman codes as deflate has them (RFC 1951, section 3.2.2): canonical, up to 15 bits, first bit
// lowest. The next kRootBits bits index a root table; longer codes go on in small tables behind it.

#include <algorithm>
#include <array>

#include "../bytes.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// What a code stands for, packed in 32 bits so that one load and few shifts give all of it:
/// bits 0-5 code length plus extra bits that follow, 8-11 code length, 12-15 the flags below, 16-31 a value.
/// A link to a further table has its index width in bits 0-5 and its place as value.
struct HuffmanEntry {
  static constexpr std::uint32_t kLiteral = 1u << 12;  ///< the value is a byte of output
  static constexpr std::uint32_t kEnd = 1u << 13;      ///< end of block
  static constexpr std::uint32_t kLink = 1u << 14;
  static constexpr std::uint32_t kInvalid = 1u << 15;  ///< no symbol has this code, or one that must not be used

  /// Meaning of a symbol, before its code is known.
  static constexpr std::uint32_t make(std::uint32_t value, std::uint32_t extra_bits, std::uint32_t flags = 0) {
    return value << 16 | flags | extra_bits;
  }
};

/// A symbol and the bits that follow its code.
struct ExtraSymbol {
  std::uint32_t symbol;
  std::uint32_t extra_bits;
  std::uint32_t extra;
};

/// The lowest `length` bits of `code` in opposite order.
constexpr std::uint32_t reverse_bits(std::uint32_t code, unsigned length) {
  std::uint32_t reversed = 0;
  for (unsigned bit = 0; bit < length; ++bit) reversed |= (code >> bit & 1) << (length - 1 - bit);
  return reversed;
}

template <unsigned kRootBits, unsigned kMaxBits, std::size_t kSymbols>
class HuffmanDecoder {
 public:
  /// Builds the table for a code with these lengths (0: no code). `meanings` has an entry for each symbol. False if
  /// the lengths are no code: over-subscribed, or incomplete; except that, as zlib has it, `allow_single` permits one
  /// code of one bit alone, or none at all.
  bool build(std::span<const std::uint8_t> lengths, std::span<const std::uint32_t> meanings, bool allow_single) {
    std::array<std::uint32_t, kMaxBits + 1> count{};
    std::array<std::uint32_t, kMaxBits + 1> next_code{};
    for (const std::uint8_t length : lengths) ++count[length];
    count[0] = 0;
    std::int32_t unused = 1;  // codes of the present length that are neither given nor the start of longer ones
    unsigned longest = 0;
    for (unsigned length = 1; length <= kMaxBits; ++length) {
      next_code[length] = (next_code[length - 1] + count[length - 1]) << 1;
      unused = unused * 2 - static_cast<std::int32_t>(count[length]);
      if (unused < 0) return false;
      if (count[length] != 0) longest = length;
    }
    if (unused > 0 && !(allow_single && longest <= 1)) return false;

    std::fill_n(table_.begin(), kRootSize, HuffmanEntry::kInvalid | 1u);
    end_ = kRootSize;
    for (std::size_t symbol = 0; symbol < lengths.size(); ++symbol) {
      const unsigned length = lengths[symbol];
      if (length != 0) put(next_code[length]++, length, longest, meanings[symbol]);
    }
    return true;
  }

  /// Entry for the code that `bits` begins with.
  [[nodiscard]] std::uint32_t find(std::uint64_t bits) const {
    const std::uint32_t entry = table_[bits & (kRootSize - 1)];
    if ((entry & HuffmanEntry::kLink) == 0) [[likely]]
      return entry;
    return table_[(entry >> 16) + (bits >> kRootBits & ((1u << (entry & 63)) - 1))];
  }

 private:
  static constexpr std::size_t kRootSize = std::size_t{1} << kRootBits;
  // A code with more than one bit is complete, so each further table has at least two symbols.
  static constexpr std::size_t kSize = kRootSize + kSymbols / 2 * (std::size_t{1} << (kMaxBits - kRootBits));

  void put(std::uint32_t code, unsigned length, unsigned longest, std::uint32_t meaning) {
    const std::uint32_t entry = meaning + (length | length << 8);
    const std::uint32_t index = reverse_bits(code, length);
    if (length <= kRootBits) {
      for (std::size_t i = index; i < kRootSize; i += std::size_t{1} << length) table_[i] = entry;
      return;
    }
    std::uint32_t& root = table_[index & (kRootSize - 1)];
    const unsigned width = longest - kRootBits;
    if ((root & HuffmanEntry::kLink) == 0) {
      root = HuffmanEntry::make(static_cast<std::uint32_t>(end_), width, HuffmanEntry::kLink);
      end_ += std::size_t{1} << width;
    }
    for (std::size_t i = index >> kRootBits; i < std::size_t{1} << width; i += std::size_t{1} << (length - kRootBits))
      table_[(root >> 16) + i] = entry;
  }

  std::array<std::uint32_t, kSize> table_;
  std::size_t end_ = kRootSize;  // of the part of the table that is in use
};

}}}  // namespace moeclip::abi_v0_1::detail

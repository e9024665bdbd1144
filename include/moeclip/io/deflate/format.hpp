// SPDX-License-Identifier: MIT
#pragma once
// The facts of the deflate format (RFC 1951) that its reader and its writer share: which symbol means which length or
// distance, the fixed codes, and the order in which a block lists the lengths of the code for code lengths.

#include <array>
#include <bit>
#include <cstdint>

#include "huffman.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

inline constexpr std::size_t kEndSymbol = 256;  ///< end of block, among the literals and lengths
inline constexpr std::size_t kWindow = 32768;   ///< the largest distance
inline constexpr std::size_t kLongestMatch = 258;
inline constexpr std::size_t kMetaSymbols = 19;

/// Symbol of a match length, 3 to 258 (section 3.2.5). Four symbols share a number of extra bits.
constexpr ExtraSymbol length_symbol(std::uint32_t length) {
  if (length == kLongestMatch) return {285, 0, 0};
  const std::uint32_t x = length - 3;
  const std::uint32_t bits = x < 8 ? 0 : static_cast<std::uint32_t>(std::bit_width(x)) - 3;
  return {257 + 4 * bits + (x >> bits), bits, x & ((1u << bits) - 1)};
}

/// Symbol of a distance, 1 to 32768. Two symbols share a number of extra bits.
constexpr ExtraSymbol distance_symbol(std::uint32_t distance) {
  const std::uint32_t x = distance - 1;
  const std::uint32_t bits = x < 4 ? 0 : static_cast<std::uint32_t>(std::bit_width(x)) - 2;
  return {2 * bits + (x >> bits), bits, x & ((1u << bits) - 1)};
}

/// RFC 1951, section 3.2.5: literals, the end, then lengths 3 to 258; symbols 286 and 287 have codes but no meaning.
constexpr std::array<std::uint32_t, 288> make_length_meanings() {
  std::array<std::uint32_t, 288> meanings{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) meanings[byte] = HuffmanEntry::make(byte, 0, HuffmanEntry::kLiteral);
  meanings[256] = HuffmanEntry::make(0, 0, HuffmanEntry::kEnd);
  std::uint32_t base = 3;
  for (std::uint32_t symbol = 257; symbol < 285; ++symbol) {
    const std::uint32_t extra = symbol < 265 ? 0 : (symbol - 261) / 4;
    meanings[symbol] = HuffmanEntry::make(base, extra);
    base += 1u << extra;
  }
  meanings[285] = HuffmanEntry::make(258, 0);
  meanings[286] = meanings[287] = HuffmanEntry::make(0, 0, HuffmanEntry::kInvalid);
  return meanings;
}

/// Distances 1 to 32768; symbols 30 and 31 have codes but no meaning.
constexpr std::array<std::uint32_t, 32> make_distance_meanings() {
  std::array<std::uint32_t, 32> meanings{};
  std::uint32_t base = 1;
  for (std::uint32_t symbol = 0; symbol < 30; ++symbol) {
    const std::uint32_t extra = symbol < 4 ? 0 : (symbol - 2) / 2;
    meanings[symbol] = HuffmanEntry::make(base, extra);
    base += 1u << extra;
  }
  meanings[30] = meanings[31] = HuffmanEntry::make(0, 0, HuffmanEntry::kInvalid);
  return meanings;
}

/// Code lengths 0 to 15, and three repetitions whose counts are read apart.
constexpr std::array<std::uint32_t, 19> make_meta_meanings() {
  std::array<std::uint32_t, 19> meanings{};
  for (std::uint32_t symbol = 0; symbol < 19; ++symbol) meanings[symbol] = HuffmanEntry::make(symbol, 0);
  return meanings;
}

inline constexpr auto kLengthMeanings = make_length_meanings();
inline constexpr auto kDistanceMeanings = make_distance_meanings();
inline constexpr auto kMetaMeanings = make_meta_meanings();

/// Order in which the lengths of the meta code are written: those that are most often zero come last.
inline constexpr std::array<std::uint8_t, 19> kMetaOrder = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                            11, 4,  12, 3, 13, 2, 14, 1, 15};

/// Code lengths of the fixed codes (section 3.2.6).
constexpr std::array<std::uint8_t, 288> make_fixed_length_bits() {
  std::array<std::uint8_t, 288> bits{};
  for (std::size_t symbol = 0; symbol < bits.size(); ++symbol)
    bits[symbol] = symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8;
  return bits;
}

constexpr std::array<std::uint8_t, 32> make_fixed_distance_bits() {
  std::array<std::uint8_t, 32> bits{};
  bits.fill(5);
  return bits;
}

inline constexpr auto kFixedLengthBits = make_fixed_length_bits();
inline constexpr auto kFixedDistanceBits = make_fixed_distance_bits();

}}}  // namespace moeclip::abi_v0_1::detail

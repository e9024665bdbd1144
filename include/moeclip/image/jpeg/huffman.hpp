// SPDX-License-Identifier: MIT
#pragma once
// The Huffman codes of JPEG are canonical codes of at most 16 bits, given by the number of codes of each length and the
// symbols in code order (T.81 annex C). Codes of up to kLookBits bits are found by one table look-up; where a short
// code is followed by a short coefficient, both come from one.

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "../../base/error.hpp"
#include "bits.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// A code as the file defines it.
struct HuffmanCode {
  std::array<std::uint8_t, 17> lengths = {};   // lengths[n]: number of codes of n bits, n = 1..16
  std::array<std::uint8_t, 256> symbols = {};  // by increasing code
};

/// A code as the decoder uses it.
class HuffmanTable {
 public:
  static constexpr int kLookBits = 9;  // covers 99 % of the symbols of a photograph in a table of 1 KB

  /// False if `code` has more codes of some length than there are, or a symbol above `most`.
  bool build(const HuffmanCode& code, int most) {
    look_.fill(0);
    quick_.fill(0);
    symbols_ = code.symbols;
    std::uint32_t next = 0;  // next free code, of the length at hand
    std::size_t first = 0;   // index of its symbol
    for (int length = 1; length <= 16; ++length) {
      const std::size_t count = code.lengths[static_cast<std::size_t>(length)];
      if (next + count > (1u << length)) return false;
      offset_[static_cast<std::size_t>(length)] = static_cast<std::int32_t>(first) - static_cast<std::int32_t>(next);
      for (std::size_t i = first; i < first + count; ++i, ++next) {
        if (symbols_[i] > most) return false;
        if (length <= kLookBits) enter(length, next, symbols_[i]);
      }
      limit_[static_cast<std::size_t>(length)] = next << (16 - length);
      first += count;
      next <<= 1;
    }
    return true;
  }

  /// Next symbol. Needs 16 bits. An impossible code marks `bits` bad and gives 0.
  int decode(JpegBits& bits) const {
    const unsigned entry = look_[bits.peek(kLookBits)];
    if (entry != 0) [[likely]] {
      bits.drop(static_cast<int>(entry >> 8));
      return static_cast<int>(entry & 255u);
    }
    return decode_long(bits);
  }

  /// Code and coefficient at once, if together they have at most kLookBits bits: value << 16 | run << 8 | bits; else 0.
  [[nodiscard]] std::int32_t quick(const JpegBits& bits) const { return quick_[bits.peek(kLookBits)]; }

 private:
  // All look-up entries that begin with `code`.
  void enter(int length, std::uint32_t code, std::uint8_t symbol) {
    const int spare = kLookBits - length;
    const int size = symbol & 15;
    for (std::uint32_t tail = 0; tail < (1u << spare); ++tail) {
      const std::size_t index = (code << spare) | tail;
      look_[index] = static_cast<std::uint16_t>(length << 8 | symbol);
      if (size == 0 || size > spare) continue;
      const int bits = static_cast<int>(tail >> (spare - size));
      const int value = (bits >> (size - 1)) != 0 ? bits : bits + 1 - (1 << size);
      quick_[index] = value * 65536 + (symbol >> 4) * 256 + length + size;
    }
  }

  int decode_long(JpegBits& bits) const {
    const std::uint32_t next = bits.peek(16);
    for (int length = kLookBits + 1; length <= 16; ++length) {
      if (next < limit_[static_cast<std::size_t>(length)]) {
        const auto code = static_cast<std::int32_t>(next >> (16 - length));
        bits.drop(length);
        return symbols_[static_cast<std::size_t>(code + offset_[static_cast<std::size_t>(length)]) & 255u];
      }
    }
    bits.drop(16);
    bits.mark_bad();
    return 0;
  }

  std::array<std::uint16_t, 1u << kLookBits> look_ = {};  // length << 8 | symbol; 0: a longer code
  std::array<std::int32_t, 1u << kLookBits> quick_ = {};  // see quick()
  std::array<std::uint32_t, 17> limit_ = {};  // 16 bits below this begin with a code of this length or shorter
  std::array<std::int32_t, 17> offset_ = {};  // symbol index minus code
  std::array<std::uint8_t, 256> symbols_ = {};
};

/// Makes a code of its lengths (of 1, 2, ... bits) and symbols, given as characters.
inline HuffmanCode make_code(std::string_view lengths, std::string_view symbols) {
  HuffmanCode code;
  for (std::size_t i = 0; i < lengths.size(); ++i) code.lengths[i + 1] = static_cast<std::uint8_t>(lengths[i]);
  std::copy(symbols.begin(), symbols.end(), code.symbols.begin());
  return code;
}

/// The typical codes of T.81 annex K.3, which sequential files (frames of motion JPEG) may leave out: `chroma` 0 or 1.
inline HuffmanCode standard_dc_code(bool chroma) {
  using namespace std::string_view_literals;
  constexpr auto kSymbols = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B"sv;
  return chroma ? make_code("\0\3\1\1\1\1\1\1\1\1\1"sv, kSymbols) : make_code("\0\1\5\1\1\1\1\1\1"sv, kSymbols);
}

inline HuffmanCode standard_ac_code(bool chroma) {
  using namespace std::string_view_literals;
  constexpr auto kLuma =
      "\x01\x02\x03\x00\x04\x11\x05\x12\x21\x31\x41\x06\x13\x51\x61\x07\x22\x71\x14\x32\x81\x91\xA1\x08\x23\x42\xB1"
      "\xC1\x15\x52\xD1\xF0\x24\x33\x62\x72\x82\x09\x0A\x16\x17\x18\x19\x1A\x25\x26\x27\x28\x29\x2A\x34\x35\x36\x37"
      "\x38\x39\x3A\x43\x44\x45\x46\x47\x48\x49\x4A\x53\x54\x55\x56\x57\x58\x59\x5A\x63\x64\x65\x66\x67\x68\x69\x6A"
      "\x73\x74\x75\x76\x77\x78\x79\x7A\x83\x84\x85\x86\x87\x88\x89\x8A\x92\x93\x94\x95\x96\x97\x98\x99\x9A\xA2\xA3"
      "\xA4\xA5\xA6\xA7\xA8\xA9\xAA\xB2\xB3\xB4\xB5\xB6\xB7\xB8\xB9\xBA\xC2\xC3\xC4\xC5\xC6\xC7\xC8\xC9\xCA\xD2\xD3"
      "\xD4\xD5\xD6\xD7\xD8\xD9\xDA\xE1\xE2\xE3\xE4\xE5\xE6\xE7\xE8\xE9\xEA\xF1\xF2\xF3\xF4\xF5\xF6\xF7\xF8\xF9\xFA"sv;
  constexpr auto kChroma =
      "\x00\x01\x02\x03\x11\x04\x05\x21\x31\x06\x12\x41\x51\x07\x61\x71\x13\x22\x32\x81\x08\x14\x42\x91\xA1\xB1\xC1"
      "\x09\x23\x33\x52\xF0\x15\x62\x72\xD1\x0A\x16\x24\x34\xE1\x25\xF1\x17\x18\x19\x1A\x26\x27\x28\x29\x2A\x35\x36"
      "\x37\x38\x39\x3A\x43\x44\x45\x46\x47\x48\x49\x4A\x53\x54\x55\x56\x57\x58\x59\x5A\x63\x64\x65\x66\x67\x68\x69"
      "\x6A\x73\x74\x75\x76\x77\x78\x79\x7A\x82\x83\x84\x85\x86\x87\x88\x89\x8A\x92\x93\x94\x95\x96\x97\x98\x99\x9A"
      "\xA2\xA3\xA4\xA5\xA6\xA7\xA8\xA9\xAA\xB2\xB3\xB4\xB5\xB6\xB7\xB8\xB9\xBA\xC2\xC3\xC4\xC5\xC6\xC7\xC8\xC9\xCA"
      "\xD2\xD3\xD4\xD5\xD6\xD7\xD8\xD9\xDA\xE2\xE3\xE4\xE5\xE6\xE7\xE8\xE9\xEA\xF2\xF3\xF4\xF5\xF6\xF7\xF8\xF9\xFA"sv;
  return chroma ? make_code("\0\2\1\2\4\4\3\4\7\5\4\4\0\1\2\x77"sv, kChroma)
                : make_code("\0\2\1\3\3\2\4\3\5\5\4\4\0\0\1\x7D"sv, kLuma);
}

}  // namespace detail
}}  // namespace moeclip::abi_v0_1

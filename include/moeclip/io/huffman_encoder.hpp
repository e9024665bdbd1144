// SPDX-License-Identifier: MIT
#pragma once
// Huffman codes for writing deflate: the shortest possible for given frequencies under a limit on the code length, by
// the package-merge algorithm of Larmore and Hirschberg (J. ACM 37, 1990).

#include <algorithm>
#include <array>
#include <iterator>
#include <vector>

#include "../base/lists.hpp"
#include "deflate/huffman.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// Code length of each symbol, at most `limit`; 0 for those of frequency 0. At least two symbols must occur.
///
/// A symbol of length l is a coin of the value 2^-l for each of the lengths 1 to l, at its frequency as price; a code
/// is a set of coins worth n - 1, and the best code is the cheapest set. From the smallest coins up, the cheapest are
/// paired ("packaged") to coins of double value and merged with the ones that are there. Of the largest, the
/// cheapest 2n - 2 are bought; a symbol's length is the number of its coins in them.
inline void limited_lengths(std::span<const std::uint32_t> frequencies, unsigned limit,
                            std::span<std::uint8_t> lengths) {
  struct Coin {
    std::uint64_t price;
    bool is_symbol;  // a coin of its own, not a package
  };
  std::vector<std::size_t> symbols;
  for (std::size_t symbol = 0; symbol < frequencies.size(); ++symbol)
    if (frequencies[symbol] != 0) symbols.push_back(symbol);
  lists::stable_sort_by(symbols, [&](std::size_t symbol) { return frequencies[symbol]; });

  std::vector<std::vector<Coin>> levels(limit);
  for (unsigned level = 0; level < limit; ++level) {
    std::vector<Coin> own, packages;
    for (const std::size_t symbol : symbols) own.push_back({frequencies[symbol], true});
    for (std::size_t i = 0; level > 0 && i + 1 < levels[level - 1].size(); i += 2)
      packages.push_back({levels[level - 1][i].price + levels[level - 1][i + 1].price, false});
    std::merge(own.begin(), own.end(), packages.begin(), packages.end(), std::back_inserter(levels[level]),
               [](const Coin& a, const Coin& b) { return a.price < b.price; });
  }

  lists::fill(lengths, std::uint8_t{0});
  std::size_t bought = 2 * symbols.size() - 2;
  for (unsigned level = limit; level-- > 0;) {
    std::size_t own = 0;
    for (std::size_t i = 0; i < bought; ++i) own += levels[level][i].is_symbol ? 1u : 0u;
    for (std::size_t i = 0; i < own; ++i) ++lengths[symbols[i]];
    bought = 2 * (bought - own);
  }
}

/// The codes for symbols of these lengths, first bit lowest, as deflate writes them.
inline void canonical_codes(std::span<const std::uint8_t> lengths, std::span<std::uint16_t> codes) {
  std::uint32_t code = 0;
  for (unsigned length = 1; length <= 15; ++length, code <<= 1)
    for (std::size_t symbol = 0; symbol < lengths.size(); ++symbol)
      if (lengths[symbol] == length) codes[symbol] = static_cast<std::uint16_t>(reverse_bits(code++, length));
}

/// Writes bits into bytes, lowest first.
class BitSink {
 public:
  /// Appends the lowest `number` bits of `value`, which has no others; at most 32.
  void put(std::uint32_t value, unsigned number) {
    bits_ |= std::uint64_t{value} << count_;
    for (count_ += number; count_ >= 8; count_ -= 8, bits_ >>= 8) out.push_back(static_cast<std::byte>(bits_ & 0xFF));
  }

  /// Goes on at a whole byte.
  void align() { put(0, (8 - count_) % 8); }

  std::vector<std::byte> out;

 private:
  std::uint64_t bits_ = 0;
  unsigned count_ = 0;
};

/// A code to write with.
template <std::size_t kSymbols>
struct HuffmanEncoder {
  std::array<std::uint8_t, kSymbols> lengths{};
  std::array<std::uint16_t, kSymbols> codes{};

  /// The best code for `frequencies`. Readers want two symbols at least, so symbols that do not occur may get a code.
  void build(std::array<std::uint32_t, kSymbols> frequencies, unsigned limit) {
    std::size_t used = kSymbols - static_cast<std::size_t>(lists::count(frequencies, 0u));
    for (std::size_t symbol = 0; used < 2; ++symbol) {
      if (frequencies[symbol] != 0) continue;
      frequencies[symbol] = 1;
      ++used;
    }
    limited_lengths(frequencies, limit, lengths);
    canonical_codes(lengths, codes);
  }

  /// The code with these lengths.
  void assign(const std::array<std::uint8_t, kSymbols>& given) {
    lengths = given;
    canonical_codes(lengths, codes);
  }

  void write(BitSink& sink, const ExtraSymbol& symbol) const {
    sink.put(codes[symbol.symbol], lengths[symbol.symbol]);
    sink.put(symbol.extra, symbol.extra_bits);
  }
};

}}}  // namespace moeclip::abi_v0_1::detail

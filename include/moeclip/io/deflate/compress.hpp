// SPDX-License-Identifier: MIT
#pragma once
// Compresses with deflate (RFC 1951) into a zlib stream (RFC 1950). Matches come from hash chains with lazy evaluation.
// Each block is written in the shortest of three ways: with codes of its own, with the fixed codes, or uncompressed.

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <vector>

#include "../checksum.hpp"
#include "../huffman_encoder.hpp"
#include "format.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// A match with something earlier, or (length 0) a byte as it is.
struct Token {
  std::uint16_t length;
  std::uint16_t value;  // the distance, or the byte
};

/// Finds earlier occurrences of what comes next. All positions with the same four bytes (or, rarely, others with the
/// same hash) form a chain, latest first.
class MatchFinder {
 public:
  // Matches of three bytes save next to nothing, and chains of equal fours are much shorter than those of threes.
  static constexpr std::size_t kShortest = 4;
  // About zlib's level 5: with a match of kGood bytes a longer one is sought in fewer places, with kNice in none.
  static constexpr std::size_t kGood = 8;
  static constexpr std::size_t kNice = 96;
  static constexpr int kTries = 32;

  explicit MatchFinder(Bytes data) : data_(data), latest_(kHashes, kNone), earlier_(kWindow, kNone) {}

  /// The longest match at `at` with more than `known` bytes, or one of length 0.
  [[nodiscard]] Token find(std::size_t at, std::size_t known) const {
    Token best{0, 0};
    const std::size_t longest = (std::min)(kLongestMatch, data_.size() - at);
    if (longest < kShortest) return best;
    std::size_t length = (std::max)(known, kShortest - 1);
    int tries = known >= kGood ? kTries / 4 : kTries;
    for (std::size_t candidate = latest_[hash(at)];
         candidate != kNone && at - candidate <= kWindow && tries > 0 && length < (std::min)(longest, kNice);
         candidate = earlier_[candidate % kWindow], --tries) {
      if (data_[candidate + length] != data_[at + length]) continue;
      const std::size_t common = common_length(candidate, at, longest);
      if (common <= length) continue;
      length = common;
      best = {static_cast<std::uint16_t>(length), static_cast<std::uint16_t>(at - candidate)};
    }
    return best;
  }

  /// Makes `at` known; every position must be, in order.
  void insert(std::size_t at) {
    if (data_.size() - at < kShortest) return;
    std::uint32_t& latest = latest_[hash(at)];
    earlier_[at % kWindow] = latest;
    latest = static_cast<std::uint32_t>(at);
  }

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFFu;
  static constexpr std::size_t kHashes = std::size_t{1} << 15;

  [[nodiscard]] std::size_t hash(std::size_t at) const { return load_u32le(&data_[at]) * 0x9E3779B1u >> 17; }

  [[nodiscard]] std::size_t common_length(std::size_t a, std::size_t b, std::size_t longest) const {
    std::size_t length = 0;
    for (; length + 8 <= longest; length += 8) {
      const std::uint64_t difference = load_u64le(&data_[a + length]) ^ load_u64le(&data_[b + length]);
      if (difference != 0) return length + static_cast<std::size_t>(std::countr_zero(difference)) / 8;
    }
    while (length < longest && data_[a + length] == data_[b + length]) ++length;
    return length;
  }

  Bytes data_;
  std::vector<std::uint32_t> latest_;   // [hash]
  std::vector<std::uint32_t> earlier_;  // [position % kWindow]: the one before it in its chain
};

/// The two codes that the tokens of a block are written in.
struct BlockEncoder {
  HuffmanEncoder<288> lengths;  // literals, lengths and the end of block; the last two symbols are never used
  HuffmanEncoder<32> distances;

  static const BlockEncoder& fixed() {
    static const BlockEncoder encoder = [] {
      BlockEncoder made;
      made.lengths.assign(kFixedLengthBits);
      made.distances.assign(kFixedDistanceBits);
      return made;
    }();
    return encoder;
  }
};

/// How often each symbol occurs in a block.
struct BlockStatistics {
  std::array<std::uint32_t, 288> lengths{};
  std::array<std::uint32_t, 32> distances{};
  std::uint64_t extra_bits = 0;

  explicit BlockStatistics(std::span<const Token> tokens) {
    lengths[kEndSymbol] = 1;
    for (const Token token : tokens) {
      if (token.length == 0) {
        ++lengths[token.value];
        continue;
      }
      const ExtraSymbol length = length_symbol(token.length);
      const ExtraSymbol distance = distance_symbol(token.value);
      ++lengths[length.symbol];
      ++distances[distance.symbol];
      extra_bits += length.extra_bits + distance.extra_bits;
    }
  }

  /// Bits that the tokens take in these codes.
  [[nodiscard]] std::uint64_t cost(const BlockEncoder& encoder) const {
    const auto add = [](std::uint64_t sum, std::uint64_t product) { return sum + product; };
    const auto times = [](std::uint32_t number, std::uint8_t bits) { return std::uint64_t{number} * bits; };
    const auto& bits = encoder.lengths.lengths;
    const auto& distance_bits = encoder.distances.lengths;
    const auto sum = std::inner_product(lengths.begin(), lengths.end(), bits.begin(), extra_bits, add, times);
    return std::inner_product(distances.begin(), distances.end(), distance_bits.begin(), sum, add, times);
  }
};

/// The description of a block's codes (section 3.2.7): their code lengths, run-length coded, in a code of their own.
class CodeDescription {
 public:
  explicit CodeDescription(const BlockEncoder& encoder)
      : length_symbols_(used(encoder.lengths.lengths, kEndSymbol + 1)),
        distance_symbols_(used(encoder.distances.lengths, 1)) {
    std::vector<std::uint8_t> bits(encoder.lengths.lengths.begin(), encoder.lengths.lengths.begin() + length_symbols_);
    bits.insert(bits.end(), encoder.distances.lengths.begin(), encoder.distances.lengths.begin() + distance_symbols_);
    for (std::size_t i = 0, next = 0; i < bits.size(); i = next) {
      while (next < bits.size() && bits[next] == bits[i]) ++next;
      add_run(bits[i], static_cast<std::uint32_t>(next - i));
    }
    std::array<std::uint32_t, kMetaSymbols> frequencies{};
    for (const ExtraSymbol& item : items_) ++frequencies[item.symbol];
    meta_.build(frequencies, 7);
    while (meta_symbols_ > 4 && meta_.lengths[kMetaOrder[meta_symbols_ - 1]] == 0) --meta_symbols_;
  }

  [[nodiscard]] std::uint64_t cost() const {
    std::uint64_t bits = 14 + 3 * meta_symbols_;
    for (const ExtraSymbol& item : items_) bits += meta_.lengths[item.symbol] + item.extra_bits;
    return bits;
  }

  void write(BitSink& sink) const {
    sink.put(static_cast<std::uint32_t>(length_symbols_ - 257), 5);
    sink.put(static_cast<std::uint32_t>(distance_symbols_ - 1), 5);
    sink.put(static_cast<std::uint32_t>(meta_symbols_ - 4), 4);
    for (std::size_t i = 0; i < meta_symbols_; ++i) sink.put(meta_.lengths[kMetaOrder[i]], 3);
    for (const ExtraSymbol& item : items_) meta_.write(sink, item);
  }

 private:
  /// Number of symbols up to the last that has a code.
  static std::ptrdiff_t used(std::span<const std::uint8_t> lengths, std::ptrdiff_t least) {
    auto count = static_cast<std::ptrdiff_t>(lengths.size());
    while (count > least && lengths[static_cast<std::size_t>(count - 1)] == 0) --count;
    return count;
  }

  /// `count` times the same length: itself, then 16 (3 to 6 times the last); zeros as 17 (3 to 10) and 18 (11 to 138).
  void add_run(std::uint8_t bits, std::uint32_t count) {
    const auto repeat = [&](std::uint32_t symbol, std::uint32_t extra_bits, std::uint32_t least, std::uint32_t most) {
      for (; count >= least; count -= (std::min)(count, most))
        items_.push_back({symbol, extra_bits, (std::min)(count, most) - least});
    };
    if (bits == 0) {
      repeat(18, 7, 11, 138);
      repeat(17, 3, 3, 10);
    } else {
      items_.push_back({bits, 0, 0});
      --count;
      repeat(16, 2, 3, 6);
    }
    items_.insert(items_.end(), count, {bits, 0, 0});
  }

  std::ptrdiff_t length_symbols_;
  std::ptrdiff_t distance_symbols_;
  std::vector<ExtraSymbol> items_;
  HuffmanEncoder<kMetaSymbols> meta_;
  std::size_t meta_symbols_ = kMetaSymbols;
};

/// Writes `data` as deflate blocks.
class Deflater {
 public:
  Deflater(Bytes data, BitSink& sink) : data_(data), sink_(sink), finder_(data) {}

  /// `is_last`: whether the last block ends the stream. Matching is lazy: before a match is taken, the next position
  /// is tried, and if it has a longer one, the present byte is written as it is.
  void run(bool is_last) {
    constexpr std::size_t kContent = 16;  // a match this long is taken without a look further
    Token previous{0, 0};                 // match at the position before
    bool has_previous = false;            // that position is not written yet
    for (std::size_t at = 0; at < data_.size();) {
      const Token match = previous.length < kContent ? finder_.find(at, previous.length) : Token{0, 0};
      if (previous.length > 0 && match.length == 0) {
        const std::size_t end = at - 1 + previous.length;
        add(previous, end);
        while (at < end) finder_.insert(at++);
        previous = {0, 0};
        has_previous = false;
        continue;
      }
      if (has_previous) add_byte(at - 1);
      previous = match;
      has_previous = true;
      finder_.insert(at++);
    }
    if (has_previous) add_byte(data_.size() - 1);
    write_block(is_last);
  }

 private:
  static constexpr std::size_t kBlockTokens = 1 << 14;  // codes adapt this often; describing them costs about 80 bytes

  void add_byte(std::size_t at) { add({0, std::to_integer<std::uint16_t>(data_[at])}, at + 1); }

  /// Adds a token that brings the block to `end`.
  void add(Token token, std::size_t end) {
    tokens_.push_back(token);
    end_ = end;
    if (tokens_.size() == kBlockTokens) write_block(false);
  }

  void write_block(bool is_last) {
    const BlockStatistics statistics(tokens_);
    BlockEncoder own;
    own.lengths.build(statistics.lengths, 15);
    own.distances.build(statistics.distances, 15);
    const CodeDescription description(own);
    const std::uint64_t own_cost = description.cost() + statistics.cost(own);
    const std::uint64_t fixed_cost = statistics.cost(BlockEncoder::fixed());
    const std::uint64_t size = end_ - start_;
    if (8 * (size + 5 * (size / kStoredMost + 1)) < (std::min)(own_cost, fixed_cost)) {
      write_stored(is_last);
    } else {
      const bool is_fixed = fixed_cost <= own_cost;
      sink_.put(is_last ? 1 : 0, 1);
      sink_.put(is_fixed ? 1 : 2, 2);
      if (!is_fixed) description.write(sink_);
      write_tokens(is_fixed ? BlockEncoder::fixed() : own);
    }
    tokens_.clear();
    start_ = end_;
  }

  void write_tokens(const BlockEncoder& encoder) {
    for (const Token token : tokens_) {
      if (token.length == 0) {
        encoder.lengths.write(sink_, {token.value, 0, 0});
      } else {
        encoder.lengths.write(sink_, length_symbol(token.length));
        encoder.distances.write(sink_, distance_symbol(token.value));
      }
    }
    encoder.lengths.write(sink_, {kEndSymbol, 0, 0});
  }

  static constexpr std::size_t kStoredMost = 65535;  // bytes that a stored block can hold

  void write_stored(bool is_last) {
    Bytes left = data_.subspan(start_, end_ - start_);
    do {
      const Bytes piece = left.first((std::min)(left.size(), kStoredMost));
      left = left.subspan(piece.size());
      const auto size = static_cast<std::uint32_t>(piece.size());
      sink_.put(is_last && left.empty() ? 1 : 0, 3);
      sink_.align();
      sink_.put(size, 16);
      sink_.put(size ^ 0xFFFF, 16);
      sink_.out.insert(sink_.out.end(), piece.begin(), piece.end());
    } while (!left.empty());
  }

  Bytes data_;
  BitSink& sink_;
  MatchFinder finder_;
  std::vector<Token> tokens_;  // of the present block, which covers [start_, end_) of the data
  std::size_t start_ = 0;
  std::size_t end_ = 0;
};

}  // namespace detail

}}  // namespace moeclip::abi_v0_1

// SPDX-License-Identifier: MIT
#include <moeclip/io/deflate.hpp>
#include <moeclip/io/deflate/compress.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include <moeclip/base/rng.hpp>
#include <moeclip/io/deflate/inflate.hpp>

using namespace moeclip;

namespace {

/// `size` bytes of `kinds` different values; every other stretch repeats an earlier one.
std::vector<std::byte> noise(std::size_t size, int kinds, std::uint64_t seed) {
  const Rng random(seed, "deflate");
  std::vector<std::byte> bytes;
  for (index_t i = 0; bytes.size() < size; ++i) {
    const bool repeats = kinds < 256 && !bytes.empty() && random.bits(i) % 5 == 0;
    const auto from = static_cast<std::size_t>(random.integer(i, 0, static_cast<std::int64_t>(bytes.size() + 1)));
    for (std::size_t k = 0; repeats && k < 40 && from + k < bytes.size() && bytes.size() < size; ++k)
      bytes.push_back(bytes[from + k]);
    if (!repeats) bytes.push_back(static_cast<std::byte>(random.integer(i, 0, kinds)));
  }
  return bytes;
}

}  // namespace

TEST_CASE("deflate: inflating gives back every length and kind") {
  for (const int kinds : {1, 2, 3, 17, 256}) {
    for (const int size : {0, 1, 2, 3, 4, 5, 7, 8, 9, 100, 257, 258, 259, 260, 5000, 65535, 65536, 70000, 200000}) {
      const auto bytes = noise(static_cast<std::size_t>(size), kinds, 1);
      const auto packed = deflate_zlib(bytes);
      CHECK(inflate_zlib(packed, bytes.size(), "x") == bytes);
      CHECK(packed.size() <= bytes.size() + bytes.size() / 1000 + 64);
      if (kinds == 1 && size >= 65535) CHECK(packed.size() < bytes.size() / 500);
    }
  }
}

TEST_CASE("deflate: matches reach back as far as the window and no further") {
  const auto block = noise(300, 256, 1);
  for (const std::size_t distance : {32767u, 32768u, 32769u, 33000u}) {
    auto bytes = block;
    bytes.resize(distance);
    bytes.insert(bytes.end(), block.begin(), block.end());
    const auto packed = deflate_zlib(bytes);
    CHECK(inflate_zlib(packed, bytes.size(), "x") == bytes);
    CHECK((packed.size() < 500) == (distance <= 32768));
  }
}

TEST_CASE("deflate: code lengths keep to the limit and fill the code") {
  for (const unsigned limit : {7u, 15u}) {
    std::vector<std::uint32_t> frequencies = {1, 1};
    while (frequencies.size() < 19) frequencies.push_back(frequencies.end()[-1] + frequencies.end()[-2]);
    std::vector<std::uint8_t> lengths(frequencies.size());
    detail::limited_lengths(frequencies, limit, lengths);
    std::uint32_t sum = 0;
    for (const std::uint8_t length : lengths) {
      REQUIRE(length >= 1);
      REQUIRE(length <= limit);
      sum += 1u << (limit - length);
    }
    CHECK(sum == 1u << limit);
    CHECK(std::ranges::is_sorted(lengths, std::ranges::greater()));
  }
}

TEST_CASE("deflate: without a limit in the way the code is Huffman's") {
  const std::vector<std::uint32_t> frequencies = {45, 13, 12, 16, 9, 5, 0};  // the textbook's: 224 bits
  std::vector<std::uint8_t> lengths(frequencies.size());
  detail::limited_lengths(frequencies, 15, lengths);
  CHECK(lengths == std::vector<std::uint8_t>{1, 3, 3, 3, 4, 4, 0});
  CHECK(std::inner_product(lengths.begin(), lengths.end(), frequencies.begin(), 0u) == 224);
}

TEST_CASE("deflate: symbols of lengths and distances are those that inflate reads") {
  for (std::uint32_t length = 3; length <= 258; ++length) {
    const auto symbol = detail::length_symbol(length);
    CHECK((detail::kLengthMeanings[symbol.symbol] >> 16) + symbol.extra == length);
    CHECK((detail::kLengthMeanings[symbol.symbol] & 31) == symbol.extra_bits);
  }
  for (std::uint32_t distance = 1; distance <= 32768; ++distance) {
    const auto symbol = detail::distance_symbol(distance);
    REQUIRE((detail::kDistanceMeanings[symbol.symbol] >> 16) + symbol.extra == distance);
    REQUIRE((detail::kDistanceMeanings[symbol.symbol] & 31) == symbol.extra_bits);
  }
}

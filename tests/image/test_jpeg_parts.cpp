// SPDX-License-Identifier: MIT
// The parts of the JPEG decoder by themselves: bits, codes, inverse DCT, interpolation.

#include <doctest/doctest.h>

#include <cmath>

#include <moeclip/image/jpeg.hpp>
#include <moeclip/image/jpeg/decode.hpp>
#include "image_test.hpp"

namespace {

using namespace image_test;
using namespace moeclip::detail;

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

/// The inverse DCT without short cuts.
void plain_idct(const std::int16_t* block, const std::uint16_t* quantizer, std::uint8_t* out) {
  std::int32_t work[64];
  idct_columns<false>(block, quantizer, work, 8);
  for (index_t r = 0; r < 8; ++r) idct_row<false>(work + r * 8, out + r * 8);
}

/// Sample (x, y) by the definition (T.81 A.3.3), in double.
double exact_sample(const std::int16_t* block, index_t x, index_t y) {
  double sum = 0;
  for (index_t v = 0; v < 8; ++v)
    for (index_t u = 0; u < 8; ++u)
      sum += (u == 0 ? std::sqrt(0.5) : 1.0) * (v == 0 ? std::sqrt(0.5) : 1.0) * block[v * 8 + u] *
             std::cos(static_cast<double>((2 * x + 1) * u) * 3.14159265358979323846 / 16) *
             std::cos(static_cast<double>((2 * y + 1) * v) * 3.14159265358979323846 / 16);
  return std::clamp(sum / 4 + 128, 0.0, 255.0);
}

}  // namespace

TEST_CASE("jpeg bits: stuffing, markers, the end") {
  const auto data =
      bytes_of({0x12, 0xFF, 0x00, 0xFF, 0xFF, 0x00, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0xDE, 0xF0, 0xFF, 0xD9, 1});
  JpegBits bits(data);
  std::string found;
  for (int i = 0; i < 20; ++i) {
    bits.ensure();
    found += "0123456789ABCDEF"[bits.take(4)];
  }
  CHECK(found == "12FFFF3456789ABCDEF0");
  CHECK_FALSE(bits.is_overrun());
  CHECK(bits.position() == data.data() + 13);
  bits.ensure();
  CHECK(bits.take(1) == 0);
  CHECK(bits.is_overrun());
}

TEST_CASE("jpeg bits: signed values") {
  const auto data = bytes_of({0b01010110, 0b11000000, 0, 0, 0});
  JpegBits bits(data);
  bits.ensure();
  CHECK(bits.take_signed(1) == -1);
  CHECK(bits.take_signed(1) == 1);
  CHECK(bits.take_signed(2) == -2);
  CHECK(bits.take_signed(2) == -2);
  CHECK(bits.take_signed(3) == 5);
}

TEST_CASE("jpeg huffman: short, long and impossible codes") {
  // 0, 10, then codes of 12 bits from 1100 0000 0000 on: beyond the look-up table
  HuffmanCode code = make_code(std::string_view("\1\1\0\0\0\0\0\0\0\0\0\3", 12), "abcde");
  HuffmanTable table;
  REQUIRE(table.build(code, 255));
  const auto data =
      bytes_of({0b01011000, 0b00000001, 0b10000000, 0b00101111, 0b11111111, 0, 0b11111111, 0, 0b11000000, 0});
  JpegBits bits(data);
  std::string found;
  for (int i = 0; i < 5; ++i) {
    bits.ensure();
    found += static_cast<char>(table.decode(bits));
  }
  CHECK(found == "abcda");
  CHECK_FALSE(bits.is_bad());
  bits.ensure();
  CHECK(table.decode(bits) == 0);
  CHECK(bits.is_bad());

  code.lengths[2] = 3;  // with the code 0 there is room for two more of two bits
  CHECK_FALSE(table.build(code, 255));
  CHECK_FALSE(table.build(make_code("\2", "\1\x10"), 15));  // a DC difference of 16 bits
}

TEST_CASE("jpeg idct: short cuts give the same bits, and they are near the exact transform") {
  const Rng rng(1, "idct");
  JpegQuantizer steps;
  index_t next = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    std::int16_t block[64] = {};
    const auto terms = rng.integer(next++, 0, 12);
    const auto wide = rng.integer(next++, 1, 9), high = rng.integer(next++, 1, 9);
    const auto size = rng.integer(next++, 1, 400);
    for (index_t i = 0; i < terms; ++i) {
      const index_t at = rng.integer(next, 0, high) * 8 + rng.integer(next + 1, 0, wide);
      block[at] = static_cast<std::int16_t>(rng.integer(next + 2, -size, size + 1));
      next += 3;
    }
    steps.fill(1);
    std::uint8_t plain[64], found[64];
    plain_idct(block, steps.data(), plain);
    idct_block(block, steps.data(), found, 8);
    CHECK(std::equal(plain, plain + 64, found));
    double worst = 0;
    for (index_t i = 0; i < 64 && trial < 200; ++i)
      worst = std::max(worst, std::abs(found[i] - exact_sample(block, i % 8, i / 8)));
    CHECK(worst < 0.6);  // half a step of rounding and a little
  }
}

TEST_CASE("jpeg interpolation: weights, rounding, edges") {
  const std::uint8_t row[4] = {0, 100, 101, 255};
  std::uint8_t out[8];
  upsample_h2v1(row, 4, out);
  const std::uint8_t across[8] = {0, 25, 75, 100, 101, 140, 216, 255};
  CHECK(std::equal(out, out + 8, across));
  const std::uint8_t other[4] = {255, 2, 101, 254};
  upsample_h1v2(row, other, false, 4, out);
  const std::uint8_t upper[4] = {64, 75, 101, 255};
  CHECK(std::equal(out, out + 4, upper));
  upsample_h1v2(row, other, true, 4, out);
  const std::uint8_t lower[4] = {64, 76, 101, 255};
  CHECK(std::equal(out, out + 4, lower));
  upsample_repeat(row, 2, 3, out);
  CHECK((out[2] == 0 && out[3] == 100 && out[5] == 100));
}

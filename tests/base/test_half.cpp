// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <moeclip/base/half.hpp>
#include <moeclip/base/rng.hpp>

#include "golden_data.hpp"

using namespace moeclip;  // NOLINT

namespace {

std::uint32_t bits_of(float value) { return std::bit_cast<std::uint32_t>(value); }

/// Value of a finite or infinite half by its definition.
double half_by_definition(unsigned bits) {
  const double sign = (bits & 0x8000u) != 0 ? -1 : 1;
  const int exponent = static_cast<int>((bits >> 10) & 31u), fraction = static_cast<int>(bits & 1023u);
  if (exponent == 31) return sign * std::numeric_limits<double>::infinity();
  return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25));
}

}  // namespace

TEST_CASE("every half has its defined value and comes back with the same bits") {
  int wrong = 0;
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = half_to_float(half);
    const bool is_nan = (bits & 0x7C00u) == 0x7C00u && (bits & 0x3FFu) != 0;
    if (is_nan) {
      wrong += !std::isnan(value) || float_to_half(value) != (bits | 0x200u);  // quiet, payload kept
    } else {
      wrong += static_cast<double>(value) != half_by_definition(bits) || std::signbit(value) != (bits >= 0x8000u);
      wrong += float_to_half(value) != half;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("floats between two halves go to the nearer one, halfway to the even one") {
  int wrong = 0;
  for (unsigned bits = 0; bits < 0x7BFF; ++bits) {  // every gap between finite positive halves
    const auto low = static_cast<std::uint16_t>(bits), high = static_cast<std::uint16_t>(bits + 1);
    const float middle = (half_to_float(low) + half_to_float(high)) / 2;  // exact in float
    const auto even = bits % 2 == 0 ? low : high;
    wrong += float_to_half(middle) != even;
    wrong += float_to_half(-middle) != (even | 0x8000u);
    wrong += float_to_half(std::nextafter(middle, 0.0f)) != low;
    wrong += float_to_half(std::nextafter(middle, 1e9f)) != high;
  }
  CHECK(wrong == 0);
}

TEST_CASE("the ends of the half range") {
  CHECK(float_to_half(65504.0f) == 0x7BFF);
  CHECK(float_to_half(std::nextafter(65520.0f, 0.0f)) == 0x7BFF);
  CHECK(float_to_half(65520.0f) == 0x7C00);
  CHECK(float_to_half(std::numeric_limits<float>::max()) == 0x7C00);
  CHECK(float_to_half(-std::numeric_limits<float>::infinity()) == 0xFC00);
  CHECK(float_to_half(0x1p-25f) == 0);  // halfway to the smallest, even is zero
  CHECK(float_to_half(std::nextafter(0x1p-25f, 1.0f)) == 1);
  CHECK(float_to_half(-0.0f) == 0x8000);
  CHECK(float_to_half(std::numeric_limits<float>::denorm_min()) == 0);
}

TEST_CASE("rounding to half equals the recorded rounding") {
  const GoldenData golden("components/half.safetensors");
  const Tensor<double> in = golden.read("in"), out = golden.read("out"), bits = golden.read("bits");
  REQUIRE(in.size() == 4018);
  int wrong = 0;
  for (index_t i = 0; i < in.size(); ++i) {
    const auto half = float_to_half(static_cast<float>(in[i]));
    if (std::isnan(in[i])) {
      wrong += !std::isnan(half_to_float(half));
      continue;
    }
    wrong += half != static_cast<std::uint16_t>(static_cast<std::int32_t>(bits[i]));
    wrong += static_cast<double>(half_to_float(half)) != out[i];
  }
  CHECK(wrong == 0);
}

TEST_CASE("every bfloat16 comes back with the same bits; floats round to nearest even") {
  int wrong = 0;
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const auto stored = static_cast<std::uint16_t>(bits);
    const float value = bfloat16_to_float(stored);
    const bool is_nan = (bits & 0x7F80u) == 0x7F80u && (bits & 0x7Fu) != 0;
    wrong += bits_of(value) != bits << 16;
    wrong += float_to_bfloat16(value) != (is_nan ? bits | 0x40u : bits);
    if ((bits & 0x7F80u) == 0x7F80u) continue;
    const std::uint32_t middle = (bits << 16) + 0x8000u;
    wrong += float_to_bfloat16(std::bit_cast<float>(middle)) != bits + bits % 2;
    wrong += float_to_bfloat16(std::bit_cast<float>(middle - 1)) != bits;
    wrong += float_to_bfloat16(std::bit_cast<float>(middle + 1)) != bits + 1;
  }
  CHECK(wrong == 0);
  CHECK(float_to_bfloat16(std::numeric_limits<float>::max()) == 0x7F80);
  CHECK(float_to_bfloat16(std::bit_cast<float>(0x7F800001u)) == 0x7FC0);  // a NaN in the dropped bits stays one
}

TEST_CASE("the conversions are usable in constant expressions") {
  static_assert(half_to_float(0x3C00) == 1.0f && float_to_half(1.5f) == 0x3E00);
  static_assert(bfloat16_to_float(0x3F80) == 1.0f && float_to_bfloat16(-2.0f) == 0xC000);
}

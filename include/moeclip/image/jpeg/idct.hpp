// SPDX-License-Identifier: MIT
#pragma once
// This is the accurate integer inverse DCT ("islow") of libjpeg: the algorithm of Loeffler, Ligtenberg and Moschytz
// (1989) with 13-bit constants, columns first, two extra bits kept between the passes. Overflow, which only damaged or
// absurd coefficients cause, behaves as in libjpeg-turbo's vector code: 16-bit sums wrap, the values between the passes
// saturate. Sparse blocks take short cuts that give the same bits.

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "frame.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

inline std::int32_t wrap16(std::int32_t value) { return static_cast<std::int16_t>(value); }

inline std::int32_t saturate16(std::int32_t value) { return std::clamp(value, -32768, 32767); }

/// sum + product of 32 bits; wraps.
struct Wrapping {
  std::uint32_t value;
  explicit Wrapping(std::int32_t v) : value(static_cast<std::uint32_t>(v)) {}
  friend Wrapping operator+(Wrapping a, Wrapping b) { return a.value += b.value, a; }
  friend Wrapping operator-(Wrapping a, Wrapping b) { return a.value -= b.value, a; }
  friend Wrapping operator*(Wrapping a, std::int32_t b) { return a.value *= static_cast<std::uint32_t>(b), a; }
  /// value / 2^bits, rounded, halves up.
  [[nodiscard]] std::int32_t descale(int bits) const {
    return static_cast<std::int32_t>(value + (1u << (bits - 1))) >> bits;
  }
};

/// Inverse DCT of eight values, scaled by 2^13 * sqrt(8). `x` are 16-bit values at `stride`; with `is_half` the last
/// four are zero. Results go through `store(index, Wrapping)`.
template <bool is_half, class Store>
inline void idct_8(const std::int32_t (&x)[8], Store store) {
  // Even part: constants are sums of the published ones, so that each output is two products.
  const Wrapping x2(x[2]), x6(is_half ? 0 : x[6]);
  const Wrapping t2 = x2 * 4433 + x6 * (4433 - 15137);
  const Wrapping t3 = x2 * (4433 + 6270) + x6 * 4433;
  const Wrapping t0 = Wrapping(is_half ? x[0] : wrap16(x[0] + x[4])) * 8192;
  const Wrapping t1 = Wrapping(is_half ? x[0] : wrap16(x[0] - x[4])) * 8192;
  const Wrapping e0 = t0 + t3, e3 = t0 - t3, e1 = t1 + t2, e2 = t1 - t2;
  // Odd part.
  const Wrapping x1(x[1]), x3(x[3]), x5(is_half ? 0 : x[5]), x7(is_half ? 0 : x[7]);
  const Wrapping z3(is_half ? x[3] : wrap16(x[7] + x[3]));
  const Wrapping z4(is_half ? x[1] : wrap16(x[5] + x[1]));
  const Wrapping s3 = z3 * (9633 - 16069) + z4 * 9633;
  const Wrapping s4 = z3 * 9633 + z4 * (9633 - 3196);
  const Wrapping o3 = x7 * (2446 - 7373) + x1 * -7373 + s3;
  const Wrapping o2 = x5 * (16819 - 20995) + x3 * -20995 + s4;
  const Wrapping o1 = x3 * (25172 - 20995) + x5 * -20995 + s3;
  const Wrapping o0 = x1 * (12299 - 7373) + x7 * -7373 + s4;
  store(0, e0 + o0);
  store(7, e0 - o0);
  store(1, e1 + o1);
  store(6, e1 - o1);
  store(2, e2 + o2);
  store(5, e2 - o2);
  store(3, e3 + o3);
  store(4, e3 - o3);
}

inline std::uint8_t to_sample(std::int32_t value) {
  return static_cast<std::uint8_t>(std::clamp(value, -128, 127) + 128);
}

/// Columns: dequantised coefficients to the workspace, which keeps two fractional bits.
template <bool is_half>
inline void idct_columns(const std::int16_t* block, const std::uint16_t* quantizer, std::int32_t (&work)[64],
                         index_t columns) {
  for (index_t c = 0; c < columns; ++c) {
    std::int32_t x[8];
    std::int32_t any = 0;
    for (index_t r = 0; r < (is_half ? 4 : 8); ++r) {
      const std::int32_t value = block[r * 8 + c];
      if (r > 0) any |= value;
      x[r] = wrap16(value * quantizer[r * 8 + c]);
    }
    if (any == 0) {
      const std::int32_t flat = saturate16(x[0] * 4);
      for (index_t r = 0; r < 8; ++r) work[r * 8 + c] = flat;
      continue;
    }
    idct_8<is_half>(x, [&](index_t r, Wrapping sum) { work[r * 8 + c] = saturate16(sum.descale(11)); });
  }
}

/// One row of the workspace to eight samples.
template <bool is_half>
inline void idct_row(const std::int32_t* work, std::uint8_t* out) {
  std::int32_t x[8];
  for (index_t c = 0; c < (is_half ? 4 : 8); ++c) x[c] = work[c];
  idct_8<is_half>(x, [&](index_t c, Wrapping sum) { out[c] = to_sample(sum.descale(18)); });
}

/// 64 dequantised coefficients (row-major, `block` times `quantizer`) to 8x8 samples at `out`, rows `stride` apart.
inline void idct_block(const std::int16_t* block, const std::uint16_t* quantizer, std::uint8_t* out, index_t stride) {
  std::uint64_t left[8], right[8];  // four coefficients each
  for (index_t r = 0; r < 8; ++r) {
    std::memcpy(&left[r], block + r * 8, 8);
    std::memcpy(&right[r], block + r * 8 + 4, 8);
  }
  const std::uint64_t upper_left = left[1] | left[2] | left[3], upper_right = right[1] | right[2] | right[3];
  const std::uint64_t lower = left[4] | left[5] | left[6] | left[7] | right[4] | right[5] | right[6] | right[7];
  const bool is_left_only = (right[0] | upper_right | right[4] | right[5] | right[6] | right[7]) == 0;

  std::int32_t work[64];
  const index_t columns = is_left_only ? 4 : 8;
  if ((upper_left | upper_right | lower) == 0) {  // all rows are alike
    for (index_t c = 0; c < columns; ++c) work[c] = wrap16(wrap16(block[c] * quantizer[c]) * 4);
    if (is_left_only && (work[1] | work[2] | work[3]) == 0) {
      const std::uint8_t flat = to_sample(Wrapping(work[0] * 8192).descale(18));
      for (index_t r = 0; r < 8; ++r) std::memset(out + r * stride, flat, 8);
      return;
    }
    is_left_only ? idct_row<true>(work, out) : idct_row<false>(work, out);
    for (index_t r = 1; r < 8; ++r) std::memcpy(out + r * stride, out, 8);
    return;
  }
  lower == 0 ? idct_columns<true>(block, quantizer, work, columns)
             : idct_columns<false>(block, quantizer, work, columns);
  for (index_t r = 0; r < 8; ++r)
    is_left_only ? idct_row<true>(work + r * 8, out + r * stride) : idct_row<false>(work + r * 8, out + r * stride);
}

}  // namespace detail
}}  // namespace moeclip::abi_v0_1

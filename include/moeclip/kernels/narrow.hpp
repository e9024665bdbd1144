// SPDX-License-Identifier: MIT
#pragma once
// How a frozen matrix becomes bfloat16 or 8-bit integers in the order in which the kernels read them (BF16-1, INT8-1 in
// this folder's README). packed_weight.hpp multiplies with it.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "../base/context.hpp"
#include "../base/half.hpp"
#include "dispatch.hpp"
#include "precision.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace kernels::detail {

/// Sums of products of 8-bit integers fit 32 bits up to so many of them: 255 * 127 * 65536 < 2^31.
inline constexpr index_t kMostNarrowSums = 65536;

/// The size of a right-hand operand b (k x n) of narrow numbers, and the order in which the kernels read it: panels of
/// tile_columns words, each over all steps; a word holds neighbours in k, the first in its low bits.
struct NarrowShape {
  const NarrowTable* table = nullptr;  // kernels that it is packed for
  Precision precision = Precision::bf16;
  index_t k = 0, n = 0;

  [[nodiscard]] index_t numbers() const { return precision == Precision::bf16 ? 2 : 4; }  ///< in a word
  [[nodiscard]] index_t steps() const { return (k + numbers() - 1) / numbers(); }
  [[nodiscard]] index_t panel() const { return table_of(table->isa).tile_columns; }  ///< columns of a panel
  [[nodiscard]] const NarrowKernels& kernels() const {
    return precision == Precision::bf16 ? table->bf16 : table->int8;
  }
  /// Words of b, the padding of panels included.
  [[nodiscard]] index_t size() const { return round_up(n, panel()) * steps(); }
  /// The word with element (i, j) of b.
  [[nodiscard]] index_t word_at(index_t i, index_t j) const {
    return j / panel() * panel() * steps() + i / numbers() * panel() + j % panel();
  }
};

/// b where a product finds it.
struct NarrowView : NarrowShape {
  const std::uint32_t* words = nullptr;  // size()
  const float *scales = nullptr, *sums = nullptr;
  const std::int32_t* offsets = nullptr;
};

/// b, and its memory.
struct NarrowPanels : NarrowShape {
  AlignedBuffer<std::uint32_t> words;
  AlignedBuffer<float> scales, sums;    // int8, of each column: b = scale * integer; sum of the column
  AlignedBuffer<std::int32_t> offsets;  // what the integer sums of a column are too large by

  [[nodiscard]] index_t bytes() const { return 4 * (words.size() + scales.size() + sums.size() + offsets.size()); }
  [[nodiscard]] NarrowView view() const { return {*this, words.data(), scales.data(), sums.data(), offsets.data()}; }

  /// Element (i, j) of b.
  [[nodiscard]] float operator()(index_t i, index_t j) const {
    const std::uint32_t word = words.data()[word_at(i, j)];
    if (precision == Precision::bf16) return bfloat16_to_float(static_cast<std::uint16_t>(word >> i % 2 * 16));
    return scales.data()[j] * static_cast<float>(integer(word, i));
  }

  /// Integer (i, j) of b.
  [[nodiscard]] int integer_at(index_t i, index_t j) const { return integer(words.data()[word_at(i, j)], i); }

  [[nodiscard]] static int integer(std::uint32_t word, index_t i) {
    return static_cast<std::int8_t>(static_cast<std::uint8_t>(word >> i % 4 * 8));
  }
};

/// Room for b (k x n) for the active instruction set, all zeros.
inline NarrowPanels make_narrow(Precision precision, index_t k, index_t n) {
  NarrowPanels b;
  b.table = &narrow_table_of(kernels::active_isa());
  b.precision = precision;
  b.k = k;
  b.n = n;
  const index_t columns = round_up(n, b.panel());
  b.words = AlignedBuffer<std::uint32_t>(b.size());
  std::fill_n(b.words.data(), b.words.size(), 0u);
  if (precision == Precision::bf16) return b;
  MOECLIP_EXPECT(k <= kMostNarrowSums, "a matrix of ", k, " rows is too tall for 8-bit integers; ", kMostNarrowSums,
                 " are the most");
  b.scales = AlignedBuffer<float>(columns);
  b.sums = AlignedBuffer<float>(columns);
  b.offsets = AlignedBuffer<std::int32_t>(columns);
  std::fill_n(b.scales.data(), columns, 0.0f);
  std::fill_n(b.sums.data(), columns, 0.0f);
  std::fill_n(b.offsets.data(), columns, 0);
  return b;
}

/// Column j of b becomes these integers times `scale`: integer(i) for i in [0, k), from -127 to 127.
template <class Integer>
void set_column(NarrowPanels& b, index_t j, float scale, const Integer& integer) {
  const index_t step = b.panel();
  index_t word = b.word_at(0, j);
  std::int32_t sum = 0;
  for (index_t i = 0; i < b.k; i += 4, word += step) {
    std::uint32_t four = 0;
    for (index_t at = i; at < (std::min)(i + 4, b.k); ++at) {
      const int value = integer(at);
      sum += value;
      four |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(value)) << (at - i) * 8;
    }
    b.words.data()[word] = four;
  }
  b.scales.data()[j] = scale;
  b.sums.data()[j] = scale * static_cast<float>(sum);
  b.offsets.data()[j] = b.table->has_offset ? 128 * sum : 0;
}

/// (INT8-1) The scale of a column, which takes its largest element to 127. What is no number makes it NaN; a column of
/// all but zeros, whose inverse would overflow, gets 0.
inline float scale_of_column(index_t k, const float* column, index_t stride) {
  float largest = 0, poison = 0;
  for (index_t i = 0; i < k; ++i) {
    largest = (std::max)(largest, std::fabs(column[i * stride]));
    poison += 0.0f * column[i * stride];
  }
  return (largest > 1e-30f ? largest / 127.0f : 0.0f) + poison;
}

/// Column j of b, rounded to multiples of `scale`.
inline void quantize_column(NarrowPanels& b, index_t j, float scale, const float* column, index_t stride) {
  const float inverse = scale > 0.0f ? 1.0f / scale : 0.0f;  // of NaN too: then the integers do not matter
  set_column(b, j, scale, [&](index_t i) {
    const float whole = std::nearbyint(column[i * stride] * inverse);
    return whole == whole ? static_cast<int>((std::clamp)(whole, -127.0f, 127.0f)) : 0;
  });
}

/// Column j of b, rounded to bfloat16.
inline void round_column(NarrowPanels& b, index_t j, const float* column, index_t stride) {
  const index_t step = b.panel();
  index_t at = b.word_at(0, j);
  for (index_t i = 0; i < b.k; i += 2, at += step) {
    std::uint32_t& word = b.words.data()[at];
    word = float_to_bfloat16(column[i * stride]);
    if (i + 1 < b.k) word |= static_cast<std::uint32_t>(float_to_bfloat16(column[(i + 1) * stride])) << 16;
  }
}

/// Packs b (k x n) in `precision`, which is not f32. For int8, `scales` (n) are those of the columns, or null: found.
/// A column that is integers times its scale is packed as these integers.
inline NarrowPanels pack_narrow(Context& context, Precision precision, index_t k, index_t n, MatrixRef<float> b,
                                const float* scales = nullptr) {
  NarrowPanels packed = make_narrow(precision, k, n);
  context.share(n, 8.0 * static_cast<double>(k * n), [&](index_t j, int) {
    const float* const column = b.data + j * b.column_stride;
    if (precision == Precision::bf16) return round_column(packed, j, column, b.row_stride);
    const float scale = scales != nullptr ? scales[j] : scale_of_column(k, column, b.row_stride);
    quantize_column(packed, j, scale, column, b.row_stride);
  });
  return packed;
}

/// b (k x n) of bfloat16 the other way round: b^T (n x k) into `words`, and a view of it. Two words, neighbours in j,
/// become two that are neighbours in i; both are of one panel, whose width is even.
inline NarrowView transpose_narrow(Context& context, const NarrowView& b, std::uint32_t* words) {
  NarrowView to{{b.table, b.precision, b.n, b.k}, words};
  const index_t side = b.panel();
  context.share(round_up(to.n, side) / side, 4.0 * static_cast<double>(b.k * b.n), [&](index_t panel, int) {
    const index_t first = panel * side, last = (std::min)(first + side, b.k);
    std::uint32_t* out = words + first * to.steps();
    if (last < first + side) std::fill_n(out, side * to.steps(), 0u);
    for (index_t j = 0; j < b.n; j += 2, out += side) {
      const std::uint32_t* in = b.words + b.word_at(first, j);
      for (index_t i = first; i < last; i += 2, in += side) {
        const std::uint32_t low = in[0], high = in[1];
        out[i - first] = (low & 0xFFFFu) | high << 16;
        if (i + 1 < last) out[i + 1 - first] = low >> 16 | (high & 0xFFFF0000u);
      }
    }
  });
  return to;
}

}}}  // namespace moeclip::abi_v0_1::kernels::detail

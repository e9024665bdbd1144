// SPDX-License-Identifier: MIT
#pragma once
// The numbers that the kernels of image resizing (image/resize.hpp) work on. They are integers, with weights of 22
// fractional bits, so that a sum of weighted bytes fits 32 bits. Results do not depend on the instruction set.

#include <algorithm>
#include <cstdint>

#include "../base/types.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace kernels {

inline constexpr int kWeightBits = 22;  // 8 bits of pixel and 2 of headroom for weights outside [0, 1] make 32
inline constexpr std::int32_t kWeightHalf = 1 << (kWeightBits - 1);  // one half: sums begin with it and are so rounded
inline constexpr index_t kWeightStep = 4;  // the weights of a column are padded with zeros to a multiple of this

/// The weights of some consecutive columns of the output.
struct ResampleColumns {
  index_t columns = 0;                   ///< how many columns of the output
  index_t stride = 0;                    ///< weights from one column to the next
  const index_t* first = nullptr;        ///< (columns) input column of its first weight
  const index_t* count = nullptr;        ///< (columns) input columns that it spans
  const std::int32_t* weight = nullptr;  ///< (columns, stride)
};

/// A sum of weighted bytes as a byte.
constexpr std::uint8_t clip_sum(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, std::int32_t{0}, std::int32_t{255}));
}

/// One output column: line(channel) = sum over taps of weight * row(first + tap, channel).
template <int Channels>
void resample_column(const std::uint8_t* row, const ResampleColumns& columns, index_t column, std::uint8_t* line) {
  const std::int32_t* weight = columns.weight + column * columns.stride;
  const std::uint8_t* pixel = row + columns.first[column] * Channels;
  std::int32_t sum[static_cast<std::size_t>(Channels)];
  for (auto& s : sum) s = kWeightHalf;
  for (index_t tap = 0; tap < columns.count[column]; ++tap, pixel += Channels)
    for (int c = 0; c < Channels; ++c) sum[c] += weight[tap] * pixel[c];
  for (int c = 0; c < Channels; ++c) line[c] = clip_sum(sum[c]);
}

}}}  // namespace moeclip::abi_v0_1::kernels

// SPDX-License-Identifier: MIT
#pragma once
// Smooths progressive files that end before all AC terms were sent, as libjpeg-turbo does it: a low AC term that is
// still zero is estimated from the DC terms of the 5x5 blocks around, an idea of ITU T.81 annex K.8. Where a component
// has no AC terms at all, nine of them are estimated and the DC terms are low-passed.

#include <array>
#include <cstdint>
#include <span>

#include "frame.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// What is known of a component: for each zigzag index the lowest bit that was sent, -1 if none was.
using JpegProgress = std::array<int, kBlockSize>;

/// Weights (times 256) of 5x5 DC terms, in units of the estimated term's quantiser.
struct SmoothingKernel {
  int term;  // zigzag index
  std::array<std::int16_t, 25> weights;
};

inline constexpr SmoothingKernel kWithoutAc[] = {
    {1, {-1, -1, 0, 1, 1, -3, 13, 0, -13, 3, -3, 38, 0, -38, 3, -3, 13, 0, -13, 3, -1, -1, 0, 1, 1}},
    {2, {-1, -3, -3, -3, -1, -1, 13, 38, 13, -1, 0, 0, 0, 0, 0, 1, -13, -38, -13, 1, 1, 3, 3, 3, 1}},
    {3, {0, 0, 1, 0, 0, 0, 2, 7, 2, 0, 0, -5, -14, -5, 0, 0, 2, 7, 2, 0, 0, 0, 1, 0, 0}},
    {4, {-1, 0, 0, 0, 1, 0, 9, 0, -9, 0, 0, 0, 0, 0, 0, 0, -9, 0, 9, 0, 1, 0, 0, 0, -1}},
    {5, {0, 0, 0, 0, 0, 0, 2, -5, 2, 0, 1, 7, -14, 7, 1, 0, 2, -5, 2, 0, 0, 0, 0, 0, 0}},
    {6, {0, 0, 0, 0, 0, 0, 1, 0, -1, 0, 0, 2, 0, -2, 0, 0, 1, 0, -1, 0, 0, 0, 0, 0, 0}},
    {7, {0, 0, 0, 0, 0, 0, 1, -3, 1, 0, 0, 0, 0, 0, 0, 0, -1, 3, -1, 0, 0, 0, 0, 0, 0}},
    {8, {0, 0, 0, 0, 0, 0, 1, 0, -1, 0, 0, -3, 0, 3, 0, 0, 1, 0, -1, 0, 0, 0, 0, 0, 0}},
    {9, {0, 0, 0, 0, 0, 0, 1, 2, 1, 0, 0, 0, 0, 0, 0, 0, -1, -2, -1, 0, 0, 0, 0, 0, 0}},
    {0, {-2, -6, -8, -6, -2, -6, 6, 42, 6, -6, -8, 42, 152, 42, -8, -6, 6, 42, 6, -6, -2, -6, -8, -6, -2}},
};

inline constexpr SmoothingKernel kWithSomeAc[] = {
    {1, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -7, 50, 0, -50, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
    {2, {0, 0, -7, 0, 0, 0, 0, 50, 0, 0, 0, 0, 0, 0, 0, 0, 0, -50, 0, 0, 0, 0, 7, 0, 0}},
    {3, {0, 0, -1, 0, 0, 0, 0, 13, 0, 0, 0, 0, -24, 0, 0, 0, 0, 13, 0, 0, 0, 0, -1, 0, 0}},
    {4, {0, -1, 0, 1, 0, -1, 10, 0, -10, 1, 0, 0, 0, 0, 0, 1, -10, 0, 10, -1, 0, 1, 0, -1, 0}},
    {5, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, 13, -24, 13, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
};

/// True if smoothing applies: some low AC term is not exact, every DC term was begun, and no divisor is zero.
inline bool needs_smoothing(const JpegFrame& frame, const std::array<JpegProgress, 4>& progress,
                            const std::array<JpegQuantizer, 4>& quantizers) {
  bool is_useful = false;
  for (std::size_t c = 0; c < static_cast<std::size_t>(frame.count); ++c) {
    for (std::size_t k = 0; k < 10; ++k) {
      if (quantizers[c][kZigzag[k]] == 0) return false;
      if (k > 0 && progress[c][k] != 0) is_useful = true;
    }
    if (progress[c][0] < 0) return false;
  }
  return frame.is_progressive() && is_useful;
}

/// Smooths blocks of one component of a whole image.
class JpegSmoother {
 public:
  JpegSmoother(const JpegFrame& frame, const JpegComponent& component, const JpegProgress& progress,
               const JpegQuantizer& quantizer)
      : component_(component), progress_(progress), quantizer_(quantizer), mcus_high_(frame.mcus_high) {
    for (std::size_t k = 1; k < 10; ++k)
      if (progress[k] != -1) kernels_ = kWithSomeAc;
  }

  /// Copies block (row, column) of `plane` to `out` with estimates filled in.
  void smooth(JpegPlane& plane, index_t row, index_t column, std::int16_t* out) const {
    std::copy_n(plane.block(row, column), kBlockSize, out);
    std::array<int, 25> around;
    gather(plane, row, column, around);
    for (const SmoothingKernel& kernel : kernels_) {
      const auto at = kZigzag[static_cast<std::size_t>(kernel.term)];
      const int low = progress_[static_cast<std::size_t>(kernel.term)];
      if (kernel.term != 0 && (low == 0 || out[at] != 0)) continue;  // exact, or begun
      out[at] = static_cast<std::int16_t>(estimate(kernel, around, quantizer_[at], low));
    }
  }

 private:
  // Weighted sum times Q00, divided by 256 times the term's own quantiser and rounded away from zero at a half. What is
  // estimated as nonzero must not reach the bits that were sent as zero.
  [[nodiscard]] std::int64_t estimate(const SmoothingKernel& kernel, const std::array<int, 25>& around,
                                      std::int64_t quantizer, int low) const {
    int sum = 0;
    for (std::size_t i = 0; i < 25; ++i) sum += kernel.weights[i] * around[i];
    const std::int64_t scaled = static_cast<std::int64_t>(quantizer_[0]) * sum;
    std::int64_t size = ((quantizer << 7) + (scaled < 0 ? -scaled : scaled)) / (quantizer << 8);
    if (kernel.term != 0 && low > 0) size = (std::min)(size, (std::int64_t{1} << low) - 1);
    return scaled < 0 ? -size : size;
  }

  // The 5x5 DC terms around a block; edges are repeated. Upwards and downwards libjpeg-turbo 2.1 counts the distance to
  // the edge in MCU rows, so that with v > 1 some rows near the edge miss neighbours that exist; and to the right
  // of a component that is two blocks wide it sees the first column.
  void gather(JpegPlane& plane, index_t row, index_t column, std::array<int, 25>& around) const {
    const index_t mcu_row = row / component_.v;
    const index_t in_mcu = row % component_.v;
    const index_t mcus_below = mcus_high_ - 1 - mcu_row;
    const index_t rows_below =
        (mcus_below > 0 ? component_.v : component_.blocks_high - mcu_row * component_.v) - 1 - in_mcu;
    const index_t above = std::min<index_t>((std::max)(in_mcu, mcu_row), 2);
    const index_t below = std::min<index_t>((std::max)(rows_below, mcus_below), 2);
    const index_t last_column = component_.blocks_wide - 1;
    const index_t beyond = last_column == 1 ? 0 : last_column;
    for (index_t dy = -2; dy <= 2; ++dy) {
      for (index_t dx = -2; dx <= 2; ++dx) {
        const index_t x = column + dx > last_column ? beyond : std::max<index_t>(column + dx, 0);
        const index_t y = row + std::clamp<index_t>(dy, -above, below);
        around[static_cast<std::size_t>((dy + 2) * 5 + dx + 2)] = plane.block(y, x)[0];
      }
    }
  }

  const JpegComponent& component_;
  const JpegProgress& progress_;
  const JpegQuantizer& quantizer_;
  index_t mcus_high_;
  std::span<const SmoothingKernel> kernels_ = kWithoutAc;
};

}  // namespace detail
}}  // namespace moeclip::abi_v0_1

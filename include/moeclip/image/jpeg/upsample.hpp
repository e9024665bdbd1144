// SPDX-License-Identifier: MIT
#pragma once
// Stretches the samples of one component to full-width rows, as libjpeg-turbo's "fancy upsampling" does it: halved
// chroma is interpolated by a triangle filter (3/4 nearer, 1/4 farther sample, halves rounded by turns up and down so
// that no shift builds up); at any other ratio samples are repeated.

#include <algorithm>
#include <cstdint>

#include "../../base/arena.hpp"
#include "frame.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// A band of sample rows of one component that moves down the picture. Rows beyond an edge repeat the edge.
class JpegStrip {
 public:
  JpegStrip() = default;

  /// One MCU row of `component`, and the rows above that its interpolation still needs.
  explicit JpegStrip(const JpegComponent& component)
      : height_(component.height),
        stride_(component.blocks_wide * kBlockSide),
        kept_(component.v + 1),
        first_row_(-kept_),
        data_(stride_ * (kept_ + component.v * kBlockSide)) {}

  [[nodiscard]] index_t stride() const { return stride_; }

  /// Sample row `y` of the component; it must be in the band, after clamping to the picture.
  [[nodiscard]] const std::uint8_t* row(index_t y) const {
    return data_.data() + (std::clamp<index_t>(y, 0, height_ - 1) - first_row_) * stride_;
  }

  /// Where block row `block_row` begins.
  [[nodiscard]] std::uint8_t* block_row(index_t block_row) {
    return data_.data() + (block_row * kBlockSide - first_row_) * stride_;
  }

  /// Moves on by one MCU row.
  void advance() {
    const index_t rows = data_.size() / stride_ - kept_;
    std::copy_n(data_.data() + rows * stride_, kept_ * stride_, data_.data());
    first_row_ += rows;
  }

 private:
  index_t height_ = 0;
  index_t stride_ = 0;
  index_t kept_ = 0;
  index_t first_row_ = 0;
  AlignedBuffer<std::uint8_t> data_;
};

/// Doubles the width of a row. `nearer` has `width` > 2 samples.
inline void upsample_h2v1(const std::uint8_t* nearer, index_t width, std::uint8_t* out) {
  out[0] = nearer[0];
  out[1] = static_cast<std::uint8_t>((nearer[0] * 3 + nearer[1] + 2) >> 2);
  for (index_t i = 1; i < width - 1; ++i) {
    out[2 * i] = static_cast<std::uint8_t>((nearer[i] * 3 + nearer[i - 1] + 1) >> 2);
    out[2 * i + 1] = static_cast<std::uint8_t>((nearer[i] * 3 + nearer[i + 1] + 2) >> 2);
  }
  out[2 * width - 2] = static_cast<std::uint8_t>((nearer[width - 1] * 3 + nearer[width - 2] + 1) >> 2);
  out[2 * width - 1] = nearer[width - 1];
}

/// A row between two, of unchanged width. `is_lower`: `farther` lies below `nearer`.
inline void upsample_h1v2(const std::uint8_t* nearer, const std::uint8_t* farther, bool is_lower, index_t width,
                          std::uint8_t* out) {
  const int bias = is_lower ? 2 : 1;
  for (index_t i = 0; i < width; ++i) out[i] = static_cast<std::uint8_t>((nearer[i] * 3 + farther[i] + bias) >> 2);
}

/// A row between two, of doubled width. The rows have `width` > 2 samples.
inline void upsample_h2v2(const std::uint8_t* nearer, const std::uint8_t* farther, index_t width, std::uint8_t* out) {
  int before = nearer[0] * 3 + farther[0];  // column sums, times 4
  int here = before;
  for (index_t i = 0; i < width; ++i) {
    const index_t right = (std::min)(i + 1, width - 1);
    const int after = nearer[right] * 3 + farther[right];
    out[2 * i] = static_cast<std::uint8_t>((here * 3 + before + 8) >> 4);
    out[2 * i + 1] = static_cast<std::uint8_t>((here * 3 + after + 7) >> 4);
    before = here;
    here = after;
  }
}

/// Repeats each sample `times` times.
inline void upsample_repeat(const std::uint8_t* in, index_t width, index_t times, std::uint8_t* out) {
  for (index_t i = 0; i < width; ++i)
    for (index_t j = 0; j < times; ++j) *out++ = in[i];
}

/// Row `y` of the picture from the samples of `component`. Returns the row: in `strip` where nothing is to be done,
/// otherwise in `out`, which has room for component.width * max_h samples.
inline const std::uint8_t* upsample_row(const JpegStrip& strip, const JpegComponent& component, const JpegFrame& frame,
                                        index_t y, std::uint8_t* out) {
  const index_t across = frame.max_h / component.h;
  const index_t down = frame.max_v / component.v;
  const index_t width = component.width;
  const std::uint8_t* nearer = strip.row(y / down);
  const bool is_lower = y % 2 == 1;
  const std::uint8_t* farther = down == 2 ? strip.row(is_lower ? y / 2 + 1 : y / 2 - 1) : nullptr;
  if (across == 1 && down == 2) return upsample_h1v2(nearer, farther, is_lower, width, out), out;
  if (across == 1) return nearer;
  if (across == 2 && down == 1 && width > 2) return upsample_h2v1(nearer, width, out), out;
  if (across == 2 && down == 2 && width > 2) return upsample_h2v2(nearer, farther, width, out), out;
  return upsample_repeat(nearer, width, across, out), out;
}

}  // namespace detail
}}  // namespace moeclip::abi_v0_1

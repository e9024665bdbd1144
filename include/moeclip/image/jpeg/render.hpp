// SPDX-License-Identifier: MIT
#pragma once
// Turns decoded coefficients into pixels, one MCU row at a time: inverse DCT into a strip of samples per component,
// then row by row interpolation of the chroma and colour conversion. Only the strips are held, whatever the image's
// height.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "../image.hpp"
#include "color.hpp"
#include "idct.hpp"
#include "smooth.hpp"
#include "upsample.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

class JpegRenderer {
 public:
  /// `image` has the size of the frame and 3 channels (RGB) or 1 (gray); it is filled from the top.
  JpegRenderer(const JpegFrame& frame, JpegColor color, Image& image)
      : frame_(frame), color_(color), image_(image), rgb_(image.channels() == 1 ? frame.width * 3 : 0) {
    for (std::size_t c = 0; c < static_cast<std::size_t>(frame.count); ++c) {
      const JpegComponent& component = frame.components[c];
      strips_[c] = JpegStrip(component);
      if (component.h != frame.max_h || component.v != frame.max_v)
        lines_[c] = AlignedBuffer<std::uint8_t>(component.width * frame.max_h);
    }
  }

  /// Renders the next MCU row. `smoothers`: one per component, or none.
  void render(std::span<JpegPlane> planes, const std::array<JpegQuantizer, 4>& quantizers,
              std::span<const JpegSmoother> smoothers = {}) {
    for (std::size_t c = 0; c < planes.size(); ++c) {
      const JpegComponent& component = frame_.components[c];
      if (mcu_row_ > 0) strips_[c].advance();
      const index_t end = (std::min)((mcu_row_ + 1) * component.v, component.blocks_high);
      for (index_t row = mcu_row_ * component.v; row < end; ++row)
        render_blocks(planes[c], row, quantizers[c], smoothers.empty() ? nullptr : &smoothers[c], strips_[c]);
    }
    ++mcu_row_;
    // The last rows wait for their neighbours below.
    const index_t ready = mcu_row_ * frame_.max_v * kBlockSide - frame_.max_v;
    const index_t end = mcu_row_ == frame_.mcus_high ? frame_.height : (std::min)(ready, frame_.height);
    for (; next_row_ < end; ++next_row_) emit(next_row_);
  }

 private:
  static void render_blocks(JpegPlane& plane, index_t row, const JpegQuantizer& quantizer, const JpegSmoother* smoother,
                            JpegStrip& strip) {
    std::uint8_t* out = strip.block_row(row);
    for (index_t column = 0; column < plane.blocks_wide; ++column, out += kBlockSide) {
      const std::int16_t* block = plane.block(row, column);
      std::int16_t smoothed[kBlockSize];
      if (smoother != nullptr) {
        smoother->smooth(plane, row, column, smoothed);
        block = smoothed;
      }
      idct_block(block, quantizer.data(), out, strip.stride());
    }
  }

  void emit(index_t y) {
    JpegRows rows = {};
    for (std::size_t c = 0; c < static_cast<std::size_t>(frame_.count); ++c)
      rows[c] = upsample_row(strips_[c], frame_.components[c], frame_, y, lines_[c].data());
    if (image_.channels() == 3) {
      row_to_rgb(color_, rows, frame_.width, image_.row(y));
    } else if (color_ == JpegColor::gray) {
      std::copy_n(rows[0], frame_.width, image_.row(y));
    } else {
      row_to_rgb(color_, rows, frame_.width, rgb_.data());
      rgb_to_gray(rgb_.data(), frame_.width, image_.row(y));
    }
  }

  const JpegFrame& frame_;
  JpegColor color_;
  Image& image_;
  std::array<JpegStrip, 4> strips_;
  std::array<AlignedBuffer<std::uint8_t>, 4> lines_;  // interpolated rows
  AlignedBuffer<std::uint8_t> rgb_;                   // a row on its way to gray
  index_t mcu_row_ = 0;
  index_t next_row_ = 0;
};

}  // namespace detail
}}  // namespace moeclip::abi_v0_1

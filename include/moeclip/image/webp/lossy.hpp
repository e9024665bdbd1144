// SPDX-License-Identifier: MIT
#pragma once
// Decodes a VP8 key frame (RFC 6386), the coding of lossy WebP, to the planes of luma and halved chroma that libwebp
// makes: prediction from samples that are not filtered yet, so the filter runs over the whole picture at the end.

#include <array>
#include <cstring>
#include <string_view>
#include <vector>

#include "../../base/arena.hpp"
#include "loop_filter.hpp"
#include "predict.hpp"
#include "residual.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// Samples of whole macroblocks, with a border of one row and of a few columns in front, which prediction looks at.
struct Vp8Plane {
  static constexpr index_t kBorder = 16;

  index_t stride = 0;
  AlignedBuffer<std::uint8_t> data;

  Vp8Plane() = default;
  /// Above the picture there is 127, to its left 129.
  Vp8Plane(index_t width, index_t height) : stride(width + 2 * kBorder), data(stride * (height + 1)) {
    std::memset(data.data(), 127, static_cast<std::size_t>(stride));
    for (index_t y = 0; y < height; ++y) at(-1, y)[0] = 129;
  }

  [[nodiscard]] std::uint8_t* at(index_t x, index_t y) { return data.data() + (y + 1) * stride + kBorder + x; }
  [[nodiscard]] const std::uint8_t* at(index_t x, index_t y) const {
    return data.data() + (y + 1) * stride + kBorder + x;
  }
};

/// Y, U, V.
using Vp8Planes = std::array<Vp8Plane, 3>;

class Vp8Decoder {
 public:
  Vp8Decoder(const WebpHeader& container, std::string_view source)
      : header_(Vp8HeaderReader(container.data, source).read()),
        source_(source),
        wide_((container.frame_width + 15) / 16),
        high_((container.frame_height + 15) / 16),
        above_(static_cast<std::size_t>(wide_)),
        filters_(static_cast<std::size_t>(wide_ * high_)) {
    expect_held(container.data.size());
    planes_[0] = Vp8Plane(16 * wide_, 16 * high_);
    planes_[1] = Vp8Plane(8 * wide_, 8 * high_);
    planes_[2] = Vp8Plane(8 * wide_, 8 * high_);
  }

  MOECLIP_COLD Vp8Planes decode() {
    for (index_t y = 0; y < high_; ++y) {
      left_ = {};
      Vp8Bits& tokens = header_.tokens[static_cast<std::size_t>(y) % header_.tokens.size()];
      for (index_t x = 0; x < wide_; ++x) {
        Macroblock block = read_modes(x);
        read_coefficients(block, x, tokens);
        reconstruct(block, x, y);
        const int level = header_.segments[block.segment].filter_level[block.is_in_blocks ? 1 : 0];
        Vp8Filter& filter = filters_[static_cast<std::size_t>(y * wide_ + x)];
        filter = Vp8Filter::of(level, header_.sharpness, block.is_in_blocks || block.has_coefficients);
        filter.is_simple = header_.is_simple_filter;
      }
      if (header_.modes.is_overrun() || tokens.is_overrun())
        fail(ErrorCode::format, concat(source_, ": damaged WebP: its data end early, at row ", 16 * y,
                                       "; the picture is not complete", kCutAdvice));
    }
    if (header_.has_filter)
      for (index_t y = 0; y < high_; ++y)
        for (index_t x = 0; x < wide_; ++x) filter(x, y);
    return std::move(planes_);
  }

 private:
  struct Macroblock {
    std::size_t segment = 0;
    bool is_in_blocks = false, is_skipped = false, has_coefficients = false;
    std::array<Vp8Mode, 16> modes{};  // of the blocks, or the first for all
    Vp8Mode chroma = Vp8Mode::mean;
    std::array<Vp8Block, 24> blocks{};  // 16 of Y, 4 of U, 4 of V
  };

  /// What the macroblock above, or to the left, leaves for the next: modes, and which of its blocks had coefficients.
  struct Neighbour {
    std::array<Vp8Mode, 4> modes{};
    std::array<std::uint8_t, 4> luma{};
    std::array<std::array<std::uint8_t, 2>, 2> chroma{};
    std::uint8_t luma_dc = 0;
  };

  /// Whether a macroblock is predicted in blocks, and how its chroma is, takes two bits at the least: those chances are
  /// fixed.
  void expect_held(std::size_t bytes) const {
    constexpr index_t kMostPerByte = 8;
    if (wide_ * high_ / kMostPerByte > static_cast<index_t>(bytes))
      fail(ErrorCode::limit, concat(source_, ": ", 16 * wide_, "x", 16 * high_, " pixels cannot come out of ",
                                    counted(bytes, "byte"), " of compressed data", kCutAdvice));
  }

  Macroblock read_modes(index_t x) {
    Vp8Bits& bits = header_.modes;
    Neighbour& above = above_[static_cast<std::size_t>(x)];
    Macroblock block;
    const auto& chances = header_.segment_chances;
    const auto chance = [&](std::size_t i) { return static_cast<unsigned>(chances[i]); };
    if (header_.has_segment_map)
      block.segment = bits.bit(chance(0)) ? 2 + (bits.bit(chance(2)) ? 1 : 0) : (bits.bit(chance(1)) ? 1 : 0);
    if (header_.skip_chance >= 0) block.is_skipped = bits.bit(static_cast<unsigned>(header_.skip_chance));
    block.is_in_blocks = !bits.bit(145);
    if (block.is_in_blocks) {
      for (std::size_t i = 0; i < 16; ++i) {
        Vp8Mode& up = above.modes[i % 4];
        Vp8Mode& beside = left_.modes[i / 4];
        up = beside = block.modes[i] = read_block_mode(up, beside);
      }
    } else {
      const Vp8Mode mode = bits.bit(156)   ? (bits.bit(128) ? Vp8Mode::true_motion : Vp8Mode::horizontal)
                           : bits.bit(163) ? Vp8Mode::vertical
                                           : Vp8Mode::mean;
      block.modes[0] = mode;
      above.modes.fill(mode);
      left_.modes.fill(mode);
    }
    block.chroma = !bits.bit(142)   ? Vp8Mode::mean
                   : !bits.bit(114) ? Vp8Mode::vertical
                   : bits.bit(183)  ? Vp8Mode::true_motion
                                    : Vp8Mode::horizontal;
    return block;
  }

  Vp8Mode read_block_mode(Vp8Mode above, Vp8Mode left) {
    Vp8Bits& bits = header_.modes;
    const std::uint8_t* const p =
        kVp8ModeChances.data() + (static_cast<std::size_t>(above) * 10 + static_cast<std::size_t>(left)) * 9;
    if (!bits.bit(p[0])) return Vp8Mode::mean;
    if (!bits.bit(p[1])) return Vp8Mode::true_motion;
    if (!bits.bit(p[2])) return Vp8Mode::vertical;
    if (!bits.bit(p[3])) {
      if (!bits.bit(p[4])) return Vp8Mode::horizontal;
      return bits.bit(p[5]) ? Vp8Mode::vertical_right : Vp8Mode::down_right;
    }
    if (!bits.bit(p[6])) return Vp8Mode::down_left;
    if (!bits.bit(p[7])) return Vp8Mode::vertical_left;
    return bits.bit(p[8]) ? Vp8Mode::horizontal_up : Vp8Mode::horizontal_down;
  }

  void read_coefficients(Macroblock& block, index_t x, Vp8Bits& bits) {
    Neighbour& above = above_[static_cast<std::size_t>(x)];
    if (block.is_skipped) {
      for (Neighbour* const side : {&above, &left_}) {
        side->luma = {};
        side->chroma = {};
        if (!block.is_in_blocks) side->luma_dc = 0;
      }
      return;
    }
    const Vp8Segment& segment = header_.segments[block.segment];
    Vp8Tokens tokens{bits, header_};
    const auto read = [&](std::size_t kind, int first, std::uint8_t& up, std::uint8_t& beside, Vp8Steps steps,
                          Vp8Block& out) {
      const int end = tokens.read(kind, first, up + beside, steps, out);
      up = beside = end > first ? 1 : 0;
      block.has_coefficients |= end > 1 || out[0] != 0;
    };
    std::size_t kind = 3;
    int first = 0;
    if (!block.is_in_blocks) {  // the first coefficients of all blocks are coded together
      Vp8Block dc{};
      const bool had = block.has_coefficients;
      read(1, 0, above.luma_dc, left_.luma_dc, segment.luma_dc, dc);
      block.has_coefficients = had;  // what comes of them counts
      vp8_inverse_wht(dc, std::span(block.blocks).first(16));
      kind = 0;
      first = 1;
    }
    for (std::size_t i = 0; i < 16; ++i)
      read(kind, first, above.luma[i % 4], left_.luma[i / 4], segment.luma, block.blocks[i]);
    for (std::size_t c = 0; c < 2; ++c)
      for (std::size_t i = 0; i < 4; ++i)
        read(2, 0, above.chroma[c][i % 2], left_.chroma[c][i / 2], segment.chroma, block.blocks[16 + 4 * c + i]);
  }

  void reconstruct(const Macroblock& block, index_t x, index_t y) {
    const bool has_above = y > 0, has_left = x > 0;
    Vp8Plane& luma = planes_[0];
    std::uint8_t* const out = luma.at(16 * x, 16 * y);
    if (block.is_in_blocks) {
      std::array<std::uint8_t, 4> right{};  // above and to the right of the macroblock, for its four right blocks
      const std::uint8_t* const above = out - luma.stride;
      for (std::size_t i = 0; i < 4; ++i) right[i] = has_above && x + 1 == wide_ ? above[15] : above[16 + i];
      for (std::size_t i = 0; i < 16; ++i) {
        std::uint8_t* const at = out + static_cast<index_t>(i / 4) * 4 * luma.stride + static_cast<index_t>(i % 4) * 4;
        predict_block(block.modes[i], i % 4 == 3 ? right.data() : at - luma.stride + 4, at, luma.stride);
        add_block(block.blocks[i], at, luma.stride);
      }
    } else {
      predict_square(block.modes[0], has_above, has_left, out, luma.stride, 16);
      for (std::size_t i = 0; i < 16; ++i)
        add_block(block.blocks[i],
                  out + static_cast<index_t>(i / 4) * 4 * luma.stride + static_cast<index_t>(i % 4) * 4, luma.stride);
    }
    for (std::size_t c = 0; c < 2; ++c) {
      Vp8Plane& plane = planes_[1 + c];
      std::uint8_t* const square = plane.at(8 * x, 8 * y);
      predict_square(block.chroma, has_above, has_left, square, plane.stride, 8);
      for (std::size_t i = 0; i < 4; ++i)
        add_block(block.blocks[16 + 4 * c + i],
                  square + static_cast<index_t>(i / 2) * 4 * plane.stride + static_cast<index_t>(i % 2) * 4,
                  plane.stride);
    }
  }

  static void add_block(const Vp8Block& block, std::uint8_t* out, index_t stride) {
    if (block != Vp8Block{}) vp8_add_idct(block, out, stride);
  }

  void filter(index_t x, index_t y) {
    const Vp8Filter& filter = filters_[static_cast<std::size_t>(y * wide_ + x)];
    if (filter.edge == 0) return;
    for (const bool is_down : {true, false})
      for (std::size_t c = 0; c < (header_.is_simple_filter ? 1u : 3u); ++c) {
        const int side = c == 0 ? 16 : 8;
        filter_vp8_square(planes_[c].at(side * x, side * y), planes_[c].stride, side, filter, is_down,
                          is_down ? x > 0 : y > 0);
      }
  }

  Vp8Header header_;
  std::string_view source_;
  index_t wide_, high_;  // in macroblocks
  std::vector<Neighbour> above_;
  Neighbour left_;
  std::vector<Vp8Filter> filters_;
  Vp8Planes planes_;
};

}}}  // namespace moeclip::abi_v0_1::detail

// SPDX-License-Identifier: MIT
#pragma once
// The frame of a JPEG file holds its size, its components and their sampling, and the kind of coding (ITU T.81 B.2.2).
// A plane holds the coefficients of one component.

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "../../base/arena.hpp"
#include "../../base/text.hpp"
#include "../../base/types.hpp"
#include "../jpeg_info.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

inline constexpr index_t kBlockSide = 8;
inline constexpr index_t kBlockSize = 64;

/// Row-major position of zigzag index k (T.81 figure A.6). A damaged run can reach index 79; what lies beyond 63 lands
/// on 63, which is where the reference decoder puts it.
inline constexpr std::array<std::uint8_t, 80> kZigzag = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,
    6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31,
    39, 46, 53, 60, 61, 54, 47, 55, 62, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63};

struct JpegComponent {
  int id = 0;
  int h = 1;                // horizontal sampling factor, 1..4
  int v = 1;                // vertical sampling factor, 1..4
  int quantizer = 0;        // index of the quantisation table
  index_t width = 0;        // samples that belong to the picture
  index_t height = 0;       //
  index_t blocks_wide = 0;  // blocks that cover them
  index_t blocks_high = 0;
};

struct JpegFrame {
  int marker = 0;  // second byte of the SOFn marker: 0xC0 baseline, 0xC1 extended, 0xC2 progressive, else unsupported
  int precision = 0;
  int count = 0;  // components
  index_t width = 0;
  index_t height = 0;
  int max_h = 1;
  int max_v = 1;
  index_t mcus_wide = 0;  // minimum coded units of an interleaved scan: max_h x max_v blocks each
  index_t mcus_high = 0;
  std::array<JpegComponent, 4> components = {};

  [[nodiscard]] bool is_progressive() const { return marker == 0xC2; }
};

/// Quantisation steps in row-major order. The arithmetic of the inverse DCT takes them modulo 2^16.
using JpegQuantizer = std::array<std::uint16_t, kBlockSize>;

/// Coefficients of one component, block after block: the whole image, or only the MCU row being decoded.
struct JpegPlane {
  index_t blocks_wide = 0;
  index_t first_row = 0;  // block row that the buffer begins with
  AlignedBuffer<std::int16_t> data;

  JpegPlane() = default;
  JpegPlane(index_t wide, index_t high) : blocks_wide(wide), data(wide * high * kBlockSize) { clear(); }

  void clear() { std::fill_n(data.data(), data.size(), std::int16_t{0}); }
  [[nodiscard]] std::int16_t* block(index_t row, index_t column) {
    return data.data() + ((row - first_row) * blocks_wide + column) * kBlockSize;
  }
};

constexpr index_t divide_up(index_t a, index_t b) { return (a + b - 1) / b; }

/// Fills in everything that follows from the size and the sampling factors (T.81 A.1.1).
inline void complete_frame(JpegFrame& frame) {
  for (int c = 0; c < frame.count; ++c) {
    frame.max_h = (std::max)(frame.max_h, frame.components[static_cast<std::size_t>(c)].h);
    frame.max_v = (std::max)(frame.max_v, frame.components[static_cast<std::size_t>(c)].v);
  }
  frame.mcus_wide = divide_up(frame.width, frame.max_h * kBlockSide);
  frame.mcus_high = divide_up(frame.height, frame.max_v * kBlockSide);
  for (int c = 0; c < frame.count; ++c) {
    JpegComponent& component = frame.components[static_cast<std::size_t>(c)];
    component.width = divide_up(frame.width * component.h, frame.max_h);
    component.height = divide_up(frame.height * component.v, frame.max_v);
    component.blocks_wide = divide_up(component.width, kBlockSide);
    component.blocks_high = divide_up(component.height, kBlockSide);
  }
}

/// Kind of coding that SOFn marker 0xFF `marker` announces, in words.
inline const char* coding_name(int marker) {
  switch (marker) {
    case 0xC0: return "baseline";
    case 0xC1: return "extended sequential";
    case 0xC2: return "progressive";
    case 0xC3: return "lossless";
    case 0xC5: return "hierarchical sequential";
    case 0xC6: return "hierarchical progressive";
    case 0xC7: return "hierarchical lossless";
    case 0xC9: return "arithmetic-coded sequential";
    case 0xCA: return "arithmetic-coded progressive";
    case 0xCB: return "arithmetic-coded lossless";
    case 0xCD: return "arithmetic-coded hierarchical sequential";
    case 0xCE: return "arithmetic-coded hierarchical progressive";
    case 0xCF: return "arithmetic-coded hierarchical lossless";
    default: return "unknown";
  }
}

/// Chroma subsampling as people write it ("4:2:0"), or the plain factors ("2x2,1x1,2x1") where it has no such name.
inline std::string sampling_name(const JpegFrame& frame) {
  std::string factors;
  for (int c = 0; c < frame.count; ++c) {
    const JpegComponent& component = frame.components[static_cast<std::size_t>(c)];
    factors += concat(c == 0 ? "" : ",", component.h, "x", component.v);
  }
  if (frame.count == 1) return "gray";
  if (factors == "1x1,1x1,1x1" || factors == "1x1,1x1,1x1,1x1") return "4:4:4";
  if (factors == "2x1,1x1,1x1" || factors == "2x1,1x1,1x1,2x1") return "4:2:2";
  if (factors == "2x2,1x1,1x1" || factors == "2x2,1x1,1x1,2x2") return "4:2:0";
  if (factors == "1x2,1x1,1x1") return "4:4:0";
  if (factors == "4x1,1x1,1x1") return "4:1:1";
  if (factors == "4x2,1x1,1x1") return "4:1:0";
  return factors;
}

}  // namespace detail
}}  // namespace moeclip::abi_v0_1

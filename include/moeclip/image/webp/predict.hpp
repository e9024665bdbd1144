// SPDX-License-Identifier: MIT
#pragma once
// Prediction inside a VP8 key frame (RFC 6386, section 12): a block from the samples above it and to its left.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "../../base/types.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// How a block is predicted. The first four serve whole macroblocks, too.
enum class Vp8Mode : std::uint8_t {
  mean,
  true_motion,
  vertical,
  horizontal,
  down_right,
  vertical_right,
  down_left,
  vertical_left,
  horizontal_down,
  horizontal_up
};

/// Left + above - corner, clamped, for each sample of a square; what it is predicted from lies around it.
inline void predict_true_motion(std::uint8_t* out, index_t stride, int side) {
  const std::uint8_t* const above = out - stride;
  for (int y = 0; y < side; ++y, out += stride) {
    const int offset = out[-1] - above[-1];
    for (int x = 0; x < side; ++x) out[x] = static_cast<std::uint8_t>(std::clamp(above[x] + offset, 0, 255));
  }
}

inline void fill_square(std::uint8_t* out, index_t stride, int side, int value) {
  for (int y = 0; y < side; ++y, out += stride) std::memset(out, value, static_cast<std::size_t>(side));
}

/// A whole luma (side 16) or chroma (side 8) square. Where the picture has nothing above or to the left, the mean is
/// that of the other side, or 128.
inline void predict_square(Vp8Mode mode, bool has_above, bool has_left, std::uint8_t* out, index_t stride, int side) {
  const std::uint8_t* const above = out - stride;
  if (mode == Vp8Mode::true_motion) return predict_true_motion(out, stride, side);
  if (mode == Vp8Mode::mean) {
    int sum = 0;
    for (int i = 0; i < side; ++i) sum += (has_above ? above[i] : 0) + (has_left ? out[i * stride - 1] : 0);
    const int count = side * ((has_above ? 1 : 0) + (has_left ? 1 : 0));
    return fill_square(out, stride, side, count == 0 ? 128 : (sum + count / 2) / count);
  }
  for (int y = 0; y < side; ++y, out += stride) {
    if (mode == Vp8Mode::vertical)
      std::memcpy(out, above, static_cast<std::size_t>(side));
    else
      std::memset(out, out[-1], static_cast<std::size_t>(side));
  }
}

/// A 4x4 block. `right`: the four samples above and to the right of it.
inline void predict_block(Vp8Mode mode, const std::uint8_t* right, std::uint8_t* out, index_t stride) {
  const std::uint8_t* const above = out - stride;
  // The edge from the lowest sample on the left, round the corner (4), to the last one above to the right (12).
  std::array<int, 13> e{};
  for (std::size_t i = 0; i < 4; ++i) {
    e[i] = out[static_cast<index_t>(3 - i) * stride - 1];
    e[5 + i] = above[i];
    e[9 + i] = right[i];
  }
  e[4] = above[-1];
  const auto at = [&](int i) { return e[static_cast<std::size_t>(std::clamp(i, 0, 12))]; };
  const auto two = [&](int i) { return (at(i) + at(i + 1) + 1) >> 1; };                    // between i and i + 1
  const auto three = [&](int i) { return (at(i - 1) + 2 * at(i) + at(i + 1) + 2) >> 2; };  // round i
  const auto sample = [&](int x, int y) {
    switch (mode) {
      case Vp8Mode::vertical: return three(5 + x);
      case Vp8Mode::horizontal: return three(3 - y);
      case Vp8Mode::down_right: return three(4 + x - y);
      case Vp8Mode::down_left: return three(6 + x + y);
      case Vp8Mode::vertical_right: {
        const int s = 2 * x - y;
        return s < -1 ? three(5 + s) : s % 2 == 0 ? two(4 + s / 2) : three(4 + (s + 1) / 2);
      }
      case Vp8Mode::horizontal_down: {
        const int s = 2 * y - x;
        return s < -1 ? three(3 - s) : s % 2 == 0 ? two(3 - s / 2) : three(4 - (s + 1) / 2);
      }
      case Vp8Mode::vertical_left: {
        if (x == 3 && y >= 2) return three(8 + y);
        return y % 2 == 0 ? two(5 + x + y / 2) : three(6 + x + y / 2);
      }
      default: {  // horizontal_up
        const int s = x + 2 * y;
        return s > 5 ? at(0) : s % 2 == 0 ? two(2 - s / 2) : three(2 - s / 2);
      }
    }
  };
  if (mode == Vp8Mode::true_motion) return predict_true_motion(out, stride, 4);
  if (mode == Vp8Mode::mean) {
    int sum = 4;
    for (std::size_t i = 0; i < 4; ++i) sum += e[i] + e[5 + i];
    return fill_square(out, stride, 4, sum >> 3);
  }
  for (int y = 0; y < 4; ++y, out += stride)
    for (int x = 0; x < 4; ++x) out[x] = static_cast<std::uint8_t>(sample(x, y));
}

}}}  // namespace moeclip::abi_v0_1::detail

// SPDX-License-Identifier: MIT
#pragma once
// From luma and halved chroma to RGB as libwebp does it: chroma between samples is 9/16 of the nearest, 3/16 of the two
// beside it and 1/16 of the one across, in steps that round as there; colours by ITU-R 601 in fixed point.

#include <algorithm>
#include <array>
#include <cstdint>

#include "../pixel_store.hpp"
#include "lossy.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

inline Rgb vp8_color(int y, int u, int v) {
  const auto part = [](int value, int factor) { return value * factor >> 8; };
  const auto clip = [](int value) { return static_cast<std::uint8_t>(std::clamp(value >> 6, 0, 255)); };
  const int light = part(y, 19077);
  return {clip(light + part(v, 26149) - 14234), clip(light - part(u, 6419) - part(v, 13320) + 8708),
          clip(light + part(u, 33050) - 17685)};
}

/// Row y of a plane of halved chroma at full width.
inline void upsample_vp8_row(const Vp8Plane& plane, index_t y, index_t width, index_t height, std::uint8_t* out) {
  // The row lies between the chroma row `nearer`, a quarter away, and `farther`; at the borders they are the same.
  const index_t nearer = y / 2, last = (height + 1) / 2 - 1;
  const index_t farther = std::clamp<index_t>(y % 2 == 0 ? nearer - 1 : nearer + 1, 0, last);
  const std::uint8_t *const a = plane.at(0, nearer), *const b = plane.at(0, farther);
  out[0] = static_cast<std::uint8_t>((3 * a[0] + b[0] + 2) >> 2);
  const index_t pairs = (width - 1) / 2;
  for (index_t x = 1; x <= pairs; ++x) {
    const int near_left = a[x - 1], near_right = a[x], far_left = b[x - 1], far_right = b[x];
    const int sum = near_left + near_right + far_left + far_right + 8;
    const int rising = (sum + 2 * (near_right + far_left)) >> 3, falling = (sum + 2 * (near_left + far_right)) >> 3;
    out[2 * x - 1] = static_cast<std::uint8_t>((rising + near_left) >> 1);
    out[2 * x] = static_cast<std::uint8_t>((falling + near_right) >> 1);
  }
  if (width % 2 == 0) out[width - 1] = static_cast<std::uint8_t>((3 * a[pairs] + b[pairs] + 2) >> 2);
}

/// Writes a picture from its planes to `image`, from (left, top) on.
inline void paint_vp8(const Vp8Planes& planes, const WebpHeader& header, PixelKind kind, Image& image) {
  const index_t width = header.frame_width, height = header.frame_height;
  AlignedBuffer<std::uint8_t> chroma(2 * width);
  std::uint8_t *const u = chroma.data(), *const v = u + width;
  for (index_t y = 0; y < height; ++y) {
    upsample_vp8_row(planes[1], y, width, height, u);
    upsample_vp8_row(planes[2], y, width, height, v);
    const std::uint8_t* const luma = planes[0].at(0, y);
    store_pixels(width, kind, image.row(header.top + y) + header.left * image.channels(), 1,
                 [&](index_t x) { return vp8_color(luma[x], u[x], v[x]); });
  }
}

}}}  // namespace moeclip::abi_v0_1::detail

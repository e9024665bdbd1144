// SPDX-License-Identifier: MIT
#pragma once
// The connected regions of a ground-truth mask, where a pixel is connected to its eight neighbours: how many there are,
// and for each pixel how large its own is. The per-region overlap (EVA-4) counts every region once, whatever its size.

#include <cstdint>

#include "../base/context.hpp"
#include "../image/image.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// sizes (H, W) <- pixels of the region that each pixel of `mask` (gray; not 0: anomalous) lies in, 0 outside of them.
/// Returns the number of regions.
index_t region_sizes(Context& context, ImageView mask, std::uint32_t* sizes);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EVAL)

#include <algorithm>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Collects the region of pixel `seed` into `members`, marking its pixels in `sizes` with 1; returns its size.
inline index_t collect_region(ImageView mask, index_t seed, std::uint32_t* sizes, index_t* members) {
  index_t count = 0;
  const auto take = [&](index_t pixel) {
    sizes[pixel] = 1;
    members[count++] = pixel;
  };
  take(seed);
  for (index_t i = 0; i < count; ++i) {
    const index_t y = members[i] / mask.width, x = members[i] % mask.width;
    for (index_t v = std::max<index_t>(y - 1, 0); v <= (std::min)(y + 1, mask.height - 1); ++v)
      for (index_t u = std::max<index_t>(x - 1, 0); u <= (std::min)(x + 1, mask.width - 1); ++u)
        if (mask.row(v)[u] != 0 && sizes[v * mask.width + u] == 0) take(v * mask.width + u);
  }
  return count;
}

}  // namespace detail

MOECLIP_FUNC index_t region_sizes(Context& context, ImageView mask, std::uint32_t* sizes) {
  MOECLIP_EXPECT(mask.channels == 1, "a mask is a gray picture");
  const index_t pixels = mask.width * mask.height;
  std::fill_n(sizes, pixels, 0u);
  Arena::Scope scratch(context.arena());
  index_t* members = scratch.take<index_t>(pixels);
  index_t regions = 0;
  for (index_t pixel = 0; pixel < pixels; ++pixel) {
    if (mask.row(pixel / mask.width)[pixel % mask.width] == 0 || sizes[pixel] != 0) continue;
    const index_t size = detail::collect_region(mask, pixel, sizes, members);
    for (index_t i = 0; i < size; ++i) sizes[members[i]] = static_cast<std::uint32_t>(size);
    ++regions;
  }
  return regions;
}

}}  // namespace moeclip::abi_v0_1

#endif

// SPDX-License-Identifier: MIT
#pragma once
// Regions say where in the picture a defect is: they are the connected areas of the anomaly map at or above a
// threshold, where a pixel has eight neighbours.

#include <vector>

#include "../base/context.hpp"
#include "../base/lists.hpp"
#include "../tensor/view.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// One connected area. Coordinates and sizes are whole pixels of the array it was found in.
struct Region {
  index_t x = 0, y = 0;            ///< upper left corner of its box
  index_t width = 0, height = 0;   ///< of its box
  index_t area = 0;                ///< pixels at or above the threshold
  float peak = 0;                  ///< largest value
  index_t peak_x = 0, peak_y = 0;  ///< where, the first in raster order
};

/// Replaces `regions` by those of map (H, W) with at least `smallest` pixels >= threshold, highest peak first (equal
/// peaks: larger area, then raster order).
template <class T>
void find_regions(Context& context, View<const T, 2> map, T threshold, index_t smallest, std::vector<Region>& regions);

/// Pixels of a map or of a picture.
struct Extent {
  index_t width = 0;   ///< along x
  index_t height = 0;  ///< along y
};

/// A region of a map of size `from`, in pixels of a picture of size `to`: the smallest box that covers it.
Region scaled_region(const Region& region, Extent from, Extent to);

namespace detail {
/// Grows one region from pixel `seed` with an explicit stack, marking its pixels in `seen`. `stack` has room for all
/// pixels of the map.
template <class T>
Region grow_region(View<const T, 2> map, T threshold, index_t seed, std::uint8_t* seen, index_t* stack);
}  // namespace detail

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_ANOMALY)

#include <algorithm>
#include <cstdint>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

template <class T>
Region grow_region(View<const T, 2> map, T threshold, index_t seed, std::uint8_t* seen, index_t* stack) {
  const index_t height = map.extent(0), width = map.extent(1);
  index_t top = seed / width, bottom = top, left = seed % width, right = left, depth = 0;
  Region region;
  region.peak = static_cast<float>(map(top, left));
  region.peak_x = left;
  region.peak_y = top;
  stack[depth++] = seed;
  seen[seed] = 1;
  while (depth > 0) {
    const index_t pixel = stack[--depth], y = pixel / width, x = pixel % width;
    ++region.area;
    top = (std::min)(top, y), bottom = (std::max)(bottom, y);
    left = (std::min)(left, x), right = (std::max)(right, x);
    const auto value = static_cast<float>(map(y, x));
    const bool is_earlier = y < region.peak_y || (y == region.peak_y && x < region.peak_x);
    if (value > region.peak || (value == region.peak && is_earlier)) {
      region.peak = value;
      region.peak_x = x;
      region.peak_y = y;
    }
    for (index_t ny = std::max<index_t>(y - 1, 0); ny <= (std::min)(y + 1, height - 1); ++ny)
      for (index_t nx = std::max<index_t>(x - 1, 0); nx <= (std::min)(x + 1, width - 1); ++nx) {
        const index_t next = ny * width + nx;
        if (seen[next] != 0 || !(map(ny, nx) >= threshold)) continue;
        seen[next] = 1;
        stack[depth++] = next;
      }
  }
  region.x = left;
  region.y = top;
  region.width = right - left + 1;
  region.height = bottom - top + 1;
  return region;
}

}  // namespace detail

template <class T>
void find_regions(Context& context, View<const T, 2> map, T threshold, index_t smallest, std::vector<Region>& regions) {
  const index_t pixels = map.size(), width = map.extent(1);
  Arena::Scope scratch(context.arena());
  std::uint8_t* seen = scratch.take<std::uint8_t>(pixels);
  index_t* stack = scratch.take<index_t>(pixels);
  std::fill_n(seen, pixels, std::uint8_t{0});
  regions.clear();
  for (index_t pixel = 0; pixel < pixels; ++pixel) {
    if (seen[pixel] != 0 || !(map(pixel / width, pixel % width) >= threshold)) continue;
    const Region region = detail::grow_region<T>(map, threshold, pixel, seen, stack);
    if (region.area >= smallest) regions.push_back(region);
  }
  lists::sort(regions, [](const Region& a, const Region& b) {
    if (a.peak != b.peak) return a.peak > b.peak;
    if (a.area != b.area) return a.area > b.area;
    return a.y != b.y ? a.y < b.y : a.x < b.x;
  });
}

MOECLIP_FUNC Region scaled_region(const Region& region, Extent from, Extent to) {
  Region scaled = region;
  const auto right = [&](index_t x) { return (x * to.width + from.width - 1) / from.width; };
  const auto bottom = [&](index_t y) { return (y * to.height + from.height - 1) / from.height; };
  scaled.x = region.x * to.width / from.width;
  scaled.y = region.y * to.height / from.height;
  scaled.width = right(region.x + region.width) - scaled.x;
  scaled.height = bottom(region.y + region.height) - scaled.y;
  scaled.area = std::max<index_t>(1, region.area * (to.width * to.height) / (from.width * from.height));
  scaled.peak_x = (2 * region.peak_x + 1) * to.width / (2 * from.width);
  scaled.peak_y = (2 * region.peak_y + 1) * to.height / (2 * from.height);
  return scaled;
}

MOECLIP_INSTANTIATE(find_regions)
namespace detail {
MOECLIP_INSTANTIATE(grow_region)
}

}}  // namespace moeclip::abi_v0_1

#endif

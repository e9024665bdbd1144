// SPDX-License-Identifier: MIT
#pragma once
// Big pictures: whoever judges pictures of one size judges a big one tile by tile, and the maps of the tiles become one
// at the size of the picture (TIL-3 in this folder's README). With (a, b) where tile t begins, m x m its map:
//
//   map(x, y) = sum over t of w_t(x) w_t(y) map_t((x - a + 1/2) m / S - 1/2, (y - b + 1/2) m / S - 1/2)     bilinear
//   score     = max over t of score_t
//
// A defect of twenty pixels fills a good part of a tile, where it would be lost in a picture that is squeezed. The cost
// grows as the number of pixels does.

#include "../base/context.hpp"
#include "../base/function_ref.hpp"
#include "../image/tile_grid.hpp"
#include "detection.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Judges a picture, or a tile of one, as all do that fill a Detection: with a text, a memory, or textures.
using PictureJudge = function_ref<void(ImageView picture, Detection& found)>;

/// Lets `judge` look at the tiles of `image`, and puts what it found together into `result`: its map, and the reference
/// map if there is one, have the picture's size (H, W), and so has `result.picture`. If `tiles` are off, it looks at
/// the picture as a whole. With one context and one result, the second picture of a size takes nothing from the heap,
/// if `judge` does not. Throws contract for an empty picture or tiles out of range, and what `judge` throws.
void judge_in_tiles(Context& context, ImageView image, const TileOptions& tiles, PictureJudge judge, Detection& result);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_ANOMALY)

#include <algorithm>
#include <utility>

#include "conclude.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Where the pixels of a tile lie between those of its map, along one axis, and what they weigh.
struct TileSampling {
  index_t *low, *high;       // (S)
  float *fraction, *weight;  // (S)

  TileSampling(Arena::Scope& scratch, const TileAxis& axis, index_t tile, index_t extent) {
    const index_t size = axis.size();
    low = scratch.take<index_t>(size), high = scratch.take<index_t>(size);
    fraction = scratch.take<float>(size), weight = scratch.take<float>(size);
    axis.weights(tile, {weight, static_cast<std::size_t>(size)});
    const float scale = static_cast<float>(extent) / static_cast<float>(size);
    for (index_t x = 0; x < size; ++x) {
      const float place =
          std::clamp((static_cast<float>(x) + 0.5f) * scale - 0.5f, 0.0f, static_cast<float>(extent - 1));
      low[x] = static_cast<index_t>(place);
      high[x] = (std::min)(low[x] + 1, extent - 1);
      fraction[x] = place - static_cast<float>(low[x]);
    }
  }
};

/// Adds the map of a tile, weighted, to that of the picture.
inline void add_tile(Context& context, const TileGrid& grid, index_t tile, View<const float, 2> map,
                     View<float, 2> whole) {
  Arena::Scope scratch(context.arena());
  const TileSampling across(scratch, grid.columns, grid.column(tile), map.extent(1));
  const TileSampling down(scratch, grid.rows, grid.row(tile), map.extent(0));
  context.parallel_for(grid.rows.size(), [&](index_t y, int) {
    const float *const top = &map(down.low[y], 0), *const bottom = &map(down.high[y], 0);
    const float lower = down.fraction[y], upper = 1 - lower, weight = down.weight[y];
    float* const out = &whole(grid.y(tile) + y, grid.x(tile));
    for (index_t x = 0; x < grid.columns.size(); ++x) {
      const float left = upper * top[across.low[x]] + lower * bottom[across.low[x]];
      const float right = upper * top[across.high[x]] + lower * bottom[across.high[x]];
      out[x] += weight * across.weight[x] * (left + across.fraction[x] * (right - left));
    }
  });
}

/// `image` as RGB.
inline void copy_as_rgb(ImageView image, Image& copy) {
  if (copy.width() != image.width || copy.height() != image.height) copy = Image(image.width, image.height, 3);
  for (index_t y = 0; y < image.height; ++y) {
    const std::uint8_t* const from = image.row(y);
    std::uint8_t* const to = copy.row(y);
    if (image.channels == 3)
      std::copy_n(from, 3 * image.width, to);
    else
      for (index_t x = 0; x < image.width; ++x) std::fill_n(to + 3 * x, 3, from[x]);
  }
}

}  // namespace detail

MOECLIP_FUNC void judge_in_tiles(Context& context, ImageView image, const TileOptions& tiles, PictureJudge judge,
                                 Detection& result) {
  const FloatScope floats;
  if (!tiles.is_on()) return judge(image, result);
  MOECLIP_EXPECT(image.data != nullptr && image.width > 0 && image.height > 0, "an empty picture cannot be examined");
  const TileGrid grid(image.width, image.height, tiles);
  const Shape size{image.height, image.width};
  detail::fit(result.map, size).fill(0);
  result.score = result.class_score = 0;
  result.tile.resize(1);
  Detection& part = result.tile.front();
  for (index_t tile = 0; tile < grid.count(); ++tile) {
    judge(grid.view(image, tile), part);
    result.score = tile == 0 ? part.score : (std::max)(result.score, part.score);
    result.class_score = tile == 0 ? part.class_score : (std::max)(result.class_score, part.class_score);
    detail::add_tile(context, grid, tile, std::as_const(part.map).view<2>(), result.map.view<2>());
    if (part.reference.empty()) continue;
    if (tile == 0) detail::fit(result.reference, size).fill(0);
    detail::add_tile(context, grid, tile, std::as_const(part.reference).view<2>(), result.reference.view<2>());
  }
  if (part.reference.empty()) result.reference = {};
  detail::copy_as_rgb(image, result.picture);
  result.width = image.width;
  result.height = image.height;
  result.map_kind = part.map_kind;
  result.threshold = part.threshold;
  result.pixel_threshold = part.pixel_threshold;
  conclude<float>(context, std::as_const(result.map).view<2>(), 1, result);
}

}}  // namespace moeclip::abi_v0_1

#endif

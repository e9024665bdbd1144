// SPDX-License-Identifier: MIT
#pragma once
// A patch without any learned weights: how much of which edges it holds, at eight scales (TEX-1 in this folder's
// README). For whoever has good pictures but no CLIP.
//
// The picture, squeezed to 192 x 192, as brightness L = (r + g + b)/3 and two colours r - g and b - L, is halved three
// times. On each of the four images six derivatives of L (along x, y and the diagonals; second ones along x and y) and
// two of each colour are taken; a patch of 8 x 8 pixels of the first image gets the root of each one's mean absolute
// value over its area, and the mean of the three channels: 43 numbers e. Then
//
//   t = e / (|e| + 0.3),     g = [ t   mean of t over 5 x 5 patches ]
//
// The same is done with the picture at two thirds of the size, whose scales lie between those and whose patches of 8 x
// 8 pixels see more; its g' is interpolated bilinearly at the middles of the patches:
//
//   f = [ 2 g  g' ] / sqrt(5),     |f| < sqrt(2)
//
// Energies instead of answers make it blind to where an edge lies in the patch, the length divided out to contrast and
// light, and the mean over 5 x 5 sees what surrounds the patch.

#include "../anomaly/detection.hpp"
#include "../base/context.hpp"
#include "../tensor/view.hpp"

namespace moeclip { inline namespace abi_v0_1 {

inline constexpr index_t kTextureSize = 192;                           ///< pixels a side that are looked at
inline constexpr index_t kTexturePatch = 8;                            ///< pixels a side of a patch
inline constexpr index_t kTextureGrid = kTextureSize / kTexturePatch;  ///< patches a side
inline constexpr index_t kTextureScales = 4;                           ///< images, each half as large, of either size
inline constexpr index_t kTextureDerivatives = 6 + 2 * 2;              ///< of each scale
inline constexpr index_t kTextureEnergies = 3 + kTextureScales * kTextureDerivatives;  ///< 43
inline constexpr index_t kTextureWidth = 2 * 2 * kTextureEnergies;                     ///< length of a descriptor, F

/// Descriptors (kTextureGrid^2, kTextureWidth) of a picture that is squeezed already, RGB, kTextureSize a side.
template <class T>
void describe_textures(Context& context, ImageView picture, View<T, 2> descriptors);

/// The same of any picture, gray or RGB, which `result` keeps as it was squeezed.
template <class T>
void look_at_textures(Context& context, ImageView image, Detection& result, View<T, 2> descriptors);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_MEMORY)

#include <algorithm>
#include <cmath>

#include "../anomaly/features.hpp"
#include "../image/resize.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Brightness and two colours of a square picture, each `side` x `side`.
template <class T>
struct TexturePlanes {
  index_t side = 0;
  T* channels[3] = {};

  /// A pixel; beyond the border, the nearest one.
  [[nodiscard]] T at(int channel, index_t y, index_t x) const {
    const auto inside = [&](index_t i) { return std::clamp<index_t>(i, 0, side - 1); };
    return channels[channel][inside(y) * side + inside(x)];
  }
};

/// |derivatives| at a pixel, added to `sums` (kTextureDerivatives).
template <class T>
void add_derivatives(const TexturePlanes<T>& planes, index_t y, index_t x, T* sums) {
  constexpr T kDiagonal = T(2.8284271247461903);  // two steps of sqrt(2)
  const auto light = [&](index_t down, index_t right) { return planes.at(0, y + down, x + right); };
  const T centre = light(0, 0), left = light(0, -1), right = light(0, 1), above = light(-1, 0), below = light(1, 0);
  *sums++ += std::abs(right - left) / 2;
  *sums++ += std::abs(below - above) / 2;
  *sums++ += std::abs(light(1, 1) - light(-1, -1)) / kDiagonal;
  *sums++ += std::abs(light(1, -1) - light(-1, 1)) / kDiagonal;
  *sums++ += std::abs(left + right - 2 * centre) / 2;
  *sums++ += std::abs(above + below - 2 * centre) / 2;
  for (int channel = 1; channel < 3; ++channel) {
    *sums++ += std::abs(planes.at(channel, y, x + 1) - planes.at(channel, y, x - 1)) / 2;
    *sums++ += std::abs(planes.at(channel, y + 1, x) - planes.at(channel, y - 1, x)) / 2;
  }
}

/// The roots of the mean |derivatives| of the patches of one scale, into columns [first, first + kTextureDerivatives)
/// of energies (grid^2, kTextureEnergies).
template <class T>
void add_scale(Context& context, const TexturePlanes<T>& planes, index_t first, View<T, 2> energies) {
  constexpr T kLeast = T(1e-4);  // keeps the root's slope finite where there is nothing
  const index_t grid = grid_side(energies.extent(0)), step = planes.side / grid;
  context.parallel_for(grid, [&](index_t row, int) {
    for (index_t column = 0; column < grid; ++column) {
      T* const sums = &energies(row * grid + column, first);
      std::fill_n(sums, kTextureDerivatives, T(0));
      for (index_t y = row * step; y < (row + 1) * step; ++y)
        for (index_t x = column * step; x < (column + 1) * step; ++x) add_derivatives(planes, y, x, sums);
      for (index_t i = 0; i < kTextureDerivatives; ++i)
        sums[i] = std::sqrt(sums[i] / static_cast<T>(step * step) + kLeast);
    }
  });
}

/// `planes` at half their size, in their own place: means of 2 x 2 pixels.
template <class T>
void halve(TexturePlanes<T>& planes) {
  const index_t side = planes.side / 2;
  for (T* channel : planes.channels)
    for (index_t y = 0; y < side; ++y)
      for (index_t x = 0; x < side; ++x) {
        const T* const from = channel + 2 * y * planes.side + 2 * x;
        channel[y * side + x] = (from[0] + from[1] + from[planes.side] + from[planes.side + 1]) / 4;
      }
  planes.side = side;
}

/// `planes` at two thirds of their size into `smaller`: a pixel is the mean over the 1.5 x 1.5 pixels that it covers.
template <class T>
void shrink(const TexturePlanes<T>& planes, const TexturePlanes<T>& smaller) {
  const auto covered = [](index_t i) { return 3 * (i / 2) + i % 2; };  // the first of two pixels of which it has parts
  const auto share = [](index_t i, int part) { return i % 2 == part ? T(2) / 3 : T(1) / 3; };
  for (int channel = 0; channel < 3; ++channel)
    for (index_t y = 0; y < smaller.side; ++y)
      for (index_t x = 0; x < smaller.side; ++x) {
        const T* const from = planes.channels[channel] + covered(y) * planes.side + covered(x);
        const auto across = [&](const T* row) { return share(x, 0) * row[0] + share(x, 1) * row[1]; };
        smaller.channels[channel][y * smaller.side + x] =
            share(y, 0) * across(from) + share(y, 1) * across(from + planes.side);
      }
}

/// Brightness and colours of a picture.
template <class T>
void split_channels(ImageView picture, const TexturePlanes<T>& planes) {
  for (index_t y = 0; y < planes.side; ++y)
    for (index_t x = 0; x < planes.side; ++x) {
      const std::uint8_t* const pixel = picture.row(y) + 3 * x;
      const T r = static_cast<T>(pixel[0]) / 255, g = static_cast<T>(pixel[1]) / 255,
              b = static_cast<T>(pixel[2]) / 255;
      const T light = (r + g + b) / 3;
      const T values[3] = {light, r - g, b - light};
      for (int channel = 0; channel < 3; ++channel) planes.channels[channel][y * planes.side + x] = values[channel];
    }
}

/// Columns 0 to 2 of `energies`: the channels' means over the patches.
template <class T>
void add_means(const TexturePlanes<T>& planes, View<T, 2> energies) {
  const index_t grid = planes.side / kTexturePatch;
  constexpr T kShare = T(1) / (kTexturePatch * kTexturePatch);
  for (index_t i = 0; i < grid * grid; ++i) std::fill_n(&energies(i, 0), 3, T(0));
  for (int channel = 0; channel < 3; ++channel)
    for (index_t y = 0; y < planes.side; ++y)
      for (index_t x = 0; x < planes.side; ++x)
        energies(y / kTexturePatch * grid + x / kTexturePatch, channel) +=
            planes.channels[channel][y * planes.side + x] * kShare;
}

/// The second half of each row: the mean of the first over 5 x 5 patches, those beyond the border being the nearest
/// ones.
template <class T>
void add_surroundings(Context& context, View<T, 2> rows) {
  constexpr index_t kReach = 2;
  constexpr T kShare = T(1) / ((2 * kReach + 1) * (2 * kReach + 1));
  const index_t grid = grid_side(rows.extent(0));
  const auto inside = [&](index_t i) { return std::clamp<index_t>(i, 0, grid - 1); };
  context.parallel_for(grid, [&](index_t row, int) {
    for (index_t column = 0; column < grid; ++column) {
      T* const mean = &rows(row * grid + column, kTextureEnergies);
      std::fill_n(mean, kTextureEnergies, T(0));
      for (index_t y = row - kReach; y <= row + kReach; ++y)
        for (index_t x = column - kReach; x <= column + kReach; ++x) {
          const T* const other = &rows(inside(y) * grid + inside(x), 0);
          for (index_t i = 0; i < kTextureEnergies; ++i) mean[i] += other[i] * kShare;
        }
    }
  });
}

/// g of every patch of `planes`, which are used up, into the first 2 kTextureEnergies columns of `rows`.
template <class T>
void describe_size(Context& context, TexturePlanes<T> planes, View<T, 2> rows) {
  add_means(planes, rows);
  for (index_t scale = 0; scale < kTextureScales; ++scale) {
    if (scale > 0) halve(planes);
    add_scale(context, planes, 3 + scale * kTextureDerivatives, rows);
  }
  constexpr T kFloor = T(0.3);  // below it a patch is nearly empty, and its noise must not become its direction
  for (index_t i = 0; i < rows.extent(0); ++i) {
    T* const row = &rows(i, 0);
    T square = 0;
    for (index_t c = 0; c < kTextureEnergies; ++c) square += row[c] * row[c];
    for (index_t c = 0; c < kTextureEnergies; ++c) row[c] /= std::sqrt(square) + kFloor;
  }
  add_surroundings(context, rows);
}

/// The second half of `descriptors`: `rows` of the smaller grid, interpolated; and both halves scaled.
template <class T>
void join_sizes(Context& context, View<const T, 2> rows, View<T, 2> descriptors) {
  const index_t grid = grid_side(rows.extent(0)), half = kTextureWidth / 2;
  const T scale = T(1) / std::sqrt(T(5)), ratio = static_cast<T>(grid) / static_cast<T>(kTextureGrid);
  const auto place = [&](index_t i) {  // in the smaller grid, no farther out than the middle of its last patch
    return std::clamp<T>((static_cast<T>(i) + T(0.5)) * ratio - T(0.5), 0, static_cast<T>(grid - 1));
  };
  context.parallel_for(kTextureGrid, [&](index_t row, int) {
    for (index_t column = 0; column < kTextureGrid; ++column) {
      const T y = place(row), x = place(column);
      const index_t top = std::min<index_t>(static_cast<index_t>(y), grid - 2),
                    left = std::min<index_t>(static_cast<index_t>(x), grid - 2);
      const T down = y - static_cast<T>(top), right = x - static_cast<T>(left);
      const T* const above = &rows(top * grid + left, 0);
      const T* const below = &rows((top + 1) * grid + left, 0);
      T* const out = &descriptors(row * kTextureGrid + column, 0);
      for (index_t i = 0; i < half; ++i) {
        const T first = (1 - right) * above[i] + right * above[half + i];
        const T second = (1 - right) * below[i] + right * below[half + i];
        out[i] *= 2 * scale;
        out[half + i] = scale * ((1 - down) * first + down * second);
      }
    }
  });
}

}  // namespace detail

template <class T>
void describe_textures(Context& context, ImageView picture, View<T, 2> descriptors) {
  MOECLIP_EXPECT(picture.width == kTextureSize && picture.height == kTextureSize && picture.channels == 3,
                 "textures of a picture of ", picture.width, " x ", picture.height, " x ", picture.channels, "; ",
                 index_t{kTextureSize}, " x ", index_t{kTextureSize}, " x 3 was wanted");
  constexpr index_t kSmall = kTextureSize * 2 / 3, kSmallGrid = kSmall / kTexturePatch;
  Arena::Scope scratch(context.arena());
  detail::TexturePlanes<T> planes{kTextureSize}, smaller{kSmall};
  for (T*& channel : planes.channels) channel = scratch.take<T>(kTextureSize * kTextureSize);
  for (T*& channel : smaller.channels) channel = scratch.take<T>(kSmall * kSmall);
  const View<T, 2> rows(scratch.take<T>(kSmallGrid * kSmallGrid * kTextureWidth / 2),
                        {kSmallGrid * kSmallGrid, kTextureWidth / 2});
  detail::split_channels(picture, planes);
  detail::shrink(planes, smaller);
  detail::describe_size<T>(context, planes, descriptors);
  detail::describe_size<T>(context, smaller, rows);
  detail::join_sizes<T>(context, rows, descriptors);
}

template <class T>
void look_at_textures(Context& context, ImageView image, Detection& result, View<T, 2> descriptors) {
  MOECLIP_EXPECT(image.data != nullptr && image.width > 0 && image.height > 0, "an empty picture cannot be examined");
  if (result.picture.width() != kTextureSize || result.picture.height() != kTextureSize)
    result.picture = Image(kTextureSize, kTextureSize, 3);
  result.width = image.width;
  result.height = image.height;
  resize_to_rgb(context, image, result.picture);
  describe_textures<T>(context, result.picture.view(), descriptors);
}

MOECLIP_INSTANTIATE(describe_textures)
MOECLIP_INSTANTIATE(look_at_textures)

}}  // namespace moeclip::abi_v0_1

#endif

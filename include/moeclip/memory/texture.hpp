// SPDX-License-Identifier: MIT
#pragma once
// A patch without any learned weights: how much of which edges it holds, at four scales (TEX-1 in this folder's
// README). For whoever has good pictures but no CLIP.
//
// The picture, squeezed to 192 x 192, as brightness L = (r + g + b)/3 and two colours r - g and b - L, is halved three
// times. On each of the four images six derivatives of L (along x, y and the diagonals; second ones along x and y) and
// two of each colour are taken; a patch of 8 x 8 pixels of the first image gets the root of each one's mean absolute
// value over its area, and the mean of the three channels: 43 numbers e. Then
//
//   t = e / (|e| + 0.3),     f = [ t   mean of t over 5 x 5 patches ],   |f| < sqrt(2)
//
// Energies instead of answers make it blind to where an edge lies in the patch, the length divided out to contrast and
// light, and the second half sees what surrounds the patch.

#include "../anomaly/detection.hpp"
#include "../base/context.hpp"
#include "../tensor/view.hpp"

namespace moeclip { inline namespace abi_v0_1 {

inline constexpr index_t kTextureSize = 192;                           ///< pixels a side that are looked at
inline constexpr index_t kTexturePatch = 8;                            ///< pixels a side of a patch
inline constexpr index_t kTextureGrid = kTextureSize / kTexturePatch;  ///< patches a side
inline constexpr index_t kTextureScales = 4;                           ///< images, each half as large
inline constexpr index_t kTextureDerivatives = 6 + 2 * 2;              ///< of each scale
inline constexpr index_t kTextureEnergies = 3 + kTextureScales * kTextureDerivatives;  ///< 43
inline constexpr index_t kTextureWidth = 2 * kTextureEnergies;                         ///< length of a descriptor, F

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
/// of energies (L, kTextureEnergies).
template <class T>
void add_scale(Context& context, const TexturePlanes<T>& planes, index_t first, View<T, 2> energies) {
  constexpr T kLeast = T(1e-4);  // keeps the root's slope finite where there is nothing
  const index_t step = planes.side / kTextureGrid;
  context.parallel_for(kTextureGrid, [&](index_t row, int) {
    for (index_t column = 0; column < kTextureGrid; ++column) {
      T* const sums = &energies(row * kTextureGrid + column, first);
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

/// Fills `planes` from the picture, and columns 0 to 2 of `energies` with the means of their patches.
template <class T>
void split_channels(ImageView picture, const TexturePlanes<T>& planes, View<T, 2> energies) {
  for (index_t i = 0; i < energies.extent(0); ++i) std::fill_n(&energies(i, 0), 3, T(0));
  constexpr T kShare = T(1) / (kTexturePatch * kTexturePatch);
  for (index_t y = 0; y < kTextureSize; ++y)
    for (index_t x = 0; x < kTextureSize; ++x) {
      const std::uint8_t* const pixel = picture.row(y) + 3 * x;
      const T r = static_cast<T>(pixel[0]) / 255, g = static_cast<T>(pixel[1]) / 255,
              b = static_cast<T>(pixel[2]) / 255;
      const T light = (r + g + b) / 3;
      const T values[3] = {light, r - g, b - light};
      T* const means = &energies(y / kTexturePatch * kTextureGrid + x / kTexturePatch, 0);
      for (int channel = 0; channel < 3; ++channel) {
        planes.channels[channel][y * kTextureSize + x] = values[channel];
        means[channel] += values[channel] * kShare;
      }
    }
}

/// The second half of each descriptor: the mean of the first over 5 x 5 patches, those beyond the border being the
/// nearest ones.
template <class T>
void add_surroundings(Context& context, View<T, 2> descriptors) {
  constexpr index_t kReach = 2;
  constexpr T kShare = T(1) / ((2 * kReach + 1) * (2 * kReach + 1));
  const auto inside = [](index_t i) { return std::clamp<index_t>(i, 0, kTextureGrid - 1); };
  context.parallel_for(kTextureGrid, [&](index_t row, int) {
    for (index_t column = 0; column < kTextureGrid; ++column) {
      T* const mean = &descriptors(row * kTextureGrid + column, kTextureEnergies);
      std::fill_n(mean, kTextureEnergies, T(0));
      for (index_t y = row - kReach; y <= row + kReach; ++y)
        for (index_t x = column - kReach; x <= column + kReach; ++x) {
          const T* const other = &descriptors(inside(y) * kTextureGrid + inside(x), 0);
          for (index_t i = 0; i < kTextureEnergies; ++i) mean[i] += other[i] * kShare;
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
  Arena::Scope scratch(context.arena());
  detail::TexturePlanes<T> planes{kTextureSize};
  for (T*& channel : planes.channels) channel = scratch.take<T>(kTextureSize * kTextureSize);
  detail::split_channels<T>(picture, planes, descriptors);
  for (index_t scale = 0; scale < kTextureScales; ++scale) {
    if (scale > 0) detail::halve(planes);
    detail::add_scale<T>(context, planes, 3 + scale * kTextureDerivatives, descriptors);
  }
  constexpr T kFloor = T(0.3);  // below it a patch is nearly empty, and its noise must not become its direction
  for (index_t i = 0; i < descriptors.extent(0); ++i) {
    T* const row = &descriptors(i, 0);
    T square = 0;
    for (index_t c = 0; c < kTextureEnergies; ++c) square += row[c] * row[c];
    for (index_t c = 0; c < kTextureEnergies; ++c) row[c] /= std::sqrt(square) + kFloor;
  }
  detail::add_surroundings<T>(context, descriptors);
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

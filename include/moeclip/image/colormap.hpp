// SPDX-License-Identifier: MIT
#pragma once
// Colour maps turn numbers into colours. `jet` is OpenCV's COLORMAP_JET, for pictures that must look like the
// reference's; `ember` is ours: its lightness rises steadily from night blue to cream, so it keeps its order in gray
// and for colour-blind eyes.

#include <algorithm>
#include <array>
#include <cstdint>

#include "../tensor/view.hpp"
#include "image.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// 256 colours, from the low end of a scale to the high end.
using ColorMap = std::array<Rgb, 256>;

/// OpenCV's COLORMAP_JET: three trapezoids of slope 4, a quarter of the range apart.
constexpr ColorMap jet_colors() {
  ColorMap map{};
  const auto byte = [](int value) { return static_cast<std::uint8_t>(std::clamp(value, 0, 255)); };
  for (int i = 0; i < 256; ++i)
    map[static_cast<std::size_t>(i)] = {byte((std::min)(4 * i - 382, 1148 - 4 * i)),
                                        byte((std::min)(4 * i - 128, 892 - 4 * i)),
                                        byte((std::min)(4 * i + 128, 638 - 4 * i))};
  map[159].blue = 1;  // the formula gives 2; OpenCV's table rounds down here and only here
  return map;
}

/// Ours: night blue, violet, magenta, red, orange, cream; linear between nine points of CIE lightness 3 to 96 in equal
/// steps, with as much colour as sRGB allows at each.
constexpr ColorMap ember_colors() {
  constexpr std::array<Rgb, 9> kPoints{{{1, 7, 43},
                                        {5, 30, 97},
                                        {71, 34, 155},
                                        {158, 20, 151},
                                        {226, 24, 110},
                                        {252, 95, 70},
                                        {253, 154, 88},
                                        {254, 201, 136},
                                        {255, 243, 209}}};
  ColorMap map{};
  for (int i = 0; i < 256; ++i) {
    const int position = i * 8, left = (std::min)(position / 255, 7), part = position - left * 255;
    const auto mix = [&](std::uint8_t a, std::uint8_t b) {
      return static_cast<std::uint8_t>((a * (255 - part) + b * part + 127) / 255);
    };
    const Rgb& a = kPoints[static_cast<std::size_t>(left)];
    const Rgb& b = kPoints[static_cast<std::size_t>(left + 1)];
    map[static_cast<std::size_t>(i)] = {mix(a.red, b.red), mix(a.green, b.green), mix(a.blue, b.blue)};
  }
  return map;
}

inline constexpr ColorMap kJet = jet_colors();      // as the reference draws maps
inline constexpr ColorMap kEmber = ember_colors();  // as this library draws them; also readable in gray

/// Byte of `value` on the scale from `low` (0) to `high` (255), truncated as the reference does it; values outside are
/// clipped, NaN and an empty scale give 0.
template <class T>
std::uint8_t scale_to_byte(T value, T low, T high) {
  if (!(high > low) || !(value > low)) return 0;
  const T scaled = (value - low) / (high - low) * T{255};
  return scaled >= T{255} ? std::uint8_t{255} : static_cast<std::uint8_t>(scaled);
}

/// Picture of a map (h, w) in the colours of `colors`, on the scale from `low` to `high`.
template <class T>
Image colorize(View<const T, 2> map, std::type_identity_t<T> low, std::type_identity_t<T> high,
               const ColorMap& colors) {
  Image out(map.extent(1), map.extent(0), 3);
  std::uint8_t* pixel = out.data();
  for (index_t y = 0; y < map.extent(0); ++y)
    for (index_t x = 0; x < map.extent(1); ++x, pixel += 3) {
      const Rgb color = colors[scale_to_byte<T>(map(y, x), low, high)];
      pixel[0] = color.red, pixel[1] = color.green, pixel[2] = color.blue;
    }
  return out;
}

/// base = (1 - alpha) * base + alpha * over, truncated; both of one size and kind, alpha in [0, 1].
void blend(Image& base, const Image& over, double alpha);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IMAGE)

#include <type_traits>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC void blend(Image& base, const Image& over, double alpha) {
  MOECLIP_EXPECT(base.width() == over.width() && base.height() == over.height() && base.channels() == over.channels(),
                 "images of ", base.width(), "x", base.height(), " and ", over.width(), "x", over.height(),
                 " pixels cannot be blended");
  MOECLIP_EXPECT(alpha >= 0 && alpha <= 1, "an alpha of ", alpha, " is not in [0, 1]");
  for (index_t i = 0; i < base.size(); ++i)
    base.data()[i] = static_cast<std::uint8_t>((1 - alpha) * base.data()[i] + alpha * over.data()[i]);
}

}}  // namespace moeclip::abi_v0_1

#endif

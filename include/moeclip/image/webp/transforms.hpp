// SPDX-License-Identifier: MIT
#pragma once
// The four transforms of lossless WebP (RFC 9649, section 4), undone on pixels of 8 bits each of alpha, red, green and
// blue, in this order from the highest byte on.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>

#include "../../base/arena.hpp"
#include "../../base/types.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// A transform and the small picture that says how it was done: a pixel for each square of 2^bits pixels, or a palette.
struct Vp8lTransform {
  enum class Kind { predictor = 0, color = 1, subtract_green = 2, palette = 3 };

  Kind kind = Kind::subtract_green;
  int bits = 0;
  index_t width = 0;  // of the picture before it was transformed
  AlignedBuffer<std::uint32_t> data;
};

/// Pixels of blocks of 2^bits that cover `size`.
constexpr index_t vp8l_blocks(index_t size, int bits) { return (size + (index_t{1} << bits) - 1) >> bits; }

/// The sum of two pixels, byte by byte.
constexpr std::uint32_t add_pixels(std::uint32_t a, std::uint32_t b) {
  const std::uint32_t even = (a & 0xFF00FF00u) + (b & 0xFF00FF00u), odd = (a & 0x00FF00FFu) + (b & 0x00FF00FFu);
  return (even & 0xFF00FF00u) | (odd & 0x00FF00FFu);
}

/// Their mean, byte by byte, rounded down.
constexpr std::uint32_t mean_of_pixels(std::uint32_t a, std::uint32_t b) {
  return (((a ^ b) & 0xFEFEFEFEu) >> 1) + (a & b);
}

/// Byte `shift` / 8 of a pixel.
constexpr int pixel_byte(std::uint32_t pixel, int shift) { return static_cast<int>(pixel >> shift & 0xFFu); }

/// A pixel whose bytes are f(shift), brought into 0 to 255.
template <class Function>
constexpr std::uint32_t clamped_pixel(const Function& f) {
  std::uint32_t pixel = 0;
  for (int shift = 0; shift < 32; shift += 8)
    pixel |= static_cast<std::uint32_t>(std::clamp(f(shift), 0, 255)) << shift;
  return pixel;
}

/// Left or top, whichever is nearer to left + top - corner.
inline std::uint32_t select_pixel(std::uint32_t left, std::uint32_t top, std::uint32_t corner) {
  int to_left = 0, to_top = 0;
  for (int shift = 0; shift < 32; shift += 8) {
    to_left += std::abs(pixel_byte(top, shift) - pixel_byte(corner, shift));
    to_top += std::abs(pixel_byte(left, shift) - pixel_byte(corner, shift));
  }
  return to_left < to_top ? left : top;
}

/// What predictor `mode` expects after `left`, below `above[0]`.
inline std::uint32_t predict_pixel(unsigned mode, std::uint32_t left, const std::uint32_t* above) {
  const std::uint32_t top = above[0], right = above[1], corner = above[-1];
  switch (mode) {
    case 1: return left;
    case 2: return top;
    case 3: return right;
    case 4: return corner;
    case 5: return mean_of_pixels(mean_of_pixels(left, right), top);
    case 6: return mean_of_pixels(left, corner);
    case 7: return mean_of_pixels(left, top);
    case 8: return mean_of_pixels(corner, top);
    case 9: return mean_of_pixels(top, right);
    case 10: return mean_of_pixels(mean_of_pixels(left, corner), mean_of_pixels(top, right));
    case 11: return select_pixel(left, top, corner);
    case 12:
      return clamped_pixel([&](int s) { return pixel_byte(left, s) + pixel_byte(top, s) - pixel_byte(corner, s); });
    case 13: {
      const std::uint32_t mean = mean_of_pixels(left, top);
      return clamped_pixel(
          [&](int s) { return pixel_byte(mean, s) + (pixel_byte(mean, s) - pixel_byte(corner, s)) / 2; });
    }
    default: return 0xFF000000u;
  }
}

/// Pixels are what a predictor expects plus what is stored. The pixel above and to the right of the last one of a row
/// is the first one of that row itself.
inline void undo_predictor(const Vp8lTransform& transform, index_t height, std::uint32_t* pixels) {
  const index_t width = transform.width, tiles = vp8l_blocks(width, transform.bits);
  pixels[0] = add_pixels(pixels[0], 0xFF000000u);
  for (index_t x = 1; x < width; ++x) pixels[x] = add_pixels(pixels[x], pixels[x - 1]);
  for (index_t y = 1; y < height; ++y) {
    std::uint32_t* const row = pixels + y * width;
    const std::uint32_t* const above = row - width;
    const std::uint32_t* const modes = transform.data.data() + (y >> transform.bits) * tiles;
    row[0] = add_pixels(row[0], above[0]);
    for (index_t x = 1; x < width; ++x) {
      const unsigned mode = modes[x >> transform.bits] >> 8 & 15u;
      row[x] = add_pixels(row[x], predict_pixel(mode, row[x - 1], above + x));
    }
  }
}

/// Red and blue had a share of green, and blue one of red, taken away.
inline void undo_color(const Vp8lTransform& transform, index_t height, std::uint32_t* pixels) {
  const index_t width = transform.width, tiles = vp8l_blocks(width, transform.bits);
  const auto share = [](std::uint32_t factor, std::uint32_t color) {
    return static_cast<std::uint32_t>(static_cast<std::int8_t>(factor & 255) * static_cast<std::int8_t>(color & 255) >>
                                      5);
  };
  for (index_t y = 0; y < height; ++y) {
    const std::uint32_t* const factors = transform.data.data() + (y >> transform.bits) * tiles;
    for (index_t x = 0; x < width; ++x) {
      std::uint32_t& pixel = pixels[y * width + x];
      const std::uint32_t factor = factors[x >> transform.bits], green = pixel >> 8;
      const std::uint32_t red = (pixel >> 16) + share(factor, green);
      const std::uint32_t blue = pixel + share(factor >> 8, green) + share(factor >> 16, red);
      pixel = (pixel & 0xFF00FF00u) | (red & 255) << 16 | (blue & 255);
    }
  }
}

inline void undo_subtract_green(index_t count, std::uint32_t* pixels) {
  for (index_t i = 0; i < count; ++i) {
    const std::uint32_t green = pixels[i] >> 8 & 255;
    pixels[i] = add_pixels(pixels[i], green << 16 | green);
  }
}

/// The green byte of a pixel holds the numbers of 2^bits pixels in the palette, the first lowest; a number beyond it is
/// transparent black.
inline AlignedBuffer<std::uint32_t> undo_palette(const Vp8lTransform& transform, index_t height,
                                                 const std::uint32_t* packed) {
  const index_t width = transform.width, packed_width = vp8l_blocks(width, transform.bits);
  const int depth = 8 >> transform.bits, per_byte_mask = (1 << transform.bits) - 1;
  AlignedBuffer<std::uint32_t> pixels(width * height);
  for (index_t y = 0; y < height; ++y)
    for (index_t x = 0; x < width; ++x) {
      const std::uint32_t green = packed[y * packed_width + (x >> transform.bits)] >> 8 & 255;
      const int shift = static_cast<int>(x & per_byte_mask) * depth;
      const auto number = static_cast<index_t>(green >> shift & ((1u << depth) - 1));
      pixels.data()[y * width + x] = number < transform.data.size() ? transform.data.data()[number] : 0;
    }
  return pixels;
}

}}}  // namespace moeclip::abi_v0_1::detail

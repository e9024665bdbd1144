// SPDX-License-Identifier: MIT
#pragma once
// The decoders share two things: checking the size that a file claims, and writing the pixels they read as RGB or gray.

#include <string_view>

#include "../base/checked.hpp"
#include "../io/bytes.hpp"
#include "image.hpp"
#include "image_options.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// Checks a claimed size: positive, and at most kMaxPixels. Nothing has been allocated yet.
inline void expect_image_size(std::uint64_t width, std::uint64_t height, std::string_view source) {
  if (width == 0 || height == 0)
    fail(ErrorCode::format, concat(source, ": an image of ", width, "x", height, " pixels has no pixels"));
  if (checked_mul(width, height, source) > static_cast<std::uint64_t>(kMaxPixels))
    fail(ErrorCode::limit, concat(source, ": ", width, "x", height, " pixels are more than the ", index_t{kMaxPixels},
                                  " that are allowed: scale it down, or cut it into pieces"));
}

/// Checks that `available` bytes can hold what a claimed size needs at the least.
inline void expect_pixel_bytes(std::uint64_t needed, std::uint64_t available, std::string_view source) {
  if (needed > available)
    fail(ErrorCode::format, concat(source, ": truncated: the pixels need ", counted(needed, "byte"), ", ", available,
                                   " are there", kCutAdvice));
}

/// Writes read(x), an Rgb, for x in [0, width), to every `step`-th pixel from `out` on.
template <class Read>
void store_pixels(index_t width, PixelKind kind, std::uint8_t* out, index_t step, const Read& read) {
  if (kind == PixelKind::rgb) {
    for (index_t x = 0; x < width; ++x, out += 3 * step) {
      const Rgb color = read(x);
      out[0] = color.red;
      out[1] = color.green;
      out[2] = color.blue;
    }
  } else {
    for (index_t x = 0; x < width; ++x, out += step) {
      const Rgb color = read(x);
      *out = luma(color.red, color.green, color.blue);
    }
  }
}

/// Sample x of a row of samples of `depth` bits (1, 2, 4 or 8), most significant first.
inline std::uint8_t packed_sample(const std::byte* row, index_t x, int depth) {
  const index_t bit = x * depth;
  const int shift = 8 - depth - static_cast<int>(bit % 8);
  return static_cast<std::uint8_t>((std::to_integer<unsigned>(row[bit / 8]) >> shift) & ((1u << depth) - 1u));
}

}  // namespace detail

}}  // namespace moeclip::abi_v0_1

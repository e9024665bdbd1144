// SPDX-License-Identifier: MIT
#pragma once
// Turns rows of JPEG components into RGB or gray pixels, with the fixed-point arithmetic of libjpeg (YCbCr, YCCK) and
// of Pillow (CMYK to RGB, RGB to gray), so that the pixels are those of Image.open(f).convert("RGB") and .convert("L").

#include <algorithm>
#include <array>
#include <cstdint>

#include "frame.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// Contributions of Cb and Cr to R, G and B (ITU T.871), in units of 2^-16, rounded where they end there.
struct YccTables {
  std::array<std::int16_t, 256> cr_to_r{}, cb_to_b{};
  std::array<std::int32_t, 256> cr_to_g{}, cb_to_g{};

  constexpr YccTables() {
    for (int i = 0; i < 256; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const int x = i - 128;
      cr_to_r[at] = static_cast<std::int16_t>((91881 * x + 32768) >> 16);   // 1.402
      cb_to_b[at] = static_cast<std::int16_t>((116130 * x + 32768) >> 16);  // 1.772
      cr_to_g[at] = -46802 * x;                                             // 0.71414
      cb_to_g[at] = -22554 * x + 32768;                                     // 0.34414
    }
  }
};
inline constexpr YccTables kYcc;

/// Clamps [-256, 512) to [0, 255] by look-up.
struct ClampTable {
  std::array<std::uint8_t, 768> values{};
  constexpr ClampTable() {
    for (int i = 0; i < 768; ++i)
      values[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(std::clamp(i - 256, 0, 255));
  }
  std::uint8_t operator()(int value) const { return values[static_cast<std::size_t>(value + 256)]; }
};
inline constexpr ClampTable kClamp;

using JpegRows = std::array<const std::uint8_t*, 4>;  // one row of each component

inline void ycc_to_rgb(const JpegRows& in, index_t width, std::uint8_t* out) {
  for (index_t i = 0; i < width; ++i, out += 3) {
    const int y = in[0][i];
    const std::size_t cb = in[1][i], cr = in[2][i];
    out[0] = kClamp(y + kYcc.cr_to_r[cr]);
    out[1] = kClamp(y + ((kYcc.cb_to_g[cb] + kYcc.cr_to_g[cr]) >> 16));
    out[2] = kClamp(y + kYcc.cb_to_b[cb]);
  }
}

/// Pillow's CMYK to RGB: white less black, less the ink's share of that.
inline std::uint8_t ink_to_light(int white, int ink) {
  const int product = ink * white + 128;
  return static_cast<std::uint8_t>(std::clamp(white - (((product >> 8) + product) >> 8), 0, 255));
}

/// Pillow takes every CMYK JPEG for inverted, as Adobe writes it, whether or not there is an Adobe segment.
inline void cmyk_to_rgb(const JpegRows& in, index_t width, std::uint8_t* out) {
  for (index_t i = 0; i < width; ++i, out += 3)
    for (std::size_t c = 0; c < 3; ++c) out[c] = ink_to_light(in[3][i], 255 - in[c][i]);
}

/// YCCK holds CMY as the YCbCr of its complement.
inline void ycck_to_rgb(const JpegRows& in, index_t width, std::uint8_t* out) {
  ycc_to_rgb(in, width, out);
  for (index_t i = 0; i < width; ++i, out += 3)
    for (std::size_t c = 0; c < 3; ++c) out[c] = ink_to_light(in[3][i], out[c]);
}

inline void rgb_to_rgb(const JpegRows& in, index_t width, std::uint8_t* out) {
  for (index_t i = 0; i < width; ++i, out += 3)
    for (std::size_t c = 0; c < 3; ++c) out[c] = in[c][i];
}

inline void gray_to_rgb(const JpegRows& in, index_t width, std::uint8_t* out) {
  for (index_t i = 0; i < width; ++i, out += 3) out[0] = out[1] = out[2] = in[0][i];
}

/// One row of RGB pixels from one row of each component.
inline void row_to_rgb(JpegColor color, const JpegRows& in, index_t width, std::uint8_t* out) {
  switch (color) {
    case JpegColor::gray: return gray_to_rgb(in, width, out);
    case JpegColor::ycbcr: return ycc_to_rgb(in, width, out);
    case JpegColor::rgb: return rgb_to_rgb(in, width, out);
    case JpegColor::cmyk: return cmyk_to_rgb(in, width, out);
    case JpegColor::ycck: return ycck_to_rgb(in, width, out);
  }
}

/// ITU-R 601-2 luma of RGB pixels with Pillow's 16-bit weights. `rgb` and `out` may begin at the same place.
inline void rgb_to_gray(const std::uint8_t* rgb, index_t width, std::uint8_t* out) {
  for (index_t i = 0; i < width; ++i, rgb += 3)
    out[i] = static_cast<std::uint8_t>((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16);
}

}  // namespace detail
}}  // namespace moeclip::abi_v0_1

// SPDX-License-Identifier: MIT
#pragma once
// These options say how a picture file becomes pixels, where there is a choice.

#include <cstdint>

#include "../base/version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// How a gray sample of more than 8 bits becomes one of 8.
enum class DeepGray : std::uint8_t {
  scaled,   ///< as colour does: a PNG's keeps its high byte, a Netpbm file's is divided by the maximum
  clipped,  ///< at 255, so that almost everything is white: Pillow (9.4) holds such a picture as integers
};

/// How a picture file is read.
struct ImageOptions {
  bool apply_exif_orientation = false;    ///< turn the picture upright; the reference code does not
  bool gray = false;                      ///< one channel (Pillow's convert('L')) instead of RGB
  DeepGray deep_gray = DeepGray::scaled;  ///< 16-bit gray; the reference code, by way of Pillow, clips it

  friend bool operator==(const ImageOptions&, const ImageOptions&) = default;
};

}}  // namespace moeclip::abi_v0_1

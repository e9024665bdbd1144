// SPDX-License-Identifier: MIT
#pragma once
// The EXIF orientation tells how the camera was held. It is one tag of a TIFF structure that JPEG keeps in an APP1
// segment and PNG in an eXIf chunk. A damaged structure means "no orientation", never an error: the picture itself is
// whole.

#include "../base/checked.hpp"
#include "../io/bytes.hpp"
#include "image.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Orientation 1 to 8 from a TIFF structure (tag 0x0112 of its first directory); 1, upright, if there is none.
int tiff_orientation(Bytes tiff);

/// Turns and mirrors a picture so that it is upright, as Pillow's exif_transpose. `orientation` is 1 to 8:
/// 1 upright, 2 mirrored, 3 upside down, 4 flipped, 5 transposed, 6 to be turned right, 7 transversed, 8 to be turned
/// left.
Image apply_orientation(Image image, int orientation);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IMAGE)

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC int tiff_orientation(Bytes tiff) {
  if (tiff.size() < 8) return 1;
  const std::string_view order = as_text(tiff.first(2));
  if (order != "II" && order != "MM") return 1;
  const bool is_little = order == "II";
  const auto u16 = [&](std::size_t at) -> std::uint32_t {
    return is_little ? load_u16le(tiff.data() + at) : load_u16be(tiff.data() + at);
  };
  const auto u32 = [&](std::size_t at) {
    return is_little ? load_u32le(tiff.data() + at) : load_u32be(tiff.data() + at);
  };
  const std::size_t directory = u32(4);
  if (u16(2) != 42 || !range_fits(directory, 2, tiff.size())) return 1;
  const std::size_t entries = u16(directory);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + 12 * i;
    if (!range_fits(entry, 12, tiff.size())) return 1;
    if (u16(entry) != 0x0112) continue;
    constexpr std::uint32_t kShort = 3, kLong = 4;
    const std::uint32_t type = u16(entry + 2), count = u32(entry + 4);
    if (count != 1 || (type != kShort && type != kLong)) return 1;
    const std::uint32_t value = type == kShort ? u16(entry + 8) : u32(entry + 8);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

MOECLIP_FUNC Image apply_orientation(Image image, int orientation) {
  MOECLIP_EXPECT(orientation >= 1 && orientation <= 8, "an orientation is 1 to 8, not ", orientation);
  if (orientation == 1) return image;
  const bool is_mirrored = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;  // in x
  const bool is_flipped = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;   // in y
  const bool is_transposed = orientation >= 5;
  const index_t width = image.width(), height = image.height(), channels = image.channels();
  Image out(is_transposed ? height : width, is_transposed ? width : height, channels);
  std::uint8_t* target = out.data();
  for (index_t y = 0; y < out.height(); ++y)
    for (index_t x = 0; x < out.width(); ++x) {
      const index_t u = is_transposed ? y : x, v = is_transposed ? x : y;
      const std::uint8_t* source =
          image.row(is_flipped ? height - 1 - v : v) + (is_mirrored ? width - 1 - u : u) * channels;
      target = std::copy_n(source, channels, target);
    }
  return out;
}

}}  // namespace moeclip::abi_v0_1

#endif

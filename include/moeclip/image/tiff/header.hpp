// SPDX-License-Identifier: MIT
#pragma once
// What the first directory of a TIFF file says about its page.

#include <cstdint>
#include <vector>

#include "../../base/types.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What the numbers of a pixel mean, under the numbers that the file uses.
enum class TiffColor : std::uint16_t { white_is_zero = 0, black_is_zero = 1, rgb = 2, palette = 3, cmyk = 5 };

/// How a strip or tile is compressed, likewise.
enum class TiffCompression : std::uint16_t { none = 1, lzw = 5, deflate = 8, old_deflate = 32946, packbits = 32773 };

/// The first page of a TIFF file, checked: everything but the pixels.
struct TiffHeader {
  bool is_little = true;                                ///< low byte first
  index_t width = 0;                                    ///< pixels, as stored: before any turn by `orientation`
  index_t height = 0;                                   ///< likewise
  int depth = 1;                                        ///< bits of a sample: 1, 2, 4, 8 or 16
  int samples = 1;                                      ///< of a pixel, extra ones included
  TiffColor color = TiffColor::white_is_zero;           ///< what they mean
  TiffCompression compression = TiffCompression::none;  ///< of each segment
  bool is_differenced = false;                          ///< samples are stored as differences to those before
  bool is_planar = false;                               ///< each sample of all pixels by itself
  bool is_reversed = false;                             ///< bytes are filled from the lowest bit on
  bool is_premultiplied = false;                        ///< the first extra sample is alpha, which colours have in them
  bool is_tiled = false;                                ///< segments are tiles, else strips of whole rows
  index_t segment_width = 0, segment_height = 0;        ///< pixels of a tile, or of all strips but the last
  std::vector<std::uint64_t> offsets;                   ///< of segments: row by row, plane by plane
  std::vector<std::uint64_t> sizes;                     ///< of segments, in bytes
  std::vector<std::uint16_t> palette;                   ///< all reds, all greens, all blues
  int orientation = 1;                                  ///< by which the pixels are turned
  bool has_more_pages = false;                          ///< another page follows, which is not read
};

}}  // namespace moeclip::abi_v0_1

// SPDX-License-Identifier: MIT
#pragma once
// What stands in a GIF file before the pixels of its first picture.

#include "../../base/types.hpp"
#include "../../io/bytes.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What comes before the pixels of the first picture, checked.
struct GifHeader {
  index_t width = 0;              ///< of the whole, in pixels: the screen, grown to hold the picture
  index_t height = 0;             ///< likewise
  index_t left = 0, top = 0;      ///< where the picture lies in it
  index_t frame_width = 0;        ///< of the picture
  index_t frame_height = 0;       ///< likewise
  bool is_interlaced = false;     ///< rows come in four passes
  int transparent = -1;           ///< index of the colour that shows nothing; -1: none
  Bytes palette;                  ///< of the picture, or of the screen: R, G, B each; empty: indices are grays
  int code_bits = 8;              ///< of a literal
  std::uint64_t data_offset = 0;  ///< of the first block of compressed data
};

}}  // namespace moeclip::abi_v0_1

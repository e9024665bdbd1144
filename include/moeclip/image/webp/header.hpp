// SPDX-License-Identifier: MIT
#pragma once
// What the container of a WebP file says about its picture.

#include "../../base/types.hpp"
#include "../../io/bytes.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The container of a WebP file, checked: everything but the pixels.
struct WebpHeader {
  index_t width = 0;          ///< of the whole, in pixels
  index_t height = 0;         ///< likewise
  index_t left = 0, top = 0;  ///< where the picture lies in it; elsewhere it is black
  index_t frame_width = 0;    ///< of the picture
  index_t frame_height = 0;   ///< likewise
  bool is_lossless = false;   ///< VP8L, else VP8
  bool is_animated = false;   ///< more pictures follow, which are not read
  bool has_alpha = false;     ///< which is dropped
  Bytes data;                 ///< the compressed picture
  Bytes exif;                 ///< a TIFF structure; may be empty
};

}}  // namespace moeclip::abi_v0_1

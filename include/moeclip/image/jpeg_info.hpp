// SPDX-License-Identifier: MIT
#pragma once
// What the header of a JPEG file tells about the picture in it.

#include <string>

#include "../base/types.hpp"
#include "../io/bytes.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What the components of a JPEG file stand for.
enum class JpegColor { gray, ycbcr, rgb, cmyk, ycck };

/// Name of a colour space, for messages.
inline const char* to_string(JpegColor color) {
  switch (color) {
    case JpegColor::gray: return "gray";
    case JpegColor::ycbcr: return "YCbCr";
    case JpegColor::rgb: return "RGB";
    case JpegColor::cmyk: return "CMYK";
    case JpegColor::ycck: return "YCCK";
  }
  return "unknown";
}

/// What a JPEG file is, from its header.
struct JpegInfo {
  index_t width = 0;                   ///< pixels
  index_t height = 0;                  ///< pixels
  int components = 0;                  ///< 1 for gray, 3 for colour, 4 for CMYK
  int precision = 8;                   ///< bits per sample
  bool is_progressive = false;         ///< sent in several scans, coarse to fine
  std::string coding;                  ///< "baseline", "progressive", "lossless", ...
  std::string sampling;                ///< "4:2:0", "gray", or factors such as "2x2,1x1,2x1"
  JpegColor color = JpegColor::ycbcr;  ///< of the stored samples
  bool is_supported = true;            ///< of a kind that decode_jpeg reads
  Bytes exif;                          ///< TIFF structure of the Exif segment inside the given bytes; may be empty
};

}}  // namespace moeclip::abi_v0_1

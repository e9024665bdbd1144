// SPDX-License-Identifier: MIT
#pragma once
// Reads the first page of a TIFF file.

#include <cstdint>
#include <string_view>
#include <vector>

#include "../io/bytes.hpp"
#include "image.hpp"
#include "image_options.hpp"
#include "tiff/header.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Reads the first directory of a TIFF file. Throws format for what is damaged or cut, limit for too many pixels,
/// unsupported for the kinds of TIFF that are not read.
TiffHeader read_tiff_header(Bytes bytes, std::string_view source);

/// Decodes the first page of a TIFF file as Pillow does, turned by its orientation. Throws format for damaged or
/// truncated files, limit for more than kMaxPixels or than the file can hold, unsupported for the kinds not read.
Image decode_tiff(Bytes bytes, std::string_view source, PixelKind kind = PixelKind::rgb,
                  DeepGray deep_gray = DeepGray::scaled);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IMAGE)

#include "exif.hpp"
#include "tiff/decode.hpp"
#include "tiff/directory.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC TiffHeader read_tiff_header(Bytes bytes, std::string_view source) {
  return detail::TiffDirectory(bytes, source).header();
}

MOECLIP_FUNC Image decode_tiff(Bytes bytes, std::string_view source, PixelKind kind, DeepGray deep_gray) {
  const TiffHeader header = read_tiff_header(bytes, source);
  Image image = detail::TiffDecoder(header, bytes, source, deep_gray).decode(kind);
  return apply_orientation(std::move(image), header.orientation);
}

}}  // namespace moeclip::abi_v0_1

#endif

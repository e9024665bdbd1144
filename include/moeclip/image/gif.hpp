// SPDX-License-Identifier: MIT
#pragma once
// Reads the first picture of a GIF file.

#include <cstdint>
#include <string_view>

#include "../io/bytes.hpp"
#include "gif/header.hpp"
#include "image.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Reads a GIF file up to its first picture. Throws format for what is damaged or cut, limit for too many pixels.
GifHeader read_gif_header(Bytes bytes, std::string_view source);

/// Decodes the first picture of a GIF file as Pillow does. Throws format for damaged or truncated files, limit for more
/// than kMaxPixels or than the file can hold.
Image decode_gif(Bytes bytes, std::string_view source, PixelKind kind = PixelKind::rgb);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IMAGE)

#include "gif/decode.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC GifHeader read_gif_header(Bytes bytes, std::string_view source) {
  return detail::GifReader(bytes, source).read();
}

MOECLIP_FUNC Image decode_gif(Bytes bytes, std::string_view source, PixelKind kind) {
  const GifHeader header = read_gif_header(bytes, source);
  const std::vector<std::byte> data = detail::gather_gif_blocks(bytes, header.data_offset, source);
  const AlignedBuffer<std::uint8_t> indices = detail::expand_gif(header, data, source);
  return detail::paint_gif(header, indices.data(), kind);
}

}}  // namespace moeclip::abi_v0_1

#endif

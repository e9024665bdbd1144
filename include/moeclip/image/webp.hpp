// SPDX-License-Identifier: MIT
#pragma once
// Reads the picture, or the first picture, of a WebP file.

#include <cstdint>
#include <string_view>

#include "../io/bytes.hpp"
#include "image.hpp"
#include "webp/header.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Reads the chunks of a WebP file. Throws format for what is damaged or cut, limit for too many pixels.
WebpHeader read_webp_header(Bytes bytes, std::string_view source);

/// Decodes the picture of a WebP file, or the first one of an animation, to the bytes that libwebp gives. Throws format
/// for damaged or truncated files, limit for more than kMaxPixels.
Image decode_webp(Bytes bytes, std::string_view source, PixelKind kind = PixelKind::rgb);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IMAGE)

#include "webp/container.hpp"
#include "webp/lossless.hpp"
#include "webp/yuv.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC WebpHeader read_webp_header(Bytes bytes, std::string_view source) {
  return detail::WebpContainer(bytes, source).read();
}

MOECLIP_FUNC Image decode_webp(Bytes bytes, std::string_view source, PixelKind kind) {
  const WebpHeader header = read_webp_header(bytes, source);
  Image image(header.width, header.height, channels_of(kind));
  if (header.frame_width < header.width || header.frame_height < header.height) image.fill(0);
  if (!header.is_lossless) {
    detail::paint_vp8(detail::Vp8Decoder(header, source).decode(), header, kind, image);
    return image;
  }
  const AlignedBuffer<std::uint32_t> pixels = detail::Vp8lDecoder(header, source).decode();
  for (index_t y = 0; y < header.frame_height; ++y) {
    const std::uint32_t* const row = pixels.data() + y * header.frame_width;
    std::uint8_t* const out = image.row(header.top + y) + header.left * image.channels();
    detail::store_pixels(header.frame_width, kind, out, 1, [&](index_t x) {
      const std::uint32_t p = row[x];
      return Rgb{static_cast<std::uint8_t>(p >> 16 & 255), static_cast<std::uint8_t>(p >> 8 & 255),
                 static_cast<std::uint8_t>(p & 255)};
    });
  }
  return image;
}

}}  // namespace moeclip::abi_v0_1

#endif

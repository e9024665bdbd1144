// SPDX-License-Identifier: MIT
#pragma once
// Turns PNG files into pixels and back.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "../io/bytes.hpp"
#include "image.hpp"
#include "image_options.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Decodes a PNG file. `source` is the name in messages. Throws format for damaged or truncated files, limit for more
/// than kMaxPixels or than the compressed data can hold, unsupported for chunks outside the standard.
Image decode_png(Bytes bytes, std::string_view source, PixelKind kind = PixelKind::rgb,
                 DeepGray deep_gray = DeepGray::scaled);

/// The bytes of a PNG file with the pixels of `image`, 8-bit gray or RGB.
std::vector<std::byte> encode_png(ImageView image);

/// The bytes of a 16-bit gray PNG file; `values` holds height * width samples, row by row.
std::vector<std::byte> encode_png16(std::span<const std::uint16_t> values, index_t width, index_t height);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IMAGE)

#include "png/decode.hpp"
#include "png/encode.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC Image decode_png(Bytes bytes, std::string_view source, PixelKind kind, DeepGray deep_gray) {
  const PngFile png = read_png_chunks(bytes, source);
  const PngHeader& header = png.header;
  const std::uint64_t raw_size = detail::png_raw_size(header);
  constexpr std::uint64_t kMostExpansion = 1032;  // deflate: 258 bytes from 2 bits
  if (raw_size / kMostExpansion > png.data_size)
    fail(ErrorCode::limit, concat(source, ": ", header.width, "x", header.height, " pixels cannot come out of ",
                                  counted(png.data_size, "byte"), " of compressed data", kCutAdvice));
  std::vector<std::byte> gathered;
  constexpr std::uint64_t kSlack = 65536;  // some writers leave bytes behind the last row; they mean nothing
  auto raw = inflate_zlib(detail::png_data(png, bytes, source, gathered), raw_size + kSlack, source);
  detail::expect_pixel_bytes(raw_size, raw.size(), source);
  gathered = {};

  Image image(header.width, header.height, channels_of(kind));
  const detail::PngRowReader reader(png, kind, deep_gray);
  const std::vector<std::byte> zeros(static_cast<std::size_t>(detail::png_row_bytes(header, header.width)));
  const index_t step = (std::max)(1, header.bits_per_pixel() / 8);
  std::byte* row = raw.data();
  for (const auto& pass : detail::png_passes(header)) {
    const index_t width = pass.width(header), size = detail::png_row_bytes(header, width);
    if (width <= 0) continue;
    const std::byte* above = zeros.data();
    for (index_t y = pass.y0; y < header.height; y += pass.dy) {
      const auto filter = std::to_integer<unsigned>(*row++);
      if (!detail::unfilter_png_row(filter, row, above, size, step))
        fail(ErrorCode::format, concat(source, ": damaged PNG: row ", y, " has the unknown filter ", filter));
      reader.read(row, width, image.row(y) + pass.x0 * image.channels(), pass.dx);
      above = row;
      row += size;
    }
  }
  return image;
}

MOECLIP_FUNC std::vector<std::byte> encode_png(ImageView image) {
  detail::expect_encodable(image.width, image.height);
  MOECLIP_EXPECT(image.channels == 1 || image.channels == 3, "an image has 1 or 3 channels, not ", image.channels);
  const PngHeader header{image.width, image.height, 8, image.channels == 3 ? PngColor::rgb : PngColor::gray, false};
  const auto row_bytes = static_cast<std::size_t>(image.width * image.channels);
  if (image.row_stride == image.width * image.channels)
    return detail::encode_png_rows(
        header, std::as_bytes(std::span(image.data, row_bytes * static_cast<std::size_t>(image.height))));
  std::vector<std::byte> rows;
  for (index_t y = 0; y < image.height; ++y) {
    const Bytes row = std::as_bytes(std::span(image.row(y), row_bytes));
    rows.insert(rows.end(), row.begin(), row.end());
  }
  return detail::encode_png_rows(header, rows);
}

MOECLIP_FUNC std::vector<std::byte> encode_png16(std::span<const std::uint16_t> values, index_t width, index_t height) {
  detail::expect_encodable(width, height);
  MOECLIP_EXPECT(static_cast<index_t>(values.size()) == width * height, values.size(), " samples do not make ", width,
                 "x", height, " pixels");
  std::vector<std::byte> rows;
  rows.reserve(2 * values.size());
  for (const unsigned value : values) {
    rows.push_back(static_cast<std::byte>(value >> 8));
    rows.push_back(static_cast<std::byte>(value & 0xFFu));
  }
  return detail::encode_png_rows({width, height, 16, PngColor::gray, false}, rows);
}

}}  // namespace moeclip::abi_v0_1

#endif

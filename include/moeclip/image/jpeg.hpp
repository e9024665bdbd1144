// SPDX-License-Identifier: MIT
#pragma once
// Turns JPEG files into pixels and back.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "image.hpp"
#include "jpeg_info.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Decodes a JPEG file held in memory. `source` names it in messages. Returns RGB (3 channels); gray is repeated.
/// Throws format (damaged), unsupported (kinds listed in jpeg/decode.hpp) or limit (size). `remark`, where it is given,
/// says of a file whose end is zeros from where on the pixels are none.
Image decode_jpeg(Bytes bytes, std::string_view source, std::string* remark = nullptr);

/// The same as gray (1 channel): the samples of a gray file, otherwise Pillow's luma of the RGB pixels.
Image decode_jpeg_gray(Bytes bytes, std::string_view source, std::string* remark = nullptr);

/// Reads the header only; files that cannot be decoded are described, too. Throws format if there is no frame header.
JpegInfo read_jpeg_info(Bytes bytes, std::string_view source);

/// The bytes of a JPEG file that looks like `image`, 8-bit gray or RGB. `quality`: 1 to 100.
std::vector<std::byte> encode_jpeg(ImageView image, int quality);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IMAGE)

#include "jpeg/decode.hpp"
#include "jpeg/encode.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC Image decode_jpeg(Bytes bytes, std::string_view source, std::string* remark) {
  return detail::JpegDecoder(bytes, source).decode(3, remark);
}

MOECLIP_FUNC Image decode_jpeg_gray(Bytes bytes, std::string_view source, std::string* remark) {
  return detail::JpegDecoder(bytes, source).decode(1, remark);
}

MOECLIP_FUNC JpegInfo read_jpeg_info(Bytes bytes, std::string_view source) {
  detail::JpegHeader header;
  detail::JpegScan scan;
  detail::JpegSegments(bytes, source).next(header, scan);
  if (!header.has_frame) fail(ErrorCode::format, concat(source, ": damaged JPEG: it holds no picture", kCutAdvice));
  const detail::JpegFrame& frame = header.frame;
  JpegInfo info;
  info.width = frame.width;
  info.height = frame.height;
  info.components = frame.count;
  info.precision = frame.precision;
  info.is_progressive = frame.is_progressive();
  info.coding = detail::coding_name(frame.marker);
  info.sampling = detail::sampling_name(frame);
  info.color = detail::color_of(header);
  info.is_supported = frame.marker <= 0xC2 && frame.precision == 8 && frame.count != 2 && frame.height != 0;
  info.exif = header.exif;
  return info;
}

MOECLIP_FUNC std::vector<std::byte> encode_jpeg(ImageView image, int quality) {
  constexpr index_t kMostSide = 65535;  // what the header holds
  MOECLIP_EXPECT(image.width > 0 && image.height > 0 && image.width <= kMostSide && image.height <= kMostSide,
                 "an image of ", image.width, "x", image.height, " pixels cannot be written as JPEG");
  MOECLIP_EXPECT(image.channels == 1 || image.channels == 3, "an image has 1 or 3 channels, not ", image.channels);
  MOECLIP_EXPECT(quality >= 1 && quality <= 100, "a JPEG quality of ", quality, " is not between 1 and 100");
  return detail::JpegEncoder(image, quality).encode();
}

}}  // namespace moeclip::abi_v0_1

#endif

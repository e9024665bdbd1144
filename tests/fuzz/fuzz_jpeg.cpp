// SPDX-License-Identifier: MIT
// Any bytes as a JPEG file: header, colour and gray decoding. Whatever happens must be an image or an Error.

#include <cstddef>
#include <cstdint>

#include <moeclip/image/jpeg.hpp>
#include <moeclip/image/jpeg/decode.hpp>

#include "heap_limit.hpp"
#include "mutate_jpeg.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const HeapLimit limit(size);
  const moeclip::Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    moeclip::read_jpeg_info(bytes, "fuzz");
  } catch (const moeclip::Error&) {
  }
  try {
    moeclip::decode_jpeg(bytes, "fuzz");
    moeclip::decode_jpeg_gray(bytes, "fuzz");
  } catch (const moeclip::Error&) {
  }
  return 0;
}

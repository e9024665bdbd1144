// SPDX-License-Identifier: MIT
// Any bytes as a BMP file: a picture or an Error, never anything else.
#include <moeclip/image/bmp.hpp>

#include "heap_limit.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const HeapLimit limit(size);
  using namespace moeclip;
  constexpr index_t kMostPixels = 4096;  // a few bytes of run lengths make a huge picture: only time goes there
  const auto kind = size % 2 == 0 ? PixelKind::rgb : PixelKind::gray;
  try {
    const auto bytes = std::as_bytes(std::span(data, size));
    const auto header = read_bmp_header(bytes, "fuzz");
    if (header.width * header.height <= kMostPixels) decode_bmp(bytes, "fuzz", kind);
  } catch (const Error&) {
  }
  return 0;
}

// SPDX-License-Identifier: MIT
// Any bytes as a GIF file: a picture or an Error, never anything else.
#include <moeclip/image/gif.hpp>

#include "heap_limit.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const HeapLimit limit(size);
  using namespace moeclip;
  constexpr index_t kMostPixels = 1 << 16;  // a few codes make a huge picture: only time goes there
  const auto kind = size % 2 == 0 ? PixelKind::rgb : PixelKind::gray;
  try {
    const auto bytes = std::as_bytes(std::span(data, size));
    const auto header = read_gif_header(bytes, "fuzz");
    if (header.width * header.height <= kMostPixels) decode_gif(bytes, "fuzz", kind);
  } catch (const Error&) {
  }
  return 0;
}

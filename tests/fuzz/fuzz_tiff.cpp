// SPDX-License-Identifier: MIT
// Any bytes as a TIFF file: a picture or an Error, never anything else.
#include <moeclip/image/tiff.hpp>

#include "heap_limit.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const HeapLimit limit(size);
  using namespace moeclip;
  constexpr index_t kMostPixels = 1 << 16;  // compressed strips may share their bytes: only time goes there
  const auto kind = size % 2 == 0 ? PixelKind::rgb : PixelKind::gray;
  try {
    const auto bytes = std::as_bytes(std::span(data, size));
    const auto header = read_tiff_header(bytes, "fuzz");
    const bool is_small = header.width * header.height <= kMostPixels &&
                          header.segment_width * header.segment_height <= kMostPixels && header.offsets.size() <= 4096;
    if (is_small) decode_tiff(bytes, "fuzz", kind, size % 4 < 2 ? DeepGray::scaled : DeepGray::clipped);
  } catch (const Error&) {
  }
  return 0;
}

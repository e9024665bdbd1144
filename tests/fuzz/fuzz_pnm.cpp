// SPDX-License-Identifier: MIT
// Any bytes as a PNM file: a picture or an Error, never anything else.
#include <moeclip/image/pnm.hpp>

#include "heap_limit.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const HeapLimit limit(size);
  using namespace moeclip;
  const auto kind = size % 2 == 0 ? PixelKind::rgb : PixelKind::gray;
  const auto deep_gray = size % 4 < 2 ? DeepGray::scaled : DeepGray::clipped;
  try {
    decode_pnm(std::as_bytes(std::span(data, size)), "fuzz", kind, deep_gray);
  } catch (const Error&) {
  }
  return 0;
}

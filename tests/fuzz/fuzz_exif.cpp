// SPDX-License-Identifier: MIT
// Any bytes as a TIFF structure and as a picture of any kind: orientation, description.
#include <moeclip/image/exif.hpp>
#include <moeclip/image/read_image.hpp>

#include "heap_limit.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const HeapLimit limit(size);
  using namespace moeclip;
  const Bytes bytes = std::as_bytes(std::span(data, size));
  const int orientation = tiff_orientation(bytes);
  if (orientation < 1 || orientation > 8) __builtin_trap();
  try {
    describe_image(bytes, "fuzz");
  } catch (const Error&) {
  }
  return 0;
}

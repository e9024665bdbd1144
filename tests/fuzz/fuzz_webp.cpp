// SPDX-License-Identifier: MIT
// Any bytes as a WebP file, and as the compressed data in one, around which a sound container is made: a picture or an
// Error, never anything else.
#include <moeclip/image/webp.hpp>

#include <vector>

#include "heap_limit.hpp"

namespace {

using namespace moeclip;

void decode(Bytes bytes, PixelKind kind) {
  constexpr index_t kMostPixels = 1 << 14;  // flat pictures take no bytes: only time goes there
  try {
    const auto header = read_webp_header(bytes, "fuzz");
    if (header.width * header.height <= kMostPixels) decode_webp(bytes, "fuzz", kind);
  } catch (const Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const HeapLimit limit(size);
  const Bytes bytes = std::as_bytes(std::span(data, size));
  const auto kind = size % 2 == 0 ? PixelKind::rgb : PixelKind::gray;
  decode(bytes, kind);
  if (size < 3 || size > 60000) return 0;

  // The first three bytes: which kind, and sides of at most 64.
  const bool is_lossy = (data[0] & 1) != 0;
  const unsigned width = data[1] % 64 + 1u, height = data[2] % 64 + 1u;
  std::vector<unsigned> head;
  if (is_lossy) {
    const unsigned partition = data[0] / 2 * 16u;
    head = {
        0x10 | (partition << 5 & 255), partition >> 3 & 255, partition >> 11, 0x9D, 0x01, 0x2A, width, 0, height, 0};
  } else {
    const unsigned sides = (width - 1) | (height - 1) << 14;
    head = {0x2F, sides & 255, sides >> 8 & 255, sides >> 16 & 255, sides >> 24 & 15};
  }
  std::vector<std::byte> file;
  const auto put = [&](std::string_view text) {
    file.insert(file.end(), as_bytes(text).begin(), as_bytes(text).end());
  };
  const auto put32 = [&](std::size_t value) {
    for (int i = 0; i < 4; ++i) file.push_back(static_cast<std::byte>(value >> (8 * i) & 255));
  };
  const std::size_t payload = head.size() + size - 3, padded = payload + payload % 2;
  put("RIFF");
  put32(12 + padded);
  put(is_lossy ? "WEBPVP8 " : "WEBPVP8L");
  put32(payload);
  for (const unsigned byte : head) file.push_back(static_cast<std::byte>(byte));
  file.insert(file.end(), bytes.begin() + 3, bytes.end());
  file.resize(20 + padded);
  decode(file, kind);
  return 0;
}

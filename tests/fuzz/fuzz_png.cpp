// SPDX-License-Identifier: MIT
// Any bytes as a PNG file: a picture or an Error, never anything else. Checksums would keep most inputs from getting
// far, so the bytes also serve as header, palette and rows of a file that is put together properly.
#include <moeclip/image/png.hpp>
#include <moeclip/image/png/decode.hpp>
#include <moeclip/image/png/encode.hpp>

#include "heap_limit.hpp"
#include "mutate_png.hpp"

namespace {

using namespace moeclip;

void decode(Bytes bytes, PixelKind kind) {
  try {
    decode_png(bytes, "fuzz", kind, bytes.size() % 4 < 2 ? DeepGray::scaled : DeepGray::clipped);
  } catch (const Error&) {
  }
}

/// `bytes` as a zlib stream of one stored block: quick to make.
std::vector<std::byte> wrap(Bytes bytes) {
  bytes = bytes.first(std::min<std::size_t>(bytes.size(), 65535));
  const auto size = static_cast<unsigned>(bytes.size());
  std::vector<std::byte> out;
  for (const unsigned value : {0x78u, 0x01u, 1u, size & 255u, size >> 8, ~size & 255u, ~size >> 8 & 255u})
    out.push_back(static_cast<std::byte>(value));
  out.insert(out.end(), bytes.begin(), bytes.end());
  detail::append_u32be(out, adler32(bytes));
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const HeapLimit limit(size);
  const Bytes bytes = std::as_bytes(std::span(data, size));
  const auto kind = size % 2 == 0 ? PixelKind::rgb : PixelKind::gray;
  decode(bytes, kind);
  if (size < 8) return 0;

  std::vector<std::byte> file, header(13);
  for (const std::uint8_t byte : detail::kPngSignature) file.push_back(static_cast<std::byte>(byte));
  header[3] = bytes[0], header[6] = bytes[1] & std::byte{1}, header[7] = bytes[2];
  header[8] = bytes[3], header[9] = bytes[4], header[12] = bytes[5];
  detail::append_png_chunk(file, "IHDR", header);
  Bytes rest = bytes.subspan(8);
  const std::size_t palette = std::min<std::size_t>(std::to_integer<std::size_t>(bytes[6]) * 3, rest.size());
  detail::append_png_chunk(file, "PLTE", rest.first(palette));
  rest = rest.subspan(palette);
  const bool is_packed = (bytes[7] & std::byte{1}) != std::byte{0};
  const std::vector<std::byte> packed = is_packed ? std::vector(rest.begin(), rest.end()) : wrap(rest);
  const std::size_t cut = packed.size() / 2;
  detail::append_png_chunk(file, "IDAT", Bytes(packed).first(cut));
  detail::append_png_chunk(file, "IDAT", Bytes(packed).subspan(cut));
  detail::append_png_chunk(file, "IEND", {});
  decode(file, kind);
  return 0;
}

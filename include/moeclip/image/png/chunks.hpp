// SPDX-License-Identifier: MIT
#pragma once
// The container of a PNG file (W3C PNG specification, sections 5 and 11) is a signature and then chunks of length,
// type, data and CRC. A chunk that the picture depends on (critical) must be intact; a broken ancillary one is passed
// over.

#include <array>
#include <cstdint>
#include <string_view>

#include "../../io/bytes.hpp"
#include "../../io/checksum.hpp"
#include "../pixel_store.hpp"

namespace moeclip { inline namespace abi_v0_1 {

enum class PngColor : std::uint8_t { gray = 0, rgb = 2, palette = 3, gray_alpha = 4, rgb_alpha = 6 };

/// The IHDR chunk, checked.
struct PngHeader {
  index_t width = 0;
  index_t height = 0;
  int depth = 8;  // bits per sample
  PngColor color = PngColor::rgb;
  bool is_interlaced = false;

  [[nodiscard]] int samples() const {
    switch (color) {
      case PngColor::rgb: return 3;
      case PngColor::gray_alpha: return 2;
      case PngColor::rgb_alpha: return 4;
      default: return 1;
    }
  }
  [[nodiscard]] int bits_per_pixel() const { return samples() * depth; }
};

/// What a PNG file holds, still compressed. The spans point into the file's bytes.
struct PngFile {
  PngHeader header;
  Bytes palette;                   // triples of R, G, B
  Bytes exif;                      // of the eXIf chunk: a TIFF structure
  Bytes first_data;                // of the first IDAT chunk
  std::uint64_t first_offset = 0;  // where that chunk begins in the file
  std::uint64_t data_size = 0;     // of all IDAT chunks together
};

namespace detail {

inline constexpr std::array<std::uint8_t, 8> kPngSignature{0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};

struct PngChunk {
  std::string_view type;
  Bytes data;
  bool is_intact = true;

  [[nodiscard]] bool is_critical() const { return type[0] >= 'A' && type[0] <= 'Z'; }
};

/// The next chunk. Throws format if it is truncated, misnamed, or critical and damaged.
inline PngChunk read_png_chunk(ByteReader& reader) {
  const std::uint64_t offset = reader.offset();
  const std::uint32_t length = reader.u32be();
  const Bytes type = reader.take(4);
  PngChunk chunk{.type = as_text(type), .data = {}};
  for (const char letter : chunk.type)
    if (!((letter >= 'A' && letter <= 'Z') || (letter >= 'a' && letter <= 'z')))
      fail(ErrorCode::format, concat(reader.source(), ": damaged PNG: no chunk begins at offset ", offset));
  chunk.data = reader.take(length);
  chunk.is_intact = crc32(chunk.data, crc32(type)) == reader.u32be();
  if (chunk.is_critical() && !chunk.is_intact)
    fail(ErrorCode::format, concat(reader.source(), ": damaged PNG: the checksum of the ", chunk.type,
                                   " chunk at offset ", offset, " does not match"));
  return chunk;
}

inline PngHeader read_png_header(const PngChunk& chunk, std::string_view source) {
  if (chunk.type == "CgBI")
    fail(ErrorCode::unsupported,
         concat(source, ": Apple's private variant of PNG (CgBI); convert it to plain PNG with Apple's pngcrush"));
  if (chunk.type != "IHDR" || chunk.data.size() != 13)
    fail(ErrorCode::format, concat(source, ": damaged PNG: it begins with a ", chunk.type, " chunk of ",
                                   counted(chunk.data.size(), "byte"), ", not with IHDR of 13"));
  ByteReader reader(chunk.data, source);
  const std::uint32_t width = reader.u32be(), height = reader.u32be();
  expect_image_size(width, height, source);
  const int depth = reader.u8(), color = reader.u8();
  constexpr std::array<unsigned, 7> kDepths{0x10116, 0, 0x10100, 0x116, 0x10100, 0, 0x10100};  // bit d: depth d
  if (color > 6 || depth > 16 || (kDepths[static_cast<std::size_t>(color)] >> depth & 1u) == 0)
    fail(ErrorCode::format, concat(source, ": PNG has no colour type ", color, " with ", depth, " bits"));
  const int compression = reader.u8(), filter = reader.u8(), interlace = reader.u8();
  if (compression != 0 || filter != 0 || interlace > 1)
    fail(ErrorCode::format, concat(source, ": PNG with unknown compression (", compression, "), filter (", filter,
                                   ") or interlace method (", interlace, ")"));
  return {static_cast<index_t>(width), static_cast<index_t>(height), depth, static_cast<PngColor>(color),
          interlace == 1};
}

}  // namespace detail

/// Reads the chunks of a PNG file up to IEND, without inflating the picture. `source` is the name in messages.
/// Throws format for what is damaged or truncated, limit for too many pixels, unsupported for unknown critical chunks.
inline PngFile read_png_chunks(Bytes bytes, std::string_view source) {
  ByteReader reader(bytes, source);
  reader.skip(detail::kPngSignature.size());
  PngFile png;
  png.header = detail::read_png_header(detail::read_png_chunk(reader), source);
  bool is_data_over = false;
  while (true) {
    const std::uint64_t offset = reader.offset();
    const detail::PngChunk chunk = detail::read_png_chunk(reader);
    if (chunk.type == "IEND") break;
    if (chunk.type == "IDAT") {
      if (is_data_over)
        fail(ErrorCode::format, concat(source, ": damaged PNG: its IDAT chunks do not follow each other"));
      if (png.first_offset == 0) png.first_data = chunk.data, png.first_offset = offset;
      png.data_size += chunk.data.size();
      continue;
    }
    is_data_over = png.first_offset != 0;
    if (chunk.type == "PLTE") {
      if (is_data_over || !png.palette.empty() || chunk.data.size() % 3 != 0 || chunk.data.size() > 768)
        fail(ErrorCode::format, concat(source, ": damaged PNG: bad or misplaced palette at offset ", offset));
      png.palette = chunk.data;
    } else if (chunk.type == "eXIf" && chunk.is_intact) {
      png.exif = chunk.data;
    } else if (chunk.is_critical()) {
      fail(ErrorCode::unsupported, concat(source, ": PNG with a ", chunk.type, " chunk, which is not in the standard"));
    }
  }
  if (png.first_offset == 0) fail(ErrorCode::format, concat(source, ": damaged PNG: no image data (IDAT chunk)"));
  if (png.header.color == PngColor::palette && png.palette.empty())
    fail(ErrorCode::format, concat(source, ": damaged PNG: a palette image without a palette"));
  return png;
}

}}  // namespace moeclip::abi_v0_1

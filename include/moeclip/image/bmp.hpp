// SPDX-License-Identifier: MIT
#pragma once
// Reads Windows and OS/2 bitmaps as 8-bit RGB or gray: 1, 2, 4, 8, 16, 24 and 32 bits per pixel, palettes, bit masks,
// RLE4 and RLE8, rows from below or from above. Values are those of Pillow where Pillow reads the file: fields of 5 and
// 6 bits become v * 255 / 31 (or 63), rounded down; alpha is dropped; an index beyond the palette is the gray of its
// number.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "../io/bytes.hpp"
#include "pixel_store.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The headers of a bitmap, checked.
struct BmpHeader {
  /// How pixels are stored, under the numbers that the file uses.
  enum class Compression : std::uint32_t { none = 0, rle8 = 1, rle4 = 2, bit_fields = 3, alpha_bit_fields = 6 };

  index_t width = 0;                            // pixels
  index_t height = 0;                           // pixels
  bool is_top_down = false;                     // the file begins with the top row, otherwise with the bottom row
  int bits = 24;                                // per pixel
  Compression compression = Compression::none;  // how pixels are stored
  std::array<std::uint32_t, 3> masks{};         // of red, green, blue in a pixel of 16 or 32 bits
  std::uint64_t palette_offset = 0;             // bytes from the start of the file
  std::uint64_t palette_entries = 0;            // colours in the palette; 0: there is none
  int palette_entry_size = 4;                   // bytes per colour: 3 in the oldest files, otherwise 4
  std::uint64_t pixel_offset = 0;               // bytes from the start of the file

  /// Whether pixels are run-length encoded.
  [[nodiscard]] bool is_rle() const { return compression == Compression::rle8 || compression == Compression::rle4; }
  /// Bytes of a row that is not run-length encoded: a multiple of 4.
  [[nodiscard]] index_t row_bytes() const { return (width * bits + 31) / 32 * 4; }
};

/// Reads the headers of a bitmap that begins with "BM". `source` is the name in messages.
BmpHeader read_bmp_header(Bytes bytes, std::string_view source);

/// Decodes a bitmap that begins with "BM". `source` is the name in messages. Throws format for damaged or truncated
/// files, limit for more than kMaxPixels, unsupported for layouts that are not listed above. If run-length codes leave
/// pixels out or go beyond a row, `remark`, where it is given, says how many.
Image decode_bmp(Bytes bytes, std::string_view source, PixelKind kind = PixelKind::rgb, std::string* remark = nullptr);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IMAGE)

#include <bit>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

[[noreturn]] inline void refuse_bmp(std::string_view what, std::string_view source) {
  fail(ErrorCode::unsupported, concat(source, ": a bitmap with ", what,
                                      ", which is not supported; convert it to a plain one of 24 bits, or to PNG"));
}

inline void expect_bmp_layout(const BmpHeader& header, std::uint32_t header_size, std::string_view source) {
  using Compression = BmpHeader::Compression;
  const auto code = static_cast<std::uint32_t>(header.compression);
  if (code == 4 && header_size != 64) refuse_bmp("a JPEG file inside", source);
  if (code == 5) refuse_bmp("a PNG file inside", source);
  const bool is_os2 = header_size == 64 || header_size == 16;
  const bool is_known =
      header.compression == Compression::none || header.is_rle() || ((code == 3 || code == 6) && !is_os2);
  if (!is_known) refuse_bmp(concat("compression ", code), source);
  constexpr std::uint64_t kDepths =
      1ull << 1 | 1ull << 2 | 1ull << 4 | 1ull << 8 | 1ull << 16 | 1ull << 24 | 1ull << 32;
  bool fits = header.bits <= 32 && (kDepths >> header.bits & 1) != 0;
  if (header.compression == Compression::rle8) fits = header.bits == 8;
  if (header.compression == Compression::rle4) fits = header.bits == 4;
  if (code == 3 || code == 6) fits = header.bits == 16 || header.bits == 24 || header.bits == 32;
  if (!fits) refuse_bmp(concat(header.bits, " bits per pixel and compression ", code), source);
  if (header.is_rle() && header.is_top_down)
    fail(ErrorCode::format, concat(source,
                                   ": damaged bitmap: run-length codes go from the bottom row upwards, but its height "
                                   "is negative, which means the opposite; write it anew"));
}

/// Checks that each mask is one run of bits inside the pixel that no other mask has, and fills in the usual ones where
/// none are given.
inline void complete_bmp_masks(BmpHeader& header, std::string_view source) {
  const bool is_given = header.masks != std::array<std::uint32_t, 3>{};
  if (!is_given) {
    if (header.bits == 16) header.masks = {0x7C00, 0x03E0, 0x001F};
    if (header.bits >= 24) header.masks = {0xFF0000, 0x00FF00, 0x0000FF};
  }
  for (const std::uint32_t mask : header.masks) {
    if (header.bits <= 8) break;
    const std::uint32_t run = mask == 0 ? 0 : mask >> std::countr_zero(mask);
    if ((run & (run + 1)) != 0 || (header.bits < 32 && mask >> header.bits != 0))
      fail(ErrorCode::format,
           concat(source, ": damaged bitmap: ", mask, " is no mask for ", header.bits, " bits; write it anew"));
  }
  const auto [red, green, blue] = header.masks;
  if ((red & green) != 0 || (red & blue) != 0 || (green & blue) != 0)
    fail(ErrorCode::format, concat(source, ": damaged bitmap: two of its colours share bits (the masks ", red, ", ",
                                   green, " and ", blue, " overlap); write it anew"));
}

}  // namespace detail

MOECLIP_FUNC BmpHeader read_bmp_header(Bytes bytes, std::string_view source) {
  ByteReader reader(bytes, source);
  reader.skip(10);
  BmpHeader header;
  header.pixel_offset = reader.u32le();
  const std::uint32_t header_size = reader.u32le();
  const bool is_core = header_size == 12;
  if (!is_core && header_size != 16 && header_size != 40 && header_size != 52 && header_size != 56 &&
      header_size != 64 && header_size != 108 && header_size != 124)
    detail::refuse_bmp(concat("a header of ", counted(header_size, "byte")), source);
  ByteReader fields(reader.take(header_size - 4), source);
  std::int64_t height = 0;
  if (is_core) {
    header.width = fields.u16le();
    height = fields.u16le();
  } else {
    header.width = static_cast<index_t>(static_cast<std::int32_t>(fields.u32le()));
    height = static_cast<std::int32_t>(fields.u32le());
  }
  header.is_top_down = height < 0;
  if (header.width < 0)
    fail(ErrorCode::format, concat(source, ": damaged bitmap: a width of ", counted(header.width, "pixel")));
  header.height = static_cast<index_t>(height < 0 ? -height : height);
  detail::expect_image_size(static_cast<std::uint64_t>(header.width), static_cast<std::uint64_t>(header.height),
                            source);
  fields.skip(2);  // planes
  header.bits = fields.u16le();
  std::uint64_t colors = 0;
  if (header_size >= 40) {
    header.compression = static_cast<BmpHeader::Compression>(fields.u32le());
    fields.skip(12);  // size of the data, resolution
    colors = fields.u32le();
  }
  detail::expect_bmp_layout(header, header_size, source);

  header.palette_entry_size = is_core ? 3 : 4;
  if (header.compression >= BmpHeader::Compression::bit_fields) {
    ByteReader& place = header_size >= 52 ? fields : reader;  // inside the larger headers, behind the smaller
    if (header_size >= 52) fields.skip(4);                    // important colours
    for (auto& mask : header.masks) mask = place.u32le();
    if (header.compression == BmpHeader::Compression::alpha_bit_fields && header_size == 40) reader.skip(4);
  }
  detail::complete_bmp_masks(header, source);

  header.palette_offset = reader.offset();
  const std::uint64_t most = header.bits <= 8 ? 1ull << header.bits : 0;
  header.palette_entries = (std::min)(colors == 0 ? most : colors, most);
  const std::uint64_t palette_end =
      header.palette_offset + header.palette_entries * static_cast<std::uint64_t>(header.palette_entry_size);
  // Some writers forget the palette when they count the offset of the pixels, or leave the offset zero.
  if (header.pixel_offset == 0 || (header.bits <= 8 && header.pixel_offset == 14 + std::uint64_t{header_size}))
    header.pixel_offset = palette_end;
  return header;
}

namespace detail {

using Palette = std::array<Rgb, 256>;

inline Palette read_bmp_palette(const BmpHeader& header, Bytes bytes, std::string_view source) {
  Palette palette;
  for (std::size_t i = 0; i < palette.size(); ++i) {
    const auto gray = static_cast<std::uint8_t>(i);
    palette[i] = {gray, gray, gray};
  }
  ByteReader reader(bytes, source);
  reader.seek(header.palette_offset);
  for (std::size_t i = 0; i < header.palette_entries; ++i) {
    palette[i].blue = reader.u8();
    palette[i].green = reader.u8();
    palette[i].red = reader.u8();
    if (header.palette_entry_size == 4) reader.skip(1);
  }
  return palette;
}

/// One colour of a pixel as a byte.
inline std::uint8_t bmp_field(std::uint32_t pixel, std::uint32_t mask) {
  if (mask == 0) return 0;
  const int shift = std::countr_zero(mask);
  const std::uint64_t value = (pixel & mask) >> shift, most = mask >> shift;
  return static_cast<std::uint8_t>(value * 255 / most);
}

inline void read_bmp_row(const BmpHeader& header, const Palette& palette, const std::byte* row, PixelKind kind,
                         std::uint8_t* out) {
  const auto byte = [](std::byte b) { return std::to_integer<std::uint8_t>(b); };
  const auto color = [&](std::uint32_t pixel) {
    return Rgb{bmp_field(pixel, header.masks[0]), bmp_field(pixel, header.masks[1]), bmp_field(pixel, header.masks[2])};
  };
  const bool is_usual = header.masks == std::array<std::uint32_t, 3>{0xFF0000, 0x00FF00, 0x0000FF};
  const index_t step = header.bits / 8;
  const auto store = [&](const auto& read) { store_pixels(header.width, kind, out, 1, read); };
  if (header.bits <= 8) return store([&](index_t x) { return palette[packed_sample(row, x, header.bits)]; });
  if (header.bits == 16) return store([&](index_t x) { return color(load_u16le(row + 2 * x)); });
  if (is_usual)
    return store([&](index_t x) {
      const std::byte* p = row + step * x;
      return Rgb{byte(p[2]), byte(p[1]), byte(p[0])};
    });
  if (header.bits == 32) return store([&](index_t x) { return color(load_u32le(row + 4 * x)); });
  return store([&](index_t x) {
    const std::byte* p = row + 3 * x;
    return color(byte(p[0]) | static_cast<std::uint32_t>(byte(p[1])) << 8 |
                 static_cast<std::uint32_t>(byte(p[2])) << 16);
  });
}

/// Pixels that run-length codes put into the picture, and beyond the end of a row.
struct BmpRunCount {
  index_t inside = 0, beyond = 0;
};

/// Expands run-length codes into one palette index per pixel, rows in file order; what the codes skip stays 0, and what
/// they put beyond the end of a row is dropped. Returns false if the codes stop before the last row without saying so.
inline bool expand_bmp_rle(const BmpHeader& header, ByteReader& reader, std::uint8_t* indices, BmpRunCount& count_of) {
  const bool is_rle4 = header.compression == BmpHeader::Compression::rle4;
  index_t x = 0, y = 0;
  const auto put = [&](unsigned value) {
    ++(x < header.width ? count_of.inside : count_of.beyond);
    if (x < header.width) indices[y * header.width + x] = static_cast<std::uint8_t>(value);
    ++x;
  };
  const auto nibble = [](unsigned byte, unsigned i) { return i % 2 == 0 ? byte >> 4 : byte & 15u; };
  while (y < header.height && reader.left() >= 2) {
    const unsigned count = reader.u8(), code = reader.u8();
    if (count > 0) {  // a run
      for (unsigned i = 0; i < count; ++i) put(is_rle4 ? nibble(code, i) : code);
    } else if (code == 0) {  // end of row
      x = 0;
      ++y;
    } else if (code == 1) {  // end of picture
      return true;
    } else if (code == 2) {  // move
      x = (std::min)(x + reader.u8(), header.width);
      y += reader.u8();
    } else {  // literals, padded to 16 bits
      const Bytes bytes = reader.take((is_rle4 ? (code + 1) / 2 : code) + 0ull);
      for (unsigned i = 0; i < code; ++i) {
        const auto byte = std::to_integer<unsigned>(bytes[is_rle4 ? i / 2 : i]);
        put(is_rle4 ? nibble(byte, i) : byte);
      }
      if (bytes.size() % 2 == 1 && reader.left() > 0) reader.skip(1);
    }
  }
  return y >= header.height || (y == header.height - 1 && x >= header.width);
}

/// The palette indices of a run-length encoded bitmap, one a byte, rows in file order.
inline AlignedBuffer<std::uint8_t> read_bmp_runs(const BmpHeader& header, ByteReader& reader, std::string* remark) {
  const index_t pixels = header.width * header.height;
  // Two bytes may end a row, or the picture, so a blank one needs hardly any. A large one must show more than that.
  constexpr index_t kAlwaysAllowed = index_t{1} << 24, kMostPerByte = 1024;
  if (pixels > kAlwaysAllowed)
    expect_pixel_bytes(static_cast<std::uint64_t>(pixels / kMostPerByte), reader.left(), reader.source());
  AlignedBuffer<std::uint8_t> indices(pixels);
  std::fill_n(indices.data(), indices.size(), std::uint8_t{0});
  BmpRunCount count;
  if (!expand_bmp_rle(header, reader, indices.data(), count))
    fail(ErrorCode::format,
         concat(reader.source(), ": truncated: the run-length codes end before the picture does", kCutAdvice));
  if (remark == nullptr) return indices;
  if (count.inside < pixels)
    *remark = concat("its run-length codes leave out ", counted(pixels - count.inside, "pixel"), " of ", pixels,
                     ", which have the first colour of the palette now");
  if (count.beyond > 0)
    *remark += concat(remark->empty() ? "its run-length codes" : ", and", " put ", counted(count.beyond, "pixel"),
                      " beyond the end of a row, which are left out");
  return indices;
}

}  // namespace detail

MOECLIP_FUNC Image decode_bmp(Bytes bytes, std::string_view source, PixelKind kind, std::string* remark) {
  BmpHeader header = read_bmp_header(bytes, source);
  const detail::Palette palette = detail::read_bmp_palette(header, bytes, source);
  ByteReader reader(bytes, source);
  reader.seek(header.pixel_offset);
  AlignedBuffer<std::uint8_t> indices;
  if (header.is_rle()) {
    indices = detail::read_bmp_runs(header, reader, remark);
    header.bits = 8;
  } else {
    const index_t last = (header.width * header.bits + 7) / 8;  // the padding of the last row may be missing
    detail::expect_pixel_bytes(static_cast<std::uint64_t>(header.row_bytes() * (header.height - 1) + last),
                               reader.left(), source);
  }
  Image image(header.width, header.height, channels_of(kind));
  const auto* rows = header.is_rle() ? reinterpret_cast<const std::byte*>(indices.data())
                                     : bytes.data() + static_cast<std::size_t>(header.pixel_offset);
  const index_t stride = header.is_rle() ? header.width : header.row_bytes();
  for (index_t y = 0; y < header.height; ++y)
    detail::read_bmp_row(header, palette, rows + y * stride, kind,
                         image.row(header.is_top_down ? y : header.height - 1 - y));
  return image;
}

}}  // namespace moeclip::abi_v0_1

#endif

// SPDX-License-Identifier: MIT
#pragma once
// Decodes GIF (GIF89a specification) with the values that Pillow's convert('RGB') and convert('L') give to the first
// frame: the screen is filled with the transparent colour or, without one, with the first; pixels are colours of the
// picture's own palette, or of the screen's, or grays; an index beyond the palette is the gray of its number.

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "../lzw.hpp"
#include "../pixel_store.hpp"
#include "header.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// Reads blocks up to the first picture.
class GifReader {
 public:
  GifReader(Bytes bytes, std::string_view source) : reader_(bytes, source) {}

  GifHeader read() {
    reader_.skip(6);  // signature
    header_.width = reader_.u16le();
    header_.height = reader_.u16le();
    const unsigned flags = reader_.u8();
    reader_.skip(2);  // background colour, aspect of pixels
    const Bytes screen_palette = read_palette(flags);
    while (true) {
      const unsigned kind = reader_.u8();
      if (kind == 0x2C) break;
      if (kind == 0x3B) reject("it holds no picture");
      if (kind == 0x21)
        read_extension();
      else if (kind != 0)  // some writers leave the end of a block behind another one
        reject(concat("no block begins at offset ", reader_.offset() - 1));
    }
    read_frame(screen_palette);
    return header_;
  }

 private:
  [[noreturn]] void reject(const std::string& what) const {
    fail(ErrorCode::format, concat(reader_.source(), ": damaged GIF: ", what, kCutAdvice));
  }

  Bytes read_palette(unsigned flags) {
    return (flags & 0x80u) != 0 ? reader_.take(std::uint64_t{3} << ((flags & 7u) + 1)) : Bytes();
  }

  void read_extension() {
    const unsigned label = reader_.u8();
    bool is_first = true;
    while (const unsigned size = reader_.u8()) {
      const Bytes block = reader_.take(size);
      constexpr unsigned kGraphicControl = 0xF9;
      const bool is_control = label == kGraphicControl && is_first && size >= 4;
      if (is_control && (std::to_integer<unsigned>(block[0]) & 1u) != 0)
        header_.transparent = std::to_integer<int>(block[3]);
      is_first = false;
    }
  }

  void read_frame(Bytes screen_palette) {
    header_.left = reader_.u16le();
    header_.top = reader_.u16le();
    header_.frame_width = reader_.u16le();
    header_.frame_height = reader_.u16le();
    const unsigned flags = reader_.u8();
    header_.is_interlaced = (flags & 0x40u) != 0;
    const Bytes own = read_palette(flags);
    header_.palette = own.empty() ? screen_palette : own;
    header_.code_bits = reader_.u8();
    header_.data_offset = reader_.offset();
    header_.width = (std::max)(header_.width, header_.left + header_.frame_width);
    header_.height = (std::max)(header_.height, header_.top + header_.frame_height);
    const auto size = [](index_t side) { return static_cast<std::uint64_t>(side); };
    expect_image_size(size(header_.frame_width), size(header_.frame_height), reader_.source());
    expect_image_size(size(header_.width), size(header_.height), reader_.source());
    if (header_.code_bits < 1 || header_.code_bits > 8)
      reject(concat("its pixels have ", header_.code_bits, " bits; 1 to 8 were wanted"));
  }

  ByteReader reader_;
  GifHeader header_;
};

/// The compressed data, whose blocks of at most 255 bytes end with an empty one, or with the file.
inline std::vector<std::byte> gather_gif_blocks(Bytes bytes, std::uint64_t offset, std::string_view source) {
  std::vector<std::byte> data;
  data.reserve(bytes.size() - static_cast<std::size_t>(offset));
  ByteReader reader(bytes, source);
  reader.seek(offset);
  while (reader.left() > 0) {
    const std::uint64_t size = reader.u8();
    if (size == 0) break;
    const Bytes block = reader.take((std::min)(size, reader.left()));
    data.insert(data.end(), block.begin(), block.end());
  }
  return data;
}

/// The palette indices of the picture, rows in the order of the file.
inline AlignedBuffer<std::uint8_t> expand_gif(const GifHeader& header, Bytes data, std::string_view source) {
  const auto pixels = static_cast<std::size_t>(header.frame_width * header.frame_height);
  // The longest string of a code is one byte longer than the one before: n codes make at most n^2 / 2, and no code more
  // than 4096. A screen larger than its picture costs nothing in the file, so it is measured likewise.
  constexpr std::size_t kAlwaysAllowed = std::size_t{1} << 24, kMostPerByte = 4096;
  const auto all = static_cast<std::size_t>(header.width * header.height);
  if (pixels / kMostPerByte > data.size() || (all > kAlwaysAllowed && all / kMostPerByte > data.size()))
    fail(ErrorCode::limit, concat(source, ": ", header.width, "x", header.height, " pixels cannot come out of ",
                                  counted(data.size(), "byte"), " of compressed data", kCutAdvice));
  AlignedBuffer<std::uint8_t> indices(static_cast<index_t>(pixels));
  const std::size_t filled = expand_lzw(data, header.code_bits, LzwKind::gif, {indices.data(), pixels}, source);
  expect_pixel_bytes(pixels, filled, source);
  return indices;
}

/// The rows of an interlaced picture come in passes of every eighth, eighth, fourth and second row.
inline std::vector<index_t> gif_row_order(const GifHeader& header) {
  std::vector<index_t> rows;
  struct Pass {
    index_t first, step;
  };
  constexpr std::array<Pass, 4> kPasses{{{0, 8}, {4, 8}, {2, 4}, {1, 2}}};
  if (!header.is_interlaced)
    for (index_t y = 0; y < header.frame_height; ++y) rows.push_back(y);
  else
    for (const auto& [first, step] : kPasses)
      for (index_t y = first; y < header.frame_height; y += step) rows.push_back(y);
  return rows;
}

inline Image paint_gif(const GifHeader& header, const std::uint8_t* indices, PixelKind kind) {
  std::array<Rgb, 256> palette;
  for (std::size_t i = 0; i < palette.size(); ++i) {
    const auto gray = static_cast<std::uint8_t>(i);
    palette[i] = {gray, gray, gray};
    if (3 * i >= header.palette.size()) continue;
    const std::byte* const color = header.palette.data() + 3 * i;
    palette[i] = {std::to_integer<std::uint8_t>(color[0]), std::to_integer<std::uint8_t>(color[1]),
                  std::to_integer<std::uint8_t>(color[2])};
  }
  Image image(header.width, header.height, channels_of(kind));
  const Rgb ground = palette[static_cast<std::size_t>((std::max)(header.transparent, 0))];
  for (index_t y = 0; y < header.height; ++y)
    store_pixels(header.width, kind, image.row(y), 1, [&](index_t) { return ground; });
  for (const index_t y : gif_row_order(header)) {
    std::uint8_t* const out = image.row(header.top + y) + header.left * image.channels();
    store_pixels(header.frame_width, kind, out, 1, [&](index_t x) { return palette[indices[x]]; });
    indices += header.frame_width;
  }
  return image;
}

}}}  // namespace moeclip::abi_v0_1::detail

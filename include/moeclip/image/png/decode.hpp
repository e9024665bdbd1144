// SPDX-License-Identifier: MIT
#pragma once
// Decodes PNG to 8-bit RGB or gray (W3C PNG specification, sections 7 to 10), with the values that Pillow's
// convert('RGB') and convert('L') give: gamma and colour profiles are ignored, alpha and tRNS dropped, 16-bit samples
// keep their high byte. Only 16-bit gray differs from Pillow's, which clips it at 255; DeepGray::clipped does that too.
// An index beyond the palette is the gray of its number. Of an animation the default image is read.

#include <array>
#include <cstdlib>
#include <vector>

#include "../../io/deflate.hpp"
#include "chunks.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// A sub-image: pixels x0, x0 + dx ... of rows y0, y0 + dy ... of the picture.
struct PngPass {
  index_t x0 = 0, y0 = 0, dx = 1, dy = 1;

  [[nodiscard]] index_t width(const PngHeader& header) const { return (header.width - x0 + dx - 1) / dx; }
  [[nodiscard]] index_t height(const PngHeader& header) const { return (header.height - y0 + dy - 1) / dy; }
};

inline constexpr std::array<PngPass, 1> kPngWhole{};
inline constexpr std::array<PngPass, 7> kPngAdam7{
    {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}};

inline std::span<const PngPass> png_passes(const PngHeader& header) {
  return header.is_interlaced ? std::span<const PngPass>(kPngAdam7) : std::span<const PngPass>(kPngWhole);
}

/// Bytes of one row of `width` pixels, without its filter byte.
inline index_t png_row_bytes(const PngHeader& header, index_t width) {
  return (width * header.bits_per_pixel() + 7) / 8;
}

/// Bytes of all rows of all passes, filter bytes included: what the compressed data must inflate to.
inline std::uint64_t png_raw_size(const PngHeader& header) {
  std::uint64_t size = 0;
  for (const auto& pass : png_passes(header))
    if (const index_t width = pass.width(header); width > 0)
      size += static_cast<std::uint64_t>(pass.height(header) * (1 + png_row_bytes(header, width)));
  return size;
}

/// The Paeth predictor: whichever of left, above and upper left is nearest to left + above - upper left.
inline unsigned paeth(unsigned left, unsigned above, unsigned corner) {
  const int to_left = std::abs(static_cast<int>(above) - static_cast<int>(corner));
  const int to_above = std::abs(static_cast<int>(left) - static_cast<int>(corner));
  const int to_corner = std::abs(static_cast<int>(left + above) - 2 * static_cast<int>(corner));
  if (to_left <= to_above && to_left <= to_corner) return left;
  return to_above <= to_corner ? above : corner;
}

/// Undoes the filter of one row in place. `above` is the row before it (zeros for the first), `step` the bytes of a
/// pixel, at least 1. False if there is no such filter.
inline bool unfilter_png_row(unsigned filter, std::byte* row, const std::byte* above, index_t size, index_t step) {
  const auto value = [](std::byte b) { return std::to_integer<unsigned>(b); };
  const auto add = [&](index_t i, unsigned prediction) { row[i] = static_cast<std::byte>(value(row[i]) + prediction); };
  const index_t first = (std::min)(step, size);
  switch (filter) {
    case 0: return true;
    case 1:
      for (index_t i = step; i < size; ++i) add(i, value(row[i - step]));
      return true;
    case 2:
      for (index_t i = 0; i < size; ++i) add(i, value(above[i]));
      return true;
    case 3:
      for (index_t i = 0; i < first; ++i) add(i, value(above[i]) / 2);
      for (index_t i = step; i < size; ++i) add(i, (value(row[i - step]) + value(above[i])) / 2);
      return true;
    case 4:
      for (index_t i = 0; i < first; ++i) add(i, value(above[i]));
      for (index_t i = step; i < size; ++i)
        add(i, paeth(value(row[i - step]), value(above[i]), value(above[i - step])));
      return true;
    default: return false;
  }
}

/// Turns unfiltered rows into pixels.
class PngRowReader {
 public:
  PngRowReader(const PngFile& png, PixelKind kind, DeepGray deep_gray)
      : header_(png.header), kind_(kind), deep_gray_(deep_gray) {
    for (std::size_t i = 0; i < colors_.size(); ++i) {
      const auto gray = static_cast<std::uint8_t>(i);
      colors_[i] = {gray, gray, gray};
    }
    if (header_.color == PngColor::gray && header_.depth < 8) {
      const int most = (1 << header_.depth) - 1;
      for (int i = 0; i <= most; ++i) {
        const auto gray = static_cast<std::uint8_t>(i * 255 / most);
        colors_[static_cast<std::size_t>(i)] = {gray, gray, gray};
      }
    }
    if (header_.color == PngColor::palette)
      for (std::size_t i = 0; i + 2 < png.palette.size(); i += 3)
        colors_[i / 3] = {byte(png.palette[i]), byte(png.palette[i + 1]), byte(png.palette[i + 2])};
  }

  /// Writes a row of `width` pixels to every `step`-th pixel from `out` on.
  void read(const std::byte* row, index_t width, std::uint8_t* out, index_t step) const {
    const index_t sample = header_.depth / 8, pixel = sample * header_.samples();
    const auto store = [&](const auto& read) { store_pixels(width, kind_, out, step, read); };
    switch (header_.color) {
      case PngColor::gray:
        if (header_.depth == 16 && deep_gray_ == DeepGray::clipped)
          return store([&](index_t x) { return gray(row[2 * x] == std::byte{0} ? row[2 * x + 1] : std::byte{255}); });
        if (header_.depth == 16) return store([&](index_t x) { return gray(row[2 * x]); });
        [[fallthrough]];
      case PngColor::palette:
        if (header_.depth == 8) return store([&](index_t x) { return colors_[byte(row[x])]; });
        return store([&](index_t x) { return colors_[packed_sample(row, x, header_.depth)]; });
      case PngColor::gray_alpha: return store([&](index_t x) { return gray(row[pixel * x]); });
      case PngColor::rgb:
      case PngColor::rgb_alpha:
        return store([&](index_t x) {
          const std::byte* p = row + pixel * x;
          return Rgb{byte(p[0]), byte(p[sample]), byte(p[2 * sample])};
        });
    }
  }

 private:
  static std::uint8_t byte(std::byte b) { return std::to_integer<std::uint8_t>(b); }
  static Rgb gray(std::byte b) { return {byte(b), byte(b), byte(b)}; }

  PngHeader header_;
  PixelKind kind_;
  DeepGray deep_gray_;
  std::array<Rgb, 256> colors_;
};

/// The data of all IDAT chunks in one piece: in the file itself if there is only one, otherwise gathered in `store`.
inline Bytes png_data(const PngFile& png, Bytes bytes, std::string_view source, std::vector<std::byte>& store) {
  if (png.first_data.size() == png.data_size) return png.first_data;
  store.reserve(static_cast<std::size_t>(png.data_size));
  ByteReader reader(bytes, source);
  reader.seek(png.first_offset);
  while (store.size() < png.data_size) {  // read_png_chunks has walked this way before
    const std::uint32_t length = reader.u32be();
    reader.skip(4);
    const Bytes part = reader.take(length);
    store.insert(store.end(), part.begin(), part.end());
    reader.skip(4);
  }
  return store;
}

}  // namespace detail

}}  // namespace moeclip::abi_v0_1

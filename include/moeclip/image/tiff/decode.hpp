// SPDX-License-Identifier: MIT
#pragma once
// Turns the strips or tiles of a TIFF page into 8-bit RGB or gray with the values that Pillow's convert('RGB') and
// convert('L') give: 16-bit colours keep their high byte, alpha is dropped (and divided out where colours have it in
// them), palettes keep the high byte of their entries. 16-bit gray is as DeepGray says.

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "../../io/deflate.hpp"
#include "../lzw.hpp"
#include "../pixel_store.hpp"
#include "header.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// PackBits (TIFF 6.0, section 9): runs and literals of up to 128 bytes. Returns how many bytes there were for `out`.
MOECLIP_COLD inline std::size_t expand_packbits(Bytes in, std::span<std::uint8_t> out) {
  std::size_t filled = 0, at = 0;
  while (at < in.size() && filled < out.size()) {
    const auto head = std::to_integer<unsigned>(in[at++]);
    if (head == 128) continue;
    const std::size_t wanted = head < 128 ? head + 1 : 257 - head;
    const std::size_t count = (std::min)(wanted, out.size() - filled);
    if (at == in.size() || (head < 128 && count > in.size() - at)) break;
    if (head < 128)
      std::memcpy(out.data() + filled, in.data() + at, count);
    else
      std::memset(out.data() + filled, std::to_integer<int>(in[at]), count);
    at += head < 128 ? count : 1;
    filled += count;
  }
  return filled;
}

/// Decodes all segments of a page.
class TiffDecoder {
 public:
  TiffDecoder(const TiffHeader& header, Bytes bytes, std::string_view source, DeepGray deep_gray)
      : header_(header), bytes_(bytes), source_(source), deep_gray_(deep_gray) {
    stored_ = header.is_planar ? 1 : header.samples;
    colors_ = header.color == TiffColor::rgb ? 3 : header.color == TiffColor::cmyk ? 4 : 1;
    used_ = colors_ + (header.is_premultiplied ? 1 : 0);
  }

  MOECLIP_COLD Image decode(PixelKind kind) {
    expect_held();
    Image image;                           // whose memory is taken when the first segment is there
    AlignedBuffer<std::uint8_t> together;  // the samples of planes, which come one after the other
    std::vector<std::uint8_t> row(static_cast<std::size_t>(header_.segment_width * used_));
    const int planes = header_.is_planar ? header_.samples : 1;
    std::size_t segment = 0;
    for (int plane = 0; plane < planes; ++plane)
      for (index_t top = 0; top < header_.height; top += header_.segment_height)
        for (index_t left = 0; left < header_.width; left += header_.segment_width, ++segment) {
          if (plane >= used_) continue;
          const index_t width = (std::min)(header_.segment_width, header_.width - left);
          const index_t height = (std::min)(header_.segment_height, header_.height - top);
          const std::byte* bytes = unpack(segment, header_.is_tiled ? header_.segment_height : height);
          if (image.empty()) {
            image = Image(header_.width, header_.height, channels_of(kind));
            if (header_.is_planar) together = AlignedBuffer<std::uint8_t>(header_.width * header_.height * used_);
          }
          for (index_t y = top; y < top + height; ++y, bytes += row_bytes()) {
            if (header_.is_planar) {
              read_samples(bytes, width, together.data() + (y * header_.width + left) * used_ + plane, 1);
              continue;
            }
            read_samples(bytes, width, row.data(), used_);
            paint(row.data(), width, kind, image.row(y) + left * image.channels());
          }
        }
    for (index_t y = 0; header_.is_planar && y < header_.height; ++y)
      paint(together.data() + y * header_.width * used_, header_.width, kind, image.row(y));
    return image;
  }

 private:
  /// Bytes of a row of a segment.
  [[nodiscard]] index_t row_bytes() const { return (header_.segment_width * stored_ * header_.depth + 7) / 8; }

  /// Refuses sizes that the file cannot hold, before memory is taken for the picture.
  void expect_held() const {
    std::uint64_t most = 1;  // bytes that one of the file can become
    if (header_.compression == TiffCompression::packbits) most = 64;
    if (header_.compression == TiffCompression::lzw) most = 4096;
    if (header_.compression == TiffCompression::deflate || header_.compression == TiffCompression::old_deflate)
      most = 1032;
    const std::uint64_t bits = static_cast<std::uint64_t>(header_.width * header_.height) *
                               static_cast<std::uint64_t>(header_.samples * header_.depth);
    if (bits / 8 / most > bytes_.size())
      fail(ErrorCode::limit,
           concat(source_, ": ", header_.width, "x", header_.height, " pixels cannot come out of a file of ",
                  counted(bytes_.size(), "byte"), kCutAdvice));
  }

  /// The bytes of a segment of `rows` rows: in the file, or in unpacked_.
  const std::byte* unpack(std::size_t segment, index_t rows) {
    Bytes in = bytes_.subspan(static_cast<std::size_t>(header_.offsets[segment]),
                              static_cast<std::size_t>(header_.sizes[segment]));
    if (header_.is_reversed) in = reverse_bits(in);
    const auto size = static_cast<std::size_t>(row_bytes() * rows);
    std::size_t filled = in.size();
    switch (header_.compression) {
      case TiffCompression::none: expect_pixel_bytes(size, filled, source_); return in.data();
      case TiffCompression::packbits: filled = expand_packbits(in, room(size)); break;
      case TiffCompression::lzw:
        if (in.size() >= 2 && in[0] == std::byte{0} && (in[1] & std::byte{1}) != std::byte{0})
          fail(ErrorCode::unsupported, concat(source_,
                                              ": a TIFF file with LZW compression of the time before 1992, "
                                              "which is not supported; save it anew"));
        filled = expand_lzw(in, 8, LzwKind::tiff, room(size), source_);
        break;
      case TiffCompression::deflate:
      case TiffCompression::old_deflate:
        constexpr std::size_t kSlack = 65536;  // what stands behind the pixels means nothing
        unpacked_ = {};
        unpacked_ = inflate_zlib(in, size + kSlack, source_);
        filled = unpacked_.size();
    }
    expect_pixel_bytes(size, filled, source_);
    if (header_.is_differenced)
      for (index_t y = 0; y < rows; ++y) add_differences(unpacked_.data() + y * row_bytes());
    return unpacked_.data();
  }

  std::span<std::uint8_t> room(std::size_t size) {
    unpacked_.resize(size);
    return {reinterpret_cast<std::uint8_t*>(unpacked_.data()), size};
  }

  Bytes reverse_bits(Bytes in) {
    reversed_.assign(in.begin(), in.end());
    for (std::byte& byte : reversed_) {
      auto bits = std::to_integer<unsigned>(byte), turned = 0u;
      for (int i = 0; i < 8; ++i, bits >>= 1) turned = turned << 1 | (bits & 1u);
      byte = static_cast<std::byte>(turned);
    }
    return reversed_;
  }

  /// Undoes horizontal differencing (TIFF 6.0, section 14) in one row.
  void add_differences(std::byte* row) const {
    const index_t step = stored_, count = header_.segment_width * stored_;
    if (header_.depth == 8) {
      for (index_t i = step; i < count; ++i)
        row[i] = static_cast<std::byte>(std::to_integer<unsigned>(row[i]) + std::to_integer<unsigned>(row[i - step]));
      return;
    }
    const std::size_t low = header_.is_little ? 0 : 1, high = 1 - low;
    for (index_t i = step; i < count; ++i) {
      std::byte* const p = row + 2 * i;
      const unsigned sum = deep(p) + deep(p - 2 * step);
      p[low] = static_cast<std::byte>(sum & 0xFFu);
      p[high] = static_cast<std::byte>(sum >> 8 & 0xFFu);
    }
  }

  [[nodiscard]] unsigned deep(const std::byte* p) const { return header_.is_little ? load_u16le(p) : load_u16be(p); }

  /// The first `used` samples of each pixel as bytes, pixels `used_` apart.
  void read_samples(const std::byte* row, index_t width, std::uint8_t* out, int used) const {
    const bool is_clipped = header_.depth == 16 && colors_ == 1 && deep_gray_ == DeepGray::clipped;
    for (index_t x = 0; x < width; ++x, out += used_)
      for (int s = 0; s < used; ++s) {
        const index_t i = x * stored_ + s;
        if (header_.depth == 16) {
          const unsigned value = deep(row + 2 * i);
          out[s] = static_cast<std::uint8_t>(is_clipped ? (std::min)(value, 255u) : value >> 8);
        } else {
          out[s] = packed_sample(row, i, header_.depth);
        }
      }
  }

  /// Writes `width` pixels from their samples.
  void paint(const std::uint8_t* samples, index_t width, PixelKind kind, std::uint8_t* out) const {
    const auto store = [&](const auto& read) { store_pixels(width, kind, out, 1, read); };
    if (header_.color == TiffColor::rgb)
      return store([&](index_t x) {
        const std::uint8_t* const p = samples + x * used_;
        return header_.is_premultiplied ? without_alpha(p) : Rgb{p[0], p[1], p[2]};
      });
    if (header_.color == TiffColor::cmyk)
      return store([&](index_t x) {
        const std::uint8_t* const p = samples + x * used_;
        return Rgb{light(p[0], p[3]), light(p[1], p[3]), light(p[2], p[3])};
      });
    std::array<Rgb, 256> colors;
    fill_colors(colors);
    store([&](index_t x) { return colors[samples[x]]; });
  }

  /// What each value of a gray or palette sample looks like.
  void fill_colors(std::array<Rgb, 256>& colors) const {
    const std::size_t count = header_.depth >= 8 ? 256 : std::size_t{1} << header_.depth;
    // Pillow, which holds 16-bit gray as integers, forgets that white is zero there.
    const bool is_inverted =
        header_.color == TiffColor::white_is_zero && !(header_.depth == 16 && deep_gray_ == DeepGray::clipped);
    for (std::size_t i = 0; i < count; ++i) {
      if (header_.color == TiffColor::palette) {
        const auto entry = [&](std::size_t c) {
          return static_cast<std::uint8_t>(header_.palette[c * count + i] >> 8);
        };
        colors[i] = {entry(0), entry(1), entry(2)};
      } else {
        const auto level = static_cast<std::uint8_t>(i * 255 / (count - 1));
        const auto gray = static_cast<std::uint8_t>(is_inverted ? 255 - level : level);
        colors[i] = {gray, gray, gray};
      }
    }
  }

  static Rgb without_alpha(const std::uint8_t* p) {
    const unsigned alpha = p[3];
    if (alpha == 0) return {0, 0, 0};
    const auto divide = [&](unsigned value) {
      return static_cast<std::uint8_t>((std::min)(255u, 255 * value / alpha));
    };
    return {divide(p[0]), divide(p[1]), divide(p[2])};
  }

  /// Pillow's CMYK: white less black, less the ink's share of that.
  static std::uint8_t light(int ink, int black) {
    const int white = 255 - black, product = ink * white + 128;
    return static_cast<std::uint8_t>((std::max)(0, white - (((product >> 8) + product) >> 8)));
  }

  const TiffHeader& header_;
  Bytes bytes_;
  std::string_view source_;
  DeepGray deep_gray_;
  int stored_ = 1;  // samples of a pixel in a segment
  int colors_ = 1;  // samples that make its colour
  int used_ = 1;    // and alpha, where it has to be divided out
  std::vector<std::byte> unpacked_, reversed_;
};

}}}  // namespace moeclip::abi_v0_1::detail

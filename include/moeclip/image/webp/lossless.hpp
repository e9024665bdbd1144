// SPDX-License-Identifier: MIT
#pragma once
// Decodes the bitstream of lossless WebP (RFC 9649, section 3): pixels are literals, copies of earlier ones (LZ77) or
// numbers in a cache of recent colours, in prefix codes that may differ from square to square; transforms are undone
// at the end.

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "header.hpp"
#include "prefix_code.hpp"
#include "transforms.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// Where the pixels lie that the shortest distances of LZ77 mean: columns to the left, rows up.
struct Vp8lNeighbour {
  std::int8_t left, up;
};
inline constexpr std::array<Vp8lNeighbour, 120> kVp8lNeighbours{
    {{0, 1},  {1, 0},  {1, 1},  {-1, 1}, {0, 2},  {2, 0},  {1, 2},  {-1, 2}, {2, 1},  {-2, 1}, {2, 2}, {-2, 2},
     {0, 3},  {3, 0},  {1, 3},  {-1, 3}, {3, 1},  {-3, 1}, {2, 3},  {-2, 3}, {3, 2},  {-3, 2}, {0, 4}, {4, 0},
     {1, 4},  {-1, 4}, {4, 1},  {-4, 1}, {3, 3},  {-3, 3}, {2, 4},  {-2, 4}, {4, 2},  {-4, 2}, {0, 5}, {3, 4},
     {-3, 4}, {4, 3},  {-4, 3}, {5, 0},  {1, 5},  {-1, 5}, {5, 1},  {-5, 1}, {2, 5},  {-2, 5}, {5, 2}, {-5, 2},
     {4, 4},  {-4, 4}, {3, 5},  {-3, 5}, {5, 3},  {-5, 3}, {0, 6},  {6, 0},  {1, 6},  {-1, 6}, {6, 1}, {-6, 1},
     {2, 6},  {-2, 6}, {6, 2},  {-6, 2}, {4, 5},  {-4, 5}, {5, 4},  {-5, 4}, {3, 6},  {-3, 6}, {6, 3}, {-6, 3},
     {0, 7},  {7, 0},  {1, 7},  {-1, 7}, {5, 5},  {-5, 5}, {7, 1},  {-7, 1}, {4, 6},  {-4, 6}, {6, 4}, {-6, 4},
     {2, 7},  {-2, 7}, {7, 2},  {-7, 2}, {3, 7},  {-3, 7}, {7, 3},  {-7, 3}, {5, 6},  {-5, 6}, {6, 5}, {-6, 5},
     {8, 0},  {4, 7},  {-4, 7}, {7, 4},  {-7, 4}, {8, 1},  {8, 2},  {6, 6},  {-6, 6}, {8, 3},  {5, 7}, {-5, 7},
     {7, 5},  {-7, 5}, {8, 4},  {6, 7},  {-6, 7}, {7, 6},  {-7, 6}, {8, 5},  {7, 7},  {-7, 7}, {8, 6}, {8, 7}}};

class Vp8lDecoder {
 public:
  Vp8lDecoder(const WebpHeader& header, std::string_view source)
      : header_(header), source_(source), bits_(header.data) {
    bits_.read(8);  // what read_webp_header has read
    bits_.read(32);
  }

  /// Alpha, red, green, blue from the highest byte on, row by row.
  MOECLIP_COLD AlignedBuffer<std::uint32_t> decode() {
    const index_t height = header_.frame_height;
    index_t width = header_.frame_width;
    std::vector<Vp8lTransform> transforms;
    while (bits_.flag()) read_transform(transforms, width);
    AlignedBuffer<std::uint32_t> pixels = read_pixels(width, height, true);
    for (; !transforms.empty(); transforms.pop_back()) {
      const Vp8lTransform& transform = transforms.back();
      switch (transform.kind) {
        case Vp8lTransform::Kind::predictor: undo_predictor(transform, height, pixels.data()); break;
        case Vp8lTransform::Kind::color: undo_color(transform, height, pixels.data()); break;
        case Vp8lTransform::Kind::subtract_green: undo_subtract_green(pixels.size(), pixels.data()); break;
        case Vp8lTransform::Kind::palette: pixels = undo_palette(transform, height, pixels.data()); break;
      }
    }
    return pixels;
  }

 private:
  // Alphabets: green with lengths and cache, red, blue, alpha, distances.
  static constexpr int kLengths = 24, kDistances = 40;
  static constexpr std::size_t kCodes = 5;
  using Group = std::array<Vp8lCode, kCodes>;

  [[noreturn]] void reject(const char* what) const {
    fail(ErrorCode::format, concat(source_, ": damaged WebP: ", bits_.is_overrun() ? "its data end early" : what,
                                   "; the picture is not complete", kCutAdvice));
  }

  void read_transform(std::vector<Vp8lTransform>& transforms, index_t& width) {
    Vp8lTransform transform;
    transform.kind = static_cast<Vp8lTransform::Kind>(bits_.read(2));
    transform.width = width;
    for (const Vp8lTransform& known : transforms)
      if (known.kind == transform.kind) reject("a transform comes twice");
    if (transform.kind == Vp8lTransform::Kind::palette) {
      const auto colors = static_cast<index_t>(bits_.read(8)) + 1;
      transform.bits = colors > 16 ? 0 : colors > 4 ? 1 : colors > 2 ? 2 : 3;
      transform.data = read_pixels(colors, 1, false);
      std::uint32_t* const palette = transform.data.data();  // stored as differences
      for (index_t i = 1; i < colors; ++i) palette[i] = add_pixels(palette[i], palette[i - 1]);
      width = vp8l_blocks(width, transform.bits);
    } else if (transform.kind != Vp8lTransform::Kind::subtract_green) {
      transform.bits = static_cast<int>(bits_.read(3)) + 2;
      transform.data =
          read_pixels(vp8l_blocks(width, transform.bits), vp8l_blocks(header_.frame_height, transform.bits), false);
    }
    transforms.push_back(std::move(transform));
  }

  /// The lengths of a code's codes are themselves coded, or there are one or two symbols.
  void read_code(Vp8lCode& code, int symbols, bool has_table) {
    std::vector<std::uint8_t> lengths(static_cast<std::size_t>(symbols));
    if (bits_.flag()) {
      const bool has_two = bits_.flag();
      const std::size_t first = bits_.read(bits_.flag() ? 8 : 1);
      const std::size_t second = has_two ? bits_.read(8) : first;
      if ((std::max)(first, second) >= lengths.size()) reject("a prefix code names a symbol that does not exist");
      lengths[first] = lengths[second] = 1;
    } else {
      read_lengths(lengths);
    }
    if (!code.build(lengths, has_table) || bits_.is_overrun()) reject("a prefix code is not possible");
  }

  void read_lengths(std::vector<std::uint8_t>& lengths) {
    constexpr std::array<std::uint8_t, 19> kOrder{17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    std::array<std::uint8_t, 19> of_lengths{};
    const std::size_t given = bits_.read(4) + 4;
    for (std::size_t i = 0; i < given; ++i) of_lengths[kOrder[i]] = static_cast<std::uint8_t>(bits_.read(3));
    Vp8lCode code;
    if (!code.build(of_lengths, false)) reject("the lengths of a prefix code have no possible code");
    std::size_t left = lengths.size();  // of the lengths that are given; the others are 0
    if (bits_.flag()) {
      const int width = 2 + 2 * static_cast<int>(bits_.read(3));
      left = 2 + bits_.read(width);
      if (left > lengths.size()) reject("a prefix code has more symbols than there are");
    }
    std::uint8_t before = 8;
    for (std::size_t at = 0; at < lengths.size() && left > 0; --left) {
      const int symbol = code.read(bits_);
      if (symbol < 16) {
        lengths[at++] = static_cast<std::uint8_t>(symbol);
        if (symbol != 0) before = static_cast<std::uint8_t>(symbol);
        continue;
      }
      const std::size_t count = symbol == 16   ? 3 + bits_.read(2)
                                : symbol == 17 ? 3 + bits_.read(3)
                                               : 11 + bits_.read(7);
      if (count > lengths.size() - at) reject("the lengths of a prefix code are more than its symbols");
      for (std::size_t i = 0; i < count; ++i) lengths[at++] = symbol == 16 ? before : std::uint8_t{0};
    }
  }

  /// How far, or how long: small numbers as they are, larger ones with bits behind them.
  index_t read_amount(int symbol) {
    if (symbol < 4) return symbol + 1;
    const int extra = (symbol - 2) >> 1;
    return ((index_t{2} + (symbol & 1)) << extra) + bits_.read(extra) + 1;
  }

  index_t distance_of(index_t amount, index_t width) const {
    constexpr index_t kNear = std::ssize(kVp8lNeighbours);
    if (amount > kNear) return amount - kNear;
    const Vp8lNeighbour place = kVp8lNeighbours[static_cast<std::size_t>(amount - 1)];
    return (std::max<index_t>)(1, place.up * width + place.left);
  }

  /// The codes of a picture, and which of them serve which square of it.
  struct Codes {
    int cache_bits = 0;  // 0: no cache
    int square_bits = 0;
    index_t squares = 0;                   // in a row
    AlignedBuffer<std::uint32_t> numbers;  // of groups; empty: there is only one
    std::vector<Group> groups;

    [[nodiscard]] const Group& at(index_t x, index_t y) const {
      if (numbers.size() == 0) return groups[0];
      return groups[numbers.data()[(y >> square_bits) * squares + (x >> square_bits)] >> 8 & 0xFFFFu];
    }
  };

  Codes read_codes(index_t width, index_t height, bool is_main) {
    Codes codes;
    if (bits_.flag()) {
      codes.cache_bits = static_cast<int>(bits_.read(4));
      if (codes.cache_bits < 1 || codes.cache_bits > 11) reject("its cache of colours has an impossible size");
    }
    std::size_t groups = 1;
    if (is_main && bits_.flag()) {
      codes.square_bits = static_cast<int>(bits_.read(3)) + 2;
      codes.squares = vp8l_blocks(width, codes.square_bits);
      codes.numbers = read_pixels(codes.squares, vp8l_blocks(height, codes.square_bits), false);
      for (index_t i = 0; i < codes.numbers.size(); ++i)
        groups = (std::max)(groups, std::size_t{codes.numbers.data()[i] >> 8 & 0xFFFFu} + 1);
    }
    constexpr std::size_t kMostTables = 1024;  // groups whose tables fit a few megabytes
    const int cached = codes.cache_bits == 0 ? 0 : 1 << codes.cache_bits;
    for (std::size_t i = 0; i < groups; ++i) {
      Group& group = codes.groups.emplace_back();
      const std::array<int, kCodes> symbols{256 + kLengths + cached, 256, 256, 256, kDistances};
      for (std::size_t c = 0; c < kCodes; ++c) read_code(group[c], symbols[c], groups <= kMostTables);
    }
    return codes;
  }

  AlignedBuffer<std::uint32_t> read_pixels(index_t width, index_t height, bool is_main) {
    const Codes codes = read_codes(width, height, is_main);
    const index_t count = width * height;
    AlignedBuffer<std::uint32_t> pixels(count);
    std::uint32_t* const out = pixels.data();
    std::vector<std::uint32_t> cache(std::size_t{1} << codes.cache_bits);
    const auto remember = [&](std::uint32_t pixel) {
      if (codes.cache_bits > 0) cache[pixel * 0x1E35A7BDu >> (32 - codes.cache_bits)] = pixel;
    };
    for (index_t at = 0; at < count;) {
      const Group& group = codes.at(at % width, at / width);
      const int green = group[0].read(bits_);
      if (green < 256) {
        const auto red = static_cast<std::uint32_t>(group[1].read(bits_));
        const auto blue = static_cast<std::uint32_t>(group[2].read(bits_));
        const auto alpha = static_cast<std::uint32_t>(group[3].read(bits_));
        remember(out[at++] = alpha << 24 | red << 16 | static_cast<std::uint32_t>(green) << 8 | blue);
      } else if (green < 256 + kLengths) {
        const index_t length = read_amount(green - 256);
        const index_t distance = distance_of(read_amount(group[4].read(bits_)), width);
        if (distance > at || length > count - at) reject("it copies pixels from outside the picture");
        for (const index_t end = at + length; at < end; ++at) remember(out[at] = out[at - distance]);
      } else {
        remember(out[at++] = cache[static_cast<std::size_t>(green - 256 - kLengths)]);
      }
      if (bits_.is_overrun()) reject("its data end early");
    }
    return pixels;
  }

  const WebpHeader& header_;
  std::string_view source_;
  Vp8lBits bits_;
};

}}}  // namespace moeclip::abi_v0_1::detail

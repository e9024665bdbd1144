// SPDX-License-Identifier: MIT
#pragma once
// Writes JPEG from 8-bit gray or RGB: baseline, colours at full resolution, Huffman codes made for the picture (ITU
// T.81). It is for pictures that people look at: photographs take a tenth of what PNG needs. Masks and maps that are
// read again are written as PNG.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <numbers>
#include <vector>

#include "../../io/huffman_encoder.hpp"
#include "../image.hpp"
#include "frame.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// T.81 tables K.1 (brightness) and K.2 (colour), row by row: steps that just cannot be seen.
inline constexpr std::array<std::array<std::uint8_t, 64>, 2> kJpegSteps{
    {{16, 11,  10,  16, 24, 40, 51, 61, 12,  12,  14,  19,  26, 58, 60, 55,  14,  13,  16,  24, 40, 57,
      69, 56,  14,  17, 22, 29, 51, 87, 80,  62,  18,  22,  37, 56, 68, 109, 103, 77,  24,  35, 55, 64,
      81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98,  112, 100, 103, 99},
     {17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99,
      99, 99, 47, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
      99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99}}};

/// Huffman code of one table (T.81 annex C), made for the symbols that occur.
class JpegCode {
 public:
  void count(unsigned symbol) { frequencies_[symbol] += frequencies_[symbol] == 0 ? 2u : 1u; }

  /// A further symbol, rarer than all others, takes the code of ones alone, which T.81 forbids.
  void build() {
    frequencies_[kReserved] = 1;
    limited_lengths(frequencies_, 15, lengths_);
    std::uint32_t code = 0;
    for (unsigned length = 1; length <= 15; ++length, code <<= 1)
      for (std::size_t symbol = 0; symbol <= kReserved; ++symbol)
        if (lengths_[symbol] == length) codes_[symbol] = static_cast<std::uint16_t>(code++);
  }

  /// Counts per length, then the symbols by length, as a file lists them.
  [[nodiscard]] std::vector<std::byte> listing() const {
    std::vector<std::byte> list(16);
    for (unsigned length = 1; length <= 15; ++length)
      for (std::size_t symbol = 0; symbol < kReserved; ++symbol) {
        if (lengths_[symbol] != length) continue;
        list[length - 1] = static_cast<std::byte>(std::to_integer<unsigned>(list[length - 1]) + 1);
        list.push_back(static_cast<std::byte>(symbol));
      }
    return list;
  }

  [[nodiscard]] unsigned length(unsigned symbol) const { return lengths_[symbol]; }
  [[nodiscard]] std::uint32_t code(unsigned symbol) const { return codes_[symbol]; }

 private:
  static constexpr std::size_t kReserved = 256;
  std::array<std::uint32_t, kReserved + 1> frequencies_{};
  std::array<std::uint8_t, kReserved + 1> lengths_{};
  std::array<std::uint16_t, kReserved + 1> codes_{};
};

class JpegEncoder {
 public:
  JpegEncoder(ImageView image, int quality) : image_(image), components_(static_cast<std::size_t>(image.channels)) {
    const int scale = quality < 50 ? 5000 / quality : 200 - 2 * quality;  // percent, as everyone's encoder has it
    for (std::size_t kind = 0; kind < 2; ++kind)
      for (std::size_t i = 0; i < 64; ++i)
        steps_[kind][i] = static_cast<std::uint8_t>(std::clamp((kJpegSteps[kind][i] * scale + 50) / 100, 1, 255));
    for (std::size_t u = 0; u < 8; ++u)
      for (std::size_t x = 0; x < 8; ++x)
        cosines_[x][u] = static_cast<float>((u == 0 ? std::numbers::sqrt2 / 4 : 0.5) *
                                            std::cos(static_cast<double>((2 * x + 1) * u) * std::numbers::pi / 16));
  }

  std::vector<std::byte> encode() {
    transform();
    for_each_symbol([&](std::size_t table, unsigned symbol, std::uint32_t, unsigned) { codes_[table].count(symbol); });
    for (std::size_t table = 0; table < 2 * kinds(); ++table) codes_[table].build();
    write_headers();
    for_each_symbol([&](std::size_t table, unsigned symbol, std::uint32_t extra, unsigned extra_bits) {
      put(codes_[table].code(symbol), codes_[table].length(symbol));
      put(extra, extra_bits);
    });
    put(0x7F, 7);  // ones up to the end of the byte
    marker(0xD9, {});
    return std::move(out_);
  }

 private:
  using Block = std::array<std::int16_t, 64>;  // quantised, in zigzag order

  [[nodiscard]] std::size_t kinds() const { return components_ == 1 ? 1 : 2; }
  static std::size_t kind_of(std::size_t component) { return component == 0 ? 0 : 1; }

  /// Samples of an 8x8 block, 128 below what they are; the last row and column are repeated beyond the edge.
  void load(index_t left, index_t top, std::array<std::array<float, 64>, 3>& planes) const {
    for (index_t i = 0; i < 64; ++i) {
      const index_t x = (std::min)(left + i % 8, image_.width - 1), y = (std::min)(top + i / 8, image_.height - 1);
      const std::uint8_t* pixel = image_.row(y) + x * image_.channels;
      const auto at = static_cast<std::size_t>(i);
      const float red = pixel[0];
      planes[0][at] = red - 128;
      if (components_ == 1) continue;
      const float green = pixel[1], blue = pixel[2];
      planes[0][at] = 0.299f * red + 0.587f * green + 0.114f * blue - 128;
      planes[1][at] = -0.168736f * red - 0.331264f * green + 0.5f * blue;
      planes[2][at] = 0.5f * red - 0.418688f * green - 0.081312f * blue;
    }
  }

  /// The cosine transform (T.81 A.3.3), rows and then columns, divided by the steps and rounded. The innermost loops go
  /// along a row, so that compilers make vectors of them.
  [[nodiscard]] Block quantised(const std::array<float, 64>& samples, std::size_t kind) const {
    std::array<float, 64> rows{}, all{};
    for (std::size_t y = 0; y < 8; ++y)
      for (std::size_t x = 0; x < 8; ++x)
        for (std::size_t u = 0; u < 8; ++u) rows[y * 8 + u] += cosines_[x][u] * samples[y * 8 + x];
    for (std::size_t v = 0; v < 8; ++v)
      for (std::size_t y = 0; y < 8; ++y)
        for (std::size_t u = 0; u < 8; ++u) all[v * 8 + u] += cosines_[y][v] * rows[y * 8 + u];
    Block block{};
    for (std::size_t k = 0; k < 64; ++k) {
      const std::size_t place = kZigzag[k];
      const float value = std::clamp(all[place] / static_cast<float>(steps_[kind][place]), -1023.0f, 1023.0f);
      block[k] = static_cast<std::int16_t>(value + (value < 0 ? -0.5f : 0.5f));
    }
    return block;
  }

  void transform() {
    std::array<std::array<float, 64>, 3> planes{};
    const index_t places = ((image_.width + 7) / 8) * ((image_.height + 7) / 8);
    blocks_.reserve(static_cast<std::size_t>(places) * components_);
    for (index_t top = 0; top < image_.height; top += 8)
      for (index_t left = 0; left < image_.width; left += 8) {
        load(left, top, planes);
        for (std::size_t c = 0; c < components_; ++c) blocks_.push_back(quantised(planes[c], kind_of(c)));
      }
  }

  /// Hands out (table, symbol, extra bits, how many) of all blocks in turn (T.81 F.1.2). Tables: DC and AC of
  /// brightness, DC and AC of colour.
  template <class Receive>
  void for_each_symbol(Receive&& receive) const {
    std::array<int, 3> before{};
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      const std::size_t component = b % components_, table = 2 * kind_of(component);
      const Block& block = blocks_[b];
      const auto number = [&](std::size_t which, unsigned run, int value) {
        const auto bits = static_cast<unsigned>(std::bit_width(static_cast<unsigned>(std::abs(value))));
        const int extra = value < 0 ? value + (1 << bits) - 1 : value;
        receive(which, run << 4 | bits, static_cast<std::uint32_t>(extra), bits);
      };
      number(table, 0, block[0] - before[component]);
      before[component] = block[0];
      unsigned run = 0;
      for (std::size_t k = 1; k < 64; ++k) {
        if (block[k] == 0) {
          ++run;
          continue;
        }
        for (; run > 15; run -= 16) receive(table + 1, 0xF0u, 0u, 0u);
        number(table + 1, run, block[k]);
        run = 0;
      }
      if (run > 0) receive(table + 1, 0u, 0u, 0u);  // nothing but zeros from here on
    }
  }

  void write_headers() {
    marker(0xD8, {});
    segment(0xE0, {'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0});
    for (std::size_t kind = 0; kind < kinds(); ++kind) {
      std::vector<int> table{static_cast<int>(kind)};
      for (std::size_t k = 0; k < 64; ++k) table.push_back(steps_[kind][kZigzag[k]]);
      segment(0xDB, table);
    }
    const auto high = [](index_t value) { return static_cast<int>(value >> 8); };
    const auto low = [](index_t value) { return static_cast<int>(value & 255); };
    const int count = static_cast<int>(components_);
    std::vector<int> frame{8, high(image_.height), low(image_.height), high(image_.width), low(image_.width), count};
    std::vector<int> scan{count};
    for (int c = 0; c < count; ++c) {
      const int kind = c == 0 ? 0 : 1;
      frame.insert(frame.end(), {c + 1, 0x11, kind});
      scan.insert(scan.end(), {c + 1, kind * 0x11});
    }
    segment(0xC0, frame);
    for (std::size_t table = 0; table < 2 * kinds(); ++table) {
      std::vector<int> code{static_cast<int>(table % 2 * 16 + table / 2)};
      for (const std::byte byte : codes_[table].listing()) code.push_back(std::to_integer<int>(byte));
      segment(0xC4, code);
    }
    scan.insert(scan.end(), {0, 63, 0});
    segment(0xDA, scan);
  }

  void marker(int code, const std::vector<int>& bytes) {
    out_.push_back(std::byte{0xFF});
    out_.push_back(static_cast<std::byte>(code));
    for (const int byte : bytes) out_.push_back(static_cast<std::byte>(byte));
  }

  void segment(int code, std::vector<int> bytes) {
    const int size = static_cast<int>(bytes.size()) + 2;
    bytes.insert(bytes.begin(), {size >> 8, size & 255});
    marker(code, bytes);
  }

  /// Appends bits, highest first; a byte FF is followed by 00, so that it is no marker.
  void put(std::uint32_t bits, unsigned count) {
    pending_ = pending_ << count | bits;
    for (pending_bits_ += count; pending_bits_ >= 8; pending_bits_ -= 8) {
      const auto byte = static_cast<std::byte>(pending_ >> (pending_bits_ - 8) & 0xFF);
      out_.push_back(byte);
      if (byte == std::byte{0xFF}) out_.push_back(std::byte{0});
    }
  }

  ImageView image_;
  std::size_t components_;
  std::array<std::array<std::uint8_t, 64>, 2> steps_{};
  std::array<std::array<float, 8>, 8> cosines_{};  // [place][frequency]
  std::vector<Block> blocks_;                      // of each place all components
  std::array<JpegCode, 4> codes_;
  std::vector<std::byte> out_;
  std::uint64_t pending_ = 0;
  unsigned pending_bits_ = 0;
};

}  // namespace detail

}}  // namespace moeclip::abi_v0_1

// SPDX-License-Identifier: MIT
#pragma once
// Writes PNG from 8-bit gray or RGB, or from a 16-bit gray map. Each row takes the filter whose result has the smallest
// sum of absolute differences (the heuristic that the PNG specification recommends in section 12.7).

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

#include "../../io/deflate.hpp"
#include "chunks.hpp"
#include "decode.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

inline void append_u32be(std::vector<std::byte>& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::byte>(value >> shift & 0xFFu));
}

inline void append_png_chunk(std::vector<std::byte>& out, std::string_view type, Bytes data) {
  append_u32be(out, static_cast<std::uint32_t>(data.size()));
  const Bytes name = as_bytes(type);
  out.insert(out.end(), name.begin(), name.end());
  out.insert(out.end(), data.begin(), data.end());
  append_u32be(out, crc32(data, crc32(name)));
}

/// Writes `row` under filter Filter (0 to 4) to `out`; returns the sum of the absolute values of the signed bytes.
template <unsigned Filter>
std::uint64_t filter_png_row(Bytes row, const std::byte* above, std::size_t step, std::byte* out) {
  const auto value = [](std::byte b) { return std::to_integer<unsigned>(b); };
  std::uint64_t sum = 0;
  const auto put = [&](std::size_t i, unsigned left, unsigned corner) {
    unsigned prediction = 0;
    if constexpr (Filter == 1) prediction = left;
    if constexpr (Filter == 2) prediction = value(above[i]);
    if constexpr (Filter == 3) prediction = (left + value(above[i])) / 2;
    if constexpr (Filter == 4) prediction = paeth(left, value(above[i]), corner);
    const auto difference = static_cast<std::uint8_t>(value(row[i]) - prediction);
    out[i] = static_cast<std::byte>(difference);
    sum += static_cast<unsigned>(std::abs(static_cast<std::int8_t>(difference)));
  };
  for (std::size_t i = 0; i < (std::min)(step, row.size()); ++i) put(i, 0, 0);
  for (std::size_t i = step; i < row.size(); ++i) put(i, value(row[i - step]), value(above[i - step]));
  return sum;
}

inline constexpr std::array kPngFilters{&filter_png_row<0>, &filter_png_row<1>, &filter_png_row<2>, &filter_png_row<3>,
                                        &filter_png_row<4>};

/// `rows` are height rows of `row_bytes` bytes that already are PNG samples of `depth` bits.
inline std::vector<std::byte> encode_png_rows(const PngHeader& header, std::span<const std::byte> rows) {
  const auto row_bytes = static_cast<std::size_t>(png_row_bytes(header, header.width));
  const auto step = static_cast<std::size_t>(header.bits_per_pixel() / 8);
  std::vector<std::byte> filtered;
  filtered.reserve(static_cast<std::size_t>(png_raw_size(header)));
  const std::vector<std::byte> zeros(row_bytes);
  std::vector<std::byte> trial(row_bytes), best(row_bytes);
  const std::byte* above = zeros.data();
  for (std::size_t y = 0; y < static_cast<std::size_t>(header.height); ++y) {
    const Bytes row = rows.subspan(y * row_bytes, row_bytes);
    std::uint64_t least = ~std::uint64_t{0};
    unsigned chosen = 0;
    for (unsigned filter = 0; filter < kPngFilters.size(); ++filter) {
      const std::uint64_t sum = kPngFilters[filter](row, above, step, trial.data());
      if (sum >= least) continue;
      least = sum;
      chosen = filter;
      std::swap(trial, best);
    }
    filtered.push_back(static_cast<std::byte>(chosen));
    filtered.insert(filtered.end(), best.begin(), best.end());
    above = row.data();
  }

  std::vector<std::byte> out;
  for (const std::uint8_t byte : kPngSignature) out.push_back(static_cast<std::byte>(byte));
  std::vector<std::byte> head;
  append_u32be(head, static_cast<std::uint32_t>(header.width));
  append_u32be(head, static_cast<std::uint32_t>(header.height));
  for (const int field : {header.depth, static_cast<int>(header.color), 0, 0, 0})
    head.push_back(static_cast<std::byte>(field));
  append_png_chunk(out, "IHDR", head);
  const std::vector<std::byte> packed = deflate_zlib(filtered);
  constexpr std::size_t kMostChunk = std::size_t{1} << 30;  // a chunk's length has 31 bits
  for (std::size_t at = 0; at < packed.size(); at += kMostChunk)
    append_png_chunk(out, "IDAT", Bytes(packed).subspan(at, (std::min)(kMostChunk, packed.size() - at)));
  append_png_chunk(out, "IEND", {});
  return out;
}

inline void expect_encodable(index_t width, index_t height) {
  MOECLIP_EXPECT(width > 0 && height > 0 && height <= kMaxPixels / width, "an image of ", width, "x", height,
                 " pixels cannot be written as PNG");
}

}  // namespace detail

}}  // namespace moeclip::abi_v0_1

// SPDX-License-Identifier: MIT
#pragma once
// Reads the Netpbm formats, PBM, PGM and PPM in text (P1 to P3) and binary (P4 to P6), and PAM (P7), as 8-bit RGB or
// gray, and writes PPM and PGM. Values are Pillow's: sample * 255 / maxval rounded half to even. Only a PGM of more
// than 8 bits differs from Pillow's, which scales it to 65535 and then clips it at 255; DeepGray::clipped does that
// too. Pillow does not read PAM: there samples of any depth are scaled, alpha is dropped. Of several pictures in a file
// the first is read.

#include <cstdint>
#include <string_view>
#include <vector>

#include "../io/bytes.hpp"
#include "pixel_store.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The header of a Netpbm file, checked.
struct PnmHeader {
  index_t width = 0;               // pixels
  index_t height = 0;              // pixels
  int depth = 1;                   // samples per pixel, alpha included
  std::uint32_t maxval = 1;        // largest value of a sample, 1 to 65535
  int variant = 6;                 // the digit after the P
  std::uint64_t pixel_offset = 0;  // bytes from the start of the file

  /// Whether samples are written as text (P1 to P3).
  [[nodiscard]] bool is_text() const { return variant <= 3; }
  /// Whether a sample is one bit, 1 for black (P1 and P4).
  [[nodiscard]] bool is_bitmap() const { return variant == 1 || variant == 4; }
  /// Whether a pixel has red, green and blue; otherwise it is gray.
  [[nodiscard]] bool is_color() const { return depth >= 3; }
};

/// Reads the header of a file that begins with P1 to P7. `source` is the name in messages.
PnmHeader read_pnm_header(Bytes bytes, std::string_view source);

/// Decodes a file that begins with P1 to P7. `source` is the name in messages. Throws format for damaged or truncated
/// files, limit for more than kMaxPixels, unsupported for other PAM tuples.
Image decode_pnm(Bytes bytes, std::string_view source, PixelKind kind = PixelKind::rgb,
                 DeepGray deep_gray = DeepGray::scaled);

/// The bytes of a binary PPM (RGB) or PGM (gray) file.
std::vector<std::byte> encode_pnm(ImageView image);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IMAGE)

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

constexpr bool is_pnm_space(unsigned c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// Skips white space and comments (# to the end of the line), then returns the first other character. Here and below, a
/// Reader is a ByteReader, or one that waits for its bytes (image_stream.hpp).
template <class Reader>
unsigned skip_pnm_space(Reader& reader) {
  while (true) {
    unsigned c = reader.u8();
    if (c == '#')
      while (c != '\n' && c != '\r') c = reader.u8();
    else if (!is_pnm_space(c))
      return c;
  }
}

/// A decimal number and the one character of white space behind it, which the end of the file may replace.
template <class Reader>
std::uint32_t read_pnm_number(Reader& reader) {
  unsigned c = skip_pnm_space(reader);
  std::uint64_t value = 0;
  while (true) {
    if (c < '0' || c > '9' || value > 400'000'000)
      fail(ErrorCode::format,
           concat(reader.source(), ": damaged Netpbm file: no valid number at offset ", reader.offset() - 1));
    value = 10 * value + (c - '0');
    if (reader.left() == 0) break;
    c = reader.u8();
    if (is_pnm_space(c)) break;
    if (c == '#') {  // a comment directly behind a number stands for the white space
      while (c != '\n' && c != '\r') c = reader.u8();
      break;
    }
  }
  return static_cast<std::uint32_t>(value);
}

/// The lines of a PAM header up to ENDHDR.
template <class Reader>
void read_pam_header(Reader& reader, PnmHeader& header) {
  const auto read_word = [&](std::string& word, unsigned c) {
    for (word.clear(); !is_pnm_space(c); c = reader.u8()) {
      if (word.size() == 32) fail(ErrorCode::format, concat(reader.source(), ": damaged PAM header: ", word, "..."));
      word.push_back(static_cast<char>(c));
    }
    return c;  // the white space behind it
  };
  std::string word, tuple;
  header.depth = 0;
  while (true) {
    const unsigned end = read_word(word, skip_pnm_space(reader));
    if (word == "ENDHDR") {
      for (unsigned c = end; c != '\n';) c = reader.u8();
      break;
    }
    if (word == "WIDTH")
      header.width = read_pnm_number(reader);
    else if (word == "HEIGHT")
      header.height = read_pnm_number(reader);
    else if (word == "DEPTH")
      header.depth = static_cast<int>((std::min)(read_pnm_number(reader), 100u));
    else if (word == "MAXVAL")
      header.maxval = read_pnm_number(reader);
    else if (word == "TUPLTYPE")
      read_word(tuple, skip_pnm_space(reader));
    else
      fail(ErrorCode::format, concat(reader.source(), ": damaged PAM header: unknown line ", word));
  }
  constexpr std::array<std::string_view, 4> kTuples{"GRAYSCALE", "GRAYSCALE_ALPHA", "RGB", "RGB_ALPHA"};
  if (tuple == "BLACKANDWHITE" || tuple == "BLACKANDWHITE_ALPHA") tuple.replace(0, 13, "GRAYSCALE");
  if (header.depth < 1 || header.depth > 4 ||
      (!tuple.empty() && tuple != kTuples[static_cast<std::size_t>(header.depth - 1)]))
    fail(ErrorCode::unsupported,
         concat(reader.source(), ": a PAM file of depth ", header.depth, " and tuple type \"", tuple, "\""));
}

/// The header at the start of `reader`, which comes to stand behind it.
template <class Reader>
PnmHeader read_pnm_header_from(Reader& reader) {
  reader.skip(1);
  PnmHeader header{.variant = reader.u8() - '0'};
  if (header.variant == 7) {
    read_pam_header(reader, header);
  } else {
    header.depth = header.variant == 3 || header.variant == 6 ? 3 : 1;
    header.width = read_pnm_number(reader);
    header.height = read_pnm_number(reader);
    if (!header.is_bitmap()) header.maxval = read_pnm_number(reader);
  }
  if (header.maxval < 1 || header.maxval > 65535)
    fail(ErrorCode::format, concat(reader.source(), ": damaged Netpbm file: a maximum of ", header.maxval));
  expect_image_size(static_cast<std::uint64_t>(header.width), static_cast<std::uint64_t>(header.height),
                    reader.source());
  header.pixel_offset = reader.offset();
  return header;
}

}  // namespace detail

MOECLIP_FUNC PnmHeader read_pnm_header(Bytes bytes, std::string_view source) {
  ByteReader reader(bytes, source);
  return detail::read_pnm_header_from(reader);
}

namespace detail {

/// What each sample value becomes: value * 255 / maxval rounded half to even, or the clipped scale of deep gray maps.
inline std::vector<std::uint8_t> pnm_table(const PnmHeader& header, DeepGray deep_gray) {
  const bool is_deep_gray = header.maxval > 255 && header.depth == 1 && header.variant != 7;
  const bool is_clipped = is_deep_gray && deep_gray == DeepGray::clipped;
  const double top = is_clipped ? 65535.0 : 255.0, most = header.maxval;
  std::vector<std::uint8_t> table(header.maxval + std::size_t{1});
  for (std::size_t value = 0; value < table.size(); ++value)  // nearbyint: half to even, as Python's round
    table[value] =
        static_cast<std::uint8_t>((std::min)(std::nearbyint(static_cast<double>(value) / most * top), 255.0));
  if (header.is_bitmap()) std::swap(table[0], table[1]);  // in a bitmap 1 is black
  return table;
}

/// The samples of one row of a text file, as bytes.
inline void read_pnm_text_row(const PnmHeader& header, ByteReader& reader, const std::vector<std::uint8_t>& table,
                              std::vector<std::uint8_t>& samples) {
  for (auto& sample : samples) {
    const std::uint32_t value = header.is_bitmap() ? skip_pnm_space(reader) - '0' : read_pnm_number(reader);
    if (value > header.maxval)
      fail(ErrorCode::format, concat(reader.source(), ": damaged Netpbm file: a sample before offset ", reader.offset(),
                                     " is not between 0 and ", header.maxval));
    sample = table[value];
  }
}

inline void read_pnm_binary_row(const PnmHeader& header, ByteReader& reader, const std::vector<std::uint8_t>& table,
                                std::vector<std::uint8_t>& samples) {
  const std::size_t bytes_per_sample = header.maxval > 255 ? 2 : 1;
  const Bytes row = reader.take(header.is_bitmap() ? (samples.size() + 7) / 8 : samples.size() * bytes_per_sample);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    std::uint32_t value = 0;
    if (header.is_bitmap())
      value = packed_sample(row.data(), static_cast<index_t>(i), 1);
    else
      value = bytes_per_sample == 2 ? load_u16be(row.data() + 2 * i) : std::to_integer<std::uint32_t>(row[i]);
    samples[i] = table[(std::min)(value, header.maxval)];
  }
}

}  // namespace detail

MOECLIP_FUNC Image decode_pnm(Bytes bytes, std::string_view source, PixelKind kind, DeepGray deep_gray) {
  const PnmHeader header = read_pnm_header(bytes, source);
  ByteReader reader(bytes, source);
  reader.seek(header.pixel_offset);
  const std::uint64_t row_samples = static_cast<std::uint64_t>(header.width * header.depth);
  const std::uint64_t rows = static_cast<std::uint64_t>(header.height);
  std::uint64_t row_bytes = header.is_bitmap() ? (row_samples + 7) / 8 : row_samples * (header.maxval > 255 ? 2 : 1);
  if (header.is_text()) row_bytes = header.is_bitmap() ? row_samples : 2 * row_samples;  // a digit and a space
  detail::expect_pixel_bytes(row_bytes * rows - (header.is_text() && !header.is_bitmap() ? 1 : 0), reader.left(),
                             source);

  const std::vector<std::uint8_t> table = detail::pnm_table(header, deep_gray);
  std::vector<std::uint8_t> samples(static_cast<std::size_t>(row_samples));
  Image image(header.width, header.height, channels_of(kind));
  for (index_t y = 0; y < header.height; ++y) {
    if (header.is_text())
      detail::read_pnm_text_row(header, reader, table, samples);
    else
      detail::read_pnm_binary_row(header, reader, table, samples);
    detail::store_pixels(header.width, kind, image.row(y), 1, [&](index_t x) {
      const std::uint8_t* p = samples.data() + x * header.depth;
      return header.is_color() ? Rgb{p[0], p[1], p[2]} : Rgb{p[0], p[0], p[0]};
    });
  }
  return image;
}

MOECLIP_FUNC std::vector<std::byte> encode_pnm(ImageView image) {
  const std::string header = concat(image.channels == 3 ? "P6\n" : "P5\n", image.width, " ", image.height, "\n255\n");
  const auto row_bytes = static_cast<std::size_t>(image.width * image.channels);
  std::vector<std::byte> out;
  out.reserve(header.size() + row_bytes * static_cast<std::size_t>(image.height));
  const Bytes text = as_bytes(header);
  out.insert(out.end(), text.begin(), text.end());
  for (index_t y = 0; y < image.height; ++y) {
    const Bytes row = std::as_bytes(std::span(image.row(y), row_bytes));
    out.insert(out.end(), row.begin(), row.end());
  }
  return out;
}

}}  // namespace moeclip::abi_v0_1

#endif

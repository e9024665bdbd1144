// SPDX-License-Identifier: MIT
#pragma once
// Pictures as a camera stores them that was held another way: PNG files with an EXIF orientation.

#include <array>
#include <cstddef>
#include <moeclip/image/exif.hpp>
#include <moeclip/image/png.hpp>
#include <moeclip/image/png/encode.hpp>
#include <moeclip/io/file.hpp>
#include <string>
#include <vector>

/// Writes `image` with an eXIf chunk that says how it is to be turned to be upright.
inline void write_oriented_png(const std::string& path, const moeclip::Image& image, int orientation) {
  constexpr std::size_t kAfterHeader = 8 + 12 + 13;
  const auto value = static_cast<std::byte>(orientation);
  std::array<std::byte, 26> tiff{
      std::byte{'I'},  std::byte{'I'}, std::byte{42}, {}, std::byte{8}, {}, {}, {}, std::byte{1}, {},
      std::byte{0x12}, std::byte{1},   std::byte{3},  {}, std::byte{1}, {}, {}, {}, value};
  std::vector<std::byte> chunk, file = moeclip::encode_png(image.view());
  moeclip::detail::append_png_chunk(chunk, "eXIf", tiff);
  file.insert(file.begin() + kAfterHeader, chunk.begin(), chunk.end());
  moeclip::write_file(path, file);
}

/// The orientation that undoes this one: what turns an upright picture into the stored one.
inline int inverse_orientation(int orientation) {
  if (orientation == 6) return 8;
  return orientation == 8 ? 6 : orientation;
}

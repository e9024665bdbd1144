// SPDX-License-Identifier: MIT
#pragma once
// What the tests of decoders share: pictures that other programs wrote, whole and cut off, against Pillow's pixels.

#include <string>
#include <vector>

#include <moeclip/image/image_options.hpp>
#include "image_test.hpp"

namespace image_test {

using File = std::vector<std::byte>;

/// Checks decode(file, name, kind) for every file of pictures/ whose name ends in `extension`, and returns their names.
template <class Decode>
std::vector<std::string> check_pictures(std::string_view extension, const Decode& decode) {
  std::vector<std::string> names;
  for (const auto& line : read_lines("pictures/index.txt")) {
    if (!line[0].ends_with(extension)) continue;
    CAPTURE(line[0]);
    const File file = read_golden("pictures/" + line[0]);
    const Image rgb = decode(file, line[0], PixelKind::rgb);
    CHECK(concat(rgb.width(), " ", rgb.height()) == line[1] + " " + line[2]);
    CHECK(hash(rgb) == line[3]);
    CHECK(hash(decode(file, line[0], PixelKind::gray)) == line[4]);
    names.push_back(line[0]);
  }
  return names;
}

/// Cuts a file off at every byte: an error of the file, or every pixel if only what means nothing is missing. Returns
/// how many bytes may be missing.
template <class Decode>
std::size_t check_cuts(const std::string& name, const Decode& decode) {
  const File file = read_golden("pictures/" + name);
  const std::string whole = hash(decode(file, name, PixelKind::rgb));
  std::size_t spare = 0;
  for (std::size_t size = file.size(); size-- > 0;) {
    const File part(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
    std::string found;
    const std::string error = error_of([&] { found = hash(decode(part, "a picture", PixelKind::rgb)); });
    CAPTURE(name);
    CAPTURE(size);
    if (error.empty()) {
      CHECK(found == whole);
      CHECK(spare + 1 == file.size() - size);
      spare = file.size() - size;
    } else {
      CHECK_MESSAGE((error.starts_with("format: a picture: ") || error.starts_with("limit: a picture: ")), error);
    }
  }
  return spare;
}

/// The file with other bytes from `at` on.
inline File with_bytes(File file, std::size_t at, std::initializer_list<int> bytes) {
  for (const int byte : bytes) file[at++] = static_cast<std::byte>(byte);
  return file;
}

}  // namespace image_test

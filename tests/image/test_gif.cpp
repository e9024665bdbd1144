// SPDX-License-Identifier: MIT
#include <moeclip/image/gif.hpp>
#include <moeclip/image/lzw.hpp>
#include "decoder_test.hpp"

using namespace moeclip;

namespace test_gif {
using image_test::File;
using image_test::with_bytes;

namespace {

Image decode(const File& file, std::string_view name, PixelKind kind) { return decode_gif(file, name, kind); }

std::string gif_error(const File& file) {
  return image_test::error_of([&] { decode_gif(file, "a.gif"); });
}

bool says(const std::string& error, std::string_view start, std::string_view part) {
  CAPTURE(error);
  return error.starts_with(start) && error.find(part) != error.npos;
}

/// Place of the frame's block: behind signature, screen, its palette of `colors` and extensions.
std::size_t frame_of(const File& file) {
  const GifHeader header = read_gif_header(file, "a.gif");
  std::size_t at = static_cast<std::size_t>(header.data_offset) - 11;
  while (file[at] != std::byte{0x2C}) --at;
  return at;
}

}  // namespace

TEST_CASE("every GIF of the folder decodes to Pillow's pixels") {
  CHECK(image_test::check_pictures(".gif", decode).size() == 10);
}

TEST_CASE("a GIF cut anywhere is an error, unless only what comes behind the pixels is missing") {
  for (const char* name : {"plain.gif", "interlaced.gif", "offset.gif", "one.gif", "bilevel.gif"})
    CHECK(image_test::check_cuts(name, decode) <= 4);
}

TEST_CASE("each field of a GIF that is damaged has its message") {
  const File good = image_test::read_golden("pictures/plain.gif");
  CHECK(gif_error(good) == "");
  const std::size_t frame = frame_of(good), data = frame + 10;
  CHECK(says(gif_error(with_bytes(good, frame, {0x3B})), "format: a.gif: damaged GIF: ", "holds no picture"));
  CHECK(says(gif_error(with_bytes(good, frame, {0x99})), "format: ", "no block begins at offset"));
  CHECK(says(gif_error(with_bytes(good, frame + 5, {0, 0})), "format: ", "no pixels"));
  CHECK(says(gif_error(with_bytes(good, frame + 5, {0xFF, 0xFF, 0xFF, 0xFF})), "limit: ", "allowed"));
  CHECK(says(gif_error(with_bytes(good, frame + 5, {0x00, 0x30, 0x00, 0x30})), "limit: ", "cannot come out of"));
  CHECK(says(gif_error(with_bytes(good, frame + 5, {0x40, 0x00})), "format: ", "truncated"));
  CHECK(says(gif_error(with_bytes(good, 6, {0x00, 0x30, 0x00, 0x30})), "limit: ", "cannot come out of"));
  for (const int bits : {0, 9, 255}) CHECK(says(gif_error(with_bytes(good, data, {bits})), "format: ", "1 to 8"));
  CHECK(says(gif_error(with_bytes(good, data + 2, {0xFF, 0xFF, 0xFF, 0xFF})), "format: ", "LZW"));
  CHECK(says(gif_error(with_bytes(good, data + 1, {0})), "", "GIF") == false);
  const GifHeader offset = read_gif_header(image_test::read_golden("pictures/offset.gif"), "offset.gif");
  CHECK(offset.width == 30);
  CHECK(offset.left == 4);
  CHECK(offset.top == 2);
  CHECK(offset.transparent == 2);
  CHECK(read_gif_header(image_test::read_golden("pictures/interlaced.gif"), "i.gif").is_interlaced);
}

TEST_CASE("LZW tables fill up, and codes that do not exist are errors") {
  // Literals 0 to 3: clear, 1, then the string of the newest code (the string before with its own first byte).
  const auto packed = [](std::initializer_list<int> codes, int width) {
    File bytes;
    unsigned held = 0;
    int bits = 0;
    for (const int code : codes) {
      held |= static_cast<unsigned>(code) << bits;
      for (bits += width; bits >= 8; bits -= 8, held >>= 8) bytes.push_back(static_cast<std::byte>(held & 255));
    }
    bytes.push_back(static_cast<std::byte>(held));
    return bytes;
  };
  std::array<std::uint8_t, 8> out{};
  CHECK(detail::expand_lzw(packed({4, 1, 6, 5}, 3), 2, detail::LzwKind::gif, out, "x") == 3);
  CHECK(out[0] == 1);
  CHECK(out[1] == 1);
  CHECK(out[2] == 1);
  CHECK(detail::expand_lzw(packed({4, 1, 6, 5}, 3), 2, detail::LzwKind::gif, std::span(out).first(2), "x") == 2);
  for (const auto& codes : {packed({4, 7}, 3), packed({4, 6}, 3), packed({4, 1, 7}, 3)})
    CHECK(says(image_test::error_of([&] { detail::expand_lzw(codes, 2, detail::LzwKind::gif, out, "x"); }),
               "format: x: ", "a code that does not exist"));
}

}  // namespace test_gif

// SPDX-License-Identifier: MIT
#include <limits>

#include <moeclip/image/draw.hpp>
#include "image_test.hpp"

using namespace moeclip;

namespace {

/// The picture in letters: '#' for 255, '.' for 0, '+' for anything else.
std::string picture(const Image& image) {
  std::string text;
  for (index_t y = 0; y < image.height(); ++y) {
    for (index_t x = 0; x < image.width(); ++x) {
      const std::uint8_t value = image.row(y)[x * image.channels()];
      text += value == 255 ? '#' : value == 0 ? '.' : '+';
    }
    text += '\n';
  }
  return text;
}

Image black(index_t width, index_t height, index_t channels = 1) {
  Image image(width, height, channels);
  image.fill(0);
  return image;
}

constexpr Rgb kWhite{255, 255, 255};

}  // namespace

TEST_CASE("boxes are filled, outlined and cut off at the border") {
  Image image = black(6, 4);
  fill_box(image, {4, -1, 10, 3}, kWhite);
  CHECK(picture(image) == "....##\n....##\n......\n......\n");
  image.fill(0);
  draw_box(image, {0, 0, 5, 4}, kWhite);
  CHECK(picture(image) == "#####.\n#...#.\n#...#.\n#####.\n");
  image.fill(0);
  fill_box(image, {1, 1, 2, 2}, kWhite, 0.5);
  CHECK(picture(image) == "......\n.++...\n.++...\n......\n");
  CHECK(image.row(1)[1] == 128);
  image.fill(0);
  draw_box(image, {1, 1, 1, 1}, kWhite, 3);
  fill_box(image, {3, 3, -2, -2}, kWhite);
  CHECK(picture(image) == "......\n.#....\n......\n......\n");
  constexpr index_t kFar = std::numeric_limits<index_t>::max();
  fill_box(image, {-kFar, -kFar, kFar, kFar}, kWhite);
  fill_box(image, {kFar, 0, kFar, kFar}, kWhite);
  CHECK(image.row(0)[0] == 0);
  fill_box(image, {0, 0, kFar, kFar}, kWhite);
  CHECK(image.row(3)[5] == 255);
}

TEST_CASE("lines join their ends in any direction") {
  Image image = black(5, 3);
  draw_line(image, 0, 0, 4, 2, kWhite);
  CHECK(picture(image) == "#....\n.##..\n...##\n");
  image.fill(0);
  draw_line(image, 4, 1, 2, 1, kWhite);
  draw_line(image, 0, -9, 0, 9, kWhite);
  CHECK(picture(image) == "#....\n#.###\n#....\n");
  CHECK_THROWS_AS(draw_line(image, 0, 0, index_t{1} << 40, 0, kWhite), Error);
}

TEST_CASE("text is drawn in the built-in font") {
  Image image = black(12, 7);
  draw_text(image, 0, 0, "A1", kWhite);
  CHECK(picture(image) ==
        "..#.....#...\n.#.#...##...\n#...#.#.#...\n#...#...#...\n#####...#...\n#...#...#...\n#...#.#####.\n");
  CHECK(text_width("A1") == 11);
  CHECK(text_width("A1", 3) == 33);
  CHECK(text_width("") == 0);
  Image large = black(10, 14), small = black(5, 7);
  draw_text(large, 0, 0, "g", kWhite, 2);
  draw_text(small, 0, 0, "g", kWhite);
  for (index_t y = 0; y < 14; ++y)
    for (index_t x = 0; x < 10; ++x) CHECK(large.row(y)[x] == small.row(y / 2)[x / 2]);
  Image umlaut = black(5, 7), question = black(5, 7);
  draw_text(umlaut, 0, 0, "\xE4", kWhite);
  draw_text(question, 0, 0, "?", kWhite);
  CHECK(picture(umlaut) == picture(question));
}

TEST_CASE("all glyphs differ") {
  for (char a = ' '; a < '~'; ++a)
    for (char b = static_cast<char>(a + 1); b <= '~'; ++b) CHECK(detail::glyph_rows(a) != detail::glyph_rows(b));
}

TEST_CASE("colours become luma on gray pictures, and gray pictures go onto colour") {
  Image gray = black(1, 1), rgb = black(3, 1, 3);
  fill_box(gray, {0, 0, 1, 1}, {255, 0, 0});
  CHECK(gray.row(0)[0] == 76);
  paste(rgb, gray.view(), 1, 0);
  paste(rgb, gray.view(), 5, -3);
  const std::uint8_t wanted[] = {0, 0, 0, 76, 76, 76, 0, 0, 0};
  CHECK(std::equal(wanted, wanted + 9, rgb.data()));
  CHECK_THROWS_AS(paste(gray, rgb.view(), 0, 0), Error);
}

// SPDX-License-Identifier: MIT
#include <moeclip/image/image.hpp>
#include "image_test.hpp"

using namespace moeclip;

TEST_CASE("an image owns its pixels, copies deeply and moves cheaply") {
  Image image(3, 2, 3);
  image.fill(7);
  Image copy = image;
  copy.row(1)[0] = 9;
  CHECK(image.row(1)[0] == 7);
  const std::uint8_t* pixels = copy.data();
  const Image moved = std::move(copy);
  CHECK(moved.data() == pixels);
  CHECK(moved.view().row(1)[0] == 9);
  CHECK(moved.size() == 18);
  CHECK(Image().empty());
  CHECK(Image(0, 5, 1).empty());
}

TEST_CASE("impossible images are refused before memory is taken") {
  CHECK_THROWS_AS(Image(-1, 2, 3), Error);
  CHECK_THROWS_AS(Image(1, 2, 4), Error);
  CHECK_THROWS_AS(Image(index_t{1} << 40, index_t{1} << 40, 3), Error);
  CHECK_THROWS_AS(Image(16385, 16384, 1), Error);
}

TEST_CASE("luma is Pillow's") {
  const image_test::Golden golden("pil_resize");
  const auto in = golden.get<std::uint8_t>("to_gray/in"), out = golden.get<std::uint8_t>("to_gray/out");
  for (std::size_t i = 0; i < out.size(); ++i) CHECK(luma(in[3 * i], in[3 * i + 1], in[3 * i + 2]) == out[i]);
  for (unsigned v = 0; v < 256; ++v) CHECK(luma(v, v, v) == v);
}

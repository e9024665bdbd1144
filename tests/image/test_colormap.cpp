// SPDX-License-Identifier: MIT
#include <cmath>
#include <limits>

#include <moeclip/image/colormap.hpp>
#include "image_test.hpp"

using namespace moeclip;

TEST_CASE("jet is OpenCV's") {
  const auto expected = image_test::Golden("colormap").get<std::uint8_t>("jet_rgb");
  for (std::size_t i = 0; i < 256; ++i)
    CHECK(kJet[i] == Rgb{expected[3 * i], expected[3 * i + 1], expected[3 * i + 2]});
}

TEST_CASE("ember grows lighter from entry to entry") {
  const auto linear = [](double byte) { return std::pow(byte / 255, 2.2); };
  double before = -1;
  for (const Rgb color : kEmber) {
    const double light = 0.2126 * linear(color.red) + 0.7152 * linear(color.green) + 0.0722 * linear(color.blue);
    CHECK(light > before);
    before = light;
  }
  CHECK(before > 0.8);
}

TEST_CASE("a map in colours over its image equals the reference's overlay") {
  const image_test::Golden golden("colormap");
  const index_t height = golden.extent("overlay/map", 0), width = golden.extent("overlay/map", 1);
  const auto map = golden.get<float>("overlay/map");
  const auto pixels = golden.get<std::uint8_t>("overlay/image"), expected = golden.get<std::uint8_t>("overlay/out");
  const auto [low, high] = std::minmax_element(map.begin(), map.end());
  Image image(width, height, 3);
  std::copy(pixels.begin(), pixels.end(), image.data());
  blend(image, colorize(View<const float, 2>(map.data(), {height, width}), *low, *high, kJet), 0.5);
  CHECK(std::equal(expected.begin(), expected.end(), image.data()));
}

TEST_CASE("the scale clips, and a constant or undefined value is its low end") {
  CHECK(scale_to_byte(0.5, 0.0, 1.0) == 127);
  CHECK(scale_to_byte(2.0, 0.0, 1.0) == 255);
  CHECK(scale_to_byte(-1.0, 0.0, 1.0) == 0);
  CHECK(scale_to_byte(3.0, 3.0, 3.0) == 0);
  CHECK(scale_to_byte(std::numeric_limits<double>::quiet_NaN(), 0.0, 1.0) == 0);
  CHECK(scale_to_byte(std::numeric_limits<double>::infinity(), 0.0, 1.0) == 255);
  Image a(2, 2, 3);
  CHECK_THROWS_AS(blend(a, Image(2, 3, 3), 0.5), Error);
  CHECK_THROWS_AS(blend(a, Image(2, 2, 3), 1.5), Error);
}

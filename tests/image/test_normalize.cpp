// SPDX-License-Identifier: MIT
#include <moeclip/image/normalize.hpp>
#include "image_test.hpp"

using namespace moeclip;

TEST_CASE("normalised bytes equal torchvision's, bit for bit") {
  const auto expected = image_test::Golden("pil_resize").get<float>("normalise_table");
  Image ramp(256, 1, 3);
  for (index_t i = 0; i < ramp.size(); ++i) ramp.data()[i] = static_cast<std::uint8_t>(i / 3);
  std::vector<float> planes(3 * 256);
  normalize(ramp.view(), Normalization::clip(), planes.data());
  CHECK(planes == expected);
}

TEST_CASE("planes come out channel by channel, from parts of pictures and from gray, in double too") {
  const Image in = image_test::noise(9, 7, 3, "normalize");
  const Normalization norm{{0.1, 0.2, 0.3}, {2.0, 3.0, 4.0}};
  const ImageView part{in.row(1) + 3 * 2, 5, 4, 3, in.row_stride()};
  std::vector<double> planes(3 * 20);
  normalize(part, norm, planes.data());
  for (index_t c = 0; c < 3; ++c)
    for (index_t y = 0; y < 4; ++y)
      for (index_t x = 0; x < 5; ++x) {
        const auto k = static_cast<std::size_t>(c);
        CHECK(planes[static_cast<std::size_t>((c * 4 + y) * 5 + x)] ==
              (part.row(y)[3 * x + c] / 255.0 - norm.mean[k]) / norm.std[k]);
      }
  const Image gray = image_test::noise(3, 2, 1, "normalize gray");
  std::vector<float> three(18);
  normalize(gray.view(), Normalization{}, three.data());
  for (std::size_t i = 0; i < 18; ++i) CHECK(three[i] == static_cast<float>(gray.data()[i % 6]) / 255.0f);
}

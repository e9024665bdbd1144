// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>

#include <moeclip/base/rng.hpp>
#include <moeclip/image/jpeg.hpp>
#include <moeclip/image/jpeg/decode.hpp>
#include <moeclip/image/jpeg/encode.hpp>
#include "image_test.hpp"

namespace {

using namespace image_test;

/// Slopes and a sharp edge, with `noise` levels of noise.
Image drawn_picture(index_t width, index_t height, index_t channels, double noise) {
  const moeclip::Rng rng(static_cast<std::uint64_t>(width * 1000 + height), "jpeg");
  Image image(width, height, channels);
  for (index_t y = 0; y < height; ++y)
    for (index_t x = 0; x < width; ++x)
      for (index_t c = 0; c < channels; ++c) {
        const double slope = 40 + 60 * std::sin(0.05 * static_cast<double>(x + 20 * c)) + 0.3 * static_cast<double>(y);
        const double value = slope + (2 * x > width ? 90 : 0) + noise * rng.unit((y * width + x) * 3 + c);
        image.row(y)[x * channels + c] = static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0));
      }
  return image;
}

double root_mean_square(const Image& a, const Image& b) {
  double sum = 0;
  for (index_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a.data()[i]) - b.data()[i], 2);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

Image there_and_back(const Image& image, int quality) {
  const auto bytes = moeclip::encode_jpeg(image.view(), quality);
  return image.channels() == 1 ? moeclip::decode_jpeg_gray(bytes, "x.jpg") : moeclip::decode_jpeg(bytes, "x.jpg");
}

}  // namespace

TEST_CASE("encode_jpeg: all sizes come back, nearly as they were") {
  for (const auto& size : {std::pair<index_t, index_t>{1, 1}, {8, 8}, {7, 9}, {1, 50}, {33, 17}, {160, 96}})
    for (const index_t channels : {1, 3}) {
      const index_t width = size.first, height = size.second;
      CAPTURE(width);
      CAPTURE(channels);
      const Image image = drawn_picture(width, height, channels, 20);
      const Image best = there_and_back(image, 100);
      REQUIRE(best.width() == width);
      REQUIRE(best.height() == height);
      CHECK(root_mean_square(image, best) < 1.0);  // half a level from each of two roundings, and their colours
      CHECK(root_mean_square(image, there_and_back(image, 85)) < 8);
    }
}

TEST_CASE("encode_jpeg: extremes stay in range") {
  for (const int quality : {1, 50, 100}) {
    Image checks(24, 24, 3);
    for (index_t i = 0; i < checks.size(); ++i) checks.data()[i] = (i / 3 + i / 72) % 2 == 0 ? 0 : 255;
    const Image back = there_and_back(checks, quality);
    if (quality == 100) CHECK(root_mean_square(checks, back) < 1.5);
    Image flat(20, 20, 1);
    for (const int level : {0, 128, 255}) {
      flat.fill(static_cast<std::uint8_t>(level));
      CHECK(root_mean_square(flat, there_and_back(flat, quality)) <= (quality == 1 ? 100 : 1.5));
    }
  }
}

TEST_CASE("encode_jpeg: lower quality takes less room") {
  const Image image = drawn_picture(200, 200, 3, 60);
  std::size_t before = 0;
  for (const int quality : {10, 40, 70, 85, 95, 100}) {
    const std::size_t size = moeclip::encode_jpeg(image.view(), quality).size();
    CHECK(size > before);
    before = size;
  }
}

TEST_CASE("encode_jpeg: what cannot be written") {
  const Image image = drawn_picture(8, 8, 3, 0);
  CHECK_THROWS_AS(moeclip::encode_jpeg(moeclip::ImageView{}, 85), moeclip::Error);
  CHECK_THROWS_AS(moeclip::encode_jpeg(image.view(), 0), moeclip::Error);
  CHECK_THROWS_AS(moeclip::encode_jpeg(image.view(), 101), moeclip::Error);
}

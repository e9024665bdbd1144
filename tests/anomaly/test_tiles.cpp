// SPDX-License-Identifier: MIT
#include <moeclip/anomaly/tiles.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include "expect_error.hpp"

using namespace moeclip;

namespace {

/// A picture whose brightness rises from left to right and falls from top to bottom.
Image slope(index_t width, index_t height) {
  Image image(width, height, 1);
  for (index_t y = 0; y < height; ++y)
    for (index_t x = 0; x < width; ++x)
      image.row(y)[x] = static_cast<std::uint8_t>(20 + 200 * x / width + 30 * (height - y) / height);
  return image;
}

/// A place of a map.
float& value_at(Detection& found, index_t y, index_t x) { return found.map.view<2>()(y, x); }
float value_at(const Detection& found, index_t y, index_t x) { return found.map.view<2>()(y, x); }

/// Judges by brightness: the map has 16 x 16 places, the mean of the pixels of each; brighter than `threshold` is a
/// defect. `bias` of the tile's mean is added, as surroundings have a say in what an encoder sees.
class Brightness {
 public:
  explicit Brightness(float bias = 0, float threshold = 2) : bias_(bias), threshold_(threshold) {}

  void operator()(ImageView picture, Detection& found) {
    ++calls;
    constexpr index_t kSide = 16;
    detail::fit(found.map, Shape{kSide, kSide}).fill(0);
    float mean = 0;
    for (index_t v = 0; v < kSide; ++v)
      for (index_t u = 0; u < kSide; ++u) {
        float sum = 0;
        index_t count = 0;
        for (index_t y = v * picture.height / kSide;
             y < std::max((v + 1) * picture.height / kSide, v * picture.height / kSide + 1); ++y)
          for (index_t x = u * picture.width / kSide;
               x < std::max((u + 1) * picture.width / kSide, u * picture.width / kSide + 1); ++x) {
            sum += static_cast<float>(picture.row(y)[x * picture.channels]) / 255;
            ++count;
          }
        value_at(found, v, u) = sum / static_cast<float>(count);
        mean += value_at(found, v, u) / (kSide * kSide);
      }
    for (float& value : found.map) value += bias_ * mean;
    found.score = *std::max_element(found.map.begin(), found.map.end());
    found.class_score = mean;
    found.threshold = found.pixel_threshold = threshold_;
    found.map_kind = MapKind::probability;
    found.width = picture.width;
    found.height = picture.height;
  }

  int calls = 0;

 private:
  float bias_, threshold_;
};

Detection judge(const Image& image, const TileOptions& tiles, Brightness&& by = Brightness(), int threads = 2) {
  Context context({.threads = threads});
  Detection found;
  judge_in_tiles(context, image.view(), tiles, by, found);
  return found;
}

/// The largest steps between neighbours of a map.
float largest_step(const Detection& found) {
  float most = 0;
  for (index_t y = 1; y < found.map.extent(0); ++y)
    for (index_t x = 1; x < found.map.extent(1); ++x)
      most = std::max({most, std::abs(value_at(found, y, x) - value_at(found, y, x - 1)),
                       std::abs(value_at(found, y, x) - value_at(found, y - 1, x))});
  return most;
}

}  // namespace

TEST_CASE("the map of a smooth slope is the slope, without seams") {
  const Image image = slope(500, 330);
  const Detection found = judge(image, {96, 24});
  REQUIRE(found.map.shape() == Shape{330, 500});
  for (index_t y = 12; y < 318; ++y)
    for (index_t x = 12; x < 488; ++x)
      CHECK(std::abs(value_at(found, y, x) - static_cast<float>(image.row(y)[x]) / 255) <
            0.015f);                      // a place is 6 pixels
  const float slope_itself = 1.0f / 255;  // pixels are whole numbers
  CHECK(largest_step(found) < 1.5f * slope_itself);
}

TEST_CASE("where tiles disagree, the map goes from one to the other over all that they share") {
  const Image image = slope(480, 288);  // of whole tiles, if they share nothing
  const float smooth = largest_step(judge(image, {96, 48}));
  const auto disagreeing = [&](index_t overlap) { return largest_step(judge(image, {96, overlap}, Brightness(0.5f))); };
  CHECK(disagreeing(48) < 2 * smooth);  // the tiles' means rise half as much as the slope itself
  CHECK(disagreeing(24) < 2.5f * smooth);
  CHECK(disagreeing(0) > 10 * smooth);  // what is avoided
}

TEST_CASE("the score is that of the worst tile, and regions lie in the picture") {
  Image image(400, 60, 3);
  image.fill(40);
  for (index_t y = 20; y < 40; ++y)
    for (index_t x = 310; x < 330; ++x) std::fill_n(image.row(y) + 3 * x, 3, std::uint8_t{250});
  const Detection found = judge(image, {60, 15}, Brightness(0, 0.6f));
  CHECK(found.is_anomalous);
  CHECK(found.score > 0.9f);
  REQUIRE(found.regions.size() == 1);
  const Region& region = found.regions[0];
  CHECK(std::abs(region.x - 310) <= 4);
  CHECK(std::abs(region.y - 20) <= 4);
  CHECK(std::abs(region.width - 20) <= 8);
  CHECK(std::abs(region.height - 20) <= 8);
  CHECK(found.picture.width() == 400);
  CHECK(found.picture.row(25)[3 * 320] == 250);
  CHECK(found.width == 400);
  CHECK(found.height == 60);
  CHECK(!judge(slope(100, 100), {40, 10}, Brightness(0, 1)).is_anomalous);
}

TEST_CASE("the number of looks grows as the number of pixels does") {
  for (const index_t times : {1, 2, 4}) {
    Brightness by;
    Context context({.threads = 1});
    Detection found;
    judge_in_tiles(context, slope(48 + 480 * times, 512).view(), {64, 16}, by, found);
    CHECK(by.calls == (1 + 10 * times) * 11);  // tiles are 48 pixels apart
  }
}

TEST_CASE("without tiles the judge looks itself; a small picture is one tile, with a map of its size") {
  const Image image = slope(50, 20);
  CHECK(judge(image, {}).map.shape() == Shape{16, 16});
  const Detection one = judge(image, {64, 16});
  CHECK(one.map.shape() == Shape{20, 50});
  CHECK(one.score == judge(image, {}).score);
}

TEST_CASE("the same bits for any number of threads, and again") {
  const Image image = slope(333, 222);
  const Detection one = judge(image, {50, 20}, Brightness(0.3f), 1), many = judge(image, {50, 20}, Brightness(0.3f), 5);
  CHECK(std::equal(one.map.begin(), one.map.end(), many.map.begin()));
  Context context({.threads = 2});
  Detection again = one;
  Brightness by(0.3f);
  judge_in_tiles(context, slope(10, 10).view(), {4, 1}, by, again);
  judge_in_tiles(context, image.view(), {50, 20}, by, again);
  CHECK(std::equal(one.map.begin(), one.map.end(), again.map.begin(), again.map.end()));
}

TEST_CASE("reference maps are put together likewise") {
  const Image image = slope(200, 100);
  Brightness by;
  const auto both = [&](ImageView picture, Detection& found) {
    by(picture, found);
    found.reference = found.map;
    for (float& value : found.reference) value *= 12;
  };
  Context context;
  Detection found;
  judge_in_tiles(context, image.view(), {64, 16}, both, found);
  REQUIRE(found.reference.shape() == found.map.shape());
  for (index_t i = 0; i < found.map.size(); ++i) CHECK(std::abs(found.reference[i] - 12 * found.map[i]) < 1e-5f * 12);
}

TEST_CASE("nothing can be judged of nothing") {
  Context context;
  Detection found;
  Brightness by;
  expect_error(ErrorCode::contract, {"an empty picture"}, [&] {
    judge_in_tiles(context, ImageView{}, {8, 2}, by, found);
  });
}

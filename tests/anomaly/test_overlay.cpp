// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <limits>
#include <moeclip/anomaly/overlay.hpp>
#include <tuple>
#include <utility>

#include "detector_fixtures.hpp"
#include "expect_error.hpp"

using namespace detector_test;  // NOLINT

namespace {

/// A detection made by hand: `side` x `side`, of a picture of width x height.
Detection made_detection(index_t side, index_t width, index_t height) {
  Detection detection;
  detection.picture = random_picture(side, side, 3);
  detection.map = random_tensor<float>({side, side}, "map", 0.5f, 0.5f);
  detection.width = width;
  detection.height = height;
  detection.threshold = detection.pixel_threshold = 0.5f;
  return detection;
}

index_t differing_pixels(const Image& a, const Image& b) {
  REQUIRE(a.size() == b.size());
  index_t count = 0;
  for (index_t i = 0; i < a.size(); i += 3) count += !std::equal(a.data() + i, a.data() + i + 3, b.data() + i);
  return count;
}

}  // namespace

TEST_CASE("the picture is enlarged to a readable multiple, in its own proportions, beside its scale") {
  for (const auto& sizes :
       {std::pair<index_t, index_t>{1, 448}, {70, 490}, {224, 448}, {447, 894}, {448, 448}, {518, 518}}) {
    const index_t side = sizes.first, drawn = sizes.second;
    CAPTURE(side);
    const Image wide = overlay(made_detection(side, 640, 480)), tall = overlay(made_detection(side, 480, 640));
    for (const auto& [image, width, height] :
         {std::tuple<const Image&, index_t, index_t>(wide, drawn, drawn * 3 / 4),
          std::tuple<const Image&, index_t, index_t>(tall, drawn * 3 / 4, drawn)}) {
      CHECK(image.channels() == 3);
      CHECK((image.width() > width && image.width() < width + drawn / 2));
      CHECK((image.height() > height && image.height() < height + drawn / 8));
    }
  }
}

TEST_CASE("without a threshold nothing is called good or defective") {
  Detection detection = made_detection(70, 100, 100);
  const Image good = overlay(detection);
  detection.threshold = kNoThreshold;
  CHECK_FALSE(detection.has_verdict());
  const Image unknown = overlay(detection);
  CHECK((unknown.size() != good.size() || differing_pixels(unknown, good) > 0));
  detection.is_anomalous = true;
  CHECK(differing_pixels(unknown, overlay(detection)) == 0);
}

TEST_CASE("regions of every size and place are drawn without leaving the page") {
  Detection detection = made_detection(70, 1000, 10);
  const Image plain = overlay(detection);
  for (const Region& region :
       {Region{0, 0, 1, 1, 1, 1, 0, 0}, Region{999, 9, 1, 1, 1, 1, 999, 9}, Region{0, 0, 1000, 10, 10000, 1, 5, 5},
        Region{0, 0, 0, 0, 0, 0, 0, 0}, Region{500, 0, 1, 10, 10, 1, 500, 3}}) {
    detection.regions = {region};
    const Image image = overlay(detection);
    CHECK(image.width() == plain.width());
    CHECK(image.height() == plain.height());
    CHECK(differing_pixels(image, plain) > 0);
  }
}

TEST_CASE("the colours of a value do not depend on the rest of the map") {
  Detection low = made_detection(448, 448, 448), high = made_detection(448, 448, 448);
  low.map.fill(0.2f);
  high.map.fill(0.2f);
  for (index_t i = 448 * 224; i < high.map.size(); ++i) high.map[i] = 1.0f;
  const Image a = overlay(low), b = overlay(high);
  for (index_t y = 0; y < 220; ++y) CHECK(std::equal(a.view().row(y), a.view().row(y) + 3 * 448, b.view().row(y)));
  CHECK(differing_pixels(a, b) > 448 * 200);
}

TEST_CASE("verdict and kind of map are written, a reference map has its own scale") {
  Detection detection = made_detection(70, 70, 70);
  const Image good = overlay(detection);
  detection.is_anomalous = true;
  CHECK(differing_pixels(overlay(detection), good) > 0);
  detection.is_anomalous = false;
  detection.map_kind = MapKind::reference;
  detection.pixel_threshold = 6;
  CHECK_NOTHROW(static_cast<void>(overlay(detection)));
}

TEST_CASE("numbers that are none do not spoil the drawing") {
  Detection detection = made_detection(70, 70, 70);
  detection.map[0] = std::numeric_limits<float>::quiet_NaN();
  detection.map[100] = std::numeric_limits<float>::infinity();
  detection.map[200] = -1e30f;
  detection.score = std::numeric_limits<float>::quiet_NaN();
  CHECK_NOTHROW(static_cast<void>(overlay(detection)));
}

TEST_CASE("a real detection is drawn; none is refused") {
  Context context({.threads = 1});
  for (const auto& [width, height] : {std::pair<index_t, index_t>{1, 1}, {3, 1500}, {80, 60}}) {
    const Detection detection =
        shared_detector().detect(context, random_picture(width, height, 3).view(), random_anchors());
    const Image image = overlay(detection);
    CHECK(std::max(image.width(), image.height()) > 448);
  }
  expect_error(ErrorCode::contract, {"no detection"}, [] { static_cast<void>(overlay(Detection{})); });
}

// SPDX-License-Identifier: MIT
#include <moeclip/image/tile_grid.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include "expect_error.hpp"

using namespace moeclip;

namespace {

std::vector<float> weights_of(const TileAxis& axis, index_t tile) {
  std::vector<float> weights(static_cast<std::size_t>(axis.size()));
  axis.weights(tile, weights);
  return weights;
}

}  // namespace

TEST_CASE("tiles cover an axis, share what was asked for, and their weights are one everywhere") {
  for (const TileOptions options : {TileOptions{1, 0}, {2, 1}, {7, 3}, {8, 4}, {64, 0}, {64, 1}, {64, 16}, {64, 32}})
    for (const index_t length : {index_t{1}, index_t{2}, options.size - 1, options.size, options.size + 1,
                                 2 * options.size - options.overlap, 2 * options.size, index_t{997}}) {
      if (length < 1) continue;
      CAPTURE(options.size);
      CAPTURE(options.overlap);
      CAPTURE(length);
      const TileAxis axis(length, options);
      CHECK(axis.size() == std::min(length, options.size));
      CHECK(axis.start(0) == 0);
      CHECK(axis.start(axis.count() - 1) + axis.size() == length);
      std::vector<double> sums(static_cast<std::size_t>(length));
      for (index_t i = 0; i < axis.count(); ++i) {
        if (i > 0) CHECK(axis.start(i - 1) + axis.size() - axis.start(i) >= options.overlap);
        if (i > 0) CHECK(axis.start(i) > axis.start(i - 1));
        const auto weights = weights_of(axis, i);
        CHECK(std::ssize(weights) == axis.size());
        for (index_t x = 0; x < axis.size(); ++x) {
          CHECK(weights[static_cast<std::size_t>(x)] > 0);
          sums[static_cast<std::size_t>(axis.start(i) + x)] +=
              static_cast<double>(weights[static_cast<std::size_t>(x)]);
        }
      }
      for (const double sum : sums) CHECK(std::abs(sum - 1) < 4e-7);  // a few roundings of float
      // no more tiles than the overlap that was asked for needs
      const index_t step = options.size - options.overlap;
      CHECK(axis.count() <= 1 + std::max<index_t>(0, length - options.size + step - 1) / step);
    }
}

TEST_CASE("a weight fades towards the inside of the picture, and not at its border") {
  const TileAxis axis(160, {64, 16});
  REQUIRE(axis.count() == 3);
  CHECK(weights_of(axis, 0)[0] == 1);
  CHECK(weights_of(axis, 2)[63] == 1);
  for (const auto& [tile, x] : {std::pair<index_t, std::size_t>{0, 63}, {1, 0}, {1, 63}, {2, 0}})
    CHECK(weights_of(axis, tile)[x] < 0.05f);
  const auto middle = weights_of(axis, 1);
  for (std::size_t x = 1; x < 16; ++x) CHECK(middle[x] > middle[x - 1]);
}

TEST_CASE("a grid's tiles are windows on the picture") {
  Image image(10, 7, 3);
  for (index_t i = 0; i < image.size(); ++i) image.data()[i] = static_cast<std::uint8_t>(i);
  const TileGrid grid(10, 7, {4, 1});
  CHECK(grid.count() == 3 * 2);
  for (index_t tile = 0; tile < grid.count(); ++tile) {
    const ImageView view = grid.view(image.view(), tile);
    CHECK(view.width == 4);
    CHECK(view.height == 4);
    CHECK(view.row(1) == image.row(grid.y(tile) + 1) + 3 * grid.x(tile));
    const Image copy = copy_image(view);
    CHECK(copy.row(3)[11] == view.row(3)[11]);
  }
}

TEST_CASE("what is no way to cut is refused, and records say how it was done") {
  for (const TileOptions options : {TileOptions{0, 0}, {-3, 0}, {8, 5}, {8, -1}})
    expect_error(ErrorCode::contract, {"tiles of"}, [&] { TileAxis(100, options); });
  const TileOptions tiles{256, 64};
  const Json record = Json::object().set(kTilesKey, to_json(tiles));
  CHECK(recorded_tiles(record, "a file") == tiles);
  CHECK(recorded_tiles(Json::object(), "a file") == TileOptions{});
  CHECK(describe_tiles(tiles) == "in tiles of 256 pixels that share 64");
  const Json wrong = Json::object().set(kTilesKey, Json::object().set("size", 8).set("overlap", 7));
  expect_error(ErrorCode::format, {"a file", "share 7"}, [&] { recorded_tiles(wrong, "a file"); });
}

// SPDX-License-Identifier: MIT
#include <moeclip/data/tile_source.hpp>

#include <doctest/doctest.h>

#include <moeclip/image/write_image.hpp>
#include "expect_error.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;

namespace {

/// A picture whose pixels tell where they were, or a mask with a spot.
Image big_picture() {
  Image image(100, 60, 3);
  for (index_t y = 0; y < 60; ++y)
    for (index_t x = 0; x < 100; ++x) {
      image.row(y)[3 * x] = static_cast<std::uint8_t>(x);
      image.row(y)[3 * x + 1] = static_cast<std::uint8_t>(y);
      image.row(y)[3 * x + 2] = 7;
    }
  return image;
}

Image spot(index_t width, index_t height) {
  Image mask(width, height, 1);
  mask.fill(0);
  mask.row(height / 10)[width / 10] = 255;
  return mask;
}

}  // namespace

TEST_CASE("the tiles of a picture take its place, and those that are marked are defective") {
  const TemporaryFolder folder("tile_source");
  const auto path = [&](const char* name) { return join_path(folder.path(), name); };
  write_png(path("big.png"), big_picture());
  write_png(path("mask.png"), spot(100, 60));
  write_png(path("half.png"), spot(50, 30));  // a mask of another size
  write_png(path("small.png"), spot(20, 20));
  SampleSource whole({{path("big.png"), 0, "plate", ""},
                      {path("big.png"), 1, "plate", path("mask.png")},
                      {path("big.png"), 1, "sheet", path("half.png")},
                      {path("big.png"), 1, "sheet", ""},
                      {path("small.png"), 0, "plate", ""}});
  const TileOptions tiles{40, 10};
  const SampleSource source = tile_source(whole, tiles);
  const TileGrid grid(100, 60, tiles);
  REQUIRE(grid.count() == 6);
  REQUIRE(source.size() == 3 * 6 + 2);
  CHECK(source.classes().size() == 2);
  for (index_t tile = 0; tile < 6; ++tile) {
    const Sample good = source.load(tile), bad = source.load(6 + tile), coarse = source.load(12 + tile);
    CHECK(good.label == 0);
    CHECK(good.picture.width() == 40);
    CHECK(good.picture.height() == 40);
    CHECK(good.picture.row(3)[3 * 5] == grid.x(tile) + 5);
    CHECK(good.picture.row(3)[3 * 5 + 1] == grid.y(tile) + 3);
    CHECK(bad.label == (tile == 0 ? 1 : 0));  // the spot lies at (10, 6)
    CHECK(bad.has_mask());
    CHECK(coarse.label == (tile == 0 ? 1 : 0));
    CHECK(source.file(6 + tile) == path("big.png"));
  }
  CHECK(source.entry(18) != nullptr);  // defective, nobody knows where: whole
  CHECK(source.load(18).picture.width() == 100);
  CHECK(source.entry(19) != nullptr);  // small
  CHECK(tile_source(whole, {40, 12}).fingerprint() != source.fingerprint());
  CHECK(tile_source(whole, {}).fingerprint() == whole.fingerprint());
}

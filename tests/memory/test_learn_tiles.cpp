// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <moeclip/io/weights.hpp>
#include <moeclip/memory/learn.hpp>
#include <moeclip/memory/memory_file.hpp>

#include "../anomaly/detector_fixtures.hpp"
#include "expect_error.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;        // NOLINT
using namespace detector_test;  // NOLINT

namespace {

constexpr TileOptions kTiles{200, 50};

/// A line scan of rolled metal, 200 pixels wide, with grain of its own; defective: with a dent of 20 x 20 pixels.
Image line_scan(index_t number, index_t length, index_t dent = -1) {
  Image image(200, length, 3);
  const Rng grain(7, concat("scan/", number));
  for (index_t y = 0; y < length; ++y)
    for (index_t x = 0; x < 200; ++x) {
      const auto value = static_cast<std::uint8_t>(120 + 20 * (x / 25 % 2) + grain.integer(y * 200 + x, -6, 7));
      std::fill_n(image.row(y) + 3 * x, 3, value);
    }
  for (index_t y = dent; dent >= 0 && y < dent + 20; ++y)
    for (index_t x = 90; x < 110; ++x) std::fill_n(image.row(y) + 3 * x, 3, std::uint8_t{30});
  return image;
}

Detection judge_tiles(const PatchMemory<float>& memory, const Image& image, int threads = 2) {
  Context context({.threads = threads});
  Detection found;
  const auto by = [&](ImageView picture, Detection& seen) {
    if (memory.record.features == PatchFeatures::texture)
      return detect_by_texture<float>(context, memory, picture, seen);
    detect_by_memory<float>(context, shared_detector(), memory, nullptr, picture, seen);
  };
  judge_in_tiles(context, image.view(), memory.record.tiles, by, found);
  return found;
}

/// The largest step from a pixel of a map to the next.
float largest_step(const Detection& found) {
  const auto map = found.map.view<2>();
  float most = 0;
  for (index_t y = 1; y < map.extent(0); ++y)
    for (index_t x = 1; x < map.extent(1); ++x)
      most = std::max({most, std::abs(map(y, x) - map(y, x - 1)), std::abs(map(y, x) - map(y - 1, x))});
  return most;
}

PatchMemory<float> learn_scans(index_t count, TileOptions tiles, int threads = 2) {
  Context context({.threads = threads});
  LearnOptions options;
  options.patches = 300;
  options.tiles = tiles;
  const auto load = [](index_t i) { return line_scan(i, 900); };
  return learn_textures<float>(context, {count, load}, options);
}

}  // namespace

TEST_CASE("a dent of twenty pixels in a long line scan is found in tiles, and where it is") {
  const PatchMemory<float> memory = learn_scans(6, kTiles);
  CHECK(memory.record.tiles == kTiles);
  CHECK(memory.record.held_out.size() == 6);
  const Detection bad = judge_tiles(memory, line_scan(50, 5000, 3333)), good = judge_tiles(memory, line_scan(51, 5000));
  CHECK(bad.map.shape() == Shape{5000, 200});
  CHECK(bad.is_anomalous);
  CHECK(bad.score > good.score);
  REQUIRE(!bad.regions.empty());
  CHECK(std::abs(bad.regions[0].peak_y - 3343) < 30);
  CHECK(std::abs(bad.regions[0].peak_x - 100) < 30);
}

TEST_CASE("textures of a smooth slope have no seams") {
  Context context;
  const auto slope = [](index_t from) {
    Image image(600, 420, 3);
    for (index_t y = 0; y < 420; ++y)
      for (index_t x = 0; x < 600; ++x)
        std::fill_n(image.row(y) + 3 * x, 3, static_cast<std::uint8_t>(from + x / 5 + y / 7));
    return image;
  };
  LearnOptions options;
  options.patches = 200;
  options.tiles = {150, 50};
  const auto load = [&](index_t i) { return slope(10 + 8 * i); };
  const PatchMemory<float> memory = learn_textures<float>(context, {3, load}, options);
  const Image image = slope(45);
  const float whole = largest_step(judge_tiles(memory, image));
  const TileGrid grid(600, 420, options.tiles);
  float alone = 0;  // of tiles by themselves
  for (index_t tile = 0; tile < grid.count(); ++tile)
    alone = std::max(alone, largest_step(judge_tiles(memory, copy_image(grid.view(image.view(), tile)))));
  CHECK(whole <= alone);  // what is put together is no steeper than what it is made of
}

TEST_CASE("a memory in tiles is the same for any number of threads, and remembers how it was made") {
  const PatchMemory<float> one = learn_scans(3, kTiles, 1), many = learn_scans(3, kTiles, 5);
  REQUIRE(one.patches.rows().shape() == many.patches.rows().shape());
  CHECK(std::equal(one.patches.rows().begin(), one.patches.rows().end(), many.patches.rows().begin()));
  CHECK(one.record.threshold == many.record.threshold);
  const TemporaryFolder folder("tiles");
  save_memory(join_path(folder.path(), "m.moeclip"), one);
  Context context;
  const auto loaded = load_texture_memory<float>(context, WeightFile::open(join_path(folder.path(), "m.moeclip")));
  CHECK(loaded.record.tiles == kTiles);
  CHECK(learn_scans(2, {}).record.tiles == TileOptions{});
}

TEST_CASE("more tiles than a picture has candidates: some of each picture are looked at") {
  Context context;
  LearnOptions options;
  options.patches = 5;  // ten candidates of each of two pictures, which have 25 tiles
  options.tiles = {40, 0};
  index_t looks = 0;
  const auto load = [&](index_t i) { return line_scan(i, 200); };
  const PatchMemory<float> memory = learn_textures<float>(context, {2, load}, options, [&](index_t) { ++looks; });
  CHECK(looks == 4);
  CHECK(memory.patches.size() == 5);
  CHECK(judge_tiles(memory, line_scan(9, 200)).map.shape() == Shape{200, 200});
}

TEST_CASE("an encoder learns in tiles, too") {
  Context context;
  LearnOptions options;
  options.patches = 100;
  options.tiles = {100, 20};
  const auto load = [](index_t i) { return line_scan(i, 300); };
  const PatchMemory<float> memory = learn<float>(context, shared_detector(), {3, load}, options);
  CHECK(memory.record.tiles == options.tiles);
  CHECK(judge_tiles(memory, line_scan(20, 310)).map.shape() == Shape{310, 200});
}

TEST_CASE("one good picture in tiles gives scores and no verdict") {
  const PatchMemory<float> memory = learn_scans(1, kTiles);
  CHECK(memory.record.threshold == kNoThreshold);
  CHECK(judge_tiles(memory, line_scan(50, 900, 500)).score > judge_tiles(memory, line_scan(51, 900)).score);
}

// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <moeclip/anomaly/regions.hpp>
#include <tuple>
#include <vector>

#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace {

bool comes_first(const Region& a, const Region& b) {
  return std::tuple(-a.peak, -a.area, a.y, a.x, a.peak_y, a.peak_x) <
         std::tuple(-b.peak, -b.area, b.y, b.x, b.peak_y, b.peak_x);
}

bool is_same(const Region& a, const Region& b) {
  return std::tuple(a.x, a.y, a.width, a.height, a.area, a.peak, a.peak_x, a.peak_y) ==
         std::tuple(b.x, b.y, b.width, b.height, b.area, b.peak, b.peak_x, b.peak_y);
}

/// Labels by repeated spreading of the smallest pixel number to neighbours, until nothing changes.
std::vector<Region> slow_regions(const Tensor<float>& map, float threshold, index_t smallest) {
  const index_t height = map.extent(0), width = map.extent(1);
  std::vector<index_t> label(static_cast<std::size_t>(map.size()), -1);
  const auto at = [&](index_t y, index_t x) -> index_t& { return label[static_cast<std::size_t>(y * width + x)]; };
  for (index_t i = 0; i < map.size(); ++i)
    if (map[i] >= threshold) label[static_cast<std::size_t>(i)] = i;
  for (bool has_changed = true; has_changed;) {
    has_changed = false;
    for (index_t y = 0; y < height; ++y)
      for (index_t x = 0; x < width; ++x)
        for (index_t ny = std::max<index_t>(0, y - 1); at(y, x) >= 0 && ny < std::min(height, y + 2); ++ny)
          for (index_t nx = std::max<index_t>(0, x - 1); nx < std::min(width, x + 2); ++nx)
            if (at(ny, nx) >= 0 && at(ny, nx) < at(y, x)) at(y, x) = at(ny, nx), has_changed = true;
  }
  std::vector<Region> regions;
  for (index_t seed = 0; seed < map.size(); ++seed) {
    Region region;
    index_t right = -1, bottom = -1;
    region.x = width, region.y = height;
    region.peak = -std::numeric_limits<float>::infinity();
    for (index_t i = 0; i < map.size(); ++i) {
      if (label[static_cast<std::size_t>(i)] != seed) continue;
      const index_t y = i / width, x = i % width;
      ++region.area;
      region.x = std::min(region.x, x), region.y = std::min(region.y, y);
      right = std::max(right, x), bottom = std::max(bottom, y);
      if (map[i] > region.peak || region.area == 1) region.peak = map[i], region.peak_x = x, region.peak_y = y;
    }
    region.width = right - region.x + 1, region.height = bottom - region.y + 1;
    if (region.area >= std::max<index_t>(1, smallest)) regions.push_back(region);
  }
  std::ranges::sort(regions, comes_first);
  return regions;
}

void check_against_slow(Context& context, const Tensor<float>& map, float threshold, index_t smallest) {
  std::vector<Region> regions;
  find_regions<float>(context, map.view<2>(), threshold, smallest, regions);
  for (std::size_t i = 1; i < regions.size(); ++i) {  // sorted as documented; what is equal there may come in any order
    const auto key = [](const Region& r) { return std::tuple(-r.peak, -r.area, r.y, r.x); };
    CHECK(key(regions[i - 1]) <= key(regions[i]));
  }
  std::ranges::sort(regions, comes_first);
  const auto wanted = slow_regions(map, threshold, smallest);
  REQUIRE(regions.size() == wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) CHECK(is_same(regions[i], wanted[i]));
}

}  // namespace

TEST_CASE("random maps have the regions that slow labelling finds") {
  Context context({.threads = 1});
  const Rng rng(1, "sizes");
  for (index_t trial = 0; trial < 60; ++trial) {
    CAPTURE(trial);
    const Shape shape{rng.integer(3 * trial, 1, 14), rng.integer(3 * trial + 1, 1, 14)};
    Tensor<float> map = random_tensor<float>(shape, concat("map ", trial));
    if (trial % 3 == 0)
      for (float& value : map) value = std::floor(value * 3) / 3;  // ties
    const float threshold = static_cast<float>(trial % 7 - 3) / 4;
    check_against_slow(context, map, threshold, 1 + trial % 4);
  }
}

TEST_CASE("a spiral is one region, a chessboard too, a lattice is many") {
  Context context({.threads = 1});
  const index_t n = 41;
  Tensor<float> spiral({n, n}), chess({n, n}), lattice({n, n});
  index_t x = 0, y = 0, dx = 1, dy = 0;
  const auto is_free = [&](index_t px, index_t py) {
    return px >= 0 && py >= 0 && px < n && py < n && spiral[py * n + px] == 0;
  };
  spiral[0] = 1;
  index_t length = 1;
  for (int turns = 0; turns < 2;) {
    if (is_free(x + dx, y + dy) &&
        (is_free(x + 2 * dx, y + 2 * dy) || x + 2 * dx < 0 || y + 2 * dy < 0 || x + 2 * dx >= n || y + 2 * dy >= n)) {
      x += dx, y += dy, spiral[y * n + x] = 1, ++length, turns = 0;
    } else {
      std::swap(dx, dy), dx = -dx, ++turns;  // turn right
    }
  }
  for (index_t i = 0; i < n * n; ++i) {
    chess[i] = static_cast<float>((i / n + i % n) % 2);
    lattice[i] = static_cast<float>(i / n % 2 == 0 && i % n % 2 == 0);
  }
  std::vector<Region> regions;
  find_regions<float>(context, std::as_const(spiral).view<2>(), 0.5f, 1, regions);
  REQUIRE(regions.size() == 1);
  CHECK(regions[0].area == length);
  CHECK(regions[0].width == n);
  find_regions<float>(context, std::as_const(chess).view<2>(), 0.5f, 1, regions);
  CHECK(regions.size() == 1);  // diagonal neighbours count
  find_regions<float>(context, std::as_const(lattice).view<2>(), 0.5f, 1, regions);
  CHECK(regions.size() == 21 * 21);
  find_regions<float>(context, std::as_const(lattice).view<2>(), 0.5f, 2, regions);
  CHECK(regions.empty());
}

TEST_CASE("NaN is never part of a region, infinity is") {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
  Context context({.threads = 1});
  Tensor<float> map({1, 7});
  const float values[] = {kNan, 1, kNan, 2, kInf, -kInf, 3};
  std::copy_n(values, 7, map.data());
  std::vector<Region> regions;
  find_regions<float>(context, std::as_const(map).view<2>(), 0.5f, 1, regions);
  REQUIRE(regions.size() == 3);
  CHECK(regions[0].peak == kInf);
  CHECK(regions[0].area == 2);
  CHECK(regions[1].x == 6);
  CHECK(regions[2].peak == 1);
  find_regions<float>(context, std::as_const(map).view<2>(), kNan, 1, regions);
  CHECK(regions.empty());
  map.fill(kNan);
  find_regions<float>(context, std::as_const(map).view<2>(), -kInf, 1, regions);
  CHECK(regions.empty());
}

TEST_CASE("the threshold belongs to the region; the whole map may be one") {
  Context context({.threads = 1});
  Tensor<float> map({3, 4});
  map.fill(0.5f);
  std::vector<Region> regions(5);
  find_regions<float>(context, std::as_const(map).view<2>(), 0.5f, 1, regions);
  REQUIRE(regions.size() == 1);
  CHECK(is_same(regions[0], {0, 0, 4, 3, 12, 0.5f, 0, 0}));
  find_regions<float>(context, std::as_const(map).view<2>(), 0.50001f, 1, regions);
  CHECK(regions.empty());
}

TEST_CASE("a strided map is read through its strides") {
  Context context({.threads = 1});
  const Tensor<float> map = random_tensor<float>({6, 9}, "strided");
  Tensor<float> transposed({9, 6});
  for (index_t i = 0; i < 54; ++i) transposed[(i % 9) * 6 + i / 9] = map[i];
  std::vector<Region> direct, through;
  find_regions<float>(context, std::as_const(transposed).view<2>(), 0.2f, 1, direct);
  find_regions<float>(context, View<const float, 2>(map.data(), {9, 6}, {1, 9}), 0.2f, 1, through);
  REQUIRE(direct.size() == through.size());
  for (std::size_t i = 0; i < direct.size(); ++i) CHECK(is_same(direct[i], through[i]));
}

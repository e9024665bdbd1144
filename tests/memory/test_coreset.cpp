// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <moeclip/memory/coreset.hpp>
#include <numeric>
#include <set>

#include "expect_error.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace {

double squared_distance(const double* a, const double* b, index_t width) {
  double sum = 0;
  for (index_t c = 0; c < width; ++c) sum += (a[c] - b[c]) * (a[c] - b[c]);
  return sum;
}

/// The greedy choice that begins with `first`, as it is defined: all distances anew for every step.
std::vector<index_t> brute_force(const Tensor<double>& points, index_t count, index_t first) {
  std::vector<index_t> chosen{first};
  const index_t width = points.extent(1);
  while (std::ssize(chosen) < count) {
    index_t farthest = 0;
    double largest = -1;
    for (index_t i = 0; i < points.extent(0); ++i) {
      double nearest = std::numeric_limits<double>::infinity();
      for (const index_t row : chosen)
        nearest = std::min(nearest, squared_distance(&points[i * width], &points[row * width], width));
      if (nearest > largest) {
        largest = nearest;
        farthest = i;
      }
    }
    chosen.push_back(farthest);
  }
  return chosen;
}

}  // namespace

TEST_CASE_TEMPLATE("a coreset is what the definition chooses, step by step", T, float, double) {
  const auto points = random_tensor<T>({700, 24}, "points");  // more than one task
  const auto wide = random_tensor<double>({700, 24}, "points");
  Context context;
  for (const std::uint64_t seed : {1U, 2U}) {
    const std::vector<index_t> chosen = choose_coreset<T>(context, points.template view<2>(), 60, seed);
    CHECK(chosen == brute_force(wide, 60, chosen.front()));
  }
}

TEST_CASE("of points that are equally far, the first is chosen") {
  Tensor<double> points({1200, 1});
  for (index_t i = 0; i < points.size(); ++i) points[i] = i % 3 == 0 ? 0.0 : (i % 3 == 1 ? 1.0 : -1.0);
  Context context({.threads = 3});
  for (const std::uint64_t seed : {1U, 2U, 3U, 4U}) {
    const std::vector<index_t> chosen = choose_coreset<double>(context, points.view<2>(), 4, seed);
    CHECK(chosen == brute_force(points, 4, chosen.front()));
    CHECK(chosen.back() == 0);  // all are at 0 by then
  }
}

TEST_CASE("a coreset is the same for any number of threads, and another for another seed") {
  const auto points = random_tensor<float>({1500, 200}, "points");  // wider than kCoresetWidth
  const auto choose = [&](int threads, std::uint64_t seed) {
    Context context({.threads = threads});
    return choose_coreset<float>(context, points.view<2>(), 50, seed);
  };
  const std::vector<index_t> chosen = choose(1, 3);
  CHECK(std::set<index_t>(chosen.begin(), chosen.end()).size() == 50);
  CHECK(chosen == choose(2, 3));
  CHECK(chosen == choose(5, 3));
  CHECK(chosen != choose(1, 4));
}

TEST_CASE("all points are chosen, in their order, if there are no more than wanted") {
  const auto points = random_tensor<float>({7, 3}, "points");
  Context context;
  std::vector<index_t> all(7);
  std::iota(all.begin(), all.end(), index_t{0});
  CHECK(choose_coreset<float>(context, points.view<2>(), 7, 1) == all);
  CHECK(choose_coreset<float>(context, points.view<2>(), 100, 1) == all);
  expect_error(ErrorCode::contract, {"coreset of 0"},
               [&] { (void)choose_coreset<float>(context, points.view<2>(), 0, 1); });
}

TEST_CASE("coordinates keep distances to a few percent") {
  const auto points = random_tensor<double>({40, 1024}, "points");
  Context context;
  const Tensor<double> images = coreset_coordinates<double>(context, points.view<2>(), 1);
  REQUIRE(images.shape() == Shape{40, kCoresetWidth});
  for (index_t i = 1; i < 40; ++i) {
    const double before = squared_distance(points.data(), points.data() + i * 1024, 1024);
    const double after = squared_distance(images.data(), images.data() + i * kCoresetWidth, kCoresetWidth);
    // its relative variance is 2 / kCoresetWidth; five standard deviations
    CHECK(std::abs(after / before - 1) < 5 * std::sqrt(2.0 / static_cast<double>(kCoresetWidth)));
  }
}

// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/eval/median_patch.hpp>
#include <moeclip/tensor/tensor.hpp>
#include <utility>

#include "expect_error.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE("statistics of patches") {
  Image picture(5, 4, 3);  // two patches of 2 across, two down; the last column is left out
  picture.fill(100);
  picture.row(0)[0] = 104;  // red of the first patch
  Tensor<float> statistics({4, kPatchStatistics});
  patch_statistics(picture.view(), 2, statistics.view<2>());
  CHECK(statistics[0] == 101);
  CHECK(statistics[1] == 100);
  CHECK(statistics[3] == doctest::Approx(std::sqrt(3.0)));
  CHECK(statistics[4] == 0);
  CHECK(statistics[6] == 100);
  expect_error(ErrorCode::contract, {"has 1"}, [&] { patch_statistics(picture.view(), 4, statistics.view<2>()); });
}

TEST_CASE("the patch that differs deviates") {
  Tensor<float> features({9, 2});
  for (index_t p = 0; p < 9; ++p) features[2 * p] = static_cast<float>(p % 3), features[2 * p + 1] = 5;
  features[2 * 4 + 1] = 6;
  std::vector<float> deviation(9);
  median_deviation(std::as_const(features).view<2>(), 1.0f, deviation.data());
  // column 0: median 1, median distance 1; column 1: median 5, median distance 0
  CHECK(deviation[0] == doctest::Approx(std::sqrt((0.25 + 0.0) / 2)));
  CHECK(deviation[1] == 0);
  CHECK(deviation[4] == doctest::Approx(std::sqrt((0.0 + 1.0) / 2)));
}

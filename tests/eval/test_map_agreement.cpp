// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/eval/map_agreement.hpp>
#include <vector>

#include "expect_error.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE("maps agree by rank whatever their scale, and differ by value") {
  const std::vector<float> a{0.1f, 0.2f, 0.4f, 0.3f}, twice{0.2f, 0.4f, 0.8f, 0.6f};
  CHECK(compare_maps(a, a).rank_correlation == doctest::Approx(1));
  CHECK(compare_maps(a, a).largest_difference == 0);
  const MapAgreement scaled = compare_maps(a, twice);
  CHECK(scaled.rank_correlation == doctest::Approx(1));
  CHECK(scaled.largest_difference == doctest::Approx(0.4));
  CHECK(scaled.mean_difference == doctest::Approx(0.25));
  const std::vector<float> reversed{0.4f, 0.3f, 0.1f, 0.2f};
  CHECK(compare_maps(a, reversed).rank_correlation == doctest::Approx(-1));
}

TEST_CASE("equal values share a rank") {
  // ranks 0.5 0.5 2 3 against 0 1 2 3, as scipy.stats.spearmanr gives
  CHECK(compare_maps(std::vector<float>{1, 1, 2, 3}, std::vector<float>{1, 2, 3, 4}).rank_correlation ==
        doctest::Approx(0.9486832980505138));
  const std::vector<float> flat(4, 0.5f), other{1, 2, 3, 4};
  CHECK(compare_maps(flat, flat).rank_correlation == 1);
  CHECK(compare_maps(flat, other).rank_correlation == 0);
  CHECK(compare_maps(std::vector<float>{1}, std::vector<float>{2}).rank_correlation == 1);
}

TEST_CASE("maps of different sizes cannot be compared") {
  expect_error(ErrorCode::contract, {"3", "2"}, [] { compare_maps(std::vector<float>(3), std::vector<float>(2)); });
  expect_error(ErrorCode::contract, {"0"}, [] { compare_maps({}, {}); });
}

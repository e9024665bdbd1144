// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <limits>
#include <moeclip/tensor/shape.hpp>
#include <vector>

#include "expect_error.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE("a shape counts its elements") {
  CHECK(Shape{}.size() == 1);
  CHECK(Shape{}.rank() == 0);
  CHECK(Shape{7}.size() == 7);
  CHECK(Shape{2, 3, 5}.size() == 30);
  CHECK(Shape{4, 0, 9}.size() == 0);
  CHECK(Shape{1, 1, 1, 1, 1, 1, 1, 2}.size() == 2);
  CHECK(Shape{2, 3, 5}[1] == 3);
  CHECK(Shape{2, 3, 5}.extents().size() == 3);
}

TEST_CASE("a shape prints as people write it") {
  CHECK(to_string(Shape{}) == "()");
  CHECK(to_string(Shape{5}) == "(5)");
  CHECK(to_string(Shape{2, 3, 4}) == "(2,3,4)");
}

TEST_CASE("shapes are equal by rank and extents") {
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK_FALSE(Shape{2, 3} == Shape{3, 2});
  CHECK_FALSE(Shape{2, 3} == Shape{2, 3, 1});
  CHECK_FALSE(Shape{} == Shape{1});
}

TEST_CASE("impossible shapes are refused") {
  expect_error(ErrorCode::contract, {"rank 9", "8"}, [] { Shape shape{1, 1, 1, 1, 1, 1, 1, 1, 1}; });
  expect_error(ErrorCode::contract, {"-2"}, [] { Shape shape{3, -2}; });
  constexpr index_t kMost = std::numeric_limits<index_t>::max();
  CHECK(Shape{kMost}.size() == kMost);
  expect_error(ErrorCode::contract, {"counted"}, [] { Shape shape{kMost, 2}; });
  expect_error(ErrorCode::contract, {"counted"}, [] { Shape shape{index_t{1} << 32, index_t{1} << 32}; });
  const std::vector<index_t> from_file{3, 4};
  CHECK(Shape(std::span<const index_t>(from_file)) == Shape{3, 4});
}

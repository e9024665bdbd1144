// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <limits>
#include <moeclip/base/checked.hpp>

#include "expect_error.hpp"

using namespace moeclip;  // NOLINT

namespace {
constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
}

TEST_CASE("checked_add is exact up to the last value") {
  CHECK(checked_add(2, 3, "sum") == 5);
  CHECK(checked_add(kMost, 0, "sum") == kMost);
  CHECK(checked_add(kMost - 7, 7, "sum") == kMost);
  expect_error(ErrorCode::limit, {"the header", "18446744073709551615 + 1"},
               [] { checked_add(kMost, 1, "the header"); });
  expect_error(ErrorCode::limit, {"sum"}, [] { checked_add(1, kMost, "sum"); });
}

TEST_CASE("checked_mul is exact up to the last value") {
  CHECK(checked_mul(0, kMost, "product") == 0);
  CHECK(checked_mul(kMost, 0, "product") == 0);
  CHECK(checked_mul(kMost, 1, "product") == kMost);
  CHECK(checked_mul(0xFFFFFFFFu, 0x100000001u, "product") == kMost);
  expect_error(ErrorCode::limit, {"rows", "4294967296 * 4294967296"},
               [] { checked_mul(std::uint64_t{1} << 32, std::uint64_t{1} << 32, "rows"); });
  expect_error(ErrorCode::limit, {"product"}, [] { checked_mul(0xFFFFFFFFu, 0x100000002u, "product"); });
}

TEST_CASE("checked_index refuses what a signed count cannot hold") {
  constexpr auto kLast = static_cast<std::uint64_t>(std::numeric_limits<index_t>::max());
  CHECK(checked_index(kLast, "count") == std::numeric_limits<index_t>::max());
  expect_error(ErrorCode::limit, {"count", "too large"}, [] { checked_index(kLast + 1, "count"); });
}

TEST_CASE("range_fits never overflows") {
  CHECK(range_fits(0, 0, 0));
  CHECK(range_fits(3, 4, 7));
  CHECK(range_fits(7, 0, 7));
  CHECK_FALSE(range_fits(3, 5, 7));
  CHECK_FALSE(range_fits(8, 0, 7));
  CHECK_FALSE(range_fits(kMost, 2, 7));
  CHECK_FALSE(range_fits(2, kMost, 7));
  CHECK_FALSE(range_fits(kMost - 1, 2, kMost - 1));
}

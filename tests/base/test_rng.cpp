// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/base/rng.hpp>

using namespace moeclip;  // NOLINT

TEST_CASE("the stream (1, abc) has the recorded values") {
  constexpr Rng rng(1, "abc");
  static_assert(rng.bits(0) == 0xb3672f56c2d4843fu);
  CHECK(rng.bits(1) == 0x414393439a562c36u);
  CHECK(rng.bits(2) == 0x2149553077826dd6u);
  CHECK(rng.uniform(0) == static_cast<float>(0.4015864133834839));
  CHECK(rng.uniform(1) == static_cast<float>(-0.49012529850006104));
  CHECK(rng.uniform(2) == static_cast<float>(-0.7399495840072632));
}

TEST_CASE("FNV-1a has its published values") {
  CHECK(fnv1a64("") == 0xcbf29ce484222325u);
  CHECK(fnv1a64("a") == 0xaf63dc4c8601ec8cu);
  CHECK(fnv1a64("foobar") == 0x85944171f73967e8u);
  CHECK(fnv1a64("\xC3\xA9") != fnv1a64("\xC3"));  // bytes above 127 count as unsigned
}

TEST_CASE("streams differ by seed and by name, elements do not depend on order") {
  CHECK(Rng(1, "a").bits(0) != Rng(2, "a").bits(0));
  CHECK(Rng(1, "a").bits(0) != Rng(1, "b").bits(0));
  const Rng rng(3, "order");
  const auto later = rng.bits(1000);
  CHECK(rng.bits(0) != later);
  CHECK(rng.bits(1000) == later);
}

TEST_CASE("uniform numbers fill their interval, integers theirs") {
  const Rng rng(7, "spread");
  constexpr index_t kCount = 20000;
  double sum = 0, square = 0, unit_sum = 0;
  int outside = 0, hits[5] = {};
  for (index_t i = 0; i < kCount; ++i) {
    const double value = static_cast<double>(rng.uniform(i, 2.0f, 1.0f)), unit = rng.unit(i);
    outside += value < -1 || value >= 3 || unit < 0 || unit >= 1;
    sum += value, square += (value - 1) * (value - 1), unit_sum += unit;
    const auto die = rng.integer(i, -2, 3);
    REQUIRE((die >= -2 && die < 3));
    ++hits[die + 2];
  }
  CHECK(outside == 0);
  const double n = kCount;  // five standard deviations of each mean
  CHECK(std::abs(sum / n - 1) < 5 * std::sqrt(4.0 / 3 / n));
  CHECK(std::abs(square / n - 4.0 / 3) < 5 * std::sqrt((16.0 / 5 - 16.0 / 9) / n));
  CHECK(std::abs(unit_sum / n - 0.5) < 5 * std::sqrt(1.0 / 12 / n));
  for (const int count : hits) CHECK(std::abs(count / n - 0.2) < 5 * std::sqrt(0.16 / n));
  CHECK(rng.integer(0, 4, 5) == 4);
}

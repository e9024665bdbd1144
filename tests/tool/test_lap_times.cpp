// SPDX-License-Identifier: MIT
// What a step takes, told from a few on a machine that is busy.
#include <doctest/doctest.h>

#include "lap_times.hpp"

using cli::LapTimes;

namespace {

LapTimes of(std::initializer_list<double> seconds) {
  LapTimes times;
  for (const double lap : seconds) times.add(lap);
  return times;
}

TEST_CASE("the first time is told apart, and one long time is not taken for all") {
  CHECK(LapTimes().usual() == 0);
  CHECK(of({5}).usual() == 5);
  const LapTimes busy = of({5, 0.1, 2, 0.1, 0.1});
  CHECK(busy.first() == 5);
  CHECK(busy.usual() == 0.1);
  CHECK(of({5, 0.1, 0.3}).usual() == 0.1);
}

TEST_CASE("some of short things are wanted, few of long ones") {
  CHECK(of({20}).wants_more());
  CHECK_FALSE(of({20, 7}).wants_more());
  CHECK(of({1, 3, 0.1, 0.1}).wants_more());
  CHECK_FALSE(of({1, 1, 1, 1, 1, 1}).wants_more());
  CHECK(of({0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01}).wants_more());
}

}  // namespace

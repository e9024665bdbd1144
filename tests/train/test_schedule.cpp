// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/train/schedule.hpp>

using namespace moeclip;

namespace {

TEST_CASE("the rate halves when a milestone is reached") {
  const MultiStepSchedule released;
  CHECK(released.at(0) == 5e-5);
  CHECK(released.at(15999) == 5e-5);
  CHECK(released.at(16000) == 2.5e-5);
  CHECK(released.at(31999) == 2.5e-5);
  CHECK(released.at(32000) == 1.25e-5);
  CHECK(MultiStepSchedule{1.0, {}, 0.5}.at(1'000'000) == 1.0);
  CHECK(MultiStepSchedule{1.0, {2, 2}, 0.5}.at(2) == 0.25);  // as torch counts a milestone that is named twice
}

TEST_CASE("warm-up rises to the base, the cosine falls to the lowest") {
  const CosineSchedule schedule{0.8, 4, 12, 0.2};
  CHECK(schedule.at(0) == doctest::Approx(0.2));
  CHECK(schedule.at(3) == doctest::Approx(0.8));
  CHECK(schedule.at(4) == doctest::Approx(0.8));
  CHECK(schedule.at(8) == doctest::Approx(0.5));
  CHECK(schedule.at(12) == doctest::Approx(0.2));
  CHECK(schedule.at(100) == doctest::Approx(0.2));
  for (index_t step = 5; step <= 12; ++step) CHECK(schedule.at(step) < schedule.at(step - 1));
}

}  // namespace

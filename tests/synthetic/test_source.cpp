// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <map>
#include <moeclip/data/source.hpp>
#include <moeclip/synthetic/source.hpp>

#include "expect_error.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE("a plan spreads its pictures over categories, kinds and severities") {
  SyntheticPlan plan;
  plan.categories = {"weave", "gear"};
  plan.count = 400;
  plan.defective_share = 0.3;
  plan.lowest_severity = 0.5;
  const auto specs = plan_synthetic(plan);
  REQUIRE(specs.size() == 400);
  std::map<std::string, int> categories, kinds;
  for (const auto& spec : specs) {
    ++categories[spec.category], ++kinds[spec.defect];
    CHECK(spec.severity >= 0.5);
    CHECK(std::ranges::find(unseen_defects(), spec.defect) == unseen_defects().end());
  }
  CHECK(categories["weave"] == 200);
  CHECK(std::abs(kinds[""] - 280) < 5 * std::sqrt(400 * 0.3 * 0.7));  // five standard deviations
  CHECK(kinds.size() >= 6);
  plan.defects = {"dent", "burn"};
  plan.defective_share = 1;
  for (const auto& spec : plan_synthetic(plan))
    CHECK((spec.defect == "burn" || (spec.defect == "dent" && spec.category == "gear")));
  plan.categories = {};
  expect_error(ErrorCode::contract, {"category"}, [&] { plan_synthetic(plan); });
  plan.categories = {"wurst"};
  expect_error(ErrorCode::contract, {"wurst", "gear"}, [&] { plan_synthetic(plan); });
}

TEST_CASE("the first pictures of a longer plan are those of a shorter one") {
  SyntheticPlan plan;
  plan.categories = {"weave", "gear"};
  plan.count = 5;
  const auto few = plan_synthetic(plan);
  plan.count = 50;
  const auto many = plan_synthetic(plan);
  for (std::size_t i = 0; i < few.size(); ++i) {
    CHECK(few[i].defect == many[i].defect);
    CHECK(few[i].severity == many[i].severity);
    CHECK(few[i].index == many[i].index);
  }
}

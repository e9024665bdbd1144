// SPDX-License-Identifier: MIT
#pragma once
// Synthetic pictures as a source of samples (data/source.hpp): a plan says which, and each is drawn when it is needed.

#include <string>
#include <vector>

#include "../base/lists.hpp"
#include "../data/source.hpp"
#include "synthesize.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Which synthetic pictures to draw: `count` of them, evenly over the categories, `defective_share` of each with a
/// defect that the category can have, of a severity uniform in the range. Picture i is a pure function of this and i.
struct SyntheticPlan {
  std::vector<std::string> categories = {};            ///< of synthetic_categories(world); at least one
  std::vector<std::string> defects = {};               ///< empty: all that may be trained on of each category
  index_t count = 0;                                   ///< pictures in all
  index_t size = 256;                                  ///< side in pixels
  std::uint64_t seed = 0;                              ///< of everything that is drawn
  double defective_share = 0.5;                        ///< in [0, 1]
  double lowest_severity = 0.2, highest_severity = 1;  ///< in [0, 1]: barely visible to plain
  SyntheticWorld world = SyntheticWorld::parts;        ///< that the categories are of
  SyntheticCamera camera = SyntheticCamera::fixed;     ///< that takes the pictures
};

/// The specs of a plan. Throws contract for a plan that cannot be drawn.
std::vector<SyntheticSpec> plan_synthetic(const SyntheticPlan& plan);

/// Samples for a SampleSource that are drawn from these specs.
std::vector<DrawnSample> drawn_samples(std::vector<SyntheticSpec> specs);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_SYNTHETIC)

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC std::vector<SyntheticSpec> plan_synthetic(const SyntheticPlan& plan) {
  MOECLIP_EXPECT(!plan.categories.empty() && plan.count >= 0, "a synthetic data set needs a category");
  MOECLIP_EXPECT(
      plan.lowest_severity >= 0 && plan.lowest_severity <= plan.highest_severity && plan.highest_severity <= 1,
      "severities from ", plan.lowest_severity, " to ", plan.highest_severity, " cannot be drawn");
  std::vector<std::vector<std::string_view>> kinds;
  for (const std::string& category : plan.categories) {
    const bool is_for_training = plan.defects.empty() && plan.world == SyntheticWorld::parts;
    kinds.push_back(is_for_training ? seen_defects(category) : synthetic_defects(plan.world, category));
    if (!plan.defects.empty())
      std::erase_if(kinds.back(),
                    [&](std::string_view kind) { return lists::find(plan.defects, kind) == plan.defects.end(); });
  }
  std::vector<SyntheticSpec> specs;
  const Rng rng(plan.seed, "synthetic plan");
  for (index_t i = 0; i < plan.count; ++i) {
    const auto category = static_cast<std::size_t>(i) % plan.categories.size();
    SyntheticSpec spec{plan.categories[category], "", plan.seed, i, plan.size, 1, plan.world, plan.camera};
    spec.severity = plan.lowest_severity + (plan.highest_severity - plan.lowest_severity) * rng.unit(3 * i);
    if (!kinds[category].empty() && rng.unit(3 * i + 1) < plan.defective_share)
      spec.defect = kinds[category][static_cast<std::size_t>(rng.integer(3 * i + 2, 0, std::ssize(kinds[category])))];
    specs.push_back(std::move(spec));
  }
  return specs;
}

MOECLIP_FUNC std::vector<DrawnSample> drawn_samples(std::vector<SyntheticSpec> specs) {
  std::vector<DrawnSample> samples;
  for (SyntheticSpec& s : specs) {
    std::string description =
        concat(s.category, "+", s.defect, " ", s.seed, " ", s.index, " ", s.size, " ", s.severity);
    if (s.world != SyntheticWorld::parts)
      description += concat(" ", synthetic_worlds()[static_cast<std::size_t>(s.world)]);
    if (s.camera != SyntheticCamera::fixed)
      description += concat(" ", synthetic_cameras()[static_cast<std::size_t>(s.camera)]);
    std::string name = s.category;
    const auto draw = [](const void* order, const DrawRequest&) {
      return synthesize(*static_cast<const SyntheticSpec*>(order));
    };
    samples.push_back(
        {std::move(name), std::move(description), std::make_shared<const SyntheticSpec>(std::move(s)), draw, ""});
  }
  return samples;
}

}}  // namespace moeclip::abi_v0_1

#endif

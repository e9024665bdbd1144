// SPDX-License-Identifier: MIT
#pragma once
// Learning rates as pure functions of the step, counted from 0: nothing to save but the step, nothing to lose on
// resume. MultiStepLR is torch's, stepped per iteration (METHOD section 5); warm-up and cosine are for CLIP itself.

#include <vector>

#include "../base/types.hpp"
#include "../base/version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// lr(step) = base * gamma^n, n the milestones that `step` has reached.
struct MultiStepSchedule {
  double base = 5e-5;
  std::vector<index_t> milestones = {16000, 32000};
  double gamma = 0.5;

  [[nodiscard]] double at(index_t step) const;
};

/// Rises linearly to `base` over `warmup` steps, then falls to `lowest` at step `total` along half a cosine.
struct CosineSchedule {
  double base = 1e-3;
  index_t warmup = 0, total = 1;
  double lowest = 0;

  [[nodiscard]] double at(index_t step) const;
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_TRAIN)

#include <algorithm>
#include <cmath>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC double MultiStepSchedule::at(index_t step) const {
  double lr = base;
  for (const index_t milestone : milestones)
    if (step >= milestone) lr *= gamma;
  return lr;
}

MOECLIP_FUNC double CosineSchedule::at(index_t step) const {
  if (step < warmup) return base * static_cast<double>(step + 1) / static_cast<double>(warmup);
  constexpr double kPi = 3.141592653589793;
  const auto span = static_cast<double>(std::max<index_t>(1, total - warmup));
  const double done = (std::min)(1.0, static_cast<double>(step - warmup) / span);
  return lowest + (base - lowest) * 0.5 * (1 + std::cos(kPi * done));
}

}}  // namespace moeclip::abi_v0_1

#endif

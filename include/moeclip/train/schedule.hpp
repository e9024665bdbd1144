// SPDX-License-Identifier: MIT
#pragma once
// Learning rates as pure functions of the step, which is counted from 0: the number of the step is all that a resumed
// run needs. MultiStepSchedule is torch's MultiStepLR, stepped once per iteration (METHOD section 5); warm-up and
// cosine serve the pretraining of CLIP itself.

#include <vector>

#include "../base/types.hpp"
#include "../base/version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// lr(step) = base * gamma^n, n the milestones that `step` has reached.
struct MultiStepSchedule {
  double base = 5e-5;                                ///< rate before the first milestone
  std::vector<index_t> milestones = {16000, 32000};  ///< steps, ascending
  double gamma = 0.5;                                ///< factor at each milestone

  [[nodiscard]] double at(index_t step) const;  ///< the rate of a step, counted from 0
};

/// Rises linearly to `base` over `warmup` steps, then falls to `lowest` at step `total` along half a cosine.
struct CosineSchedule {
  double base = 1e-3;             ///< highest rate
  index_t warmup = 0, total = 1;  ///< steps
  double lowest = 0;              ///< rate from step `total` on

  [[nodiscard]] double at(index_t step) const;  ///< the rate of a step, counted from 0
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

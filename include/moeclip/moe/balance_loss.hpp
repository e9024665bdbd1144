// SPDX-License-Identifier: MIT
#pragma once
// The balance loss (BAL-1, BAL-1' in this folder's README; METHOD section 4) is zero when all experts are wanted
// equally. With the sums S_e of the probabilities over all tokens it is their squared coefficient of variation,
//   L = (std / (mean + 1e-6))^2,   std unbiased over the E sums.

#include <algorithm>

#include "../base/context.hpp"
#include "../base/process_group.hpp"
#include "../tensor/view.hpp"

namespace moeclip { inline namespace abi_v0_1 {

inline constexpr double kBalanceEps = 1e-6;  // added to the mean, so that the quotient is finite

/// L for the probabilities (N, E) before the choice; 0 for one expert. If d_probabilities (N, E) has data, `weight`
/// times the gradient is written there: the same for every token, and zero at equal sums. The tokens are those of the
/// pictures that are held of a batch.
template <class T>
double balance_loss(Context& context, View<const T, 2> probabilities, double weight, View<T, 2> d_probabilities,
                    const BatchShare& share = {}) {
  const index_t tokens = probabilities.extent(0), experts = probabilities.extent(1);
  Arena::Scope scratch(context.arena());
  double* sums = scratch.take<double>(experts);
  std::fill_n(sums, experts, 0.0);
  const std::span<double> running(sums, static_cast<std::size_t>(experts));
  share.in_order(running, [&] {
    for (index_t n = 0; n < tokens; ++n)
      for (index_t e = 0; e < experts; ++e) sums[e] += static_cast<double>(probabilities(n, e));
  });
  share.from_last(running);
  double mean = 0, variance = 0;
  for (index_t e = 0; e < experts; ++e) mean += sums[e] / static_cast<double>(experts);
  for (index_t e = 0; e < experts; ++e) variance += (sums[e] - mean) * (sums[e] - mean);
  if (experts > 1) variance /= static_cast<double>(experts - 1);
  const double divisor = mean + kBalanceEps;
  if (d_probabilities.data() != nullptr)
    for (index_t e = 0; e < experts; ++e) {
      const double away = experts > 1 ? (sums[e] - mean) / static_cast<double>(experts - 1) : 0;
      const double d_sum = 2 * (away - variance / (divisor * static_cast<double>(experts))) / (divisor * divisor);
      for (index_t n = 0; n < tokens; ++n) d_probabilities(n, e) = static_cast<T>(weight * d_sum);
    }
  return variance / (divisor * divisor);
}

}}  // namespace moeclip::abi_v0_1

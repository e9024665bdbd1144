// SPDX-License-Identifier: MIT
#pragma once
// Starting values drawn from named streams (base/rng.hpp): the value of a parameter depends on the seed and its name,
// and on nothing else.

#include <cmath>
#include <string_view>

#include "../base/rng.hpp"
#include "../tensor/tensor.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Uniform in [offset - bound, offset + bound).
template <class T>
void fill_uniform(Tensor<T>& tensor, std::uint64_t seed, std::string_view name, float bound, float offset = 0) {
  const Rng rng(seed, name);
  for (index_t i = 0; i < tensor.size(); ++i) tensor[i] = static_cast<T>(rng.uniform(i, bound, offset));
}

/// Standard normal numbers (Box-Muller, two uniform numbers each).
template <class T>
void fill_normal(Tensor<T>& tensor, std::uint64_t seed, std::string_view name) {
  constexpr double kTwoPi = 6.283185307179586;
  const Rng rng(seed, name);
  for (index_t i = 0; i < tensor.size(); ++i) {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - rng.unit(2 * i)));  // 1 - u is never 0
    tensor[i] = static_cast<T>(radius * std::cos(kTwoPi * rng.unit(2 * i + 1)));
  }
}

}}  // namespace moeclip::abi_v0_1

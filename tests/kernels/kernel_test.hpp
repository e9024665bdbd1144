// SPDX-License-Identifier: MIT
#pragma once
// What the tests of the kernels share: every instruction set in turn, random operands, the bound on a sum of products.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <moeclip/base/context.hpp>
#include <moeclip/base/rng.hpp>
#include <moeclip/kernels/isa.hpp>

namespace kernel_test {

using moeclip::index_t;

inline constexpr double kEps = std::numeric_limits<float>::epsilon() / 2;  // largest error of one rounding

/// Runs test() with each instruction set of this machine selected; those that only add dot products on request.
template <class Test>
void for_each_isa(const Test& test, bool has_dots = false) {
  const auto before = moeclip::kernels::active_isa();
  for (const auto isa : moeclip::kernels::compiled()) {
    if (!moeclip::kernels::supported(isa) || (!has_dots && base_of(isa) != isa)) continue;
    const std::string name = moeclip::kernels::to_string(isa);
    CAPTURE(name);
    moeclip::kernels::select(isa);
    test();
  }
  moeclip::kernels::select(before);
}

inline std::vector<float> random_values(index_t count, const char* name, float scale = 1.0f, float offset = 0.0f) {
  std::vector<float> values(static_cast<std::size_t>(count));
  const moeclip::Rng rng(1, name);
  for (index_t i = 0; i < count; ++i) values[static_cast<std::size_t>(i)] = rng.uniform(i, scale, offset);
  return values;
}

inline std::vector<double> widened(const std::vector<float>& values) { return {values.begin(), values.end()}; }

}  // namespace kernel_test

// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/nn/initialize.hpp>

#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE("values depend on seed and name only, and are the same numbers in float and double") {
  Tensor<float> a({40}), b({10, 4}), other_seed({40}), other_name({40});
  fill_uniform(a, 5, "weight", 0.5f, 1.0f);
  fill_uniform(b, 5, "weight", 0.5f, 1.0f);
  fill_uniform(other_seed, 6, "weight", 0.5f, 1.0f);
  fill_uniform(other_name, 5, "bias", 0.5f, 1.0f);
  CHECK(std::equal(a.begin(), a.end(), b.begin()));
  CHECK_FALSE(same_bits(a, other_seed));
  CHECK_FALSE(same_bits(a, other_name));
  for (const float value : a) CHECK((value >= 0.5f && value < 1.5f));
  Tensor<double> wide({40});
  fill_uniform(wide, 5, "weight", 0.5f, 1.0f);
  for (index_t i = 0; i < 40; ++i) CHECK(wide[i] == static_cast<double>(a[i]));
}

TEST_CASE("normal numbers have the moments of the standard normal distribution") {
  constexpr index_t kCount = 40000;
  Tensor<double> values({kCount});
  fill_normal(values, 1, "normal");
  double sum = 0, square = 0, cube = 0, fourth = 0;
  index_t beyond = 0;
  for (const double x : values) {
    REQUIRE(std::isfinite(x));
    sum += x, square += x * x, cube += x * x * x, fourth += x * x * x * x;
    beyond += std::abs(x) > 1.959963984540054;
  }
  const double n = kCount;  // five standard deviations of each mean: their variances are 1, 2, 15, 96 over n
  CHECK(std::abs(sum / n) < 5 / std::sqrt(n));
  CHECK(std::abs(square / n - 1) < 5 * std::sqrt(2 / n));
  CHECK(std::abs(cube / n) < 5 * std::sqrt(15 / n));
  CHECK(std::abs(fourth / n - 3) < 5 * std::sqrt(96 / n));
  CHECK(std::abs(static_cast<double>(beyond) / n - 0.05) < 5 * std::sqrt(0.05 * 0.95 / n));
}

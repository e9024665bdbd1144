// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/nn/linear.hpp>

#include "../lesson.hpp"

TEST_CASE("lesson 1, exercise 1: the diagonal is a view whose stride is one more than a row") {
  const auto a = drawn<double>({6, 6}, "a");
  const View<const double, 1> diagonal(a.data(), {6}, {7});
  double trace = 0, expected = 0;
  for (index_t i = 0; i < 6; ++i) trace += diagonal(i), expected += a.view<2>()(i, i);
  CHECK(trace == expected);
}

TEST_CASE("lesson 1, exercise 2: windows that overlap are a view with strides 1 and 1") {
  const auto signal = drawn<float>({20}, "signal");
  const View<const float, 2> windows(signal.data(), {18, 3}, {1, 1});
  moeclip::Linear<float> mean(1, 3, false);
  mean.weight.fill(1.0f / 3);
  Tensor<float> average({18, 1});
  Context context({.threads = 1});
  moeclip::linear_forward<float>(context, mean, windows, average.view<2>());
  for (index_t i = 0; i < 18; ++i)
    CHECK(average[i] == doctest::Approx((signal[i] + signal[i + 1] + signal[i + 2]) / 3).epsilon(1e-5));
}

// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>
#include <moeclip/anomaly/aggregate.hpp>
#include <moeclip/train/losses.hpp>

#include "../lesson.hpp"

TEST_CASE("lesson 11, exercise 1: a corner keeps 4/9 and 9/25, an edge 2/3 and 3/5, and unit vectors do not notice") {
  Context context({.threads = 1});
  Tensor<double> constant({64, 1}), out({64, 1});
  constant.fill(1);
  for (const index_t window : {3, 5}) {
    moeclip::aggregate_patches<double>(context, 8, window, constant.view<2>(), out.view<2>());
    CHECK(out[0] == doctest::Approx(window == 3 ? 4.0 / 9 : 9.0 / 25));
    CHECK(out[4] == doctest::Approx(window == 3 ? 2.0 / 3 : 3.0 / 5));
    CHECK(out[8 * 4 + 4] == doctest::Approx(1));
  }
  // f = normalise(W t') is the same for t' and 4/9 t'. LN_post, which the model has before W, takes away the length,
  // too.
}

TEST_CASE("lesson 11, exercise 2: logits in [-1, 1] leave a cross entropy of log(1 + e^-2) = 0.127") {
  Tensor<double> logits({1, 2}), d_logits({1, 2});
  logits[0] = 1, logits[1] = -1;
  const std::array<int, 1> labels = {0};
  CHECK(moeclip::cross_entropy<double>(logits.view<2>(), labels, d_logits.view<2>()) ==
        doctest::Approx(std::log1p(std::exp(-2.0))));
  CHECK(std::log1p(std::exp(-2.0)) == doctest::Approx(0.127).epsilon(1e-3));
}

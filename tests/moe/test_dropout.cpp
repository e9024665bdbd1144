// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/moe/dropout.hpp>

#include "expect_error.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE("dropout keeps the expected share, scaled so that the mean stays") {
  Context context({.threads = 2});
  Tensor<double> ones({300, 100}), out({300, 100});
  ones.fill(1);
  for (const double p : {0.05, 0.5}) {
    const ExpertDropout dropout{p, 7, 3, 1};
    drop_elements<double>(context, dropout, 2, ones.view<2>(), out.view<2>());
    index_t dropped = 0;
    for (const double value : out) {
      CHECK((value == 0 || std::abs(value - 1 / (1 - p)) < 1e-15));
      dropped += value == 0;
    }
    const double deviation = std::sqrt(30000 * p * (1 - p));
    CHECK(std::abs(static_cast<double>(dropped) - 30000 * p) < 4 * deviation);
  }
}

TEST_CASE("what is dropped depends on seed, step, layer, expert and place, not on threads") {
  const Tensor<float> x = random_tensor<float>({40, 1030}, "x");
  const auto dropped = [&](ExpertDropout dropout, index_t expert, int threads) {
    Context context({.threads = threads});
    Tensor<float> out(x.shape());
    drop_elements<float>(context, dropout, expert, x.view<2>(), out.view<2>());
    return out;
  };
  const ExpertDropout dropout{0.3, 1, 2, 3};
  const Tensor<float> first = dropped(dropout, 0, 1);
  CHECK(same_bits(first, dropped(dropout, 0, 2)));
  CHECK_FALSE(same_bits(first, dropped(dropout, 1, 1)));
  CHECK_FALSE(same_bits(first, dropped({0.3, 9, 2, 3}, 0, 1)));
  CHECK_FALSE(same_bits(first, dropped({0.3, 1, 9, 3}, 0, 1)));
  CHECK_FALSE(same_bits(first, dropped({0.3, 1, 2, 9}, 0, 1)));
}

TEST_CASE("accumulating adds, and a probability of 1 is refused") {
  Context context({.threads = 1});
  const Tensor<double> x = random_tensor<double>({5, 7}, "x");
  Tensor<double> once({5, 7}), twice({5, 7});
  drop_elements<double>(context, {0.4, 1, 1, 1}, 0, x.view<2>(), once.view<2>());
  twice = once;
  drop_elements<double>(context, {0.4, 1, 1, 1}, 0, x.view<2>(), twice.view<2>(), true);
  for (index_t i = 0; i < once.size(); ++i) CHECK(twice[i] == 2 * once[i]);
  expect_error(ErrorCode::contract, {"probability 1"}, [&] {
    drop_elements<double>(context, {1.0, 1, 1, 1}, 0, x.view<2>(), once.view<2>());
  });
}

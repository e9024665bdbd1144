// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/moe/balance_loss.hpp>
#include <string>

#include "golden_data.hpp"
#include "gradient_check.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE_TEMPLATE("balance losses equal the recorded ones", T, float, double) {
  constexpr double kFactor = 8;  // of the distance between the official code's float and double runs
  const GoldenData golden("components/router.safetensors");
  Context context({.threads = 1});
  for (const std::string name : {"E4_k2", "E6_k3", "E8_k2", "E4_k1", "E16_k4", "E2_k1", "E3_k2"}) {
    CAPTURE(name);
    const Tensor<T> probabilities = golden.file().read<T>(name + "/probs");
    const double loss = balance_loss<T>(context, probabilities.template view<2>(), 0, {});
    CHECK(golden.distance(name + "/balance", &loss, 1) <= kFactor);
  }
}

TEST_CASE("the gradient of the balance loss") {
  Context context({.threads = 1});
  Tensor<double> p = random_tensor<double>({9, 5}, "p", 0.4f, 0.5f), d({9, 5});
  balance_loss<double>(context, p.view<2>(), 0.3, d.view<2>());
  expect_gradient([&] { return 0.3 * balance_loss<double>(context, std::as_const(p).view<2>(), 0, {}); },
                  {{"p", p, d}});
}

TEST_CASE("equal sums and a single expert have neither loss nor gradient") {
  Context context({.threads = 1});
  Tensor<float> equal({8, 4}), d({8, 4});
  equal.fill(0.25f);
  d.fill(1);
  CHECK(balance_loss<float>(context, equal.view<2>(), 1, d.view<2>()) == 0);
  for (const float value : d) CHECK(value == 0);
  Tensor<float> single({8, 1}), d_single({8, 1});
  single.fill(1);
  d_single.fill(1);
  CHECK(balance_loss<float>(context, single.view<2>(), 1, d_single.view<2>()) == 0);
  for (const float value : d_single) CHECK(value == 0);
}

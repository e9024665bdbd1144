// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <moeclip/moe/router.hpp>
#include <numeric>
#include <vector>

#include "expect_error.hpp"
#include "golden_data.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE_TEMPLATE("softmax, choice and weights equal the recorded ones, ties by lower index", T, float, double) {
  constexpr double kFactor = 8;  // of the distance between the official code's float and double runs
  const GoldenData golden("components/router.safetensors");
  Context context({.threads = 2});
  const index_t cases[][2] = {{4, 2}, {6, 3}, {8, 2}, {4, 1}, {4, 4}, {16, 4}, {2, 1}, {3, 2}};
  for (const auto& [experts, chosen] : cases) {
    const std::string name = concat("E", experts, "_k", chosen, "/");
    CAPTURE(name);
    const Tensor<T> logits = golden.file().read<T>(name + "logits");
    const index_t tokens = logits.extent(0);
    Arena::Scope scratch(context.arena());
    const auto routing = Routing<T>::take(scratch, tokens, experts, chosen);
    std::copy(logits.begin(), logits.end(), routing.logits.data());
    route_logits<T>(context, routing);
    CHECK(golden.distance(name + "probs", routing.probabilities.data(), tokens * experts) <= kFactor);
    CHECK(golden.distance(name + "weights", routing.weights.data(), tokens * chosen) <= kFactor);
    const Tensor<double> wanted = golden.read(name + "topk");
    CHECK(std::equal(wanted.begin(), wanted.end(), routing.chosen.data()));
  }
}

TEST_CASE("the choice is a stable sort by falling probability") {
  const Rng rng(1, "choice");
  for (index_t trial = 0; trial < 200; ++trial) {
    const index_t experts = rng.integer(3 * trial, 1, 12), chosen_count = rng.integer(3 * trial + 1, 1, experts + 1);
    std::vector<double> p(static_cast<std::size_t>(experts));
    for (index_t e = 0; e < experts; ++e)  // few values: many ties
      p[static_cast<std::size_t>(e)] = static_cast<double>(rng.integer(1000 + 16 * trial + e, 0, 4));
    std::vector<std::int32_t> order(p.size()), chosen(static_cast<std::size_t>(chosen_count));
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, [&](std::int32_t a, std::int32_t b) {
      return p[static_cast<std::size_t>(a)] > p[static_cast<std::size_t>(b)];
    });
    detail::choose_largest<double>(View<const double, 1>(p.data(), {experts}),
                                   View<std::int32_t, 1>(chosen.data(), {chosen_count}));
    CHECK(std::equal(chosen.begin(), chosen.end(), order.begin()));
  }
}

TEST_CASE_TEMPLATE("logits are the gate times the token, weights sum to one", T, float, double) {
  Context context({.threads = 2});
  const index_t tokens = 13, width = 37, experts = 5, chosen = 2, stride = width + 4;
  Router<T> router(experts, width);
  randomize(router.gate, "gate");
  const Tensor<T> x = random_tensor<T>({tokens, stride}, "tokens");
  Arena::Scope scratch(context.arena());
  const auto routing = Routing<T>::take(scratch, tokens, experts, chosen);
  router_forward<T>(context, router, View<const T, 2>(x.data(), {tokens, width}, {stride, 1}), routing);
  for (index_t n = 0; n < tokens; ++n) {
    for (index_t e = 0; e < experts; ++e) {
      Wider<T> sum = 0, size = 0;
      for (index_t c = 0; c < width; ++c) {
        const auto term = static_cast<Wider<T>>(router.gate[e * width + c]) * static_cast<Wider<T>>(x[n * stride + c]);
        sum += term, size += std::abs(term);
      }
      CHECK(std::abs(sum - static_cast<Wider<T>>(routing.logits(n, e))) <=
            static_cast<Wider<T>>((width + 2) * eps_of<T>()) * size);
    }
    CHECK(std::abs(static_cast<double>(routing.weights(n, 0) + routing.weights(n, 1)) - 1) <= 4 * eps_of<T>());
    CHECK(routing.weights(n, 0) >= routing.weights(n, 1));
    CHECK(routing.weights(n, 0) ==
          routing.probabilities(n, routing.chosen(n, 0)) /
              (routing.probabilities(n, routing.chosen(n, 0)) + routing.probabilities(n, routing.chosen(n, 1))));
  }
}

TEST_CASE("a gate of zeros sends every token to the first experts, equally") {
  Context context({.threads = 1});
  Router<float> router(4, 8);
  router.gate.fill(0);
  const Tensor<float> x = random_tensor<float>({6, 8}, "tokens");
  Arena::Scope scratch(context.arena());
  const auto routing = Routing<float>::take(scratch, 6, 4, 2);
  router_forward<float>(context, router, x.view<2>(), routing);
  for (index_t n = 0; n < 6; ++n) {
    CHECK(routing.chosen(n, 0) == 0);
    CHECK(routing.chosen(n, 1) == 1);
    CHECK(routing.weights(n, 0) == 0.5f);
    CHECK(routing.probabilities(n, 3) == 0.25f);
  }
}

TEST_CASE("logits of any size and even NaN choose experts that exist") {
  Context context({.threads = 1});
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const float logits[][3] = {{1e30f, -1e30f, 0}, {-3e38f, 3e38f, 3e38f}, {kNan, kNan, kNan}, {0, kNan, 1}};
  Arena::Scope scratch(context.arena());
  const auto routing = Routing<float>::take(scratch, 4, 3, 2);
  for (index_t n = 0; n < 4; ++n) std::copy_n(logits[n], 3, &routing.logits(n, 0));
  route_logits<float>(context, routing);
  for (index_t n = 0; n < 4; ++n) {
    CHECK(routing.chosen(n, 0) != routing.chosen(n, 1));
    for (index_t k = 0; k < 2; ++k) CHECK((routing.chosen(n, k) >= 0 && routing.chosen(n, k) < 3));
  }
  CHECK(routing.weights(0, 0) == 1);
  CHECK(routing.chosen(1, 0) == 1);
  CHECK(routing.weights(1, 1) == 0.5f);
}

TEST_CASE("wrong widths and more choices than experts are told") {
  Context context({.threads = 1});
  Router<float> router(3, 8);
  router.gate.fill(0);
  Tensor<float> wide({2, 9}), x({2, 8});
  Arena::Scope scratch(context.arena());
  const auto routing = Routing<float>::take(scratch, 2, 3, 2), greedy = Routing<float>::take(scratch, 2, 3, 4);
  expect_error(ErrorCode::contract, {"(3,8)", "width 9"},
               [&] { router_forward<float>(context, router, wide.view<2>(), routing); });
  expect_error(ErrorCode::contract, {"4 experts"},
               [&] { router_forward<float>(context, router, x.view<2>(), greedy); });
}

// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/moe/balance_loss.hpp>
#include <moeclip/moe/fofs.hpp>
#include <moeclip/moe/mixture.hpp>

#include "../lesson.hpp"

namespace {

constexpr index_t kChannels = 24, kOfThem = 4;

/// A routing of N tokens to K of 4 experts, in tensors of its own.
struct OwnRouting {
  Tensor<double> logits, probabilities, weights;
  Tensor<std::int32_t> chosen;

  OwnRouting(index_t tokens, index_t per_token)
      : logits({tokens, kOfThem}),
        probabilities({tokens, kOfThem}),
        weights({tokens, per_token}),
        chosen({tokens, per_token}) {}
  moeclip::Routing<double> view() {
    return {logits.view<2>(), probabilities.view<2>(), chosen.view<2>(), weights.view<2>()};
  }
};

}  // namespace

TEST_CASE("lesson 9, exercise 1: with K = 1 the router learns nothing from q, and from BAL-1 it does") {
  moeclip::Router<double> router(kOfThem, kChannels), d_router(kOfThem, kChannels);
  moeclip::fill_uniform(router.gate, 1, "gate", 0.5f);
  d_router.gate.fill(0);
  const auto x = drawn<double>({10, kChannels}, "x"), d_q = drawn<double>({10, 1}, "d_q");
  OwnRouting routing(10, 1);
  Context context({.threads = 1});
  moeclip::router_forward<double>(context, router, x.view<2>(), routing.view());
  for (const double q : routing.weights) CHECK(q == 1);
  Tensor<double> d_p({10, kOfThem}), d_x(x.shape());
  moeclip::router_backward<double>(context, router, routing.view(), x.view<2>(),
                                   {d_q.view<2>(), d_p.view<2>(), d_x.view<2>(), &d_router});
  CHECK(length(d_router.gate.values()) == 0);  // (d_q - q d_q) / s = 0

  moeclip::balance_loss<double>(context, routing.probabilities.view<2>(), 1, d_p.view<2>());
  moeclip::router_backward<double>(context, router, routing.view(), x.view<2>(),
                                   {d_q.view<2>(), d_p.view<2>(), d_x.view<2>(), &d_router});
  CHECK(length(d_router.gate.values()) > 1e-3);
}

TEST_CASE("lesson 9, exercise 2: answers stay, but their weights move, so m moves") {
  moeclip::Mixture<double> mixture(kChannels, kOfThem, 3);
  moeclip::initialize_fofs(mixture, 1, "mixture");
  for (auto& expert : mixture.experts) moeclip::fill_uniform(expert.lora_b, 1, "B", 0.5f);
  moeclip::fill_uniform(mixture.router.gate, 1, "gate", 0.1f);
  Tensor<double> x({2, kChannels}), m(x.shape()), outputs({kOfThem, 2, kChannels});
  for (const index_t n : {0, 1})
    for (index_t c = 0; c < kChannels; ++c) {
      x[n * kChannels + c] = mixture.router.gate[kChannels + c] + mixture.router.gate[2 * kChannels + c];
      x[n * kChannels + c] *= 10;  // so that experts 1 and 2 are chosen
    }
  x[kChannels] += 0.5;  // token 1 differs in a channel of chunk 0
  OwnRouting routing(2, 2);
  Context context({.threads = 1});
  moeclip::router_forward<double>(context, mixture.router, x.view<2>(), routing.view());
  moeclip::mixture_forward_dense<double>(context, mixture, routing.view(), x.view<2>(),
                                         {outputs.view<3>(), m.view<2>()});
  for (const std::int32_t e : routing.chosen) {
    CHECK((e == 1 || e == 2));
    for (index_t c = 0; c < kChannels; ++c)
      CHECK(outputs[2 * e * kChannels + c] == outputs[(2 * e + 1) * kChannels + c]);
  }
  double moved = 0;
  for (index_t c = 0; c < kChannels; ++c) moved = std::max(moved, std::abs(m[c] - m[kChannels + c]));
  CHECK(moved > 1e-4);
}

// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/moe/mixture.hpp>
#include <string>
#include <vector>

#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace {

template <class T>
Mixture<T> small_mixture(index_t width, index_t experts, index_t rank, index_t chosen) {
  Mixture<T> mixture(width, experts, rank);
  mixture.chosen = chosen;
  visit_parameters(mixture, "mixture", [](const std::string& name, Tensor<T>& tensor) { randomize(tensor, name); });
  return mixture;
}

template <class T>
struct Outcome {
  Tensor<T> sparse, dense, outputs;
};

template <class T>
Outcome<T> run_both(Context& context, const Mixture<T>& mixture, const Routing<T>& routing, View<const T, 2> x) {
  const index_t tokens = x.extent(0), width = x.extent(1), experts = mixture.expert_count();
  Outcome<T> outcome{Tensor<T>({tokens, width}), Tensor<T>({tokens, width}), Tensor<T>({experts, tokens, width})};
  mixture_forward_sparse<T>(context, mixture, routing, x, outcome.sparse.template view<2>());
  mixture_forward_dense<T>(context, mixture, routing, x,
                           {outcome.outputs.template view<3>(), outcome.dense.template view<2>()});
  return outcome;
}

}  // namespace

TEST_CASE_TEMPLATE("sparse and dense mixtures give the weighted sum of the chosen experts", T, float, double) {
  Context context({.threads = 2});
  const index_t cases[][4] = {{1, 1, 1, 1}, {7, 4, 2, 2}, {40, 5, 3, 1}, {23, 3, 2, 3}, {2, 8, 1, 2}};  // N, E, R, K
  for (const auto& [tokens, experts, rank, chosen] : cases) {
    const std::string label = concat(tokens, " tokens, ", chosen, " of ", experts);
    CAPTURE(label);
    const index_t width = 29;
    const Mixture<T> mixture = small_mixture<T>(width, experts, rank, chosen);
    const Tensor<T> x = random_tensor<T>({tokens, width}, "mixture x");
    Arena::Scope scratch(context.arena());
    const auto routing = Routing<T>::take(scratch, tokens, experts, chosen);
    router_forward<T>(context, mixture.router, x.template view<2>(), routing);
    const Outcome<T> outcome = run_both<T>(context, mixture, routing, x.template view<2>());
    CHECK(same_bits(outcome.sparse, outcome.dense));

    double worst = 0;
    for (index_t n = 0; n < tokens; ++n)
      for (index_t d = 0; d < width; ++d) {
        Wider<T> sum = 0, size = 0;
        for (index_t k = 0; k < chosen; ++k) {
          const auto term = static_cast<Wider<T>>(routing.weights(n, k)) *
                            static_cast<Wider<T>>(outcome.outputs.template view<3>()(routing.chosen(n, k), n, d));
          sum += term, size += std::abs(term);
        }
        const double off = static_cast<double>(std::abs(sum - static_cast<Wider<T>>(outcome.sparse[n * width + d])));
        if (off > 0)
          worst = std::max(worst, off / (static_cast<double>(chosen + 2) * eps_of<T>() * static_cast<double>(size)));
      }
    CHECK(worst <= 1);
  }
}

TEST_CASE("experts that nobody chose are left out, wherever they stand") {
  Context context({.threads = 1});
  const index_t tokens = 6, experts = 4, width = 9;
  Mixture<float> mixture = small_mixture<float>(width, experts, 2, 1);
  const Tensor<float> x = random_tensor<float>({tokens, width}, "x");
  Arena::Scope scratch(context.arena());
  const auto routing = Routing<float>::take(scratch, tokens, experts, 1);
  for (index_t only = 0; only < experts; ++only) {
    for (index_t n = 0; n < tokens; ++n) {
      routing.chosen(n, 0) = static_cast<std::int32_t>(only);
      routing.weights(n, 0) = 1;
    }
    const auto outcome = run_both<float>(context, mixture, routing, x.view<2>());
    CHECK(same_bits(outcome.sparse, outcome.dense));
    Tensor<float> alone({tokens, width});
    expert_forward<float>(context, mixture.experts[static_cast<std::size_t>(only)], mixture.scale, x.view<2>(),
                          alone.view<2>());
    CHECK(same_bits(outcome.sparse, alone));
  }
}

TEST_CASE("tokens do not influence each other, whatever their number") {
  Context context({.threads = 2});
  const Mixture<float> mixture = small_mixture<float>(16, 4, 4, 2);
  const Tensor<float> x = random_tensor<float>({11, 16}, "x");
  Tensor<float> together({11, 16}), alone({11, 16});
  Arena::Scope scratch(context.arena());
  const auto all = Routing<float>::take(scratch, 11, 4, 2), one = Routing<float>::take(scratch, 1, 4, 2);
  router_forward<float>(context, mixture.router, x.view<2>(), all);
  mixture_forward_sparse<float>(context, mixture, all, x.view<2>(), together.view<2>());
  for (index_t n = 0; n < 11; ++n) {
    router_forward<float>(context, mixture.router, x.view<2>().rows(n, n + 1), one);
    mixture_forward_sparse<float>(context, mixture, one, x.view<2>().rows(n, n + 1), alone.view<2>().rows(n, n + 1));
  }
  CHECK(same_bits(together, alone));
}

TEST_CASE("a mixture lists the names of the official checkpoints") {
  const Mixture<float> mixture(6, 2, 1);
  std::vector<std::string> names;
  visit_parameters(mixture, "moe_adapters.0",
                   [&](const std::string& name, const Tensor<float>&) { names.push_back(name); });
  CHECK(names == std::vector<std::string>{"moe_adapters.0.gate.weight", "moe_adapters.0.experts.0.lora_A.weight",
                                          "moe_adapters.0.experts.0.lora_B.weight",
                                          "moe_adapters.0.experts.1.lora_A.weight",
                                          "moe_adapters.0.experts.1.lora_B.weight"});
}

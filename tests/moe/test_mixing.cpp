// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/moe/mixing.hpp>
#include <string>

#include "gradient_check.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace {

template <class T>
Mixture<T> random_mixture(index_t width, index_t experts, index_t rank, index_t chosen) {
  Mixture<T> mixture(width, experts, rank);
  mixture.chosen = chosen;
  visit_parameters(mixture, "mixture", [](const std::string& name, Tensor<T>& tensor) { randomize(tensor, name); });
  return mixture;
}

/// <x after mixing, weights> plus the weighted auxiliary losses.
template <class T>
double loss_of(Context& context, const Mixture<T>& mixture, const MixingOptions& options, const Tensor<T>& x,
               const Tensor<T>& weights) {
  MixingSaved<T> saved;
  Tensor<T> y = x;
  const MixingLosses losses = mixing_forward<T>(context, mixture, options, y.template view<2>(), saved);
  double sum = options.lambda_etf * losses.etf + options.lambda_balance * losses.balance;
  for (index_t i = 0; i < y.size(); ++i) sum += static_cast<double>(y[i]) * static_cast<double>(weights[i]);
  return sum;
}

template <class T>
struct Gradients {
  Tensor<T> d_x;
  Mixture<T> values;
  std::vector<bool> was_used;
};

template <class T>
Gradients<T> gradients_of(Context& context, const Mixture<T>& mixture, const MixingOptions& options, const Tensor<T>& x,
                          const Tensor<T>& weights) {
  MixingSaved<T> saved;
  Tensor<T> y = x;
  mixing_forward<T>(context, mixture, options, y.template view<2>(), saved);
  const index_t experts = mixture.expert_count();
  Gradients<T> g{weights, Mixture<T>(x.extent(1), experts, mixture.experts[0].lora_a.extent(0)),
                 std::vector<bool>(static_cast<std::size_t>(experts))};
  zero_parameters(g.values);
  mixing_backward<T>(context, mixture, options, saved, g.d_x.template view<2>(), {&g.values, &g.was_used});
  return g;
}

}  // namespace

TEST_CASE("the gradients of a mixed layer, sparse and dense, with losses and dropout") {
  Context context({.threads = 1});
  MixingOptions sparse{.mix_weight = 0.3, .has_trainable_a = true};
  MixingOptions dense{
      .mix_weight = 0.3, .is_dense = true, .lambda_etf = 0.4, .lambda_balance = 0.6, .has_trainable_a = true};
  MixingOptions dropping = dense;
  dropping.dropout = {0.3, 5, 6, 7};
  const index_t cases[][5] = {{1, 4, 3, 2, 1}, {9, 5, 4, 2, 2}, {6, 7, 3, 1, 3}, {5, 4, 1, 2, 1}};  // N, D, E, R, K
  for (const MixingOptions& options : {sparse, dense, dropping})
    for (const auto& [tokens, width, experts, rank, chosen] : cases) {
      const std::string label =
          concat(options.is_dense ? "dense " : "sparse ", tokens, "x", width, ", ", chosen, " of ", experts);
      CAPTURE(label);
      Mixture<double> mixture = random_mixture<double>(width, experts, rank, chosen);
      Tensor<double> x = random_tensor<double>({tokens, width}, "mixing x");
      const Tensor<double> weights = random_tensor<double>({tokens, width}, "weights");
      const auto g = gradients_of<double>(context, mixture, options, x, weights);
      const auto loss = [&] { return loss_of<double>(context, mixture, options, x, weights); };
      expect_gradient(loss, {{"x", x, g.d_x}});
      expect_gradient(loss, parameter_gradients(mixture, g.values));
    }
}

TEST_CASE("sparse and dense gradients are the same without the auxiliary losses") {
  Context context({.threads = 2});
  const Mixture<double> mixture = random_mixture<double>(17, 4, 3, 2);
  const Tensor<double> x = random_tensor<double>({23, 17}, "x"), weights = random_tensor<double>({23, 17}, "w");
  const auto sparse = gradients_of<double>(context, mixture, {.has_trainable_a = true}, x, weights);
  const auto dense = gradients_of<double>(context, mixture, {.is_dense = true, .has_trainable_a = true}, x, weights);
  std::vector<const Tensor<double>*> all;
  double off = 0;
  visit_parameters(sparse.values, "", [&](const std::string&, const Tensor<double>& t) { all.push_back(&t); });
  std::size_t i = 0;
  visit_parameters(dense.values, "", [&](const std::string&, const Tensor<double>& t) {
    for (index_t k = 0; k < t.size(); ++k) off = std::max(off, std::abs(t[k] - (*all[i])[k]));
    ++i;
  });
  for (index_t k = 0; k < x.size(); ++k) off = std::max(off, std::abs(sparse.d_x[k] - dense.d_x[k]));
  CHECK(off < 1e-13);
}

TEST_CASE("experts without tokens get no gradient in the sparse path, and all do in the dense one") {
  Context context({.threads = 1});
  Mixture<float> mixture = random_mixture<float>(6, 4, 2, 2);
  mixture.router.gate.fill(0);  // ties: experts 0 and 1
  const Tensor<float> x = random_tensor<float>({5, 6}, "x"), weights = random_tensor<float>({5, 6}, "w");
  const auto sparse = gradients_of<float>(context, mixture, {}, x, weights);
  CHECK(sparse.was_used == std::vector<bool>{true, true, false, false});
  for (const float value : sparse.values.experts[2].lora_b) CHECK(value == 0);
  for (const float value : sparse.values.experts[0].lora_a) CHECK(value == 0);  // frozen
  const auto dense = gradients_of<float>(context, mixture, {.is_dense = true}, x, weights);
  CHECK(dense.was_used == std::vector<bool>(4, true));
}

TEST_CASE("gradients of a layer have the same bits for one and two threads, and are those of double") {
  const auto mixture = random_mixture<float>(64, 4, 8, 2);
  const auto wide = random_mixture<double>(64, 4, 8, 2);
  const MixingOptions options{
      .is_dense = true, .lambda_etf = 0.1, .lambda_balance = 0.1, .dropout = {0.05, 1, 1, 1}, .has_trainable_a = true};
  const Tensor<float> x = random_tensor<float>({301, 64}, "x"), weights = random_tensor<float>({301, 64}, "w");
  const Tensor<double> x_wide = random_tensor<double>({301, 64}, "x"), w_wide = random_tensor<double>({301, 64}, "w");
  for (const bool is_dense : {false, true}) {
    MixingOptions own = options;
    own.is_dense = is_dense;
    Context one({.threads = 1}), two({.threads = 2});
    const auto a = gradients_of<float>(one, mixture, own, x, weights),
               b = gradients_of<float>(two, mixture, own, x, weights);
    const auto exact = gradients_of<double>(one, wide, own, x_wide, w_wide);
    CHECK(same_bits(a.d_x, b.d_x));
    CHECK(same_bits(a.values.router.gate, b.values.router.gate));
    for (std::size_t e = 0; e < 4; ++e) {
      CHECK(same_bits(a.values.experts[e].lora_a, b.values.experts[e].lora_a));
      CHECK(same_bits(a.values.experts[e].lora_b, b.values.experts[e].lora_b));
      double off = 0, square = 0;
      for (index_t i = 0; i < a.values.experts[e].lora_b.size(); ++i) {
        const double value = exact.values.experts[e].lora_b[i];
        off += std::pow(static_cast<double>(a.values.experts[e].lora_b[i]) - value, 2), square += value * value;
      }
      CHECK(std::sqrt(off / square) < 32 * eps_of<float>());
    }
  }
}

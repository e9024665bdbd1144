// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <moeclip/clip/transformer.hpp>
#include <string>
#include <utility>
#include <vector>

#include "expect_error.hpp"
#include "gradient_check.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace {

constexpr TransformerConfig kSizes{12, 4, 2, 20};
constexpr auto kGelu = kernels::Activation::gelu;

template <class T>
Transformer<T> random_transformer() {
  Transformer<T> transformer(kSizes);
  visit_parameters(transformer, "", [](const std::string& name, Tensor<T>& tensor) {
    const bool is_gain = name.find("ln_") != std::string::npos && name.ends_with("weight");
    randomize(tensor, name, 0.4f, is_gain ? 1.0f : 0.0f);
  });
  return transformer;
}

template <class T>
Transformer<T> zero_transformer() {
  Transformer<T> transformer(kSizes);
  zero_parameters(transformer);
  return transformer;
}

/// What one forward and backward pass gives: tokens, their gradient, gradients of the weights.
template <class T>
struct Pass {
  Tensor<T> x, d_x;
  Transformer<T> gradient = zero_transformer<T>();
};

template <class T>
Pass<T> run(TransformerSaved<T>& saved, TokenLayout layout, int threads) {
  const Transformer<T> transformer = random_transformer<T>();
  const index_t rows = layout.batch * layout.tokens;
  Pass<T> pass{random_tensor<T>({rows, 12}, "x"), random_tensor<T>({rows, 12}, "d_x")};
  Context context({.threads = threads});
  auto nothing = [](index_t, View<T, 2>) {};
  transformer_forward<T>(context, {transformer, kGelu, layout}, pass.x.template view<2>(), nothing, &saved);
  transformer_backward<T>(context, {transformer, kGelu, layout}, saved, pass.d_x.template view<2>(), nothing,
                          &pass.gradient);
  return pass;
}

template <class T>
bool same_pass(const Pass<T>& a, const Pass<T>& b) {
  bool is_same = same_bits(a.x, b.x) && same_bits(a.d_x, b.d_x);
  std::vector<const Tensor<T>*> tensors;
  visit_parameters(a.gradient, "", [&](const std::string&, const Tensor<T>& tensor) { tensors.push_back(&tensor); });
  std::size_t i = 0;
  visit_parameters(b.gradient, "", [&](const std::string&, const Tensor<T>& tensor) {
    is_same = is_same && same_bits(*tensors[i++], tensor);
  });
  return is_same;
}

}  // namespace

TEST_CASE_TEMPLATE("blocks that run again give the bits of those that were kept, on any number of threads", T, float,
                   double) {
  const TokenLayout layout{3, 37, false};
  TransformerSaved<T> kept, replayed;
  const Pass<T> wanted = run(kept, layout, 1);
  CHECK(same_pass(run(kept, layout, 2), wanted));
  for (const index_t kept_blocks : {3, 1, 0, 4}) {  // the same memory, plan after plan
    replayed.plan.kept_blocks = kept_blocks;
    for (const int threads : {1, 2}) CHECK(same_pass(run(replayed, layout, threads), wanted));
  }
  CHECK(same_pass(run(replayed, {1, 5, true}, 1), run(kept, {1, 5, true}, 2)));  // another layout, causal
}

TEST_CASE("a plan keeps what it says, and says how much that is") {
  const TokenLayout layout{2, 7, false};
  const auto floats_in = [](const TransformerSaved<float>& saved) {
    index_t count = 0;
    for (const BlockSaved<float>& block : saved.blocks)
      count += block.x.size() + block.qkv.size() + block.heads.size() + block.middle.size() + block.hidden.size();
    return count + saved.replay.x.size() + saved.replay.qkv.size() + saved.replay.heads.size() +
           saved.replay.middle.size() + saved.replay.hidden.size();
  };
  for (const index_t first : {1, 3, 5})
    for (const index_t kept : {0, 1, 2, 9}) {
      CAPTURE(first);
      CAPTURE(kept);
      TransformerSaved<float> saved;
      saved.plan = {first, kept};
      run(saved, layout, 1);
      CHECK(floats_in(saved) * 4 == saved_bytes<float>(kSizes, layout, saved.plan));
    }
}

TEST_CASE("a budget buys as many whole blocks as fit") {
  const TokenLayout layout{2, 50, false};
  const auto bytes = [&](index_t kept) { return saved_bytes<float>(kSizes, layout, {1, kept}); };
  CHECK(bytes(0) < bytes(1));
  CHECK(bytes(1) < bytes(2));
  CHECK(plan_for<float>(kSizes, layout, 1, bytes(4)).kept_blocks == 4);
  CHECK(plan_for<float>(kSizes, layout, 1, bytes(2)).kept_blocks == 2);
  CHECK(plan_for<float>(kSizes, layout, 1, bytes(2) - 1).kept_blocks == 1);
  CHECK(plan_for<float>(kSizes, layout, 1, 0).kept_blocks == 0);
  CHECK(plan_for<double>(kSizes, layout, 4, 1 << 30).kept_blocks == 1);
  CHECK(plan_for<double>(kSizes, layout, 4, 1 << 30).first_block == 4);
}

TEST_CASE("gradients agree with differences, hooks included, from the first block or a later one") {
  Transformer<double> transformer = random_transformer<double>();
  const TokenLayout layout{2, 5, false};
  Tensor<double> start = random_tensor<double>({10, 12}, "start"), gains = random_tensor<double>({4, 12}, "gains");
  const Tensor<double> weights = random_tensor<double>({10, 12}, "weights");
  for (const SavePlan plan : {SavePlan{1, 4}, SavePlan{1, 2}, SavePlan{3, 1}, SavePlan{5, 0}}) {
    CAPTURE(plan.first_block);
    Context context({.threads = 2});
    TransformerSaved<double> saved;
    saved.plan = plan;
    Tensor<double> x, d_gains({4, 12});
    std::vector<Tensor<double>> before(4);  // what block n gave to its hook
    auto after_block = [&](index_t n, View<double, 2> tokens) {
      before[static_cast<std::size_t>(n - 1)] = x;
      for (index_t i = 0; i < 10; ++i)
        for (index_t c = 0; c < 12; ++c) tokens(i, c) += gains[(n - 1) * 12 + c] * tokens(i, c) * tokens(i, c);
    };
    const auto forward = [&] {
      x = start;
      transformer_forward<double>(context, {transformer, kGelu, layout}, x.view<2>(), after_block, &saved);
      double loss = 0;
      for (index_t i = 0; i < x.size(); ++i) loss += weights[i] * x[i];
      return loss;
    };
    forward();
    std::vector<index_t> seen;
    auto before_block = [&](index_t n, View<double, 2> d_x) {
      seen.push_back(n);
      const Tensor<double>& y = before[static_cast<std::size_t>(n - 1)];
      for (index_t i = 0; i < 10; ++i)
        for (index_t c = 0; c < 12; ++c) {
          const double value = y[i * 12 + c];
          d_gains[(n - 1) * 12 + c] += d_x(i, c) * value * value;
          d_x(i, c) *= 1 + 2 * gains[(n - 1) * 12 + c] * value;
        }
    };
    Transformer<double> gradient = zero_transformer<double>();
    Tensor<double> d_x = weights;
    transformer_backward<double>(context, {transformer, kGelu, layout}, saved, d_x.view<2>(), before_block, &gradient);

    std::vector<index_t> wanted;
    for (index_t n = 4; n >= std::max<index_t>(1, plan.first_block - 1); --n) wanted.push_back(n);
    CHECK(seen == wanted);
    std::vector<ClaimedGradient> claims;
    if (plan.first_block == 1) claims.emplace_back("x", start, d_x);
    for (index_t n = std::max<index_t>(1, plan.first_block - 1); n <= 4; ++n) {
      const auto at = static_cast<std::size_t>(n - 1);
      claims.emplace_back(concat("gain ", n), &gains[12 * (n - 1)], &d_gains[12 * (n - 1)], 12);
      if (n < plan.first_block) continue;
      for (ClaimedGradient& claim : parameter_gradients(transformer.blocks[at], gradient.blocks[at], concat(n)))
        claims.push_back(std::move(claim));
    }
    expect_gradient(forward, claims, 2);
    for (index_t n = 1; n < plan.first_block; ++n)
      visit_parameters(gradient.blocks[static_cast<std::size_t>(n - 1)], "",
                       [](const std::string&, const Tensor<double>& tensor) {
                         CHECK(std::all_of(tensor.begin(), tensor.end(), [](double value) { return value == 0; }));
                       });
  }
}

TEST_CASE("a frozen stack passes the gradient on, and adds to gradients that are there") {
  TransformerSaved<float> saved;
  const TokenLayout layout{2, 6, false};
  Pass<float> wanted = run(saved, layout, 1);
  const Transformer<float> transformer = random_transformer<float>();
  Context context({.threads = 1});
  auto nothing = [](index_t, View<float, 2>) {};
  Tensor<float> d_x = random_tensor<float>({12, 12}, "d_x");
  transformer_backward<float>(context, {transformer, kGelu, layout}, saved, d_x.view<2>(), nothing, nullptr);
  CHECK(same_bits(d_x, wanted.d_x));
  const Tensor<float> once = wanted.gradient.blocks[0].mlp.c_fc.bias;
  d_x = random_tensor<float>({12, 12}, "d_x");
  transformer_backward<float>(context, {transformer, kGelu, layout}, saved, d_x.view<2>(), nothing, &wanted.gradient);
  const Tensor<float>& twice = wanted.gradient.blocks[0].mlp.c_fc.bias;
  const double rounding = 4 * 12 * eps_of<float>();  // of sums over 12 rows, the largest of which is 9.6
  for (index_t i = 0; i < once.size(); ++i)
    CHECK(std::abs(static_cast<double>(twice[i]) / 2 - static_cast<double>(once[i])) <=
          rounding * 10);  // largest is 9.6
}

TEST_CASE("a backward pass without its forward pass is told") {
  const Transformer<double> transformer = random_transformer<double>();
  Context context({.threads = 1});
  auto nothing = [](index_t, View<double, 2>) {};
  const TokenLayout layout{1, 5, false};
  Tensor<double> x = random_tensor<double>({5, 12}, "x"), d_x({5, 12}), other({7, 12});
  const auto back = [&](TransformerSaved<double>& saved, TokenLayout shape, Tensor<double>& d) {
    transformer_backward<double>(context, {transformer, kGelu, shape}, saved, d.view<2>(), nothing, nullptr);
  };
  TransformerSaved<double> empty, saved;
  expect_error(ErrorCode::contract, {"0 saved blocks"}, [&] { back(empty, layout, d_x); });
  saved.plan = {1, 0};  // inputs only
  transformer_forward<double>(context, {transformer, kGelu, layout}, x.view<2>(), nothing, &saved);
  expect_error(ErrorCode::contract, {"kept (5,12)"}, [&] { back(saved, {1, 7, false}, other); });
}

TEST_CASE("a plan that no transformer can follow is told") {
  TransformerSaved<float> saved;
  saved.plan.first_block = 6;
  expect_error(ErrorCode::contract, {"4 blocks", "block 6"}, [&] { run(saved, {1, 2, false}, 1); });
  saved.plan.first_block = 0;
  expect_error(ErrorCode::contract, {"4 blocks", "block 0"}, [&] { run(saved, {1, 2, false}, 1); });
}

// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/nn/block.hpp>
#include <type_traits>

#include "backward_test.hpp"

using namespace nn_test;  // NOLINT

namespace {

template <class T>
Block<T> random_block(index_t width, index_t heads, index_t hidden) {
  Block<T> block(width, heads, hidden);
  randomize_layer<T>(block, "block", 1 / std::sqrt(static_cast<float>(width)));
  for (LayerNorm<T>* norm : {&block.ln_1, &block.ln_2})
    for (T& gamma : norm->gamma) gamma += 1;
  return block;
}

}  // namespace

TEST_CASE_TEMPLATE("a block is x += Attention(LN1 x), x += MLP(LN2 x)", T, float, double) {
  Context context({.threads = 2});
  const auto activation = kernels::Activation::gelu;
  for (const bool causal : {false, true}) {
    const TokenLayout layout{2, 7, causal};
    Block<T> block = random_block<T>(24, 3, 40);
    const Tensor<T> x = random_tensor<T>({14, 24}, "block x");
    auto reference = widen<T>(x.template view<2>());
    reference = sum_of(reference,
                       attention_reference<T>(layer_norm_reference<T>(reference, block.ln_1), block.attention, layout));
    reference =
        sum_of(reference, mlp_reference<T>(layer_norm_reference<T>(reference, block.ln_2), block.mlp, activation));
    Tensor<T> plain = x, packed = x;
    block_forward<T>(context, block, activation, layout, plain.template view<2>());
    CHECK(worst_in_eps<T>(plain.template view<2>(), reference) <= 4 * (24 + 24 + 7 + 24 + 40));
    pack(context, block);
    CHECK(block.mlp.c_proj.weight.empty());
    block_forward<T>(context, block, activation, layout, packed.template view<2>());
    CHECK(same_bits(plain, packed));
  }
}

TEST_CASE_TEMPLATE("the first tokens alone have the bits that they have among all", T, float, double) {
  using kernels::Precision;
  std::vector<Precision> precisions{Precision::f32};
  if (std::is_same_v<T, float>) precisions.insert(precisions.end(), {Precision::bf16, Precision::int8});
  for (const Precision precision : precisions)
    for (const TokenLayout layout : {TokenLayout{2, 7, false}, TokenLayout{5, 1, false}, TokenLayout{1, 9, true}}) {
      Context context({.threads = 3});
      Block<T> block = random_block<T>(24, 3, 40);
      pack(context, block, precision);
      const Tensor<T> x = random_tensor<T>({layout.batch * layout.tokens, 24}, "block x");
      Tensor<T> all = x, first({layout.batch, 24}), wanted({layout.batch, 24});
      block_forward<T>(context, block, kernels::Activation::gelu, layout, all.template view<2>());
      block_forward_first<T>(context, block, kernels::Activation::gelu, layout, x.template view<2>(),
                             first.template view<2>());
      for (index_t b = 0; b < layout.batch; ++b)
        std::copy_n(all.data() + b * layout.tokens * 24, 24, wanted.data() + b * 24);
      CHECK(same_bits(first, wanted));
    }
  Context context({.threads = 1});
  const Block<T> block = random_block<T>(24, 3, 40);
  const Tensor<T> x = random_tensor<T>({14, 24}, "block x");
  Tensor<T> out({3, 24});
  CHECK_THROWS_AS(block_forward_first<T>(context, block, kernels::Activation::gelu, {2, 7, false}, x.template view<2>(),
                                         out.template view<2>()),
                  Error);
}

TEST_CASE("a block lists its parameters under OpenAI's names") {
  const Block<float> block(4, 1, 8);
  std::vector<std::string> names;
  index_t count = 0;
  visit_parameters(block, "", [&](const std::string& name, const Tensor<float>& tensor) {
    names.push_back(name);
    count += tensor.size();
  });
  CHECK(names == std::vector<std::string>{"ln_1.weight", "ln_1.bias", "attn.in_proj_weight", "attn.in_proj_bias",
                                          "attn.out_proj.weight", "attn.out_proj.bias", "ln_2.weight", "ln_2.bias",
                                          "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias"});
  CHECK(count == 4 * 4 + (12 * 4 + 12) + (4 * 4 + 4) + (8 * 4 + 8) + (4 * 8 + 4));  // norms, q k v, out, MLP
}

namespace {

template <class T>
struct BlockGradients {
  Tensor<T> y, d_x;
  Block<T> block;
};

constexpr TokenLayout kLayouts[] = {{2, 7, false}, {1, 9, true}};

template <class T>
BlockGradients<T> block_gradients(int threads, TokenLayout layout, kernels::Activation activation, bool is_packed,
                                  bool is_frozen = false) {
  Context context({.threads = threads});
  Block<T> block = random_block<T>(24, 3, 40);
  const index_t rows = layout.batch * layout.tokens;
  BlockGradients<T> result{random_tensor<T>({rows, 24}, "block x"), random_tensor<T>({rows, 24}, "block d_y"),
                           Block<T>(24, 3, 40)};
  zero_parameters(result.block);
  BlockSaved<T> saved;
  if (is_packed) pack(context, block);
  block_forward<T>(context, block, activation, layout, result.y.template view<2>(), &saved);
  block_backward<T>(context, block, activation, layout, saved, result.d_x.template view<2>(),
                    is_frozen ? nullptr : &result.block);
  return result;
}

}  // namespace

TEST_CASE("the backward pass of a block is its gradient") {
  Context context({.threads = 2});
  for (const TokenLayout layout : kLayouts)
    for (const auto activation : {kernels::Activation::gelu, kernels::Activation::quick_gelu}) {
      const auto found = block_gradients<double>(2, layout, activation, false);
      Block<double> block = random_block<double>(24, 3, 40);
      const index_t rows = layout.batch * layout.tokens;
      Tensor<double> x = random_tensor<double>({rows, 24}, "block x");
      const Tensor<double> d_y = random_tensor<double>({rows, 24}, "block d_y");
      const auto loss = [&] {
        Tensor<double> y = x;
        block_forward<double>(context, block, activation, layout, y.view<2>());
        return inner(y, d_y);
      };
      expect_gradient(loss, {{"x", x, found.d_x}});
      expect_gradient(loss, parameter_gradients(block, found.block));
    }
}

TEST_CASE("block backward: float agrees with double, the same bits for any threads, packed or plain, frozen or not") {
  const auto activation = kernels::Activation::gelu;
  for (const TokenLayout layout : kLayouts) {
    const auto exact = block_gradients<double>(1, layout, activation, false);
    const auto one = block_gradients<float>(1, layout, activation, false);
    CHECK(worst_in_eps(one.d_x, exact.d_x) <= 24 + 24 + 9 + 24 + 40);  // as for the forward pass above
    CHECK(worst_in_eps(one.block, exact.block) <= 2 * (24 + 24 + 9 + 24 + 40));
    Context context({.threads = 2});
    Tensor<float> y = random_tensor<float>({layout.batch * layout.tokens, 24}, "block x");
    block_forward<float>(context, random_block<float>(24, 3, 40), activation, layout, y.view<2>());
    CHECK(same_bits(y, one.y));  // keeping values changes none
    for (const int threads : {1, 2, 3})
      for (const bool is_packed : {false, true}) {
        const auto other = block_gradients<float>(threads, layout, activation, is_packed);
        CHECK(same_bits(other.d_x, one.d_x));
        CHECK(same_parameters(other.block, one.block));
        CHECK(same_bits(block_gradients<float>(threads, layout, activation, is_packed, true).d_x, one.d_x));
      }
  }
}

TEST_CASE("zero_parameters empties every tensor of a gradient") {
  Block<float> gradient = random_block<float>(4, 1, 8);
  zero_parameters(gradient);
  visit_parameters(gradient, "", [](const std::string& name, const Tensor<float>& tensor) {
    CAPTURE(name);
    for (const float value : tensor) CHECK(value == 0.0f);
  });
}

TEST_CASE("a block's saved tensors are made once and kept") {
  Context context({.threads = 1});
  const Block<float> block = random_block<float>(24, 3, 40);
  BlockSaved<float> saved;
  Tensor<float> x = random_tensor<float>({14, 24}, "block x");
  const auto run = [&] {
    block_forward<float>(context, block, kernels::Activation::gelu, {2, 7, false}, x.view<2>(), &saved);
    return std::vector<const float*>{saved.x.data(), saved.qkv.data(), saved.heads.data(), saved.middle.data(),
                                     saved.hidden.data()};
  };
  const auto first = run();
  const index_t scratch = context.arena().capacity();
  CHECK(run() == first);
  CHECK(context.arena().capacity() == scratch);
  CHECK(saved.hidden.shape() == Shape{14, 40});
  CHECK(saved.qkv.shape() == Shape{14, 72});
}

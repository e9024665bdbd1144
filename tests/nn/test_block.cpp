// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/nn/block.hpp>

#include "nn_test.hpp"

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

// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/nn/mlp.hpp>

#include "nn_test.hpp"

using namespace nn_test;  // NOLINT

TEST_CASE_TEMPLATE("the perceptron adds W2 act(W1 x + b1) + b2 to y", T, float, double) {
  Context context({.threads = 2});
  const index_t sizes[][3] = {{1, 1, 1}, {3, 2, 7}, {17, 13, 52}, {5, 64, 256}};  // rows, width, hidden
  for (const auto& [rows, width, hidden] : sizes)
    for (const auto activation : {kernels::Activation::gelu, kernels::Activation::quick_gelu}) {
      const std::string label = concat(rows, "x", width, "x", hidden);
      CAPTURE(label);
      Mlp<T> mlp(width, hidden);
      randomize_layer<T>(mlp, "mlp", 1 / std::sqrt(static_cast<float>(width)));
      const Tensor<T> x = random_tensor<T>({rows, width}, "mlp x", 2.0f);
      const Tensor<T> before = random_tensor<T>({rows, width}, "mlp before");
      const auto reference = sum_of(widen<T>(before.template view<2>()),
                                    mlp_reference<T>(widen<T>(x.template view<2>()), mlp, activation));
      Tensor<T> plain = before, packed = before;
      mlp_forward<T>(context, mlp, activation, x.template view<2>(), plain.template view<2>());
      CHECK(worst_in_eps<T>(plain.template view<2>(), reference) <= static_cast<double>(width + hidden + 16));
      pack(context, mlp.c_fc);
      pack(context, mlp.c_proj);
      mlp_forward<T>(context, mlp, activation, x.template view<2>(), packed.template view<2>());
      CHECK(same_bits(plain, packed));
    }
}

// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/nn/mlp.hpp>

#include "backward_test.hpp"

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

namespace {

template <class T>
struct MlpGradients {
  Tensor<T> d_x;
  Mlp<T> mlp;
};

template <class T>
MlpGradients<T> mlp_gradients(int threads, kernels::Activation activation, bool is_packed) {
  Context context({.threads = threads});
  const index_t rows = 17, width = 13, hidden_width = 52;
  Mlp<T> mlp(width, hidden_width);
  randomize_layer<T>(mlp, "mlp", 1 / std::sqrt(static_cast<float>(width)));
  MlpGradients<T> result{Tensor<T>({rows, width}), Mlp<T>(width, hidden_width)};
  zero_parameters(result.mlp);
  const Tensor<T> x = random_tensor<T>({rows, width}, "mlp x", 2.0f), d_y = random_tensor<T>({rows, width}, "mlp d_y");
  Tensor<T> y({rows, width}), hidden({rows, hidden_width});
  if (is_packed) {
    pack(context, mlp.c_fc);
    pack(context, mlp.c_proj);
  }
  mlp_forward<T>(context, mlp, activation, x.template view<2>(), y.template view<2>(), hidden.template view<2>());
  mlp_backward<T>(context, mlp, activation,
                  {x.template view<2>(), std::as_const(hidden).template view<2>(), d_y.template view<2>(),
                   result.d_x.template view<2>()},
                  &result.mlp);
  return result;
}

constexpr kernels::Activation kActivations[] = {kernels::Activation::none, kernels::Activation::gelu,
                                                kernels::Activation::quick_gelu};

}  // namespace

TEST_CASE("the backward pass of a perceptron is its gradient") {
  Context context({.threads = 2});
  for (const auto activation : kActivations) {
    const auto found = mlp_gradients<double>(2, activation, false);
    Mlp<double> mlp(13, 52);
    randomize_layer<double>(mlp, "mlp", 1 / std::sqrt(13.0f));
    Tensor<double> x = random_tensor<double>({17, 13}, "mlp x", 2.0f);
    const Tensor<double> d_y = random_tensor<double>({17, 13}, "mlp d_y");
    const auto loss = [&] {
      Tensor<double> y({17, 13});
      mlp_forward<double>(context, mlp, activation, std::as_const(x).view<2>(), y.view<2>());
      return inner(y, d_y);
    };
    expect_gradient(loss, {{"x", x, found.d_x}});
    expect_gradient(loss, parameter_gradients(mlp, found.mlp));
  }
}

TEST_CASE("perceptron backward: float agrees with double, any number of threads gives the same bits, packed or plain") {
  for (const auto activation : kActivations) {
    const auto exact = mlp_gradients<double>(1, activation, false);
    const auto one = mlp_gradients<float>(1, activation, false);
    CHECK(worst_in_eps(one.d_x, exact.d_x) <= 2 * std::sqrt(52.0 * 13));
    CHECK(worst_in_eps(one.mlp, exact.mlp) <= 2 * std::sqrt(52.0 * 17));
    for (const int threads : {1, 2, 3})
      for (const bool is_packed : {false, true}) {
        const auto other = mlp_gradients<float>(threads, activation, is_packed);
        CHECK(same_bits(other.d_x, one.d_x));
        CHECK(same_parameters(other.mlp, one.mlp));
      }
  }
}

TEST_CASE_TEMPLATE("keeping the hidden values changes no bit of the result", T, float, double) {
  Context context({.threads = 2});
  for (const auto activation : kActivations) {
    Mlp<T> mlp(24, 97);
    randomize_layer<T>(mlp, "mlp", 0.3f);
    const Tensor<T> x = random_tensor<T>({19, 24}, "mlp x", 3.0f);
    Tensor<T> plain({19, 24}), kept({19, 24}), hidden({19, 97});
    mlp_forward<T>(context, mlp, activation, x.template view<2>(), plain.template view<2>());
    mlp_forward<T>(context, mlp, activation, x.template view<2>(), kept.template view<2>(), hidden.template view<2>());
    CHECK(same_bits(plain, kept));
  }
}

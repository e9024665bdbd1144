// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/nn/linear.hpp>

#include "expect_error.hpp"
#include "nn_test.hpp"

using namespace nn_test;  // NOLINT

namespace {

struct Sizes {
  index_t m, n, k;
};
constexpr Sizes kSizes[] = {{1, 1, 1}, {1, 7, 3}, {5, 1, 11}, {3, 2, 1}, {13, 17, 19}, {31, 67, 129}, {65, 33, 257}};

template <class T>
Linear<T> random_linear(index_t outputs, index_t inputs, bool has_bias) {
  Linear<T> layer(outputs, inputs, has_bias);
  randomize_layer<T>(layer, concat("linear.", outputs, ".", inputs));
  return layer;
}

}  // namespace

TEST_CASE_TEMPLATE("a linear layer is x W^T + b within its rounding, packed or plain", T, float, double) {
  Context context({.threads = 2});
  for (const auto [m, n, k] : kSizes)
    for (const bool has_bias : {true, false}) {
      const std::string label = concat(m, "x", n, "x", k);
      CAPTURE(label);
      Linear<T> layer = random_linear<T>(n, k, has_bias);
      const Tensor<T> x = random_tensor<T>({m, k}, "x");
      const auto reference = linear_reference<T>(widen<T>(x.template view<2>()), layer.weight, layer.bias);
      Tensor<T> plain({m, n}), packed({m, n});
      linear_forward<T>(context, layer, x.template view<2>(), plain.template view<2>());
      CHECK(worst_of<T>(std::as_const(plain).template view<2>(), reference) <= 1);
      pack(context, layer);
      CHECK(layer.inputs() == k);
      CHECK(layer.outputs() == n);
      CHECK(layer.weight.empty());
      linear_forward<T>(context, layer, x.template view<2>(), packed.template view<2>());
      CHECK(same_bits(plain, packed));
    }
}

TEST_CASE_TEMPLATE("rows of x and y may be strided, and y may be added to", T, float, double) {
  Context context({.threads = 1});
  const index_t m = 7, n = 13, k = 17, x_stride = k + 5, y_stride = n + 3;
  Linear<T> layer = random_linear<T>(n, k, true);
  const Tensor<T> x = random_tensor<T>({m, x_stride}, "strided x"), before = random_tensor<T>({m, y_stride}, "before");
  const View<const T, 2> x_view(x.data(), {m, k}, {x_stride, 1});
  auto reference = linear_reference<T>(widen<T>(x_view), layer.weight, layer.bias);
  for (index_t i = 0; i < m; ++i)
    for (index_t j = 0; j < n; ++j) {
      const auto held = static_cast<Wider<T>>(before[i * y_stride + j]);
      reference.value(i, j) += held;
      reference.bound(i, j) += static_cast<Wider<T>>(eps_of<T>()) * (std::abs(held) + std::abs(reference.value(i, j)));
    }
  for (const bool is_packed : {false, true}) {
    if (is_packed) pack(context, layer);
    Tensor<T> y = before;
    const View<T, 2> y_view(y.data(), {m, n}, {y_stride, 1});
    linear_forward<T>(context, layer, x_view, y_view, {.accumulate = true});
    CHECK(worst_of<T>(y_view, reference) <= 1);
    int disturbed = 0;
    for (index_t i = 0; i < m; ++i)
      for (index_t j = n; j < y_stride; ++j) disturbed += y[i * y_stride + j] != before[i * y_stride + j];
    CHECK(disturbed == 0);
  }
}

TEST_CASE_TEMPLATE("a transposed x is read through its strides", T, float, double) {
  Context context({.threads = 1});
  const index_t m = 5, n = 3, k = 7;
  const Linear<T> layer = random_linear<T>(n, k, true);
  const Tensor<T> columns = random_tensor<T>({k, m}, "columns");
  const View<const T, 2> x(columns.data(), {m, k}, {1, m});
  Tensor<T> y({m, n});
  linear_forward<T>(context, layer, x, y.template view<2>());
  CHECK(worst_of<T>(y.template view<2>(), linear_reference<T>(widen<T>(x), layer.weight, layer.bias)) <= 1);
}

TEST_CASE_TEMPLATE("the activation is applied on the way out", T, float, double) {
  Context context({.threads = 1});
  const index_t m = 9, n = 11, k = 5;
  const Linear<T> layer = random_linear<T>(n, k, true);
  const Tensor<T> x = random_tensor<T>({m, k}, "activated x", 3.0f);
  const auto plain = linear_reference<T>(widen<T>(x.template view<2>()), layer.weight, layer.bias);
  for (const auto activation :
       {kernels::Activation::gelu, kernels::Activation::quick_gelu, kernels::Activation::leaky_relu}) {
    Tensor<T> y({m, n});
    linear_forward<T>(context, layer, x.template view<2>(), y.template view<2>(), {.activation = activation});
    Bounded<T> reference = plain;
    for (std::size_t i = 0; i < reference.value.values.size(); ++i) {
      auto& value = reference.value.values[i];
      // slopes stay below 1.2; the functions themselves are good to a few eps of their argument
      reference.bound.values[i] = static_cast<Wider<T>>(1.2) * reference.bound.values[i] +
                                  static_cast<Wider<T>>(8 * eps_of<T>()) * std::abs(value);
      value = activate_reference(activation, value);
    }
    CHECK(worst_of<T>(y.template view<2>(), reference) <= 1);
  }
}

TEST_CASE("no rows are no work, wrong shapes are told") {
  Context context({.threads = 1});
  const Linear<float> layer = random_linear<float>(3, 2, true);
  Tensor<float> none({0, 2}), no_result({0, 3}), x({4, 2}), y({4, 2});
  linear_forward<float>(context, layer, none.view<2>(), no_result.view<2>());
  expect_error(ErrorCode::contract, {"(3,2)", "x (4,2)", "y (4,2)"},
               [&] { linear_forward<float>(context, layer, x.view<2>(), y.view<2>()); });
}

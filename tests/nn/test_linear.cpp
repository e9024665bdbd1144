// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/nn/linear.hpp>
#include <moeclip/nn/teaching.hpp>

#include "backward_test.hpp"
#include "expect_error.hpp"

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

namespace {

template <class T>
struct LinearGradients {
  Tensor<T> d_x;
  Linear<T> layer;
};

template <class T>
LinearGradients<T> linear_gradients(int threads, Sizes sizes, bool is_packed) {
  Context context({.threads = threads});
  Linear<T> layer = random_linear<T>(sizes.n, sizes.k, true);
  LinearGradients<T> result{Tensor<T>({sizes.m, sizes.k}), Linear<T>(sizes.n, sizes.k, true)};
  zero_parameters(result.layer);
  const Tensor<T> x = random_tensor<T>({sizes.m, sizes.k}, "x"), d_y = random_tensor<T>({sizes.m, sizes.n}, "d_y");
  if (is_packed) pack(context, layer);
  linear_backward<T>(context, layer, x.template view<2>(), d_y.template view<2>(), result.d_x.template view<2>(),
                     &result.layer);
  return result;
}

}  // namespace

TEST_CASE("the backward pass of a linear layer is its gradient") {
  Context context({.threads = 2});
  for (const auto& sizes : kSizes)
    for (const bool is_packed : {false, true}) {
      const auto found = linear_gradients<double>(2, sizes, is_packed);
      Linear<double> layer = random_linear<double>(sizes.n, sizes.k, true);
      Tensor<double> x = random_tensor<double>({sizes.m, sizes.k}, "x"), y({sizes.m, sizes.n});
      const Tensor<double> d_y = random_tensor<double>({sizes.m, sizes.n}, "d_y");
      const auto loss = [&] {
        linear_forward<double>(context, layer, std::as_const(x).view<2>(), y.view<2>());
        return inner(y, d_y);
      };
      expect_gradient(loss, {{"x", x, found.d_x}});
      expect_gradient(loss, parameter_gradients(layer, found.layer));
    }
}

TEST_CASE("linear backward: float agrees with double, any number of threads gives the same bits, packed or plain") {
  for (const Sizes sizes : {Sizes{13, 17, 19}, Sizes{31, 67, 129}, Sizes{65, 33, 257}, Sizes{150, 193, 97}}) {
    const auto exact = linear_gradients<double>(1, sizes, false);
    const auto one = linear_gradients<float>(1, sizes, false);
    // sums of n and of m products of numbers up to 1, relative to the largest: sqrt(length) is the size of such a sum
    const double length = static_cast<double>(std::max(sizes.n, sizes.m));
    CHECK(worst_in_eps(one.d_x, exact.d_x) <= 2 * std::sqrt(length));
    CHECK(worst_in_eps(one.layer, exact.layer) <= 2 * std::sqrt(length));
    for (const int threads : {1, 2, 3})
      for (const bool is_packed : {false, true}) {
        const auto other = linear_gradients<float>(threads, sizes, is_packed);
        CHECK(same_bits(other.d_x, one.d_x));
        CHECK(same_parameters(other.layer, one.layer));
      }
  }
}

TEST_CASE("linear backward adds to parameter gradients, to d_x on request, and leaves out what is not wanted") {
  Context context({.threads = 1});
  const Linear<double> layer = random_linear<double>(3, 5, true);
  const Tensor<double> x = random_tensor<double>({4, 5}, "x"), d_y = random_tensor<double>({4, 3}, "d_y");
  Tensor<double> once({4, 5}), twice({4, 5});
  Linear<double> gradient_once(3, 5, true), gradient_twice(3, 5, true);
  zero_parameters(gradient_once), zero_parameters(gradient_twice);
  linear_backward<double>(context, layer, x.view<2>(), d_y.view<2>(), once.view<2>(), &gradient_once);
  for (int i = 0; i < 2; ++i)
    linear_backward<double>(context, layer, x.view<2>(), d_y.view<2>(), twice.view<2>(), &gradient_twice,
                            {.accumulate = true});
  for (index_t i = 0; i < once.size(); ++i) CHECK(twice[i] == doctest::Approx(2 * once[i]));
  for (index_t i = 0; i < 15; ++i) CHECK(gradient_twice.weight[i] == doctest::Approx(2 * gradient_once.weight[i]));
  for (index_t i = 0; i < 3; ++i) CHECK(gradient_twice.bias[i] == doctest::Approx(2 * gradient_once.bias[i]));
  Tensor<double> frozen({4, 5});
  linear_backward<double>(context, layer, {}, d_y.view<2>(), frozen.view<2>(), nullptr);
  CHECK(same_bits(frozen, once));
  Linear<double> no_input(3, 5, true);
  zero_parameters(no_input);
  linear_backward<double>(context, layer, x.view<2>(), d_y.view<2>(), {}, &no_input);
  CHECK(same_bits(no_input.weight, gradient_once.weight));
  expect_error(ErrorCode::contract, {"(3,5)", "d_y (4,5)"},
               [&] { linear_backward<double>(context, layer, {}, x.view<2>(), frozen.view<2>(), nullptr); });
  expect_error(ErrorCode::contract, {"(3,5)", "x (0,0)"},
               [&] { linear_backward<double>(context, layer, {}, d_y.view<2>(), frozen.view<2>(), &no_input); });
}

TEST_CASE("a linear layer by the versions that return tensors") {
  Linear<double> layer = random_linear<double>(3, 5, true);
  Tensor<double> x = random_tensor<double>({4, 5}, "lesson x");
  const Tensor<double> d_y = random_tensor<double>({4, 3}, "lesson d_y");
  const auto [d_x, d_layer] = linear_backward(layer, x, d_y);
  const auto loss = [&] { return inner(linear_forward(layer, x), d_y); };
  expect_gradient(loss, {{"x", x, d_x}});
  expect_gradient(loss, parameter_gradients(layer, d_layer));
}

TEST_CASE_TEMPLATE("what goes into the activation is kept on request", T, float, double) {
  Context context({.threads = 1});
  const Linear<T> layer = random_linear<T>(7, 5, true);
  const Tensor<T> x = random_tensor<T>({4, 5}, "x", 3.0f);
  Tensor<T> y({4, 7}), plain({4, 7}), before({4, 7});
  linear_forward<T>(context, layer, x.template view<2>(), plain.template view<2>());
  linear_forward<T>(context, layer, x.template view<2>(), y.template view<2>(),
                    {.activation = kernels::Activation::gelu}, before.template view<2>());
  CHECK(same_bits(before, plain));
  CHECK(!same_bits(y, plain));
  expect_error(ErrorCode::contract, {"shape of y"}, [&] {
    linear_forward<T>(context, layer, x.template view<2>(), y.template view<2>(), {},
                      before.template view<2>().rows(0, 3));
  });
}

// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/nn/layer_norm.hpp>
#include <moeclip/nn/teaching.hpp>

#include "backward_test.hpp"
#include "expect_error.hpp"

using namespace nn_test;  // NOLINT

namespace {

/// The reference with the bound of two-pass normalisation: what the mean loses is relative to the largest |x|.
template <class T>
Bounded<T> bounded_reference(const Matrix<T>& x, const LayerNorm<T>& norm) {
  Bounded<T> y{layer_norm_reference<T>(x, norm), Matrix<T>(x.rows, x.columns)};
  for (index_t i = 0; i < x.rows; ++i) {
    Wider<T> largest = 0, mean = 0, variance = 0;
    for (index_t c = 0; c < x.columns; ++c) {
      largest = std::max(largest, std::abs(x(i, c)));
      mean += x(i, c) / static_cast<Wider<T>>(x.columns);
    }
    for (index_t c = 0; c < x.columns; ++c)
      variance += (x(i, c) - mean) * (x(i, c) - mean) / static_cast<Wider<T>>(x.columns);
    const Wider<T> rstd = 1 / std::sqrt(variance + static_cast<Wider<T>>(1e-5));
    const auto unit = static_cast<Wider<T>>(static_cast<double>(x.columns + 8) * eps_of<T>());
    for (index_t c = 0; c < x.columns; ++c)
      y.bound(i, c) = unit * (std::abs(static_cast<Wider<T>>(norm.gamma[c])) * 2 * largest * rstd +
                              std::abs(static_cast<Wider<T>>(norm.beta[c])) + std::abs(y.value(i, c)));
  }
  return y;
}

template <class T>
LayerNorm<T> random_norm(index_t width) {
  LayerNorm<T> norm(width);
  randomize(norm.gamma, "gamma", 0.5f, 1.0f);
  randomize(norm.beta, "beta");
  return norm;
}

}  // namespace

TEST_CASE_TEMPLATE("layer norm equals its formula, also far from zero", T, float, double) {
  Context context({.threads = 2});
  for (const index_t width : {1, 2, 3, 17, 64, 131, 1024})
    for (const float offset : {0.0f, 30.0f}) {
      CAPTURE(width);
      CAPTURE(offset);
      const LayerNorm<T> norm = random_norm<T>(width);
      const Tensor<T> x = random_tensor<T>({5, width}, "norm x", 2.0f, offset);
      const auto reference = bounded_reference<T>(widen<T>(x.template view<2>()), norm);
      Tensor<T> y({5, width});
      layer_norm_forward<T>(context, norm, x.template view<2>(), y.template view<2>());
      CHECK(worst_of<T>(y.template view<2>(), reference) <= 1);
      Tensor<T> in_place = x;
      layer_norm_forward<T>(context, norm, in_place.template view<2>(), in_place.template view<2>());
      CHECK(same_bits(in_place, y));
    }
}

TEST_CASE_TEMPLATE("a constant row becomes beta", T, float, double) {
  Context context({.threads = 1});
  const LayerNorm<T> norm = random_norm<T>(33);
  for (const T value : {T(0), T(1), T(-4.5)}) {
    Tensor<T> x({2, 33}), y({2, 33});
    x.fill(value);
    layer_norm_forward<T>(context, norm, x.template view<2>(), y.template view<2>());
    // the mean of equal numbers is off by an eps or so, which 1 / sqrt(1e-5) enlarges
    const double bound = 320 * 33 * eps_of<T>() * std::abs(static_cast<double>(value));
    for (index_t i = 0; i < y.size(); ++i) CHECK(std::abs(static_cast<double>(y[i] - norm.beta[i % 33])) <= bound);
  }
}

TEST_CASE_TEMPLATE("rows may be strided", T, float, double) {
  Context context({.threads = 1});
  const index_t rows = 3, width = 19, stride = 57;  // one row in three
  const LayerNorm<T> norm = random_norm<T>(width);
  const Tensor<T> all = random_tensor<T>({rows * 3, width}, "strided norm");
  Tensor<T> dense({rows * 3, width}), y({rows, width});
  layer_norm_forward<T>(context, norm, all.template view<2>(), dense.template view<2>());
  layer_norm_forward<T>(context, norm, View<const T, 2>(all.data(), {rows, width}, {stride, 1}), y.template view<2>());
  for (index_t i = 0; i < rows; ++i)
    for (index_t c = 0; c < width; ++c) CHECK(y[i * width + c] == dense[i * stride + c]);
}

TEST_CASE("another width is told") {
  Context context({.threads = 1});
  const LayerNorm<float> norm = random_norm<float>(4);
  Tensor<float> x({2, 5}), y({2, 5});
  expect_error(ErrorCode::contract, {"width 4", "x (2,5)"},
               [&] { layer_norm_forward<float>(context, norm, x.view<2>(), y.view<2>()); });
}

namespace {

template <class T>
struct NormGradients {
  Tensor<T> d_x;
  LayerNorm<T> norm;
};

template <class T>
NormGradients<T> norm_gradients(int threads, index_t rows, index_t width) {
  Context context({.threads = threads});
  const LayerNorm<T> norm = random_norm<T>(width);
  NormGradients<T> result{Tensor<T>({rows, width}), LayerNorm<T>(width)};
  zero_parameters(result.norm);
  const Tensor<T> x = random_tensor<T>({rows, width}, "norm x", 2.0f, 0.5f);
  const Tensor<T> d_y = random_tensor<T>({rows, width}, "norm d_y");
  layer_norm_backward<T>(context, norm, x.template view<2>(), d_y.template view<2>(), result.d_x.template view<2>(),
                         &result.norm);
  return result;
}

}  // namespace

TEST_CASE("the backward pass of layer norm is its gradient") {
  Context context({.threads = 2});
  for (const index_t width : {1, 2, 3, 17, 64})
    for (const index_t rows : {1, 5, 131}) {
      const auto found = norm_gradients<double>(2, rows, width);
      LayerNorm<double> norm = random_norm<double>(width);
      Tensor<double> x = random_tensor<double>({rows, width}, "norm x", 2.0f, 0.5f), y({rows, width});
      const Tensor<double> d_y = random_tensor<double>({rows, width}, "norm d_y");
      const auto loss = [&] {
        layer_norm_forward<double>(context, norm, std::as_const(x).view<2>(), y.view<2>());
        return inner(y, d_y);
      };
      expect_gradient(loss, {{"x", x, found.d_x}});
      expect_gradient(loss, parameter_gradients(norm, found.norm));
    }
}

TEST_CASE("layer norm backward: float agrees with double, any number of threads gives the same bits") {
  for (const index_t width : {5, 17, 64, 131, 1024})
    for (const index_t rows : {1, 5, 131, 300}) {
      CAPTURE(width);
      const auto exact = norm_gradients<double>(1, rows, width);
      const auto one = norm_gradients<float>(1, rows, width);
      CHECK(worst_in_eps(one.d_x, exact.d_x) <= 16);  // means are rounded like sums of random signs, then divided
      CHECK(worst_in_eps(one.norm, exact.norm) <= 16);
      for (const int threads : {2, 3}) {
        const auto other = norm_gradients<float>(threads, rows, width);
        CHECK(same_bits(other.d_x, one.d_x));
        CHECK(same_parameters(other.norm, one.norm));
      }
    }
}

TEST_CASE_TEMPLATE("layer norm backward in place, added, with strided rows, and without what is not wanted", T, float,
                   double) {
  Context context({.threads = 2});
  const index_t rows = 7, width = 37;
  const auto expected = norm_gradients<T>(1, rows, width);
  const LayerNorm<T> norm = random_norm<T>(width);
  const Tensor<T> x = random_tensor<T>({rows, width}, "norm x", 2.0f, 0.5f);
  Tensor<T> d_y = random_tensor<T>({rows, width}, "norm d_y"), wide({rows, 2 * width});
  wide.fill(T(1));
  const View<T, 2> strided(wide.data() + width, {rows, width}, {2 * width, 1});
  layer_norm_backward<T>(context, norm, x.template view<2>(), std::as_const(d_y).template view<2>(), strided, nullptr,
                         true);
  LayerNorm<T> only_weights(width);
  zero_parameters(only_weights);
  layer_norm_backward<T>(context, norm, x.template view<2>(), std::as_const(d_y).template view<2>(), {}, &only_weights);
  CHECK(same_bits(only_weights.gamma, expected.norm.gamma));
  CHECK(same_bits(only_weights.beta, expected.norm.beta));
  layer_norm_backward<T>(context, norm, x.template view<2>(), std::as_const(d_y).template view<2>(),
                         d_y.template view<2>(), nullptr);
  CHECK(same_bits(d_y, expected.d_x));
  for (index_t i = 0; i < rows; ++i)
    for (index_t c = 0; c < width; ++c) {
      CHECK(wide[i * 2 * width + c] == 1);
      CHECK(strided(i, c) == 1 + expected.d_x[i * width + c]);
    }
  expect_error(ErrorCode::contract, {"width 37", "d_x (7,36)"}, [&] {
    layer_norm_backward<T>(context, norm, x.template view<2>(), std::as_const(d_y).template view<2>(),
                           View<T, 2>(d_y.data(), {rows, width - 1}), nullptr);
  });
}

TEST_CASE("layer norm by the versions that return tensors") {
  const LayerNorm<double> norm = random_norm<double>(8);
  Tensor<double> x = random_tensor<double>({3, 8}, "lesson x");
  const Tensor<double> d_y = random_tensor<double>({3, 8}, "lesson d_y");
  const auto [y, saved] = layer_norm_forward(norm, x);
  const auto [d_x, d_norm] = layer_norm_backward(norm, saved, x, d_y);
  LayerNorm<double> varied = norm;
  const auto loss = [&] { return inner(layer_norm_forward(varied, x).y, d_y); };
  CHECK(inner(y, d_y) == loss());
  expect_gradient(loss, {{"x", x, d_x}});
  expect_gradient(loss, parameter_gradients(varied, d_norm));
}

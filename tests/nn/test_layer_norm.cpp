// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/nn/layer_norm.hpp>

#include "expect_error.hpp"
#include "nn_test.hpp"

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

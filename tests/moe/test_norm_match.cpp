// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/moe/norm_match.hpp>
#include <utility>

#include "expect_error.hpp"
#include "golden_data.hpp"
#include "gradient_check.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE_TEMPLATE("mixing equals the recorded results, the row with m = 0 included", T, float, double) {
  constexpr double kFactor = 8;  // of the distance between the official code's float and double runs
  const GoldenData golden("components/norm_match.safetensors");
  Context context({.threads = 2});
  for (const double w : {0.1, 0.2}) {
    const std::string name = concat("w", w, "/");
    CAPTURE(name);
    const Tensor<T> m = golden.file().read<T>(name + "m");
    const Tensor<T> x = golden.file().read<T>(name + "x");
    Tensor<T> y = x;
    norm_match_forward<T>(context, static_cast<T>(w), m.template view<2>(), y.template view<2>());
    CHECK(golden.distance(name + "y", y.data(), y.size()) <= kFactor);
    for (index_t c = 0; c < y.extent(1); ++c) {
      CHECK(m[c] == 0);  // row 0
      CHECK(y[c] == (T(1) - static_cast<T>(w)) * x[c]);
    }
  }
}

TEST_CASE_TEMPLATE("the mixed-in part has the token's own length", T, float, double) {
  Context context({.threads = 1});
  const Tensor<T> m = random_tensor<T>({7, 131}, "m"), x = random_tensor<T>({7, 131}, "x", 40.0f);
  Tensor<T> y = x;
  norm_match_forward<T>(context, T(1), m.template view<2>(), y.template view<2>());  // w = 1: direction of m only
  for (index_t n = 0; n < 7; ++n) {
    double x_square = 0, y_square = 0;
    for (index_t c = 0; c < 131; ++c) {
      x_square += static_cast<double>(x[n * 131 + c]) * static_cast<double>(x[n * 131 + c]);
      y_square += static_cast<double>(y[n * 131 + c]) * static_cast<double>(y[n * 131 + c]);
    }
    CHECK(std::abs(std::sqrt(y_square / x_square) - 1) < 1e-6);  // the 1e-6 beside |m|, which is above 1 here
  }
  Tensor<T> untouched = x;
  norm_match_forward<T>(context, T(0), m.template view<2>(), untouched.template view<2>());
  CHECK(std::equal(x.begin(), x.end(), untouched.begin()));
}

TEST_CASE("tokens of zeros and tiny m stay finite") {
  Context context({.threads = 1});
  Tensor<float> x({2, 3}), m({2, 3});
  for (index_t c = 0; c < 3; ++c) x[c] = 1e10f, m[c] = 1e-30f;
  norm_match_forward<float>(context, 0.1f, m.view<2>(), x.view<2>());
  for (const float value : x) CHECK(std::isfinite(value));
  CHECK(x[3] == 0);
}

TEST_CASE("different shapes are told") {
  Context context({.threads = 1});
  Tensor<float> x({2, 3}), m({3, 3});
  expect_error(ErrorCode::contract, {"3x3", "2x3"},
               [&] { norm_match_forward<float>(context, 0.1f, m.view<2>(), x.view<2>()); });
}

TEST_CASE_TEMPLATE("gradients of mixing equal the recorded ones, the row with m = 0 included", T, float, double) {
  constexpr double kFactor = 8;  // of the distance between the official code's float and double runs
  const GoldenData golden("components/norm_match.safetensors");
  Context context({.threads = 2});
  for (const double w : {0.1, 0.2}) {
    const std::string name = concat("w", w, "/");
    CAPTURE(name);
    const Tensor<T> m = golden.file().read<T>(name + "m"), x = golden.file().read<T>(name + "x");
    Tensor<T> d = golden.file().read<T>(name + "g"), d_m(m.shape());
    norm_match_backward<T>(context, {w, 0}, m.template view<2>(), x.template view<2>(), d.template view<2>(),
                           d_m.template view<2>());
    CHECK(golden.distance(name + "grad_m", d_m.data(), d_m.size()) <= kFactor);
    CHECK(golden.distance(name + "grad_x", d.data(), d.size()) <= kFactor);
  }
}

TEST_CASE("the gradient of norm matching, with an epsilon and without") {
  Context context({.threads = 1});
  Tensor<double> m = random_tensor<double>({5, 6}, "m"), x = random_tensor<double>({5, 6}, "x");
  const Tensor<double> weights = random_tensor<double>({5, 6}, "weights");
  for (const double eps : {kNormMatchEps, 0.0, 0.5}) {
    const auto loss = [&] {
      Tensor<double> y = x;
      norm_match_forward<double>(context, 0.3, std::as_const(m).view<2>(), y.view<2>(), eps);
      double sum = 0;
      for (index_t i = 0; i < y.size(); ++i) sum += y[i] * weights[i];
      return sum;
    };
    Tensor<double> d = weights, d_m({5, 6});
    norm_match_backward<double>(context, {.weight = 0.3, .eps = eps}, m.view<2>(), x.view<2>(), d.view<2>(),
                                d_m.view<2>());
    expect_gradient(loss, {{"m", m, d_m}, {"x", x, d}});
  }
}

TEST_CASE("without an epsilon x keeps its length at w = 1, and a token whose m is 0 shrinks, there and back") {
  Context context({.threads = 1});
  Tensor<double> m = random_tensor<double>({2, 6}, "m"), x = random_tensor<double>({2, 6}, "x"), y = x;
  norm_match_forward<double>(context, 1, m.view<2>(), y.view<2>(), 0);
  double before = 0, after = 0;
  for (index_t c = 0; c < 6; ++c) before += x[c] * x[c], after += y[c] * y[c];
  CHECK(std::abs(after - before) <= 1e-15 * before);
  m.fill(0);
  y = x;
  norm_match_forward<double>(context, 0.25, m.view<2>(), y.view<2>(), 0);
  Tensor<double> d = x, d_m({2, 6});
  norm_match_backward<double>(context, {.weight = 0.25, .eps = 0}, m.view<2>(), x.view<2>(), d.view<2>(),
                              d_m.view<2>());
  for (index_t i = 0; i < 12; ++i) {
    CHECK(y[i] == 0.75 * x[i]);
    CHECK(d[i] == 0.75 * x[i]);
    CHECK(d_m[i] == 0);
  }
}

TEST_CASE("a floor bounds the gradient in m, and leaves long m alone") {
  Context context({.threads = 1});
  Tensor<double> m({2, 4}), x({2, 4}), d({2, 4}), d_m({2, 4}), exact({2, 4});
  for (index_t c = 0; c < 4; ++c) x[c] = x[4 + c] = 1 + static_cast<double>(c), m[4 + c] = c == 0 ? 3 : 1;
  const Tensor<double> weights = random_tensor<double>({2, 4}, "weights");
  d = weights;
  norm_match_backward<double>(context, {0.1, 0.01}, m.view<2>(), x.view<2>(), d.view<2>(), d_m.view<2>());
  d = weights;
  norm_match_backward<double>(context, {0.1, 0}, m.view<2>(), x.view<2>(), d.view<2>(), exact.view<2>());
  for (index_t c = 0; c < 4; ++c) {
    CHECK(std::abs(d_m[c]) <= 0.1 / 0.01 * std::abs(weights[c]));
    CHECK(std::abs(d_m[c]) > 0.99 * 0.1 / 0.01 * std::abs(weights[c]));
    CHECK(d_m[4 + c] == exact[4 + c]);
  }
}

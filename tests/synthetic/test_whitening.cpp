// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/synthetic/whitening.hpp>

#include "expect_error.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE("a symmetric matrix is taken apart into orthonormal directions") {
  for (const index_t n : {1, 2, 7, 30}) {
    Tensor<double> a = random_tensor<double>({n, n}, "matrix"), v({n, n});
    for (index_t i = 0; i < n; ++i)
      for (index_t j = 0; j < i; ++j) a[i * n + j] = a[j * n + i];
    const Tensor<double> before = a;
    detail::diagonalise(n, a, v);
    double worst = 0;
    for (index_t i = 0; i < n; ++i)
      for (index_t j = 0; j < n; ++j) {
        double product = 0, rebuilt = 0;
        for (index_t k = 0; k < n; ++k) {
          product += v[i * n + k] * v[j * n + k];
          rebuilt += v[k * n + i] * a[k * n + k] * v[k * n + j];
        }
        worst = std::max({worst, std::abs(product - (i == j ? 1 : 0)), std::abs(rebuilt - before[i * n + j])});
      }
    CHECK(worst < 1e-12 * static_cast<double>(n));
  }
}

TEST_CASE("filters answer to patches with about unit size, uncorrelated, the strongest direction first") {
  Tensor<float> images = random_tensor<float>({40, 3, 8, 8}, "detail", 0.05f);
  const Rng rng(1, "brightness");
  for (index_t b = 0; b < 40; ++b)  // bright and dark: nearly all of the variance
    for (index_t i = 0; i < 192; ++i) images[b * 192 + i] += rng.uniform(b);
  Linear<float> one(12, 48, false), two(12, 48, false);
  Context single({.threads = 1}), both({.threads = 2});
  whiten_patches(single, images, 4, one);
  whiten_patches(both, images, 4, two);
  CHECK(same_bits(one.weight, two.weight));

  Tensor<float> rows({4, 48}), answers({4, 12});
  Tensor<double> moments({12, 12});
  for (index_t b = 0; b < 40; ++b) {
    unfold_patches<float>(single, std::as_const(images).view<4>()[b], 4, rows.view<2>());
    linear_forward<float>(single, one, std::as_const(rows).view<2>(), answers.view<2>());
    for (index_t n = 0; n < 4; ++n)
      for (index_t i = 0; i < 12; ++i)
        for (index_t j = 0; j < 12; ++j)
          moments[12 * i + j] +=
              static_cast<double>(answers[12 * n + i]) * static_cast<double>(answers[12 * n + j]) / 160;
  }
  for (index_t i = 0; i < 12; ++i)
    for (index_t j = 0; j < 12; ++j) {
      if (i == j) CHECK(moments[13 * i] < 1);
      if (i == j) CHECK(moments[13 * i] > 0.1);
      if (i != j) CHECK(std::abs(moments[12 * i + j]) < 1e-4);
    }
  double spread = 0;  // the first filter is brightness: all of one sign
  for (index_t j = 0; j < 48; ++j) spread += one.weight[j] * one.weight[0] > 0 ? 1 : 0;
  CHECK(spread == 48);
}

TEST_CASE("more filters than numbers in a patch are told") {
  Linear<float> kernel(49, 48, false);
  Context context({.threads = 1});
  expect_error(ErrorCode::contract, {"49", "48"}, [&] {
    whiten_patches(context, Tensor<float>({1, 3, 8, 8}), 4, kernel);
  });
}

// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/nn/teaching.hpp>

#include "../lesson.hpp"

/// y_i = x_i rrms, rrms = 1/sqrt(mean(x^2) + eps), with gamma = 1.
static Tensor<double> rms_norm(const Tensor<double>& x, double* rrms) {
  Tensor<double> y = x;
  *rrms = 1 / std::sqrt(dot(x.values(), x.values()) / static_cast<double>(x.size()) + moeclip::kLayerNormEps);
  for (double& value : y) value *= *rrms;
  return y;
}

TEST_CASE("lesson 4, exercise 1: RMSNorm loses the direction along n, and keeps the mean") {
  // drrms/dx_i = -rrms^2 n_i / D, so dn_j/dx_i = rrms (delta_ij - n_i n_j / D) and d_x = rrms (g - n mean(g n))
  auto x = drawn<double>({16}, "x");
  const auto g = drawn<double>({16}, "g");
  double rrms = 0;
  const Tensor<double> n = rms_norm(x, &rrms);
  const double mean = dot(g.values(), n.values()) / 16;
  double along_n = 0, along_one = 0;
  for (index_t i = 0; i < 16; ++i) {
    const double d_x = rrms * (g[i] - n[i] * mean), start = x[i], h = 6e-6;
    double loss[2], ignored = 0;
    for (const int side : {0, 1}) {
      x[i] = start + (side == 0 ? -h : h);
      loss[side] = dot(g.values(), rms_norm(x, &ignored).values());
    }
    x[i] = start;
    CHECK(d_x == doctest::Approx((loss[1] - loss[0]) / (2 * h)).epsilon(1e-7));
    along_n += d_x * n[i], along_one += d_x;
  }
  CHECK(std::abs(along_n) < 1e-3);  // all but eps
  CHECK(std::abs(along_one) > 0.1);
}

TEST_CASE("lesson 4, exercise 2: eps matters for deviations near its root, 0.003, and less") {
  moeclip::LayerNorm<double> norm(32);
  norm.gamma.fill(1);
  norm.beta.fill(0);
  const auto unit = drawn<double>({1, 32}, "x"), d_y = drawn<double>({1, 32}, "d_y");
  const auto at_size = [&](double size) {
    Tensor<double> x = unit;
    for (double& value : x) value *= size;
    const auto result = moeclip::layer_norm_forward(norm, x);
    const auto back = moeclip::layer_norm_backward(norm, result.saved, x, d_y);
    return std::pair(length(result.y.values()), length(back.d_x.values()) / length(d_y.values()));
  };
  CHECK(at_size(1).first == doctest::Approx(std::sqrt(32.0)).epsilon(1e-4));
  CHECK(at_size(1e-4).first < 0.05 * at_size(1).first);
  CHECK(at_size(0.1).second == doctest::Approx(10 * at_size(1).second).epsilon(0.02));
  CHECK(at_size(1e-6).second < 1 / std::sqrt(moeclip::kLayerNormEps));  // where rstd ends
  CHECK(at_size(1e-6).second == doctest::Approx(at_size(1e-5).second).epsilon(0.01));
}

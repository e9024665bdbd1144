// SPDX-License-Identifier: MIT
// Lesson 4. Layer normalisation and its backward pass. For one token x of D channels
//
//   n_i = (x_i - mean) rstd,   rstd = 1/sqrt(var + eps),   y_i = gamma_i n_i + beta_i             (LN-1)
//
// Let d_y be the gradient of a loss L in y (d_y_i = dL/dy_i), and g_i = gamma_i d_y_i that in n. n depends on x
// directly and through mean and rstd. dmean/dx_i = 1/D; dvar/dx_i = 2 (x_i - mean)/D, since deviations from the mean
// add up to 0 and its own change does not show; so drstd/dx_i = -rstd^3/2 dvar/dx_i = -rstd^2 n_i / D. Together
// dn_j/dx_i = rstd (delta_ij - 1/D - n_i n_j / D), and the chain rule d_x_i = sum_j g_j dn_j/dx_i is
//
//   d_x = rstd (g - mean(g) - n mean(g n)),   d_gamma += d_y n,   d_beta += d_y                   (LN-1')
//
// Output:
// y of the lesson and of the library: the same numbers
// d_x of the lesson and of the library: the same numbers
// d_gamma of the lesson and of the library: the same numbers
// LN(3 x + 5) and LN(x): the same numbers
// shares of g that are lost: the mean 1.00, along n 1.00
// length of d_x / d_y: 1.8 for tokens of size 1, 18 for the same tokens divided by 10

#include <moeclip/nn/teaching.hpp>

#include "lesson.hpp"

constexpr index_t kTokens = 6, kWidth = 32;
using Norm = moeclip::LayerNorm<double>;

/// n of one token, and rstd.
struct Normal {
  double n[kWidth], rstd;

  explicit Normal(const double* x) {
    double mean = 0, variance = 0;
    for (index_t i = 0; i < kWidth; ++i) mean += x[i] / kWidth;
    for (index_t i = 0; i < kWidth; ++i) variance += (x[i] - mean) * (x[i] - mean) / kWidth;
    rstd = 1 / std::sqrt(variance + moeclip::kLayerNormEps);
    for (index_t i = 0; i < kWidth; ++i) n[i] = (x[i] - mean) * rstd;
  }
};

/// (LN-1)
static Tensor<double> forward(const Norm& norm, const Tensor<double>& x) {
  Tensor<double> y(x.shape());
  for (index_t t = 0; t < x.extent(0); ++t) {
    const Normal normal(&x[t * kWidth]);
    for (index_t i = 0; i < kWidth; ++i) y[t * kWidth + i] = norm.gamma[i] * normal.n[i] + norm.beta[i];
  }
  return y;
}

/// (LN-1'): returns d_x, and adds to d_norm.
static Tensor<double> backward(const Norm& norm, const Tensor<double>& x, const Tensor<double>& d_y, Norm& d_norm) {
  Tensor<double> d_x(x.shape());
  for (index_t t = 0; t < x.extent(0); ++t) {
    const Normal normal(&x[t * kWidth]);
    const double* d = &d_y[t * kWidth];
    double mean_g = 0, mean_gn = 0;
    for (index_t i = 0; i < kWidth; ++i) {
      mean_g += norm.gamma[i] * d[i] / kWidth;
      mean_gn += norm.gamma[i] * d[i] * normal.n[i] / kWidth;
      d_norm.gamma[i] += d[i] * normal.n[i];
      d_norm.beta[i] += d[i];
    }
    for (index_t i = 0; i < kWidth; ++i)
      d_x[t * kWidth + i] = normal.rstd * (norm.gamma[i] * d[i] - mean_g - normal.n[i] * mean_gn);
  }
  return d_x;
}

int main() {
  Norm norm(kWidth), d_norm(kWidth);
  moeclip::fill_uniform(norm.gamma, 1, "gamma", 0.5f, 1.0f);
  moeclip::fill_uniform(norm.beta, 1, "beta", 0.5f);
  moeclip::zero_parameters(d_norm);
  const auto x = drawn<double>({kTokens, kWidth}, "x"), d_y = drawn<double>({kTokens, kWidth}, "d_y");

  const auto y = forward(norm, x), d_x = backward(norm, x, d_y, d_norm);
  const auto result = moeclip::layer_norm_forward(norm, x);
  const auto back = moeclip::layer_norm_backward(norm, result.saved, x, d_y);
  compare("y of the lesson and of the library", farthest(y, result.y), 1e-13);
  compare("d_x of the lesson and of the library", farthest(d_x, back.d_x), 1e-13);
  compare("d_gamma of the lesson and of the library", farthest(d_norm.gamma, back.d_norm.gamma), 1e-13);

  // What a norm does not see cannot have a gradient: it is blind to a shift and, but for eps, to a factor.
  Tensor<double> moved = x, smaller = x;
  for (double& value : moved) value = 3 * value + 5;
  compare("LN(3 x + 5) and LN(x)", farthest(forward(norm, moved), y), 1e-3);
  double left_one = 0, left_n = 0, from_one = 0, from_n = 0;  // of d_x and of rstd g, along (1, ..., 1) and along n
  for (index_t t = 0; t < kTokens; ++t) {
    const Normal normal(&x[t * kWidth]);
    double one = 0, n = 0, g_one = 0, g_n = 0;
    for (index_t i = 0; i < kWidth; ++i) {
      const double d = d_x[t * kWidth + i], g = normal.rstd * norm.gamma[i] * d_y[t * kWidth + i];
      one += d, n += d * normal.n[i], g_one += g, g_n += g * normal.n[i];
    }
    left_one += std::abs(one), left_n += std::abs(n), from_one += std::abs(g_one), from_n += std::abs(g_n);
  }
  std::printf("shares of g that are lost: the mean %.2f, along n %.2f\n", 1 - left_one / from_one, 1 - left_n / from_n);

  // The surprise: the smaller the token, the larger its gradient. d_x carries rstd, so a loss pulls ten times as hard
  // at a token that is ten times as short.
  for (double& value : smaller) value /= 10;
  const auto d_smaller = backward(norm, smaller, d_y, d_norm);
  std::printf("length of d_x / d_y: %.1f for tokens of size 1, %.0f for the same tokens divided by 10\n",
              length(d_x.values()) / length(d_y.values()), length(d_smaller.values()) / length(d_y.values()));
}

// Exercise 1. RMSNorm leaves out the mean: y_i = gamma_i x_i rrms, rrms = 1/sqrt(mean(x^2) + eps). Derive d_x as above
//   and write it; which of the two directions is still lost?
// Exercise 2. From which size of x on does eps matter? Show that y of a token of size 1e-4 is much shorter than y of a
//   token of size 1, and where its gradient stops growing.

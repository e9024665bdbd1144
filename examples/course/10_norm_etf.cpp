// SPDX-License-Identifier: MIT
// Lesson 10. Norm matching and the ETF loss. The experts' answer m goes into the token x by its direction alone, at the
// token's own length:
//
//   y = w m |x| / (|m| + 1e-6) + (1 - w) x                                                       (NRM-1)
//   d_m = w |x| / (|m| + 1e-6) (d_y - m (m . d_y) / (|m| (|m| + 1e-6)))                          (NRM-1')
//
// since d|m| = m/|m| . dm. And experts shall not all say the same. The ETF loss wants their directions as far apart as
// E directions can be. If all pairs have the cosine g, then |sum u_e|^2 = E + E (E-1) g >= 0, so g >= -1/(E-1):
//
//   u_e = o_e / max(|o_e|, 1e-6),   L = mean over tokens and E E entries of (u_e . u_f - G*_ef)^2,
//   G* = 1 on the diagonal, -1/(E-1) elsewhere                                                   (ETF-1)
//
// Output:
// y by the lesson and by the library: the same numbers
// experts 1000 times as loud, y: the same numbers
// d_m by the lesson and by the library: the same numbers
// length of d_m where |m| is about 3: 0.31; where m = 0: 1.1e+06
// ETF loss by the lesson and by the library: the same numbers
// 2 experts in 8 dimensions: smallest cosine -1.00, loss 0.00
// 4 experts in 8 dimensions: smallest cosine -0.33, loss 0.00
// 4 experts in 3 dimensions: smallest cosine -0.33, loss 0.00
// 4 experts in 2 dimensions: smallest cosine -1.00, loss 0.17

#include <moeclip/moe/etf_loss.hpp>
#include <moeclip/moe/norm_match.hpp>

#include "lesson.hpp"

constexpr double kShare = 0.1;  // w
using Matrix = Tensor<double>;

/// NRM-1 for every row.
static Matrix matched(const Matrix& m, const Matrix& x) {
  Matrix y(x.shape());
  const index_t width = x.extent(1);
  for (index_t n = 0; n < x.extent(0); ++n) {
    const double ratio = length(row(x, n)) / (length(row(m, n)) + 1e-6);
    for (index_t c = n * width; c < (n + 1) * width; ++c) y[c] = kShare * ratio * m[c] + (1 - kShare) * x[c];
  }
  return y;
}

/// NRM-1', d_m.
static Matrix matched_backward(const Matrix& m, const Matrix& x, const Matrix& d_y) {
  Matrix d_m(x.shape());
  const index_t width = x.extent(1);
  for (index_t n = 0; n < x.extent(0); ++n) {
    const double size = length(row(m, n)), floor = size + 1e-6;
    const double along = size > 0 ? dot(row(m, n), row(d_y, n)) / (size * floor) : 0;
    for (index_t c = n * width; c < (n + 1) * width; ++c)
      d_m[c] = kShare * length(row(x, n)) / floor * (d_y[c] - along * m[c]);
  }
  return d_m;
}

/// The library's.
static Matrix library_backward(Context& context, const Matrix& m, const Matrix& x, const Matrix& d_y) {
  Matrix d = d_y, d_m(x.shape());
  moeclip::norm_match_backward<double>(context, {.weight = kShare}, m.view<2>(), x.view<2>(), d.view<2>(),
                                       d_m.view<2>());
  return d_m;
}

/// ETF-1 of one token, whose E outputs, none of them near 0, are the rows of o.
static double etf(const Matrix& o) {
  const index_t experts = o.extent(0);
  double sum = 0;
  for (index_t e = 0; e < experts; ++e)
    for (index_t f = 0; f < experts; ++f) {
      const double target = e == f ? 1.0 : -1.0 / static_cast<double>(experts - 1);
      const double cosine = dot(row(o, e), row(o, f)) / (length(row(o, e)) * length(row(o, f)));
      sum += (cosine - target) * (cosine - target);
    }
  return sum / static_cast<double>(experts * experts);
}

/// Lets outputs in `width` dimensions follow the gradient of the loss, and says where that ends.
static void repel(Context& context, index_t experts, index_t width) {
  Matrix o = drawn<double>({experts, 1, width}, "outputs"), d_o(o.shape());
  double loss = 0;
  for (int step = 0; step < 3000; ++step) {
    loss = moeclip::etf_loss<double>(context, o.view<3>(), 1, d_o.view<3>());
    for (index_t i = 0; i < o.size(); ++i) o[i] -= 0.3 * d_o[i];
  }
  double lowest = 1;
  for (index_t e = 0; e < experts; ++e)
    for (index_t f = 0; f < e; ++f)
      lowest = std::min(lowest, dot(row(o, e), row(o, f)) / (length(row(o, e)) * length(row(o, f))));
  std::printf("%td experts in %td dimensions: smallest cosine %.2f, loss %.2f\n", experts, width, lowest, loss);
}

int main() {
  Context context({.threads = 1});
  const auto x = drawn<double>({8, 32}, "x"), m = drawn<double>({8, 32}, "m"), d_y = drawn<double>({8, 32}, "d_y");
  Matrix y = x;
  moeclip::norm_match_forward<double>(context, kShare, m.view<2>(), y.view<2>());
  compare("y by the lesson and by the library", farthest(matched(m, x), y), 1e-13);
  Matrix loud = m;
  for (double& value : loud) value *= 1000;
  compare("experts 1000 times as loud, y", farthest(matched(loud, x), y), 1e-6);

  const Matrix d_m = library_backward(context, m, x, d_y);
  compare("d_m by the lesson and by the library", farthest(matched_backward(m, x, d_y), d_m), 1e-13);

  // The surprise: only the direction of m counts, so the shorter m is the more a given change turns it. Training starts
  // with B = 0, m = 0, and there the gradient is w |x| / 1e-6. Adam (lesson 12) keeps the squares of gradients: experts
  // that were chosen in the first step are nearly frozen for tens of thousands of steps. `expert_init` is how the
  // library avoids it.
  const Matrix silent(m.shape());
  std::printf("length of d_m where |m| is about 3: %.2f; where m = 0: %.1e\n", length(row(d_m, 0)),
              length(row(library_backward(context, silent, x, d_y), 0)));

  Matrix o = drawn<double>({4, 32}, "o");
  const View<const double, 3> one_token(o.data(), {4, 1, 32});
  compare("ETF loss by the lesson and by the library",
          std::abs(moeclip::etf_loss<double>(context, one_token, 0, {}) - etf(o)), 1e-14);
  repel(context, 2, 8);
  repel(context, 4, 8);
  repel(context, 4, 3);
  repel(context, 4, 2);  // a simplex of E corners needs E - 1 dimensions
}

// Exercise 1. Three directions in a plane: which are they at the end, and what is the loss? Which loss do E equal
//   outputs have?
// Exercise 2. Why is the gradient of m in the direction of m zero (but for the 1e-6)? Show it for NRM-1'. What does it
//   mean for alpha/r, which multiplies all experts?

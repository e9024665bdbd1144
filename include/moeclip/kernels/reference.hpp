// SPDX-License-Identifier: MIT
#pragma once
// The kernels as plain loops over any scalar: short enough to be checked by reading. `double` runs them, and so do the
// tests of the fast kernels. Each function does one independent part (one row, one query), so callers may share parts
// out among threads as they like.

#include <algorithm>
#include <cmath>
#include <limits>

#include "activation.hpp"
#include "attention_args.hpp"
#include "matrix.hpp"

namespace moeclip::inline MOECLIP_ABI_NS::kernels {

/// What happens to a sum of products on its way into c.
template <class T>
struct Epilogue {
  const T* bias = nullptr;  ///< (n), added before the activation
  Activation activation = Activation::none;
  bool accumulate = false;  ///< add to c instead of overwriting it
};

namespace reference {

/// One row of c = activation(a b + bias) [+ c]; `c` and `a` point at that row, `sum` is scratch of n elements.
template <class T>
void gemm_row(GemmShape shape, MatrixRef<T> a, MatrixRef<T> b, const Epilogue<T>& epilogue, T* c, T* sum) {
  std::fill(sum, sum + shape.n, T(0));
  for (index_t p = 0; p < shape.k; ++p) {
    const T factor = a.data[p * a.column_stride];
    const T* row = b.data + p * b.row_stride;
    for (index_t j = 0; j < shape.n; ++j) sum[j] += factor * row[j * b.column_stride];
  }
  for (index_t j = 0; j < shape.n; ++j) {
    const T biased = epilogue.bias != nullptr ? sum[j] + epilogue.bias[j] : sum[j];
    const T value = activate(epilogue.activation, biased);
    c[j] = epilogue.accumulate ? c[j] + value : value;
  }
}

/// y = softmax(x) of one row; y may be x.
template <class T>
void softmax_row(index_t width, const T* x, T* y) {
  T highest = -std::numeric_limits<T>::infinity();
  for (index_t j = 0; j < width; ++j) highest = std::max(highest, x[j]);
  T sum = T(0);
  for (index_t j = 0; j < width; ++j) sum += (y[j] = std::exp(x[j] - highest));
  for (index_t j = 0; j < width; ++j) y[j] /= sum;
}

/// Output row of one query of one head of one image; `weight` is scratch of `tokens` elements.
template <class T>
void attend(const Attention<T>& args, index_t image, index_t head, index_t query, T* weight) {
  const index_t first = image * args.tokens, column = head * args.head_width;
  const index_t visible = args.causal ? query + 1 : args.tokens;
  const T* q = args.query + (first + query) * args.stride + column;
  for (index_t t = 0; t < visible; ++t) {
    const T* k = args.key + (first + t) * args.stride + column;
    T dot = T(0);
    for (index_t d = 0; d < args.head_width; ++d) dot += q[d] * k[d];
    weight[t] = args.scale * dot;
  }
  softmax_row(visible, weight, weight);
  T* out = args.out + (first + query) * args.out_stride + column;
  std::fill(out, out + args.head_width, T(0));
  for (index_t t = 0; t < visible; ++t) {
    const T* v = args.value + (first + t) * args.stride + column;
    for (index_t d = 0; d < args.head_width; ++d) out[d] += weight[t] * v[d];
  }
}

/// y = gamma * (x - mean) / sqrt(variance + eps) + beta of one row, with the biased variance; y may be x.
template <class T>
void layer_norm_row(index_t width, const T* x, const T* gamma, const T* beta, T eps, T* y) {
  T mean = T(0), variance = T(0);
  for (index_t j = 0; j < width; ++j) mean += x[j];
  mean /= static_cast<T>(width);
  for (index_t j = 0; j < width; ++j) variance += (x[j] - mean) * (x[j] - mean);
  variance /= static_cast<T>(width);
  const T rstd = T(1) / std::sqrt(variance + eps);
  for (index_t j = 0; j < width; ++j) y[j] = gamma[j] * ((x[j] - mean) * rstd) + beta[j];
}

/// Euclidean length of one row.
template <class T>
T row_norm(index_t width, const T* x) {
  T sum = T(0);
  for (index_t j = 0; j < width; ++j) sum += x[j] * x[j];
  return std::sqrt(sum);
}

}  // namespace reference
}  // namespace moeclip::inline MOECLIP_ABI_NS::kernels

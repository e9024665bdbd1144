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
#include "row_args.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace kernels {

/// What happens to a sum of products on its way into c.
template <class T>
struct Epilogue {
  const T* bias = nullptr;                   ///< (n), added before the activation
  Activation activation = Activation::none;  ///< applied to the sum with its bias, before `accumulate`
  bool accumulate = false;                   ///< add to c instead of overwriting it
  T* before = nullptr;                       ///< (m, n), rows ldc apart: receives what the activation is applied to
  const T* slope_at = nullptr;  ///< (m, n), rows ldc apart: multiply by activation'(slope_at) instead of applying it

  /// The same for the row that begins `offset` elements after the first.
  [[nodiscard]] Epilogue from_row(index_t offset) const {
    Epilogue row = *this;
    if (before != nullptr) row.before += offset;
    if (slope_at != nullptr) row.slope_at += offset;
    return row;
  }
};

namespace reference {

/// One row of c = activation(a b + bias) [+ c] (GEM-1 in this folder's README); `c`, `a` and `epilogue` point at that
/// row, `sum` is scratch of n elements.
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
    if (epilogue.before != nullptr) epilogue.before[j] = biased;
    const T value = epilogue.slope_at != nullptr ? biased * slope(epilogue.activation, epilogue.slope_at[j])
                                                 : activate(epilogue.activation, biased);
    c[j] = epilogue.accumulate ? c[j] + value : value;
  }
}

/// y = softmax(x) of one row (SMX-1); y may be x.
template <class T>
void softmax_row(index_t width, const T* x, T* y) {
  T highest = -std::numeric_limits<T>::infinity();
  for (index_t j = 0; j < width; ++j) highest = (std::max)(highest, x[j]);
  T sum = T(0);
  for (index_t j = 0; j < width; ++j) sum += (y[j] = std::exp(x[j] - highest));
  for (index_t j = 0; j < width; ++j) y[j] /= sum;
}

/// d_x = y (d_y - sum y d_y) of one row, y = softmax(x) (SMX-1'); d_x may be d_y.
template <class T>
void softmax_row_backward(index_t width, const T* y, const T* d_y, T* d_x) {
  T mean = T(0);
  for (index_t j = 0; j < width; ++j) mean += y[j] * d_y[j];
  for (index_t j = 0; j < width; ++j) d_x[j] = y[j] * (d_y[j] - mean);
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

/// Attention's gradients of one head of one image (ATT-1' in nn/README.md); the rows of d_query, d_key and
/// d_value are overwritten. `scratch` has 2 * tokens elements.
template <class T>
void attend_backward(const Attention<T>& args, const AttentionGradient<T>& gradient, index_t image, index_t head,
                     T* scratch) {
  const index_t width = args.head_width, column = head * width, first = image * args.tokens;
  const auto row = [column, first](auto* base, index_t stride, index_t t) {
    return base + (first + t) * stride + column;
  };
  T *const weight = scratch, *const d_weight = scratch + args.tokens;
  for (index_t t = 0; t < args.tokens; ++t)
    for (T* target : {gradient.d_query, gradient.d_key, gradient.d_value})
      std::fill_n(row(target, gradient.d_stride, t), width, T(0));
  for (index_t query = 0; query < args.tokens; ++query) {
    const index_t visible = args.causal ? query + 1 : args.tokens;
    const T *q = row(args.query, args.stride, query), *d_o = row(gradient.d_out, gradient.d_out_stride, query);
    for (index_t t = 0; t < visible; ++t) {
      const T *k = row(args.key, args.stride, t), *v = row(args.value, args.stride, t);
      weight[t] = d_weight[t] = T(0);
      for (index_t d = 0; d < width; ++d) weight[t] += args.scale * q[d] * k[d], d_weight[t] += d_o[d] * v[d];
    }
    softmax_row(visible, weight, weight);
    softmax_row_backward(visible, weight, d_weight, d_weight);
    T* d_q = row(gradient.d_query, gradient.d_stride, query);
    for (index_t t = 0; t < visible; ++t) {
      const T* k = row(args.key, args.stride, t);
      T *d_k = row(gradient.d_key, gradient.d_stride, t), *d_v = row(gradient.d_value, gradient.d_stride, t);
      for (index_t d = 0; d < width; ++d) {
        d_q[d] += args.scale * d_weight[t] * k[d];
        d_k[d] += args.scale * d_weight[t] * q[d];
        d_v[d] += weight[t] * d_o[d];
      }
    }
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

/// Layer normalisation backward (LN-1' in nn/README.md): d_x of one row unless it is null, added to what it holds if
/// `accumulate`; and the row's part of d_gamma and d_beta, unless they are null, added.
template <class T>
void layer_norm_row_backward(const LayerNormRowGradient<T>& row) {
  T mean = T(0), variance = T(0), mean_g = T(0), mean_gn = T(0);
  const auto count = static_cast<T>(row.width);
  for (index_t j = 0; j < row.width; ++j) mean += row.x[j] / count;
  for (index_t j = 0; j < row.width; ++j) variance += (row.x[j] - mean) * (row.x[j] - mean) / count;
  const T rstd = T(1) / std::sqrt(variance + row.eps);
  for (index_t j = 0; j < row.width; ++j) {
    const T normal = (row.x[j] - mean) * rstd, g = row.gamma[j] * row.d_y[j];
    mean_g += g / count;
    mean_gn += g * normal / count;
    if (row.d_gamma == nullptr) continue;
    row.d_gamma[j] += row.d_y[j] * normal;
    row.d_beta[j] += row.d_y[j];
  }
  for (index_t j = 0; row.d_x != nullptr && j < row.width; ++j) {
    const T normal = (row.x[j] - mean) * rstd;
    const T value = rstd * (row.gamma[j] * row.d_y[j] - mean_g - normal * mean_gn);
    row.d_x[j] = row.accumulate ? row.d_x[j] + value : value;
  }
}

/// sums(j) += sum_i x(i, j).
template <class T>
void column_sums(index_t rows, index_t width, const T* x, index_t stride, T* sums) {
  for (index_t i = 0; i < rows; ++i)
    for (index_t j = 0; j < width; ++j) sums[j] += x[i * stride + j];
}

/// Euclidean length of one row.
template <class T>
T row_norm(index_t width, const T* x) {
  T sum = T(0);
  for (index_t j = 0; j < width; ++j) sum += x[j] * x[j];
  return std::sqrt(sum);
}

/// d_x of y = x / max(|x|, eps) of one row (UNI-1, UNI-1' in this folder's README); d_x may be d_y.
template <class T>
void normalize_row_backward(index_t width, const T* x, T eps, const T* d_y, T* d_x) {
  const T norm = row_norm(width, x);
  if (norm < eps) {
    for (index_t j = 0; j < width; ++j) d_x[j] = d_y[j] / eps;
    return;
  }
  T along = T(0);
  for (index_t j = 0; j < width; ++j) along += x[j] / norm * d_y[j];
  for (index_t j = 0; j < width; ++j) d_x[j] = (d_y[j] - x[j] / norm * along) / norm;
}

}  // namespace reference
}}}  // namespace moeclip::abi_v0_1::kernels

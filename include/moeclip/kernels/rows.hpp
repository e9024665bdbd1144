// SPDX-License-Identifier: MIT
#pragma once
// Operations on the rows of a matrix, one row at a time: layer normalisation, softmax, scaling to unit length. The
// elements of a row are contiguous, and rows lie a stride apart. Sums run in an order that depends on the width only.

#include <type_traits>

#include "../base/context.hpp"
#include "dispatch.hpp"
#include "reference.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace kernels {

/// The parameters of layer normalisation over D channels.
template <class T>
struct LayerNormWeights {
  const T* gamma = nullptr;  ///< (D)
  const T* beta = nullptr;   ///< (D)
  T eps = T(1e-5);           ///< added to the variance before its root is taken
};

/// Rows of x and how far they lie apart.
struct LayerNormShape {
  index_t rows = 0, width = 0, stride = 0;  ///< M rows of D channels, `stride` elements from row to row
};

/// y = gamma * (x - mean) / sqrt(variance + eps) + beta, with the biased variance of each row; y may be x.
template <class T>
void layer_norm(Context& context, index_t rows, index_t width, const T* x, index_t x_stride,
                const LayerNormWeights<T>& weights, T* y, index_t y_stride) {
  context.for_pieces(rows, width, [&](index_t begin, index_t end) {
    for (index_t i = begin; i < end; ++i) {
      const T *from = x + i * x_stride, *gamma = weights.gamma, *beta = weights.beta;
      T* const to = y + i * y_stride;
      if constexpr (std::is_same_v<T, float>)
        active().layer_norm(width, from, gamma, beta, weights.eps, to);
      else
        reference::layer_norm_row(width, from, gamma, beta, weights.eps, to);
    }
  });
}

/// y = softmax of each row of x (rows, width), both contiguous; y may be x.
template <class T>
void softmax_rows(Context& context, index_t rows, index_t width, const T* x, T* y) {
  context.for_pieces(width == 0 ? 0 : rows, width, [&](index_t begin, index_t end) {
    for (index_t i = begin; i < end; ++i) {
      if constexpr (std::is_same_v<T, float>)
        active().softmax(width, x + i * width, y + i * width);
      else
        reference::softmax_row(width, x + i * width, y + i * width);
    }
  });
}

/// Euclidean length of one row of `width` elements.
template <class T>
T row_norm(index_t width, const T* x) {
  if constexpr (std::is_same_v<T, float>)
    return active().norm(width, x);
  else
    return reference::row_norm(width, x);
}

/// norm[i] = Euclidean length of row i.
template <class T>
void row_norms(Context& context, index_t rows, index_t width, const T* x, index_t stride, T* norm) {
  context.for_pieces(rows, width, [&](index_t begin, index_t end) {
    for (index_t i = begin; i < end; ++i) norm[i] = row_norm(width, x + i * stride);
  });
}

/// Divides each row of x by max(its length, eps), in place.
template <class T>
void normalize_rows(Context& context, index_t rows, index_t width, T* x, index_t stride, T eps) {
  context.for_pieces(rows, width, [&](index_t begin, index_t end) {
    for (index_t i = begin; i < end; ++i) {
      T* const row = x + i * stride;
      const T norm = row_norm(width, row);
      const T divisor = norm < eps ? eps : norm;  // NaN stays
      if constexpr (std::is_same_v<T, float>)
        active().divide(width, divisor, row, row);
      else
        for (index_t j = 0; j < width; ++j) row[j] /= divisor;
    }
  });
}

/// d_x = y (d_y - sum y d_y) for each row of y = softmax(x) (rows, width), all contiguous; d_x may be d_y.
template <class T>
void softmax_rows_backward(Context& context, index_t rows, index_t width, const T* y, const T* d_y, T* d_x) {
  static_assert(kHasBackward<T>, "MOECLIP_FORWARD_ONLY leaves the kernels of backward passes out");
  context.for_pieces(width == 0 ? 0 : rows, width, [&](index_t begin, index_t end) {
    for (index_t i = begin * width; i < end * width; i += width) {
      if constexpr (std::is_same_v<T, float>)
        active().softmax_backward(width, y + i, d_y + i, d_x + i);
      else
        reference::softmax_row_backward(width, y + i, d_y + i, d_x + i);
    }
  });
}

/// d_x of y = x / max(|x|, eps) for each row of x (rows, width), all contiguous; d_x may be d_y. Where |x| < eps the
/// divisor is constant.
template <class T>
void normalize_rows_backward(Context& context, index_t rows, index_t width, const T* x, T eps, const T* d_y, T* d_x) {
  static_assert(kHasBackward<T>, "MOECLIP_FORWARD_ONLY leaves the kernels of backward passes out");
  context.for_pieces(width == 0 ? 0 : rows, width, [&](index_t begin, index_t end) {
    for (index_t i = begin * width; i < end * width; i += width) {
      if constexpr (std::is_same_v<T, float>)
        active().normalize_backward(width, x + i, eps, d_y + i, d_x + i);
      else
        reference::normalize_row_backward(width, x + i, eps, d_y + i, d_x + i);
    }
  });
}

/// sums(j) += sum_i x(i, j), for x (rows, width) with `stride` elements from row to row. Shared out by columns, so the
/// result has the same bits for any number of threads.
template <class T>
void column_sums(Context& context, index_t rows, index_t width, const T* x, index_t stride, T* sums) {
  if (rows == 0) return;           // x may be null then
  constexpr index_t kStrip = 128;  // columns per task: 512 bytes of float are worth a visit to a row
  context.share((width + kStrip - 1) / kStrip, static_cast<double>(rows * width), [&](index_t strip, int) {
    const index_t begin = strip * kStrip, count = (std::min)(kStrip, width - begin);
    if constexpr (std::is_same_v<T, float>)
      active().column_sums(rows, count, x + begin, stride, sums + begin);
    else
      reference::column_sums(rows, count, x + begin, stride, sums + begin);
  });
}

/// What layer_norm_backward works on: rows of x, d_y and d_x lie a stride each apart.
template <class T>
struct LayerNormGradient {
  const T* d_y = nullptr;                   ///< (M, D), the gradient of layer_norm's y
  index_t d_y_stride = 0;                   ///< elements from row to row of d_y
  T* d_x = nullptr;                         ///< may be d_y unless `accumulate`; null if not wanted
  index_t d_x_stride = 0;                   ///< elements from row to row of d_x
  bool accumulate = false;                  ///< add to d_x instead of overwriting it
  T *d_gamma = nullptr, *d_beta = nullptr;  ///< (D), added to; both null if not wanted
};

/// Gradients of layer_norm; mean and rstd are computed from x again.
template <class T>
void layer_norm_backward(Context& context, LayerNormShape shape, const T* x, const LayerNormWeights<T>& weights,
                         const LayerNormGradient<T>& gradient) {
  static_assert(kHasBackward<T>, "MOECLIP_FORWARD_ONLY leaves the kernels of backward passes out");
  // sums over rows: chunk by chunk, then the chunks in order; chunks depend on the number of rows alone
  const index_t chunk = std::max<index_t>(64, (shape.rows + 63) / 64), chunks = (shape.rows + chunk - 1) / chunk;
  const bool has_sums = gradient.d_gamma != nullptr;
  Arena::Scope scratch(context.arena());
  T* const sums = scratch.take<T>(has_sums ? chunks * 2 * shape.width : 0);
  std::fill_n(sums, has_sums ? chunks * 2 * shape.width : 0, T(0));
  context.share(chunks, 16.0 * static_cast<double>(shape.rows * shape.width), [&](index_t i, int) {
    LayerNormRowGradient<T> row;
    row.width = shape.width;
    row.gamma = weights.gamma;
    row.eps = weights.eps;
    row.accumulate = gradient.accumulate;
    row.d_gamma = has_sums ? sums + i * 2 * shape.width : nullptr;
    row.d_beta = has_sums ? row.d_gamma + shape.width : nullptr;
    for (index_t r = i * chunk; r < (std::min)(shape.rows, (i + 1) * chunk); ++r) {
      row.x = x + r * shape.stride;
      row.d_y = gradient.d_y + r * gradient.d_y_stride;
      row.d_x = gradient.d_x != nullptr ? gradient.d_x + r * gradient.d_x_stride : nullptr;
      if constexpr (std::is_same_v<T, float>)
        active().layer_norm_backward(row);
      else
        reference::layer_norm_row_backward(row);
    }
  });
  if (!has_sums) return;
  column_sums(context, chunks, shape.width, sums, 2 * shape.width, gradient.d_gamma);
  column_sums(context, chunks, shape.width, sums + shape.width, 2 * shape.width, gradient.d_beta);
}

}}}  // namespace moeclip::abi_v0_1::kernels

// SPDX-License-Identifier: MIT
#pragma once
// Operations on the rows of a matrix, one row at a time: layer normalisation, softmax, scaling to unit length. A row
// is contiguous; rows lie a stride apart. Sums run in an order that depends on the width only.

#include <type_traits>

#include "dispatch.hpp"
#include "pieces.hpp"
#include "reference.hpp"

namespace moeclip::inline MOECLIP_ABI_NS::kernels {

template <class T>
struct LayerNormWeights {
  const T* gamma = nullptr;  ///< (D)
  const T* beta = nullptr;   ///< (D)
  T eps = T(1e-5);
};

/// y = gamma * (x - mean) / sqrt(variance + eps) + beta, with the biased variance of each row; y may be x.
template <class T>
void layer_norm(Context& context, index_t rows, index_t width, const T* x, index_t x_stride,
                const LayerNormWeights<T>& weights, T* y, index_t y_stride) {
  detail::for_pieces(context, rows, width, [&](index_t begin, index_t end) {
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
  detail::for_pieces(context, width == 0 ? 0 : rows, width, [&](index_t begin, index_t end) {
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
  detail::for_pieces(context, rows, width, [&](index_t begin, index_t end) {
    for (index_t i = begin; i < end; ++i) norm[i] = row_norm(width, x + i * stride);
  });
}

/// Divides each row of x by max(its length, eps), in place.
template <class T>
void normalize_rows(Context& context, index_t rows, index_t width, T* x, index_t stride, T eps) {
  detail::for_pieces(context, rows, width, [&](index_t begin, index_t end) {
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

}  // namespace moeclip::inline MOECLIP_ABI_NS::kernels

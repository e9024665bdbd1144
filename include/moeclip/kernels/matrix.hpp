// SPDX-License-Identifier: MIT
#pragma once
// How matrices are handed to the kernels: as a pointer and two strides. Nothing is owned and nothing is checked.

#include "../base/types.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace kernels {

/// A matrix that may only be read, of any scalar. Element (i, j) lies at data[i * row_stride + j * column_stride].
template <class T>
struct MatrixRef {
  const T* data = nullptr;    ///< element (0, 0)
  index_t row_stride = 0;     ///< elements from row to row
  index_t column_stride = 1;  ///< elements from column to column

  /// The same matrix from row i on.
  [[nodiscard]] MatrixRef from_row(index_t i) const { return {data + i * row_stride, row_stride, column_stride}; }
};

/// Rows one after the other, `leading` elements from row to row.
template <class T>
MatrixRef<T> row_major(const T* data, index_t leading) {
  return {data, leading, 1};
}

/// Rows and columns exchanged; no element moves.
template <class T>
MatrixRef<T> transposed(MatrixRef<T> matrix) {
  return {matrix.data, matrix.column_stride, matrix.row_stride};
}

/// The sizes of a product: c is m x n, and the sums run over k.
struct GemmShape {
  index_t m = 0, n = 0, k = 0;  ///< a is (m, k), b is (k, n), c is (m, n)
};

}}}  // namespace moeclip::abi_v0_1::kernels

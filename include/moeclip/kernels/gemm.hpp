// SPDX-License-Identifier: MIT
#pragma once
// Matrix multiplication with what usually follows it: a bias, an activation, and addition to what is already there. The
// right-hand operand is packed once (weights, at load) or on the fly. float runs the kernel table, other scalars run
// the reference loops.
//
// How it gets fast, in three steps. Registers: a tile of c (8 x 48 on AVX-512) takes one row of b and one column of a
// per step, so each loaded number is used many times. Caches: a slice of b stays in L1 and a block of a in L2 while
// tiles are worked through (body/gemm.inl). Threads: blocks of c are independent (gemm_blocks.hpp).

#include <type_traits>
#include <utility>

#include "../base/aligned_buffer.hpp"
#include "gemm_blocks.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace kernels {

/// A right-hand operand b (k x n) in the order in which the kernels read it: panels of a few columns, zero-padded, each
/// over all of k. It belongs to the instruction set that was active when it was packed. Move-only.
template <class T>
class PackedMatrix {
 public:
  PackedMatrix() = default;

  /// Room for k rows and n columns; the elements are written by pack.
  PackedMatrix(const KernelTable& table, index_t k, index_t n)
      : table_(&table), panel_(std::is_same_v<T, float> ? table.tile_columns : n), rows_(k), columns_(n) {
    data_ = AlignedBuffer<T>(n == 0 ? 0 : round_up(n, panel_) * k);
  }

  [[nodiscard]] index_t rows() const noexcept { return rows_; }                      ///< k
  [[nodiscard]] index_t columns() const noexcept { return columns_; }                ///< n
  [[nodiscard]] bool empty() const noexcept { return rows_ == 0 || columns_ == 0; }  ///< true by default
  /// Memory held, the padding of panels included.
  [[nodiscard]] index_t bytes() const noexcept { return data_.size() * static_cast<index_t>(sizeof(T)); }

  [[nodiscard]] T* data() noexcept { return data_.data(); }  ///< panel after panel
  [[nodiscard]] const T* data() const noexcept { return data_.data(); }
  /// The kernels that it was packed for. A matrix that was made by default has none and must not be asked.
  [[nodiscard]] const KernelTable& table() const noexcept { return *table_; }

  /// Element (i, j) of b.
  [[nodiscard]] const T& operator()(index_t i, index_t j) const {
    return data_.data()[j / panel_ * panel_ * rows_ + i * panel_ + j % panel_];
  }

 private:
  const KernelTable* table_ = nullptr;
  index_t panel_ = 0;  // columns per panel
  index_t rows_ = 0, columns_ = 0;
  AlignedBuffer<T> data_;
};

/// Packs b (k x n) for the active instruction set.
template <class T>
PackedMatrix<T> pack(Context& context, index_t k, index_t n, MatrixRef<T> b) {
  MOECLIP_EXPECT(k >= 0 && n >= 0, "a matrix of ", k, " x ", n, " cannot be packed");
  PackedMatrix<T> packed(active(), k, n);
  if constexpr (std::is_same_v<T, float>) {
    detail::pack_right(context, packed.table(), k, n, b, packed.data());
  } else {
    detail::for_pieces(context, k, n, [&](index_t begin, index_t end) {
      for (index_t i = begin; i < end; ++i)
        for (index_t j = 0; j < n; ++j) packed.data()[i * n + j] = b.data[i * b.row_stride + j * b.column_stride];
    });
  }
  return packed;
}

/// Writes element (i, j) of the packed matrix to b[i * row_stride + j * column_stride].
template <class T>
void unpack(const PackedMatrix<T>& packed, T* b, index_t row_stride, index_t column_stride) {
  for (index_t i = 0; i < packed.rows(); ++i)
    for (index_t j = 0; j < packed.columns(); ++j) b[i * row_stride + j * column_stride] = packed(i, j);
}

namespace detail {

inline void expect_gemm(GemmShape shape, index_t ldc) {
  MOECLIP_EXPECT(shape.m >= 0 && shape.n >= 0 && shape.k >= 0, "gemm of m = ", shape.m, ", n = ", shape.n,
                 ", k = ", shape.k);
  MOECLIP_EXPECT(shape.m <= 1 || ldc >= shape.n, "gemm: rows of c are ", ldc, " apart, but have ", shape.n,
                 " elements");
}

}  // namespace detail

/// c(i,j) = activation(sum_k a(i,k) b(k,j) + bias(j)) [+ c(i,j)], or as `epilogue` says otherwise; c is row-major,
/// `ldc` elements from row to row, and overlaps neither a nor b. The result has the same bits for any number of
/// threads.
template <class T>
void gemm(Context& context, GemmShape shape, MatrixRef<T> a, MatrixRef<T> b, T* c, index_t ldc,
          const Epilogue<T>& epilogue = {}) {
  detail::expect_gemm(shape, ldc);
  if (shape.m == 0 || shape.n == 0) return;
  Arena::Scope scope(context.arena());
  if constexpr (std::is_same_v<T, float>) {
    const KernelTable& table = active();
    float* const packed = scope.take<float>(round_up(shape.n, table.tile_columns) * shape.k);
    detail::pack_right(context, table, shape.k, shape.n, b, packed);
    detail::multiply(context, table, {shape, a, packed, c, ldc, epilogue});
  } else {
    T* const sums = scope.take<T>(context.threads() * shape.n);
    const double work = static_cast<double>(shape.m) * static_cast<double>(shape.n) * static_cast<double>(shape.k);
    detail::share(context, shape.m, work, [&](index_t i, int worker) {
      reference::gemm_row(shape, a.from_row(i), b, epilogue.from_row(i * ldc), c + i * ldc, sums + worker * shape.n);
    });
  }
}

/// The same with b packed: a has m rows and b.rows() columns.
template <class T>
void gemm(Context& context, index_t m, MatrixRef<T> a, const PackedMatrix<T>& b, T* c, index_t ldc,
          const Epilogue<T>& epilogue = {}) {
  const GemmShape shape{m, b.columns(), b.rows()};
  if constexpr (std::is_same_v<T, float>) {
    detail::expect_gemm(shape, ldc);
    if (shape.m == 0 || shape.n == 0) return;
    detail::multiply(context, b.table(), {shape, a, b.data(), c, ldc, epilogue});
  } else {
    gemm(context, shape, a, row_major(b.data(), b.columns()), c, ldc, epilogue);
  }
}

/// A packed matrix taken the other way round: how a weight that was packed for the forward pass serves the backward
/// one.
template <class T>
struct TransposedPacked {
  const PackedMatrix<T>& matrix;  ///< what was packed, k x n; it must outlive this
};

/// `matrix` as b^T, for gemm; nothing is computed yet.
template <class T>
TransposedPacked<T> transposed(const PackedMatrix<T>& matrix) {
  return {matrix};
}

/// The same with b^T packed: a has m rows and as many columns as the packed matrix. It is packed anew the other way
/// round, square by square, in scratch.
template <class T>
void gemm(Context& context, index_t m, MatrixRef<T> a, TransposedPacked<T> b, T* c, index_t ldc,
          const Epilogue<T>& epilogue = {}) {
  const PackedMatrix<T>& from = b.matrix;
  const GemmShape shape{m, from.rows(), from.columns()};
  if constexpr (std::is_same_v<T, float>) {
    detail::expect_gemm(shape, ldc);
    if (shape.m == 0 || shape.n == 0) return;
    Arena::Scope scope(context.arena());
    float* const packed = scope.take<float>(round_up(shape.n, from.table().tile_columns) * shape.k);
    detail::transpose_packed(context, from.table(), from.rows(), from.columns(), from.data(), packed);
    detail::multiply(context, from.table(), {shape, a, packed, c, ldc, epilogue});
  } else {
    gemm(context, shape, a, transposed(row_major(from.data(), from.columns())), c, ldc, epilogue);
  }
}

}}}  // namespace moeclip::abi_v0_1::kernels

// SPDX-License-Identifier: MIT
#pragma once
// Matrix multiplication with what usually follows it: a bias, an activation, and addition to what is already there. The
// right-hand operand is packed once (weights, at load) or on the fly. float runs the kernel table, other scalars run
// the reference loops.
//
// How it gets fast, in three steps. Registers: a tile of c (8 x 48 on AVX-512) takes one row of b and one column of a
// per step, so each loaded number is used many times. Caches: a slice of b and a block of a stay in L2 while tiles are
// worked through (body/gemm.inl). Threads: blocks of c are shared out, and each thread packs the rows of a
// that it needs. However c is divided, an element is the result of the same sequence of operations, so the result has
// the same bits for any number of threads.

#include <type_traits>
#include <utility>

#include "../base/arena.hpp"
#include "../base/context.hpp"
#include "dispatch.hpp"
#include "reference.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace kernels {

namespace detail {

struct GemmCall {
  GemmShape shape;
  MatrixRef<float> a;
  const float* b = nullptr;  ///< packed
  float* c = nullptr;
  index_t ldc = 0;
  const Epilogue<float>& epilogue;
};

/// Packs b (k x n) into column panels of table.tile_columns over the whole k.
inline void pack_right(Context& context, const KernelTable& table, index_t k, index_t n, MatrixRef<float> b,
                       float* panels) {
  context.share(round_up(n, table.tile_columns) / table.tile_columns, 8.0 * static_cast<double>(k * n),
                [&](index_t panel, int) {
                  const index_t j = panel * table.tile_columns;
                  table.pack_columns({(std::min)(table.tile_columns, n - j), k, b.data + j * b.column_stride,
                                      b.column_stride, b.row_stride, panels + j * k});
                });
}

/// Packed b (k x n) becomes packed b^T (n x k): a square of tile_columns by tile_columns elements is contiguous in
/// both, so each is transposed where it lies in the cache, and what is not read again is written once.
inline void transpose_packed(Context& context, const KernelTable& table, index_t k, index_t n, const float* b,
                             float* panels) {
  const index_t side = table.tile_columns;
  context.share(round_up(k, side) / side, 8.0 * static_cast<double>(k * n), [&](index_t panel, int) {
    const index_t i = panel * side;
    for (index_t j = 0; j < n; j += side)
      table.pack_columns(
          {(std::min)(side, k - i), (std::min)(side, n - j), b + j * k + i * side, side, 1, panels + i * n + j * side});
  });
}

/// How c is cut: into `down` x `across` blocks of whole tiles, whose sizes differ by one tile at most.
struct Cut {
  index_t row_tiles, column_tiles, down, across;
};

/// Where part `i` of `parts` of so many tiles begins. Larger parts come first: threads that take turns have the same.
inline index_t part_begin(index_t tiles, index_t parts, index_t i) {
  return tiles / parts * i + (std::min)(i, tiles % parts);
}

/// True if `blocks` of one size keep `threads` busy to the end, but for 3 % of their time.
inline bool shares_evenly(index_t blocks, index_t threads) {
  const index_t rounds = (blocks + threads - 1) / threads;
  return 100 * blocks >= 97 * rounds * threads;
}

/// Blocks no larger than the table says, and enough of them to keep `threads` busy: four for each, so that a thread
/// that is held up leaves its share to others, but none of less than a tenth of a millisecond, as each may pack its
/// rows of a.
inline Cut cut_product(const KernelTable& table, GemmShape shape, int threads) {
  const double work = static_cast<double>(shape.m) * static_cast<double>(shape.n) * static_cast<double>(shape.k);
  const auto wanted = static_cast<index_t>(std::clamp(work / 1.6e7, 1.0 * threads, 4.0 * threads));
  Cut cut{(shape.m + table.tile_rows - 1) / table.tile_rows, (shape.n + table.tile_columns - 1) / table.tile_columns,
          (shape.m + table.block_rows - 1) / table.block_rows,
          (shape.n + table.block_columns - 1) / table.block_columns};
  while (threads > 1 && (cut.down * cut.across < wanted || !shares_evenly(cut.down * cut.across, threads)) &&
         (cut.down < cut.row_tiles || cut.across < cut.column_tiles)) {
    // cut the longer side of the blocks: each cut of the rows reads b again, each cut of the columns packs a again
    const bool has_long_rows = shape.n * cut.down >= shape.m * cut.across;
    ++((has_long_rows && cut.across < cut.column_tiles) || cut.down >= cut.row_tiles ? cut.across : cut.down);
  }
  return cut;
}

/// c = epilogue(a b).
inline void multiply(Context& context, const KernelTable& table, const GemmCall& call) {
  const GemmShape& shape = call.shape;
  const double work = static_cast<double>(shape.m) * static_cast<double>(shape.n) * static_cast<double>(shape.k);
  const Cut cut = cut_product(table, shape, context.threads_for(work));
  const index_t most_rows = (cut.row_tiles + cut.down - 1) / cut.down * table.tile_rows;
  const index_t most_columns = (cut.column_tiles + cut.across - 1) / cut.across * table.tile_columns;
  const index_t panels_size = most_rows * (std::min)(shape.k, table.k_block);
  const index_t tiles_size = shape.k <= table.k_block ? table.tile_rows * table.tile_columns : most_rows * most_columns;
  Arena::Scope scope(context.arena());
  float* const panels = scope.take<float>(context.threads() * panels_size);
  float* const tiles = scope.take<float>(context.threads() * tiles_size);
  context.share(cut.down * cut.across, work, [&](index_t task, int worker) {
    const index_t row = task / cut.across, column = task % cut.across;
    const index_t i = part_begin(cut.row_tiles, cut.down, row) * table.tile_rows;
    const index_t j = part_begin(cut.column_tiles, cut.across, column) * table.tile_columns;
    GemmJob job;
    job.rows = (std::min)(part_begin(cut.row_tiles, cut.down, row + 1) * table.tile_rows, shape.m) - i;
    job.columns = (std::min)(part_begin(cut.column_tiles, cut.across, column + 1) * table.tile_columns, shape.n) - j;
    job.k = shape.k;
    job.a = call.a.from_row(i);
    job.b = call.b + j * shape.k;
    job.a_panels = panels + worker * panels_size;
    job.tiles = tiles + worker * tiles_size;
    job.c = call.c + i * call.ldc + j;
    job.ldc = call.ldc;
    job.bias = call.epilogue.bias != nullptr ? call.epilogue.bias + j : nullptr;
    job.activation = call.epilogue.activation;
    job.accumulate = call.epilogue.accumulate;
    job.before = call.epilogue.before != nullptr ? call.epilogue.before + i * call.ldc + j : nullptr;
    job.slope_at = call.epilogue.slope_at != nullptr ? call.epilogue.slope_at + i * call.ldc + j : nullptr;
    table.gemm(job);
  });
}

}  // namespace detail

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
    context.for_pieces(k, n, [&](index_t begin, index_t end) {
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
    context.share(shape.m, work, [&](index_t i, int worker) {
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

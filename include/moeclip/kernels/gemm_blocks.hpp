// SPDX-License-Identifier: MIT
#pragma once
// How a product of float matrices is divided: blocks of c are shared out among the threads, each of which packs the
// rows of a that it needs. However c is divided, an element is the result of the same sequence of operations, so the
// result has the same bits for any number of threads.

#include "dispatch.hpp"
#include "pieces.hpp"
#include "reference.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace kernels::detail {

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
  share(context, round_up(n, table.tile_columns) / table.tile_columns, 8.0 * static_cast<double>(k * n),
        [&](index_t panel, int) {
          const index_t j = panel * table.tile_columns;
          table.pack_columns({(std::min)(table.tile_columns, n - j), k, b.data + j * b.column_stride, b.column_stride,
                              b.row_stride, panels + j * k});
        });
}

/// Packed b (k x n) becomes packed b^T (n x k): a square of tile_columns by tile_columns elements is contiguous in
/// both, so each is transposed where it lies in the cache, and what is not read again is written once.
inline void transpose_packed(Context& context, const KernelTable& table, index_t k, index_t n, const float* b,
                             float* panels) {
  const index_t side = table.tile_columns;
  share(context, round_up(k, side) / side, 8.0 * static_cast<double>(k * n), [&](index_t panel, int) {
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

/// Blocks no larger than the table says, and enough of them to keep `threads` busy.
inline Cut cut_product(const KernelTable& table, GemmShape shape, int threads) {
  constexpr index_t kBlocksPerThread =
      4;  // of a millisecond or so: a thread that is held up leaves its share to others
  Cut cut{(shape.m + table.tile_rows - 1) / table.tile_rows, (shape.n + table.tile_columns - 1) / table.tile_columns,
          (shape.m + table.block_rows - 1) / table.block_rows,
          (shape.n + table.block_columns - 1) / table.block_columns};
  while (threads > 1 && cut.down * cut.across < kBlocksPerThread * threads &&
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
  const Cut cut = cut_product(table, shape, work >= kWorthSharing ? context.threads() : 1);
  const index_t most_rows = (cut.row_tiles + cut.down - 1) / cut.down * table.tile_rows;
  const index_t most_columns = (cut.column_tiles + cut.across - 1) / cut.across * table.tile_columns;
  const index_t panels_size = most_rows * (std::min)(shape.k, table.k_block), tiles_size = most_rows * most_columns;
  Arena::Scope scope(context.arena());
  float* const panels = scope.take<float>(context.threads() * panels_size);
  float* const tiles = scope.take<float>(context.threads() * tiles_size);
  share(context, cut.down * cut.across, work, [&](index_t task, int worker) {
    const index_t row = task / cut.across, column = task % cut.across;
    const index_t i = cut.row_tiles * row / cut.down * table.tile_rows;
    const index_t j = cut.column_tiles * column / cut.across * table.tile_columns;
    GemmJob job;
    job.rows = (std::min)(cut.row_tiles * (row + 1) / cut.down * table.tile_rows, shape.m) - i;
    job.columns = (std::min)(cut.column_tiles * (column + 1) / cut.across * table.tile_columns, shape.n) - j;
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

}}}  // namespace moeclip::abi_v0_1::kernels::detail

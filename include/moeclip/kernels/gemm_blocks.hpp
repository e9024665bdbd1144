// SPDX-License-Identifier: MIT
#pragma once
// How a product of float matrices is cut up: blocks of c are shared out among the threads, each of which packs the rows
// of a that it needs. An element of c is the same sequence of operations in every cut, so the result has the same bits
// for any number of threads.

#include "dispatch.hpp"
#include "pieces.hpp"
#include "reference.hpp"

namespace moeclip::inline MOECLIP_ABI_NS::kernels::detail {

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
          table.pack_columns({std::min(table.tile_columns, n - j), k, b.data + j * b.column_stride, b.column_stride,
                              b.row_stride, panels + j * k});
        });
}

struct BlockSize {
  index_t rows, columns;
};

/// Blocks of equal size, whole tiles, at most as large as the table says, and enough of them to keep `threads` busy.
inline BlockSize block_size(const KernelTable& table, GemmShape shape, int threads) {
  constexpr index_t kBlocksPerThread = 8;  // the last ones, when threads wait for each other, are a small part
  const index_t row_tiles = (shape.m + table.tile_rows - 1) / table.tile_rows;
  const index_t column_tiles = (shape.n + table.tile_columns - 1) / table.tile_columns;
  index_t down = (shape.m + table.block_rows - 1) / table.block_rows;
  index_t across = (shape.n + table.block_columns - 1) / table.block_columns;
  while (threads > 1 && down * across < kBlocksPerThread * threads && (down < row_tiles || across < column_tiles)) {
    // cut the longer side of the blocks: each cut of the rows reads b again, each cut of the columns packs a again
    const bool has_long_rows = column_tiles * table.tile_columns * down >= row_tiles * table.tile_rows * across;
    ++((has_long_rows && across < column_tiles) || down >= row_tiles ? across : down);
  }
  return {(row_tiles + down - 1) / down * table.tile_rows, (column_tiles + across - 1) / across * table.tile_columns};
}

/// c = epilogue(a b).
inline void multiply(Context& context, const KernelTable& table, const GemmCall& call) {
  const GemmShape& shape = call.shape;
  const double work = static_cast<double>(shape.m) * static_cast<double>(shape.n) * static_cast<double>(shape.k);
  const BlockSize block = block_size(table, shape, work >= kWorthSharing ? context.threads() : 1);
  const index_t down = (shape.m + block.rows - 1) / block.rows, across = (shape.n + block.columns - 1) / block.columns;
  const index_t panels_size = block.rows * std::min(shape.k, table.k_block);
  Arena::Scope scope(context.arena());
  float* const panels = scope.take<float>(context.threads() * panels_size);
  float* const tiles = scope.take<float>(context.threads() * block.rows * block.columns);
  share(context, down * across, work, [&](index_t task, int worker) {
    const index_t i = task / across * block.rows, j = task % across * block.columns;
    GemmJob job;
    job.rows = std::min(block.rows, shape.m - i);
    job.columns = std::min(block.columns, shape.n - j);
    job.k = shape.k;
    job.a = call.a.from_row(i);
    job.b = call.b + j * shape.k;
    job.a_panels = panels + worker * panels_size;
    job.tiles = tiles + worker * block.rows * block.columns;
    job.c = call.c + i * call.ldc + j;
    job.ldc = call.ldc;
    job.bias = call.epilogue.bias != nullptr ? call.epilogue.bias + j : nullptr;
    job.activation = call.epilogue.activation;
    job.accumulate = call.epilogue.accumulate;
    table.gemm(job);
  });
}

}  // namespace moeclip::inline MOECLIP_ABI_NS::kernels::detail

// SPDX-License-Identifier: MIT
// Matrix multiplication on packed panels. A tile of c is held in registers while a row panel of a and a column panel of
// b stream by; every tile is computed whole, in zero-padded scratch, so edges need no code of their own and an element
// is the same sequence of operations wherever it lies.

inline constexpr index_t kTileSize = kTileRows * kTileColumns;

/// tile (kTileRows, kTileColumns) = a b [+ tile] over k steps; a is (k, kTileRows), b is (k, kTileColumns). A cache
/// line of `next` is brought near every four steps. Only the first kVectors vectors of each row are computed. With
/// other strides a(row, step) lies at a[row * kRowStride + step * kStepStride].
template <index_t kVectors = kTileVectors, index_t kRowStride = 1, index_t kStepStride = kTileRows>
inline void multiply_tile(index_t k, const float* a, const float* b, bool add_to, float* tile, const float* next) {
  Vec sum[kTileRows][kVectors];
  MOECLIP_UNROLL
  for (index_t r = 0; r < kTileRows; ++r) {
    MOECLIP_UNROLL
    for (index_t v = 0; v < kVectors; ++v) sum[r][v] = zero();
  }

  const auto step = [&sum](const float* a_column, const float* b_row) MOECLIP_INLINE_LAMBDA {
    Vec b_part[kVectors];
    MOECLIP_UNROLL
    for (index_t v = 0; v < kVectors; ++v) b_part[v] = load(b_row + v * kLanes);
    MOECLIP_UNROLL
    for (index_t r = 0; r < kTileRows; ++r) {
      const Vec a_part = broadcast(a_column[r * kRowStride]);
      MOECLIP_UNROLL
      for (index_t v = 0; v < kVectors; ++v) sum[r][v] = multiply_add(a_part, b_part[v], sum[r][v]);
    }
  };

  index_t p = 0;
  for (; p + 4 <= k; p += 4, a += 4 * kStepStride, b += 4 * kTileColumns, next += 16) {
    prefetch(next);
    step(a, b);
    step(a + kStepStride, b + kTileColumns);
    step(a + 2 * kStepStride, b + 2 * kTileColumns);
    step(a + 3 * kStepStride, b + 3 * kTileColumns);
  }
  for (; p < k; ++p, a += kStepStride, b += kTileColumns) step(a, b);

  if (add_to) {
    MOECLIP_UNROLL
    for (index_t r = 0; r < kTileRows; ++r) {
      MOECLIP_UNROLL
      for (index_t v = 0; v < kVectors; ++v) sum[r][v] = add(sum[r][v], load(tile + r * kTileColumns + v * kLanes));
    }
  }
  MOECLIP_UNROLL
  for (index_t r = 0; r < kTileRows; ++r) {
    MOECLIP_UNROLL
    for (index_t v = 0; v < kVectors; ++v) store(tile + r * kTileColumns + v * kLanes, sum[r][v]);
  }
}

/// Writes a finished tile to c, from row i and column j of the block on: bias, activation, addition.
template <Activation kActivation>
inline void finish_tile(const GemmJob& job, index_t i, index_t j, const float* tile) {
  const index_t rows = job.rows - i < kTileRows ? job.rows - i : kTileRows;
  for (index_t v = 0; v < kTileColumns && j + v < job.columns; v += kLanes) {
    const index_t n = job.columns - j - v;
    const Vec bias = job.bias != nullptr ? load_lanes(job.bias + j + v, n) : zero();
    for (index_t r = 0; r < rows; ++r) {
      const index_t at = (i + r) * job.ldc + j + v;
      Vec value = add(load(tile + r * kTileColumns + v), bias);
      if (job.before != nullptr) store_lanes(job.before + at, value, n);
      value = job.slope_at != nullptr ? mul(value, slope<kActivation>(load_lanes(job.slope_at + at, n)))
                                      : apply<kActivation>(value);
      if (job.accumulate) value = add(value, load_lanes(job.c + at, n));
      store_lanes(job.c + at, value, n);
    }
  }
}

inline void finish_tile(const GemmJob& job, index_t i, index_t j, const float* tile) {
  switch (job.activation) {
    case Activation::none: return finish_tile<Activation::none>(job, i, j, tile);
    case Activation::gelu: return finish_tile<Activation::gelu>(job, i, j, tile);
    case Activation::quick_gelu: return finish_tile<Activation::quick_gelu>(job, i, j, tile);
    case Activation::leaky_relu: return finish_tile<Activation::leaky_relu>(job, i, j, tile);
  }
}

/// Brings n floats near.
inline void prefetch_row(const float* p, index_t n) {
  for (index_t i = 0; i < n; i += 16) prefetch(p + i);
}

/// For each block of k: pack the slice of a (it stays in L2); then for each panel of b (its slice stays in L1) and each
/// panel of a: one tile. Tiles wait in scratch, also in L2, until the last block of k; c is written once. Meanwhile the
/// next slice of b comes near, shared out among tiles at one cache line every four steps, and behind it the next slice
/// of a, row by row.
inline void gemm_block(const GemmJob& job) noexcept {
  constexpr index_t kTilesPerSlice = kTileColumns / 4;
  const index_t row_tiles = (job.rows + kTileRows - 1) / kTileRows;
  const bool is_single = job.k <= kKBlock;
  index_t k = 0;
  do {
    const index_t steps = job.k - k < kKBlock ? job.k - k : kKBlock, next_k = k + steps;
    pack_panels<kTileRows>(
        {job.rows, steps, job.a.data + k * job.a.column_stride, job.a.row_stride, job.a.column_stride, job.a_panels});
    index_t next_row = job.a.column_stride == 1 && next_k < job.k ? 0 : job.rows;
    float* tile = job.tiles;
    for (index_t j = 0; j < job.columns; j += kTileColumns) {
      const float* const b = job.b + j * job.k + k * kTileColumns;
      const float* const next_b = b + job.k * kTileColumns;
      for (index_t i = 0; i < row_tiles; ++i) {
        const float* const a = job.a_panels + i * kTileRows * steps;
        const float* const next = next_b + i % kTilesPerSlice * 4 * steps;
        if (job.columns - j <= kLanes)
          multiply_tile<1>(steps, a, b, k > 0, tile, next);  // a narrow c (router, LoRA), or the end of a wide one
        else
          multiply_tile(steps, a, b, k > 0, tile, next);
        if (next_row < job.rows && i >= kTilesPerSlice)
          prefetch_row(job.a.data + next_row++ * job.a.row_stride + next_k, steps);
        if (next_k == job.k) finish_tile(job, i * kTileRows, j, tile);
        if (!is_single) tile += kTileSize;
      }
    }
    k = next_k;
  } while (k < job.k);
}

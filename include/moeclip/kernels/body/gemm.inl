// SPDX-License-Identifier: MIT
// Matrix multiplication. A tile of c is held in registers while rows of a and a column panel of b stream by (GEM-2). An
// element of c is the same sequence of operations in whatever tile it is computed: k blocks in order, and in each block
// its products in order, added to the blocks before.

inline constexpr index_t kTileSize = kTileRows * kTileColumns;

/// visit(r, v, sum[r][v]) for each vector of a tile.
template <index_t kRows, index_t kVectors, class Visit>
MOECLIP_ALWAYS_INLINE inline void each_sum(Vec (&sum)[kRows][kVectors], const Visit& visit) {
  MOECLIP_UNROLL
  for (index_t r = 0; r < kRows; ++r) {
    MOECLIP_UNROLL
    for (index_t v = 0; v < kVectors; ++v) visit(r, v, sum[r][v]);
  }
}

/// sum = a b over k steps: a is (kRows, k), b is (k, kTileColumns), of which the first kVectors vectors are used; more
/// than there are come from the panels after it, `panel` elements apart. A cache line of `next` is brought near every
/// four steps.
template <index_t kRows, index_t kVectors>
MOECLIP_ALWAYS_INLINE inline void sum_tile(index_t k, MatrixRef<float> a, const float* b, const float* next,
                                           Vec (&sum)[kRows][kVectors], index_t panel = 0) {
  const index_t row_stride = a.row_stride, step_stride = a.column_stride;
  const float* a_column = a.data;
  each_sum(sum, [](index_t, index_t, Vec& s) MOECLIP_INLINE_LAMBDA { s = zero(); });
  const auto step = [&sum, row_stride, panel](const float* a_k, const float* b_row) MOECLIP_INLINE_LAMBDA {
    Vec b_part[kVectors];
    MOECLIP_UNROLL
    for (index_t v = 0; v < kVectors; ++v)
      b_part[v] = load(b_row + v / kTileVectors * panel + v % kTileVectors * kLanes);
    MOECLIP_UNROLL
    for (index_t r = 0; r < kRows; ++r) {
      const Vec a_part = broadcast(a_k[r * row_stride]);
      MOECLIP_UNROLL
      for (index_t v = 0; v < kVectors; ++v) sum[r][v] = multiply_add(a_part, b_part[v], sum[r][v]);
    }
  };

  index_t p = 0;
  for (; p + 4 <= k; p += 4, a_column += 4 * step_stride, b += 4 * kTileColumns, next += 16) {
    prefetch(next);
    step(a_column, b);
    step(a_column + step_stride, b + kTileColumns);
    step(a_column + 2 * step_stride, b + 2 * kTileColumns);
    step(a_column + 3 * step_stride, b + 3 * kTileColumns);
  }
  for (; p < k; ++p, a_column += step_stride, b += kTileColumns) step(a_column, b);
}

/// sum += rows that lie `stride` elements apart; 0 adds one row to all.
template <index_t kRows, index_t kVectors>
MOECLIP_ALWAYS_INLINE inline void add_rows(Vec (&sum)[kRows][kVectors], const float* rows, index_t stride) {
  MOECLIP_UNROLL
  for (index_t r = 0; r < kRows; ++r, rows += stride) {
    MOECLIP_UNROLL
    for (index_t v = 0; v < kVectors; ++v) sum[r][v] = add(sum[r][v], load(rows + v * kLanes));
  }
}

/// Stores the sums to rows that lie `stride` elements apart.
template <index_t kRows, index_t kVectors>
MOECLIP_ALWAYS_INLINE inline void store_rows(Vec (&sum)[kRows][kVectors], float* rows, index_t stride) {
  MOECLIP_UNROLL
  for (index_t r = 0; r < kRows; ++r, rows += stride) {
    MOECLIP_UNROLL
    for (index_t v = 0; v < kVectors; ++v) store(rows + v * kLanes, sum[r][v]);
  }
}

/// tile (kTileRows, kTileColumns) = a b [+ tile] over k steps; a and b are packed, and `next` is as above. Only the
/// first kVectors vectors of each row are computed. With other strides a(row, step) lies at a[row * kRowStride + step *
/// kStepStride].
template <index_t kVectors = kTileVectors, index_t kRowStride = 1, index_t kStepStride = kTileRows>
inline void multiply_tile(index_t k, const float* a, const float* b, bool add_to, float* tile, const float* next) {
  Vec sum[kTileRows][kVectors];
  sum_tile(k, {a, kRowStride, kStepStride}, b, next, sum);
  if (add_to) add_rows(sum, tile, kTileColumns);
  store_rows(sum, tile, kTileColumns);
}

/// Writes `rows` rows of a finished tile to c, from row i and column j of the block on: bias, activation, addition.
template <Activation kActivation>
inline void finish_tile(const GemmJob& job, index_t rows, index_t i, index_t j, const float* tile) {
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

inline void finish_tile(const GemmJob& job, index_t rows, index_t i, index_t j, const float* tile) {
  switch (job.activation) {
    case Activation::none: return finish_tile<Activation::none>(job, rows, i, j, tile);
    case Activation::gelu: return finish_tile<Activation::gelu>(job, rows, i, j, tile);
    case Activation::quick_gelu: return finish_tile<Activation::quick_gelu>(job, rows, i, j, tile);
    case Activation::leaky_relu: return finish_tile<Activation::leaky_relu>(job, rows, i, j, tile);
  }
}

/// Which part of the sums of which tile is to be computed.
struct TileStep {
  index_t i, j;       // first row and column of the tile in the block
  index_t k, steps;   // the sums run from k on
  const float* b;     // (steps, kTileColumns)
  float* tile;        // where the sums wait between two steps, kTileColumns apart
  const float* next;  // comes near meanwhile
};

/// Adds a step to kRows rows of a tile, or to one row of some tiles side by side; the last one goes on to c. `a` is a
/// row panel or, with kIsPacked false, job.a itself.
template <index_t kRows, index_t kVectors, bool kIsPacked>
inline void gemm_tile(const GemmJob& job, const TileStep& at) {
  Vec sum[kRows][kVectors];
  MatrixRef<float> a{job.a_panels + at.i * at.steps, 1, kTileRows};
  if constexpr (!kIsPacked) {
    a = job.a.from_row(at.i);
    a.data += at.k * a.column_stride;
  }
  sum_tile(at.steps, a, at.b, at.next, sum, job.k * kTileColumns);
  if (at.k > 0) add_rows(sum, at.tile, kTileColumns);
  const bool is_last = at.k + at.steps == job.k;
  const bool is_plain = job.activation == Activation::none && job.before == nullptr && job.slope_at == nullptr;
  if (is_last && is_plain && job.columns - at.j >= kVectors * kLanes) {
    float* const c = job.c + at.i * job.ldc + at.j;
    if (job.bias != nullptr) add_rows(sum, job.bias + at.j, 0);
    if (job.accumulate) add_rows(sum, c, job.ldc);
    return store_rows(sum, c, job.ldc);
  }
  store_rows(sum, at.tile, kTileColumns);
  for (index_t j = 0; is_last && j < kVectors * kLanes; j += kTileColumns)
    finish_tile(job, kRows, at.i, at.j + j, at.tile + j);
}

/// A whole tile.
template <bool kIsPacked>
inline void gemm_whole_tile(const GemmJob& job, const TileStep& at) {
  if (job.columns - at.j <= kLanes)
    gemm_tile<kTileRows, 1, kIsPacked>(job, at);  // a narrow c (router, LoRA), or the end of a wide one
  else
    gemm_tile<kTileRows, kTileVectors, kIsPacked>(job, at);
}

/// The `rows` < kTileRows rows below the last whole tile, a lower tile of their own.
template <index_t kRows = kTileRows - 1>
inline void gemm_last_rows(const GemmJob& job, index_t rows, const TileStep& at) {
  if constexpr (kRows > 1)
    if (rows < kRows) return gemm_last_rows<kRows - 1>(job, rows, at);
  gemm_tile<kRows, kTileVectors, false>(job, at);
}

/// Panels of b that a single row of a takes at once: so many sums that their latency does not count.
inline constexpr index_t kRowPanels = (8 + kTileVectors - 1) / kTileVectors;
static_assert(kRowPanels <= kTileRows);  // sums of a panel wait where a row of the tile would

/// kVectors vectors of a block of one row, from column j on, over all k.
template <index_t kVectors>
inline void gemm_row_part(const GemmJob& job, index_t j) {
  TileStep at{0, j, 0, 0, job.b + j * job.k, job.tiles, nullptr};
  do {
    at.steps = job.k - at.k < kKBlock ? job.k - at.k : kKBlock;
    at.next = at.b + kVectors * kLanes * job.k;
    gemm_tile<1, kVectors, false>(job, at);
    at.k += at.steps;
    at.b += at.steps * kTileColumns;
  } while (at.k < job.k);
}

/// A block of a single row.
inline void gemm_row(const GemmJob& job) {
  index_t j = 0;
  for (; job.columns - j > (kRowPanels - 1) * kTileColumns; j += kRowPanels * kTileColumns)
    gemm_row_part<kRowPanels * kTileVectors>(job, j);
  for (; j < job.columns; j += kTileColumns) gemm_row_part<kTileVectors>(job, j);
}

/// For each block of k: pack the slice of a (it stays in L2); then for each panel of b and each panel of a: one tile.
/// Of b the slice at hand comes from L1 or L2, whichever holds it, and meanwhile the next one comes near, shared out
/// among tiles at one cache line every four steps. A row of a that is contiguous is read where it lies, unless the sums
/// take several blocks of k (slices of long rows fall into few sets of the cache) or so few steps that the addresses of
/// rows cost more than packing; and unless an element of a is used for one or two tiles only.
inline void gemm_block(const GemmJob& job) noexcept {
  constexpr index_t kTilesPerSlice = kTileColumns / 4, kShortSums = 64;
  if (job.rows == 1) return gemm_row(job);
  const index_t whole_rows = job.rows - job.rows % kTileRows;
  const index_t row_tiles = (job.rows + kTileRows - 1) / kTileRows;
  const bool is_single = job.k <= kKBlock;
  const bool pays = (!is_single || job.k <= kShortSums) && whole_rows > kTileRows && job.columns > kTileColumns;
  const bool is_packed = job.a.column_stride != 1 || pays;
  index_t k = 0;
  do {
    const index_t steps = job.k - k < kKBlock ? job.k - k : kKBlock, next_k = k + steps;
    if (is_packed)
      pack_panels<kTileRows>({whole_rows, steps, job.a.data + k * job.a.column_stride, job.a.row_stride,
                              job.a.column_stride, job.a_panels});
    const auto add_step = [&](index_t row, index_t column) MOECLIP_INLINE_LAMBDA {
      TileStep at{row, column, k, steps, job.b + column * job.k + k * kTileColumns, job.tiles, nullptr};
      at.next = at.b + job.k * kTileColumns + row / kTileRows % kTilesPerSlice * 4 * steps;
      if (!is_single) at.tile += (column / kTileColumns * row_tiles + row / kTileRows) * kTileSize;
      if (row == whole_rows)
        gemm_last_rows(job, job.rows - whole_rows, at);
      else if (is_packed)
        gemm_whole_tile<true>(job, at);
      else
        gemm_whole_tile<false>(job, at);
    };
    if (job.k <= 32) {  // writing c is most of the work: along its rows
      for (index_t i = 0; i < job.rows; i += kTileRows)
        for (index_t j = 0; j < job.columns; j += kTileColumns) add_step(i, j);
    } else {
      for (index_t j = 0; j < job.columns; j += kTileColumns)
        for (index_t i = 0; i < job.rows; i += kTileRows) add_step(i, j);
    }
    k = next_k;
  } while (k < job.k);
}

// SPDX-License-Identifier: MIT
// Products of narrow numbers: as body/gemm.inl, but an element of a panel is a word of several neighbours in k, and a
// multiply-add is a dot product of two words. The verbs are in isa/dot_*.inl; what they compute is the same integers
// everywhere.

/// Rows of words become a panel; words move as floats do.
inline void transpose_words(const NarrowPackJob& job, index_t words) {
  const auto* const from = reinterpret_cast<const float*>(job.scratch);
  auto* const to = reinterpret_cast<float*>(job.panel);
  if (job.rows == kTileRows) return transpose_panel<kTileRows>(words, from, words, to);
  for (index_t i = 0; i < kTileRows * words; ++i) job.panel[i] = 0;
  transpose_into(job.rows, words, from, words, to, kTileRows);
}

/// tile (kTileRows, kTileColumns) = a b [+ tile] over `steps` words of b. A cache line of `next` is brought near every
/// four steps.
template <class Dot>
inline void multiply_words(index_t steps, const std::uint32_t* a, const std::uint32_t* b, bool add_to, float* tile,
                           const float* next) {
  using Sum = typename Dot::Sum;
  using Words = typename Dot::Words;
  Sum sum[kTileRows][kTileVectors];
  MOECLIP_UNROLL
  for (index_t r = 0; r < kTileRows; ++r) {
    MOECLIP_UNROLL
    for (index_t v = 0; v < kTileVectors; ++v) sum[r][v] = Dot::no_sum();
  }

  const auto step = [&sum](const std::uint32_t* a_column, const std::uint32_t* b_row) MOECLIP_INLINE_LAMBDA {
    MOECLIP_UNROLL
    for (int half = 0; half < Dot::kHalves; ++half) {
      Words b_part[kTileVectors];
      MOECLIP_UNROLL
      for (index_t v = 0; v < kTileVectors; ++v) b_part[v] = Dot::load_words(b_row + v * kLanes, half);
      MOECLIP_UNROLL
      for (index_t r = 0; r < kTileRows; ++r) {
        const Words a_part = Dot::broadcast_word(a_column[half * kTileRows + r]);
        MOECLIP_UNROLL
        for (index_t v = 0; v < kTileVectors; ++v) sum[r][v] = Dot::dot(a_part, b_part[v], sum[r][v]);
      }
    }
  };

  constexpr index_t kColumn = Dot::kHalves * kTileRows;
  index_t p = 0;
  for (; p + 4 <= steps; p += 4, a += 4 * kColumn, b += 4 * kTileColumns, next += 16) {
    prefetch(next);
    step(a, b);
    step(a + kColumn, b + kTileColumns);
    step(a + 2 * kColumn, b + 2 * kTileColumns);
    step(a + 3 * kColumn, b + 3 * kTileColumns);
  }
  for (; p < steps; ++p, a += kColumn, b += kTileColumns) step(a, b);

  MOECLIP_UNROLL
  for (index_t r = 0; r < kTileRows; ++r) {
    MOECLIP_UNROLL
    for (index_t v = 0; v < kTileVectors; ++v) {
      float* const at = tile + r * kTileColumns + v * kLanes;
      Dot::store_sum(at, add_to ? Dot::add_sums(sum[r][v], Dot::load_sum(at)) : sum[r][v]);
    }
  }
}

/// Integers of a finished tile become numbers:
///   c(i,j) = sum_k a(i,k) b(k,j) = scale_i scale_j (S - offset_j) + centre_i scale_j sum_k w(k,j).
template <class Dot>
inline void dequantize_tile(const NarrowJob& job, index_t rows, index_t i, index_t j, float* tile) {
  for (index_t v = 0; v < kTileColumns && j + v < job.c.columns; v += kLanes) {
    const Vec scale = load(job.column_scales + j + v), sum = load(job.column_sums + j + v);
    const typename Dot::Sum offset = Dot::load_offsets(job.column_offsets + j + v);
    for (index_t r = 0; r < rows; ++r) {
      float* const at = tile + r * kTileColumns + v;
      const Vec whole = Dot::to_float(Dot::load_sum(at), offset);
      const Vec centre = mul(broadcast(job.row_centres[i + r]), sum);
      store(at, fma(whole, mul(broadcast(job.row_scales[i + r]), scale), centre));
    }
  }
}

/// As gemm_block, but a was packed whole, by whoever calls.
template <class Dot>
inline void multiply_narrow(const NarrowJob& job) noexcept {
  constexpr index_t kTilesPerSlice = kTileColumns / 4;
  const index_t row_tiles = (job.c.rows + kTileRows - 1) / kTileRows;
  const bool is_single = job.steps <= kKBlock;
  index_t step = 0;
  do {
    const index_t steps = job.steps - step < kKBlock ? job.steps - step : kKBlock, next_step = step + steps;
    float* tile = job.c.tiles;
    for (index_t j = 0; j < job.c.columns; j += kTileColumns) {
      const std::uint32_t* const b = job.b + j * job.steps + step * kTileColumns;
      const auto* const next_b = reinterpret_cast<const float*>(b + job.steps * kTileColumns);
      for (index_t i = 0; i < row_tiles; ++i) {
        const std::uint32_t* const a = job.a + (i * job.steps + step) * Dot::kHalves * kTileRows;
        multiply_words<Dot>(steps, a, b, step > 0, tile, next_b + i % kTilesPerSlice * 4 * steps);
        if (next_step == job.steps) {
          const index_t left = job.c.rows - i * kTileRows, rows = left < kTileRows ? left : kTileRows;
          if constexpr (Dot::kIsInteger) dequantize_tile<Dot>(job, rows, i * kTileRows, j, tile);
          finish_tile(job.c, rows, i * kTileRows, j, tile);
        }
        if (!is_single) tile += kTileSize;
      }
    }
    step = next_step;
  } while (step < job.steps);
}

/// A loop of dot products whose operands stay near, as spin in body/spin.inl. Every product is another one, or the
/// compiler would take it once for all.
template <class Dot>
inline float spin_words(index_t steps) noexcept {
  typename Dot::Sum sum[kTileRows][kTileVectors];
  typename Dot::Words term[kTileVectors];
  std::uint32_t words[kTileColumns + kTileRows];
  for (index_t i = 0; i < kTileColumns + kTileRows; ++i) words[i] = static_cast<std::uint32_t>(steps + i);
  MOECLIP_UNROLL
  for (index_t v = 0; v < kTileVectors; ++v) {
    term[v] = Dot::load_words(words + v * kLanes, 0);
    MOECLIP_UNROLL
    for (index_t r = 0; r < kTileRows; ++r) sum[r][v] = Dot::no_sum();
  }
  for (index_t step = 0; step < steps; ++step) {
    MOECLIP_UNROLL
    for (index_t r = 0; r < kTileRows; ++r) {
      const auto factor = Dot::broadcast_word(words[step % kTileColumns + r]);
      MOECLIP_UNROLL
      for (index_t v = 0; v < kTileVectors; ++v) sum[r][v] = Dot::dot(factor, term[v], sum[r][v]);
    }
  }
  float total = 0;
  MOECLIP_UNROLL
  for (index_t r = 0; r < kTileRows; ++r) {
    MOECLIP_UNROLL
    for (index_t v = 0; v < kTileVectors; ++v) {
      float lanes[kLanes];
      Dot::store_sum(lanes, sum[r][v]);
      total += lanes[0];
    }
  }
  return total;
}

/// The kernels for one kind of words.
template <class Dot>
constexpr NarrowKernels narrow_kernels(void (*pack_rows)(const NarrowPackJob&) noexcept) {
  return {Dot::kHalves, pack_rows, &multiply_narrow<Dot>, &spin_words<Dot>,
          2 * kTileRows * kTileVectors * kLanes * Dot::kNumbers};
}

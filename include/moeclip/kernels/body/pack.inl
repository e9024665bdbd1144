// SPDX-License-Identifier: MIT
// Rearranging matrices: transposition, and the panels that the tile kernel reads front to back.

/// kRows rows of kLanes elements become kLanes rows of kRows elements; kRows <= kLanes. The rows that lie `ahead`
/// elements further on come near.
template <index_t kRows>
inline void transpose_rows(const float* source, index_t source_stride, float* target, index_t target_stride,
                           index_t ahead) {
  Vec square[kLanes];
  MOECLIP_UNROLL
  for (index_t r = 0; r < kLanes; ++r, source += source_stride) {
    square[r] = r < kRows ? load(source) : zero();
    if (r < kRows) prefetch(source + ahead);
  }
  transpose(square);
  MOECLIP_UNROLL
  for (index_t c = 0; c < kLanes; ++c, target += target_stride) store_lanes(target, square[c], kRows);
}

/// The same for the edge of a matrix: rows and columns up to kLanes.
inline void transpose_edge(index_t rows, index_t columns, const float* source, index_t source_stride, float* target,
                           index_t target_stride) {
  Vec square[kLanes];
  for (index_t r = 0; r < kLanes; ++r) square[r] = r < rows ? load_lanes(source + r * source_stride, columns) : zero();
  transpose(square);
  for (index_t c = 0; c < columns; ++c) store_lanes(target + c * target_stride, square[c], rows);
}

/// target[j * target_stride + i] = source[i * source_stride + j].
inline void transpose_into(index_t rows, index_t columns, const float* source, index_t source_stride, float* target,
                           index_t target_stride) {
  for (index_t i = 0; i < rows; i += kLanes)
    for (index_t j = 0; j < columns; j += kLanes) {
      const index_t height = rows - i < kLanes ? rows - i : kLanes, width = columns - j < kLanes ? columns - j : kLanes;
      const float* const from = source + i * source_stride + j;
      float* const to = target + j * target_stride + i;
      if (height == kLanes && width == kLanes)
        transpose_rows<kLanes>(from, source_stride, to, target_stride, 0);
      else
        transpose_edge(height, width, from, source_stride, to, target_stride);
    }
}

/// The same for kRows rows, where target has no gaps.
template <index_t kRows>
inline void transpose_panel(index_t columns, const float* source, index_t source_stride, float* target) {
  const index_t square_columns = columns - columns % kLanes, ahead = kRows * source_stride;  // the next panel
  for (index_t j = 0; j < square_columns; j += kLanes) {
    for (index_t i = 0; i + kLanes <= kRows; i += kLanes)
      transpose_rows<kLanes>(source + i * source_stride + j, source_stride, target + j * kRows + i, kRows, ahead);
    constexpr index_t kLast = kRows % kLanes, kWhole = kRows - kLast;
    if constexpr (kLast > 0)
      transpose_rows<kLast>(source + kWhole * source_stride + j, source_stride, target + j * kRows + kWhole, kRows,
                            ahead);
  }
  transpose_into(kRows, columns - square_columns, source + square_columns, source_stride,
                 target + square_columns * kRows, kRows);
}

/// Panels from lanes that are neighbours: every step's lanes are read once, in order. A vector that is wider than the
/// panel also writes where its next step comes; only the last step stops at the edge.
template <index_t kWidth>
inline void pack_neighbours(const PackJob& job) {
  static_assert(kLanes <= 2 * kWidth);
  const auto put = [](float* target, Vec x, index_t n, bool is_last)
                       MOECLIP_INLINE_LAMBDA { is_last ? store_lanes(target, x, n) : store(target, x); };
  for (index_t p = 0; p < job.k; ++p) {
    const float* const source = job.source + p * job.k_stride;
    for (index_t lane = 0; lane < job.lanes; lane += kWidth) {
      float* const target = job.panels + lane * job.k + p * kWidth;
      MOECLIP_UNROLL
      for (index_t i = 0; i < kWidth; i += kLanes) {
        const index_t left = job.lanes - lane - i;
        put(target + i, left > 0 ? load_lanes(source + lane + i, left) : zero(), kWidth - i, p + 1 == job.k);
      }
    }
  }
}

template <index_t kWidth>
inline void pack_panels(const PackJob& job) noexcept {
  if (job.lane_stride == 1 && job.k_stride != 1) return pack_neighbours<kWidth>(job);
  for (index_t lane = 0; lane < job.lanes; lane += kWidth) {
    const index_t lanes = job.lanes - lane < kWidth ? job.lanes - lane : kWidth;
    const float* const source = job.source + lane * job.lane_stride;
    float* const panel = job.panels + lane * job.k;
    for (index_t i = 0; lanes < kWidth && i < kWidth * job.k; ++i) panel[i] = 0.0f;
    if (job.k_stride == 1 && lanes == kWidth) {
      transpose_panel<kWidth>(job.k, source, job.lane_stride, panel);
    } else if (job.k_stride == 1) {
      transpose_into(lanes, job.k, source, job.lane_stride, panel, kWidth);
    } else {
      for (index_t p = 0; p < job.k; ++p)
        for (index_t i = 0; i < lanes; ++i) panel[p * kWidth + i] = source[i * job.lane_stride + p * job.k_stride];
    }
  }
}

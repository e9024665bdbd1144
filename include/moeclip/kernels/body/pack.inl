// SPDX-License-Identifier: MIT
// Rearranging matrices: transposition, and the panels that the tile kernel reads front to back.

/// target[j * target_stride + i] = source[i * source_stride + j], in squares that fit the registers.
inline void transpose_into(index_t rows, index_t columns, const float* source, index_t source_stride, float* target,
                           index_t target_stride) {
  for (index_t i = 0; i < rows; i += kLanes) {
    const index_t height = rows - i < kLanes ? rows - i : kLanes;
    for (index_t j = 0; j < columns; j += kLanes) {
      const index_t width = columns - j < kLanes ? columns - j : kLanes;
      Vec square[kLanes];
      MOECLIP_UNROLL
      for (index_t r = 0; r < kLanes; ++r)
        square[r] = r < height ? load_lanes(source + (i + r) * source_stride + j, width) : zero();
      transpose(square);
      MOECLIP_UNROLL
      for (index_t c = 0; c < kLanes; ++c)
        if (c < width) store_lanes(target + (j + c) * target_stride + i, square[c], height);
    }
  }
}

/// The same for kRows rows and target rows without gaps.
template <index_t kRows>
inline void transpose_panel(index_t columns, const float* source, index_t source_stride, float* target) {
  index_t j = 0;
  for (; j + kLanes <= columns; j += kLanes) {
    MOECLIP_UNROLL
    for (index_t i = 0; i < kRows; i += kLanes) {
      Vec square[kLanes];
      MOECLIP_UNROLL
      for (index_t r = 0; r < kLanes; ++r)
        square[r] = i + r < kRows ? load(source + (i + r) * source_stride + j) : zero();
      transpose(square);
      MOECLIP_UNROLL
      for (index_t c = 0; c < kLanes; ++c) store_lanes(target + (j + c) * kRows + i, square[c], kRows - i);
    }
  }
  transpose_into(kRows, columns - j, source + j, source_stride, target + j * kRows, kRows);
}

template <index_t kWidth>
inline void pack_panels(const PackJob& job) noexcept {
  for (index_t lane = 0; lane < job.lanes; lane += kWidth) {
    const index_t lanes = job.lanes - lane < kWidth ? job.lanes - lane : kWidth;
    const float* const source = job.source + lane * job.lane_stride;
    float* const panel = job.panels + lane * job.k;
    for (index_t i = 0; lanes < kWidth && i < kWidth * job.k; ++i) panel[i] = 0.0f;
    if (job.k_stride == 1 && lanes == kWidth) {
      transpose_panel<kWidth>(job.k, source, job.lane_stride, panel);
    } else if (job.k_stride == 1) {
      transpose_into(lanes, job.k, source, job.lane_stride, panel, kWidth);
    } else if (job.lane_stride == 1) {
      for (index_t p = 0; p < job.k; ++p)
        for (index_t i = 0; i < lanes; i += kLanes)
          store_lanes(panel + p * kWidth + i, load_lanes(source + p * job.k_stride + i, lanes - i), lanes - i);
    } else {
      for (index_t p = 0; p < job.k; ++p)
        for (index_t i = 0; i < lanes; ++i) panel[p * kWidth + i] = source[i * job.lane_stride + p * job.k_stride];
    }
  }
}

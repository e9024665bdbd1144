// SPDX-License-Identifier: MIT
// Rows of bfloat16 for the kernels of body/narrow.inl, where there are dot products of them.

inline void pack_rows_bf16(const NarrowPackJob& job) noexcept {
  for (index_t i = 0; i < job.rows; ++i) {
    const float* const row = job.source + i * job.row_stride;
    std::uint32_t* const words = job.scratch + i * job.steps;
    index_t p = 0;
    for (; p + 2 * kLanes <= job.k; p += 2 * kLanes)
      Dot16::store_rounded(words + p / 2, load(row + p), load(row + p + kLanes));
    if (p == job.k) continue;
    std::uint32_t last[kLanes];
    const index_t left = job.k - p;
    Dot16::store_rounded(last, load_lanes(row + p, left),
                         left > kLanes ? load_some(row + p + kLanes, left - kLanes) : zero());
    for (index_t s = p / 2; s < job.steps; ++s) words[s] = last[s - p / 2];
  }
  transpose_words(job, job.steps);
}

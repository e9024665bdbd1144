// SPDX-License-Identifier: MIT
// Rows of floats become 8-bit integers for the kernels of body/narrow.inl (INT8-2 in this folder's README).

/// A row's range as integers see it: element = scale * (u - 128) + centre, u from 0 to 255.
struct RowRange {
  float lowest, inverse, scale, centre;
};

/// Range of k floats, zero included. A NaN or an infinity makes the scale NaN, and so all that comes of the row.
inline RowRange range_of(index_t k, const float* x) {
  Vec lowest = zero(), highest = zero(), poison = zero();
  for (index_t p = 0; p < k; p += kLanes) {
    const Vec part = load_lanes(x + p, k - p);
    lowest = min(lowest, part);
    highest = max(highest, part);
    poison = fma(part, zero(), poison);
  }
  const float low = -max_lane(sub(zero(), lowest)), width = max_lane(highest) - low;
  const bool is_wide = width > 1e-30f;  // below, the inverse would overflow: such a row counts as zeros
  const float scale = (is_wide ? width / 255.0f : 0.0f) + sum_lanes(poison);
  return {low, is_wide ? 255.0f / width : 0.0f, scale, low + 128.0f * scale};
}

/// u = round((x - lowest) * inverse) of a row, four to a word of b; what fills the last word counts for nothing, since
/// its partners are zeros.
inline void quantize_row(index_t k, const float* x, const RowRange& range, std::uint32_t* words, index_t steps) {
  auto* const bytes = reinterpret_cast<unsigned char*>(words + (Dot8::kHalves - 1) * steps);
  const Vec lowest = broadcast(range.lowest), inverse = broadcast(range.inverse);
  index_t p = 0;
  for (; p + kLanes <= k; p += kLanes) Dot8::store_bytes(bytes + p, round(mul(sub(load(x + p), lowest), inverse)));
  unsigned char last[kLanes] = {};
  if (p < k) Dot8::store_bytes(last, round(mul(sub(load_some(x + p, k - p), lowest), inverse)));
  for (index_t i = 0; p + i < 4 * steps; ++i) bytes[p + i] = p + i < k ? last[i] : 0;
  if constexpr (std::endian::native == std::endian::big)  // a word's first number is in its low bits
    for (index_t i = 0; i < 4 * steps; i += 4) {
      const unsigned char four[] = {bytes[i + 3], bytes[i + 2], bytes[i + 1], bytes[i]};
      std::memcpy(bytes + i, four, sizeof four);
    }
  if constexpr (Dot8::kHalves == 2) {  // in place: the bytes lie at the end
    const std::uint32_t* const whole = words + steps;
    for (index_t s = 0; s < steps; ++s) {
      const std::uint32_t word = whole[s];
      words[2 * s] = word & 0x00FF00FFu;
      words[2 * s + 1] = word >> 8 & 0x00FF00FFu;
    }
  }
}

inline void pack_rows_int8(const NarrowPackJob& job) noexcept {
  const index_t words = Dot8::kHalves * job.steps;
  for (index_t i = 0; i < job.rows; ++i) {
    const float* const row = job.source + i * job.row_stride;
    const RowRange range = range_of(job.k, row);
    job.scales[i] = range.scale;
    job.centres[i] = range.centre;
    quantize_row(job.k, row, range, job.scratch + i * words, job.steps);
  }
  transpose_words(job, words);
}

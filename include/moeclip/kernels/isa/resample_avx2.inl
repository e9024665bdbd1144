// SPDX-License-Identifier: MIT
// The loops of image resizing in AVX2; AVX-512 uses them too.

// Two pixels a step: a shuffle spreads the bytes R0 G0 B0 R1 G1 B1 over eight 32-bit lanes (0 in the fourth of each
// half), another the two weights over the halves. Four pixels are read at once, 16 bytes of which 12 count; columns so
// near to the end of the row that this would read beyond it take the portable loop.
inline void resample_row_rgb(const std::uint8_t* row, index_t width, const ResampleColumns& columns,
                             std::uint8_t* line) noexcept {
  const __m256i first_pair = _mm256_setr_epi8(0, -1, -1, -1, 1, -1, -1, -1, 2, -1, -1, -1, -1, -1, -1, -1,  //
                                              3, -1, -1, -1, 4, -1, -1, -1, 5, -1, -1, -1, -1, -1, -1, -1);
  const __m256i second_pair = _mm256_setr_epi8(6, -1, -1, -1, 7, -1, -1, -1, 8, -1, -1, -1, -1, -1, -1, -1,  //
                                               9, -1, -1, -1, 10, -1, -1, -1, 11, -1, -1, -1, -1, -1, -1, -1);
  const __m256i first_weights = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
  const __m256i second_weights = _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3);
  for (index_t column = 0; column < columns.columns; ++column, line += 3) {
    const index_t steps = (columns.count[column] + kWeightStep - 1) / kWeightStep;
    const index_t begin = 3 * columns.first[column];
    if (begin + 12 * steps + 4 > 3 * width) {
      resample_column<3>(row, columns, column, line);
      continue;
    }
    const std::int32_t* weight = columns.weight + column * columns.stride;
    const std::uint8_t* pixel = row + begin;
    __m256i even = _mm256_setzero_si256(), odd = even;
    for (index_t step = 0; step < steps; ++step, weight += kWeightStep, pixel += 12) {
      const __m256i pixels = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(pixel)));
      const __m256i weights = _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(weight)));
      even = _mm256_add_epi32(even, _mm256_mullo_epi32(_mm256_shuffle_epi8(pixels, first_pair),
                                                       _mm256_permutevar8x32_epi32(weights, first_weights)));
      odd = _mm256_add_epi32(odd, _mm256_mullo_epi32(_mm256_shuffle_epi8(pixels, second_pair),
                                                     _mm256_permutevar8x32_epi32(weights, second_weights)));
    }
    const __m256i both = _mm256_add_epi32(even, odd);
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    sum = _mm_srai_epi32(_mm_add_epi32(sum, _mm_set1_epi32(kWeightHalf)), kWeightBits);
    sum = _mm_packus_epi16(_mm_packs_epi32(sum, sum), sum);
    const int bytes = _mm_cvtsi128_si32(sum);
    std::memcpy(line, &bytes, 3);
  }
}

inline void add_weighted_row(const std::uint8_t* line, std::int32_t weight, index_t count,
                             std::int32_t* sums) noexcept {
  const __m256i weights = _mm256_set1_epi32(weight);
  index_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256i bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(line + i)));
    auto* sum = reinterpret_cast<__m256i*>(sums + i);
    _mm256_storeu_si256(sum, _mm256_add_epi32(_mm256_loadu_si256(sum), _mm256_mullo_epi32(bytes, weights)));
  }
  for (; i < count; ++i) sums[i] += weight * line[i];
}

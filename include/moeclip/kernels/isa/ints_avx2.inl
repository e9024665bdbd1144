// SPDX-License-Identifier: MIT
// What dot products of words share in AVX2; see isa/dot_scalar.inl for what each verb means.

struct Ints {
  using Words = __m256i;
  using Sum = __m256i;
  static constexpr bool kIsInteger = true;
  static constexpr bool kHasOffset = true;

  static void store_bytes(unsigned char* p, Vec x) {
    const __m256i whole = _mm256_cvtps_epi32(x);
    const __m128i pairs = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(pairs, pairs));
  }
  static Words broadcast_word(std::uint32_t word) { return _mm256_set1_epi32(static_cast<int>(word)); }
  static Words load_words(const std::uint32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static Sum no_sum() { return _mm256_setzero_si256(); }
  static Sum load_sum(const float* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static void store_sum(float* p, Sum x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x); }
  static Sum add_sums(Sum a, Sum b) { return _mm256_add_epi32(a, b); }
  static Sum load_offsets(const std::int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static Vec to_float(Sum x, Sum offset) { return _mm256_cvtepi32_ps(_mm256_sub_epi32(x, offset)); }
};

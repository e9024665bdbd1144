// SPDX-License-Identifier: MIT
// What dot products of words share in AVX-512; see isa/dot_scalar.inl for what each verb means.

struct Ints {
  using Words = __m512i;
  using Sum = __m512i;
  static constexpr bool kIsInteger = true;
  static constexpr bool kHasOffset = true;

  static void store_bytes(unsigned char* p, Vec x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)));
  }
  static Words broadcast_word(std::uint32_t word) { return _mm512_set1_epi32(static_cast<int>(word)); }
  static Words load_words(const std::uint32_t* p) { return _mm512_loadu_si512(p); }
  static Sum no_sum() { return _mm512_setzero_si512(); }
  static Sum load_sum(const float* p) { return _mm512_loadu_si512(p); }
  static void store_sum(float* p, Sum x) { _mm512_storeu_si512(p, x); }
  static Sum add_sums(Sum a, Sum b) { return _mm512_add_epi32(a, b); }
  static Sum load_offsets(const std::int32_t* p) { return _mm512_loadu_si512(p); }
  static Vec to_float(Sum x, Sum offset) { return _mm512_cvtepi32_ps(_mm512_sub_epi32(x, offset)); }
};

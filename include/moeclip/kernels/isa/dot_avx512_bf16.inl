// SPDX-License-Identifier: MIT
// Dot products of words of two bfloat16 in AVX512-BF16: products and sums of float, subnormal numbers count as zero.

struct Dot16 {
  using Words = __m512bh;
  using Sum = Vec;
  static constexpr bool kIsInteger = false;
  static constexpr int kHalves = 1;
  static constexpr index_t kNumbers = 2;

  static Words broadcast_word(std::uint32_t word) {
    return reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(word)));
  }
  static Words load_words(const std::uint32_t* p, int) { return reinterpret_cast<__m512bh>(_mm512_loadu_si512(p)); }
  static Sum no_sum() { return zero(); }
  static Sum load_sum(const float* p) { return load(p); }
  static void store_sum(float* p, Sum x) { store(p, x); }
  static Sum add_sums(Sum a, Sum b) { return add(a, b); }
  static Sum dot(Words a, Words b, Sum sum) {
#if defined(__GNUC__) && !defined(__clang__)
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));  // g++ 12 moves and spills sums, as in vec_avx512.inl
    return sum;
#else
    return _mm512_dpbf16_ps(sum, a, b);
#endif
  }

  /// 32 numbers, rounded to nearest, ties to even, as 16 words in the order in which they come.
  static void store_rounded(std::uint32_t* p, Vec first, Vec second) {
    _mm512_storeu_si512(p, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(second, first)));
  }

  /// 16 words, of which each holds a lane of `low` and the same lane of `high`, rounded likewise.
  static void store_pairs(std::uint32_t* p, Vec low, Vec high) {
    const __m512i lows = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(low)));
    const __m512i highs = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(high)));
    _mm512_storeu_si512(p, _mm512_or_si512(lows, _mm512_slli_epi32(highs, 16)));
  }
};

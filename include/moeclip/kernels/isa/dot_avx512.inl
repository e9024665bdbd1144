// SPDX-License-Identifier: MIT
// Dot products of words in AVX-512 without VNNI: as isa/dot_avx2.inl, twice as wide.

inline constexpr Isa kNarrowIsa = Isa::avx512;

struct Dot8 : Ints {
  static constexpr int kHalves = 2;
  static constexpr index_t kNumbers = 2;

  static Words load_words(const std::uint32_t* p, int half) {
    const __m512i words = Ints::load_words(p);
    return _mm512_srai_epi16(half == 0 ? _mm512_slli_epi16(words, 8) : words, 8);
  }
  static Sum dot(Words a, Words b, Sum sum) {
#if defined(__GNUC__) && !defined(__clang__)
    __m512i products;  // g++ 12 moves and spills sums, as in vec_avx512.inl
    __asm__("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+v"(sum), "=&v"(products) : "v"(a), "v"(b));
    return sum;
#else
    return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
#endif
  }
};

// SPDX-License-Identifier: MIT
// Dot products of words in AVX2. vpmaddubsw multiplies such operands as they are, but its sums of two saturate at
// 32767, and 2 * 255 * 127 is twice that. So both are widened to 16 bits, where vpmaddwd is exact: a word of b becomes
// its even, then its odd bytes, and a is packed so. Two instructions for 16 products, as it were two for 16 with
// vpmaddubsw and split operands.

inline constexpr Isa kNarrowIsa = Isa::avx2;

struct Dot8 : Ints {
  static constexpr int kHalves = 2;
  static constexpr index_t kNumbers = 2;

  static Words load_words(const std::uint32_t* p, int half) {
    const __m256i words = Ints::load_words(p);
    return _mm256_srai_epi16(half == 0 ? _mm256_slli_epi16(words, 8) : words, 8);
  }
  static Sum dot(Words a, Words b, Sum sum) {
#if defined(__GNUC__) && !defined(__clang__)
    __m256i products;  // g++ 12 moves and spills sums, as in vec_avx2.inl
    __asm__("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(sum), "=&x"(products) : "x"(a), "x"(b));
    return sum;
#else
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
#endif
  }
};

// SPDX-License-Identifier: MIT
// Dot products of words in AVX-VNNI: one instruction, whose sums do not saturate.

inline constexpr Isa kNarrowIsa = Isa::avx2_vnni;

struct Dot8 : Ints {
  static constexpr int kHalves = 1;
  static constexpr index_t kNumbers = 4;

  static Words load_words(const std::uint32_t* p, int) { return Ints::load_words(p); }
  static Sum dot(Words a, Words b, Sum sum) {
#if defined(__GNUC__) && !defined(__clang__)
    __asm__("%{vex%} vpdpbusd %2, %1, %0"
            : "+x"(sum)
            : "x"(a), "x"(b));  // g++ 12 moves and spills sums, as in vec_avx2.inl
    return sum;
#else
    return _mm256_dpbusd_avx_epi32(sum, a, b);
#endif
  }
};

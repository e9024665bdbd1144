// SPDX-License-Identifier: MIT
// The verbs of the kernels in AVX-512: sixteen floats. See isa/vec_scalar.inl for what each verb means.

using Vec = __m512;
inline constexpr Isa kIsa = Isa::avx512;
inline constexpr index_t kLanes = 16;

// 8 x 48: 24 of 32 registers for sums, 3 for b, 1 for a, and 11 loads for 24 multiply-adds, well below the two loads a
// cycle that L1 gives. Wide tiles ask least of L2, from where a streams: 128 / 48 bytes a cycle. On Sapphire Rapids or
// later 14x32, 12x32, 9x48 and 6x64 were no faster. Eight rows also divide the head width, so attention computes
// nothing in vain.
inline constexpr index_t kTileRows = 8, kTileVectors = 3;
// Few visits to a tile: the sums of K = 768 and 1024 are made in one go and leave the registers for c. A slice of b is
// then 192 KiB and comes from L2 at 192 bytes per 12 cycles, which costs nothing (99 % of the peak on Zen 5, as from
// L1).
inline constexpr index_t kKBlock = 1024;
// a 576 KiB, b 192 KiB: the 1 MiB L2 of Skylake-X, Zen 4 and Zen 5. Measured on Zen 5 at the shapes of ViT-L, k blocks
// of 192 to 384 are 3 to 6 % slower (tiles wait in L3), 512 1 to 3 %; 96 rows 4 % (b streams more often from L3).
inline constexpr index_t kBlockRows = 144, kBlockColumns = 4224;
// 264 x 48 weights are 50 KiB, part of them in L1 after exp, the others near in L2; 257 tokens are one block.
inline constexpr index_t kKeyBlock = 264;

inline __mmask16 first_lanes(index_t n) { return static_cast<__mmask16>((1u << n) - 1u); }

inline Vec zero() { return _mm512_setzero_ps(); }
inline Vec broadcast(float x) { return _mm512_set1_ps(x); }
inline Vec load(const float* p) { return _mm512_loadu_ps(p); }
inline Vec load_some(const float* p, index_t n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
inline void store(float* p, Vec x) { _mm512_storeu_ps(p, x); }
inline void store_some(float* p, Vec x, index_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), x); }
inline Vec keep_some(Vec x, index_t n) { return _mm512_maskz_mov_ps(first_lanes(n), x); }
inline Vec iota() { return _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }

inline Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
inline Vec div(Vec a, Vec b) { return _mm512_div_ps(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
inline Vec multiply_add(Vec a, Vec b, Vec c) {
#if defined(__GNUC__) && !defined(__clang__)
  // g++ 12 picks forms that overwrite a or b, and then moves and spills sums: the tile is 8 % slower.
  __asm__("vfmadd231ps %1, %2, %0" : "+v"(c) : "v"(a), "v"(b));
  return c;
#else
  return fma(a, b, c);
#endif
}
inline Vec fms(Vec a, Vec b, Vec c) { return _mm512_fmsub_ps(a, b, c); }
inline Vec fnma(Vec a, Vec b, Vec c) { return _mm512_fnmadd_ps(a, b, c); }
inline Vec max(Vec a, Vec b) { return _mm512_max_ps(a, b); }
inline Vec min(Vec a, Vec b) { return _mm512_min_ps(a, b); }
inline Vec abs(Vec a) { return _mm512_abs_ps(a); }
inline Vec select_less(Vec a, Vec b, Vec x, Vec y) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}
inline Vec round(Vec a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline Vec scale_by_power(Vec x, Vec n) { return _mm512_scalef_ps(x, n); }

inline float sum_lanes(Vec x) {
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  const __m128 quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  const __m128 pair = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
  return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
}
inline float max_lane(Vec x) {
  const __m256 half = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  const __m128 quarter = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  const __m128 pair = _mm_max_ps(quarter, _mm_movehl_ps(quarter, quarter));
  return _mm_cvtss_f32(_mm_max_ss(pair, _mm_movehdup_ps(pair)));
}

MOECLIP_ALWAYS_INLINE inline void prefetch(const float* p) {
  _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T1);
}

// Pairs, then quads within 128 bits, then two rounds of whole 128-bit pieces.
inline void transpose(Vec (&r)[kLanes]) {
  Vec t[kLanes];
  MOECLIP_UNROLL
  for (int i = 0; i < 16; i += 4) {
    const Vec low01 = _mm512_unpacklo_ps(r[i], r[i + 1]), high01 = _mm512_unpackhi_ps(r[i], r[i + 1]);
    const Vec low23 = _mm512_unpacklo_ps(r[i + 2], r[i + 3]), high23 = _mm512_unpackhi_ps(r[i + 2], r[i + 3]);
    t[i] = _mm512_shuffle_ps(low01, low23, 0x44);
    t[i + 1] = _mm512_shuffle_ps(low01, low23, 0xEE);
    t[i + 2] = _mm512_shuffle_ps(high01, high23, 0x44);
    t[i + 3] = _mm512_shuffle_ps(high01, high23, 0xEE);
  }
  MOECLIP_UNROLL
  for (int i = 0; i < 4; ++i) {  // t[4 g + i] holds columns i, 4 + i, 8 + i, 12 + i of rows 4 g .. 4 g + 3
    const Vec even01 = _mm512_shuffle_f32x4(t[i], t[4 + i], 0x88), odd01 = _mm512_shuffle_f32x4(t[i], t[4 + i], 0xDD);
    const Vec even23 = _mm512_shuffle_f32x4(t[8 + i], t[12 + i], 0x88);
    const Vec odd23 = _mm512_shuffle_f32x4(t[8 + i], t[12 + i], 0xDD);
    r[i] = _mm512_shuffle_f32x4(even01, even23, 0x88);
    r[4 + i] = _mm512_shuffle_f32x4(odd01, odd23, 0x88);
    r[8 + i] = _mm512_shuffle_f32x4(even01, even23, 0xDD);
    r[12 + i] = _mm512_shuffle_f32x4(odd01, odd23, 0xDD);
  }
}

// SPDX-License-Identifier: MIT
// The verbs of the kernels in AVX2 with FMA: eight floats. See isa/vec_scalar.inl for what each verb means.

using Vec = __m256;
inline constexpr Isa kIsa = Isa::avx2;
inline constexpr index_t kLanes = 8;

// 6 x 16: 12 of 16 registers for sums, 2 for b, 1 for a, and 8 loads for 12 multiply-adds. Measured on Sapphire Rapids
// against 4x24 and 5x16 with k blocks of 128 to 1024: at 97 to 99 % of the peak from L2 on g++ 12 and clang 14; the
// others are 1 to 5 % below with one compiler or both.
inline constexpr index_t kTileRows = 6, kTileVectors = 2;
// A slice of b is 16 KiB: half of the smallest L1, 32 KiB. Blocks of 1024 are up to 4 % faster where b comes from L3,
// but a sum of so many terms in one go took a gradient of the tiny model (released_separate_relu) beyond
// its bound.
inline constexpr index_t kKBlock = 256;
// Sums 288 KiB, a 96 KiB, b 16 KiB: the 512 KiB L2 of Zen; on older Intel (256 KiB) sums stream from L3, each once in
// 1536 cycles.
inline constexpr index_t kBlockRows = 96, kBlockColumns = 768;
inline constexpr index_t kKeyBlock = 128;  // 128 x 16 weights are 8 KiB: exp leaves them in L1 for the product

inline __m256i first_lanes(index_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

inline Vec zero() { return _mm256_setzero_ps(); }
inline Vec broadcast(float x) { return _mm256_set1_ps(x); }
inline Vec load(const float* p) { return _mm256_loadu_ps(p); }
inline Vec load_some(const float* p, index_t n) { return _mm256_maskload_ps(p, first_lanes(n)); }
inline void store(float* p, Vec x) { _mm256_storeu_ps(p, x); }
inline void store_some(float* p, Vec x, index_t n) { _mm256_maskstore_ps(p, first_lanes(n), x); }
inline Vec keep_some(Vec x, index_t n) { return _mm256_and_ps(x, _mm256_castsi256_ps(first_lanes(n))); }
inline Vec iota() { return _mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7); }

inline Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
inline Vec div(Vec a, Vec b) { return _mm256_div_ps(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
inline Vec multiply_add(Vec a, Vec b, Vec c) {
#if defined(__GNUC__) && !defined(__clang__)
  // g++ 12 picks forms that overwrite a or b, and then moves and spills sums: the tile is 8 % slower.
  __asm__("vfmadd231ps %1, %2, %0" : "+x"(c) : "x"(a), "x"(b));
  return c;
#else
  return fma(a, b, c);
#endif
}
inline Vec fms(Vec a, Vec b, Vec c) { return _mm256_fmsub_ps(a, b, c); }
inline Vec fnma(Vec a, Vec b, Vec c) { return _mm256_fnmadd_ps(a, b, c); }
inline Vec max(Vec a, Vec b) { return _mm256_max_ps(a, b); }
inline Vec min(Vec a, Vec b) { return _mm256_min_ps(a, b); }
inline Vec abs(Vec a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
inline Vec select_less(Vec a, Vec b, Vec x, Vec y) { return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ)); }
inline Vec round(Vec a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline Vec scale_by_power(Vec x, Vec n) {  // two factors, so that neither leaves the normal numbers
  const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1), bias = _mm256_set1_epi32(127);
  const __m256i first = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
  const __m256i second = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(whole, half), bias), 23);
  return _mm256_mul_ps(_mm256_mul_ps(x, _mm256_castsi256_ps(first)), _mm256_castsi256_ps(second));
}

inline float sum_lanes(Vec x) {
  const __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
}
inline float max_lane(Vec x) {
  const __m128 half = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 pair = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(pair, _mm_movehdup_ps(pair)));
}

MOECLIP_ALWAYS_INLINE inline void prefetch(const float* p) {
  _mm_prefetch(reinterpret_cast<const char*>(p), _MM_HINT_T1);
}

// Pairs, then quads within 128 bits, then halves.
inline void transpose(Vec (&r)[kLanes]) {
  Vec t[kLanes];
  MOECLIP_UNROLL
  for (int i = 0; i < 8; i += 4) {
    const Vec low01 = _mm256_unpacklo_ps(r[i], r[i + 1]), high01 = _mm256_unpackhi_ps(r[i], r[i + 1]);
    const Vec low23 = _mm256_unpacklo_ps(r[i + 2], r[i + 3]), high23 = _mm256_unpackhi_ps(r[i + 2], r[i + 3]);
    t[i] = _mm256_shuffle_ps(low01, low23, 0x44);
    t[i + 1] = _mm256_shuffle_ps(low01, low23, 0xEE);
    t[i + 2] = _mm256_shuffle_ps(high01, high23, 0x44);
    t[i + 3] = _mm256_shuffle_ps(high01, high23, 0xEE);
  }
  MOECLIP_UNROLL
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2f128_ps(t[i], t[4 + i], 0x20);
    r[4 + i] = _mm256_permute2f128_ps(t[i], t[4 + i], 0x31);
  }
}

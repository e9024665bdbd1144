// SPDX-License-Identifier: MIT
// The verbs of the kernels in WebAssembly's SIMD: four floats. See isa/vec_scalar.inl for what each verb means.

using Vec = v128_t;
inline constexpr Isa kIsa = Isa::simd128;
inline constexpr index_t kLanes = 4;

// 4 x 12: engines map vectors to the 16 registers of x86-64, where 12 are for sums, 2 for a and b and 1 for a product,
// since multiplication and addition are two instructions. Measured in V8 11 (node 20) on an EPYC (Zen 5): 21 GFLOP/s,
// as 6 x 8; 4 x 8 and 8 x 8 have 15, and 33 are the ceiling of such instructions.
inline constexpr index_t kTileRows = 4, kTileVectors = 3;
inline constexpr index_t kKBlock = 256;
inline constexpr index_t kBlockRows = 96, kBlockColumns = 480;  // sums 180 KiB, a 96 KiB: a 512 KiB L2
inline constexpr index_t kKeyBlock = 128;

inline v128_t first_lanes(index_t n) {
  return wasm_i32x4_lt(wasm_i32x4_const(0, 1, 2, 3), wasm_i32x4_splat(static_cast<std::int32_t>(n)));
}

inline Vec zero() { return wasm_f32x4_const_splat(0.0f); }
inline Vec broadcast(float x) { return wasm_f32x4_splat(x); }
inline Vec load(const float* p) { return wasm_v128_load(p); }
inline Vec load_some(const float* p, index_t n) {
  float lane[4] = {};
  for (index_t i = 0; i < n; ++i) lane[i] = p[i];
  return wasm_v128_load(lane);
}
inline void store(float* p, Vec x) { wasm_v128_store(p, x); }
inline void store_some(float* p, Vec x, index_t n) {
  float lane[4];
  wasm_v128_store(lane, x);
  for (index_t i = 0; i < n; ++i) p[i] = lane[i];
}
inline Vec keep_some(Vec x, index_t n) { return wasm_v128_and(x, first_lanes(n)); }
inline Vec iota() { return wasm_f32x4_const(0, 1, 2, 3); }

inline Vec add(Vec a, Vec b) { return wasm_f32x4_add(a, b); }
inline Vec sub(Vec a, Vec b) { return wasm_f32x4_sub(a, b); }
inline Vec mul(Vec a, Vec b) { return wasm_f32x4_mul(a, b); }
inline Vec div(Vec a, Vec b) { return wasm_f32x4_div(a, b); }
inline Vec multiply_add(Vec a, Vec b, Vec c) { return add(mul(a, b), c); }
// There is no instruction for it. Products of floats are exact in double; the sum is rounded to 53 bits and then to 24,
// which is at most 2^-29 of the last digit worse than once.
inline Vec fma(Vec a, Vec b, Vec c) {
  const auto half = [](Vec x, Vec y, Vec z) __attribute__((always_inline)) {
    const v128_t product = wasm_f64x2_mul(wasm_f64x2_promote_low_f32x4(x), wasm_f64x2_promote_low_f32x4(y));
    return wasm_f32x4_demote_f64x2_zero(wasm_f64x2_add(product, wasm_f64x2_promote_low_f32x4(z)));
  };
  const auto upper = [](Vec x) __attribute__((always_inline)) { return wasm_i64x2_shuffle(x, x, 1, 1); };
  return wasm_i64x2_shuffle(half(a, b, c), half(upper(a), upper(b), upper(c)), 0, 2);
}
inline Vec fms(Vec a, Vec b, Vec c) { return fma(a, b, wasm_f32x4_neg(c)); }
inline Vec fnma(Vec a, Vec b, Vec c) { return fma(wasm_f32x4_neg(a), b, c); }
inline Vec max(Vec a, Vec b) { return wasm_f32x4_pmax(b, a); }
inline Vec min(Vec a, Vec b) { return wasm_f32x4_pmin(b, a); }
inline Vec abs(Vec a) { return wasm_f32x4_abs(a); }
inline Vec select_less(Vec a, Vec b, Vec x, Vec y) { return wasm_v128_bitselect(x, y, wasm_f32x4_lt(a, b)); }
inline Vec round(Vec a) { return wasm_f32x4_nearest(a); }
inline Vec scale_by_power(Vec x, Vec n) {  // two factors, so that neither leaves the normal numbers
  const v128_t whole = wasm_i32x4_trunc_sat_f32x4(n), half = wasm_i32x4_shr(whole, 1), bias = wasm_i32x4_splat(127);
  const v128_t first = wasm_i32x4_shl(wasm_i32x4_add(half, bias), 23);
  const v128_t second = wasm_i32x4_shl(wasm_i32x4_add(wasm_i32x4_sub(whole, half), bias), 23);
  return mul(mul(x, first), second);
}

inline float sum_lanes(Vec x) {
  const Vec pair = add(x, wasm_i64x2_shuffle(x, x, 1, 1));
  return wasm_f32x4_extract_lane(pair, 0) + wasm_f32x4_extract_lane(pair, 1);
}
inline float max_lane(Vec x) {
  const Vec pair = max(x, wasm_i64x2_shuffle(x, x, 1, 1));
  return wasm_f32x4_extract_lane(max(pair, wasm_i32x4_shuffle(pair, pair, 1, 1, 1, 1)), 0);
}

inline void prefetch(const float*) {}

inline void transpose(Vec (&r)[kLanes]) {
  const Vec low01 = wasm_i32x4_shuffle(r[0], r[1], 0, 4, 1, 5), high01 = wasm_i32x4_shuffle(r[0], r[1], 2, 6, 3, 7);
  const Vec low23 = wasm_i32x4_shuffle(r[2], r[3], 0, 4, 1, 5), high23 = wasm_i32x4_shuffle(r[2], r[3], 2, 6, 3, 7);
  r[0] = wasm_i64x2_shuffle(low01, low23, 0, 2);
  r[1] = wasm_i64x2_shuffle(low01, low23, 1, 3);
  r[2] = wasm_i64x2_shuffle(high01, high23, 0, 2);
  r[3] = wasm_i64x2_shuffle(high01, high23, 1, 3);
}

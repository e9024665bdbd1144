// SPDX-License-Identifier: MIT
// The verbs of the kernels in NEON, 64-bit ARM: four floats. See isa/vec_scalar.inl for what each verb means.

using Vec = float32x4_t;
inline constexpr Isa kIsa = Isa::neon;
inline constexpr index_t kLanes = 4;

// 8 x 12: 24 of 32 registers for sums, 3 for b, 1 for a, and 11 loads for 24 multiply-adds. Cores with four FMA pipes
// of four cycles need at least 16 sums in flight. Run under an emulator only so far: sizes are reasoned, not measured.
inline constexpr index_t kTileRows = 8, kTileVectors = 3;
inline constexpr index_t kKBlock = 256;                         // a slice of b is 12 KiB: part of a 32 KiB L1
inline constexpr index_t kBlockRows = 96, kBlockColumns = 480;  // sums 180 KiB, a 96 KiB: a 512 KiB L2
inline constexpr index_t kKeyBlock = 128;  // 128 x 12 weights are 6 KiB: exp leaves them in L1 for the product

inline uint32x4_t first_lanes(index_t n) {
  constexpr std::uint32_t kIndex[4] = {0, 1, 2, 3};
  return vcltq_u32(vld1q_u32(kIndex), vdupq_n_u32(static_cast<std::uint32_t>(n)));
}

inline Vec zero() { return vdupq_n_f32(0.0f); }
inline Vec broadcast(float x) { return vdupq_n_f32(x); }
inline Vec load(const float* p) { return vld1q_f32(p); }
inline Vec load_some(const float* p, index_t n) {
  float lane[4] = {};
  for (index_t i = 0; i < n; ++i) lane[i] = p[i];
  return vld1q_f32(lane);
}
inline void store(float* p, Vec x) { vst1q_f32(p, x); }
inline void store_some(float* p, Vec x, index_t n) {
  float lane[4];
  vst1q_f32(lane, x);
  for (index_t i = 0; i < n; ++i) p[i] = lane[i];
}
inline Vec keep_some(Vec x, index_t n) {
  return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(x), first_lanes(n)));
}
inline Vec iota() {
  constexpr float kIndex[4] = {0, 1, 2, 3};
  return vld1q_f32(kIndex);
}

inline Vec add(Vec a, Vec b) { return vaddq_f32(a, b); }
inline Vec sub(Vec a, Vec b) { return vsubq_f32(a, b); }
inline Vec mul(Vec a, Vec b) { return vmulq_f32(a, b); }
inline Vec div(Vec a, Vec b) { return vdivq_f32(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }
inline Vec multiply_add(Vec a, Vec b, Vec c) { return fma(a, b, c); }
inline Vec fms(Vec a, Vec b, Vec c) { return vfmaq_f32(vnegq_f32(c), a, b); }
inline Vec fnma(Vec a, Vec b, Vec c) { return vfmsq_f32(c, a, b); }
inline Vec max(Vec a, Vec b) { return vmaxq_f32(a, b); }
inline Vec min(Vec a, Vec b) { return vminq_f32(a, b); }
inline Vec abs(Vec a) { return vabsq_f32(a); }
inline Vec select_less(Vec a, Vec b, Vec x, Vec y) { return vbslq_f32(vcltq_f32(a, b), x, y); }
inline Vec round(Vec a) { return vrndnq_f32(a); }
inline Vec scale_by_power(Vec x, Vec n) {  // two factors, so that neither leaves the normal numbers
  const int32x4_t whole = vcvtnq_s32_f32(n), half = vshrq_n_s32(whole, 1), bias = vdupq_n_s32(127);
  const int32x4_t first = vshlq_n_s32(vaddq_s32(half, bias), 23);
  const int32x4_t second = vshlq_n_s32(vaddq_s32(vsubq_s32(whole, half), bias), 23);
  return vmulq_f32(vmulq_f32(x, vreinterpretq_f32_s32(first)), vreinterpretq_f32_s32(second));
}

inline float sum_lanes(Vec x) { return vaddvq_f32(x); }
inline float max_lane(Vec x) { return vmaxvq_f32(x); }

MOECLIP_ALWAYS_INLINE inline void prefetch(const float* p) {
#if defined(__GNUC__)
  __builtin_prefetch(p);
#else
  static_cast<void>(p);
#endif
}

inline void transpose(Vec (&r)[kLanes]) {
  const float32x4x2_t t01 = vtrnq_f32(r[0], r[1]), t23 = vtrnq_f32(r[2], r[3]);
  r[0] = vcombine_f32(vget_low_f32(t01.val[0]), vget_low_f32(t23.val[0]));
  r[1] = vcombine_f32(vget_low_f32(t01.val[1]), vget_low_f32(t23.val[1]));
  r[2] = vcombine_f32(vget_high_f32(t01.val[0]), vget_high_f32(t23.val[0]));
  r[3] = vcombine_f32(vget_high_f32(t01.val[1]), vget_high_f32(t23.val[1]));
}

// SPDX-License-Identifier: MIT
// What dot products of words share in NEON, whose bytes all have a sign: a is stored as it is, without 128 on top. See
// isa/dot_scalar.inl for what each verb means.

struct Ints {
  using Words = int8x16_t;
  using Sum = int32x4_t;
  static constexpr bool kIsInteger = true;
  static constexpr bool kHasOffset = false;
  static constexpr int kHalves = 1;
  static constexpr index_t kNumbers = 4;

  static void store_bytes(unsigned char* p, Vec x) {
    const int16x4_t half = vmovn_s32(vsubq_s32(vcvtq_s32_f32(x), vdupq_n_s32(128)));
    const std::uint32_t word = vget_lane_u32(vreinterpret_u32_s8(vmovn_s16(vcombine_s16(half, half))), 0);
    std::memcpy(p, &word, sizeof word);
  }
  static Words broadcast_word(std::uint32_t word) { return vreinterpretq_s8_u32(vdupq_n_u32(word)); }
  static Words load_words(const std::uint32_t* p, int) { return vreinterpretq_s8_u32(vld1q_u32(p)); }
  static Sum no_sum() { return vdupq_n_s32(0); }
  static Sum load_sum(const float* p) { return vreinterpretq_s32_f32(vld1q_f32(p)); }
  static void store_sum(float* p, Sum x) { vst1q_f32(p, vreinterpretq_f32_s32(x)); }
  static Sum add_sums(Sum a, Sum b) { return vaddq_s32(a, b); }
  static Sum load_offsets(const std::int32_t* p) { return vld1q_s32(p); }
  static Vec to_float(Sum x, Sum offset) { return vcvtq_f32_s32(vsubq_s32(x, offset)); }
};

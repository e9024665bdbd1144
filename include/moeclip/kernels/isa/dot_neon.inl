// SPDX-License-Identifier: MIT
// Dot products of words in NEON without the instruction for them: products of 16 bits, added pair by pair.

inline constexpr Isa kNarrowIsa = Isa::neon;

struct Dot8 : Ints {
  static Sum dot(Words a, Words b, Sum sum) {
    const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    const int32x4_t high = vpaddlq_s16(vmull_high_s8(a, b));
    return vaddq_s32(sum, vpaddq_s32(low, high));
  }
};

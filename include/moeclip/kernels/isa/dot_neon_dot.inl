// SPDX-License-Identifier: MIT
// Dot products of words in NEON by the instruction for them.

inline constexpr Isa kNarrowIsa = Isa::neon_dot;

struct Dot8 : Ints {
  static Sum dot(Words a, Words b, Sum sum) { return vdotq_s32(sum, a, b); }
};

// SPDX-License-Identifier: MIT
// Dot products of words in WebAssembly's SIMD, as in isa/dot_avx2.inl: both operands are widened to 16 bits, a word of
// b becoming its even, then its odd bytes, for the instruction that sums two exact products.

inline constexpr Isa kNarrowIsa = Isa::simd128;

struct Dot8 {
  using Words = v128_t;
  using Sum = v128_t;
  static constexpr bool kIsInteger = true;
  static constexpr bool kHasOffset = true;
  static constexpr int kHalves = 2;
  static constexpr index_t kNumbers = 2;

  static void store_bytes(unsigned char* p, Vec x) {
    const v128_t whole = wasm_i32x4_trunc_sat_f32x4(x), pairs = wasm_i16x8_narrow_i32x4(whole, whole);
    const std::int32_t word = wasm_i32x4_extract_lane(wasm_u8x16_narrow_i16x8(pairs, pairs), 0);
    std::memcpy(p, &word, sizeof word);
  }
  static Words broadcast_word(std::uint32_t word) { return wasm_i32x4_splat(static_cast<std::int32_t>(word)); }
  static Words load_words(const std::uint32_t* p, int half) {
    const v128_t words = wasm_v128_load(p);
    return wasm_i16x8_shr(half == 0 ? wasm_i16x8_shl(words, 8) : words, 8);
  }
  static Sum no_sum() { return wasm_i32x4_const_splat(0); }
  static Sum load_sum(const float* p) { return wasm_v128_load(p); }
  static void store_sum(float* p, Sum x) { wasm_v128_store(p, x); }
  static Sum add_sums(Sum a, Sum b) { return wasm_i32x4_add(a, b); }
  static Sum load_offsets(const std::int32_t* p) { return wasm_v128_load(p); }
  static Vec to_float(Sum x, Sum offset) { return wasm_f32x4_convert_i32x4(wasm_i32x4_sub(x, offset)); }
  static Sum dot(Words a, Words b, Sum sum) { return wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(a, b)); }
};

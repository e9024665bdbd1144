// SPDX-License-Identifier: MIT
// The verbs of the kernels in plain C++: a vector of one float. This file is the definition of each verb; the others
// say the same for more lanes.

using Vec = float;
inline constexpr Isa kIsa = Isa::scalar;
inline constexpr index_t kLanes = 1;

// 4 x 4 sums, in the 16 registers that most machines have; blocks for a 256 KiB L2.
inline constexpr index_t kTileRows = 4, kTileVectors = 4;
inline constexpr index_t kKBlock = 256;
inline constexpr index_t kBlockRows = 96, kBlockColumns = 256;
inline constexpr index_t kKeyBlock = 128;

inline Vec zero() { return 0.0f; }
inline Vec broadcast(float x) { return x; }  // x in every lane
inline Vec load(const float* p) { return *p; }
inline Vec load_some(const float* p, index_t n) { return n > 0 ? *p : 0.0f; }  // the first n lanes, the others zero
inline void store(float* p, Vec x) { *p = x; }
inline void store_some(float* p, Vec x, index_t n) {  // the first n lanes
  if (n > 0) *p = x;
}
inline Vec keep_some(Vec x, index_t n) { return n > 0 ? x : 0.0f; }  // lanes from n on become zero
inline Vec iota() { return 0.0f; }                                   // lane number

inline Vec add(Vec a, Vec b) { return a + b; }
inline Vec sub(Vec a, Vec b) { return a - b; }
inline Vec mul(Vec a, Vec b) { return a * b; }
inline Vec div(Vec a, Vec b) { return a / b; }
inline Vec multiply_add(Vec a, Vec b, Vec c) {
  return a * b + c;
}  // for long sums: rounded once or twice, whichever is faster
inline Vec fma(Vec a, Vec b, Vec c) { return std::fma(a, b, c); }    // a b + c, rounded once
inline Vec fms(Vec a, Vec b, Vec c) { return std::fma(a, b, -c); }   // a b - c, rounded once
inline Vec fnma(Vec a, Vec b, Vec c) { return std::fma(-a, b, c); }  // c - a b, rounded once
inline Vec max(Vec a, Vec b) { return a > b ? a : b; }               // a NaN in b stays
inline Vec min(Vec a, Vec b) { return a < b ? a : b; }               // a NaN in b stays
inline Vec abs(Vec a) { return std::fabs(a); }
inline Vec select_less(Vec a, Vec b, Vec x, Vec y) { return a < b ? x : y; }  // a < b ? x : y
inline Vec round(Vec a) { return (a + 0x1.8p23f) - 0x1.8p23f; }               // to nearest, ties to even; |a| < 2^22
inline Vec scale_by_power(Vec x, Vec n) {                                     // x 2^n, n whole, |n| <= 252
  const int whole = n == n ? static_cast<int>(n) : 0, half = whole >> 1;      // of NaN only x matters
  const auto first = std::bit_cast<float>(static_cast<std::uint32_t>(half + 127) << 23);
  const auto second = std::bit_cast<float>(static_cast<std::uint32_t>(whole - half + 127) << 23);
  return x * first * second;
}

inline float sum_lanes(Vec x) { return x; }  // in a fixed order
inline float max_lane(Vec x) { return x; }

inline void prefetch(const float*) {}  // brings a cache line near; a hint

inline void transpose(Vec (&)[kLanes]) {}  // kLanes vectors as the rows of a square matrix

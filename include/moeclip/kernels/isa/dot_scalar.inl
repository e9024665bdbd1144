// SPDX-License-Identifier: MIT
// Dot products of words in plain C++. This file is the definition of each verb; the others say the same for more lanes.
// A word of a holds four unsigned integers of 8 bits, a word of b four signed ones.

inline constexpr Isa kNarrowIsa = Isa::scalar;

struct Dot8 {
  using Words = std::uint32_t;
  using Sum = std::int32_t;
  static constexpr bool kIsInteger = true;
  static constexpr bool kHasOffset = true;  // a is stored 128 larger than it is
  static constexpr int kHalves = 1;         // words of a for each word of b
  static constexpr index_t kNumbers = 4;    // multiplications of a lane in a dot product

  static void store_bytes(unsigned char* p, Vec x) {  // whole numbers from 0 to 255; anything of NaN
    *p = static_cast<unsigned char>(x > 0.0f && x < 256.0f ? static_cast<int>(x) : 0);
  }
  static Words broadcast_word(std::uint32_t word) { return word; }
  static Words load_words(const std::uint32_t* p, int) { return *p; }
  static Sum no_sum() { return 0; }
  static Sum load_sum(const float* p) { return std::bit_cast<std::int32_t>(*p); }  // tiles hold either kind
  static void store_sum(float* p, Sum x) { std::memcpy(p, &x, sizeof x); }
  static Sum add_sums(Sum a, Sum b) { return a + b; }
  static Sum load_offsets(const std::int32_t* p) { return *p; }
  static Vec to_float(Sum x, Sum offset) { return static_cast<float>(x - offset); }
  static Sum dot(Words a, Words b, Sum sum) {  // exact: below 2^31 for k up to 65536
    for (int i = 0; i < 32; i += 8)
      sum += static_cast<int>(a >> i & 0xFFu) * static_cast<int>(static_cast<signed char>(b >> i & 0xFFu));
    return sum;
  }
};

// SPDX-License-Identifier: MIT
#pragma once
// Coefficients of VP8 (RFC 6386, sections 13 and 14): reading the tokens of a 4x4 block, and the two transforms back to
// samples.

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "lossy_header.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

using Vp8Block = std::array<std::int16_t, 16>;

/// What the tokens of a block tell: how far they go, with zeros counted, and whether there is anything at all.
struct Vp8Tokens {
  Vp8Bits& bits;
  const Vp8Header& header;

  /// Reads a block of the kind `kind` from coefficient `first` on, after `context` of its two neighbours with
  /// coefficients. Returns one more than the place of the last one.
  int read(std::size_t kind, int first, int context, Vp8Steps steps, Vp8Block& out) {
    constexpr std::array<std::uint8_t, 16> kPlaces{0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15};
    const std::uint8_t* p = chances(kind, first, context);
    for (int n = first; n < 16; ++n) {
      if (!bits.bit(p[0])) return n;
      while (!bits.bit(p[1])) {
        if (++n == 16) return 16;
        p = chances(kind, n, 0);
      }
      const bool is_one = !bits.bit(p[2]);
      const int value = is_one ? 1 : large_value(p);
      const int step = n == 0 ? steps.first : steps.others;
      out[kPlaces[static_cast<std::size_t>(n)]] = static_cast<std::int16_t>((bits.bit(128) ? -value : value) * step);
      if (n < 15) p = chances(kind, n + 1, is_one ? 1 : 2);
    }
    return 16;
  }

 private:
  [[nodiscard]] const std::uint8_t* chances(std::size_t kind, int place, int context) const {
    constexpr std::array<std::uint8_t, 16> kBands{0, 1, 2, 3, 6, 4, 5, 6, 6, 6, 6, 6, 6, 6, 6, 7};
    const std::size_t band = kBands[static_cast<std::size_t>(place)];
    return header.token_chances.data() + ((kind * 8 + band) * 3 + static_cast<std::size_t>(context)) * 11;
  }

  int large_value(const std::uint8_t* p) {
    if (!bits.bit(p[3])) {
      if (!bits.bit(p[4])) return 2;
      return 3 + (bits.bit(p[5]) ? 1 : 0);
    }
    if (!bits.bit(p[6])) {
      if (!bits.bit(p[7])) return 5 + (bits.bit(159) ? 1 : 0);
      const int high = bits.bit(165) ? 2 : 0;
      return 7 + high + (bits.bit(145) ? 1 : 0);
    }
    constexpr std::array<std::array<std::uint8_t, 12>, 4> kExtra{
        {{173, 148, 140},
         {176, 155, 140, 135},
         {180, 157, 141, 134, 130},
         {254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129}}};
    const std::size_t high = bits.bit(p[8]) ? 1 : 0, category = 2 * high + (bits.bit(p[9 + high]) ? 1 : 0);
    int value = 0;
    for (const std::uint8_t* chance = kExtra[category].data(); *chance != 0; ++chance)
      value = 2 * value + (bits.bit(*chance) ? 1 : 0);
    return value + 3 + (8 << category);
  }
};

/// The Walsh-Hadamard transform: `in` becomes the first coefficients of 16 blocks.
inline void vp8_inverse_wht(const Vp8Block& in, std::span<Vp8Block> out) {
  std::array<int, 16> half{};
  for (std::size_t i = 0; i < 4; ++i) {
    const int a = in[i] + in[12 + i], b = in[4 + i] + in[8 + i], c = in[4 + i] - in[8 + i], d = in[i] - in[12 + i];
    half[i] = a + b, half[4 + i] = d + c, half[8 + i] = a - b, half[12 + i] = d - c;
  }
  for (std::size_t i = 0; i < 16; i += 4) {
    const int first = half[i] + 3;  // rounds
    const int a = first + half[i + 3], b = half[i + 1] + half[i + 2], c = half[i + 1] - half[i + 2],
              d = first - half[i + 3];
    const std::array<int, 4> row{a + b, d + c, a - b, d - c};
    for (std::size_t k = 0; k < 4; ++k) out[i + k][0] = static_cast<std::int16_t>(row[k] >> 3);
  }
}

/// Adds the inverse DCT of `in` to 4x4 samples.
inline void vp8_add_idct(const Vp8Block& in, std::uint8_t* samples, index_t stride) {
  // Hostile coefficients overflow 32 bits, so 64 are multiplied.
  const auto part = [](int a, std::int64_t factor) { return static_cast<int>(a * factor >> 16); };
  const auto by_sin = [&](int a) { return part(a, 35468); };      // sqrt(2) sin(pi/8)
  const auto by_cos = [&](int a) { return part(a, 20091) + a; };  // sqrt(2) cos(pi/8)
  std::array<int, 16> half{};
  for (std::size_t i = 0; i < 4; ++i) {
    const int a = in[i] + in[8 + i], b = in[i] - in[8 + i];
    const int c = by_sin(in[4 + i]) - by_cos(in[12 + i]), d = by_cos(in[4 + i]) + by_sin(in[12 + i]);
    half[i] = a + d, half[4 + i] = b + c, half[8 + i] = b - c, half[12 + i] = a - d;
  }
  for (std::size_t y = 0; y < 16; y += 4, samples += stride) {
    const int a = half[y] + 4 + half[y + 2], b = half[y] + 4 - half[y + 2];
    const int c = by_sin(half[y + 1]) - by_cos(half[y + 3]), d = by_cos(half[y + 1]) + by_sin(half[y + 3]);
    const std::array<int, 4> row{a + d, b + c, b - c, a - d};
    for (std::size_t x = 0; x < 4; ++x)
      samples[x] = static_cast<std::uint8_t>(std::clamp(samples[x] + (row[x] >> 3), 0, 255));
  }
}

}}}  // namespace moeclip::abi_v0_1::detail

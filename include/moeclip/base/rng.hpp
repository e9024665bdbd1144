// SPDX-License-Identifier: MIT
#pragma once
// Counter-based random numbers: element i of the stream (seed, name) is a pure function of the three, so any element
// can be made alone, in any order, on any number of threads. The function is splitmix64 keyed by the FNV-1a hash of
// the name (RNG-1 in this folder's README); the golden data uses the same one, so its inputs can be remade here bit for
// bit.

#include <cstdint>
#include <string_view>

#include "types.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// FNV-1a, 64 bits, over the bytes of `text`.
constexpr std::uint64_t fnv1a64(std::string_view text) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const char letter : text) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001B3u;
  return hash;
}

/// The stream (seed, name).
class Rng {
 public:
  /// Every pair of seed and name has a stream of its own. The name is hashed, not kept.
  constexpr Rng(std::uint64_t seed, std::string_view name) : key_(mix(seed * kGolden + fnv1a64(name))) {}

  /// 64 random bits of element i.
  [[nodiscard]] constexpr std::uint64_t bits(index_t i) const {
    return mix(key_ + (static_cast<std::uint64_t>(i) + 1) * kGolden);
  }

  /// Uniform in [offset - scale, offset + scale), on a grid of 2^24 points; evaluated in double, rounded once.
  [[nodiscard]] constexpr float uniform(index_t i, float scale = 1.0f, float offset = 0.0f) const {
    const double unit = static_cast<double>(bits(i) >> 40) / 8388608.0 - 1.0;
    return static_cast<float>(static_cast<double>(offset) + static_cast<double>(scale) * unit);
  }

  /// Uniform in [0, 1), 53 bits.
  [[nodiscard]] constexpr double unit(index_t i) const { return static_cast<double>(bits(i) >> 11) * 0x1p-53; }

  /// Integer in [low, high), high - low below 2^32. The bias is below (high - low) / 2^32.
  [[nodiscard]] constexpr std::int64_t integer(index_t i, std::int64_t low, std::int64_t high) const {
    return low + static_cast<std::int64_t>(((bits(i) >> 32) * static_cast<std::uint64_t>(high - low)) >> 32);
  }

 private:
  static constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15u;  // 2^64 / golden ratio

  static constexpr std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  std::uint64_t key_;
};

}}  // namespace moeclip::abi_v0_1

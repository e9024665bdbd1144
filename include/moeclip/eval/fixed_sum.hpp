// SPDX-License-Identifier: MIT
#pragma once
// Sums of fractions that come out as the same bits in every order: fixed point, 64 bits before and 64 after the point.
// Adding integers is associative, adding doubles is not, and tables of parts of a data set must merge to the table of
// the whole.

#include <cstdint>

#include "../base/version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

struct FixedSum {
  std::uint64_t whole = 0;
  std::uint64_t fraction = 0;  ///< in units of 2^-64

  /// 1 / n, rounded down; 0 for n = 0.
  static constexpr FixedSum reciprocal(std::uint64_t n) {
    if (n <= 1) return {n, 0};
    constexpr std::uint64_t kMost = ~std::uint64_t{0};  // 2^64 - 1, one short of what is divided
    return {0, kMost / n + (kMost % n == n - 1 ? 1 : 0)};
  }

  constexpr FixedSum& operator+=(const FixedSum& other) {
    fraction += other.fraction;
    whole += other.whole + (fraction < other.fraction ? 1 : 0);
    return *this;
  }

  [[nodiscard]] constexpr double value() const {
    return static_cast<double>(whole) + static_cast<double>(fraction) * 0x1p-64;
  }

  friend constexpr bool operator==(const FixedSum&, const FixedSum&) = default;
};

}}  // namespace moeclip::abi_v0_1

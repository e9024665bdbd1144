// SPDX-License-Identifier: MIT
#pragma once
// Sums of fractions that have the same bits in whatever order they are added: fixed-point numbers with 64 bits before
// and 64 after the point. Adding integers is associative, adding doubles is not, and tables of parts of a data set must
// merge to the table of the whole.

#include <cstdint>

#include "../base/version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A number that is not negative, below 2^64, in steps of 2^-64.
struct FixedSum {
  std::uint64_t whole = 0;     ///< the part before the point
  std::uint64_t fraction = 0;  ///< in units of 2^-64

  /// 1 / n, rounded down; 0 for n = 0.
  static constexpr FixedSum reciprocal(std::uint64_t n) {
    if (n <= 1) return {n, 0};
    constexpr std::uint64_t kMost = ~std::uint64_t{0};  // 2^64 - 1, one short of what is divided
    return {0, kMost / n + (kMost % n == n - 1 ? 1 : 0)};
  }

  /// Adds exactly; the sum must stay below 2^64.
  constexpr FixedSum& operator+=(const FixedSum& other) {
    fraction += other.fraction;
    whole += other.whole + (fraction < other.fraction ? 1 : 0);
    return *this;
  }

  /// The number as a double, rounded.
  [[nodiscard]] constexpr double value() const {
    return static_cast<double>(whole) + static_cast<double>(fraction) * 0x1p-64;
  }

  friend constexpr bool operator==(const FixedSum&, const FixedSum&) = default;
};

}}  // namespace moeclip::abi_v0_1

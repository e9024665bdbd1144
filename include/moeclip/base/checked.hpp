// SPDX-License-Identifier: MIT
#pragma once
// Checked arithmetic on sizes that come from files. Every product, sum and narrowing of an untrusted number goes
// through here; overflow is an `Error` that names the place, never a wrapped value.

#include <cstdint>
#include <limits>
#include <string_view>

#include "error.hpp"
#include "types.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// a + b. Throws limit, naming `what`, if the sum does not fit 64 bits.
inline std::uint64_t checked_add(std::uint64_t a, std::uint64_t b, std::string_view what) {
  if (b > (std::numeric_limits<std::uint64_t>::max)() - a)
    fail(ErrorCode::limit, concat(what, ": ", a, " + ", b, " does not fit 64 bits"));
  return a + b;
}

/// a * b. Throws limit, naming `what`, if the product does not fit 64 bits.
inline std::uint64_t checked_mul(std::uint64_t a, std::uint64_t b, std::string_view what) {
  if (a != 0 && b > (std::numeric_limits<std::uint64_t>::max)() / a)
    fail(ErrorCode::limit, concat(what, ": ", a, " * ", b, " does not fit 64 bits"));
  return a * b;
}

/// `value` as an element count. Throws limit, naming `what`, if it does not fit index_t.
inline index_t checked_index(std::uint64_t value, std::string_view what) {
  if (value > static_cast<std::uint64_t>((std::numeric_limits<index_t>::max)()))
    fail(ErrorCode::limit, concat(what, ": ", value, " is too large"));
  return static_cast<index_t>(value);
}

/// True if [offset, offset + length) lies inside [0, size). Never overflows.
constexpr bool range_fits(std::uint64_t offset, std::uint64_t length, std::uint64_t size) {
  return offset <= size && length <= size - offset;
}

}}  // namespace moeclip::abi_v0_1

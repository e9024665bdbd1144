// SPDX-License-Identifier: MIT
#pragma once
// The integer type that counts elements. It is signed, so that differences and reverse loops need no special care.

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Counts elements, rows, bytes and positions: 64 bits on every machine, so that sizes which are refused as too large
/// do not wrap before they are looked at.
using index_t = std::conditional_t<sizeof(std::ptrdiff_t) == sizeof(std::int64_t), std::ptrdiff_t, std::int64_t>;

}}  // namespace moeclip::abi_v0_1

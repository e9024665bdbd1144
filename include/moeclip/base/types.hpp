// SPDX-License-Identifier: MIT
#pragma once
// The integer type that counts elements. It is signed, so that differences and reverse loops need no special care.

#include <cstddef>

#include "version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Counts elements, rows, bytes and positions; 64 bits on a 64-bit machine.
using index_t = std::ptrdiff_t;

}}  // namespace moeclip::abi_v0_1

// SPDX-License-Identifier: MIT
#pragma once
// The integer that counts elements. Signed, so that differences and reverse loops need no care.

#include <cstddef>

#include "version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

using index_t = std::ptrdiff_t;

}}  // namespace moeclip::abi_v0_1

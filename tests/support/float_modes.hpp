// SPDX-License-Identifier: MIT
#pragma once
// What callers do to the arithmetic of their threads.

#include <moeclip/base/float_scope.hpp>
#include <vector>

/// Modes of this processor: as a program starts, rounded upwards, and with subnormals flushed.
inline std::vector<moeclip::FloatMode> float_modes() {
#if defined(__x86_64__)
  return {0x1f80, 0x1f80 | 0x4000, 0x1f80 | 0x8000 | 0x40};
#elif defined(__aarch64__)
  return {0, 1u << 22, 1u << 24};
#else
  return {moeclip::float_mode()};
#endif
}

/// A third, rounded by the processor as it is told at the time.
inline float one_third() {
  volatile float one = 1, three = 3;
  return one / three;
}

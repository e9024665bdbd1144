// SPDX-License-Identifier: MIT
#pragma once
// How the processor computes while the library does. Callers set it for themselves (a library built with -ffast-math
// flushes subnormals in the whole thread, interval arithmetic rounds upwards, a debugger traps on NaN), and subnormal
// numbers make some processors a hundred times slower. So whatever computes does it in one mode, which makes results
// independent of the caller's, and gives the caller's back.

#include <cstdint>

#include "version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// How one thread computes: rounding, subnormals, traps, and which exceptions there were (MXCSR, FPCR).
using FloatMode = std::uint64_t;

/// The library's mode: rounded to nearest, nothing traps, and subnormal numbers count as zero.
FloatMode library_float_mode() noexcept;
/// The calling thread's mode; 0 on processors that it is not known for.
FloatMode float_mode() noexcept;
/// Sets the calling thread's mode, to one that was got from these functions.
void set_float_mode(FloatMode mode) noexcept;

/// While it lives, the calling thread computes in the library's mode (or another); then in the one it had before, down
/// to the flags of past exceptions. All that computes for a caller begins with one; they may be nested.
class FloatScope {
 public:
  /// Sets the mode of the calling thread.
  explicit FloatScope(FloatMode mode = library_float_mode()) noexcept : before_(float_mode()) {
    if (before_ != mode) set_float_mode(mode);
  }
  ~FloatScope() {
    if (float_mode() != before_) set_float_mode(before_);
  }
  FloatScope(const FloatScope&) = delete;
  FloatScope& operator=(const FloatScope&) = delete;

 private:
  FloatMode before_;
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_BASE)

namespace moeclip { inline namespace abi_v0_1 {

#if defined(__x86_64__)

MOECLIP_FUNC FloatMode library_float_mode() noexcept {
  constexpr FloatMode kNoTraps = 0x1f80, kFlushResults = 0x8000, kFlushOperands = 0x40;
  return kNoTraps | kFlushResults | kFlushOperands;
}

MOECLIP_FUNC FloatMode float_mode() noexcept { return __builtin_ia32_stmxcsr(); }
MOECLIP_FUNC void set_float_mode(FloatMode mode) noexcept { __builtin_ia32_ldmxcsr(static_cast<unsigned>(mode)); }

#elif defined(__aarch64__)

// NOLINTBEGIN(hicpp-no-assembler): there is no other way to these registers that both compilers know
MOECLIP_FUNC FloatMode library_float_mode() noexcept {
  constexpr FloatMode kFlush = FloatMode{1} << 24;
  return kFlush;
}

MOECLIP_FUNC FloatMode float_mode() noexcept {
  std::uint64_t control, flags;
  asm volatile("mrs %0, fpcr" : "=r"(control) : : "memory");
  asm volatile("mrs %0, fpsr" : "=r"(flags) : : "memory");
  return control | flags << 32;
}

MOECLIP_FUNC void set_float_mode(FloatMode mode) noexcept {
  asm volatile("msr fpcr, %0" : : "r"(mode & 0xffffffffu) : "memory");
  asm volatile("msr fpsr, %0" : : "r"(mode >> 32) : "memory");
}
// NOLINTEND(hicpp-no-assembler)

#else

MOECLIP_FUNC FloatMode library_float_mode() noexcept { return 0; }
MOECLIP_FUNC FloatMode float_mode() noexcept { return 0; }
MOECLIP_FUNC void set_float_mode(FloatMode) noexcept {}

#endif

}}  // namespace moeclip::abi_v0_1

#endif

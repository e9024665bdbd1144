// SPDX-License-Identifier: MIT
#pragma once
// Instruction sets: which ones this build contains, which ones this machine runs, and which one is in use. The one in
// use is chosen when it is first asked for: the one that the environment variable MOECLIP_ISA names if it is set,
// otherwise the widest that the machine supports.

#include <array>
#include <atomic>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "../base/error.hpp"

// The kernels of an instruction set are compiled where its architecture is; nothing here depends on -m flags.
#if (defined(__x86_64__) || defined(_M_X64)) && !defined(MOECLIP_DISABLE_AVX2)
#define MOECLIP_HAS_AVX2 1
#else
#define MOECLIP_HAS_AVX2 0
#endif
#if (defined(__x86_64__) || defined(_M_X64)) && !defined(MOECLIP_DISABLE_AVX512)
#define MOECLIP_HAS_AVX512 1
#else
#define MOECLIP_HAS_AVX512 0
#endif
#if (defined(__aarch64__) || defined(_M_ARM64)) && !defined(MOECLIP_DISABLE_NEON)
#define MOECLIP_HAS_NEON 1
#else
#define MOECLIP_HAS_NEON 0
#endif
#if defined(__wasm__) && !defined(MOECLIP_DISABLE_SIMD128)
#define MOECLIP_HAS_SIMD128 1
#else
#define MOECLIP_HAS_SIMD128 0
#endif

#if defined(_MSC_VER) && defined(_M_X64)
#include <intrin.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#elif defined(__linux__) && defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace moeclip { inline namespace abi_v0_1 { namespace kernels {

/// An instruction set that there are kernels for. Those with something behind a name add dot products of narrow numbers
/// (table.hpp) and have the float kernels of the set in front of it.
enum class Isa {
  scalar,       ///< plain C++, any machine
  avx2,         ///< x86-64 with AVX2 and FMA: since Haswell (2013) and Zen (2017)
  avx2_vnni,    ///< ... and AVX-VNNI, dot products of 8-bit integers: since Alder Lake (2021) and Zen 5 (2024)
  avx512,       ///< x86-64 with AVX-512 F, BW, DQ and VL: since Skylake-X (2017) and Zen 4 (2022)
  avx512_vnni,  ///< ... and AVX512-VNNI, dot products of 8-bit integers: since Cascade Lake (2019) and Zen 4
  avx512_bf16,  ///< ... and AVX512-BF16, dot products of bfloat16: since Cooper Lake (2020) and Zen 4
  neon,         ///< every 64-bit ARM
  neon_dot,     ///< ... and dot products of 8-bit integers: since Cortex-A75 (2017), all of Apple's M
  simd128,      ///< WebAssembly with SIMD: every browser since 2023
};

/// The name of the enumerator, as MOECLIP_ISA spells it.
inline const char* to_string(Isa isa) {
  switch (isa) {
    case Isa::scalar: return "scalar";
    case Isa::avx2: return "avx2";
    case Isa::avx2_vnni: return "avx2_vnni";
    case Isa::avx512: return "avx512";
    case Isa::avx512_vnni: return "avx512_vnni";
    case Isa::avx512_bf16: return "avx512_bf16";
    case Isa::neon: return "neon";
    case Isa::neon_dot: return "neon_dot";
    case Isa::simd128: return "simd128";
  }
  return "unknown";
}

/// The set whose float kernels `isa` has: avx512 for avx512_bf16.
constexpr Isa base_of(Isa isa) {
  switch (isa) {
    case Isa::avx2_vnni: return Isa::avx2;
    case Isa::avx512_vnni:
    case Isa::avx512_bf16: return Isa::avx512;
    case Isa::neon_dot: return Isa::neon;
    default: return isa;
  }
}

namespace detail {

inline constexpr auto kCompiled = std::to_array<Isa>({
  Isa::scalar,
#if MOECLIP_HAS_AVX2
      Isa::avx2, Isa::avx2_vnni,
#endif
#if MOECLIP_HAS_AVX512
      Isa::avx512, Isa::avx512_vnni, Isa::avx512_bf16,
#endif
#if MOECLIP_HAS_NEON
      Isa::neon, Isa::neon_dot,
#endif
#if MOECLIP_HAS_SIMD128
      Isa::simd128,
#endif
});

#if defined(__x86_64__) || defined(_M_X64)
/// Registers that CPUID fills: EAX, EBX, ECX, EDX.
struct CpuId {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

/// Zeros if the machine does not know the leaf.
inline CpuId cpu_id(unsigned leaf, unsigned part) {
  CpuId id;
#if defined(_MSC_VER) && defined(_M_X64)
  int values[4];
  __cpuid(values, 0);
  if (static_cast<unsigned>(values[0]) < leaf) return id;
  __cpuidex(values, static_cast<int>(leaf), static_cast<int>(part));
  id = {static_cast<unsigned>(values[0]), static_cast<unsigned>(values[1]), static_cast<unsigned>(values[2]),
        static_cast<unsigned>(values[3])};
#else
  __get_cpuid_count(leaf, part, &id.a, &id.b, &id.c, &id.d);
#endif
  return id;
}

#if defined(_MSC_VER) && defined(_M_X64)
// Feature bits as in the Intel manual, volume 2, CPUID leaves 1 and 7; XCR0 says what the system saves.
inline bool has_base(Isa isa) {
  const CpuId leaf1 = cpu_id(1, 0), leaf7 = cpu_id(7, 0);
  const bool has_xsave = (leaf1.c >> 27 & 1) != 0;
  const unsigned long long saved = has_xsave ? _xgetbv(0) : 0;
  constexpr unsigned kAvx2 = 1u << 5, kAvx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;  // F, DQ, BW, VL
  const bool has_avx2 = (saved & 6) == 6 && (leaf1.c >> 12 & 1) != 0 && (leaf7.b & kAvx2) != 0;
  if (isa == Isa::avx2) return has_avx2;
  return isa == Isa::avx512 && has_avx2 && (saved & 0xE6) == 0xE6 && (leaf7.b & kAvx512) == kAvx512;
}
#else
inline bool has_base(Isa isa) {
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (isa == Isa::avx2) return has_avx2;
  return isa == Isa::avx512 && has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

// Dot products need no registers of their own, so that the system saves what it must if it does for the base.
inline bool machine_has(Isa isa) {
  if (!has_base(base_of(isa))) return false;
  const bool has_vnni = (cpu_id(7, 0).c >> 11 & 1) != 0;
  const CpuId more = cpu_id(7, 1);
  if (isa == Isa::avx2_vnni) return (more.a >> 4 & 1) != 0;
  if (isa == Isa::avx512_vnni) return has_vnni;
  return isa != Isa::avx512_bf16 || (has_vnni && (more.a >> 5 & 1) != 0);
}
#elif defined(__linux__) && defined(__aarch64__)
inline bool machine_has(Isa isa) {
  constexpr unsigned long kDotProducts = 1ul << 20;  // HWCAP_ASIMDDP
  return isa == Isa::neon || (isa == Isa::neon_dot && (getauxval(AT_HWCAP) & kDotProducts) != 0);
}
#else
// NEON is part of the base instruction set of 64-bit ARM, and where a module of WebAssembly with SIMD loads, it runs.
inline bool machine_has(Isa isa) { return isa == Isa::neon || isa == Isa::simd128; }
#endif

inline constexpr int kUndecided = -1;
inline constinit std::atomic<int> active_isa{kUndecided};

}  // namespace detail

/// The instruction sets in this build, slowest first.
inline std::span<const Isa> compiled() { return detail::kCompiled; }

/// True if `isa` is in this build and this machine runs it.
inline bool supported(Isa isa) {
  for (const Isa candidate : compiled())
    if (candidate == isa) return isa == Isa::scalar || detail::machine_has(isa);
  return false;
}

namespace detail {

inline std::string supported_names() {
  std::string names;
  for (const Isa isa : compiled())
    if (supported(isa)) names += concat(names.empty() ? "" : ", ", to_string(isa));
  return names;
}

inline Isa detect() {
  if (const char* wanted = std::getenv("MOECLIP_ISA"); wanted != nullptr && *wanted != '\0') {
    for (const Isa isa : compiled())
      if (supported(isa) && std::string_view(wanted) == to_string(isa)) return isa;
    fail(ErrorCode::unsupported, concat("MOECLIP_ISA is \"", wanted, "\"; this program on this machine has ",
                                        supported_names(), ". Unset it to use the fastest."));
  }
  Isa best = Isa::scalar;
  for (const Isa isa : compiled())
    if (supported(isa)) best = isa;
  return best;
}

}  // namespace detail

/// The instruction set in use. Throws unsupported if MOECLIP_ISA names one that is not there.
inline Isa active_isa() {
  int isa = detail::active_isa.load(std::memory_order_relaxed);
  if (isa == detail::kUndecided) {
    isa = static_cast<int>(detail::detect());
    detail::active_isa.store(isa, std::memory_order_relaxed);
  }
  return static_cast<Isa>(isa);
}

/// Uses `isa` from now on, in the whole program. Throws unsupported, naming what is there. Matrices that are packed
/// already keep the instruction set that packed them.
inline void select(Isa isa) {
  if (!supported(isa))
    fail(ErrorCode::unsupported,
         concat("the instruction set ", to_string(isa), " is not available; this program on this machine has ",
                detail::supported_names()));
  detail::active_isa.store(static_cast<int>(isa), std::memory_order_relaxed);
}

}}}  // namespace moeclip::abi_v0_1::kernels

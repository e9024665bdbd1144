// SPDX-License-Identifier: MIT
#pragma once
// Compiles the kernels for every instruction set, from one source: `body/kernels.inl` is included once per set, inside
// a region that is compiled for that set and in a namespace of its own (isa_avx2, ...). Users need no -m flag, and such
// flags do not change which kernels there are.
//
// In header-only mode a translation unit that uses the kernels contains all of them.

#include "isa.hpp"
#include "table.hpp"

#if MOECLIP_DEFINES(MOECLIP_KERNELS)

// All that the bodies use is included before the first region: inside, it would be compiled for that instruction set
// under its ordinary name, and could reach a machine that lacks it.
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#if MOECLIP_HAS_AVX2 || MOECLIP_HAS_AVX512
#include <immintrin.h>
#endif
#if MOECLIP_HAS_NEON
#include <arm_neon.h>
#endif
#if MOECLIP_HAS_SIMD128
#include <wasm_simd128.h>
#endif

#if defined(MOECLIP_COMPILED)
#define MOECLIP_KERNEL_TABLE       \
  extern const KernelTable kTable; \
  const KernelTable kTable
#define MOECLIP_NARROW_TABLE             \
  extern const NarrowTable kNarrowTable; \
  const NarrowTable kNarrowTable
#else
#define MOECLIP_KERNEL_TABLE inline constexpr KernelTable kTable
#define MOECLIP_NARROW_TABLE inline constexpr NarrowTable kNarrowTable
#endif
#if defined(__clang__)
#define MOECLIP_UNROLL _Pragma("clang loop unroll(full)")
#define MOECLIP_INLINE_LAMBDA __attribute__((always_inline))
#define MOECLIP_ALWAYS_INLINE __attribute__((always_inline))
#elif defined(__GNUC__)
#define MOECLIP_UNROLL _Pragma("GCC unroll 64")
#define MOECLIP_INLINE_LAMBDA __attribute__((always_inline))
#define MOECLIP_ALWAYS_INLINE __attribute__((always_inline))
#else
#define MOECLIP_UNROLL
#define MOECLIP_INLINE_LAMBDA
#define MOECLIP_ALWAYS_INLINE
#endif

#if defined(MOECLIP_FORWARD_ONLY)
#define MOECLIP_BACKWARD(kernel) nullptr
#else
#define MOECLIP_BACKWARD(kernel) &kernel
#endif

// <windows.h> may have made macros of what the bodies call their verbs.
#pragma push_macro("min")
#pragma push_macro("max")
#undef min
#undef max

#if defined(__GNUC__) && !defined(__clang__)
// The intrinsics of GCC 12 start from a deliberately undefined register, and its optimiser warns of it (bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
// The bounds of arrays are template arguments of type index_t, in which it sees changes of sign.
#pragma GCC diagnostic ignored "-Wsign-conversion"
#endif

namespace moeclip { inline namespace abi_v0_1 { namespace kernels::isa_scalar {
#include "isa/vec_scalar.inl"
//
#include "isa/dot_scalar.inl"
//
#include "isa/resample_portable.inl"
//
#include "body/kernels.inl"
}}}  // namespace moeclip::abi_v0_1::kernels::isa_scalar

#if MOECLIP_HAS_AVX2
#include "isa/begin_avx2.inl"
//
#include "isa/vec_avx2.inl"
//
#include "isa/ints_avx2.inl"
//
#include "isa/dot_avx2.inl"
//
#include "isa/resample_avx2.inl"
//
#include "body/kernels.inl"
//
#include "isa/end_region.inl"

#include "isa/begin_avx2_vnni.inl"
//
#include "isa/vec_avx2.inl"
//
#include "isa/ints_avx2.inl"
//
#include "isa/dot_avx2_vnni.inl"
//
#include "body/kernels_int8.inl"
//
#include "isa/end_region.inl"
#endif

#if MOECLIP_HAS_AVX512
#include "isa/begin_avx512.inl"
//
#include "isa/vec_avx512.inl"
//
#include "isa/ints_avx512.inl"
//
#include "isa/dot_avx512.inl"
//
#include "isa/resample_avx2.inl"
//
#include "body/kernels.inl"
//
#include "isa/end_region.inl"

#include "isa/begin_avx512_vnni.inl"
//
#include "isa/vec_avx512.inl"
//
#include "isa/ints_avx512.inl"
//
#include "isa/dot_avx512_vnni.inl"
//
#include "body/kernels_int8.inl"
//
#include "isa/end_region.inl"

#include "isa/begin_avx512_bf16.inl"
//
#include "isa/vec_avx512.inl"
//
#include "isa/dot_avx512_bf16.inl"
//
#include "body/kernels_bf16.inl"
//
#include "isa/end_region.inl"
#endif

#if MOECLIP_HAS_NEON
namespace moeclip { inline namespace abi_v0_1 { namespace kernels::isa_neon {
#include "isa/vec_neon.inl"
//
#include "isa/ints_neon.inl"
//
#include "isa/dot_neon.inl"
//
#include "isa/resample_portable.inl"
//
#include "body/kernels.inl"
}}}  // namespace moeclip::abi_v0_1::kernels::isa_neon

#include "isa/begin_neon_dot.inl"
//
#include "isa/vec_neon.inl"
//
#include "isa/ints_neon.inl"
//
#include "isa/dot_neon_dot.inl"
//
#include "body/kernels_int8.inl"
//
#include "isa/end_region.inl"
#endif

#if MOECLIP_HAS_SIMD128
#include "isa/begin_simd128.inl"
//
#include "isa/vec_simd128.inl"
//
#include "isa/dot_simd128.inl"
//
#include "isa/resample_portable.inl"
//
#include "body/kernels.inl"
//
#include "isa/end_region.inl"
#endif

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#pragma pop_macro("min")
#pragma pop_macro("max")
#undef MOECLIP_KERNEL_TABLE
#undef MOECLIP_NARROW_TABLE
#undef MOECLIP_UNROLL
#undef MOECLIP_INLINE_LAMBDA
#undef MOECLIP_ALWAYS_INLINE
#undef MOECLIP_BACKWARD

#else

namespace moeclip { inline namespace abi_v0_1 { namespace kernels {
namespace isa_scalar {
extern const KernelTable kTable;        ///< the kernels in plain C++
extern const NarrowTable kNarrowTable;  ///< those for narrow numbers
}
#if MOECLIP_HAS_AVX2
namespace isa_avx2 {
extern const KernelTable kTable;        ///< the kernels for AVX2 and FMA
extern const NarrowTable kNarrowTable;  ///< those for narrow numbers
}
namespace isa_avx2_vnni {
extern const NarrowTable kNarrowTable;  ///< the kernels for narrow numbers with AVX-VNNI
}
#endif
#if MOECLIP_HAS_AVX512
namespace isa_avx512 {
extern const KernelTable kTable;        ///< the kernels for AVX-512
extern const NarrowTable kNarrowTable;  ///< those for narrow numbers
}
namespace isa_avx512_vnni {
extern const NarrowTable kNarrowTable;  ///< the kernels for narrow numbers with AVX512-VNNI
}
namespace isa_avx512_bf16 {
extern const NarrowTable kNarrowTable;  ///< the kernels for narrow numbers with AVX512-BF16 and -VNNI
}
#endif
#if MOECLIP_HAS_NEON
namespace isa_neon {
extern const KernelTable kTable;        ///< the kernels for 64-bit ARM
extern const NarrowTable kNarrowTable;  ///< those for narrow numbers
}
namespace isa_neon_dot {
extern const NarrowTable kNarrowTable;  ///< the kernels for narrow numbers with NEON's dot products
}
#endif
#if MOECLIP_HAS_SIMD128
namespace isa_simd128 {
extern const KernelTable kTable;        ///< the kernels for WebAssembly's SIMD
extern const NarrowTable kNarrowTable;  ///< those for narrow numbers
}
#endif
}}}  // namespace moeclip::abi_v0_1::kernels

#endif

namespace moeclip { inline namespace abi_v0_1 { namespace kernels {

/// The kernels of `isa`, which must be compiled.
inline const KernelTable& table_of(Isa isa) {
  switch (base_of(isa)) {
#if MOECLIP_HAS_AVX2
    case Isa::avx2: return isa_avx2::kTable;
#endif
#if MOECLIP_HAS_AVX512
    case Isa::avx512: return isa_avx512::kTable;
#endif
#if MOECLIP_HAS_NEON
    case Isa::neon: return isa_neon::kTable;
#endif
#if MOECLIP_HAS_SIMD128
    case Isa::simd128: return isa_simd128::kTable;
#endif
    default: return isa_scalar::kTable;
  }
}

/// The kernels in use (isa.hpp).
inline const KernelTable& active() { return table_of(active_isa()); }

/// The kernels of `isa` for narrow numbers; it must be compiled.
inline const NarrowTable& narrow_table_of(Isa isa) {
  switch (isa) {
#if MOECLIP_HAS_AVX2
    case Isa::avx2: return isa_avx2::kNarrowTable;
    case Isa::avx2_vnni: return isa_avx2_vnni::kNarrowTable;
#endif
#if MOECLIP_HAS_AVX512
    case Isa::avx512: return isa_avx512::kNarrowTable;
    case Isa::avx512_vnni: return isa_avx512_vnni::kNarrowTable;
    case Isa::avx512_bf16: return isa_avx512_bf16::kNarrowTable;
#endif
#if MOECLIP_HAS_NEON
    case Isa::neon: return isa_neon::kNarrowTable;
    case Isa::neon_dot: return isa_neon_dot::kNarrowTable;
#endif
#if MOECLIP_HAS_SIMD128
    case Isa::simd128: return isa_simd128::kNarrowTable;
#endif
    default: return isa_scalar::kNarrowTable;
  }
}

}}}  // namespace moeclip::abi_v0_1::kernels

// SPDX-License-Identifier: MIT
#pragma once
// Library version and ABI tag. Every switch that changes the tokens of this library is part of the name of its inline
// namespace, so that two translation units built with different switches link without breaking the one-definition rule.

#define MOECLIP_VERSION_MAJOR 0
#define MOECLIP_VERSION_MINOR 1
#define MOECLIP_VERSION_PATCH 0
#define MOECLIP_VERSION_STRING "0.1.0"

// Kernels defined in one translation unit (MOECLIP_EXTERN_KERNELS, see kernels/dispatch.hpp) or in each that uses them.
#if defined(MOECLIP_EXTERN_KERNELS)
#define MOECLIP_TAG_KERNELS x
#else
#define MOECLIP_TAG_KERNELS i
#endif

// Errors as exceptions, or through an overridable handler (base/error.hpp).
#if defined(__cpp_exceptions)
#define MOECLIP_HAS_EXCEPTIONS 1
#define MOECLIP_TAG_EXCEPTIONS e
#else
#define MOECLIP_HAS_EXCEPTIONS 0
#define MOECLIP_TAG_EXCEPTIONS n
#endif

// Internal assertions (base/error.hpp).
#if defined(MOECLIP_ENABLE_ASSERT)
#define MOECLIP_TAG_ASSERT a
#else
#define MOECLIP_TAG_ASSERT r
#endif

// Instruction sets left out on request.
#if defined(MOECLIP_DISABLE_AVX512)
#define MOECLIP_TAG_AVX512 0
#else
#define MOECLIP_TAG_AVX512 5
#endif
#if defined(MOECLIP_DISABLE_AVX2)
#define MOECLIP_TAG_AVX2 0
#else
#define MOECLIP_TAG_AVX2 2
#endif
#if defined(MOECLIP_DISABLE_NEON)
#define MOECLIP_TAG_NEON 0
#else
#define MOECLIP_TAG_NEON 8
#endif

#define MOECLIP_JOIN_TAG_(k, e, a, z, y, n) abi_v0_1_##k##e##a##z##y##n
#define MOECLIP_JOIN_TAG(k, e, a, z, y, n) MOECLIP_JOIN_TAG_(k, e, a, z, y, n)

// The whole library lives in this inline namespace. Sources spell its name out, so that tools which do not run the
// preprocessor (outline views, ctags, Doxygen) see an ordinary namespace; the compiler sees the name with all switches.
#define abi_v0_1                                                                                        \
  MOECLIP_JOIN_TAG(MOECLIP_TAG_KERNELS, MOECLIP_TAG_EXCEPTIONS, MOECLIP_TAG_ASSERT, MOECLIP_TAG_AVX512, \
                   MOECLIP_TAG_AVX2, MOECLIP_TAG_NEON)

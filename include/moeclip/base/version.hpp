// SPDX-License-Identifier: MIT
#pragma once
// The version of the library, and its ABI tag. Every macro that changes the code of the library is part of the name of
// its inline namespace, so that two translation units built with different macros link without breaking the
// one-definition rule.

#define MOECLIP_VERSION_MAJOR 0         ///< x of version x.y.z, for use in #if
#define MOECLIP_VERSION_MINOR 1         ///< y of version x.y.z
#define MOECLIP_VERSION_PATCH 0         ///< z of version x.y.z
#define MOECLIP_VERSION_STRING "0.1.0"  ///< x.y.z as text

// Where definitions are (this folder's README, "Two ways to have one library"). By default every file that includes a
// header has the definitions too, as inline functions. With MOECLIP_COMPILED, defined for all files of a program,
// headers only declare, and one file that also defines MOECLIP_SOURCE and includes the umbrellas has the definitions;
// or several of them, each with a MOECLIP_SOURCE_PART of its own, so that they compile side by side.
#define MOECLIP_BASE 1
#define MOECLIP_KERNELS 2
#define MOECLIP_IO 3
#define MOECLIP_IMAGE 4
#define MOECLIP_CLIP 5
#define MOECLIP_ANOMALY 6  // with moe/
#define MOECLIP_DATA 7
#define MOECLIP_TRAIN 8
#define MOECLIP_EVAL 9
#define MOECLIP_EXPLAIN 10
#define MOECLIP_REPORT 11
#define MOECLIP_SYNTHETIC 12
#define MOECLIP_MEMORY 13
#define MOECLIP_METHODS 14

// With MOECLIP_FORWARD_ONLY a program of headers has no kernels of backward passes, and is smaller; one that calls such
// a pass does not compile. The compiled library has all of them.
#if !defined(MOECLIP_COMPILED)
#if defined(MOECLIP_FORWARD_ONLY)
#define MOECLIP_TAG_MODE f
#else
#define MOECLIP_TAG_MODE h
#endif
#define MOECLIP_DEFINES(part) 1
#define MOECLIP_FUNC inline
#else
#define MOECLIP_TAG_MODE c
#define MOECLIP_FUNC
#if !defined(MOECLIP_SOURCE)
#define MOECLIP_DEFINES(part) 0
#elif defined(MOECLIP_SOURCE_PART)
#define MOECLIP_DEFINES(part) ((part) == MOECLIP_SOURCE_PART)
#else
#define MOECLIP_DEFINES(part) 1
#endif
#endif

// Code that runs once or when something is wrong: kept out of line and small, which makes its callers quick to compile.
#if defined(__GNUC__)
#define MOECLIP_COLD __attribute__((cold, noinline))
#else
#define MOECLIP_COLD
#endif

// Behind the definition of a function or class template: makes it for float and double where the library is compiled.
// NOLINTBEGIN(bugprone-macro-parentheses): names cannot stand in parentheses here
#if defined(MOECLIP_COMPILED)
#define MOECLIP_INSTANTIATE(function)                 \
  template decltype(function<float>) function<float>; \
  template decltype(function<double>) function<double>;
#define MOECLIP_INSTANTIATE_CLASS(name) \
  template class name<float>;           \
  template class name<double>;
#else
#define MOECLIP_INSTANTIATE(function)
#define MOECLIP_INSTANTIATE_CLASS(name)
#endif
// NOLINTEND(bugprone-macro-parentheses)

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
#if defined(MOECLIP_DISABLE_SIMD128)
#define MOECLIP_TAG_SIMD128 0
#else
#define MOECLIP_TAG_SIMD128 1
#endif

#define MOECLIP_JOIN_TAG_(m, e, a, z, y, n, w) abi_v0_1_##m##e##a##z##y##n##w
#define MOECLIP_JOIN_TAG(m, e, a, z, y, n, w) MOECLIP_JOIN_TAG_(m, e, a, z, y, n, w)

// The whole library lives in this inline namespace. Sources spell its name out, so that tools which do not run the
// preprocessor (outline views, ctags, Doxygen) see an ordinary namespace; the compiler sees the name with all switches.
#define abi_v0_1                                                                                                       \
  MOECLIP_JOIN_TAG(MOECLIP_TAG_MODE, MOECLIP_TAG_EXCEPTIONS, MOECLIP_TAG_ASSERT, MOECLIP_TAG_AVX512, MOECLIP_TAG_AVX2, \
                   MOECLIP_TAG_NEON, MOECLIP_TAG_SIMD128)

// SPDX-License-Identifier: MIT
// clang-format off
// Opens the region in which functions are compiled for AVX-512 and AVX512-VNNI. No standard header may be included until
// isa/end_region.inl.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), \
                             apply_to = function)
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
#endif
namespace moeclip { inline namespace abi_v0_1 { namespace kernels::isa_avx512_vnni {

// SPDX-License-Identifier: MIT
// clang-format off
// Opens the region in which functions are compiled for AVX2, FMA and AVX-VNNI. No standard header may be included until
// isa/end_region.inl.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,avxvnni"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC target("avx2,fma,avxvnni")
#endif
namespace moeclip { inline namespace abi_v0_1 { namespace kernels::isa_avx2_vnni {

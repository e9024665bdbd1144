// SPDX-License-Identifier: MIT
// clang-format off
// Opens the region in which functions are compiled for NEON with dot products. No standard header may be included until
// isa/end_region.inl.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC target("arch=armv8.2-a+dotprod")
#endif
namespace moeclip { inline namespace abi_v0_1 { namespace kernels::isa_neon_dot {

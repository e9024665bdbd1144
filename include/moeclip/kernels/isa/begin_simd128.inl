// SPDX-License-Identifier: MIT
// clang-format off
// Opens the region in which functions are compiled for WebAssembly's SIMD. No standard header may be included until
// isa/end_region.inl.
#pragma clang attribute push(__attribute__((target("simd128"))), apply_to = function)
namespace moeclip { inline namespace abi_v0_1 { namespace kernels::isa_simd128 {

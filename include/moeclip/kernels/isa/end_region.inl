// SPDX-License-Identifier: MIT
// clang-format off
// Closes what isa/begin_avx2.inl or isa/begin_avx512.inl opened.
}}}  // namespace moeclip::abi_v0_1::kernels::isa_...
#if defined(__clang__)
#pragma clang attribute pop
#elif defined(__GNUC__)
#pragma GCC pop_options
#endif

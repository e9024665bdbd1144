// SPDX-License-Identifier: MIT
// The kernels for bfloat16 of an instruction set that has the float kernels of another (isa.hpp, base_of); those for
// 8-bit integers are AVX512-VNNI's.

inline constexpr index_t kTileColumns = kTileVectors * kLanes;

#include "math.inl"
#include "pack.inl"

#include "gemm.inl"

#include "attention.inl"
#include "narrow.inl"
//
#include "narrow_bf16.inl"
//
#include "attention_bf16.inl"

MOECLIP_NARROW_TABLE{
    Isa::avx512_bf16,     true, isa_avx512_vnni::kInt8Kernels, narrow_kernels<Dot16>(&pack_rows_bf16), &pack_head_bf16,
    &attention_panel_bf16};

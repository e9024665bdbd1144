// SPDX-License-Identifier: MIT
// The kernels for 8-bit integers of an instruction set that has the float kernels of another (isa.hpp, base_of).

inline constexpr index_t kTileColumns = kTileVectors * kLanes;

#include "math.inl"
#include "pack.inl"

#include "gemm.inl"

#include "narrow.inl"
//
#include "narrow_int8.inl"

inline constexpr NarrowKernels kInt8Kernels = narrow_kernels<Dot8>(&pack_rows_int8);
MOECLIP_NARROW_TABLE{kNarrowIsa, Dot8::kHasOffset, kInt8Kernels, {}, nullptr, nullptr};

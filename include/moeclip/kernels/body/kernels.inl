// SPDX-License-Identifier: MIT
// All kernels, written in the verbs of one instruction set (isa/vec_scalar.inl). Included once per set, inside its
// region and namespace.

inline constexpr index_t kTileColumns = kTileVectors * kLanes;

#include "math.inl"
#include "pack.inl"

#include "gemm.inl"

#include "attention.inl"
#include "rows.inl"
//
#include "attention_backward.inl"
#include "rows_backward.inl"
#include "spin.inl"
//
#include "narrow.inl"
//
#include "narrow_int8.inl"

MOECLIP_KERNEL_TABLE{kIsa,
                     kTileRows,
                     kTileColumns,
                     kKBlock,
                     kBlockRows,
                     kBlockColumns,
                     kKeyBlock,
                     &pack_panels<kTileRows>,
                     &pack_panels<kTileColumns>,
                     &gemm_block,
                     &attention_panel,
                     MOECLIP_BACKWARD(attention_backward_head),
                     &layer_norm_row,
                     MOECLIP_BACKWARD(layer_norm_row_backward),
                     &softmax_row,
                     MOECLIP_BACKWARD(softmax_row_backward),
                     &row_norm,
                     &divide_row,
                     MOECLIP_BACKWARD(normalize_row_backward),
                     &column_sums_strip,
                     &activate_all,
                     MOECLIP_BACKWARD(activate_backward_all),
                     &exp_all,
                     &sigmoid_all,
                     &resample_row_rgb,
                     &add_weighted_row,
                     &spin,
                     2 * kChains* kLanes};

inline constexpr NarrowKernels kInt8Kernels = narrow_kernels<Dot8>(&pack_rows_int8);
MOECLIP_NARROW_TABLE{kNarrowIsa, Dot8::kHasOffset, kInt8Kernels, {}, nullptr, nullptr};

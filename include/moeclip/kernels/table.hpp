// SPDX-License-Identifier: MIT
#pragma once
// What every instruction set offers: a table of functions on plain pointers, and the sizes of its blocks. The functions
// check nothing, allocate nothing and throw nothing; kernels/gemm.hpp and its neighbours do all of that.

#include <cstdint>

#include "activation.hpp"
#include "attention_args.hpp"
#include "matrix.hpp"
#include "resample.hpp"
#include "row_args.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace kernels {

enum class Isa;  // isa.hpp, whose includes would make the longest chain longer

/// Panels: `lanes` rows or columns of a matrix are cut into panels of a fixed width; a panel holds, for each k in turn,
/// that many neighbours. Lanes beyond the last are zero.
struct PackJob {
  index_t lanes = 0, k = 0;               ///< the source has `lanes` rows (or columns) of k elements
  const float* source = nullptr;          ///< element (lane, k) at source[lane * lane_stride + k * k_stride]
  index_t lane_stride = 0, k_stride = 0;  ///< in elements, as said at `source`
  float* panels = nullptr;                ///< (panels, k, width)
};

/// One block of c, computed by one worker.
struct GemmJob {
  index_t rows = 0, columns = 0, k = 0;      ///< the block is (rows, columns), its sums run over k
  MatrixRef<float> a;                        ///< (rows, k)
  const float* b = nullptr;                  ///< column panels over the whole k, from the first column of this block on
  float* a_panels = nullptr;                 ///< scratch: a k block of a as row panels
  float* tiles = nullptr;                    ///< scratch: one tile or, if k > k_block, all of them
  float* c = nullptr;                        ///< first element of the block in the row-major result
  index_t ldc = 0;                           ///< elements from row to row of c, before and slope_at
  const float* bias = nullptr;               ///< from the first column of this block on, or null
  Activation activation = Activation::none;  ///< applied to sum + bias, before `accumulate`
  bool accumulate = false;                   ///< add to c instead of overwriting it
  float* before = nullptr;                   ///< as c: receives what the activation is applied to, or null
  const float* slope_at = nullptr;  ///< as c: multiply by the slope there instead of applying the activation, or null
};

/// A panel of queries of one head of one image, computed by one worker.
struct AttentionJob {
  const Attention<float>* args = nullptr;  ///< the whole task, of which this is a part
  index_t image = 0, head = 0;             ///< below args->batch and args->heads
  index_t first_query = 0;                 ///< the panel is first_query and the queries after it, tile_columns in all
  const float* keys = nullptr;             ///< (tokens) as row panels, k is the head width
  const float* values = nullptr;           ///< (head width) as row panels, key block after key block
  float* scratch = nullptr;                ///< attention_scratch(...) elements
};

/// False where MOECLIP_FORWARD_ONLY leaves them out: a program that goes backward then does not compile.
#if defined(MOECLIP_FORWARD_ONLY)
template <class T>
inline constexpr bool kHasBackward = false;
#else
template <class T>
inline constexpr bool kHasBackward = true;
#endif

/// Attention backward of one head of one image, computed by one worker.
struct AttentionBackwardJob {
  const Attention<float>* args = nullptr;              ///< the whole task of the forward pass, its result in args->out
  const AttentionGradient<float>* gradient = nullptr;  ///< the whole task of the backward pass
  index_t image = 0, head = 0;                         ///< below args->batch and args->heads
  float* scratch = nullptr;                            ///< attention_backward_scratch(...) elements
};

/// The kernels of one instruction set, for float. In functions of x and y, y may be x; of d_y and d_x, d_x may be d_y.
struct KernelTable {
  Isa isa;                            ///< which instruction set this is
  index_t tile_rows, tile_columns;    ///< c is computed in tiles of this size, held in registers
  index_t k_block;                    ///< k steps between two visits to a tile
  index_t block_rows, block_columns;  ///< largest block of c for one worker, whole tiles
  index_t key_block;                  ///< keys between two visits to the output of attention

  void (*pack_rows)(const PackJob&) noexcept;                        ///< panels of tile_rows lanes
  void (*pack_columns)(const PackJob&) noexcept;                     ///< panels of tile_columns lanes
  void (*gemm)(const GemmJob&) noexcept;                             ///< one block of c
  void (*attention)(const AttentionJob&) noexcept;                   ///< out of one panel of queries
  void (*attention_backward)(const AttentionBackwardJob&) noexcept;  ///< d_query, d_key, d_value of one head
  void (*layer_norm)(index_t width, const float* x, const float* gamma, const float* beta, float eps,
                     float* y) noexcept;                                     ///< reference::layer_norm_row of (D) each
  void (*layer_norm_backward)(const LayerNormRowGradient<float>&) noexcept;  ///< reference::layer_norm_row_backward
  void (*softmax)(index_t width, const float* x, float* y) noexcept;         ///< y = softmax(x) of one row
  /// d_x = y (d_y - sum y d_y) of one row, y = softmax(x).
  void (*softmax_backward)(index_t width, const float* y, const float* d_y, float* d_x) noexcept;
  float (*norm)(index_t width, const float* x) noexcept;                        ///< Euclidean length of one row
  void (*divide)(index_t n, float divisor, const float* x, float* y) noexcept;  ///< y = x / divisor
  /// d_x of y = x / max(|x|, eps) for one row x.
  void (*normalize_backward)(index_t width, const float* x, float eps, const float* d_y, float* d_x) noexcept;
  /// sums(j) += sum_i x(i, j); rows of x lie `stride` elements apart.
  void (*column_sums)(index_t rows, index_t width, const float* x, index_t stride, float* sums) noexcept;
  /// y = activation(x), n elements.
  void (*activate)(Activation activation, index_t n, const float* x, float* y) noexcept;
  /// d_x = d_y activation'(x), n elements; d_x may also be x.
  void (*activate_backward)(Activation activation, index_t n, const float* x, const float* d_y, float* d_x) noexcept;
  void (*exp)(index_t n, const float* x, float* y) noexcept;      ///< y = e^x
  void (*sigmoid)(index_t n, const float* x, float* y) noexcept;  ///< y = 1 / (1 + e^-x)
  void (*resample_row_rgb)(const std::uint8_t* row, index_t width, const ResampleColumns& columns,
                           std::uint8_t* line) noexcept;  ///< resizes a row of `width` pixels
  void (*add_weighted_row)(const std::uint8_t* line, std::int32_t weight, index_t count,
                           std::int32_t* sums) noexcept;  ///< sums(i) += weight * line(i)
  float (*spin)(index_t steps) noexcept;                  ///< does steps * spin_flops operations in registers
  index_t spin_flops;                                     ///< floating-point operations of one step of spin
};

// Narrow numbers: products of 32-bit words that hold two bfloat16 or four 8-bit integers, neighbours in k. Words lie in
// panels as floats do, and tiles and blocks have the sizes of the float kernels.

/// Rows of a, at most one panel of tile_rows, that become words.
struct NarrowPackJob {
  index_t rows = 0, k = 0, steps = 0;  ///< the source has `rows` rows of k elements, which fill `steps` words of b
  const float* source = nullptr;       ///< element (row, k) at source[row * row_stride + k]
  index_t row_stride = 0;              ///< in elements
  std::uint32_t* panel = nullptr;      ///< (steps * words_per_step, tile_rows)
  std::uint32_t* scratch = nullptr;    ///< as large as the panel
  float *scales = nullptr, *centres = nullptr;  ///< of each row, for int8: a(i,k) is scale * integer + centre
};

/// One block of c, computed by one worker.
struct NarrowJob {
  GemmJob c;                         ///< rows, columns, tiles, c and all that is done on the way into c
  index_t steps = 0;                 ///< words of b
  const std::uint32_t* a = nullptr;  ///< row panels over all steps, from the first row of this block on
  const std::uint32_t* b = nullptr;  ///< column panels over all steps, from the first column of this block on
  const float *row_scales = nullptr, *row_centres = nullptr;     ///< from the first row of this block on, for int8
  const float *column_scales = nullptr, *column_sums = nullptr;  ///< from its first column on: scale, and scaled sum
  const std::int32_t* column_offsets = nullptr;  ///< what the sums of a column are too large by, from the first one on
};

/// The kernels for one kind of numbers.
struct NarrowKernels {
  index_t words_per_step = 0;                                  ///< words of a for each word of b
  void (*pack_rows)(const NarrowPackJob&) noexcept = nullptr;  ///< null if there are none
  void (*multiply)(const NarrowJob&) noexcept = nullptr;       ///< one block of c
  float (*spin)(index_t steps) noexcept = nullptr;             ///< does steps * spin_operations operations in registers
  index_t spin_operations = 0;                                 ///< multiplications and additions of one step of spin
};

/// All kernels for narrow numbers of one instruction set.
struct NarrowTable {
  Isa isa;             ///< which instruction set this is
  bool has_offset;     ///< integers of a are stored 128 larger than they are, hence sums by 128 times those of b
  NarrowKernels int8;  ///< everywhere
  NarrowKernels bf16;  ///< where there are dot products of bfloat16, and so what follows
  void (*pack_head)(const AttentionJob&) noexcept;  ///< writes keys and values of a job, as words
  void (*attention)(const AttentionJob&) noexcept;  ///< as KernelTable::attention
};

/// n rounded up to a multiple of `step`.
constexpr index_t round_up(index_t n, index_t step) { return (n + step - 1) / step * step; }

/// Elements of AttentionJob::scratch: scores of all keys for one panel of queries, the queries, and the output.
inline index_t attention_scratch(const KernelTable& table, index_t tokens, index_t head_width) {
  const index_t rows = round_up(tokens, table.tile_rows) + head_width + round_up(head_width, table.tile_rows);
  return rows * table.tile_columns;
}

/// Elements of AttentionBackwardJob::scratch, in the order of body/attention_backward.inl: keys and values packed three
/// ways, gradients of keys and values, scores of all keys for one panel of queries, and what belongs to the panel.
inline index_t attention_backward_scratch(const KernelTable& table, index_t tokens, index_t head_width) {
  const index_t keys = round_up(tokens, table.tile_rows), padded_width = round_up(head_width, table.tile_rows);
  const index_t wide = round_up(head_width, table.tile_columns), panel = table.tile_columns;
  const index_t packed = 2 * keys * head_width + padded_width * tokens;
  const index_t per_panel = (2 * head_width + padded_width) * panel + 2 * panel * wide;
  return packed + 2 * keys * wide + (keys + round_up(table.key_block, table.tile_rows)) * panel + per_panel;
}

}}}  // namespace moeclip::abi_v0_1::kernels

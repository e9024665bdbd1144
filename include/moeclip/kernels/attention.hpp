// SPDX-License-Identifier: MIT
#pragma once
// Multi-head attention (ATT-2 in nn/README.md): out = softmax(scale * q k^T) v for every image and head. The tokens x
// tokens matrix is never stored: each worker holds the scores of a few queries (48 on AVX-512) against all keys, so
// memory is linear in the number of tokens.

#include <algorithm>
#include <type_traits>

#include "../base/context.hpp"
#include "dispatch.hpp"
#include "reference.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace kernels {

namespace detail {

/// Packs keys and values of one head of one image as the left-hand operands of attention (body/attention.inl).
inline void pack_head(const KernelTable& table, const Attention<float>& args, index_t image, index_t head, float* keys,
                      float* values) {
  const index_t width = args.head_width, padded_width = round_up(width, table.tile_rows);
  const index_t offset = image * args.tokens * args.stride + head * width;
  table.pack_rows({args.tokens, width, args.key + offset, args.stride, 1, keys});
  for (index_t t = 0; t < args.tokens; t += table.key_block)
    table.pack_rows({width, (std::min)(table.key_block, args.tokens - t), args.value + offset + t * args.stride, 1,
                     args.stride, values + t * padded_width});
}

/// Some images after the others: enough of them for all threads, and few, so that scratch does not grow with the batch.
/// Words take no more room than floats do.
inline void attend_images(Context& context, const KernelTable& table, const Attention<float>& args) {
  constexpr index_t kTokensAtOnce = 256;  // packed keys and values stay in L2 until they are used
  const index_t group = std::clamp<index_t>(kTokensAtOnce / args.tokens, 1, args.batch);
  const NarrowTable& narrow = narrow_table_of(kernels::active_isa());
  const bool is_narrow = args.precision != Precision::f32 && narrow.attention != nullptr;  // words take as much room
  const index_t keys_size = round_up(args.tokens, table.tile_rows) * args.head_width;
  const index_t values_size = round_up(args.head_width, table.tile_rows) * args.tokens;
  const index_t panels = (args.tokens + table.tile_columns - 1) / table.tile_columns;
  const index_t scratch_size = round_up(attention_scratch(table, args.tokens, args.head_width), 16);
  Arena::Scope scope(context.arena());
  float* const keys = scope.take<float>(group * args.heads * keys_size);
  float* const values = scope.take<float>(group * args.heads * values_size);
  float* const scratch = scope.take<float>(context.threads() * scratch_size);
  for (index_t first = 0; first < args.batch; first += group) {
    const index_t heads = (std::min)(group, args.batch - first) * args.heads;  // of all these images
    const double elements = static_cast<double>(args.tokens) * static_cast<double>(heads * args.head_width);
    context.share(heads, 16.0 * elements, [&](index_t head, int worker) {
      const index_t image = first + head / args.heads, of_image = head % args.heads;
      float *const head_keys = keys + head * keys_size, *const head_values = values + head * values_size;
      if (is_narrow)
        narrow.pack_head({&args, image, of_image, 0, head_keys, head_values, scratch + worker * scratch_size});
      else
        pack_head(table, args, image, of_image, head_keys, head_values);
    });
    context.share(heads * panels, 2.0 * elements * static_cast<double>(args.tokens), [&](index_t task, int worker) {
      const index_t head = task / panels;
      AttentionJob job;
      job.args = &args;
      job.image = first + head / args.heads;
      job.head = head % args.heads;
      job.first_query = task % panels * table.tile_columns;
      job.keys = keys + head * keys_size;
      job.values = values + head * values_size;
      job.scratch = scratch + worker * scratch_size;
      (is_narrow ? narrow.attention : table.attention)(job);
    });
  }
}

}  // namespace detail

/// Runs `args`. out may be query, but not key or value. The result has the same bits for any number of threads.
template <class T>
void attention(Context& context, const Attention<T>& args) {
  MOECLIP_EXPECT(args.batch >= 0 && args.tokens >= 0 && args.heads >= 0 && args.head_width >= 0, "attention over ",
                 args.batch, " x ", args.tokens, " tokens and ", args.heads, " heads of ", args.head_width);
  if (args.batch == 0 || args.tokens == 0 || args.heads == 0 || args.head_width == 0) return;
  if constexpr (std::is_same_v<T, float>) {
    detail::attend_images(context, active(), args);
  } else {
    Arena::Scope scope(context.arena());
    T* const weights = scope.take<T>(context.threads() * args.tokens);
    context.parallel_for(args.batch * args.heads * args.tokens, [&](index_t task, int worker) {
      const index_t query = task % args.tokens, rest = task / args.tokens;
      reference::attend(args, rest / args.heads, rest % args.heads, query, weights + worker * args.tokens);
    });
  }
}

}}}  // namespace moeclip::abi_v0_1::kernels

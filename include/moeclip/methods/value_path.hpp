// SPDX-License-Identifier: MIT
#pragma once
// The image side of AnomalyCLIP: a second path through the last blocks of the image tower, in which every patch attends
// to patches whose values are like its own (VVA-1, VVA-2 in this folder's README). CLIP's class token gathers what the
// picture is about, and its patches do the same; the second path keeps them local. It needs no training and has no
// weights of its own. The ordinary path runs unchanged beside it and feeds it.

#include <algorithm>

#include "../clip/vision.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// y += (o_1 ... o_H) W_out^T + b_out with o_h = softmax(v_h v_h^T / sqrt(Dh)) v_h, for qkv (B * T, 3D), of which only
/// the values are read, and y (B * T, D).  (VVA-1)
template <class T>
void value_attention_forward(Context& context, const SelfAttention<T>& attention, TokenLayout layout,
                             View<const T, 2> qkv, View<T, 2> y) {
  const index_t rows = layout.batch * layout.tokens, width = attention.out_proj.inputs();
  MOECLIP_EXPECT(qkv.extent(0) == rows && qkv.extent(1) == 3 * width && y.extent(0) == rows && y.extent(1) == width,
                 "attention over the values of ", layout.batch, " x ", layout.tokens, " tokens was given qkv (",
                 qkv.extent(0), ",", qkv.extent(1), ") and y (", y.extent(0), ",", y.extent(1), ")");
  Arena::Scope scratch(context.arena());
  const View<T, 2> heads(scratch.take<T>(rows * width), {rows, width});
  kernels::Attention<T> task = detail::attention_task<T>(attention, layout, qkv, heads);
  task.query = task.key = task.value;
  kernels::attention<T>(context, task);
  linear_forward<T>(context, attention.out_proj, heads, y, {.accumulate = true});
}

/// Which blocks have a second path, and who looks at it.
template <class T>
struct ValuePath {
  index_t first_block = 1;   ///< 1-based: it begins with this block, whose input it starts from
  BlockHook<T> after_block;  ///< after block n with the second path (B * T, D), or, before it begins, with the tokens
};

/// Runs the image tower on images (B, 3, S, S) with positions (1 + g g, D), as vision_forward does; tokens (B, 1 + g g,
/// D), the output of the ordinary path, has the same bits as there.  (VVA-2)
template <class T>
void value_path_forward(Context& context, const VisionTower<T>& tower, View<const T, 4> images,
                        const Tensor<T>& positions, View<T, 3> tokens, const ValuePath<T>& path) {
  const FloatScope floats;
  const index_t layers = std::ssize(tower.transformer.blocks), batch = images.extent(0), count = tokens.extent(1);
  MOECLIP_EXPECT(path.first_block >= 1 && path.first_block <= layers + 1, "a second path from block ", path.first_block,
                 " on in an image tower of ", layers, " blocks");
  vision_embedding_forward<T>(context, tower, images, positions, tokens);
  const TokenLayout layout{batch, count, false};
  const View<T, 2> rows(tokens.data(), {batch * count, tokens.extent(2)});
  Arena::Scope scratch(context.arena());
  const View<T, 2> second(scratch.take<T>(rows.size()), rows.extents());
  BlockSaved<T> saved;  // of the block that runs; its memory serves all of them
  for (index_t n = 1; n <= layers; ++n) {
    const Block<T>& block = tower.transformer.blocks[static_cast<std::size_t>(n - 1)];
    const bool has_path = n >= path.first_block;
    if (n == path.first_block) std::copy_n(rows.data(), rows.size(), second.data());
    block_forward<T>(context, block, tower.activation, layout, rows, has_path ? &saved : nullptr);
    if (has_path)
      value_attention_forward<T>(context, block.attention, layout, std::as_const(saved.qkv).template view<2>(), second);
    path.after_block(n, has_path ? second : rows);
  }
}

}}  // namespace moeclip::abi_v0_1

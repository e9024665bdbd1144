// SPDX-License-Identifier: MIT
#pragma once
// A transformer is a stack of blocks, and both towers have one. It runs forward, and backward from what a chosen part
// of the blocks kept (TRF-1, TRF-1' in this folder's README).

#include <algorithm>
#include <limits>
#include <vector>

#include "../base/function_ref.hpp"
#include "../nn/block.hpp"
#include "config.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The blocks of one tower.
template <class T>
struct Transformer {
  std::vector<Block<T>> blocks;  // in the order in which they run

  Transformer() = default;
  /// As many blocks as the configuration has layers; values to be filled in.
  explicit Transformer(const TransformerConfig& config) {
    blocks.reserve(static_cast<std::size_t>(config.layers));
    for (index_t i = 0; i < config.layers; ++i) blocks.emplace_back(config.width, config.heads, config.hidden);
  }

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("resblocks", self.blocks);
  }
};

/// Called after block n (1-based) with the tokens x (B * T, D), which it may change. On the way back: with d_x, the
/// gradient of what the forward hook left after block n, which it turns into the gradient of block n's own output.
template <class T>
using BlockHook = function_ref<void(index_t block, View<T, 2> x)>;

/// A stack, how it is run and on what.
template <class T>
struct TransformerPass {
  const Transformer<T>& transformer;  ///< the blocks, packed or not
  kernels::Activation activation;     ///< of the MLPs
  TokenLayout layout;                 ///< images or sentences, tokens of each, and whether attention is causal
};

/// What a forward pass leaves for the backward pass: memory against time.
struct SavePlan {
  /// 1-based, up to one more than there are blocks. Earlier blocks save nothing and get no backward pass: nothing
  /// trained lies below.
  index_t first_block = 1;
  /// Of the others, so many at the end keep all they need; the rest keep their input and are run again, which gives the
  /// same bits.
  index_t kept_blocks = (std::numeric_limits<index_t>::max)();
};

/// Owned by the caller and kept from step to step: memory is taken by the first one only.
template <class T>
struct TransformerSaved {
  SavePlan plan;                      // set by the caller before the forward pass
  std::vector<BlockSaved<T>> blocks;  // from plan.first_block on; of a block that runs again only x (rows, D)
  BlockSaved<T> replay;               // of the block that is run again
};

/// Bytes that a pass with this plan keeps, for tokens of type T.
template <class T>
index_t saved_bytes(const TransformerConfig& config, TokenLayout layout, SavePlan plan) {
  const index_t blocks = std::max<index_t>(0, config.layers + 1 - plan.first_block);
  const index_t kept = (std::min)(plan.kept_blocks, blocks), whole = 6 * config.width + config.hidden;
  const index_t replay = kept < blocks ? whole : 0;
  const index_t row = kept * whole + (blocks - kept) * config.width + replay;
  return row * layout.batch * layout.tokens * static_cast<index_t>(sizeof(T));
}

/// The plan from `first_block` on that recomputes least within `budget` bytes; all of it if even that is too much.
template <class T>
SavePlan plan_for(const TransformerConfig& config, TokenLayout layout, index_t first_block, index_t budget) {
  SavePlan plan{first_block, std::max<index_t>(0, config.layers + 1 - first_block)};
  while (plan.kept_blocks > 0 && saved_bytes<T>(config, layout, plan) > budget) --plan.kept_blocks;
  return plan;
}

namespace detail {

/// Makes `saved` fit saved.plan: forgets what another plan had kept.
template <class T>
void follow_plan(const Transformer<T>& transformer, TransformerSaved<T>& saved) {
  const index_t layers = std::ssize(transformer.blocks), first = saved.plan.first_block;
  MOECLIP_EXPECT(first >= 1 && first <= layers + 1 && saved.plan.kept_blocks >= 0, "a transformer of ", layers,
                 " blocks cannot save from block ", first, " on, the last ", saved.plan.kept_blocks, " in full");
  saved.blocks.resize(static_cast<std::size_t>(layers + 1 - first));
  for (index_t n = first; n <= layers - saved.plan.kept_blocks; ++n) {
    BlockSaved<T>& block = saved.blocks[static_cast<std::size_t>(n - first)];
    if (block.qkv.empty()) continue;
    block = {};
  }
}

/// Copies the rows x, at any stride, into `tensor`, which takes memory only if it has another shape.
template <class T>
void keep_rows(View<const T, 2> x, Tensor<T>& tensor) {
  T* const to = fit(tensor, {x.extent(0), x.extent(1)}).data();
  for (index_t i = 0; i < x.extent(0); ++i) std::copy_n(&x(i, 0), x.extent(1), to + i * x.extent(1));
}

}  // namespace detail

/// Runs all blocks on x (B * T, D) in place. `saved`, unless it is null, gets what saved->plan asks for; the bits are
/// the same.
template <class T>
void transformer_forward(Context& context, const TransformerPass<T>& pass, View<T, 2> x, BlockHook<T> after_block,
                         TransformerSaved<T>* saved = nullptr) {
  if (saved != nullptr) detail::follow_plan(pass.transformer, *saved);
  const index_t layers = std::ssize(pass.transformer.blocks),
                first = saved == nullptr ? layers + 1 : saved->plan.first_block;
  for (index_t n = 1; n <= layers; ++n) {
    BlockSaved<T>* block = n < first ? nullptr : &saved->blocks[static_cast<std::size_t>(n - first)];
    if (block != nullptr && n <= layers - saved->plan.kept_blocks) {
      detail::keep_rows<T>(x, block->x);
      block = nullptr;
    }
    block_forward<T>(context, pass.transformer.blocks[static_cast<std::size_t>(n - 1)], pass.activation, pass.layout, x,
                     block);
    after_block(n, x);
  }
}

/// d_x (B * T, D): in, the gradient of what the last forward hook left; out, the gradient of the input of block
/// plan.first_block. `before_block` is called before the backward pass of each block n = layers ... first_block, and
/// for the block before those, if there is one, whose backward pass is not run. Gradients of the parameters are added
/// to `gradient`, which may be null.
template <class T>
void transformer_backward(Context& context, const TransformerPass<T>& pass, TransformerSaved<T>& saved, View<T, 2> d_x,
                          BlockHook<T> before_block, Transformer<T>* gradient) {
  const index_t layers = std::ssize(pass.transformer.blocks), first = saved.plan.first_block;
  MOECLIP_EXPECT(first >= 1 && std::ssize(saved.blocks) == layers + 1 - first, "backward of a transformer of ", layers,
                 " blocks from block ", first, " on was given ", saved.blocks.size(), " saved blocks");
  for (index_t n = layers; n >= first; --n) {
    before_block(n, d_x);
    const auto at = static_cast<std::size_t>(n - 1);
    BlockSaved<T>* block = &saved.blocks[static_cast<std::size_t>(n - first)];
    MOECLIP_EXPECT(block->x.shape() == Shape({d_x.extent(0), d_x.extent(1)}), "block ", n, " kept ",
                   to_string(block->x.shape()), " for a gradient (", d_x.extent(0), ",", d_x.extent(1), ")");
    if (n <= layers - saved.plan.kept_blocks) {  // forward once more, on a copy of its input
      Arena::Scope scratch(context.arena());
      const View<T, 2> x(scratch.take<T>(d_x.size()), d_x.extents());
      std::copy_n(block->x.data(), x.size(), x.data());
      block = &saved.replay;
      block_forward<T>(context, pass.transformer.blocks[at], pass.activation, pass.layout, x, block);
    }
    block_backward<T>(context, pass.transformer.blocks[at], pass.activation, pass.layout, *block, d_x,
                      gradient == nullptr ? nullptr : &gradient->blocks[at]);
  }
  if (first > 1) before_block(first - 1, d_x);
}

}}  // namespace moeclip::abi_v0_1

// SPDX-License-Identifier: MIT
#pragma once
// A stack of blocks, shared by both towers.

#include <vector>

#include "../base/function_ref.hpp"
#include "../nn/block.hpp"

namespace moeclip::inline MOECLIP_ABI_NS {

struct TransformerConfig {
  index_t width, layers, heads, hidden;
};

template <class T>
struct Transformer {
  std::vector<Block<T>> blocks;

  Transformer() = default;
  explicit Transformer(const TransformerConfig& config) {
    blocks.reserve(static_cast<std::size_t>(config.layers));
    for (index_t i = 0; i < config.layers; ++i) blocks.emplace_back(config.width, config.heads, config.hidden);
  }

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("resblocks", self.blocks);
  }
};

/// Called after block n (1-based) with the tokens x (B * T, D), which it may change.
template <class T>
using BlockHook = function_ref<void(index_t block, View<T, 2> x)>;

/// Runs all blocks on x (B * T, D) in place.
template <class T>
void transformer_forward(Context& context, const Transformer<T>& transformer, kernels::Activation activation,
                         TokenLayout layout, View<T, 2> x, BlockHook<T> after_block) {
  index_t number = 0;
  for (const Block<T>& block : transformer.blocks) {
    block_forward<T>(context, block, activation, layout, x);
    after_block(++number, x);
  }
}

}  // namespace moeclip::inline MOECLIP_ABI_NS

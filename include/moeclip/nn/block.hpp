// SPDX-License-Identifier: MIT
#pragma once
// One pre-norm transformer block, the same for images and text (BLK-1 in this folder's README):
//   x += Attention(LN1(x)),   x += MLP(LN2(x)).

#include "attention.hpp"
#include "layer_norm.hpp"
#include "mlp.hpp"

namespace moeclip::inline MOECLIP_ABI_NS {

template <class T>
struct Block {
  LayerNorm<T> ln_1;
  SelfAttention<T> attention;
  LayerNorm<T> ln_2;
  Mlp<T> mlp;

  Block() = default;
  Block(index_t width, index_t heads, index_t hidden)
      : ln_1(width), attention(width, heads), ln_2(width), mlp(width, hidden) {}

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("ln_1", self.ln_1);
    visitor("attn", self.attention);
    visitor("ln_2", self.ln_2);
    visitor("mlp", self.mlp);
  }
};

/// Packs the four matrices of a frozen block (nn/linear.hpp).
template <class T>
void pack(Context& context, Block<T>& block) {
  for (Linear<T>* layer : {&block.attention.in_proj, &block.attention.out_proj, &block.mlp.c_fc, &block.mlp.c_proj})
    pack(context, *layer);
}

/// Runs the block on x (B * T, D) in place.
template <class T>
void block_forward(Context& context, const Block<T>& block, kernels::Activation activation, TokenLayout layout,
                   View<T, 2> x) {
  Arena::Scope scratch(context.arena());
  const View<T, 2> normed(scratch.take<T>(x.size()), x.extents());
  layer_norm_forward<T>(context, block.ln_1, x, normed);              // (1)
  attention_forward<T>(context, block.attention, layout, normed, x);  // (2)
  layer_norm_forward<T>(context, block.ln_2, x, normed);              // (3)
  mlp_forward<T>(context, block.mlp, activation, normed, x);          // (4)
}

}  // namespace moeclip::inline MOECLIP_ABI_NS

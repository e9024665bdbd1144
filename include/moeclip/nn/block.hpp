// SPDX-License-Identifier: MIT
#pragma once
// One pre-norm transformer block, the same for images and text (BLK-1 in this folder's README):
//   x += Attention(LN1(x)),   x += MLP(LN2(x)).

#include <algorithm>

#include "attention.hpp"
#include "layer_norm.hpp"
#include "mlp.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Parameters of one transformer block over D channels; visit names them as OpenAI's CLIP does.
template <class T>
struct Block {
  LayerNorm<T> ln_1;           // (D), before the attention
  SelfAttention<T> attention;  // the first branch
  LayerNorm<T> ln_2;           // (D), before the MLP
  Mlp<T> mlp;                  // the second branch

  Block() = default;
  /// Uninitialised parameters for `width` channels (D), `heads` heads and `hidden` channels inside the MLP (F).
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

/// Calls visit(name, layer) for the four matrices of a block, named as checkpoints do.
template <class SomeBlock, class Visit>
void visit_matrices(SomeBlock& block, const Visit& visit) {
  visit("attn.in_proj", block.attention.in_proj);
  visit("attn.out_proj", block.attention.out_proj);
  visit("mlp.c_fc", block.mlp.c_fc);
  visit("mlp.c_proj", block.mlp.c_proj);
}

/// Packs the four matrices of a frozen block (nn/linear.hpp).
template <class T>
void pack(Context& context, Block<T>& block, kernels::Precision precision = kernels::Precision::f32) {
  visit_matrices(block, [&](const char*, Linear<T>& layer) { pack(context, layer, precision); });
}

/// What backward needs of a forward pass. The normalised tokens, the probabilities and the activated hidden values are
/// computed again; see this folder's README.
template <class T>
struct BlockSaved {
  Tensor<T> x;       // (B * T, D): the block's input
  Tensor<T> qkv;     // (B * T, 3D)
  Tensor<T> heads;   // (B * T, D): before the output projection
  Tensor<T> middle;  // (B * T, D): after the attention's residual
  Tensor<T> hidden;  // (B * T, F): before the activation
};

namespace detail {

/// `tensor` as (rows, columns), its memory kept if the shape fits.
template <class T>
View<T, 2> room(Tensor<T>& tensor, index_t rows, index_t columns) {
  return fit(tensor, {rows, columns}).template view<2>();
}

/// Copies x, contiguous, into `tensor`.
template <class T>
void keep(Context& context, View<const T, 2> x, Tensor<T>& tensor) {
  T* const to = room(tensor, x.extent(0), x.extent(1)).data();
  context.for_pieces(x.size(), 1,
                     [&](index_t begin, index_t end) { std::copy(x.data() + begin, x.data() + end, to + begin); });
}

}  // namespace detail

/// Runs the block on x (B * T, D) in place. Unless `saved` is null it receives what backward needs; then x must be
/// contiguous.
template <class T>
void block_forward(Context& context, const Block<T>& block, kernels::Activation activation, TokenLayout layout,
                   View<T, 2> x, BlockSaved<T>* saved = nullptr) {
  MOECLIP_EXPECT(saved == nullptr || x.is_contiguous(), "a block keeps its input only if its rows are contiguous");
  const index_t rows = x.extent(0), width = x.extent(1);
  Arena::Scope scratch(context.arena());
  const View<T, 2> normed(scratch.take<T>(x.size()), x.extents());
  if (saved != nullptr) detail::keep<T>(context, x, saved->x);
  layer_norm_forward<T>(context, block.ln_1, x, normed);  // (1)
  if (saved == nullptr)
    attention_forward<T>(context, block.attention, layout, normed, x);  // (2)
  else
    attention_forward<T>(context, block.attention, layout, normed, x,
                         {detail::room(saved->qkv, rows, 3 * width), detail::room(saved->heads, rows, width)});
  if (saved != nullptr) detail::keep<T>(context, x, saved->middle);
  layer_norm_forward<T>(context, block.ln_2, x, normed);     // (3)
  mlp_forward<T>(context, block.mlp, activation, normed, x,  // (4)
                 saved != nullptr ? detail::room(saved->hidden, rows, block.mlp.c_fc.outputs()) : View<T, 2>());
}

/// The first token of each sequence after the block, out (B, D), with the bits of block_forward. x (B * T, D) stays as
/// it is; out must not lie in it. Of the other tokens nothing is computed but what the first ones look at, which is a
/// quarter of the block's work: for the last block of a tower whose class tokens alone are wanted.
template <class T>
void block_forward_first(Context& context, const Block<T>& block, kernels::Activation activation, TokenLayout layout,
                         View<const T, 2> x, View<T, 2> out) {
  const index_t rows = x.extent(0), width = x.extent(1), batch = layout.batch;
  MOECLIP_EXPECT(rows == batch * layout.tokens && out.extent(0) == batch && out.extent(1) == width, "the first of ",
                 batch, " x ", layout.tokens, " tokens were asked for in (", out.extent(0), ",", out.extent(1),
                 "), from (", rows, ",", width, ")");
  Arena::Scope scratch(context.arena());
  const View<T, 2> normed(scratch.take<T>(x.size()), x.extents());
  const View<T, 2> qkv(scratch.take<T>(rows * 3 * width), {rows, 3 * width});
  const auto first = [&](auto tokens) {
    return decltype(tokens)(tokens.data(), {batch, width}, {layout.tokens * tokens.stride(0), 1});
  };
  layer_norm_forward<T>(context, block.ln_1, x, normed);  // (1)
  linear_forward<T>(context, block.attention.in_proj, normed, qkv);
  kernels::attention<T>(context, detail::attention_task<T>(block.attention, layout, qkv, normed));
  for (index_t b = 0; b < batch; ++b) std::copy_n(&x(b * layout.tokens, 0), width, &out(b, 0));
  linear_forward<T>(context, block.attention.out_proj, first(normed), out, {.accumulate = true});  // (2)
  const View<T, 2> normed_first(normed.data(), {batch, width});
  layer_norm_forward<T>(context, block.ln_2, out, normed_first);      // (3)
  mlp_forward<T>(context, block.mlp, activation, normed_first, out);  // (4)
}

/// Turns d_x (B * T, D), the gradient of the block's output, into that of its input. `gradient` is added to unless it
/// is null.  (BLK-1')
template <class T>
void block_backward(Context& context, const Block<T>& block, kernels::Activation activation, TokenLayout layout,
                    const BlockSaved<T>& saved, View<T, 2> d_x, Block<T>* gradient) {
  MOECLIP_EXPECT(saved.x.rank() == 2 && saved.x.extent(0) == d_x.extent(0) && saved.x.extent(1) == d_x.extent(1),
                 "block backward of d_x (", d_x.extent(0), ",", d_x.extent(1), ") was given a saved input ",
                 to_string(saved.x.shape()));
  const bool has_weights = gradient != nullptr;
  const View<const T, 2> x = saved.x.template view<2>(), middle = saved.middle.template view<2>();
  Arena::Scope scratch(context.arena());
  const View<T, 2> d_branch(scratch.take<T>(d_x.size()), d_x.extents());
  const View<T, 2> normed(scratch.take<T>(has_weights ? d_x.size() : 0), d_x.extents());

  if (has_weights) layer_norm_forward<T>(context, block.ln_2, middle, normed);
  mlp_backward<T>(context, block.mlp, activation, {normed, saved.hidden.template view<2>(), d_x, d_branch},  // (4')
                  has_weights ? &gradient->mlp : nullptr);
  layer_norm_backward<T>(context, block.ln_2, middle, d_branch, d_x, has_weights ? &gradient->ln_2 : nullptr,  // (3')
                         true);
  if (has_weights) layer_norm_forward<T>(context, block.ln_1, x, normed);
  const View<const T, 2> qkv = saved.qkv.template view<2>(), heads = saved.heads.template view<2>();
  attention_backward<T>(context, block.attention, layout, {normed, qkv, heads, d_x, d_branch},  // (2')
                        has_weights ? &gradient->attention : nullptr);
  layer_norm_backward<T>(context, block.ln_1, x, d_branch, d_x, has_weights ? &gradient->ln_1 : nullptr, true);  // (1')
}

}}  // namespace moeclip::abi_v0_1

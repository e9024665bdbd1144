// SPDX-License-Identifier: MIT
#pragma once
// Multi-head self-attention (ATT-1 in this folder's README):
//   (q | k | v) = x W_in^T + b_in,   head h: o_h = softmax(q_h k_h^T / sqrt(Dh)) v_h,
//   y = (o_1 ... o_H) W_out^T + b_out.
// The T x T matrix of scores is never stored (kernels/attention.hpp).

#include <cmath>

#include "../kernels/attention.hpp"
#include "../kernels/attention_backward.hpp"
#include "linear.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Parameters of self-attention over D channels in H heads of Dh = D / H channels.
template <class T>
struct SelfAttention {
  Linear<T> in_proj;   // (3D, D): queries, keys, values stacked
  Linear<T> out_proj;  // (D, D)
  index_t heads = 1;   // H, which must divide D

  SelfAttention() = default;
  /// Uninitialised parameters for `width` channels, with biases.
  SelfAttention(index_t width, index_t head_count)
      : in_proj(3 * width, width, true), out_proj(width, width, true), heads(head_count) {}

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("in_proj_weight", self.in_proj.weight);
    visitor("in_proj_bias", self.in_proj.bias);
    visitor("out_proj", self.out_proj);
  }
};

/// How the rows of a token matrix (M, D) are grouped: M = batch * tokens, image by image.
struct TokenLayout {
  index_t batch = 1;    ///< number of sequences: images or texts
  index_t tokens = 0;   ///< per sequence, class token included
  bool causal = false;  ///< token t sees tokens 0..t only (text)
};

/// What backward needs of a forward pass beside its input. Probabilities are not kept: they are T x T, and computed
/// again from q and k.
template <class T>
struct AttentionSaved {
  View<T, 2> qkv;    // (B * T, 3D): queries, keys, values
  View<T, 2> heads;  // (B * T, D): o_1 ... o_H, before the output projection
};

namespace detail {

/// Step (2) for the kernels: all heads of all images, from qkv (B * T, 3D) to heads (B * T, D).
template <class T>
kernels::Attention<T> attention_task(const SelfAttention<T>& attention, TokenLayout layout, View<const T, 2> qkv,
                                     View<T, 2> heads) {
  const index_t width = heads.extent(1);
  kernels::Attention<T> task{};
  task.query = qkv.data();
  task.key = qkv.data() + width;
  task.value = qkv.data() + 2 * width;
  task.stride = qkv.stride(0);
  task.out = heads.data();
  task.out_stride = heads.stride(0);
  task.batch = layout.batch;
  task.tokens = layout.tokens;
  task.heads = attention.heads;
  task.head_width = width / attention.heads;
  task.scale = T(1) / std::sqrt(static_cast<T>(task.head_width));
  task.causal = layout.causal;
  task.precision = attention.in_proj.packed.precision();
  return task;
}

}  // namespace detail

/// y += Attention(x), for x and y (B * T, D) of distinct memory; `saved` receives what backward needs.
template <class T>
void attention_forward(Context& context, const SelfAttention<T>& attention, TokenLayout layout, View<const T, 2> x,
                       View<T, 2> y, const AttentionSaved<T>& saved) {
  MOECLIP_EXPECT(x.extent(0) == layout.batch * layout.tokens && x.extent(1) % attention.heads == 0, "attention over ",
                 layout.batch, " x ", layout.tokens, " tokens with ", attention.heads, " heads was given x (",
                 x.extent(0), ",", x.extent(1), ")");
  linear_forward<T>(context, attention.in_proj, x, saved.qkv);                                           // (1)
  kernels::attention<T>(context, detail::attention_task<T>(attention, layout, saved.qkv, saved.heads));  // (2)
  linear_forward<T>(context, attention.out_proj, saved.heads, y, {.accumulate = true});                  // (3)
}

/// The same with nothing kept.
template <class T>
void attention_forward(Context& context, const SelfAttention<T>& attention, TokenLayout layout, View<const T, 2> x,
                       View<T, 2> y) {
  const index_t rows = x.extent(0), width = attention.out_proj.outputs();
  Arena::Scope scratch(context.arena());
  const View<T, 2> qkv(scratch.take<T>(rows * 3 * width), {rows, 3 * width});
  const View<T, 2> heads(scratch.take<T>(rows * width), {rows, width});
  attention_forward<T>(context, attention, layout, x, y, {qkv, heads});
}

/// From d_y (B * T, D), the gradient of what forward added to y, to d_x (B * T, D); d_x is overwritten and may be d_y.
/// `x` is read only if `gradient` is not null; its tensors are added to.  (ATT-1')
template <class T>
struct AttentionBackward {
  View<const T, 2> x, qkv, heads, d_y;  // (B * T, D), but qkv (B * T, 3D); qkv and heads as saved by forward
  View<T, 2> d_x;                       // (B * T, D), receives the gradient of x
};

/// Runs `task`. Throws contract if `layout` has not as many tokens as qkv, heads and d_y have rows.  (ATT-1')
template <class T>
void attention_backward(Context& context, const SelfAttention<T>& attention, TokenLayout layout,
                        const AttentionBackward<T>& task, SelfAttention<T>* gradient) {
  const index_t rows = layout.batch * layout.tokens, width = attention.out_proj.inputs();
  MOECLIP_EXPECT(task.qkv.extent(0) == rows && task.heads.extent(0) == rows && task.d_y.extent(0) == rows,
                 "attention backward over ", layout.batch, " x ", layout.tokens, " tokens was given d_y (",
                 task.d_y.extent(0), ",", task.d_y.extent(1), ") and saved (", task.qkv.extent(0), ",",
                 task.qkv.extent(1), ")");
  Arena::Scope scratch(context.arena());
  const View<T, 2> d_heads(scratch.take<T>(rows * width), {rows, width});
  const View<T, 2> d_qkv(scratch.take<T>(rows * 3 * width), {rows, 3 * width});
  linear_backward<T>(context, attention.out_proj, task.heads, task.d_y, d_heads,  // (3')
                     gradient != nullptr ? &gradient->out_proj : nullptr);
  kernels::AttentionGradient<T> heads_gradient{};
  heads_gradient.d_out = d_heads.data();
  heads_gradient.d_out_stride = width;
  heads_gradient.d_query = d_qkv.data();
  heads_gradient.d_key = d_qkv.data() + width;
  heads_gradient.d_value = d_qkv.data() + 2 * width;
  heads_gradient.d_stride = 3 * width;
  const View<T, 2> heads(const_cast<T*>(task.heads.data()), task.heads.extents(), task.heads.strides());  // only read
  kernels::attention_backward<T>(context, detail::attention_task<T>(attention, layout, task.qkv, heads),  // (2')
                                 heads_gradient);
  linear_backward<T>(context, attention.in_proj, task.x, d_qkv, task.d_x,  // (1')
                     gradient != nullptr ? &gradient->in_proj : nullptr);
}

}}  // namespace moeclip::abi_v0_1

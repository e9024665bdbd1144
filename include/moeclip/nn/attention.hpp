// SPDX-License-Identifier: MIT
#pragma once
// Multi-head self-attention (ATT-1 in this folder's README):
//   (q | k | v) = x W_in^T + b_in,   head h: o_h = softmax(q_h k_h^T / sqrt(Dh)) v_h,   y = (o_1 ... o_H) W_out^T +
//   b_out.
// The T x T matrix of scores is never stored (kernels/attention.hpp).

#include <cmath>

#include "../kernels/attention.hpp"
#include "linear.hpp"

namespace moeclip::inline MOECLIP_ABI_NS {

template <class T>
struct SelfAttention {
  Linear<T> in_proj;   // (3D, D): queries, keys, values stacked
  Linear<T> out_proj;  // (D, D)
  index_t heads = 1;

  SelfAttention() = default;
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
  index_t batch = 1;
  index_t tokens = 0;   ///< per sequence, class token included
  bool causal = false;  ///< token t sees tokens 0..t only (text)
};

/// y += Attention(x), for x and y (B * T, D) of distinct memory.
template <class T>
void attention_forward(Context& context, const SelfAttention<T>& attention, TokenLayout layout, View<const T, 2> x,
                       View<T, 2> y) {
  const index_t rows = layout.batch * layout.tokens, width = attention.out_proj.outputs();
  MOECLIP_EXPECT(x.extent(0) == rows && width % attention.heads == 0, "attention over ", layout.batch, " x ",
                 layout.tokens, " tokens with ", attention.heads, " heads was given x (", x.extent(0), ",", x.extent(1),
                 ")");
  Arena::Scope scratch(context.arena());
  const View<T, 2> qkv(scratch.take<T>(rows * 3 * width), {rows, 3 * width});
  const View<T, 2> heads(scratch.take<T>(rows * width), {rows, width});

  linear_forward<T>(context, attention.in_proj, x, qkv);  // (1)

  kernels::Attention<T> task{};  // (2)
  task.query = qkv.data();
  task.key = qkv.data() + width;
  task.value = qkv.data() + 2 * width;
  task.stride = 3 * width;
  task.out = heads.data();
  task.out_stride = width;
  task.batch = layout.batch;
  task.tokens = layout.tokens;
  task.heads = attention.heads;
  task.head_width = width / attention.heads;
  task.scale = T(1) / std::sqrt(static_cast<T>(task.head_width));
  task.causal = layout.causal;
  kernels::attention<T>(context, task);

  linear_forward<T>(context, attention.out_proj, heads, y, {.accumulate = true});  // (3)
}

}  // namespace moeclip::inline MOECLIP_ABI_NS

// SPDX-License-Identifier: MIT
#pragma once
// The two-layer perceptron of a transformer block (MLP-1 in this folder's README):
//   y = W2 act(W1 x + b1) + b2,   hidden width F, usually 4 D.

#include "linear.hpp"

namespace moeclip::inline MOECLIP_ABI_NS {

template <class T>
struct Mlp {
  Linear<T> c_fc;    // (F, D)
  Linear<T> c_proj;  // (D, F)

  Mlp() = default;
  Mlp(index_t width, index_t hidden) : c_fc(hidden, width, true), c_proj(width, hidden, true) {}

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("c_fc", self.c_fc);
    visitor("c_proj", self.c_proj);
  }
};

/// y += MLP(x), for x and y (M, D) of distinct memory.
template <class T>
void mlp_forward(Context& context, const Mlp<T>& mlp, kernels::Activation activation, View<const T, 2> x,
                 View<T, 2> y) {
  Arena::Scope scratch(context.arena());
  const index_t rows = x.extent(0), hidden_width = mlp.c_fc.outputs();
  const View<T, 2> hidden(scratch.take<T>(rows * hidden_width), {rows, hidden_width});
  linear_forward<T>(context, mlp.c_fc, x, hidden, {.activation = activation});  // (1)
  linear_forward<T>(context, mlp.c_proj, hidden, y, {.accumulate = true});      // (2)
}

}  // namespace moeclip::inline MOECLIP_ABI_NS

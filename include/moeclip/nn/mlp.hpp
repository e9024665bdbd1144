// SPDX-License-Identifier: MIT
#pragma once
// The two-layer perceptron of a transformer block (MLP-1 in this folder's README):
//   y = W2 act(W1 x + b1) + b2,   hidden width F, usually 4 D.

#include "../kernels/elementwise.hpp"
#include "linear.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Parameters of the perceptron: D channels, F hidden ones; the names are OpenAI's.
template <class T>
struct Mlp {
  Linear<T> c_fc;    // (F, D): W1, b1
  Linear<T> c_proj;  // (D, F): W2, b2

  Mlp() = default;
  /// Uninitialised parameters for `width` channels (D) and `hidden` ones inside (F), with biases.
  Mlp(index_t width, index_t hidden) : c_fc(hidden, width, true), c_proj(width, hidden, true) {}

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("c_fc", self.c_fc);
    visitor("c_proj", self.c_proj);
  }
};

/// y += MLP(x), for x and y (M, D) of distinct memory. `before` (M, F), contiguous, receives W1 x + b1 if it has data:
/// backward needs it.
template <class T>
void mlp_forward(Context& context, const Mlp<T>& mlp, kernels::Activation activation, View<const T, 2> x, View<T, 2> y,
                 View<T, 2> before = {}) {
  Arena::Scope scratch(context.arena());
  const index_t rows = x.extent(0), hidden_width = mlp.c_fc.outputs();
  const View<T, 2> hidden(scratch.take<T>(rows * hidden_width), {rows, hidden_width});
  linear_forward<T>(context, mlp.c_fc, x, hidden, {.activation = activation}, before);  // (1)
  linear_forward<T>(context, mlp.c_proj, hidden, y, {.accumulate = true});              // (2)
}

/// From d_y (M, D), the gradient of what forward added to y, to d_x (M, D); d_x is overwritten and may be d_y. `x` is
/// read only if `gradient` is not null; its tensors are added to.  (MLP-1')
template <class T>
struct MlpBackward {
  View<const T, 2> x, before, d_y;  // (M, D), but `before` (M, F), as saved by forward
  View<T, 2> d_x;                   // (M, D), receives the gradient of x
};

/// Runs `task`. Throws contract if `before` is not contiguous or has not as many rows as d_y.  (MLP-1')
template <class T>
void mlp_backward(Context& context, const Mlp<T>& mlp, kernels::Activation activation, const MlpBackward<T>& task,
                  Mlp<T>* gradient) {
  const View<const T, 2> before = task.before;
  MOECLIP_EXPECT(before.extent(0) == task.d_y.extent(0) && before.is_contiguous(), "MLP backward of d_y (",
                 task.d_y.extent(0), ",", task.d_y.extent(1), ") was given hidden values (", before.extent(0), ",",
                 before.extent(1), ")");
  Arena::Scope scratch(context.arena());
  const View<T, 2> d_before(scratch.take<T>(before.size()), before.extents());
  const View<T, 2> hidden(scratch.take<T>(gradient != nullptr ? before.size() : 0), before.extents());
  if (gradient != nullptr)  // not kept: it would be as large as `before`, and costs little
    kernels::activate<T>(context, activation, before.size(), before.data(), hidden.data());
  linear_backward<T>(context, mlp.c_proj, hidden, task.d_y, d_before, gradient != nullptr ? &gradient->c_proj : nullptr,
                     {.activation = activation, .before = before.data()});  // (2')
  linear_backward<T>(context, mlp.c_fc, task.x, d_before, task.d_x,
                     gradient != nullptr ? &gradient->c_fc : nullptr);  // (1')
}

}}  // namespace moeclip::abi_v0_1

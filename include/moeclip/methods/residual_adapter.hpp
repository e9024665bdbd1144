// SPDX-License-Identifier: MIT
#pragma once
// AA-CLIP's residual adapter, one matrix after a block of a frozen tower, image or text (AAC-1 in aa_clip.md):
//   m = LeakyReLU(W x),   x <- w m |x| / |m| + (1 - w) x,   norms over the channels of each token.

#include <algorithm>

#include "../kernels/elementwise.hpp"
#include "../moe/norm_match.hpp"
#include "../nn/linear.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What a residual adapter leaves for its backward pass.
template <class T>
struct ResidualSaved {
  Tensor<T> x;  // (N, D): what it found
  Tensor<T> m;  // (N, D): LeakyReLU(W x), whose sign tells the slope
};

/// Adapts the tokens x (N, D), contiguous, in place; `layer` (D, D) has no bias. `saved`, unless it is null, gets what
/// residual_backward needs.
template <class T>
void residual_forward(Context& context, const Linear<T>& layer, double weight, View<T, 2> x,
                      ResidualSaved<T>* saved = nullptr) {
  Arena::Scope scratch(context.arena());
  const Shape shape(x.extents());
  View<T, 2> m;
  if (saved == nullptr) {
    m = View<T, 2>(scratch.take<T>(x.size()), x.extents());
  } else {
    std::copy_n(x.data(), x.size(), detail::fit(saved->x, shape).data());
    m = detail::fit(saved->m, shape).template view<2>();
  }
  linear_forward<T>(context, layer, x, m, {.activation = kernels::Activation::leaky_relu});  // (1)
  norm_match_forward<T>(context, static_cast<T>(weight), m, x, 0);                           // (2)
}

/// d_x (N, D), contiguous: in, the gradient of what the adapter left; out, that of what it found. Adds to `gradient`.
/// (AAC-1')
template <class T>
void residual_backward(Context& context, const Linear<T>& layer, double weight, const ResidualSaved<T>& saved,
                       View<T, 2> d_x, Linear<T>& gradient) {
  const View<const T, 2> x = saved.x.template view<2>(), m = saved.m.template view<2>();
  MOECLIP_EXPECT(x.extents() == d_x.extents(), "a residual adapter kept ", x.extent(0), " tokens of width ",
                 x.extent(1), " for a gradient (", d_x.extent(0), ",", d_x.extent(1), ")");
  Arena::Scope scratch(context.arena());
  const View<T, 2> d_m(scratch.take<T>(d_x.size()), d_x.extents());
  norm_match_backward<T>(context, {.weight = weight, .eps = 0}, m, x, d_x, d_m);  // (2')
  kernels::activate_backward<T>(context, kernels::Activation::leaky_relu, m.size(), m.data(), d_m.data(), d_m.data());
  linear_backward<T>(context, layer, x, d_m, d_x, &gradient, {.accumulate = true});  // (1')
}

}}  // namespace moeclip::abi_v0_1

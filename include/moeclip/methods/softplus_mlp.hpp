// SPDX-License-Identifier: MIT
#pragma once
// A perceptron of three linear maps with softplus between them (SPM-1 in this folder's README): the networks by which
// Bayes-PFL makes the mean and the spread of its distributions ("InferenceBlock" of the official code).

#include "../nn/linear.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// y = W3 softplus(W2 softplus(W1 x + b1) + b2) + b3.
template <class T>
struct SoftplusMlp {
  Linear<T> first, second, third;  // (H, K), (H, H), (N, H)

  SoftplusMlp() = default;
  /// Uninitialised parameters for K inputs, H hidden channels and N outputs.
  SoftplusMlp(index_t inputs, index_t hidden, index_t outputs)
      : first(hidden, inputs, true), second(hidden, hidden, true), third(outputs, hidden, true) {}

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("module.0", self.first);
    visitor("module.2", self.second);
    visitor("module.4", self.third);
  }
};

/// What backward needs beside the input: the arguments of both softplus.
template <class T>
struct SoftplusMlpSaved {
  Tensor<T> before1, before2;  // (M, H)
};

/// y (M, N) for x (M, K), both contiguous.
template <class T>
void softplus_mlp_forward(Context& context, const SoftplusMlp<T>& mlp, View<const T, 2> x, View<T, 2> y,
                          SoftplusMlpSaved<T>* saved = nullptr);

/// A way back: what the forward pass was given and kept, and the gradients at both ends.
template <class T>
struct SoftplusMlpBackward {
  View<const T, 2> x;                ///< (M, K)
  const SoftplusMlpSaved<T>& saved;  ///< of the forward pass
  View<const T, 2> d_y;              ///< (M, N)
  View<T, 2> d_x;                    ///< (M, K) out; without data: not wanted
};

/// Adds to the gradients of the parameters.  (SPM-1')
template <class T>
void softplus_mlp_backward(Context& context, const SoftplusMlp<T>& mlp, const SoftplusMlpBackward<T>& back,
                           SoftplusMlp<T>& gradient);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <cmath>

#include "../kernels/reference.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// log(1 + exp(x)), and x itself above 20, as torch has it.
template <class T>
T softplus(T x) {
  return x > T(20) ? x : std::log1p(std::exp(x));
}

/// Its derivative.
template <class T>
T softplus_slope(T x) {
  return x > T(20) ? T(1) : kernels::reference::sigmoid(x);
}

/// h (M, H) = softplus(before).
template <class T>
View<const T, 2> softplus_rows(Arena::Scope& scratch, const Tensor<T>& before) {
  const View<T, 2> h(scratch.take<T>(before.size()), {before.extent(0), before.extent(1)});
  for (index_t i = 0; i < before.size(); ++i) h.data()[i] = softplus(before[i]);
  return h;
}

}  // namespace detail

template <class T>
void softplus_mlp_forward(Context& context, const SoftplusMlp<T>& mlp, View<const T, 2> x, View<T, 2> y,
                          SoftplusMlpSaved<T>* saved) {
  SoftplusMlpSaved<T> own;
  SoftplusMlpSaved<T>& kept = saved != nullptr ? *saved : own;
  const Shape hidden{x.extent(0), mlp.first.outputs()};
  Arena::Scope scratch(context.arena());
  linear_forward<T>(context, mlp.first, x, detail::fit(kept.before1, hidden).template view<2>());    // (1)
  const View<const T, 2> h1 = detail::softplus_rows(scratch, kept.before1);                          // (2)
  linear_forward<T>(context, mlp.second, h1, detail::fit(kept.before2, hidden).template view<2>());  // (3)
  const View<const T, 2> h2 = detail::softplus_rows(scratch, kept.before2);                          // (4)
  linear_forward<T>(context, mlp.third, h2, y);                                                      // (5)
}

template <class T>
void softplus_mlp_backward(Context& context, const SoftplusMlp<T>& mlp, const SoftplusMlpBackward<T>& back,
                           SoftplusMlp<T>& gradient) {
  const Tensor<T>&before1 = back.saved.before1, &before2 = back.saved.before2;
  const index_t rows = back.x.extent(0), hidden = mlp.first.outputs();
  MOECLIP_EXPECT(before1.shape() == Shape({rows, hidden}) && back.d_y.extent(0) == rows, "a perceptron kept ",
                 to_string(before1.shape()), " for ", back.d_y.extent(0), " gradients");
  Arena::Scope scratch(context.arena());
  const View<T, 2> d2(scratch.take<T>(rows * hidden), {rows, hidden});
  const View<T, 2> d1(scratch.take<T>(rows * hidden), {rows, hidden});
  linear_backward<T>(context, mlp.third, detail::softplus_rows(scratch, before2), back.d_y, d2,
                     &gradient.third);                                                                         // (5')
  for (index_t i = 0; i < d2.size(); ++i) d2.data()[i] *= detail::softplus_slope(before2[i]);                  // (4')
  linear_backward<T>(context, mlp.second, detail::softplus_rows(scratch, before1), d2, d1, &gradient.second);  // (3')
  for (index_t i = 0; i < d1.size(); ++i) d1.data()[i] *= detail::softplus_slope(before1[i]);                  // (2')
  linear_backward<T>(context, mlp.first, back.x, d1, back.d_x, &gradient.first);                               // (1')
}

MOECLIP_INSTANTIATE(softplus_mlp_forward)
MOECLIP_INSTANTIATE(softplus_mlp_backward)

}}  // namespace moeclip::abi_v0_1

#endif

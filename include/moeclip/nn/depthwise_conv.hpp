// SPDX-License-Identifier: MIT
#pragma once
// Depthwise 1-D convolution along a token sequence (CNV-1 in this folder's README): kernel 3, zero padding 1, no bias.
//   y(t, c) = w(c,0) x(t-1, c) + w(c,1) x(t, c) + w(c,2) x(t+1, c)

#include "../base/context.hpp"
#include "../tensor/tensor.hpp"

namespace moeclip::inline MOECLIP_ABI_NS {

template <class T>
struct DepthwiseConv {
  Tensor<T> weight;  // (D, 1, 3)

  DepthwiseConv() = default;
  explicit DepthwiseConv(index_t width) : weight(Tensor<T>::uninitialised({width, 1, 3})) {}

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("weight", self.weight);
  }
};

/// x, y: one sequence (T, D), distinct memory.
template <class T>
void depthwise_conv_forward(Context& context, const DepthwiseConv<T>& conv, View<const T, 2> x, View<T, 2> y) {
  const index_t tokens = x.extent(0), width = x.extent(1);
  MOECLIP_EXPECT(conv.weight.size() == 3 * width && x.extents() == y.extents(), "depthwise convolution over ",
                 conv.weight.size() / 3, " channels was given ", width);
  Arena::Scope scratch(context.arena());
  const View<T, 2> taps(scratch.take<T>(3 * width), {3, width});  // tap-major, so that the inner loop is contiguous
  for (index_t c = 0; c < width; ++c)
    for (index_t k = 0; k < 3; ++k) taps(k, c) = conv.weight[3 * c + k];

  context.parallel_for(tokens, [&](index_t t, int) {
    T* out = &y(t, 0);
    for (index_t c = 0; c < width; ++c) out[c] = taps(1, c) * x(t, c);
    if (t > 0)
      for (index_t c = 0; c < width; ++c) out[c] += taps(0, c) * x(t - 1, c);
    if (t + 1 < tokens)
      for (index_t c = 0; c < width; ++c) out[c] += taps(2, c) * x(t + 1, c);
  });
}

}  // namespace moeclip::inline MOECLIP_ABI_NS

// SPDX-License-Identifier: MIT
#pragma once
// Depthwise 1-D convolution along a token sequence (CNV-1 in this folder's README): kernel 3, zero padding 1, no bias.
//   y(t, c) = w(c,0) x(t-1, c) + w(c,1) x(t, c) + w(c,2) x(t+1, c)

#include <algorithm>

#include "../base/context.hpp"
#include "../tensor/tensor.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Three weights for each of D channels.
template <class T>
struct DepthwiseConv {
  Tensor<T> weight;  // (D, 1, 3): channel, 1, tap, as PyTorch's Conv1d with groups = D

  DepthwiseConv() = default;
  /// Uninitialised weights for `width` channels.
  explicit DepthwiseConv(index_t width) : weight(Tensor<T>::uninitialised({width, 1, 3})) {}

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("weight", self.weight);
  }
};

namespace detail {

/// out(t) = taps(0) in(t - 1) + taps(1) in(t) + taps(2) in(t + 1), zeros outside; channels are contiguous.
template <class T>
void convolve_tokens(Context& context, View<const T, 2> taps, View<const T, 2> in, View<T, 2> out) {
  const index_t tokens = in.extent(0), width = in.extent(1);
  context.parallel_for(tokens, [&](index_t t, int) {
    T* to = &out(t, 0);
    for (index_t c = 0; c < width; ++c) to[c] = taps(1, c) * in(t, c);
    if (t > 0)
      for (index_t c = 0; c < width; ++c) to[c] += taps(0, c) * in(t - 1, c);
    if (t + 1 < tokens)
      for (index_t c = 0; c < width; ++c) to[c] += taps(2, c) * in(t + 1, c);
  });
}

}  // namespace detail

/// x, y: one sequence (T, D), distinct memory.
template <class T>
void depthwise_conv_forward(Context& context, const DepthwiseConv<T>& conv, View<const T, 2> x, View<T, 2> y) {
  const index_t width = x.extent(1);
  MOECLIP_EXPECT(conv.weight.size() == 3 * width && x.extents() == y.extents(), "depthwise convolution over ",
                 conv.weight.size() / 3, " channels was given ", width);
  Arena::Scope scratch(context.arena());
  const View<T, 2> taps(scratch.take<T>(3 * width), {3, width});  // tap-major, so that the inner loop is contiguous
  for (index_t c = 0; c < width; ++c)
    for (index_t k = 0; k < 3; ++k) taps(k, c) = conv.weight[3 * c + k];
  detail::convolve_tokens<T>(context, taps, x, y);
}

/// From d_y (T, D):  (CNV-1')
///   d_x(t) = w(2) d_y(t - 1) + w(1) d_y(t) + w(0) d_y(t + 1), the same convolution with the taps turned round; (T, D),
///            distinct memory, skipped if it has no data
///   d_w(c, k) += sum over t of d_y(t, c) x(t + k - 1, c), skipped if `gradient` is null; x is not read otherwise
template <class T>
void depthwise_conv_backward(Context& context, const DepthwiseConv<T>& conv, View<const T, 2> x, View<const T, 2> d_y,
                             View<T, 2> d_x, DepthwiseConv<T>* gradient) {
  const index_t tokens = d_y.extent(0), width = d_y.extent(1);
  MOECLIP_EXPECT(conv.weight.size() == 3 * width && (d_x.data() == nullptr || d_x.extents() == d_y.extents()) &&
                     (gradient == nullptr || (x.extents() == d_y.extents() && gradient->weight.size() == 3 * width)),
                 "depthwise convolution over ", conv.weight.size() / 3, " channels was given a gradient of ", width);
  if (d_x.data() != nullptr) {
    Arena::Scope scratch(context.arena());
    const View<T, 2> taps(scratch.take<T>(3 * width), {3, width});
    for (index_t c = 0; c < width; ++c)
      for (index_t k = 0; k < 3; ++k) taps(2 - k, c) = conv.weight[3 * c + k];
    detail::convolve_tokens<T>(context, taps, d_y, d_x);
  }
  if (gradient == nullptr) return;
  constexpr index_t kStrip = 64;  // channels per task: shared out by channels, so sums have one order
  context.parallel_for((width + kStrip - 1) / kStrip, [&](index_t strip, int) {
    const index_t first = strip * kStrip, count = (std::min)(width - first, kStrip);
    T sum[3][kStrip] = {};
    for (index_t t = 0; t < tokens; ++t)
      for (index_t k = 0; k < 3; ++k) {
        if (t + k - 1 < 0 || t + k - 1 >= tokens) continue;
        const T *from = &x(t + k - 1, first), *d = &d_y(t, first);
        for (index_t c = 0; c < count; ++c) sum[k][c] += d[c] * from[c];
      }
    for (index_t c = 0; c < count; ++c)
      for (index_t k = 0; k < 3; ++k) gradient->weight[3 * (first + c) + k] += sum[k][c];
  });
}

}}  // namespace moeclip::abi_v0_1

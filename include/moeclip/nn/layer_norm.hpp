// SPDX-License-Identifier: MIT
#pragma once
// Layer normalisation over the channels of each token (LN-1 in this folder's README):
//   y = gamma * (x - mean) * rstd + beta,   rstd = 1 / sqrt(var + eps),  var biased.

#include "../kernels/rows.hpp"
#include "../tensor/visit.hpp"

namespace moeclip { inline namespace abi_v0_1 {

inline constexpr double kLayerNormEps = 1e-5;  // CLIP's value, also in the adapter's own norm

/// The scale and the offset of each of D channels.
template <class T>
struct LayerNorm {
  Tensor<T> gamma;  // (D)
  Tensor<T> beta;   // (D)

  LayerNorm() = default;
  /// Uninitialised parameters for `width` channels.
  explicit LayerNorm(index_t width)
      : gamma(Tensor<T>::uninitialised({width})), beta(Tensor<T>::uninitialised({width})) {}

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("weight", self.gamma);
    visitor("bias", self.beta);
  }
};

/// y = LN(x) for the rows of x (M, D); y (M, D) may be x. Rows may be strided, channels are contiguous.
template <class T>
void layer_norm_forward(Context& context, const LayerNorm<T>& norm, View<const T, 2> x, View<T, 2> y) {
  MOECLIP_EXPECT(x.extent(1) == norm.gamma.size() && x.extents() == y.extents(), "layer norm of width ",
                 norm.gamma.size(), " was given x (", x.extent(0), ",", x.extent(1), ") and y (", y.extent(0), ",",
                 y.extent(1), ")");
  const kernels::LayerNormWeights<T> weights{norm.gamma.data(), norm.beta.data(), static_cast<T>(kLayerNormEps)};
  kernels::layer_norm<T>(context, x.extent(0), x.extent(1), x.data(), x.stride(0), weights, y.data(), y.stride(0));
}

/// From y = LN(x) and d_y (M, D), with n = (x - mean) rstd and g = gamma d_y:  (LN-1')
///   d_x = rstd (g - mean(g) - n mean(g n))     means over channels; skipped if d_x has no data
///   d_gamma += sum over rows of d_y n,   d_beta += sum over rows of d_y;   skipped if `gradient` is null
/// mean and rstd come from x again, nothing is saved. With `accumulate` d_x is added to; otherwise it may be d_y.
template <class T>
void layer_norm_backward(Context& context, const LayerNorm<T>& norm, View<const T, 2> x, View<const T, 2> d_y,
                         View<T, 2> d_x, LayerNorm<T>* gradient, bool accumulate = false) {
  MOECLIP_EXPECT(x.extent(1) == norm.gamma.size() && x.extents() == d_y.extents() &&
                     (d_x.data() == nullptr || d_x.extents() == x.extents()),
                 "backward of a layer norm of width ", norm.gamma.size(), " was given x (", x.extent(0), ",",
                 x.extent(1), "), d_y (", d_y.extent(0), ",", d_y.extent(1), ") and d_x (", d_x.extent(0), ",",
                 d_x.extent(1), ")");
  kernels::LayerNormGradient<T> task;
  task.d_y = d_y.data();
  task.d_y_stride = d_y.stride(0);
  task.d_x = d_x.data();
  task.d_x_stride = d_x.stride(0);
  task.accumulate = accumulate;
  task.d_gamma = gradient != nullptr ? gradient->gamma.data() : nullptr;
  task.d_beta = gradient != nullptr ? gradient->beta.data() : nullptr;
  const kernels::LayerNormWeights<T> weights{norm.gamma.data(), norm.beta.data(), static_cast<T>(kLayerNormEps)};
  kernels::layer_norm_backward<T>(context, {x.extent(0), x.extent(1), x.stride(0)}, x.data(), weights, task);
}

}}  // namespace moeclip::abi_v0_1

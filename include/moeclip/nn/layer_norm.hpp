// SPDX-License-Identifier: MIT
#pragma once
// Layer normalisation over the channels of each token (LN-1 in this folder's README):
//   y = gamma * (x - mean) * rstd + beta,   rstd = 1 / sqrt(var + eps),  var biased.

#include "../kernels/rows.hpp"
#include "../tensor/visit.hpp"

namespace moeclip { inline namespace abi_v0_1 {

inline constexpr double kLayerNormEps = 1e-5;  // CLIP's value, also in the adapter's own norm

template <class T>
struct LayerNorm {
  Tensor<T> gamma;  // (D)
  Tensor<T> beta;   // (D)

  LayerNorm() = default;
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

// The same for reading and trying out, with results returned.

/// What forward keeps for backward: nothing here, since mean and rstd come from x again.
struct LayerNormSaved {};

template <class T>
struct LayerNormResult {
  Tensor<T> y;  // (M, D)
  LayerNormSaved saved;
};

template <class T>
struct LayerNormGradients {
  Tensor<T> d_x;  // (M, D)
  LayerNorm<T> d_norm;
};

/// auto [y, saved] = layer_norm_forward(norm, x);  for x (M, D)
template <class T>
LayerNormResult<T> layer_norm_forward(const LayerNorm<T>& norm, const Tensor<T>& x) {
  Context context({.threads = 1});
  LayerNormResult<T> result{Tensor<T>(x.shape()), {}};
  layer_norm_forward<T>(context, norm, x.template view<2>(), result.y.template view<2>());
  return result;
}

/// auto [d_x, d_norm] = layer_norm_backward(norm, saved, x, d_y);
template <class T>
LayerNormGradients<T> layer_norm_backward(const LayerNorm<T>& norm, const LayerNormSaved&, const Tensor<T>& x,
                                          const Tensor<T>& d_y) {
  Context context({.threads = 1});
  LayerNormGradients<T> result{Tensor<T>(x.shape()), LayerNorm<T>(norm.gamma.size())};
  zero_parameters(result.d_norm);
  layer_norm_backward<T>(context, norm, x.template view<2>(), d_y.template view<2>(), result.d_x.template view<2>(),
                         &result.d_norm);
  return result;
}

}}  // namespace moeclip::abi_v0_1

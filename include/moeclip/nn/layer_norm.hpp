// SPDX-License-Identifier: MIT
#pragma once
// Layer normalisation over the channels of each token (LN-1 in this folder's README):
//   y = gamma * (x - mean) * rstd + beta,   rstd = 1 / sqrt(var + eps),  var biased.

#include "../kernels/rows.hpp"
#include "../tensor/tensor.hpp"

namespace moeclip::inline MOECLIP_ABI_NS {

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

}  // namespace moeclip::inline MOECLIP_ABI_NS

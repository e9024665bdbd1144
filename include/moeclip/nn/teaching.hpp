// SPDX-License-Identifier: MIT
#pragma once
// Layers for reading and trying out: the functions of linear.hpp and layer_norm.hpp in the form that a textbook gives
// them, tensors in and tensors out. Each call makes a context of its own and takes memory, so nothing in the library
// uses them.

#include "layer_norm.hpp"
#include "linear.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// auto y = linear_forward(layer, x);  for x (M, K)
template <class T>
Tensor<T> linear_forward(const Linear<T>& layer, const Tensor<T>& x) {
  Context context({.threads = 1});
  Tensor<T> y({x.extent(0), layer.outputs()});
  linear_forward<T>(context, layer, x.template view<2>(), y.template view<2>());
  return y;
}

/// What linear_backward below returns.
template <class T>
struct LinearGradients {
  Tensor<T> d_x;      // (M, K)
  Linear<T> d_layer;  // the gradient of each parameter, in its place
};

/// auto [d_x, d_layer] = linear_backward(layer, x, d_y);
template <class T>
LinearGradients<T> linear_backward(const Linear<T>& layer, const Tensor<T>& x, const Tensor<T>& d_y) {
  Context context({.threads = 1});
  LinearGradients<T> result{Tensor<T>(x.shape()), Linear<T>(layer.outputs(), layer.inputs(), !layer.bias.empty())};
  zero_parameters(result.d_layer);
  linear_backward<T>(context, layer, x.template view<2>(), d_y.template view<2>(), result.d_x.template view<2>(),
                     &result.d_layer);
  return result;
}

/// What forward keeps for backward: nothing here, since mean and rstd come from x again.
struct LayerNormSaved {};

/// What layer_norm_forward below returns.
template <class T>
struct LayerNormResult {
  Tensor<T> y;           // (M, D)
  LayerNormSaved saved;  // to be handed to layer_norm_backward
};

/// What layer_norm_backward below returns.
template <class T>
struct LayerNormGradients {
  Tensor<T> d_x;        // (M, D)
  LayerNorm<T> d_norm;  // the gradient of gamma and of beta, in their places
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

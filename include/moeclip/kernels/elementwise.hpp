// SPDX-License-Identifier: MIT
#pragma once
// Functions that are applied to each element of long arrays. In all of them y may be x.

#include <type_traits>

#include "../base/context.hpp"
#include "dispatch.hpp"
#include "reference.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace kernels {

/// y = activation(x), n elements.
template <class T>
void activate(Context& context, Activation activation, index_t n, const T* x, T* y) {
  context.for_pieces(n, 1, [&](index_t begin, index_t end) {
    if constexpr (std::is_same_v<T, float>)
      active().activate(activation, end - begin, x + begin, y + begin);
    else
      for (index_t i = begin; i < end; ++i) y[i] = reference::activate(activation, x[i]);
  });
}

/// d_x = d_y * activation'(x), n elements; x is what went into the activation. d_x may be d_y or x.
template <class T>
void activate_backward(Context& context, Activation activation, index_t n, const T* x, const T* d_y, T* d_x) {
  static_assert(kHasBackward<T>, "MOECLIP_FORWARD_ONLY leaves the kernels of backward passes out");
  context.for_pieces(n, 1, [&](index_t begin, index_t end) {
    if constexpr (std::is_same_v<T, float>)
      active().activate_backward(activation, end - begin, x + begin, d_y + begin, d_x + begin);
    else
      for (index_t i = begin; i < end; ++i) d_x[i] = d_y[i] * reference::slope(activation, x[i]);
  });
}

/// y = e^x, n elements.
template <class T>
void exp(Context& context, index_t n, const T* x, T* y) {
  context.for_pieces(n, 1, [&](index_t begin, index_t end) {
    if constexpr (std::is_same_v<T, float>)
      active().exp(end - begin, x + begin, y + begin);
    else
      for (index_t i = begin; i < end; ++i) y[i] = std::exp(x[i]);
  });
}

/// y = 1 / (1 + e^-x), n elements.
template <class T>
void sigmoid(Context& context, index_t n, const T* x, T* y) {
  context.for_pieces(n, 1, [&](index_t begin, index_t end) {
    if constexpr (std::is_same_v<T, float>)
      active().sigmoid(end - begin, x + begin, y + begin);
    else
      for (index_t i = begin; i < end; ++i) y[i] = reference::sigmoid(x[i]);
  });
}

}}}  // namespace moeclip::abi_v0_1::kernels

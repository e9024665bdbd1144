// SPDX-License-Identifier: MIT
#pragma once
// Functions of single elements over long arrays. y may be x in all of them.

#include <type_traits>

#include "dispatch.hpp"
#include "pieces.hpp"
#include "reference.hpp"

namespace moeclip::inline MOECLIP_ABI_NS::kernels {

/// y = activation(x), n elements.
template <class T>
void activate(Context& context, Activation activation, index_t n, const T* x, T* y) {
  detail::for_pieces(context, n, 1, [&](index_t begin, index_t end) {
    if constexpr (std::is_same_v<T, float>)
      active().activate(activation, end - begin, x + begin, y + begin);
    else
      for (index_t i = begin; i < end; ++i) y[i] = reference::activate(activation, x[i]);
  });
}

/// y = e^x, n elements.
template <class T>
void exp(Context& context, index_t n, const T* x, T* y) {
  detail::for_pieces(context, n, 1, [&](index_t begin, index_t end) {
    if constexpr (std::is_same_v<T, float>)
      active().exp(end - begin, x + begin, y + begin);
    else
      for (index_t i = begin; i < end; ++i) y[i] = std::exp(x[i]);
  });
}

/// y = 1 / (1 + e^-x), n elements.
template <class T>
void sigmoid(Context& context, index_t n, const T* x, T* y) {
  detail::for_pieces(context, n, 1, [&](index_t begin, index_t end) {
    if constexpr (std::is_same_v<T, float>)
      active().sigmoid(end - begin, x + begin, y + begin);
    else
      for (index_t i = begin; i < end; ++i) y[i] = reference::sigmoid(x[i]);
  });
}

}  // namespace moeclip::inline MOECLIP_ABI_NS::kernels

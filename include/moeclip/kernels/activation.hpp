// SPDX-License-Identifier: MIT
#pragma once
// The element-wise functions between two linear maps (ACT-1 in this folder's README), by name and as plain formulas.
// `double` runs these formulas, and tests compare with them; `float` runs polynomials that approximate the same
// functions (kernels/body/math.inl).

#include <cmath>

#include "../base/types.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace kernels {

/// A function of one element x, applied to each.
enum class Activation {
  none,        ///< x
  gelu,        ///< x * (1 + erf(x / sqrt 2)) / 2
  quick_gelu,  ///< x / (1 + exp(-1.702 x))
  leaky_relu,  ///< x, or 0.01 x below zero
};

/// The name of the enumerator, as messages and the metadata of weight files spell it.
inline const char* to_string(Activation activation) {
  switch (activation) {
    case Activation::none: return "none";
    case Activation::gelu: return "gelu";
    case Activation::quick_gelu: return "quick_gelu";
    case Activation::leaky_relu: return "leaky_relu";
  }
  return "unknown";
}

namespace reference {

/// 1 / (1 + exp(-x)).
template <class T>
T sigmoid(T x) {
  return T(1) / (T(1) + std::exp(-x));
}

/// The formula of `activation`. Both GELUs are 0 at minus infinity.
template <class T>
T activate(Activation activation, T x) {
  if (activation == Activation::leaky_relu) return x < T(0) ? T(0.01) * x : x;
  if (activation == Activation::none) return x;
  if (std::isinf(x)) return x < T(0) ? T(0) : x;
  // erfc keeps the digits of the left tail, where 1 + erf would cancel
  if (activation == Activation::gelu) return T(0.5) * x * std::erfc(-x * T(0.70710678118654752440));
  return x * sigmoid(T(1.702) * x);
}

/// Its derivative at x (ACT-1' in this folder's README). At its kink, zero, leaky_relu has the slope of the left side,
/// as in PyTorch.
template <class T>
T slope(Activation activation, T x) {
  if (activation == Activation::none) return T(1);
  if (activation == Activation::leaky_relu) return x > T(0) ? T(1) : T(0.01);
  if (std::isinf(x)) return x < T(0) ? T(0) : T(1);
  if (activation == Activation::gelu) {
    const T density = T(0.39894228040143267794) * std::exp(T(-0.5) * x * x);
    return T(0.5) * std::erfc(-x * T(0.70710678118654752440)) + x * density;
  }
  const T z = T(1.702) * x, s = sigmoid(z);
  return s + z * s * sigmoid(-z);
}

}  // namespace reference
}}}  // namespace moeclip::abi_v0_1::kernels

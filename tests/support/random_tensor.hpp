// SPDX-License-Identifier: MIT
#pragma once
// Operands for tests of layers: the same values in float and in double, remade from a name, and the type in which
// references are computed.

#include <cstring>
#include <limits>
#include <moeclip/base/rng.hpp>
#include <moeclip/tensor/tensor.hpp>
#include <string_view>

/// A scalar wide enough that the rounding of a reference does not count: double for float, long double for double.
template <class T>
struct WiderScalar {
  using type = double;
};
template <>
struct WiderScalar<double> {
  using type = long double;
};
template <class T>
using Wider = typename WiderScalar<T>::type;

template <class T>
constexpr double eps_of() {
  return static_cast<double>(std::numeric_limits<T>::epsilon());
}

/// Uniform in [offset - scale, offset + scale), float values also where T is double.
template <class T>
void randomize(moeclip::Tensor<T>& tensor, std::string_view name, float scale = 1.0f, float offset = 0.0f) {
  const moeclip::Rng rng(1, name);
  for (moeclip::index_t i = 0; i < tensor.size(); ++i) tensor[i] = static_cast<T>(rng.uniform(i, scale, offset));
}

template <class T>
moeclip::Tensor<T> random_tensor(const moeclip::Shape& shape, std::string_view name, float scale = 1.0f,
                                 float offset = 0.0f) {
  moeclip::Tensor<T> tensor(shape);
  randomize(tensor, name, scale, offset);
  return tensor;
}

/// True if both tensors have the same shape and the same bits.
template <class T>
bool same_bits(const moeclip::Tensor<T>& a, const moeclip::Tensor<T>& b) {
  return a.shape() == b.shape() &&
         (a.empty() || std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(T)) == 0);
}

// SPDX-License-Identifier: MIT
#pragma once
// What the tests of backward passes share. The loss is <y, r> with a random r, so d_y = r.

#include <doctest/doctest.h>

#include <utility>
#include <vector>

#include "gradient_check.hpp"
#include "nn_test.hpp"

namespace nn_test {

inline double inner(const Tensor<double>& a, const Tensor<double>& b) {
  REQUIRE(a.size() == b.size());
  double sum = 0;
  for (index_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// Largest |found - expected| in units of float's eps times the largest expected magnitude.
inline double worst_in_eps(const Tensor<float>& found, const Tensor<double>& expected) {
  REQUIRE(found.shape() == expected.shape());
  double off = 0, largest = 1e-300;
  for (index_t i = 0; i < found.size(); ++i) {
    const double one = std::abs(static_cast<double>(found[i]) - expected[i]);
    off = one < 1e300 ? std::max(off, one) : 1e300;
    largest = std::max(largest, std::abs(expected[i]));
  }
  return off == 0 ? 0 : off / (eps_of<float>() * largest);
}

/// The same over all tensors of two parameter structs or gradients.
template <template <class> class Layer>
double worst_in_eps(const Layer<float>& found, const Layer<double>& expected) {
  std::vector<const Tensor<double>*> tensors;
  visit_parameters(expected, "", [&](const std::string&, const Tensor<double>& tensor) { tensors.push_back(&tensor); });
  double worst = 0;
  std::size_t next = 0;
  visit_parameters(found, "", [&](const std::string&, const Tensor<float>& tensor) {
    worst = std::max(worst, worst_in_eps(tensor, *tensors.at(next++)));
  });
  return worst;
}

/// True if all tensors of two structs have the same bits.
template <class Layer>
bool same_parameters(const Layer& a, const Layer& b) {
  std::vector<const Tensor<float>*> tensors;
  visit_parameters(b, "", [&](const std::string&, const Tensor<float>& tensor) { tensors.push_back(&tensor); });
  bool is_same = true;
  std::size_t next = 0;
  visit_parameters(a, "", [&](const std::string&, const Tensor<float>& tensor) {
    is_same = is_same && same_bits(tensor, *tensors.at(next++));
  });
  return is_same;
}

}  // namespace nn_test

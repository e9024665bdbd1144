// SPDX-License-Identifier: MIT
#pragma once
// Gradients against finite differences, in double (CHK-1 in nn/README.md). Along a random direction d the derivative of
// a loss L is <gradient, d> and, within a tolerance, the difference
//
//   (8 (L(x + h d) - L(x - h d)) - (L(x + 2h d) - L(x - 2h d))) / 12 h,       h = eps^(1/3),
//
// whose own error is rounding, eps |L| / h = eps^(2/3) |L|, and a rest in h^4 that is smaller still. The error is taken
// relative to |L| + |gradient| rms(d), the size that <gradient, d> has for a random d; L sums many rounded terms, hence
// the factor in kGradientTolerance. A wrong sign, factor or missing term is off by 1e-3 or more, six digits above.
//
//   Tensor<double> x = ..., d_x = ...;                                        // d_x from the backward pass
//   const auto loss = [&] { return loss_of(forward(x)); };                    // reads x anew at each call
//   expect_gradient(loss, {{"x", x, d_x}});
//   expect_gradient(loss, parameter_gradients(layer, layer_gradient));        // every tensor of a visited struct

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <moeclip/base/rng.hpp>
#include <moeclip/tensor/visit.hpp>
#include <string>
#include <utility>
#include <vector>

/// Largest relative error that rounding explains: 32 eps^(2/3) = 1.2e-9.
inline const double kGradientTolerance = 32 * std::cbrt(std::pow(std::numeric_limits<double>::epsilon(), 2));

/// Numbers that a loss depends on, and what is claimed to be its gradient with respect to them.
struct ClaimedGradient {
  std::string name;
  double* value;
  const double* gradient;
  moeclip::index_t size;

  ClaimedGradient(std::string label, double* values, const double* gradients, moeclip::index_t count)
      : name(std::move(label)), value(values), gradient(gradients), size(count) {}
  ClaimedGradient(std::string label, moeclip::Tensor<double>& values, const moeclip::Tensor<double>& gradients)
      : ClaimedGradient(std::move(label), values.data(), gradients.data(), values.size()) {
    REQUIRE(values.shape() == gradients.shape());
  }
};

/// Every parameter of `object` with the tensor of the same place in `gradient`.
template <class Object>
std::vector<ClaimedGradient> parameter_gradients(Object& object, const Object& gradient, std::string_view prefix = "") {
  std::vector<const moeclip::Tensor<double>*> gradients;
  moeclip::visit_parameters(gradient, prefix, [&](const std::string&, const moeclip::Tensor<double>& tensor) {
    gradients.push_back(&tensor);
  });
  std::vector<ClaimedGradient> claims;
  moeclip::visit_parameters(object, prefix, [&](const std::string& path, moeclip::Tensor<double>& tensor) {
    claims.emplace_back(path, tensor, *gradients.at(claims.size()));
  });
  REQUIRE(claims.size() == gradients.size());
  return claims;
}

/// d L / d h of loss() along `direction`, by differences. The values are put back.
template <class Loss>
double derivative_along(const Loss& loss, const ClaimedGradient& claim, const std::vector<double>& direction) {
  const std::vector<double> before(claim.value, claim.value + claim.size);
  const double h = std::cbrt(std::numeric_limits<double>::epsilon());
  const auto loss_at = [&](double step) {
    for (std::size_t i = 0; i < before.size(); ++i) claim.value[i] = before[i] + step * direction[i];
    return static_cast<double>(loss());
  };
  const double near = loss_at(h) - loss_at(-h), far = loss_at(2 * h) - loss_at(-2 * h);
  std::copy(before.begin(), before.end(), claim.value);
  return (8 * near - far) / (12 * h);
}

/// Largest relative error of a claim over some random directions; infinite if anything is not a number.
template <class Loss>
double gradient_error(const Loss& loss, const ClaimedGradient& claim, int directions = 3) {
  if (claim.size == 0) return 0;
  std::vector<double> direction(static_cast<std::size_t>(claim.size));
  double square = 0, worst = 0;
  for (moeclip::index_t i = 0; i < claim.size; ++i) square += claim.gradient[i] * claim.gradient[i];
  const double scale = std::abs(static_cast<double>(loss())) + std::sqrt(square / 3) + 1e-300;  // rms(d) = 1 / sqrt 3
  for (int n = 0; n < directions; ++n) {
    const moeclip::Rng rng(static_cast<std::uint64_t>(n), claim.name);
    double claimed = 0;
    for (moeclip::index_t i = 0; i < claim.size; ++i) {
      direction[static_cast<std::size_t>(i)] = static_cast<double>(rng.uniform(i));
      claimed += claim.gradient[i] * direction[static_cast<std::size_t>(i)];
    }
    const double error = std::abs(derivative_along(loss, claim, direction) - claimed) / scale;
    worst = std::max(worst, error < 1e300 ? error : std::numeric_limits<double>::infinity());
  }
  return worst;
}

/// Checks every claim. loss() is a double (or converts to one) and must depend on the claims' values only.
template <class Loss>
void expect_gradient(const Loss& loss, const std::vector<ClaimedGradient>& claims, int directions = 3) {
  for (const ClaimedGradient& claim : claims) {
    const std::string name = claim.name;
    CAPTURE(name);
    CHECK(gradient_error(loss, claim, directions) <= kGradientTolerance);
  }
}

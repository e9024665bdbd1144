// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <complex>

#include "../lesson.hpp"

/// sum tanh(x_i) for any scalar.
template <class T>
static T sum_of_tanh(const std::vector<T>& x) {
  T sum = 0;
  for (const T& value : x) sum += std::tanh(value);
  return sum;
}

static double exact_slope(double x) { return 1 - std::tanh(x) * std::tanh(x); }

TEST_CASE("lesson 5, exercise 1: h^2 and eps/h are equally large at h = eps^(1/3), where the error is eps^(2/3)") {
  const auto error = [](double h) {
    double worst = 0;
    for (const double x : {-0.9, -0.2, 0.4, 1.3}) {
      const double slope = (sum_of_tanh<double>({x + h}) - sum_of_tanh<double>({x - h})) / (2 * h);
      worst = std::max(worst, std::abs(slope - exact_slope(x)));
    }
    return worst;
  };
  const double best = error(6e-6);
  CHECK(best < 1e-9);
  CHECK(error(1e-2) > 1000 * best);
  CHECK(error(1e-11) > 1000 * best);
}

TEST_CASE("lesson 5, exercise 2: an imaginary step has no difference, and so no rounding") {
  const std::vector<double> x = {-0.9, -0.2, 0.4, 1.3};
  for (std::size_t i = 0; i < x.size(); ++i) {
    std::vector<std::complex<double>> moved(x.begin(), x.end());
    moved[i] += std::complex<double>(0, 1e-100);
    CHECK(sum_of_tanh(moved).imag() / 1e-100 == doctest::Approx(exact_slope(x[i])).epsilon(1e-14));
  }
}

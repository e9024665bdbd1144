// SPDX-License-Identifier: MIT
// Elementary functions over all exponents of float, against double: error in units of the last place of the result.
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <moeclip/kernels/elementwise.hpp>

#include "gradient_check.hpp"
#include "kernel_test.hpp"

using namespace moeclip;
using namespace moeclip::kernels;
using kernel_test::for_each_isa;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Distance in units of the last place of float at `expected`; the smallest subnormal is the smallest unit.
double ulps(float found, double expected) {
  if (std::isnan(expected)) return std::isnan(found) ? 0 : 1e9;
  constexpr double kMost = std::numeric_limits<float>::max();
  if (std::fabs(expected) > kMost * (1 + 0x1p-25)) return std::isinf(found) && (found > 0) == (expected > 0) ? 0 : 1e9;
  if (!std::isfinite(found)) return 1e9;
  const int exponent = std::max(-126, std::ilogb(std::max(std::fabs(expected), 1e-300)));
  return std::fabs(double{found} - expected) / std::ldexp(1.0, exponent - 23);
}

// Both signs of every exponent, `per_exponent` values each, and the borders. MOECLIP_TEST_DENSE=n takes n per exponent.
std::vector<float> all_exponents() {
  const char* dense = std::getenv("MOECLIP_TEST_DENSE");
  const int per_exponent = dense != nullptr ? std::atoi(dense) : 500;
  std::vector<float> x = {0.0f, -0.0f, kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN()};
  const Rng rng(3, "exponents");
  index_t draw = 0;
  for (std::uint32_t exponent = 0; exponent < 255; ++exponent)
    for (int i = 0; i < per_exponent; ++i)
      for (const std::uint32_t sign : {0u, 1u}) {
        const auto fraction = static_cast<std::uint32_t>(rng.bits(draw++) & 0x7FFFFFu);
        x.push_back(std::bit_cast<float>(sign << 31 | exponent << 23 | (i == 0 ? 0u : fraction)));
      }
  for (int i = 0; i < 200 * per_exponent; ++i) x.push_back(rng.uniform(draw++, 110.0f));  // where things happen
  return x;
}

template <class Fast, class Exact>
void check_ulps(const char* name, double most, const Fast& fast, const Exact& exact) {
  static const std::vector<float> x = all_exponents();
  std::vector<float> y(x.size()), tail(x.size());
  fast(static_cast<index_t>(x.size()), x.data(), y.data());
  fast(7, x.data() + 1000, tail.data());  // a short array gives the same bits as the middle of a long one
  for (std::size_t i = 0; i < 7; ++i)
    CHECK(std::bit_cast<std::uint32_t>(tail[i]) == std::bit_cast<std::uint32_t>(y[1000 + i]));
  double worst = 0;
  float where = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double error = ulps(y[i], exact(double{x[i]}));
    if (error > worst) worst = error, where = x[i];
  }
  MESSAGE(concat(name, " on ", to_string(active_isa()), ": worst ", worst, " ulp at ", where));
  CHECK(worst <= most);
}

}  // namespace

TEST_CASE("elementwise: exp") {
  for_each_isa([] {
    Context context({.threads = 1});
    check_ulps(
        "exp", 1.5, [&](index_t n, const float* x, float* y) { kernels::exp(context, n, x, y); },
        [](double x) { return std::exp(x); });
  });
}

TEST_CASE("elementwise: sigmoid") {
  for_each_isa([] {
    Context context({.threads = 1});
    check_ulps(
        "sigmoid", 2.5, [&](index_t n, const float* x, float* y) { kernels::sigmoid(context, n, x, y); },
        [](double x) { return reference::sigmoid(x); });
  });
}

TEST_CASE("elementwise: activations") {
  for_each_isa([] {
    Context context({.threads = 1});
    const auto check = [&](Activation activation, double most) {
      check_ulps(
          to_string(activation), most,
          [&](index_t n, const float* x, float* y) { kernels::activate(context, activation, n, x, y); },
          [&](double x) { return reference::activate(activation, x); });
    };
    check(Activation::none, 0);
    check(Activation::gelu, 3.2);  // 3.06 with 20000 values per exponent
    check(Activation::quick_gelu, 3);
    check(Activation::leaky_relu, 1);
  });
}

// A slope is accurate to a few ulp of its own size, but near its zero (gelu: -0.752, quick_gelu: -0.751) of the terms
// that cancel there: Phi and x phi, about a quarter.
TEST_CASE("elementwise: slopes of the activations") {
  for_each_isa([] {
    Context context({.threads = 1});
    for (const auto activation : {Activation::none, Activation::gelu, Activation::quick_gelu, Activation::leaky_relu}) {
      const bool has_zero = activation == Activation::gelu || activation == Activation::quick_gelu;
      const auto x = all_exponents();
      std::vector<float> d_y(x.size(), 1.0f), d_x(x.size()), in_place(x.size(), 1.0f), tail(7);
      const auto n = static_cast<index_t>(x.size());
      activate_backward(context, activation, n, x.data(), d_y.data(), d_x.data());
      activate_backward(context, activation, n, x.data(), in_place.data(), in_place.data());
      activate_backward(context, activation, 7, x.data() + 1000, d_y.data(), tail.data());
      CHECK(std::memcmp(tail.data(), d_x.data() + 1000, 7 * sizeof(float)) == 0);
      CHECK(std::memcmp(in_place.data(), d_x.data(), x.size() * sizeof(float)) == 0);
      double worst_ulps = 0, worst_near_zero = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double expected = reference::slope(activation, double{x[i]});
        if (has_zero && x[i] > -1.0f && x[i] < -0.5f)
          worst_near_zero = std::max(worst_near_zero, std::fabs(double{d_x[i]} - expected) * 0x1p25);
        else if (!std::isnan(x[i]) || has_zero)  // the slopes of none and leaky_relu are constants, NaN or not
          worst_ulps = std::max(worst_ulps, ulps(d_x[i], expected));
      }
      MESSAGE(concat("slope of ", to_string(activation), " on ", to_string(active_isa()), ": worst ", worst_ulps,
                     " ulp, near its zero ", worst_near_zero, " ulp of 1/4"));
      CHECK(worst_ulps <= (has_zero ? 6.0 : 0.5));
      CHECK(worst_near_zero <= 3);
    }
  });
}

TEST_CASE("elementwise: limits are limits") {
  for_each_isa([] {
    Context context({.threads = 1});
    const float x[] = {kInfinity, -kInfinity, std::numeric_limits<float>::quiet_NaN(), 0.0f};
    float y[4];
    for (const auto activation : {Activation::gelu, Activation::quick_gelu}) {
      kernels::activate(context, activation, 4, x, y);
      CHECK(y[0] == kInfinity);
      CHECK(y[1] == 0.0f);
      CHECK(std::isnan(y[2]));
      CHECK(y[3] == 0.0f);
      const float ones[] = {1, 1, 1, 1};
      kernels::activate_backward(context, activation, 4, x, ones, y);
      CHECK(y[0] == 1.0f);
      CHECK(y[1] == 0.0f);
      CHECK(std::isnan(y[2]));
      CHECK(y[3] == 0.5f);
    }
    kernels::sigmoid(context, 4, x, y);
    CHECK(y[0] == 1.0f);
    CHECK(y[1] == 0.0f);
    CHECK(std::isnan(y[2]));
    CHECK(y[3] == 0.5f);
  });
}

TEST_CASE("elementwise: the same bits for any number of threads, double by formula") {
  const auto x = kernel_test::random_values(100003, "x", 8.0f);
  std::vector<float> one(x.size()), three(x.size());
  Context single({.threads = 1}), several({.threads = 3});
  kernels::activate(single, Activation::gelu, 100003, x.data(), one.data());
  kernels::activate(several, Activation::gelu, 100003, x.data(), three.data());
  CHECK(one == three);
  const double half = 0.5;
  double result = 0;
  kernels::activate(single, Activation::gelu, 1, &half, &result);
  CHECK(result == doctest::Approx(0.34573123063700656).epsilon(1e-14));
  kernels::exp(single, 1, &half, &result);
  CHECK(result == std::exp(0.5));
}

TEST_CASE("elementwise: the slope is the derivative of the activation, in double") {
  Context context({.threads = 1});
  for (const auto activation : {Activation::none, Activation::gelu, Activation::quick_gelu, Activation::leaky_relu}) {
    Tensor<double> x(Shape{200}), y(Shape{200}), d_x(Shape{200});
    const Rng rng(1, "slope");
    for (index_t i = 0; i < 200; ++i) x[i] = static_cast<double>(rng.uniform(i, 6.0f));
    const std::vector<double> d_y(200, 1.0);
    activate_backward(context, activation, 200, x.data(), d_y.data(), d_x.data());
    const auto loss = [&] {
      activate(context, activation, 200, x.data(), y.data());
      double sum = 0;
      for (const double value : y) sum += value;
      return sum;
    };
    expect_gradient(loss, {{to_string(activation), x, d_x}});
  }
}

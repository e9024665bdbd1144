// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/moe/etf_loss.hpp>
#include <moeclip/moe/norm_match.hpp>

#include "../lesson.hpp"

TEST_CASE("lesson 10, exercise 1: three directions in a plane end 120 degrees apart; E equal ones cost E/(E-1)") {
  Context context({.threads = 1});
  Tensor<double> o = drawn<double>({3, 1, 2}, "o"), d_o(o.shape());
  double loss = 1;
  for (int step = 0; step < 2000; ++step) {
    loss = moeclip::etf_loss<double>(context, o.view<3>(), 1, d_o.view<3>());
    for (index_t i = 0; i < o.size(); ++i) o[i] -= 0.3 * d_o[i];
  }
  CHECK(loss < 1e-9);
  for (index_t e = 0; e < 3; ++e) {
    const index_t f = (e + 1) % 3;
    CHECK(dot(row(o, e), row(o, f)) / (length(row(o, e)) * length(row(o, f))) == doctest::Approx(-0.5).epsilon(1e-3));
  }
  // E (E-1) entries of E E are off by 1 + 1/(E-1)
  for (const index_t experts : {2, 3, 4}) {
    Tensor<double> equal({experts, 1, 5});
    equal.fill(1);
    const auto count = static_cast<double>(experts);
    CHECK(moeclip::etf_loss<double>(context, equal.view<3>(), 0, {}) == doctest::Approx(count / (count - 1)));
  }
}

TEST_CASE("lesson 10, exercise 2: y does not depend on the length of m, so d_m has no part along m") {
  // m . d_m = w |x| (m . d_y) (1/(|m| + eps) - |m|/(|m| + eps)^2) = w |x| (m . d_y) eps/(|m| + eps)^2. The derivative
  // by a common factor of all experts, alpha/r, is m . d_m divided by it: nothing to learn, and nothing to tune.
  const auto x = drawn<double>({1, 32}, "x"), m = drawn<double>({1, 32}, "m"), d_y = drawn<double>({1, 32}, "d_y");
  Tensor<double> d = d_y, d_m(m.shape());
  Context context({.threads = 1});
  moeclip::norm_match_backward<double>(context, {.weight = 0.1}, m.view<2>(), x.view<2>(), d.view<2>(), d_m.view<2>());
  CHECK(length(d_m.values()) > 0.1);
  CHECK(std::abs(dot(m.values(), d_m.values())) < 1e-6);
}

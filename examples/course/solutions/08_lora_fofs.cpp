// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/moe/fofs.hpp>

#include "../lesson.hpp"

TEST_CASE("lesson 8, exercise 1: one expert on every token is a change of the matrix") {
  // W x + s B A x = (W + s B A) x. MoECLIP's experts act on what the router chooses, token by token, and by the
  // direction of m alone: there is no one matrix that does that.
  const auto w = drawn<double>({12, 12}, "w"), a = drawn<double>({3, 12}, "a"), b = drawn<double>({12, 3}, "b"),
             x = drawn<double>({12}, "x");
  for (index_t i = 0; i < 12; ++i) {
    double beside = dot(row(w, i), x.values()), merged = 0;
    for (index_t r = 0; r < 3; ++r) beside += 2 * b[i * 3 + r] * dot(row(a, r), x.values());
    for (index_t j = 0; j < 12; ++j) {
      double weight = w[i * 12 + j];
      for (index_t r = 0; r < 3; ++r) weight += 2 * b[i * 3 + r] * a[r * 12 + j];
      merged += weight * x[j];
    }
    CHECK(merged == doctest::Approx(beside).epsilon(1e-12));
  }
}

TEST_CASE("lesson 8, exercise 2: where B = 0, A has no gradient and B has one") {
  moeclip::Expert<double> expert(16, 4);
  moeclip::fill_uniform(expert.lora_a, 1, "A", 1);
  expert.lora_b.fill(0);
  const auto x = drawn<double>({5, 16}, "x"), d_o = drawn<double>({5, 16}, "d_o");
  Tensor<double> d_a({4, 16}), d_b({16, 4});
  Context context({.threads = 1});
  moeclip::expert_backward<double>(context, expert, 2, x.view<2>(), d_o.view<2>(), {{}, d_a.data(), d_b.data()});
  CHECK(length(d_a.values()) == 0);
  CHECK(length(d_b.values()) > 1);
}

TEST_CASE("lesson 8, exercise 3: 10 channels for 3 experts are 4, 3 and 3, so rank 4 is too high") {
  for (const index_t e : {0, 1, 2}) {
    const moeclip::ChannelChunk chunk = moeclip::fofs_chunk(10, 3, e);
    CHECK(chunk.begin == (e == 0 ? 0 : 1 + 3 * e));
    CHECK(chunk.end - chunk.begin == (e == 0 ? 4 : 3));
  }
  moeclip::Mixture<double> fits(10, 3, 3), too_high(10, 3, 4);
  CHECK_NOTHROW(moeclip::initialize_fofs(fits, 1, "fits"));
  CHECK_THROWS_AS(moeclip::initialize_fofs(too_high, 1, "too high"), moeclip::Error);
}

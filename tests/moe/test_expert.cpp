// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/moe/expert.hpp>

#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE_TEMPLATE("an expert is scale B A x", T, float, double) {
  Context context({.threads = 2});
  const index_t sizes[][3] = {{1, 1, 1}, {5, 7, 2}, {13, 64, 8}, {3, 129, 11}};  // tokens, width, rank
  for (const auto& [tokens, width, rank] : sizes) {
    const std::string label = concat(tokens, "x", width, "x", rank);
    CAPTURE(label);
    Expert<T> expert(width, rank);
    randomize(expert.lora_a, "A");
    randomize(expert.lora_b, "B");
    const Tensor<T> x = random_tensor<T>({tokens, width}, "expert x");
    Tensor<T> out({tokens, width});
    expert_forward<T>(context, expert, T(1.5), x.template view<2>(), out.template view<2>());
    double worst = 0;
    for (index_t n = 0; n < tokens; ++n)
      for (index_t d = 0; d < width; ++d) {
        Wider<T> sum = 0, size = 0;
        for (index_t r = 0; r < rank; ++r) {
          Wider<T> hidden = 0, hidden_size = 0;
          for (index_t c = 0; c < width; ++c) {
            const auto term =
                static_cast<Wider<T>>(expert.lora_a[r * width + c]) * static_cast<Wider<T>>(x[n * width + c]);
            hidden += term, hidden_size += std::abs(term);
          }
          const auto b = static_cast<Wider<T>>(1.5) * static_cast<Wider<T>>(expert.lora_b[d * rank + r]);
          sum += b * hidden, size += std::abs(b) * hidden_size;
        }
        const double off = static_cast<double>(std::abs(sum - static_cast<Wider<T>>(out[n * width + d])));
        worst =
            std::max(worst, off / (static_cast<double>(width + rank + 4) * eps_of<T>() * static_cast<double>(size)));
      }
    CHECK(worst <= 1);
  }
}

TEST_CASE("an expert without tokens does nothing, one with B = 0 gives zeros") {
  Context context({.threads = 1});
  Expert<float> expert(6, 2);
  randomize(expert.lora_a, "A");
  expert.lora_b.fill(0);
  Tensor<float> none({0, 6}), nothing({0, 6});
  CHECK_NOTHROW(expert_forward<float>(context, expert, 2.0f, none.view<2>(), nothing.view<2>()));
  const Tensor<float> x = random_tensor<float>({3, 6}, "x");
  Tensor<float> out({3, 6});
  out.fill(5);
  expert_forward<float>(context, expert, 2.0f, x.view<2>(), out.view<2>());
  for (const float value : out) CHECK(value == 0);
}

// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/nn/block.hpp>

#include "../lesson.hpp"

TEST_CASE("lesson 6, exercise 1: with positions a block tells shuffled tokens from those in order") {
  constexpr index_t kCount = 10, kChannels = 24;
  moeclip::Block<double> block(kChannels, 3, 48);
  moeclip::visit_parameters(block, "", [](const std::string& name, Tensor<double>& tensor) {
    moeclip::fill_uniform(tensor, 1, name, 0.3f, name.starts_with("ln_") && name.ends_with("weight") ? 1.0f : 0.0f);
  });
  const auto x = drawn<double>({kCount, kChannels}, "x"), positions = drawn<double>({kCount, kChannels}, "positions");
  const auto shuffled = [](const Tensor<double>& from) {
    Tensor<double> to(from.shape());
    for (index_t t = 0; t < kCount; ++t) std::copy_n(&from[t * kChannels], kChannels, &to[7 * t % kCount * kChannels]);
    return to;
  };
  Context context({.threads = 1});
  const auto run = [&](Tensor<double> tokens) {
    for (index_t i = 0; i < tokens.size(); ++i) tokens[i] += positions[i];
    moeclip::block_forward<double>(context, block, moeclip::kernels::Activation::gelu, {1, kCount, false},
                                   tokens.view<2>());
    return tokens;
  };
  CHECK(farthest(run(shuffled(x)), shuffled(run(x))) > 0.1);
}

TEST_CASE("lesson 6, exercise 2: attention's T^2 is T / (6 D + T) of a block") {
  // per token: 3 D^2 for q, k, v, D^2 behind the heads, 2 * 4 D^2 in the MLP; T D for scores, and as many for o
  const auto share = [](double tokens, double width) {
    const double matrices = 12 * width * width, attention = 2 * tokens * width;
    return attention / (matrices + attention);
  };
  CHECK(share(257, 1024) == doctest::Approx(257.0 / (6 * 1024 + 257)));
  CHECK(share(257, 1024) == doctest::Approx(0.04).epsilon(0.01));
  CHECK(share(1370, 1024) == doctest::Approx(0.18).epsilon(0.02));
}

// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/nn/depthwise_conv.hpp>

#include "expect_error.hpp"
#include "nn_test.hpp"

using namespace nn_test;  // NOLINT

TEST_CASE_TEMPLATE("each channel is convolved with its own three taps, zeros beyond both ends", T, float, double) {
  Context context({.threads = 2});
  for (const index_t tokens : {1, 2, 3, 25})
    for (const index_t width : {1, 7, 64}) {
      DepthwiseConv<T> conv(width);
      randomize(conv.weight, "taps");
      const Tensor<T> x = random_tensor<T>({tokens, width}, "sequence");
      Tensor<T> y({tokens, width});
      depthwise_conv_forward<T>(context, conv, x.template view<2>(), y.template view<2>());
      double worst = 0;
      for (index_t t = 0; t < tokens; ++t)
        for (index_t c = 0; c < width; ++c) {
          Wider<T> sum = 0, size = 0;
          for (index_t k = 0; k < 3; ++k) {
            if (t + k - 1 < 0 || t + k - 1 >= tokens) continue;
            const auto term =
                static_cast<Wider<T>>(conv.weight[3 * c + k]) * static_cast<Wider<T>>(x[(t + k - 1) * width + c]);
            sum += term, size += std::abs(term);
          }
          const double off = static_cast<double>(std::abs(sum - static_cast<Wider<T>>(y[t * width + c])));
          worst = std::max(worst, off / (4 * eps_of<T>() * static_cast<double>(size)));
        }
      CHECK(worst <= 1);
    }
}

TEST_CASE("another number of channels is told") {
  Context context({.threads = 1});
  const DepthwiseConv<float> conv(4);
  Tensor<float> x({3, 5}), y({3, 5});
  expect_error(ErrorCode::contract, {"4 channels", "5"},
               [&] { depthwise_conv_forward<float>(context, conv, x.view<2>(), y.view<2>()); });
}

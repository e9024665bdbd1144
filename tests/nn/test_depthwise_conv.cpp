// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/nn/depthwise_conv.hpp>

#include "backward_test.hpp"
#include "expect_error.hpp"

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

TEST_CASE("the backward pass of the convolution is its gradient") {
  Context context({.threads = 2});
  for (const index_t tokens : {1, 2, 3, 25})
    for (const index_t width : {1, 7, 64, 131}) {
      DepthwiseConv<double> conv(width), gradient(width);
      randomize(conv.weight, "taps");
      zero_parameters(gradient);
      Tensor<double> x = random_tensor<double>({tokens, width}, "sequence"), y({tokens, width}), d_x({tokens, width});
      const Tensor<double> d_y = random_tensor<double>({tokens, width}, "conv d_y");
      depthwise_conv_backward<double>(context, conv, std::as_const(x).view<2>(), d_y.view<2>(), d_x.view<2>(),
                                      &gradient);
      const auto loss = [&] {
        depthwise_conv_forward<double>(context, conv, std::as_const(x).view<2>(), y.view<2>());
        return inner(y, d_y);
      };
      expect_gradient(loss, {{"x", x, d_x}});
      expect_gradient(loss, parameter_gradients(conv, gradient));
    }
}

TEST_CASE("convolution backward: float agrees with double, the same bits for any threads, parts on request") {
  const index_t tokens = 100, width = 131;
  const auto gradients = [&]<class T>(T, int threads) {
    Context context({.threads = threads});
    DepthwiseConv<T> conv(width), gradient(width);
    randomize(conv.weight, "taps");
    zero_parameters(gradient);
    const Tensor<T> x = random_tensor<T>({tokens, width}, "sequence"), d_y = random_tensor<T>({tokens, width}, "d_y");
    Tensor<T> d_x({tokens, width});
    depthwise_conv_backward<T>(context, conv, {}, d_y.template view<2>(), d_x.template view<2>(), nullptr);
    depthwise_conv_backward<T>(context, conv, x.template view<2>(), d_y.template view<2>(), {}, &gradient);
    return std::pair(d_x, gradient.weight);
  };
  const auto exact = gradients(1.0, 1);
  const auto one = gradients(1.0f, 1), three = gradients(1.0f, 3);
  CHECK(worst_in_eps(one.first, exact.first) <= 3);
  CHECK(worst_in_eps(one.second, exact.second) <= std::sqrt(100.0));
  CHECK(same_bits(one.first, three.first));
  CHECK(same_bits(one.second, three.second));
}

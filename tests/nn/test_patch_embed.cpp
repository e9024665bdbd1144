// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/nn/patch_embed.hpp>

#include "backward_test.hpp"
#include "expect_error.hpp"

using namespace nn_test;  // NOLINT

TEST_CASE_TEMPLATE("patches are the strided convolution of the image, row 0 is left alone", T, float, double) {
  Context context({.threads = 2});
  const index_t sizes[][4] = {{1, 1, 1, 1}, {2, 3, 6, 5}, {1, 7, 21, 13}};  // images, patch, side, width
  for (const auto& [batch, patch, side, width] : sizes) {
    const std::string label = concat(batch, " images of ", side, ", patch ", patch);
    CAPTURE(label);
    const index_t grid = side / patch, inputs = 3 * patch * patch;
    Linear<T> kernel(width, inputs, false);
    randomize(kernel.weight, "conv1.weight");
    const Tensor<T> images = random_tensor<T>({batch, 3, side, side}, "images");
    Tensor<T> tokens({batch, 1 + grid * grid, width});
    tokens.fill(T(-7));
    patch_embed_forward<T>(context, kernel, patch, images.template view<4>(), tokens.template view<3>());

    const auto pixel = images.template view<4>();
    const auto result = tokens.template view<3>();
    double worst = 0;
    for (index_t b = 0; b < batch; ++b)
      for (index_t c = 0; c < width; ++c) {
        CHECK(result(b, 0, c) == T(-7));
        for (index_t p = 0; p < grid * grid; ++p) {
          Wider<T> sum = 0, size = 0;
          for (index_t k = 0; k < inputs; ++k) {
            const index_t channel = k / (patch * patch), y = k / patch % patch, x = k % patch;
            const auto term = static_cast<Wider<T>>(kernel.weight[c * inputs + k]) *
                              static_cast<Wider<T>>(pixel(b, channel, p / grid * patch + y, p % grid * patch + x));
            sum += term, size += std::abs(term);
          }
          const double off = static_cast<double>(std::abs(sum - static_cast<Wider<T>>(result(b, 1 + p, c))));
          worst = std::max(worst, off / (static_cast<double>(inputs + 2) * eps_of<T>() * static_cast<double>(size)));
        }
      }
    CHECK(worst <= 1);
  }
}

TEST_CASE("images that cannot be cut are refused") {
  Context context({.threads = 1});
  const Linear<float> kernel = [] {
    Linear<float> layer(4, 27, false);
    randomize(layer.weight, "kernel");
    return layer;
  }();
  Tensor<float> uneven({1, 3, 7, 6}), fits({1, 3, 6, 6}), tokens({1, 5, 4}), short_tokens({1, 4, 4});
  expect_error(ErrorCode::contract, {"6x7", "patches of 3"},
               [&] { patch_embed_forward<float>(context, kernel, 3, uneven.view<4>(), tokens.view<3>()); });
  expect_error(ErrorCode::contract, {"27 inputs"},
               [&] { patch_embed_forward<float>(context, kernel, 3, fits.view<4>(), short_tokens.view<3>()); });
  CHECK_NOTHROW(patch_embed_forward<float>(context, kernel, 3, fits.view<4>(), tokens.view<3>()));
}

TEST_CASE("the backward pass of the patch embedding is its gradient, in float as in double") {
  const index_t batch = 2, patch = 3, side = 6, width = 5, patches = 4, inputs = 27;
  const auto gradient_of = [&]<class T>(T, int threads) {
    Context context({.threads = threads});
    Linear<T> kernel(width, inputs, false), gradient(width, inputs, false);
    zero_parameters(gradient);
    const Tensor<T> images = random_tensor<T>({batch, 3, side, side}, "images");
    const Tensor<T> d_tokens = random_tensor<T>({batch, 1 + patches, width}, "d_tokens");
    patch_embed_backward<T>(context, kernel, patch, images.template view<4>(), d_tokens.template view<3>(), &gradient);
    patch_embed_backward<T>(context, kernel, patch, images.template view<4>(), d_tokens.template view<3>(), nullptr);
    return gradient;
  };
  const Linear<double> gradient = gradient_of(1.0, 2);
  Context context({.threads = 1});
  Linear<double> kernel(width, inputs, false);
  randomize(kernel.weight, "conv1.weight");
  const Tensor<double> images = random_tensor<double>({batch, 3, side, side}, "images");
  Tensor<double> d_tokens = random_tensor<double>({batch, 1 + patches, width}, "d_tokens");
  for (index_t b = 0; b < batch; ++b)  // row 0 is not the embedding's: forward leaves it alone
    for (index_t c = 0; c < width; ++c) d_tokens.view<3>()(b, 0, c) = 0;
  const auto loss = [&] {
    Tensor<double> tokens({batch, 1 + patches, width});
    patch_embed_forward<double>(context, kernel, patch, images.view<4>(), tokens.view<3>());
    return inner(tokens, d_tokens);
  };
  expect_gradient(loss, parameter_gradients(kernel, gradient));
  const Linear<float> one = gradient_of(1.0f, 1), three = gradient_of(1.0f, 3);
  CHECK(worst_in_eps(one, gradient) <= 8);
  CHECK(same_parameters(one, three));
}

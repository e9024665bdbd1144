// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/anomaly/aggregate.hpp>

#include "expect_error.hpp"
#include "gradient_check.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE_TEMPLATE("each patch becomes the sum of its window over n n, zeros outside", T, float, double) {
  Context context({.threads = 2});
  for (const index_t grid : {1, 2, 3, 5, 8})
    for (const index_t window : {1, 3, 5, 9}) {
      CAPTURE(grid);
      CAPTURE(window);
      const index_t width = 7, reach = window / 2;
      const Tensor<T> x = random_tensor<T>({grid * grid, width}, "patches");
      Tensor<T> out({grid * grid, width});
      aggregate_patches<T>(context, grid, window, x.template view<2>(), out.template view<2>());
      double worst = 0;
      for (index_t i = 0; i < grid * grid; ++i)
        for (index_t c = 0; c < width; ++c) {
          Wider<T> sum = 0, size = 0;
          for (index_t dy = -reach; dy <= reach; ++dy)
            for (index_t dx = -reach; dx <= reach; ++dx) {
              const index_t row = i / grid + dy, column = i % grid + dx;
              if (row < 0 || row >= grid || column < 0 || column >= grid) continue;
              const auto term = static_cast<Wider<T>>(x[(row * grid + column) * width + c]);
              sum += term, size += std::abs(term);
            }
          const auto area = static_cast<Wider<T>>(window * window);
          const double off = static_cast<double>(std::abs(sum / area - static_cast<Wider<T>>(out[i * width + c])));
          worst = std::max(
              worst, off / (static_cast<double>(2 * window + 2) * eps_of<T>() * static_cast<double>(size / area)));
        }
      CHECK(worst <= 1);
      if (window == 1) CHECK(same_bits(x, out));
    }
}

TEST_CASE("borders of a constant grid darken, its middle stays") {
  Context context({.threads = 1});
  Tensor<float> x({25, 1}), out({25, 1});
  x.fill(9);
  aggregate_patches<float>(context, 5, 3, std::as_const(x).view<2>(), out.view<2>());
  CHECK(out[12] == doctest::Approx(9));
  CHECK(out[0] == doctest::Approx(4));
  CHECK(out[2] == doctest::Approx(6));
}

TEST_CASE("even windows and other grids are refused") {
  Context context({.threads = 1});
  Tensor<float> x({9, 2}), out({9, 2});
  for (const index_t window : {0, 2, -1})
    expect_error(ErrorCode::contract, {concat("window ", window)},
                 [&] { aggregate_patches<float>(context, 3, window, std::as_const(x).view<2>(), out.view<2>()); });
  expect_error(ErrorCode::contract, {"grid of 4", "9 patches"},
               [&] { aggregate_patches<float>(context, 4, 3, std::as_const(x).view<2>(), out.view<2>()); });
}

TEST_CASE("the gradient of aggregation is added, for every window") {
  Context context({.threads = 1});
  for (const index_t grid : {1, 3, 5})
    for (const index_t window : {1, 3, 5}) {
      CAPTURE(grid);
      CAPTURE(window);
      Tensor<double> x = random_tensor<double>({grid * grid, 2}, "x"), d_x({grid * grid, 2});
      const Tensor<double> weights = random_tensor<double>({grid * grid, 2}, "weights");
      const auto loss = [&] {
        Tensor<double> out(x.shape());
        aggregate_patches<double>(context, grid, window, std::as_const(x).view<2>(), out.view<2>());
        double sum = 0;
        for (index_t i = 0; i < out.size(); ++i) sum += out[i] * weights[i] + x[i];
        return sum;
      };
      d_x.fill(1);  // of the second term
      aggregate_patches_backward<double>(context, grid, window, weights.view<2>(), d_x.view<2>());
      expect_gradient(loss, {{"x", x, d_x}});
    }
}

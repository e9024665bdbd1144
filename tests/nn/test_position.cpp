// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <moeclip/nn/position.hpp>

#include "expect_error.hpp"
#include "golden_data.hpp"
#include "gradient_check.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE_TEMPLATE("resized position embeddings equal the recorded ones", T, float, double) {
  constexpr double kFactor = 8;  // of the distance between the official code's float and double runs
  const GoldenData golden("components/posembed_resize.safetensors");
  const index_t grids[][2] = {{24, 37}, {24, 16}, {4, 5}, {6, 8},   {7, 3},  {37, 24},
                              {16, 37}, {2, 9},   {3, 1}, {24, 24}, {14, 32}};
  for (const auto& [from, to] : grids) {
    const std::string name = concat(from, "_to_", to);
    CAPTURE(name);
    const Tensor<T> in = golden.file().read<T>(name + "/in");
    const Tensor<T> out = resize_positions(in, to);
    REQUIRE(out.extent(0) == 1 + to * to);
    CHECK(golden.distance(name + "/out", out.data(), out.size()) <= kFactor);
    CHECK(std::equal(in.data(), in.data() + in.extent(1), out.data()));  // the class token's row
    if (from == to) CHECK(same_bits(in, out));
  }
}

TEST_CASE("weights of every output position sum to one, constants stay constant") {
  for (const index_t from : {1, 2, 7, 24})
    for (const index_t to : {1, 3, 24, 37}) {
      const auto taps = detail::cubic_taps(from, to);
      REQUIRE(std::ssize(taps) == to);
      for (const auto& tap : taps) {
        double sum = 0;
        for (const double weight : tap.weights) sum += weight;
        CHECK(std::abs(sum - 1) < 1e-14);
        CHECK(tap.first >= 0);
        CHECK(tap.first + std::ssize(tap.weights) <= from);
      }
      Tensor<float> flat({1 + from * from, 2});
      flat.fill(0.25f);
      for (const float value : resize_positions(flat, to)) CHECK(std::abs(value - 0.25f) <= eps_of<float>());
    }
}

TEST_CASE_TEMPLATE("the linear kernel blends the two nearest centres, and keeps the outermost values beyond them", T,
                   float, double) {
  for (const auto& [from, to] : std::initializer_list<std::pair<index_t, index_t>>{{4, 6}, {7, 3}, {1, 4}, {3, 1}}) {
    const Tensor<T> positions = random_tensor<T>({1 + from * from, 2}, "positions");
    const Tensor<T> resized = resize_positions(positions, to, PositionKernel::linear);
    REQUIRE(resized.shape() == Shape{1 + to * to, 2});
    const double scale = static_cast<double>(from) / static_cast<double>(to);
    double worst = 0;
    for (index_t y = 0; y < to; ++y)
      for (index_t x = 0; x < to; ++x) {
        const auto place = [&, count = from](index_t i) {
          return std::min(std::max((static_cast<double>(i) + 0.5) * scale - 0.5, 0.0), static_cast<double>(count - 1));
        };
        const auto at = [&, count = from](double row, double column) {
          const auto j = std::min(static_cast<index_t>(row), count - 1);
          return static_cast<double>(
              positions[(1 + j * count + std::min(static_cast<index_t>(column), count - 1)) * 2]);
        };
        const double down = place(y) - std::floor(place(y)), east = place(x) - std::floor(place(x));
        const double wanted = (1 - down) * ((1 - east) * at(place(y), place(x)) + east * at(place(y), place(x) + 1)) +
                              down * ((1 - east) * at(place(y) + 1, place(x)) + east * at(place(y) + 1, place(x) + 1));
        worst = std::max(worst, std::abs(wanted - static_cast<double>(resized[(1 + y * to + x) * 2])));
      }
    CHECK(worst <= 4 * eps_of<T>());
    CHECK(std::equal(positions.data(), positions.data() + 2, resized.data()));
  }
}

TEST_CASE("the kernel is Keys' with a = -1/2") {
  CHECK(detail::cubic_kernel(0) == 1);
  CHECK(detail::cubic_kernel(0.5) == 0.5625);
  CHECK(detail::cubic_kernel(-0.5) == 0.5625);
  CHECK(detail::cubic_kernel(1) == 0);
  CHECK(detail::cubic_kernel(1.5) == -0.0625);
  CHECK(detail::cubic_kernel(2) == 0);
}

TEST_CASE("an embedding that is no square and a class token is refused") {
  const Tensor<float> odd({6, 3}), only_class({1, 3}), fine({5, 3});
  expect_error(ErrorCode::contract, {"(6,3)", "grid of 4"}, [&] { static_cast<void>(resize_positions(odd, 4)); });
  expect_error(ErrorCode::contract, {"(1,3)"}, [&] { static_cast<void>(resize_positions(only_class, 4)); });
  expect_error(ErrorCode::contract, {"grid of 0"}, [&] { static_cast<void>(resize_positions(fine, 0)); });
}

TEST_CASE("the backward pass of resizing positions is its gradient") {
  for (const auto& [from, to] : std::initializer_list<std::pair<index_t, index_t>>{{4, 7}, {7, 3}, {5, 5}, {1, 4}}) {
    Tensor<double> positions = random_tensor<double>({1 + from * from, 6}, "positions");
    const Tensor<double> d_resized = random_tensor<double>({1 + to * to, 6}, "d_resized");
    Tensor<double> gradient({1 + from * from, 6}), twice({1 + from * from, 6});
    resize_positions_backward<double>(d_resized.view<2>(), gradient);
    const auto loss = [&, grid = to] {
      const Tensor<double> resized = resize_positions(positions, grid);
      double sum = 0;
      for (index_t i = 0; i < resized.size(); ++i) sum += resized[i] * d_resized[i];
      return sum;
    };
    expect_gradient(loss, {{"positions", positions, gradient}});
    for (int i = 0; i < 2; ++i) resize_positions_backward<double>(d_resized.view<2>(), twice);
    for (index_t i = 0; i < twice.size(); ++i) CHECK(twice[i] == doctest::Approx(2 * gradient[i]));
  }
  Tensor<double> odd({6, 3});
  const Tensor<double> fine({5, 3});
  expect_error(ErrorCode::contract, {"(6,3)"}, [&] { resize_positions_backward<double>(fine.view<2>(), odd); });
}

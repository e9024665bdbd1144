// SPDX-License-Identifier: MIT
#include <cstring>
#include <vector>

#include <moeclip/kernels/rows.hpp>

#include "kernel_test.hpp"

using namespace moeclip;
using namespace moeclip::kernels;
using kernel_test::for_each_isa;
using kernel_test::random_values;

namespace {

const index_t kWidths[] = {1, 2, 3, 7, 8, 15, 16, 17, 31, 64, 67, 129, 768, 1024, 1031};

std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

}  // namespace

TEST_CASE("rows: layer_norm against double, any offset, in place") {
  for_each_isa([] {
    for (const index_t width : kWidths)
      for (const float offset : {0.0f, 100.0f}) {
        CAPTURE(width);
        const index_t rows = 5, stride = width + 2;
        const auto x = random_values(rows * stride, "x", 1.0f, offset);
        const auto gamma = random_values(width, "gamma"), beta = random_values(width, "beta");
        std::vector<float> y(x.size(), 7.0f), in_place = x;
        for (const int threads : {1, 2}) {
          Context context({.threads = threads});
          layer_norm(context, rows, width, x.data(), stride, {gamma.data(), beta.data(), 1e-5f}, y.data(), stride);
          layer_norm(context, rows, width, threads == 1 ? in_place.data() : x.data(), stride,
                     {gamma.data(), beta.data(), 1e-5f}, in_place.data(), stride);
        }
        const auto wide = kernel_test::widened(x), wide_gamma = kernel_test::widened(gamma),
                   wide_beta = kernel_test::widened(beta);
        double worst = 0;
        for (index_t i = 0; i < rows; ++i) {
          std::vector<double> expected(at(width));
          reference::layer_norm_row(width, wide.data() + i * stride, wide_gamma.data(), wide_beta.data(), double{1e-5f},
                                    expected.data());
          // the mean is wrong by a few eps of the offset, and the difference is stretched by 1 / sqrt(variance + eps)
          double variance = 0, mean = 0;
          for (index_t j = 0; j < width; ++j) mean += wide[at(i * stride + j)] / static_cast<double>(width);
          for (index_t j = 0; j < width; ++j)
            variance += std::pow(wide[at(i * stride + j)] - mean, 2) / static_cast<double>(width);
          const double stretch = (1 + std::fabs(mean)) / std::sqrt(variance + 1e-5);
          for (index_t j = 0; j < width; ++j) {
            const double bound = kernel_test::kEps * (8 + std::sqrt(static_cast<double>(width))) * (4 + stretch);
            worst = std::max(worst, std::fabs(expected[at(j)] - double{y[at(i * stride + j)]}) / bound);
            CHECK(y[at(i * stride + j)] == in_place[at(i * stride + j)]);
          }
        }
        CHECK(worst <= 1.0);
        CHECK(y[at(width)] == 7.0f);
      }
  });
}

TEST_CASE("rows: layer_norm of a constant row is beta") {
  for_each_isa([] {
    Context context({.threads = 1});
    const std::vector<float> x(100, 3.0f), gamma(100, 2.0f), beta(100, 0.5f);
    std::vector<float> y(100);
    layer_norm(context, 1, 100, x.data(), 100, {gamma.data(), beta.data(), 1e-5f}, y.data(), 100);
    for (const float value : y) CHECK(value == doctest::Approx(0.5f).epsilon(1e-6));
  });
}

TEST_CASE("rows: softmax against double, and the limits") {
  for_each_isa([] {
    Context context({.threads = 2});
    for (const index_t width : kWidths) {
      const auto x = random_values(4 * width, "x", 40.0f);
      std::vector<float> y(x.size());
      softmax_rows(context, 4, width, x.data(), y.data());
      for (index_t i = 0; i < 4; ++i) {
        std::vector<double> expected(x.begin() + i * width, x.begin() + (i + 1) * width);
        reference::softmax_row(width, expected.data(), expected.data());
        for (index_t j = 0; j < width; ++j)  // x - max, up to 80 in size, is rounded: eps 64 relative
          CHECK(std::fabs(double{y[at(i * width + j)]} - expected[at(j)]) <=
                kernel_test::kEps * (70 + std::sqrt(static_cast<double>(width))) * expected[at(j)] + 1e-44);
      }
    }
    const float infinity = std::numeric_limits<float>::infinity();
    float row[3] = {-infinity, 0.0f, 0.0f};
    softmax_rows(context, 1, 3, row, row);
    CHECK(row[0] == 0.0f);
    CHECK(row[1] == 0.5f);
    float broken[20] = {};
    broken[3] = std::numeric_limits<float>::quiet_NaN();
    softmax_rows(context, 1, 20, broken, broken);
    for (const float value : broken) CHECK(std::isnan(value));
    softmax_rows<float>(context, 3, 0, row, row);
  });
}

TEST_CASE("rows: normalize_rows gives unit length, keeps zero rows and NaN") {
  for_each_isa([] {
    Context context({.threads = 2});
    for (const index_t width : kWidths) {
      auto x = random_values(3 * width, "x");
      for (index_t j = 0; j < width; ++j) x[at(width + j)] = 0.0f;
      const auto before = kernel_test::widened(x);
      std::vector<float> norms(3);
      row_norms(context, 3, width, x.data(), width, norms.data());
      normalize_rows(context, 3, width, x.data(), width, 1e-12f);
      for (const index_t i : {0, 2}) {
        const double norm = reference::row_norm(width, before.data() + i * width);
        CHECK(double{norms[at(i)]} == doctest::Approx(norm).epsilon(1e-6));
        for (index_t j = 0; j < width; ++j)
          CHECK(double{x[at(i * width + j)]} == doctest::Approx(before[at(i * width + j)] / norm).epsilon(1e-6));
      }
      for (index_t j = 0; j < width; ++j) CHECK(x[at(width + j)] == 0.0f);
    }
    float row[2] = {std::numeric_limits<float>::quiet_NaN(), 1.0f};
    normalize_rows(context, 1, 2, row, 2, 1e-12f);
    CHECK(std::isnan(row[1]));
  });
}

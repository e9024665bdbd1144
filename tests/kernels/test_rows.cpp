// SPDX-License-Identifier: MIT
#include <cstring>
#include <vector>

#include <moeclip/kernels/rows.hpp>

#include "gradient_check.hpp"
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

namespace {

std::vector<double> random_wide(index_t count, const char* name) {
  return kernel_test::widened(random_values(count, name));
}

double inner(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// Runs backward(context, d_x) in float with every instruction set and compares with `expected`: errors at most `bound`
/// times the largest expected magnitude of the row, and the same bits for any number of threads.
template <class Backward>
void check_rows_backward(index_t width, const std::vector<double>& expected, double bound, const Backward& backward) {
  for_each_isa([&] {
    std::vector<float> first;
    for (const int threads : {1, 2, 3}) {
      Context context({.threads = threads});
      std::vector<float> d_x(expected.size() + 1, 7.0f);
      backward(context, d_x.data());
      CHECK(d_x.back() == 7.0f);
      if (threads == 1) first = d_x;
      CHECK(std::memcmp(first.data(), d_x.data(), d_x.size() * sizeof(float)) == 0);
    }
    double worst = 0, largest = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      if (i % at(width) == 0) largest = 1e-300;
      for (std::size_t j = i / at(width) * at(width); i % at(width) == 0 && j < i + at(width); ++j)
        largest = std::max(largest, std::fabs(expected[j]));
      const double off = std::fabs(double{first[i]} - expected[i]) / largest;
      worst = off < 1e300 ? std::max(worst, off) : 1e300;
    }
    CHECK(worst <= bound);
  });
}

}  // namespace

TEST_CASE("rows: softmax backward is the gradient, in float as in double") {
  Context context({.threads = 2});
  for (const index_t width : kWidths) {
    CAPTURE(width);
    auto x = random_wide(4 * width, "x");
    std::vector<double> y(x.size()), d_x(x.size());
    const auto d_y = random_wide(4 * width, "d_y");
    const auto loss = [&] {
      softmax_rows(context, 4, width, x.data(), y.data());
      return inner(y, d_y);
    };
    loss();
    softmax_rows_backward(context, 4, width, y.data(), d_y.data(), d_x.data());
    const std::vector<float> y32(y.begin(), y.end()), d_y32(d_y.begin(), d_y.end());
    expect_gradient(loss, {{"x", x.data(), d_x.data(), 4 * width}});
    if (width < 3) continue;  // of one element the gradient is zero, of two it cancels
    check_rows_backward(width, d_x, 16 * kernel_test::kEps, [&](Context& shared, float* d) {
      std::copy(d_y32.begin(), d_y32.end(), d);
      softmax_rows_backward(shared, 4, width, y32.data(), d, d);
    });
  }
}

TEST_CASE("rows: normalize backward is the gradient, on both sides of eps") {
  Context context({.threads = 2});
  for (const index_t width : kWidths)
    for (const double eps : {1e-12, 100.0}) {
      CAPTURE(width);
      auto x = random_wide(4 * width, "x");
      std::vector<double> y, d_x(x.size());
      const auto d_y = random_wide(4 * width, "d_y");
      const auto loss = [&] {
        y = x;
        normalize_rows(context, 4, width, y.data(), width, eps);
        return inner(y, d_y);
      };
      normalize_rows_backward(context, 4, width, x.data(), eps, d_y.data(), d_x.data());
      expect_gradient(loss, {{"x", x.data(), d_x.data(), 4 * width}});
      if (width < 3) continue;
      const std::vector<float> x32(x.begin(), x.end()), d_y32(d_y.begin(), d_y.end());
      check_rows_backward(width, d_x, 16 * kernel_test::kEps, [&](Context& shared, float* d) {
        std::copy(d_y32.begin(), d_y32.end(), d);
        normalize_rows_backward(shared, 4, width, x32.data(), static_cast<float>(eps), d, d);
      });
    }
}

TEST_CASE("rows: column_sums adds, in one order for any number of threads") {
  for_each_isa([] {
    for (const index_t width : {1, 7, 16, 48, 129, 1031})
      for (const index_t rows : {0, 1, 3, 4, 131, 1000}) {
        CAPTURE(width);
        CAPTURE(rows);
        const index_t stride = width + 3;
        const auto x = random_values(rows * stride, "x");
        std::vector<double> expected(at(width), 0.5);
        const auto wide = kernel_test::widened(x);
        reference::column_sums(rows, width, wide.data(), stride, expected.data());
        std::vector<float> first;
        for (const int threads : {1, 2, 3}) {
          Context context({.threads = threads});
          std::vector<float> sums(at(width + 1), 0.5f);
          column_sums(context, rows, width, x.data(), stride, sums.data());
          CHECK(sums.back() == 0.5f);
          if (threads == 1) first = sums;
          CHECK(first == sums);
        }
        double worst = 0;
        for (std::size_t j = 0; j < at(width); ++j) worst = std::max(worst, std::fabs(double{first[j]} - expected[j]));
        // four sums of rows / 4 terms each, every addition rounds a number of about sqrt(rows)
        CHECK(worst <= kernel_test::kEps * (2 + static_cast<double>(rows)));
      }
  });
}

TEST_CASE("rows: layer norm backward against double") {
  for (const index_t width : {3, 15, 16, 17, 67, 1024})
    for (const float offset : {0.0f, 10.0f}) {
      CAPTURE(width);
      const index_t rows = 5;
      const auto x = random_values(rows * width, "x", 1.0f, offset), d_y = random_values(rows * width, "d_y");
      const auto gamma = random_values(width, "gamma");
      const auto wide_x = kernel_test::widened(x), wide_d_y = kernel_test::widened(d_y),
                 wide_gamma = kernel_test::widened(gamma);
      std::vector<double> expected(x.size()), d_gamma(at(width)), d_beta(at(width));
      Context context({.threads = 1});
      layer_norm_backward<double>(context, {rows, width, width}, wide_x.data(),
                                  {wide_gamma.data(), nullptr, double{1e-5f}},
                                  {.d_y = wide_d_y.data(),
                                   .d_y_stride = width,
                                   .d_x = expected.data(),
                                   .d_x_stride = width,
                                   .d_gamma = d_gamma.data(),
                                   .d_beta = d_beta.data()});
      std::vector<float> found_gamma, found_beta;
      // the mean is wrong by some eps of the offset; three elements may cancel
      check_rows_backward(width, expected, (32 + 32 * double{offset}) * (width < 15 ? 16 : 1) * kernel_test::kEps,
                          [&](Context& shared, float* d_x) {
                            found_gamma.assign(at(width), 0.0f), found_beta.assign(at(width), 0.0f);
                            layer_norm_backward<float>(shared, {rows, width, width}, x.data(),
                                                       {gamma.data(), nullptr, 1e-5f},
                                                       {.d_y = d_y.data(),
                                                        .d_y_stride = width,
                                                        .d_x = d_x,
                                                        .d_x_stride = width,
                                                        .d_gamma = found_gamma.data(),
                                                        .d_beta = found_beta.data()});
                            for (std::size_t j = 0; j < at(width); ++j) {
                              const double unit = kernel_test::kEps * (64 + 64 * double{offset});
                              CHECK(std::fabs(double{found_gamma[j]} - d_gamma[j]) <= unit);
                              CHECK(std::fabs(double{found_beta[j]} - d_beta[j]) <= unit);
                            }
                          });
    }
}

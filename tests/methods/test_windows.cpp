// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <moeclip/methods/windows.hpp>
#include <string>
#include <vector>

#include "expect_error.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace windows_test {

constexpr index_t kGrid = 5, kWidth = 24, kEmbed = 10;

template <class T>
VisionTower<T> small_tower() {
  VisionTower<T> tower({kGrid * 4, 4, kWidth, 2, 3, 2 * kWidth}, kEmbed, kernels::Activation::gelu);
  visit_parameters(tower, "visual", [](const std::string& name, Tensor<T>& tensor) {
    const bool is_norm = name.find("ln_") != std::string::npos && name.ends_with("weight");
    randomize(tensor, name, is_norm ? 0.2f : 0.4f, is_norm ? 1.0f : 0.0f);
  });
  return tower;
}

template <class T>
Tensor<T> small_tokens() {
  return random_tensor<T>({1 + kGrid * kGrid, kWidth}, "tokens");
}

template <class T>
Tensor<T> embeddings(const VisionTower<T>& tower, const Tensor<T>& x, index_t side, index_t most_rows, int threads) {
  Context context({.threads = threads});
  const PatchWindows windows{kGrid, side};
  Tensor<T> out({windows.count(), kEmbed});
  windows_forward<T>(context, tower, windows, x.template view<2>(), out.template view<2>(), most_rows);
  return out;
}

bool holds(PatchWindows windows, index_t window, index_t patch) {
  const index_t y = patch / windows.grid - window / windows.places(),
                x = patch % windows.grid - window % windows.places();
  return y >= 0 && y < windows.side && x >= 0 && x < windows.side;
}

/// Adds the attention of a block over all tokens x (T, D), of which `seen` alone may be looked at, in plain loops.
void add_masked_attention(Context& context, const SelfAttention<double>& attention, const std::vector<bool>& seen,
                          View<const double, 2> x, View<double, 2> y) {
  const index_t count = x.extent(0), width = x.extent(1), head = width / attention.heads;
  Tensor<double> qkv({count, 3 * width}), mixed({count, width});
  linear_forward<double>(context, attention.in_proj, x, qkv.view<2>());
  const View<double, 2> all = qkv.view<2>(), out = mixed.view<2>();
  for (index_t h = 0; h < attention.heads; ++h)
    for (index_t i = 0; i < count; ++i) {
      std::vector<double> weights(static_cast<std::size_t>(count), 0.0);
      double sum = 0;
      for (index_t j = 0; j < count; ++j) {
        double dot = seen[static_cast<std::size_t>(j)] ? 0 : -std::numeric_limits<double>::infinity();
        for (index_t c = h * head; c < (h + 1) * head; ++c) dot += all(i, c) * all(j, width + c);
        weights[static_cast<std::size_t>(j)] = std::exp(dot / std::sqrt(static_cast<double>(head)));
        sum += weights[static_cast<std::size_t>(j)];
      }
      for (index_t c = h * head; c < (h + 1) * head; ++c)
        for (index_t j = 0; j < count; ++j)
          out(i, c) += weights[static_cast<std::size_t>(j)] / sum * all(j, 2 * width + c);
    }
  linear_forward<double>(context, attention.out_proj, mixed.view<2>(), y, {.accumulate = true});
}

/// The unit embedding of a window by one pass over all tokens, whose attention sees the class token and the window.
std::vector<double> masked_embedding(const VisionTower<double>& tower, PatchWindows windows, index_t window,
                                     const Tensor<double>& tokens) {
  Context context({.threads = 1});
  Tensor<double> x = tokens, normed(tokens.shape()), out({1, kEmbed});
  std::vector<bool> seen(static_cast<std::size_t>(x.extent(0)), true);
  for (std::size_t i = 1; i < seen.size(); ++i) seen[i] = holds(windows, window, static_cast<index_t>(i) - 1);
  for (const Block<double>& block : tower.transformer.blocks) {
    layer_norm_forward<double>(context, block.ln_1, x.view<2>(), normed.view<2>());
    add_masked_attention(context, block.attention, seen, normed.view<2>(), x.view<2>());
    layer_norm_forward<double>(context, block.ln_2, x.view<2>(), normed.view<2>());
    mlp_forward<double>(context, block.mlp, tower.activation, normed.view<2>(), x.view<2>(), View<double, 2>());
  }
  const View<double, 2> first = x.view<2>().rows(0, 1);
  layer_norm_forward<double>(context, tower.ln_post, first, first);
  project_forward<double>(context, tower.projection, first, out.view<2>());
  double square = 0;
  for (const double value : out) square += value * value;
  std::vector<double> unit(out.begin(), out.end());
  for (double& value : unit) value /= std::sqrt(square);
  return unit;
}

/// The harmonic mean over the windows that hold a patch, asking all of them.
double brute_mean(PatchWindows windows, const Tensor<double>& scores, index_t patch) {
  double sum = 0, count = 0;
  for (index_t w = 0; w < windows.count(); ++w)
    if (holds(windows, w, patch)) sum += 1 / scores[w], ++count;
  return count / sum;
}

}  // namespace windows_test

TEST_CASE("a window is what a pass over the whole picture makes of it that sees nothing else") {
  const auto tower = windows_test::small_tower<double>();
  const auto x = windows_test::small_tokens<double>();
  for (const index_t side : {1, 2, 3, 5}) {
    CAPTURE(side);
    const PatchWindows windows{windows_test::kGrid, side};
    const Tensor<double> found = windows_test::embeddings<double>(tower, x, side, kWindowRows, 1);
    double worst = 0;
    for (index_t w = 0; w < windows.count(); ++w) {
      const auto wanted = windows_test::masked_embedding(tower, windows, w, x);
      for (index_t c = 0; c < windows_test::kEmbed; ++c)
        worst = std::max(worst, std::abs(found[w * windows_test::kEmbed + c] - wanted[static_cast<std::size_t>(c)]));
    }
    // unit vectors after some hundred additions a number; attention adds in another order
    CHECK(worst <= 200 * eps_of<double>());
  }
}

TEST_CASE_TEMPLATE("windows have the same bits in batches of any size and on any number of threads", T, float, double) {
  const auto tower = windows_test::small_tower<T>();
  const auto x = windows_test::small_tokens<T>();
  for (const index_t side : {2, 3}) {
    const Tensor<T> wanted = windows_test::embeddings<T>(tower, x, side, kWindowRows, 1);
    for (const index_t most_rows : {1, 23, 64})
      CHECK(same_bits(windows_test::embeddings<T>(tower, x, side, most_rows, 1), wanted));
    for (const int threads : {2, 3, 4})
      CHECK(same_bits(windows_test::embeddings<T>(tower, x, side, 64, threads), wanted));
  }
}

TEST_CASE("the map of the windows is the harmonic mean of those that cover a patch") {
  for (const auto& [grid, side] : std::vector<std::pair<index_t, index_t>>{{1, 1}, {3, 3}, {5, 2}, {5, 3}, {7, 4}}) {
    const PatchWindows windows{grid, side};
    const auto scores = random_tensor<double>({windows.count()}, "scores", 0.45f, 0.5f);
    Tensor<double> map({grid, grid});
    harmonic_map<double>(windows, {scores.data(), static_cast<std::size_t>(scores.size())}, map.view<2>());
    double worst = 0;
    for (index_t patch = 0; patch < grid * grid; ++patch)
      worst = std::max(worst, std::abs(map[patch] - windows_test::brute_mean(windows, scores, patch)));
    CHECK(worst <= 20 * eps_of<double>());  // at most 16 summands
  }
}

TEST_CASE("a window that is sure makes its patches sure, and what is no number stays none") {
  const PatchWindows windows{3, 2};
  Tensor<float> map({3, 3});
  const std::vector<float> scores{0.5f, 0.0f, 0.5f, 0.5f};
  harmonic_map<float>(windows, scores, map.view<2>());
  for (index_t patch = 0; patch < 9; ++patch)
    CHECK(map[patch] == (windows_test::holds(windows, 1, patch) ? 0.0f : 0.5f));
  const std::vector<float> broken{0.5f, 0.0f, std::numeric_limits<float>::quiet_NaN(), 0.5f};
  harmonic_map<float>(windows, broken, map.view<2>());
  CHECK(std::isnan(map[4]));
  CHECK(map[2] == 0.0f);
}

TEST_CASE("windows that do not fit are refused") {
  const auto tower = windows_test::small_tower<float>();
  const auto x = windows_test::small_tokens<float>();
  Context context({.threads = 1});
  Tensor<float> out({4, windows_test::kEmbed}), map({5, 5});
  expect_error(ErrorCode::contract, {"6 x 6", "5 x 5", "larger image size"}, [&] {
    windows_forward<float>(context, tower, {5, 6}, x.view<2>(), out.view<2>());
  });
  expect_error(ErrorCode::contract, {"26 tokens", "4 embeddings"}, [&] {
    windows_forward<float>(context, tower, {5, 2}, x.view<2>(), out.view<2>());
  });
  const std::vector<float> scores(15, 0.5f);
  expect_error(ErrorCode::contract, {"15 windows", "has 16"}, [&] {
    harmonic_map<float>({5, 2}, scores, map.view<2>());
  });
}

// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/clip/text.hpp>
#include <numeric>
#include <utility>
#include <vector>

#include "expect_error.hpp"
#include "gradient_check.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace {

template <class T>
TextTower<T> random_tower() {
  TextTower<T> tower({11, 50, 16, 2, 2, 24}, 6, kernels::Activation::quick_gelu);
  visit_parameters(tower, "text", [](const std::string& name, Tensor<T>& tensor) {
    const bool is_gain = name.find("ln_") != std::string::npos && name.ends_with("weight");
    randomize(tensor, name, 0.4f, is_gain ? 1.0f : 0.0f);
  });
  return tower;
}

/// Sentences of different lengths; 49 ends each, zeros follow.
Tensor<std::int32_t> some_tokens() {
  Tensor<std::int32_t> tokens({3, 11});
  const std::vector<std::vector<std::int32_t>> rows = {{48, 5, 49}, {48, 7, 8, 9, 10, 49}, {48, 49}};
  for (index_t n = 0; n < 3; ++n)
    std::copy(rows[static_cast<std::size_t>(n)].begin(), rows[static_cast<std::size_t>(n)].end(),
              tokens.data() + 11 * n);
  return tokens;
}

}  // namespace

TEST_CASE("the end of a sentence is its largest id, the first of equals") {
  const std::int32_t row[] = {48, 3, 49, 49, 0, 1};
  CHECK(end_position(View<const std::int32_t, 1>(row, {6})) == 2);
  CHECK(end_position(View<const std::int32_t, 1>(row, {2})) == 0);
  CHECK(end_position(View<const std::int32_t, 1>(row + 4, {1})) == 0);
}

TEST_CASE_TEMPLATE("what follows the end token is not computed, and the bits stay the same", T, float, double) {
  const TextTower<T> tower = random_tower<T>();
  const Tensor<std::int32_t> tokens = some_tokens();
  for (const int threads : {1, 2}) {
    Context context({.threads = threads});
    Tensor<T> stopped({3, 16}), whole({3, 16});
    index_t seen = 0, blocks = 0;
    auto on_values = [&](const std::string& name, const Shape& shape, const T*) {
      seen = shape[0];
      CHECK(name == concat("block_", two_digits(blocks++), "_prompt0"));
    };
    auto on_indices = [](const std::string&, const Shape&, const std::int32_t*) {};
    const Probe<T> probe{on_values, on_indices};  // a probe wants all positions
    text_forward<T>(context, tower, tokens.view<2>(), whole.template view<2>(), &probe);
    text_forward<T>(context, tower, tokens.view<2>(), stopped.template view<2>());
    CHECK(seen == 11);
    CHECK(blocks == 2);
    CHECK(same_bits(stopped, whole));
  }
}

TEST_CASE("a sentence has the same embedding alone, in company, and padded to another length") {
  const TextTower<float> tower = random_tower<float>();
  const Tensor<std::int32_t> tokens = some_tokens();
  Context context({.threads = 2});
  Tensor<float> together({3, 6}), alone({3, 6});
  encode_text_forward<float>(context, tower, tokens.view<2>(), together.view<2>());
  for (index_t n = 0; n < 3; ++n) {
    const View<const std::int32_t, 2> one(tokens.data() + 11 * n, {1, 6}, {11, 1});  // cut after six positions
    encode_text_forward<float>(context, tower, one, alone.view<2>().rows(n, n + 1));
  }
  CHECK(same_bits(together, alone));
}

TEST_CASE("tokens after the end do not matter, tokens before it do") {
  const TextTower<float> tower = random_tower<float>();
  Context context({.threads = 1});
  Tensor<std::int32_t> tokens = some_tokens();
  const auto encode = [&] {
    Tensor<float> out({3, 6});
    encode_text_forward<float>(context, tower, std::as_const(tokens).view<2>(), out.view<2>());
    return out;
  };
  const Tensor<float> before = encode();
  tokens[8] = 33;  // behind the end of sentence 0
  CHECK(same_bits(encode(), before));
  tokens[1] = 6;
  CHECK_FALSE(same_bits(encode(), before));
}

TEST_CASE("ids outside the vocabulary and too long sentences are told") {
  const TextTower<float> tower = random_tower<float>();
  Context context({.threads = 1});
  Tensor<float> out({1, 16});
  for (const std::int32_t id : {-1, 50, 49407}) {
    Tensor<std::int32_t> tokens({1, 3});
    tokens.fill(id);
    expect_error(ErrorCode::contract, {concat("token id ", id), "vocabulary of 50"},
                 [&] { text_forward<float>(context, tower, std::as_const(tokens).view<2>(), out.view<2>()); });
  }
  const Tensor<std::int32_t> long_row({1, 12}), no_tokens({1, 0});
  expect_error(ErrorCode::contract, {"12 tokens", "11"},
               [&] { text_forward<float>(context, tower, long_row.view<2>(), out.view<2>()); });
  expect_error(ErrorCode::contract, {"0 tokens"},
               [&] { text_forward<float>(context, tower, no_tokens.view<2>(), out.view<2>()); });
}

namespace {

/// Gradients of a tower's weights for some_tokens(), under a plan.
template <class T>
TextTower<T> encoding_gradient(const TextTower<T>& tower, SavePlan plan, int threads) {
  TextTower<T> gradient = random_tower<T>();
  zero_parameters(gradient);
  const Tensor<std::int32_t> tokens = some_tokens();
  Context context({.threads = threads});
  Tensor<T> out({3, 6});
  const Tensor<T> d_out = random_tensor<T>({3, 6}, "d_out");
  TextSaved<T> saved;
  saved.blocks.plan = plan;
  encode_text_forward<T>(context, tower, tokens.view<2>(), out.template view<2>(), &saved);
  encode_text_backward<T>(context, tower, tokens.view<2>(), saved, d_out.template view<2>(), gradient);
  CHECK(saved.length == 6);
  return gradient;
}

template <class T>
std::vector<Tensor<T>> tensors_of(const TextTower<T>& tower) {
  std::vector<Tensor<T>> tensors;
  visit_parameters(tower, "", [&](const std::string&, const Tensor<T>& tensor) { tensors.push_back(tensor); });
  return tensors;
}

}  // namespace

TEST_CASE("the gradient of every weight of the text tower agrees with differences") {
  auto tower = random_tower<double>();
  const Tensor<std::int32_t> tokens = some_tokens();
  const Tensor<double> d_out = random_tensor<double>({3, 6}, "d_out");
  Context context({.threads = 2});
  const auto loss = [&] {
    Tensor<double> out({3, 6});
    encode_text_forward<double>(context, tower, tokens.view<2>(), out.view<2>());
    double sum = 0;
    for (index_t i = 0; i < out.size(); ++i) sum += d_out[i] * out[i];
    return sum;
  };
  const auto gradient = encoding_gradient<double>(tower, {1, 1}, 2);
  const auto claims = parameter_gradients(tower, gradient);
  CHECK(claims.size() == 2 + 2 * 12 + 2 + 1);
  expect_gradient(loss, claims);
  const double* unused = &gradient.positional_embedding[6 * 16];  // no sentence has a seventh token
  CHECK(std::all_of(unused, unused + 5 * 16, [](double value) { return value == 0; }));
}

TEST_CASE_TEMPLATE("text gradients have the same bits under any plan and on any number of threads", T, float, double) {
  const auto tower = random_tower<T>();
  const auto wanted = tensors_of(encoding_gradient<T>(tower, {}, 1));
  for (const auto& [kept, threads] : {std::pair<index_t, int>{2, 2}, {1, 1}, {0, 2}}) {
    const auto found = tensors_of(encoding_gradient<T>(tower, {1, kept}, threads));
    for (std::size_t i = 0; i < wanted.size(); ++i) CHECK(same_bits(found[i], wanted[i]));
  }
}

TEST_CASE("the gradient of rows that are no tokens agrees with differences, hooks included") {
  const auto tower = random_tower<double>();
  const std::vector<index_t> ends{2, 5, 1};
  Tensor<double> rows = random_tensor<double>({3, 6, 16}, "rows"), offset = random_tensor<double>({16}, "offset");
  const Tensor<double> d_out = random_tensor<double>({3, 16}, "d_out");
  Context context({.threads = 2});
  TextSaved<double> saved;
  const auto run = [&](TextSaved<double>* kept) {
    Tensor<double> x = rows, out({3, 16});
    auto shift = [&](index_t block, View<double, 2> tokens) {  // learned words: row 1 of each sentence, after block 1
      if (block != 1) return;
      for (index_t n = 0; n < 3; ++n) std::copy_n(offset.data(), 16, &tokens(6 * n + 1, 0));
    };
    text_rows_forward<double>(context, tower, {x.view<3>(), ends}, shift, out.view<2>(), kept);
    return std::inner_product(out.begin(), out.end(), d_out.begin(), 0.0);
  };
  run(&saved);
  Tensor<double> d_rows({3, 6, 16}), d_offset({16});
  auto unshift = [&](index_t block, View<double, 2> d_tokens) {
    if (block != 1) return;
    for (index_t n = 0; n < 3; ++n)
      for (index_t c = 0; c < 16; ++c) d_offset[c] += std::exchange(d_tokens(6 * n + 1, c), 0.0);
  };
  text_rows_backward<double>(context, tower, saved, {ends, d_out.view<2>(), unshift}, d_rows.view<3>());
  expect_gradient([&] { return run(nullptr); }, {{"rows", rows, d_rows}, {"offset", offset, d_offset}});
}

// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/nn/attention.hpp>

#include "backward_test.hpp"
#include "expect_error.hpp"

using namespace nn_test;  // NOLINT

namespace {

struct Case {
  index_t batch, tokens, heads, head_width;
};
constexpr Case kCases[] = {{1, 1, 1, 1}, {2, 3, 1, 4}, {1, 7, 3, 5}, {2, 17, 2, 8}, {1, 65, 1, 64}, {1, 37, 2, 64}};

template <class T>
SelfAttention<T> random_attention(const Case& sizes) {
  const index_t width = sizes.heads * sizes.head_width;
  SelfAttention<T> attention(width, sizes.heads);
  randomize_layer<T>(attention, "attn", 1 / std::sqrt(static_cast<float>(width)));
  return attention;
}

}  // namespace

TEST_CASE_TEMPLATE("attention equals softmax(q k^T / sqrt(Dh)) v, with and without the causal mask", T, float, double) {
  Context context({.threads = 2});
  for (const Case& sizes : kCases)
    for (const bool causal : {false, true}) {
      const std::string label =
          concat(sizes.batch, "x", sizes.tokens, "x", sizes.heads, "x", sizes.head_width, causal ? " causal" : "");
      CAPTURE(label);
      const index_t width = sizes.heads * sizes.head_width, rows = sizes.batch * sizes.tokens;
      SelfAttention<T> attention = random_attention<T>(sizes);
      const TokenLayout layout{sizes.batch, sizes.tokens, causal};
      const Tensor<T> x = random_tensor<T>({rows, width}, "attention x", 2.0f);
      const Tensor<T> before = random_tensor<T>({rows, width}, "attention before");
      const auto reference = sum_of(widen<T>(before.template view<2>()),
                                    attention_reference<T>(widen<T>(x.template view<2>()), attention, layout));
      Tensor<T> plain = before, packed = before;
      attention_forward<T>(context, attention, layout, x.template view<2>(), plain.template view<2>());
      // scores stay below 4 here; three sums in a row, of D, T and D terms
      const double bound = 4 * static_cast<double>(2 * width + sizes.tokens + 16);
      CHECK(worst_in_eps<T>(plain.template view<2>(), reference) <= bound);
      pack(context, attention.in_proj);
      pack(context, attention.out_proj);
      attention_forward<T>(context, attention, layout, x.template view<2>(), packed.template view<2>());
      CHECK(same_bits(plain, packed));
    }
}

TEST_CASE_TEMPLATE("a causal token does not know what follows it", T, float, double) {
  Context context({.threads = 1});
  const Case sizes{1, 9, 2, 8};
  const SelfAttention<T> attention = random_attention<T>(sizes);
  Tensor<T> x = random_tensor<T>({9, 16}, "causal x"), y({9, 16}), changed({9, 16});
  attention_forward<T>(context, attention, {1, 9, true}, std::as_const(x).template view<2>(), y.template view<2>());
  for (index_t c = 0; c < 16; ++c) x[5 * 16 + c] += 1;
  attention_forward<T>(context, attention, {1, 9, true}, std::as_const(x).template view<2>(),
                       changed.template view<2>());
  int before = 0, after = 0;
  for (index_t i = 0; i < 9 * 16; ++i) (i < 5 * 16 ? before : after) += y[i] != changed[i];
  CHECK(before == 0);
  CHECK(after > 16);
}

TEST_CASE_TEMPLATE("large scores do not overflow", T, float, double) {
  Context context({.threads = 1});
  const Case sizes{1, 11, 1, 16};
  const SelfAttention<T> attention = random_attention<T>(sizes);
  const Tensor<T> x = random_tensor<T>({11, 16}, "large x", 500.0f);
  Tensor<T> y({11, 16});
  attention_forward<T>(context, attention, {1, 11, false}, x.template view<2>(), y.template view<2>());
  for (const T value : y) CHECK(std::isfinite(value));
}

TEST_CASE("images of a batch do not see each other") {
  Context context({.threads = 2});
  const SelfAttention<float> attention = random_attention<float>({1, 1, 2, 8});
  const Tensor<float> x = random_tensor<float>({15, 16}, "batch x");
  Tensor<float> together({15, 16}), alone({15, 16});
  attention_forward<float>(context, attention, {3, 5, false}, x.view<2>(), together.view<2>());
  for (index_t b = 0; b < 3; ++b)
    attention_forward<float>(context, attention, {1, 5, false}, x.view<2>().rows(5 * b, 5 * b + 5),
                             alone.view<2>().rows(5 * b, 5 * b + 5));
  CHECK(same_bits(together, alone));
}

TEST_CASE("a layout that does not fit is told") {
  Context context({.threads = 1});
  const SelfAttention<float> attention = random_attention<float>({1, 1, 2, 4});
  Tensor<float> x({6, 8}), y({6, 8});
  expect_error(ErrorCode::contract, {"2 x 4", "(6,8)"}, [&] {
    attention_forward<float>(context, attention, {2, 4, false}, x.view<2>(), y.view<2>());
  });
}

namespace {

template <class T>
struct AttentionGradients {
  Tensor<T> d_x;
  SelfAttention<T> attention;
};

template <class T>
AttentionGradients<T> attention_gradients(int threads, const Case& sizes, bool causal, bool is_packed) {
  Context context({.threads = threads});
  const index_t width = sizes.heads * sizes.head_width, rows = sizes.batch * sizes.tokens;
  SelfAttention<T> attention = random_attention<T>(sizes);
  AttentionGradients<T> result{Tensor<T>({rows, width}), SelfAttention<T>(width, sizes.heads)};
  zero_parameters(result.attention);
  const TokenLayout layout{sizes.batch, sizes.tokens, causal};
  const Tensor<T> x = random_tensor<T>({rows, width}, "attention x", 2.0f);
  const Tensor<T> d_y = random_tensor<T>({rows, width}, "attention d_y");
  Tensor<T> y({rows, width}), qkv({rows, 3 * width}), heads({rows, width});
  if (is_packed) {
    pack(context, attention.in_proj);
    pack(context, attention.out_proj);
  }
  attention_forward<T>(context, attention, layout, x.template view<2>(), y.template view<2>(),
                       {qkv.template view<2>(), heads.template view<2>()});
  attention_backward<T>(
      context, attention, layout,
      {x.template view<2>(), std::as_const(qkv).template view<2>(), std::as_const(heads).template view<2>(),
       d_y.template view<2>(), result.d_x.template view<2>()},
      &result.attention);
  return result;
}

}  // namespace

TEST_CASE("the backward pass of attention is its gradient") {
  Context context({.threads = 2});
  for (const Case& sizes : {Case{1, 1, 1, 1}, Case{2, 3, 1, 4}, Case{1, 7, 3, 5}, Case{2, 17, 2, 8}})
    for (const bool causal : {false, true}) {
      const auto found = attention_gradients<double>(2, sizes, causal, false);
      SelfAttention<double> attention = random_attention<double>(sizes);
      const index_t width = sizes.heads * sizes.head_width, rows = sizes.batch * sizes.tokens;
      Tensor<double> x = random_tensor<double>({rows, width}, "attention x", 2.0f);
      const Tensor<double> d_y = random_tensor<double>({rows, width}, "attention d_y");
      const auto loss = [&] {
        Tensor<double> y({rows, width});
        attention_forward<double>(context, attention, {sizes.batch, sizes.tokens, causal}, std::as_const(x).view<2>(),
                                  y.view<2>());
        return inner(y, d_y);
      };
      expect_gradient(loss, {{"x", x, found.d_x}});
      expect_gradient(loss, parameter_gradients(attention, found.attention));
    }
}

TEST_CASE("attention backward: float agrees with double, any number of threads gives the same bits, packed or plain") {
  for (const Case& sizes : kCases)
    for (const bool causal : {false, true}) {
      const auto exact = attention_gradients<double>(1, sizes, causal, false);
      const auto one = attention_gradients<float>(1, sizes, causal, false);
      // three products deep, each of at most `width` or `tokens` terms
      const double bound = 8 + 4 * std::sqrt(static_cast<double>(sizes.heads * sizes.head_width + sizes.tokens));
      CHECK(worst_in_eps(one.d_x, exact.d_x) <= bound);
      visit_parameters(one.attention, "", [](const std::string&, const Tensor<float>& tensor) {
        for (const float value : tensor) REQUIRE(std::isfinite(value));
      });
      CHECK(worst_in_eps(one.attention.in_proj, exact.attention.in_proj) <= bound);
      CHECK(worst_in_eps(one.attention.out_proj, exact.attention.out_proj) <= bound);
      for (const int threads : {2, 3})
        for (const bool is_packed : {false, true}) {
          const auto other = attention_gradients<float>(threads, sizes, causal, is_packed);
          CHECK(same_bits(other.d_x, one.d_x));
          CHECK(same_parameters(other.attention, one.attention));
        }
    }
}

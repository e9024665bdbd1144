// SPDX-License-Identifier: MIT
#include <cstring>
#include <vector>

#include <moeclip/kernels/attention.hpp>
#include <moeclip/kernels/attention_backward.hpp>

#include "gradient_check.hpp"
#include "kernel_test.hpp"

using namespace moeclip;
using namespace moeclip::kernels;
using kernel_test::for_each_isa;
using kernel_test::random_values;

namespace {

struct Case {
  index_t batch, tokens, heads, head_width;
  bool causal = false;
  float range = 1.0f;  // of queries and keys

  [[nodiscard]] index_t width() const { return heads * head_width; }
  [[nodiscard]] index_t rows() const { return batch * tokens; }
};

/// Operands, result and gradients of one case; rows of gradients are wider than needed, which must stay as they are.
template <class T>
struct Workspace {
  std::vector<T> qkv, out, d_out, gradients;
  Attention<T> forward;
  AttentionGradient<T> backward;

  explicit Workspace(const Case& t)
      : out(static_cast<std::size_t>(t.rows() * t.width())),
        gradients(static_cast<std::size_t>(t.rows() * (3 * t.width() + 1)), T(7)) {
    auto values = random_values(t.rows() * 3 * t.width(), "qkv");
    for (index_t i = 0; i < t.rows() * 3 * t.width(); ++i)
      if (i % (3 * t.width()) < 2 * t.width()) values[static_cast<std::size_t>(i)] *= t.range;
    qkv.assign(values.begin(), values.end());
    const auto d_values = random_values(t.rows() * t.width(), "d_out");
    d_out.assign(d_values.begin(), d_values.end());
    forward = {qkv.data(),
               qkv.data() + t.width(),
               qkv.data() + 2 * t.width(),
               3 * t.width(),
               out.data(),
               t.width(),
               t.batch,
               t.tokens,
               t.heads,
               t.head_width,
               T(1) / std::sqrt(static_cast<T>(t.head_width)),
               t.causal};
    backward = {
        d_out.data(),     t.width(), gradients.data(), gradients.data() + t.width(), gradients.data() + 2 * t.width(),
        3 * t.width() + 1};
  }

  void run(int threads) {
    Context context({.threads = threads});
    attention(context, forward);
    attention_backward(context, forward, backward);
  }
};

// Largest |found - expected| of each of dQ, dK, dV, relative to its largest expected magnitude.
double worst_relative(const Case& t, const std::vector<float>& found, const std::vector<double>& expected) {
  double off[3] = {}, largest[3] = {1e-300, 1e-300, 1e-300};
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto column = i % static_cast<std::size_t>(3 * t.width() + 1);
    const std::size_t part = column / static_cast<std::size_t>(t.width());
    if (part == 3) {
      CHECK(found[i] == 7.0f);
      continue;
    }
    const double one = std::fabs(double{found[i]} - expected[i]);
    off[part] = one < 1e300 ? std::max(off[part], one) : 1e300;
    largest[part] = std::max(largest[part], std::fabs(expected[i]));
  }
  return std::max({off[0] / largest[0], off[1] / largest[1], off[2] / largest[2]});
}

// A score is wrong by some eps of its size, Dh range^2 / sqrt(Dh) at most but sqrt of that as a sum of random signs; a
// probability by as much relatively. Gradients are sums over tokens of such, random in sign again.
void check(const Case& t) {
  CAPTURE(t.tokens);
  CAPTURE(t.head_width);
  CAPTURE(t.causal);
  Workspace<double> exact(t);
  exact.run(2);
  const double bound = kernel_test::kEps * (16 + 8 * double{t.range} * double{t.range} +
                                            2 * std::sqrt(static_cast<double>(t.tokens + t.head_width)));
  for_each_isa([&] {
    Workspace<float> one(t);
    one.run(1);
    if (t.tokens > 1) CHECK(worst_relative(t, one.gradients, exact.gradients) <= bound);
    for (const int threads : {2, 3}) {
      Workspace<float> other(t);
      other.run(threads);
      CHECK(std::memcmp(one.gradients.data(), other.gradients.data(), one.gradients.size() * sizeof(float)) == 0);
    }
  });
}

}  // namespace

TEST_CASE("attention backward: the reference is the gradient") {
  for (const Case& t : {Case{1, 1, 1, 1}, Case{2, 5, 2, 3}, Case{1, 17, 3, 4, true}, Case{2, 9, 1, 7, true}}) {
    Workspace<double> space(t);
    space.run(2);
    std::vector<double> gradient;  // as qkv lies
    for (index_t row = 0; row < t.rows(); ++row)
      gradient.insert(gradient.end(), space.gradients.begin() + row * (3 * t.width() + 1),
                      space.gradients.begin() + row * (3 * t.width() + 1) + 3 * t.width());
    Context context({.threads = 1});
    const auto loss = [&] {
      attention(context, space.forward);
      double sum = 0;
      for (std::size_t i = 0; i < space.out.size(); ++i) sum += space.out[i] * space.d_out[i];
      return sum;
    };
    expect_gradient(loss, {{"qkv", space.qkv.data(), gradient.data(), t.rows() * 3 * t.width()}});
  }
}

TEST_CASE("attention backward: against the reference in double") {
  check({1, 1, 1, 1});
  check({2, 17, 2, 16});
  check({1, 47, 2, 64});
  check({1, 48, 1, 64});
  check({2, 49, 3, 7});
  check({1, 131, 2, 64});
  check({1, 257, 1, 80});
  check({1, 300, 2, 33});
}

TEST_CASE("attention backward: causal") {
  check({1, 1, 1, 8, true});
  check({2, 5, 2, 16, true});
  check({1, 48, 1, 64, true});
  check({1, 77, 3, 64, true});
  check({1, 193, 1, 24, true});
}

TEST_CASE("attention backward: scores far apart neither overflow nor lose the highest") {
  check({1, 67, 2, 64, false, 5.0f});
  check({1, 67, 2, 64, true, 5.0f});
}

TEST_CASE("attention backward: one token has no gradient but that of its value") {
  for_each_isa([] {
    Workspace<float> one({1, 1, 1, 64});
    one.run(1);
    for (std::size_t i = 0; i < 64; ++i) {
      CHECK(std::fabs(one.gradients[i]) <= 64 * kernel_test::kEps);
      CHECK(std::fabs(one.gradients[64 + i]) <= 64 * kernel_test::kEps);
      CHECK(one.gradients[128 + i] == one.d_out[i]);
    }
  });
}

TEST_CASE("attention backward: scratch is linear in tokens and returned") {
  const KernelTable& table = active();
  CHECK(attention_backward_scratch(table, 2000, 64) < 2 * attention_backward_scratch(table, 1000, 64));
}

TEST_CASE("attention backward: nothing to do, and broken contracts") {
  Context context({.threads = 1});
  attention_backward<float>(context, {}, {});
  CHECK_THROWS_AS(attention_backward<float>(context, {.batch = 1, .tokens = -1, .heads = 1, .head_width = 1}, {}),
                  Error);
}

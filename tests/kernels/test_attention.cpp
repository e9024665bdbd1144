// SPDX-License-Identifier: MIT
#include <cstring>
#include <vector>

#include <moeclip/kernels/attention.hpp>

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
};

template <class T>
Attention<T> arguments(const Case& t, const std::vector<T>& qkv, std::vector<T>& out) {
  const index_t width = t.heads * t.head_width;
  return {.query = qkv.data(),
          .key = qkv.data() + width,
          .value = qkv.data() + 2 * width,
          .stride = 3 * width,
          .out = out.data(),
          .out_stride = width,
          .batch = t.batch,
          .tokens = t.tokens,
          .heads = t.heads,
          .head_width = t.head_width,
          .scale = T(1) / std::sqrt(static_cast<T>(t.head_width)),
          .causal = t.causal};
}

// A score is wrong by (Dh + 2) eps scale sum |q||k|, a weight by that much relatively, once for itself and once for the
// sum; the values (at most 1 in size) are averaged with weights that add up to 1.
void check(const Case& t) {
  CAPTURE(t.tokens);
  CAPTURE(t.head_width);
  CAPTURE(t.causal);
  const auto size = static_cast<std::size_t>(t.batch * t.tokens * t.heads * t.head_width);
  auto qkv = random_values(static_cast<index_t>(3 * size), "qkv");
  const index_t width = t.heads * t.head_width;
  for (index_t i = 0; i < static_cast<index_t>(qkv.size()); ++i)
    if (i % (3 * width) < 2 * width) qkv[static_cast<std::size_t>(i)] *= t.range;
  const auto wide = kernel_test::widened(qkv);
  std::vector<double> expected(size);
  Context context({.threads = 2});
  attention(context, arguments(t, wide, expected));
  const double dh = static_cast<double>(t.head_width), score = dh * t.range * t.range / std::sqrt(dh);
  const double bound = kernel_test::kEps * (2 * (dh + 4) * score + static_cast<double>(t.tokens) + 16);

  for_each_isa([&] {
    std::vector<float> first;
    for (const int threads : {1, 2, 3}) {
      Context shared({.threads = threads});
      std::vector<float> out(size + 1, 7.0f);
      attention(shared, arguments(t, qkv, out));
      CHECK(out.back() == 7.0f);
      double worst = 0;
      for (std::size_t i = 0; i < size; ++i) worst = std::max(worst, std::fabs(double{out[i]} - expected[i]));
      CHECK(worst <= bound);
      if (threads == 1) first = out;
      CHECK(std::memcmp(first.data(), out.data(), out.size() * sizeof(float)) == 0);
    }
  });
}

}  // namespace

TEST_CASE("attention: against the reference in double") {
  check({1, 1, 1, 1});
  check({2, 17, 2, 16});
  check({1, 47, 2, 64});
  check({1, 48, 1, 64});
  check({2, 49, 3, 7});
  check({1, 131, 2, 64});
  check({1, 257, 1, 80});
  check({5, 100, 1, 8});  // images in groups, the last one smaller
}

TEST_CASE("attention: causal") {
  check({1, 1, 1, 8, true});
  check({2, 5, 2, 16, true});
  check({1, 48, 1, 64, true});
  check({1, 77, 3, 64, true});
  check({1, 193, 1, 24, true});
  check({1, 281, 1, 24, true});
}

TEST_CASE("attention: scores far apart neither overflow nor lose the highest") {
  check({1, 67, 2, 64, false, 30.0f});
  check({1, 67, 2, 64, true, 30.0f});
}

TEST_CASE("attention: one token attends to itself alone") {
  for_each_isa([] {
    Context context({.threads = 1});
    const auto qkv = random_values(3 * 64, "one");
    std::vector<float> out(64);
    attention(context, arguments<float>({1, 1, 1, 64}, qkv, out));
    for (std::size_t i = 0; i < 64; ++i) CHECK(out[i] == qkv[128 + i]);
  });
}

TEST_CASE("attention: scratch is linear in tokens and returned") {
  const KernelTable& table = active();
  CHECK(attention_scratch(table, 2000, 64) < 2 * attention_scratch(table, 1000, 64));
  Context context({.threads = 1});
  const Case t{1, 500, 1, 64};
  const auto qkv = random_values(3 * 500 * 64, "linear");
  std::vector<float> out(500 * 64);
  attention(context, arguments(t, qkv, out));
  CHECK(context.arena().capacity() < 4 * (500 * 64 * 3 + 500 * 64) + (index_t{1} << 17));
}

TEST_CASE("attention: nothing to do, and broken contracts") {
  Context context({.threads = 1});
  attention<float>(context, {});
  CHECK_THROWS_AS(attention<float>(context, {.batch = -1, .tokens = 1, .heads = 1, .head_width = 1}), Error);
}

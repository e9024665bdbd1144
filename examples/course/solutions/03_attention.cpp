// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <limits>
#include <moeclip/kernels/attention.hpp>

#include "../lesson.hpp"

namespace {

constexpr index_t kSeen = 40, kHeadWidth = 8;

/// ATT-3, as in the lesson.
struct OnlineSoftmax {
  double highest = -std::numeric_limits<double>::infinity(), sum = 0, out[kHeadWidth] = {};

  void see(double s, const float* v) {
    const double m = std::max(highest, s), old = std::exp(highest - m), e = std::exp(s - m);
    sum = sum * old + e;
    for (index_t d = 0; d < kHeadWidth; ++d) out[d] = out[d] * old + e * static_cast<double>(v[d]);
    highest = m;
  }
};

/// Both are brought to the larger m. Nothing seen is the neutral element: m = -infinity, and its exp is 0.
OnlineSoftmax merge(const OnlineSoftmax& a, const OnlineSoftmax& b) {
  OnlineSoftmax both;
  both.highest = std::max(a.highest, b.highest);
  if (std::isinf(both.highest)) return both;
  const double of_a = std::exp(a.highest - both.highest), of_b = std::exp(b.highest - both.highest);
  both.sum = a.sum * of_a + b.sum * of_b;
  for (index_t d = 0; d < kHeadWidth; ++d) both.out[d] = a.out[d] * of_a + b.out[d] * of_b;
  return both;
}

}  // namespace

TEST_CASE("lesson 3, exercise 1: states of two parts of the keys merge into that of all") {
  const auto scores = drawn<float>({kSeen}, "scores", 5), v = drawn<float>({kSeen, kHeadWidth}, "v");
  OnlineSoftmax all, parts[2];
  for (index_t j = 0; j < kSeen; ++j)
    for (OnlineSoftmax* state : {&all, &parts[j % 3 == 0]})
      state->see(static_cast<double>(scores[j]), &v[j * kHeadWidth]);
  const OnlineSoftmax merged = merge(parts[0], parts[1]), turned = merge(parts[1], parts[0]);
  for (index_t d = 0; d < kHeadWidth; ++d) {
    CHECK(merged.out[d] / merged.sum == doctest::Approx(all.out[d] / all.sum).epsilon(1e-12));
    CHECK(merged.out[d] == turned.out[d]);
    CHECK(merge(merged, OnlineSoftmax()).out[d] == merged.out[d]);
  }
  CHECK(merge(OnlineSoftmax(), OnlineSoftmax()).sum == 0);
}

TEST_CASE("lesson 3, exercise 2: a causal query stops at its own key") {
  const auto q = drawn<float>({kSeen, kHeadWidth}, "q"), k = drawn<float>({kSeen, kHeadWidth}, "k"),
             v = drawn<float>({kSeen, kHeadWidth}, "v");
  Tensor<float> own(q.shape()), library(q.shape());
  for (index_t i = 0; i < kSeen; ++i) {
    OnlineSoftmax state;
    for (index_t j = 0; j <= i; ++j) state.see(dot(row(q, i), row(k, j)) / std::sqrt(8.0), &v[j * kHeadWidth]);
    for (index_t d = 0; d < kHeadWidth; ++d) own[i * kHeadWidth + d] = static_cast<float>(state.out[d] / state.sum);
  }
  moeclip::kernels::Attention<float> task;
  task.query = q.data(), task.key = k.data(), task.value = v.data(), task.out = library.data();
  task.stride = task.out_stride = task.head_width = kHeadWidth;
  task.batch = task.heads = 1, task.tokens = kSeen;
  task.scale = 1 / std::sqrt(8.0f);
  task.causal = true;
  Context context({.threads = 1});
  moeclip::kernels::attention<float>(context, task);
  CHECK(farthest(own, library) < 1e-5);
}

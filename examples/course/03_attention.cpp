// SPDX-License-Identifier: MIT
// Lesson 3. Softmax and attention without a T x T matrix. In one head of ATT-1 (lesson 6 has the whole layer) a query
// q looks at the keys k_j and takes the mean of their values v_j, weighted by softmax:
//
//   o = sum_j p_j v_j,   p_j = exp(s_j) / sum_i exp(s_i),   s_j = q . k_j / sqrt(Dh)      (a head)
//
// for vectors of Dh numbers: a sum of Dh products of numbers around 1 is around sqrt(Dh), which the division undoes.
// Nothing changes if all s_j are less by m = max s_j, and the division can wait:
//
//   o = (sum_j e_j v_j) / (sum_j e_j),   e_j = exp(s_j - m)                                      (ATT-2)
//
// And m need not be known beforehand. If a score s > m comes, everything so far was too large by exp(s - m):
//
//   m' = max(m, s),   l' = l exp(m - m') + exp(s - m'),   o' = o exp(m - m') + v exp(s - m')     (ATT-3)
//
// Output:
// textbook and online softmax: the same numbers
// textbook and library: the same numbers
// 300 tokens: the scores are 90000 numbers, (ATT-3) keeps 18
// exp of a score of 1000: inf; textbook, scores 1000 higher: nan; online: as before
// keys backwards, online: the same numbers
// of 300 keys, 60 times one was the largest so far for query 0 ... 9

#include <limits>
#include <moeclip/kernels/attention.hpp>
#include <vector>

#include "lesson.hpp"

constexpr index_t kTokens = 300, kHead = 16;

/// s_j, plus `shift`.
static float score(const Tensor<float>& q, const Tensor<float>& k, index_t i, index_t j, float shift) {
  return static_cast<float>(dot(row(q, i), row(k, j))) / std::sqrt(static_cast<float>(kHead)) + shift;
}

/// A head as it stands: a row of scores for each query, T x T in all.
static Tensor<float> textbook(const Tensor<float>& q, const Tensor<float>& k, const Tensor<float>& v, float shift) {
  Tensor<float> out({kTokens, kHead});
  std::vector<float> p(kTokens);
  for (index_t i = 0; i < kTokens; ++i) {
    float sum = 0;
    for (index_t j = 0; j < kTokens; ++j) sum += p[static_cast<std::size_t>(j)] = std::exp(score(q, k, i, j, shift));
    for (index_t j = 0; j < kTokens; ++j)
      for (index_t d = 0; d < kHead; ++d) out[i * kHead + d] += p[static_cast<std::size_t>(j)] / sum * v[j * kHead + d];
  }
  return out;
}

/// All that is known of the keys seen so far: m, l and o.
struct Online {
  float highest = -std::numeric_limits<float>::infinity(), sum = 0, out[kHead] = {};

  /// (ATT-3). Returns whether s is the largest so far.
  bool see(float s, const float* v) {
    const float m = std::max(highest, s), old = std::exp(highest - m), e = std::exp(s - m);
    sum = sum * old + e;
    for (index_t d = 0; d < kHead; ++d) out[d] = out[d] * old + e * v[d];
    const bool is_highest = s > highest;
    highest = m;
    return is_highest;
  }
};

/// (ATT-3) for all queries, the keys in order or backwards.
static Tensor<float> online(const Tensor<float>& q, const Tensor<float>& k, const Tensor<float>& v, float shift,
                            bool is_backwards = false) {
  Tensor<float> out({kTokens, kHead});
  for (index_t i = 0; i < kTokens; ++i) {
    Online state;
    for (index_t n = 0; n < kTokens; ++n) {
      const index_t j = is_backwards ? kTokens - 1 - n : n;
      state.see(score(q, k, i, j, shift), &v[j * kHead]);
    }
    for (index_t d = 0; d < kHead; ++d) out[i * kHead + d] = state.out[d] / state.sum;
  }
  return out;
}

int main() {
  const auto q = drawn<float>({kTokens, kHead}, "q", 4), k = drawn<float>({kTokens, kHead}, "k"),
             v = drawn<float>({kTokens, kHead}, "v");
  const auto plain = textbook(q, k, v, 0), running = online(q, k, v, 0);
  compare("textbook and online softmax", farthest(plain, running), 1e-5);

  // The library: (ATT-2) for a panel of queries at a time, whose scores are all the memory it takes.
  Context context({.threads = 1});
  Tensor<float> library({kTokens, kHead});
  moeclip::kernels::Attention<float> task;
  task.query = q.data(), task.key = k.data(), task.value = v.data();
  task.stride = task.out_stride = kHead;
  task.out = library.data();
  task.batch = task.heads = 1, task.tokens = kTokens, task.head_width = kHead;
  task.scale = 1 / std::sqrt(static_cast<float>(kHead));
  moeclip::kernels::attention<float>(context, task);
  compare("textbook and library", farthest(plain, library), 1e-5);
  std::printf("%td tokens: the scores are %td numbers, (ATT-3) keeps %td\n", kTokens, kTokens * kTokens, kHead + 2);

  // Why m at all: exp of a float is too large for a float from 89 on.
  const float large = std::exp(1000.0f), lost = textbook(q, k, v, 1000)[0];
  std::printf("exp of a score of 1000: %f; textbook, scores 1000 higher: %s; online: %s\n", static_cast<double>(large),
              std::isnan(lost) ? "nan" : "a number",
              farthest(online(q, k, v, 1000), running) < 1e-3 ? "as before" : "DIFFERENT");
  compare("keys backwards, online", farthest(online(q, k, v, 0, true), running), 1e-5);

  // The surprise: rescaling is rare. The j-th key is the largest so far with probability 1/j, so of T keys it happens
  // log T + 0.6 times: 6 of 300.
  int rescaled = 0;
  for (index_t i = 0; i < 10; ++i) {
    Online state;
    for (index_t j = 0; j < kTokens; ++j) rescaled += state.see(score(q, k, i, j, 0), &v[j * kHead]);
  }
  std::printf("of %td keys, %d times one was the largest so far for query 0 ... 9\n", kTokens, rescaled);
}

// Exercise 1. Write merge(Online, Online): the state after all keys that one or the other saw. So keys can be shared
//   out among threads. Is it commutative? What is its neutral element?
// Exercise 2. A causal query i sees keys 0 ... i only. Change `online`, and compare with Attention::causal.

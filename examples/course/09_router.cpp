// SPDX-License-Identifier: MIT
// Lesson 9. The router. For each token x it chooses K of E experts and says how much each counts:
//
//   p = softmax(z),  z = G x;   T = the K largest, equal ones by lower index;   q_e = p_e / sum_T p   (ROU-1)
//   m = sum over T of q_e o_e                                                                     (MIX-1)
//
// The choice T jumps and has no derivative; the weights q have one. With s = sum_T p,
//
//   d_q_e = d_m . o_e  in T                                                                      (MIX-1')
//   d_p_e = (d_q_e - sum_T q_f d_q_f) / s  in T, 0 elsewhere;   d_z_e = p_e (d_p_e - sum_f p_f d_p_f)        (ROU-1')
//
// Here sum_f p_f d_p_f = sum_T q_f (d_q_f - sum_T q d_q) = 0, so in T d_z_e = q_e (d_q_e - sum_T q_f d_q_f), and
// experts outside T get nothing. Only a loss of p itself, such as exercise 1's, adds to d_p and reaches them.
//
// Output:
// choices by the lesson and by the library: the same numbers
// weights by the lesson and by the library: the same numbers
// m of the tokens' own experts (sparse), and of all experts masked (dense): the same numbers
// tokens of each expert, random gate: 30 27 32 31
// tokens of each expert, gate 0: 60 60 0 0
// d_x by the lesson and by the library's router_backward: the same numbers
// a logit passes another one: m moves by 0.5 times its length, by 1.5 at the worst of 60 tokens

#include <moeclip/moe/mixture.hpp>
#include <numeric>
#include <vector>

#include "lesson.hpp"

constexpr index_t kTokens = 60, kWidth = 32, kExperts = 4, kChosen = 2, kRank = 4;
using Matrix = Tensor<double>;

/// What the router says of one token.
struct Choice {
  double p[kExperts], q[kChosen];
  index_t experts[kExperts];  // of which the first K are chosen

  /// ROU-1 from the logits z.
  explicit Choice(const double* z) {
    const double highest = *std::max_element(z, z + kExperts);
    double sum = 0, chosen = 0;
    for (index_t e = 0; e < kExperts; ++e) sum += p[e] = std::exp(z[e] - highest);
    for (double& value : p) value /= sum;
    std::iota(experts, experts + kExperts, 0);
    std::stable_sort(experts, experts + kExperts, [this](index_t a, index_t b) { return p[a] > p[b]; });
    for (index_t k = 0; k < kChosen; ++k) chosen += p[experts[k]];
    for (index_t k = 0; k < kChosen; ++k) q[k] = p[experts[k]] / chosen;
  }

  /// ROU-1': d_z from d_q.
  void backward(const double* d_q, double* d_z) const {
    double s = 0, mean = 0, along = 0, d_p[kExperts] = {};
    for (index_t k = 0; k < kChosen; ++k) s += p[experts[k]], mean += q[k] * d_q[k];
    for (index_t k = 0; k < kChosen; ++k) d_p[experts[k]] = (d_q[k] - mean) / s;
    for (index_t e = 0; e < kExperts; ++e) along += p[e] * d_p[e];
    for (index_t e = 0; e < kExperts; ++e) d_z[e] = p[e] * (d_p[e] - along);
  }
};

/// The library's routing, in tensors.
struct Routed {
  Matrix logits{{kTokens, kExperts}}, probabilities{{kTokens, kExperts}}, weights{{kTokens, kChosen}};
  Tensor<std::int32_t> chosen{{kTokens, kChosen}};

  moeclip::Routing<double> view() {
    return {logits.view<2>(), probabilities.view<2>(), chosen.view<2>(), weights.view<2>()};
  }
  void count(const char* gate) const {
    index_t tokens[kExperts] = {};
    for (const std::int32_t e : chosen) ++tokens[e];
    std::printf("tokens of each expert, %s: %td %td %td %td\n", gate, tokens[0], tokens[1], tokens[2], tokens[3]);
  }
};

int main() {
  Context context({.threads = 1});
  moeclip::Mixture<double> mixture(kWidth, kExperts, kRank);
  moeclip::visit_parameters(mixture, "", [](const std::string& name, Matrix& t) { fill_uniform(t, 1, name, 0.5f); });
  const auto x = drawn<double>({kTokens, kWidth}, "x");
  Routed routed;
  moeclip::router_forward<double>(context, mixture.router, x.view<2>(), routed.view());

  Tensor<std::int32_t> chosen({kTokens, kChosen});
  Matrix weights({kTokens, kChosen});
  for (index_t n = 0; n < kTokens; ++n) {
    double z[kExperts];
    for (index_t e = 0; e < kExperts; ++e) z[e] = dot(row(mixture.router.gate, e), row(x, n));
    const Choice choice(z);
    for (index_t k = 0; k < kChosen; ++k) {
      chosen[n * kChosen + k] = static_cast<std::int32_t>(choice.experts[k]);
      weights[n * kChosen + k] = choice.q[k];
    }
  }
  compare("choices by the lesson and by the library", farthest(chosen, routed.chosen), 0);
  compare("weights by the lesson and by the library", farthest(weights, routed.weights), 1e-14);

  // MIX-1 in its two forms: only those who are asked answer, or all answer and most are not listened to.
  Matrix sparse(x.shape()), dense(x.shape()), outputs({kExperts, kTokens, kWidth});
  moeclip::mixture_forward_sparse<double>(context, mixture, routed.view(), x.view<2>(), sparse.view<2>());
  moeclip::mixture_forward_dense<double>(context, mixture, routed.view(), x.view<2>(),
                                         {outputs.view<3>(), dense.view<2>()});
  compare("m of the tokens' own experts (sparse), and of all experts masked (dense)", farthest(sparse, dense), 1e-14);

  // Training begins with G = 0: all probabilities are equal, so the tie rule decides, and two experts learn nothing.
  routed.count("random gate");
  Routed first;
  moeclip::Router<double> zero(kExperts, kWidth);
  zero.gate.fill(0);
  moeclip::router_forward<double>(context, zero, x.view<2>(), first.view());
  first.count("gate 0");

  // MIX-1', ROU-1' and z = G x of all tokens, down to x.
  const auto d_m = drawn<double>(x.shape(), "d_m");
  const auto answer = [&](index_t e, index_t n) { return row(outputs, e * kTokens + n); };
  Matrix d_weights({kTokens, kChosen}), d_x(x.shape()), own_d_x(x.shape()), d_p({kTokens, kExperts});
  for (index_t n = 0; n < kTokens; ++n) {
    double d_logits[kExperts];
    for (index_t k = 0; k < kChosen; ++k)
      d_weights[n * kChosen + k] = dot(row(d_m, n), answer(chosen[n * kChosen + k], n));
    Choice(&routed.logits[n * kExperts]).backward(&d_weights[n * kChosen], d_logits);
    for (index_t c = 0; c < kWidth; ++c)
      for (index_t e = 0; e < kExperts; ++e)
        own_d_x[n * kWidth + c] += d_logits[e] * mixture.router.gate[e * kWidth + c];
  }
  moeclip::router_backward<double>(context, mixture.router, routed.view(), x.view<2>(),
                                   {std::as_const(d_weights).view<2>(), d_p.view<2>(), d_x.view<2>(), nullptr});
  compare("d_x by the lesson and by the library's router_backward", farthest(own_d_x, d_x), 1e-13);

  // The surprise: m is not continuous in x. Where two logits change places, another answer counts at the same weight.
  const double tied[kExperts] = {1, 0, 0, -1};
  const Choice choice(tied);  // of experts 0 and 1, or of 0 and 2
  std::vector<double> moves;
  for (index_t n = 0; n < kTokens; ++n) {
    double square = 0, moved = 0;
    for (std::size_t c = 0; c < kWidth; ++c) {
      const double m = choice.q[0] * answer(0, n)[c] + choice.q[1] * answer(1, n)[c];
      const double step = choice.q[1] * (answer(2, n)[c] - answer(1, n)[c]);
      square += m * m, moved += step * step;
    }
    moves.push_back(std::sqrt(moved / square));
  }
  std::sort(moves.begin(), moves.end());  // the median
  std::printf("a logit passes another one: m moves by %.1f times its length, by %.1f at the worst of 60 tokens\n",
              moves[kTokens / 2], moves.back());
}

// Exercise 1. With K = 1, q = 1 whatever the logits are. What is d_z then, and what does the router learn from the
//   loss? What does it learn from balance_loss, BAL-1 of moe/README.md, which is least if all p_e sum up to the same?
// Exercise 2. Under FOFS an expert sees its own chunk of channels, but the router sees all. A token changes in chunk 0,
//   its chosen experts are 1 and 2: do their answers change? Does m?

// SPDX-License-Identifier: MIT
#pragma once
// A mixture of experts (MIX-1 in this folder's README; METHOD section 2):  m = sum over chosen e of q_e o_e(x).
// Two ways to the same numbers. `sparse` evaluates each expert on the tokens routed to it only: inference. `dense`
// evaluates all experts on all tokens, whose outputs the ETF loss needs: training.

#include <vector>

#include "../tensor/visit.hpp"
#include "expert.hpp"
#include "router.hpp"

namespace moeclip::inline MOECLIP_ABI_NS {

template <class T>
struct Mixture {
  Router<T> router;
  std::vector<Expert<T>> experts;
  index_t chosen = 2;  // K
  T scale = 2;         // alpha / r

  Mixture() = default;
  Mixture(index_t width, index_t expert_count, index_t rank) : router(expert_count, width) {
    for (index_t e = 0; e < expert_count; ++e) experts.emplace_back(width, rank);
  }

  [[nodiscard]] index_t expert_count() const { return static_cast<index_t>(experts.size()); }

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("gate", self.router);
    visitor("experts", self.experts);
  }
};

namespace detail {

/// to += weight * from, `width` numbers.
template <class T>
void add_scaled_row(T weight, const T* from, T* to, index_t width) {
  for (index_t c = 0; c < width; ++c) to[c] += weight * from[c];
}

/// Lists the tokens that chose expert e and the weights they gave it; returns how many.
template <class T>
index_t tokens_of_expert(const Routing<T>& routing, index_t e, index_t* tokens, T* weights) {
  index_t count = 0;
  for (index_t n = 0; n < routing.chosen.extent(0); ++n)
    for (index_t k = 0; k < routing.chosen.extent(1); ++k)
      if (routing.chosen(n, k) == e) {
        tokens[count] = n;
        weights[count++] = routing.weights(n, k);
      }
  return count;
}

}  // namespace detail

/// m (N, D) for x (N, D) and its routing; each expert sees only the tokens that chose it. Contiguous, distinct memory.
/// Experts are added in the order of their number, whatever their rank in the choice, so every token has one sum.
template <class T>
void mixture_forward_sparse(Context& context, const Mixture<T>& mixture, const Routing<T>& routing, View<const T, 2> x,
                            View<T, 2> m) {
  const index_t tokens = x.extent(0), width = x.extent(1);
  Arena::Scope scratch(context.arena());
  const View<T, 2> gathered(scratch.take<T>(tokens * width), {tokens, width});
  const View<T, 2> outputs(scratch.take<T>(tokens * width), {tokens, width});
  index_t* token_of = scratch.take<index_t>(tokens);
  T* weight_of = scratch.take<T>(tokens);
  std::fill_n(m.data(), tokens * width, T(0));
  for (index_t e = 0; e < mixture.expert_count(); ++e) {
    const index_t count = detail::tokens_of_expert<T>(routing, e, token_of, weight_of);
    for (index_t i = 0; i < count; ++i) std::copy_n(&x(token_of[i], 0), width, &gathered(i, 0));
    expert_forward<T>(context, mixture.experts[static_cast<std::size_t>(e)], mixture.scale, gathered.rows(0, count),
                      outputs.rows(0, count));
    for (index_t i = 0; i < count; ++i)
      detail::add_scaled_row<T>(weight_of[i], &outputs(i, 0), &m(token_of[i], 0), width);
  }
}

/// The same m, and the outputs (E, N, D) of all experts on all tokens.
template <class T>
void mixture_forward_dense(Context& context, const Mixture<T>& mixture, const Routing<T>& routing, View<const T, 2> x,
                           View<T, 3> outputs, View<T, 2> m) {
  const index_t tokens = x.extent(0), width = x.extent(1);
  Arena::Scope scratch(context.arena());
  index_t* token_of = scratch.take<index_t>(tokens);
  T* weight_of = scratch.take<T>(tokens);
  std::fill_n(m.data(), tokens * width, T(0));
  for (index_t e = 0; e < mixture.expert_count(); ++e) {
    expert_forward<T>(context, mixture.experts[static_cast<std::size_t>(e)], mixture.scale, x, outputs[e]);
    const index_t count = detail::tokens_of_expert<T>(routing, e, token_of, weight_of);
    for (index_t i = 0; i < count; ++i)
      detail::add_scaled_row<T>(weight_of[i], &outputs(e, token_of[i], 0), &m(token_of[i], 0), width);
  }
}

}  // namespace moeclip::inline MOECLIP_ABI_NS

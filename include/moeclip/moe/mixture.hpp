// SPDX-License-Identifier: MIT
#pragma once
// A mixture of experts (MIX-1 in this folder's README; METHOD section 2) adds up what the chosen experts say, each with
// its weight: m = sum over chosen e of q_e o_e(x). There are two ways to the same numbers. `sparse`, for inference,
// evaluates each expert only on the tokens that are routed to it. `dense`, for training, evaluates all experts on all
// tokens, because the ETF loss needs all outputs.

#include <vector>

#include "../tensor/visit.hpp"
#include "dropout.hpp"
#include "expert.hpp"
#include "router.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The parameters of a mixture: a router and its experts.
template <class T>
struct Mixture {
  Router<T> router;                // chooses K of the E experts for each token
  std::vector<Expert<T>> experts;  // E of them
  index_t chosen = 2;              // K
  T scale = 2;                     // alpha / r

  Mixture() = default;
  /// Shapes for tokens of width D, E experts and rank R; values to be filled in.
  Mixture(index_t width, index_t expert_count, index_t rank) : router(expert_count, width) {
    for (index_t e = 0; e < expert_count; ++e) experts.emplace_back(width, rank);
  }

  /// E, the number of experts.
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

/// a . b over `width` numbers, summed in double.
template <class T>
T dot_product(const T* a, const T* b, index_t width) {
  double sum = 0;
  for (index_t c = 0; c < width; ++c) sum += static_cast<double>(a[c]) * static_cast<double>(b[c]);
  return static_cast<T>(sum);
}

/// Lists the choices of expert e, as places n K + k in `chosen`, token by token; returns how many there are.
template <class T>
index_t choices_of_expert(const Routing<T>& routing, index_t e, index_t* choices) {
  const index_t all = routing.chosen.size();
  index_t count = 0;
  for (index_t i = 0; i < all; ++i)
    if (routing.chosen.data()[i] == e) choices[count++] = i;
  return count;
}

/// Copies the token of each choice from x (N, D) to the first rows of `gathered`, and returns those.
template <class T>
View<T, 2> gather_tokens(View<const T, 2> x, index_t per_token, const index_t* choices, index_t count,
                         View<T, 2> gathered) {
  for (index_t i = 0; i < count; ++i) std::copy_n(&x(choices[i] / per_token, 0), x.extent(1), &gathered(i, 0));
  return gathered.rows(0, count);
}

}  // namespace detail

/// m (N, D) for x (N, D) and its routing; each expert sees only the tokens that chose it. Contiguous, distinct memory.
/// Experts are added in the order of their number, whatever their rank in the choice, so every token has one sum.
template <class T>
void mixture_forward_sparse(Context& context, const Mixture<T>& mixture, const Routing<T>& routing, View<const T, 2> x,
                            View<T, 2> m) {
  const index_t tokens = x.extent(0), width = x.extent(1), per_token = routing.chosen.extent(1);
  Arena::Scope scratch(context.arena());
  const View<T, 2> gathered(scratch.take<T>(tokens * width), {tokens, width});
  const View<T, 2> outputs(scratch.take<T>(tokens * width), {tokens, width});
  index_t* choices = scratch.take<index_t>(tokens * per_token);
  std::fill_n(m.data(), tokens * width, T(0));
  for (index_t e = 0; e < mixture.expert_count(); ++e) {
    const index_t count = detail::choices_of_expert<T>(routing, e, choices);
    const View<T, 2> own = detail::gather_tokens<T>(x, per_token, choices, count, gathered);
    expert_forward<T>(context, mixture.experts[static_cast<std::size_t>(e)], mixture.scale, own,
                      outputs.rows(0, count));
    for (index_t i = 0; i < count; ++i)
      detail::add_scaled_row<T>(routing.weights.data()[choices[i]], &outputs(i, 0), &m(choices[i] / per_token, 0),
                                width);
  }
}

/// What the dense path makes.
template <class T>
struct DenseMixture {
  View<T, 3> outputs;  ///< (E, N, D) of all experts on all tokens
  View<T, 2> m;        ///< (N, D)
};

/// The same m, and the outputs of all experts on all tokens. With dropout (training only) each expert sees x with
/// elements of its own missing.
template <class T>
void mixture_forward_dense(Context& context, const Mixture<T>& mixture, const Routing<T>& routing, View<const T, 2> x,
                           const DenseMixture<T>& result, const ExpertDropout& dropout = {}) {
  const index_t tokens = x.extent(0), width = x.extent(1), per_token = routing.chosen.extent(1);
  Arena::Scope scratch(context.arena());
  const View<T, 2> dropped(scratch.take<T>(dropout.is_on() ? x.size() : 0), x.extents());
  index_t* choices = scratch.take<index_t>(tokens * per_token);
  std::fill_n(result.m.data(), tokens * width, T(0));
  for (index_t e = 0; e < mixture.expert_count(); ++e) {
    if (dropout.is_on()) drop_elements<T>(context, dropout, e, x, dropped);
    expert_forward<T>(context, mixture.experts[static_cast<std::size_t>(e)], mixture.scale,
                      dropout.is_on() ? dropped : x, result.outputs[e]);
    const index_t count = detail::choices_of_expert<T>(routing, e, choices);
    for (index_t i = 0; i < count; ++i) {
      const index_t n = choices[i] / per_token;
      detail::add_scaled_row<T>(routing.weights.data()[choices[i]], &result.outputs(e, n, 0), &result.m(n, 0), width);
    }
  }
}

/// Where the backward passes of a mixture put their results.
template <class T>
struct MixtureGradient {
  View<T, 2> d_x;                         ///< (N, D), added to: by way of the experts; the router's way is its own
  View<T, 2> d_weights;                   ///< (N, K), overwritten
  Mixture<T>* values = nullptr;           ///< added to; null: not wanted
  bool has_trainable_a = false;           ///< lora_a too
  std::vector<bool>* was_used = nullptr;  ///< (E), set where an expert got any token
  BatchShare share = {};                  ///< whose pictures the tokens are of

  /// Of expert e, with `own_d_x` in the place of d_x, and the rows of picture b ending at ends[b].
  [[nodiscard]] ExpertGradient<T> of_expert(index_t e, View<T, 2> own_d_x, std::span<const index_t> ends = {}) const {
    if (values == nullptr) return {own_d_x, nullptr, nullptr, share, ends};
    Expert<T>& expert = values->experts[static_cast<std::size_t>(e)];
    return {own_d_x, has_trainable_a ? expert.lora_a.data() : nullptr, expert.lora_b.data(), share, ends};
  }
};

/// Backward of mixture_forward_sparse for d_m (N, D), MIX-1': per expert and only on its tokens,
///   d_o = q d_m,   d_q = d_m . o.
template <class T>
void mixture_backward_sparse(Context& context, const Mixture<T>& mixture, const Routing<T>& routing, View<const T, 2> x,
                             View<const T, 2> d_m, const MixtureGradient<T>& gradient) {
  const index_t tokens = x.extent(0), width = x.extent(1), per_token = routing.chosen.extent(1);
  Arena::Scope scratch(context.arena());
  const auto take = [&] { return View<T, 2>(scratch.take<T>(tokens * width), {tokens, width}); };
  const View<T, 2> gathered = take(), outputs = take(), d_outputs = take();
  index_t* choices = scratch.take<index_t>(tokens * per_token);
  const index_t pictures = gradient.share.held();
  const std::span<index_t> ends(scratch.take<index_t>(pictures), static_cast<std::size_t>(pictures));
  for (index_t e = 0; e < mixture.expert_count(); ++e) {
    const Expert<T>& expert = mixture.experts[static_cast<std::size_t>(e)];
    const index_t count = detail::choices_of_expert<T>(routing, e, choices);
    for (index_t b = 0; b < pictures; ++b)  // choices are in the order of the tokens
      ends[static_cast<std::size_t>(b)] =
          std::lower_bound(choices, choices + count, tokens / pictures * (b + 1) * per_token) - choices;
    if (gradient.was_used != nullptr) (*gradient.was_used)[static_cast<std::size_t>(e)] = count > 0;
    const View<T, 2> own = detail::gather_tokens<T>(x, per_token, choices, count, gathered);
    const View<T, 2> own_d = detail::gather_tokens<T>(d_m, per_token, choices, count, d_outputs);
    expert_forward<T>(context, expert, mixture.scale, own, outputs.rows(0, count));
    context.parallel_for(count, [&](index_t i, int) {
      gradient.d_weights.data()[choices[i]] = detail::dot_product(&outputs(i, 0), &own_d(i, 0), width);
      for (index_t c = 0; c < width; ++c) own_d(i, c) *= routing.weights.data()[choices[i]];
    });
    const View<T, 2> own_d_x = outputs.rows(0, count);  // the outputs have served
    std::fill_n(own_d_x.data(), own_d_x.size(), T(0));
    expert_backward<T>(context, expert, mixture.scale, own, own_d, gradient.of_expert(e, own_d_x, ends));
    for (index_t i = 0; i < count; ++i)
      detail::add_scaled_row<T>(T(1), &own_d_x(i, 0), &gradient.d_x(choices[i] / per_token, 0), width);
  }
}

/// What the backward pass of a dense mixture starts from.
template <class T>
struct DenseMixtureBackward {
  View<const T, 2> x;        ///< (N, D), and
  View<const T, 3> outputs;  ///< (E, N, D), of the forward pass
  ExpertDropout dropout;     ///< of the forward pass
  View<const T, 2> d_m;      ///< (N, D)
  View<T, 3> d_outputs;      ///< (E, N, D) in: what reaches the outputs directly (ETF loss; else zeros), out: all of it
};

/// Backward of mixture_forward_dense: the same equations, but every expert has all tokens and gets a gradient.
template <class T>
void mixture_backward_dense(Context& context, const Mixture<T>& mixture, const Routing<T>& routing,
                            const DenseMixtureBackward<T>& back, const MixtureGradient<T>& gradient) {
  const index_t width = back.x.extent(1), per_token = routing.chosen.extent(1), experts = mixture.expert_count();
  Arena::Scope scratch(context.arena());
  const index_t room = back.dropout.is_on() ? back.x.size() : 0;
  const View<T, 2> dropped(scratch.take<T>(room), back.x.extents()), d_dropped(scratch.take<T>(room), back.x.extents());
  context.parallel_for(routing.chosen.size(), [&](index_t i, int) {
    const index_t n = i / per_token, e = routing.chosen.data()[i];
    gradient.d_weights.data()[i] = detail::dot_product(&back.outputs(e, n, 0), &back.d_m(n, 0), width);
    detail::add_scaled_row<T>(routing.weights.data()[i], &back.d_m(n, 0), &back.d_outputs(e, n, 0), width);
  });
  for (index_t e = 0; e < experts; ++e) {
    const Expert<T>& expert = mixture.experts[static_cast<std::size_t>(e)];
    if (gradient.was_used != nullptr) (*gradient.was_used)[static_cast<std::size_t>(e)] = true;
    if (!back.dropout.is_on()) {
      expert_backward<T>(context, expert, mixture.scale, back.x, back.d_outputs[e],
                         gradient.of_expert(e, gradient.d_x));
      continue;
    }
    drop_elements<T>(context, back.dropout, e, back.x, dropped);
    std::fill_n(d_dropped.data(), room, T(0));
    expert_backward<T>(context, expert, mixture.scale, dropped, back.d_outputs[e], gradient.of_expert(e, d_dropped));
    drop_elements<T>(context, back.dropout, e, d_dropped, gradient.d_x, true);
  }
}

}}  // namespace moeclip::abi_v0_1

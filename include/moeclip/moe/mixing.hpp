// SPDX-License-Identifier: MIT
#pragma once
// This is one adapted layer as training runs it: router, experts, norm matching and the two auxiliary losses, forward
// and backward. The pieces and their equations are in the neighbouring headers.
//
//   (1) route x   (2) m = mixture(x)   (3) ETF and balance losses   (4) x <- norm match of m into x

#include "balance_loss.hpp"
#include "etf_loss.hpp"
#include "mixture.hpp"
#include "norm_match.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// How a layer is run forward and backward.
struct MixingOptions {
  double mix_weight = 0.1;       ///< w of norm matching
  bool is_dense = false;         ///< all experts on all tokens, with both losses and dropout
  double lambda_etf = 0;         ///< weight of the ETF loss in the gradient
  double lambda_balance = 0;     ///< weight of the balance loss in the gradient
  ExpertDropout dropout = {};    ///< dense only
  double norm_match_floor = 0;   ///< NormMatchBackward::floor
  bool has_trainable_a = false;  ///< gradients of lora_A too
  BatchShare share = {};         ///< whose pictures the tokens are of; losses are those of the whole batch
};

/// What the backward pass needs: the input, the routing and m. The outputs of the experts, E times as much, are
/// computed again: at rank 8 that costs less than a hundredth of a block.
template <class T>
struct MixingSaved {
  Tensor<T> x, m;                            // (N, D)
  Tensor<T> logits, probabilities, weights;  // (N, E), (N, E), (N, K)
  Tensor<std::int32_t> chosen;               // (N, K)

  /// Sizes the tensors for N tokens of width D, E experts and K experts per token; memory that fits is kept.
  void fit(index_t tokens, index_t width, index_t experts, index_t per_token) {
    for (Tensor<T>* tensor : {&x, &m}) detail::fit(*tensor, {tokens, width});
    for (Tensor<T>* tensor : {&logits, &probabilities}) detail::fit(*tensor, {tokens, experts});
    detail::fit(weights, {tokens, per_token});
    detail::fit(chosen, {tokens, per_token});
  }
  /// Views of the routing that is kept here.
  [[nodiscard]] Routing<T> routing() {
    return {logits.template view<2>(), probabilities.template view<2>(), chosen.view<2>(), weights.template view<2>()};
  }
};

/// The auxiliary losses of one forward pass.
struct MixingLosses {
  double etf = 0, balance = 0;  ///< unweighted; 0 unless dense
};

/// Mixes the experts' opinion into x (N, D) in place.
template <class T>
MixingLosses mixing_forward(Context& context, const Mixture<T>& mixture, const MixingOptions& options, View<T, 2> x,
                            MixingSaved<T>& saved) {
  const index_t tokens = x.extent(0), width = x.extent(1), experts = mixture.expert_count();
  saved.fit(tokens, width, experts, mixture.chosen);
  const Routing<T> routing = saved.routing();
  const View<T, 2> m = saved.m.template view<2>();
  std::copy_n(x.data(), x.size(), saved.x.data());
  MixingLosses losses;
  router_forward<T>(context, mixture.router, x, routing);  // (1)
  if (options.is_dense) {
    Arena::Scope scratch(context.arena());
    const View<T, 3> outputs(scratch.take<T>(experts * x.size()), {experts, tokens, width});
    mixture_forward_dense<T>(context, mixture, routing, x, {outputs, m}, options.dropout);  // (2)
    losses.etf = etf_loss<T>(context, outputs, 0, {}, options.share);                       // (3)
    losses.balance = balance_loss<T>(context, routing.probabilities, 0, {}, options.share);
  } else {
    mixture_forward_sparse<T>(context, mixture, routing, x, m);
  }
  norm_match_forward<T>(context, static_cast<T>(options.mix_weight), m, x);  // (4)
  return losses;
}

/// Gradients of the parameters of a layer, added to `values`; both may be null.
template <class T>
struct MixingGradient {
  Mixture<T>* values = nullptr;           ///< of the router and the experts
  std::vector<bool>* was_used = nullptr;  ///< (E), set where an expert got any token, or all if dense
  View<T, 2> d_m = {};                    ///< (N, D) out: gradient of the mixture's m; without data: not wanted
};

/// d (N, D): in the gradient of what the forward pass left in x, out that of what it found there.
template <class T>
void mixing_backward(Context& context, const Mixture<T>& mixture, const MixingOptions& options, MixingSaved<T>& saved,
                     View<T, 2> d, const MixingGradient<T>& gradient) {
  const index_t tokens = d.extent(0), width = d.extent(1), experts = mixture.expert_count();
  MOECLIP_EXPECT(saved.x.shape() == Shape({tokens, width}) && saved.probabilities.shape() == Shape({tokens, experts}) &&
                     saved.weights.shape() == Shape({tokens, mixture.chosen}),
                 "backward of a mixture over (", tokens, ",", width, ") was given what was kept of ",
                 to_string(saved.x.shape()));
  const Routing<T> routing = saved.routing();
  const View<const T, 2> x = saved.x.template view<2>(), m = saved.m.template view<2>();
  Arena::Scope scratch(context.arena());
  const View<T, 2> d_m =
      gradient.d_m.data() != nullptr ? gradient.d_m : View<T, 2>(scratch.take<T>(d.size()), d.extents());
  const View<T, 2> d_weights(scratch.take<T>(tokens * mixture.chosen), {tokens, mixture.chosen});
  const View<T, 2> d_probabilities(scratch.take<T>(tokens * experts), {tokens, experts});
  std::fill_n(d_probabilities.data(), d_probabilities.size(), T(0));
  const View<T, 3> outputs(scratch.take<T>(options.is_dense ? experts * d.size() : 0), {experts, tokens, width});
  const View<T, 3> d_outputs(scratch.take<T>(options.is_dense ? outputs.size() : 0), outputs.extents());
  const MixtureGradient<T> back{
      d, d_weights, gradient.values, options.has_trainable_a, gradient.was_used, options.share};

  if (options.is_dense)  // once more, for the outputs; its m is thrown away
    mixture_forward_dense<T>(context, mixture, routing, x, {outputs, d_m}, options.dropout);
  norm_match_backward<T>(context, {options.mix_weight, options.norm_match_floor}, m, x, d, d_m);  // (4')
  if (options.is_dense) {
    etf_loss<T>(context, outputs, options.lambda_etf, d_outputs, options.share);  // (3')
    balance_loss<T>(context, routing.probabilities, options.lambda_balance, d_probabilities, options.share);
    mixture_backward_dense<T>(context, mixture, routing, {x, outputs, options.dropout, d_m, d_outputs}, back);  // (2')
  } else {
    mixture_backward_sparse<T>(context, mixture, routing, x, d_m, back);
  }
  Router<T>* const d_router = gradient.values == nullptr ? nullptr : &gradient.values->router;
  router_backward<T>(context, mixture.router, routing, x,
                     {d_weights, d_probabilities, d, d_router, options.share});  // (1')
}

}}  // namespace moeclip::abi_v0_1

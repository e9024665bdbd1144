// SPDX-License-Identifier: MIT
#pragma once
// The router chooses, per token, which experts look at it (ROU-1 in this folder's README; METHOD section 2):
//   p = softmax(G x),   T = the k largest p (equal values: lower index first),   q_e = p_e / sum_T p.
// The choice itself has no derivative; the weights have (ROU-1').

#include <algorithm>
#include <cstdint>

#include "../base/process_group.hpp"
#include "../kernels/gemm.hpp"
#include "../kernels/rows.hpp"
#include "../tensor/tensor.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The parameters of a router; it has no bias.
template <class T>
struct Router {
  Tensor<T> gate;  // (E, D)

  Router() = default;
  /// Shapes for E experts and tokens of width D; values to be filled in.
  Router(index_t experts, index_t width) : gate(Tensor<T>::uninitialised({experts, width})) {}

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("weight", self.gate);
  }
};

/// What the router decided for N tokens. Views on memory of the caller, contiguous.
template <class T>
struct Routing {
  View<T, 2> logits;             ///< (N, E) G x
  View<T, 2> probabilities;      ///< (N, E) softmax, before the choice
  View<std::int32_t, 2> chosen;  ///< (N, K) experts, most probable first
  View<T, 2> weights;            ///< (N, K) their probabilities, scaled to sum 1

  /// Takes memory for N tokens, E experts, K chosen.
  static Routing take(Arena::Scope& scratch, index_t tokens, index_t experts, index_t chosen_count) {
    return {View<T, 2>(scratch.take<T>(tokens * experts), {tokens, experts}),
            View<T, 2>(scratch.take<T>(tokens * experts), {tokens, experts}),
            View<std::int32_t, 2>(scratch.take<std::int32_t>(tokens * chosen_count), {tokens, chosen_count}),
            View<T, 2>(scratch.take<T>(tokens * chosen_count), {tokens, chosen_count})};
  }
};

namespace detail {

/// Indices of the largest of `probabilities`, as many as `chosen` holds, largest first; equal values by lower index.
template <class T>
void choose_largest(View<const T, 1> probabilities, View<std::int32_t, 1> chosen) {
  const index_t count = chosen.extent(0);
  index_t filled = 0;
  for (index_t e = 0; e < probabilities.extent(0); ++e) {
    index_t place = filled;  // insertion keeps the earlier of two equals in front
    while (place > 0 && probabilities(e) > probabilities(chosen(place - 1))) --place;
    if (place >= count) continue;
    filled = (std::min)(filled + 1, count);
    for (index_t i = filled - 1; i > place; --i) chosen(i) = chosen(i - 1);
    chosen(place) = static_cast<std::int32_t>(e);
  }
}

}  // namespace detail

/// Softmax, choice and weights from logits that `routing` already holds.
template <class T>
void route_logits(Context& context, const Routing<T>& routing) {
  const index_t tokens = routing.logits.extent(0), experts = routing.logits.extent(1);
  kernels::softmax_rows<T>(context, tokens, experts, routing.logits.data(), routing.probabilities.data());  // (2)
  for (index_t n = 0; n < tokens; ++n) {
    detail::choose_largest<T>(routing.probabilities[n], routing.chosen[n]);  // (3)
    T sum = 0;
    for (index_t k = 0; k < routing.chosen.extent(1); ++k) sum += routing.probabilities(n, routing.chosen(n, k));
    for (index_t k = 0; k < routing.chosen.extent(1); ++k)
      routing.weights(n, k) = routing.probabilities(n, routing.chosen(n, k)) / sum;  // (4)
  }
}

/// Routes the rows of x (N, D) into `routing`, whose shapes say E and K.
template <class T>
void router_forward(Context& context, const Router<T>& router, View<const T, 2> x, const Routing<T>& routing) {
  const index_t experts = router.gate.extent(0), width = router.gate.extent(1);
  MOECLIP_EXPECT(x.extent(1) == width && routing.logits.extent(1) == experts && routing.chosen.extent(1) <= experts,
                 "router (", experts, ",", width, ") was given tokens of width ", x.extent(1), " to send to ",
                 routing.chosen.extent(1), " experts");
  kernels::gemm<T>(context, {x.extent(0), experts, width}, {x.data(), x.stride(0), x.stride(1)},
                   kernels::transposed(kernels::row_major<T>(router.gate.data(), width)), routing.logits.data(),
                   experts);  // (1)
  route_logits<T>(context, routing);
}

/// Gradients at a router's results, and where its backward pass puts its own.
template <class T>
struct RouterGradient {
  View<const T, 2> d_weights;   ///< (N, K)
  View<T, 2> d_probabilities;   ///< (N, E) in: of p itself (a balance loss; else zeros), out: of the logits
  View<T, 2> d_x;               ///< (N, D), added to
  Router<T>* values = nullptr;  ///< added to; null: not wanted
  BatchShare share = {};        ///< whose pictures the tokens are of
};

/// Backward of router_forward at x (N, D) with its results in `routing`.
template <class T>
void router_backward(Context& context, const Router<T>& router, const Routing<T>& routing, View<const T, 2> x,
                     const RouterGradient<T>& gradient) {
  const index_t tokens = x.extent(0), experts = router.gate.extent(0), width = router.gate.extent(1);
  const View<T, 2>& d_p = gradient.d_probabilities;
  for (index_t n = 0; n < tokens; ++n) {  // (4')
    T sum = 0, mean = 0;
    for (index_t k = 0; k < routing.chosen.extent(1); ++k) {
      sum += routing.probabilities(n, routing.chosen(n, k));
      mean += routing.weights(n, k) * gradient.d_weights(n, k);
    }
    for (index_t k = 0; k < routing.chosen.extent(1); ++k)
      d_p(n, routing.chosen(n, k)) += (gradient.d_weights(n, k) - mean) / sum;
  }
  kernels::softmax_rows_backward<T>(context, tokens, experts, routing.probabilities.data(), d_p.data(),
                                    d_p.data());  // (2')
  kernels::Epilogue<T> add;
  add.accumulate = true;
  const auto d_logits = kernels::row_major<T>(d_p.data(), experts);
  if (gradient.values != nullptr) {  // (1')
    Tensor<T>& gate = gradient.values->gate;
    gradient.share.add_pictures(
        tokens, std::span<T>(gate.data(), static_cast<std::size_t>(gate.size())), [&](index_t begin, index_t end) {
          const kernels::MatrixRef<T> rows{&x(begin, 0), x.stride(0), x.stride(1)};
          kernels::gemm<T>(context, {experts, width, end - begin},
                           kernels::transposed(kernels::row_major<T>(d_p.data() + begin * experts, experts)), rows,
                           gate.data(), width, add);
        });
  }
  kernels::gemm<T>(context, {tokens, width, experts}, d_logits, kernels::row_major<T>(router.gate.data(), width),
                   gradient.d_x.data(), gradient.d_x.stride(0), add);
}

}}  // namespace moeclip::abi_v0_1

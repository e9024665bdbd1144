// SPDX-License-Identifier: MIT
#pragma once
// The ETF loss (ETF-1, ETF-1' in this folder's README; METHOD section 4) is zero when, for each token, the directions
// of the experts' outputs are as far apart as E directions can be: a simplex equiangular tight frame, u_e . u_f = -1 /
// (E - 1). With
//   u_e = o_e / max(|o_e|, 1e-6),   G = (u_e . u_f),   G* = 1 on the diagonal, -1 / (E - 1) elsewhere,
// L is the mean of (G - G*)^2 over all tokens and all E E entries, zero for E = 1.

#include <algorithm>
#include <cmath>

#include "../base/context.hpp"
#include "../base/process_group.hpp"
#include "../tensor/view.hpp"

namespace moeclip { inline namespace abi_v0_1 {

inline constexpr double kEtfEps = 1e-6;  // the least that |o_e| counts as, so that an output of zeros has no direction

namespace detail {

/// One token's outputs o_e (E rows of D), `stride` apart, and scratch for gram (E, E), divisor (E) and factor (E).
template <class T>
struct EtfToken {
  const T* outputs;
  index_t stride, experts, width;
  double *gram, *divisor, *factor;

  [[nodiscard]] const T* output(index_t e) const { return outputs + e * stride; }
  [[nodiscard]] double target(index_t e, index_t f) const {
    return e == f ? 1.0 : -1.0 / static_cast<double>(experts - 1);
  }

  /// Fills divisor and gram; returns the sum of (G - G*)^2.
  double measure() const {
    for (index_t e = 0; e < experts; ++e)
      for (index_t f = 0; f <= e; ++f) {
        double dot = 0;
        for (index_t c = 0; c < width; ++c)
          dot += static_cast<double>(output(e)[c]) * static_cast<double>(output(f)[c]);
        gram[e * experts + f] = dot;
      }
    for (index_t e = 0; e < experts; ++e) divisor[e] = (std::max)(std::sqrt(gram[e * experts + e]), kEtfEps);
    double sum = 0;
    for (index_t e = 0; e < experts; ++e)
      for (index_t f = 0; f <= e; ++f) {
        const double cosine = gram[e * experts + f] / (divisor[e] * divisor[f]), off = cosine - target(e, f);
        gram[e * experts + f] = gram[f * experts + e] = cosine;
        sum += (e == f ? 1 : 2) * off * off;
      }
    return sum;
  }

  /// d_o_e = weight * gradient of that sum, for the rows d_outputs + e * d_stride; measure() comes first. Sums in
  /// double: equal outputs cancel.
  void differentiate(double weight, T* d_outputs, index_t d_stride) const {
    for (index_t e = 0; e < experts; ++e) {
      double along = 0;  // the part along u_e, which does not turn an output longer than 1e-6
      for (index_t f = 0; f < experts; ++f) along += (gram[e * experts + f] - target(e, f)) * gram[e * experts + f];
      if (divisor[e] <= kEtfEps) along = 0;
      for (index_t f = 0; f < experts; ++f) {
        const double turn = (gram[e * experts + f] - target(e, f)) / divisor[f] - (f == e ? along / divisor[e] : 0);
        factor[f] = 4 * weight * turn / divisor[e];
      }
      for (index_t c = 0; c < width; ++c) {
        double sum = 0;
        for (index_t f = 0; f < experts; ++f) sum += factor[f] * static_cast<double>(output(f)[c]);
        d_outputs[e * d_stride + c] = static_cast<T>(sum);
      }
    }
  }
};

}  // namespace detail

/// L for the outputs o (E, N, D) of all experts on all tokens, rows contiguous. If d_outputs (E, N, D) has data,
/// `weight` times the gradient is written there. The tokens are those of the pictures that are held of a batch.
template <class T>
double etf_loss(Context& context, View<const T, 3> outputs, double weight, View<T, 3> d_outputs,
                const BatchShare& share = {}) {
  const index_t experts = outputs.extent(0), tokens = outputs.extent(1), width = outputs.extent(2);
  if (experts == 1 || tokens == 0) {
    if (d_outputs.data() != nullptr) std::fill_n(d_outputs.data(), d_outputs.size(), T(0));
    return 0;
  }
  const index_t all_tokens = tokens / share.held() * share.total;
  const double part = 1.0 / static_cast<double>(all_tokens * experts * experts);
  Arena::Scope scratch(context.arena());
  double* sums = scratch.take<double>(tokens);
  const index_t room = experts * (experts + 2);
  double* room_of_worker = scratch.take<double>(context.threads() * room);
  context.parallel_for(tokens, [&](index_t n, int worker) {
    double* own = room_of_worker + worker * room;
    double *divisor = own + experts * experts, *factor = divisor + experts;
    const detail::EtfToken<T> token{&outputs(0, n, 0), outputs.stride(0), experts, width, own, divisor, factor};
    sums[n] = token.measure();
    if (d_outputs.data() != nullptr) token.differentiate(weight * part, &d_outputs(0, n, 0), d_outputs.stride(0));
  });
  double sum = 0;
  const std::span<double> running(&sum, 1);
  share.in_order(running, [&] {
    for (index_t n = 0; n < tokens; ++n) sum += sums[n];
  });
  share.from_last(running);
  return sum * part;
}

/// What the loss compares, averaged (COS-1 in explain/README.md): mean over the tokens of G for the outputs o (E, N,
/// D). `cosines` (E, E) is overwritten; returns L, which for E = 1 is 0.
template <class T>
double mean_gram(Context& context, View<const T, 3> outputs, View<double, 2> cosines) {
  const index_t experts = outputs.extent(0), tokens = outputs.extent(1), width = outputs.extent(2);
  const index_t entries = experts * experts;
  Arena::Scope scratch(context.arena());
  double *grams = scratch.take<double>(tokens * entries), *sums = scratch.take<double>(tokens);
  double* room = scratch.take<double>(context.threads() * 2 * experts);
  context.parallel_for(tokens, [&](index_t n, int worker) {
    double* own = room + worker * 2 * experts;
    const detail::EtfToken<T> token{&outputs(0, n, 0), outputs.stride(0), experts, width, grams + n * entries, own,
                                    own + experts};
    sums[n] = token.measure();
  });
  double loss = 0;
  std::fill_n(cosines.data(), entries, 0.0);
  for (index_t n = 0; n < tokens; ++n) {
    loss += sums[n];
    for (index_t i = 0; i < entries; ++i) cosines.data()[i] += grams[n * entries + i];
  }
  const double count = static_cast<double>(std::max<index_t>(1, tokens));
  for (index_t i = 0; i < entries; ++i) cosines.data()[i] /= count;
  return experts == 1 ? 0 : loss / (count * static_cast<double>(entries));
}

}}  // namespace moeclip::abi_v0_1

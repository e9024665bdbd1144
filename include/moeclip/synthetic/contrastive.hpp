// SPDX-License-Identifier: MIT
#pragma once
// CLIP's symmetric contrastive loss (Radford et al. 2021, figure 3; CON-1, CON-1' in this folder's README): every
// picture of a batch must find its caption among all captions, and every caption its picture. Where captions repeat, or
// one is true of several pictures, a matrix of matches says so; without it this is CLIP's own loss.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "../kernels/gemm.hpp"
#include "../kernels/rows.hpp"
#include "../tensor/view.hpp"

namespace moeclip { inline namespace abi_v0_1 {

inline constexpr double kMaxLogitScale = 4.605170185988092;  // ln 100: CLIP never scales cosines by more than 100

/// A batch of N pictures and their captions, after the towers; row i of both belongs together.
template <class T>
struct ContrastiveInput {
  View<const T, 2> images, texts;         ///< (N, C) each, contiguous, not normalised
  T logit_scale = T(0);                   ///< t; cosines are multiplied by s = e^min(t, ln 100)
  View<const std::uint8_t, 2> matches{};  ///< (N, N), 1: text j is true of image i; null: only of its own
};

/// Where the gradients of a batch go.
template <class T>
struct ContrastiveGradient {
  View<T, 2> images, texts;  ///< (N, C) each, contiguous; overwritten
  T logit_scale = T(0);      ///< overwritten; 0 above ln 100
};

/// The two halves of the loss (CON-1).
struct ContrastiveLoss {
  double image_to_text = 0, text_to_image = 0;  ///< cross entropies, means over the batch

  [[nodiscard]] double total() const { return 0.5 * (image_to_text + text_to_image); }  ///< what is minimised
};

namespace detail {

/// Rows and columns exchanged; no element moves.
template <class U>
View<U, 2> transposed(View<U, 2> x) {
  return View<U, 2>(x.data(), {x.extent(1), x.extent(0)}, {x.stride(1), x.stride(0)});
}

/// Cross entropy between the softmax of row i of `logits` (N, N) and the uniform distribution over its matches. Adds
/// (softmax - target) / 2N to row i of g, if there is one.
template <class T>
double row_cross_entropy(index_t i, View<const T, 2> logits, View<const std::uint8_t, 2> matches, View<T, 2> g) {
  const index_t size = logits.extent(0);
  const auto is_match = [&](index_t j) { return matches.data() == nullptr ? i == j : matches(i, j) != 0; };
  T largest = logits(i, 0);
  for (index_t j = 1; j < size; ++j) largest = logits(i, j) > largest ? logits(i, j) : largest;
  double sum = 0, matching = 0, count = 0;
  for (index_t j = 0; j < size; ++j) {
    sum += static_cast<double>(std::exp(logits(i, j) - largest));
    if (!is_match(j)) continue;
    matching += static_cast<double>(logits(i, j));
    count += 1;
  }
  MOECLIP_EXPECT(count > 0, "sample ", i, " of a contrastive batch matches nothing, not even itself");
  if (g.data() != nullptr)
    for (index_t j = 0; j < size; ++j) {
      const double p = static_cast<double>(std::exp(logits(i, j) - largest)) / sum;
      g(i, j) += static_cast<T>((p - (is_match(j) ? 1 / count : 0)) / static_cast<double>(2 * size));
    }
  return static_cast<double>(largest) + std::log(sum) - matching / count;
}

/// Mean of the rows' cross entropies, added up in their order whatever the number of threads.
template <class T>
double mean_cross_entropy(Context& context, View<const T, 2> logits, View<const std::uint8_t, 2> matches,
                          View<T, 2> g) {
  const index_t size = logits.extent(0);
  Arena::Scope scratch(context.arena());
  double* const rows = scratch.take<double>(size);
  context.parallel_for(size, [&](index_t i, int) { rows[i] = row_cross_entropy<T>(i, logits, matches, g); });
  double sum = 0;
  for (index_t i = 0; i < size; ++i) sum += rows[i];
  return sum / static_cast<double>(size);
}

/// The unit vectors of x (N, C) in `scratch`.
template <class T>
View<T, 2> unit_rows(Context& context, Arena::Scope& scratch, View<const T, 2> x) {
  const View<T, 2> unit(scratch.take<T>(x.size()), x.extents());
  std::copy_n(x.data(), x.size(), unit.data());
  kernels::normalize_rows<T>(context, x.extent(0), x.extent(1), unit.data(), x.extent(1), T(1e-12));
  return unit;
}

/// d_x = s g u through the normalisation of x, for g (N, N), the other side's unit vectors u, and x (N, C).
template <class T>
void similarity_backward(Context& context, View<const T, 2> g, View<const T, 2> u, View<const T, 2> x, View<T, 2> d_x) {
  const index_t size = x.extent(0), width = x.extent(1);
  kernels::gemm<T>(context, {size, width, size}, {g.data(), g.stride(0), g.stride(1)},
                   kernels::row_major<T>(u.data(), width), d_x.data(), width);
  kernels::normalize_rows_backward<T>(context, size, width, x.data(), T(1e-12), d_x.data(), d_x.data());
}

}  // namespace detail

/// The loss, and its gradients unless `gradient` is null. Vectors shorter than 1e-12 count as that long. The same bits
/// for any number of threads. Scratch: 2 N (N + C) elements.
template <class T>
ContrastiveLoss contrastive_loss(Context& context, const ContrastiveInput<T>& input, ContrastiveGradient<T>* gradient) {
  const index_t size = input.images.extent(0), width = input.images.extent(1);
  MOECLIP_EXPECT(size > 0 && input.texts.extents() == input.images.extents() && input.images.is_contiguous() &&
                     input.texts.is_contiguous(),
                 "a contrastive batch of ", size, " images and ", input.texts.extent(0), " texts");
  Arena::Scope scratch(context.arena());
  const View<T, 2> u = detail::unit_rows<T>(context, scratch, input.images);  // (1)
  const View<T, 2> v = detail::unit_rows<T>(context, scratch, input.texts);
  const bool is_clamped = input.logit_scale > static_cast<T>(kMaxLogitScale);
  const T scale = std::exp(is_clamped ? static_cast<T>(kMaxLogitScale) : input.logit_scale);

  const View<T, 2> logits(scratch.take<T>(size * size), {size, size});  // (2)
  kernels::gemm<T>(context, {size, size, width}, kernels::row_major<T>(u.data(), width),
                   kernels::transposed(kernels::row_major<T>(v.data(), width)), logits.data(), size);
  for (index_t i = 0; i < logits.size(); ++i) logits.data()[i] *= scale;

  View<T, 2> g;  // gradient of the logits, made on the way
  if (gradient != nullptr) {
    g = View<T, 2>(scratch.take<T>(size * size), {size, size});
    std::fill_n(g.data(), g.size(), T(0));
  }
  ContrastiveLoss loss;  // (3)
  loss.image_to_text = detail::mean_cross_entropy<T>(context, logits, input.matches, g);
  loss.text_to_image = detail::mean_cross_entropy<T>(context, detail::transposed(View<const T, 2>(logits)),
                                                     detail::transposed(input.matches), detail::transposed(g));
  if (gradient == nullptr) return loss;

  double d_scale = 0;  // (2'), with ds/dt = s
  for (index_t i = 0; i < g.size(); ++i) {
    d_scale += static_cast<double>(g.data()[i]) * static_cast<double>(logits.data()[i]);
    g.data()[i] *= scale;
  }
  gradient->logit_scale = is_clamped ? T(0) : static_cast<T>(d_scale);
  detail::similarity_backward<T>(context, g, v, input.images, gradient->images);  // (1')
  detail::similarity_backward<T>(context, detail::transposed(View<const T, 2>(g)), u, input.texts, gradient->texts);
  return loss;
}

}}  // namespace moeclip::abi_v0_1

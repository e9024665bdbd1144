// SPDX-License-Identifier: MIT
#pragma once
// The text anchors are the two directions of the joint space, "normal" and "abnormal", that patches are compared with
// (TXT-1 in this folder's README; METHOD section 3).

#include <string>

#include "../clip/text.hpp"
#include "adapter.hpp"
#include "observer.hpp"
#include "text_anchors.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// From sentences u (N, Dt), encoded by the text tower, the first `normal_count` of the normal state, to
/// z = act(W_t u) (N, C) and the anchors (2, C), one row per state.
template <class T>
void anchors_of_sentences(Context& context, const Adapter<T>& adapter, View<const T, 2> u, index_t normal_count,
                          View<T, 2> z, View<T, 2> anchors);

/// What anchors_backward is given: u and z of anchors_of_sentences, and the gradient of the anchors.
template <class T>
struct AnchorsBackward {
  View<const T, 2> u;          ///< (N, Dt)
  index_t normal_count;        ///< so many rows of u, the first ones, are of the normal state
  View<const T, 2> z;          ///< (N, C)
  View<const T, 2> d_anchors;  ///< (2, C)
  View<T, 2> d_u = {};         ///< (N, Dt), overwritten; without data: not wanted
};

/// Backward pass of anchors_of_sentences (TXT-1'): adds to the gradient of W_t (C, Dt), and gives that of u.
template <class T>
void anchors_backward(Context& context, const Adapter<T>& adapter, const AnchorsBackward<T>& back, Linear<T>& gradient);

/// Sentences of one class as token rows: the first `normal_count` describe the normal state, the others the abnormal.
struct ClassTokens {
  std::string name;                    ///< of the class
  View<const std::int32_t, 2> tokens;  ///< (N, S)
  index_t normal_count = 0;            ///< above 0 and below N
};

/// z = act(W_t u) per sentence, then the mean direction of each state. `probe` sees the blocks of the first sentence,
/// "eot" (u) and "adapted" (z).
template <class T>
TextAnchors<T> anchors_forward(Context& context, const TextTower<T>& tower, const Adapter<T>& adapter,
                               const ClassTokens& sentences, const Probe<T>* probe = nullptr);

namespace detail {
/// Euclidean length of n numbers, summed in double.
template <class T>
T length(const T* x, index_t n) {
  double square = 0;
  for (index_t i = 0; i < n; ++i) square += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return static_cast<T>(std::sqrt(square));
}

/// out = normalise(mean of the normalised rows of z (N, C)).
template <class T>
void mean_direction(View<const T, 2> z, T* out);
}  // namespace detail

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_ANOMALY)

#include <algorithm>
#include <cmath>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

template <class T>
void mean_direction(View<const T, 2> z, T* out) {
  const index_t embed = z.extent(1);
  std::fill_n(out, embed, T(0));
  for (index_t n = 0; n < z.extent(0); ++n) {
    const T norm = length(&z(n, 0), embed);
    for (index_t c = 0; c < embed; ++c) out[c] += z(n, c) / norm;
  }
  for (index_t c = 0; c < embed; ++c) out[c] /= static_cast<T>(z.extent(0));
  const T norm = length(out, embed);
  for (index_t c = 0; c < embed; ++c) out[c] /= norm;
}

/// d_z (N, C) from d (C), the gradient of the mean direction of the rows of z (TXT-1').
template <class T>
void mean_direction_backward(Context& context, View<const T, 2> z, const T* d, View<T, 2> d_z) {
  const index_t count = z.extent(0), embed = z.extent(1);
  Arena::Scope scratch(context.arena());
  double *mean = scratch.take<double>(embed), *d_mean = scratch.take<double>(embed);
  std::fill_n(mean, embed, 0.0);
  for (index_t n = 0; n < count; ++n) {
    const double share = 1 / (static_cast<double>(length(&z(n, 0), embed)) * static_cast<double>(count));
    for (index_t c = 0; c < embed; ++c) mean[c] += share * static_cast<double>(z(n, c));
  }
  const double mean_length = length(mean, embed);
  double along = 0;  // of d on the mean direction
  for (index_t c = 0; c < embed; ++c) along += static_cast<double>(d[c]) * mean[c] / (mean_length * mean_length);
  for (index_t c = 0; c < embed; ++c) d_mean[c] = (static_cast<double>(d[c]) - along * mean[c]) / mean_length;
  for (index_t n = 0; n < count; ++n) {
    const double norm = static_cast<double>(length(&z(n, 0), embed)), share = 1 / (norm * static_cast<double>(count));
    double part = 0;  // of d_mean on the row's direction, over the row's length
    for (index_t c = 0; c < embed; ++c) part += d_mean[c] * static_cast<double>(z(n, c)) / (norm * norm);
    for (index_t c = 0; c < embed; ++c)
      d_z(n, c) = static_cast<T>(share * (d_mean[c] - part * static_cast<double>(z(n, c))));
  }
}

}  // namespace detail

template <class T>
void anchors_of_sentences(Context& context, const Adapter<T>& adapter, View<const T, 2> u, index_t normal_count,
                          View<T, 2> z, View<T, 2> anchors) {
  linear_forward<T>(context, adapter.text, u, z, {.activation = adapter.text_activation});  // (1)
  detail::mean_direction<T>(z.rows(0, normal_count), &anchors(0, 0));                       // (2)
  detail::mean_direction<T>(z.rows(normal_count, z.extent(0)), &anchors(1, 0));
}

template <class T>
void anchors_backward(Context& context, const Adapter<T>& adapter, const AnchorsBackward<T>& back,
                      Linear<T>& gradient) {
  Arena::Scope scratch(context.arena());
  const index_t count = back.z.extent(0);
  const View<T, 2> d_z(scratch.take<T>(back.z.size()), back.z.extents());
  for (const index_t state : {0, 1}) {  // (2')
    const index_t begin = state == 0 ? 0 : back.normal_count, end = state == 0 ? back.normal_count : count;
    detail::mean_direction_backward<T>(context, back.z.rows(begin, end), &back.d_anchors(state, 0),
                                       d_z.rows(begin, end));
  }
  if (adapter.text_activation == kernels::Activation::leaky_relu)  // its slope depends on the sign, which z still has
    kernels::activate_backward<T>(context, adapter.text_activation, d_z.size(), back.z.data(), d_z.data(), d_z.data());
  linear_backward<T>(context, adapter.text, back.u, d_z, back.d_u, &gradient);  // (1')
}

template <class T>
TextAnchors<T> anchors_forward(Context& context, const TextTower<T>& tower, const Adapter<T>& adapter,
                               const ClassTokens& sentences, const Probe<T>* probe) {
  const index_t count = sentences.tokens.extent(0), embed = adapter.text.outputs(), width = tower.config.width;
  MOECLIP_EXPECT(sentences.normal_count > 0 && sentences.normal_count < count, "anchors of \"", sentences.name,
                 "\" need sentences for both states; ", sentences.normal_count, " of ", count, " are normal");
  Arena::Scope scratch(context.arena());
  const View<T, 2> u(scratch.take<T>(count * width), {count, width});
  const View<T, 2> z(scratch.take<T>(count * embed), {count, embed});
  TextAnchors<T> anchors{sentences.name, Tensor<T>({2, embed}), static_cast<T>(adapter.config.similarity_scale)};
  text_forward<T>(context, tower, sentences.tokens, u, probe);
  anchors_of_sentences<T>(context, adapter, u, sentences.normal_count, z, anchors.vectors.template view<2>());
  AnchorObserver<T>{probe}.sentences(u, z);
  return anchors;
}

MOECLIP_INSTANTIATE(anchors_of_sentences)
MOECLIP_INSTANTIATE(anchors_backward)
MOECLIP_INSTANTIATE(anchors_forward)
namespace detail {
MOECLIP_INSTANTIATE(mean_direction)
}

}}  // namespace moeclip::abi_v0_1

#endif

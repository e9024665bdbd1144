// SPDX-License-Identifier: MIT
#pragma once
// Text anchors: the two directions of the joint space, "normal" and "abnormal", that patches are compared with
// (TXT-1 in this folder's README; METHOD section 3).

#include <algorithm>
#include <cmath>
#include <string>

#include "../clip/text.hpp"
#include "adapter.hpp"

namespace moeclip::inline MOECLIP_ABI_NS {

template <class T>
struct TextAnchors {
  std::string name;   ///< of the class
  Tensor<T> vectors;  ///< (2, C) unit length: row 0 normal, row 1 abnormal

  [[nodiscard]] const T* normal() const { return vectors.data(); }
  [[nodiscard]] const T* abnormal() const { return vectors.data() + vectors.extent(1); }
};

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

}  // namespace detail

/// Sentences of one class as token rows: the first `normal_count` describe the normal state, the others the abnormal.
struct ClassTokens {
  std::string name;
  View<const std::int32_t, 2> tokens;  ///< (N, S)
  index_t normal_count = 0;
};

/// z = act(W_t u) per sentence, then the mean direction of each state. `probe` sees the blocks of the first sentence,
/// "eot" (u) and "adapted" (z).
template <class T>
TextAnchors<T> anchors_forward(Context& context, const TextTower<T>& tower, const Adapter<T>& adapter,
                               const ClassTokens& sentences, const Probe<T>* probe = nullptr) {
  const index_t count = sentences.tokens.extent(0), embed = adapter.text.outputs(), width = tower.config.width;
  MOECLIP_EXPECT(sentences.normal_count > 0 && sentences.normal_count < count, "anchors of \"", sentences.name,
                 "\" need sentences for both states; ", sentences.normal_count, " of ", count, " are normal");
  Arena::Scope scratch(context.arena());
  const View<T, 2> u(scratch.take<T>(count * width), {count, width});
  const View<T, 2> z(scratch.take<T>(count * embed), {count, embed});
  text_forward<T>(context, tower, sentences.tokens, u, probe);                              // (1)
  linear_forward<T>(context, adapter.text, u, z, {.activation = adapter.text_activation});  // (2)
  if (probe != nullptr) {
    probe->on_values("eot", {count, width}, u.data());
    probe->on_values("adapted", {count, embed}, z.data());
  }
  TextAnchors<T> anchors{sentences.name, Tensor<T>({2, embed})};
  detail::mean_direction<T>(z.rows(0, sentences.normal_count), anchors.vectors.data());              // (3)
  detail::mean_direction<T>(z.rows(sentences.normal_count, count), anchors.vectors.data() + embed);  // (4)
  return anchors;
}

}  // namespace moeclip::inline MOECLIP_ABI_NS

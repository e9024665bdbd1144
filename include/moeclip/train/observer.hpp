// SPDX-License-Identifier: MIT
#pragma once
// What a probe sees of a training step, and under which names: there is one method per stage of adapter_step.hpp.
// Without a probe each of them does nothing.

#include "../tensor/probe.hpp"
#include "../tensor/tensor.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Hands the intermediates of a step over B pictures to a probe.
template <class T>
struct StepObserver {
  const Probe<T>* probe = nullptr;  ///< who is told; null: nobody
  index_t batch = 1;                ///< B

  /// Logits (B, 2) of the cross entropy.
  void logits(View<const T, 2> values) const {
    if (probe != nullptr) probe->on_values("train/cls_pred", {batch, 2}, values.data());
  }
  /// Similarities (B, 2, g, g) of a map.
  void similarities(index_t map, const Tensor<T>& values) const {
    if (probe != nullptr) probe->on_values("train/sim/" + two_digits(map), values.shape(), values.data());
  }
  /// Gradient (B * L, C) of the unit features of a map.
  void d_features(index_t map, View<const T, 2> values) const {
    if (probe != nullptr) show_rows<T>(*probe, "grad_seg_tokens/" + two_digits(map), batch, values);
  }
  /// Gradient (B, C) of the detection embeddings.
  void d_embedding(View<const T, 2> values) const {
    if (probe != nullptr) probe->on_values("grad_det_token", {batch, values.extent(1)}, values.data());
  }
  /// Gradient (B * T, D) of the tokens that mixture j found.
  void d_mixture_input(std::size_t j, View<const T, 2> values) const {
    if (probe != nullptr) show_rows<T>(*probe, concat("grad_x/moe_", j), batch, values);
  }
  /// Gradient (B, 2, C) of every picture's anchors, shown as the golden data has it: (B, C, 2).
  void d_anchors(View<const T, 3> values) const {
    if (probe == nullptr) return;
    const index_t embed = values.extent(2);
    Tensor<T> columns({batch, embed, 2});
    for (index_t b = 0; b < batch; ++b)
      for (index_t c = 0; c < embed; ++c)
        for (index_t side = 0; side < 2; ++side) columns[(b * embed + c) * 2 + side] = values(b, side, c);
    probe->on_values("grad_text_features", columns.shape(), columns.data());
  }
};

}}  // namespace moeclip::abi_v0_1

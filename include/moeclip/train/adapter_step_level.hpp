// SPDX-License-Identifier: MIT
#pragma once
// The part of a training step that hangs on one level of the tower (adapter_step.hpp): from the tokens after its block
// to the losses of its maps and back to the gradient of the tokens, in one go.

#include <algorithm>
#include <utility>

#include "../anomaly/map_turn.hpp"
#include "../anomaly/score_map.hpp"
#include "adapter_step_run.hpp"
#include "losses.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// Cross entropy of d . T, from the detection head's input tokens (B * L, D); d_tokens is added to.
template <class T>
void classify(const StepRun<T>& run, View<const T, 2> tokens, View<T, 2> d_tokens) {
  const index_t batch = run.batch(), patches = run.patches(), embed = run.embed();
  const DetectionHead<T>& head = *run.model.adapter.detection;
  const T scale = static_cast<T>(run.input.options.class_logit_scale);
  Arena::Scope scratch(run.context.arena());
  const auto steps = DetectionSteps<T>::take(scratch, batch * patches, run.width(), embed);
  const View<T, 2> d(scratch.take<T>(batch * embed), {batch, embed}),
      d_d(scratch.take<T>(batch * embed), {batch, embed});
  const View<T, 2> logits(scratch.take<T>(batch * 2), {batch, 2}), d_logits(scratch.take<T>(batch * 2), {batch, 2});
  for (index_t b = 0; b < batch; ++b) {
    const index_t first = b * patches, end = first + patches;
    detection_forward<T>(run.context, head, tokens.rows(first, end), steps.rows(first, end), &d(b, 0));
    for (index_t side = 0; side < 2; ++side)
      logits(b, side) = scale * dot_product(&d(b, 0), run.anchors_of(b).vectors.data() + side * embed, embed);
  }
  run.work.report.cross_entropy = cross_entropy<T>(logits, run.input.batch.labels, d_logits);
  show<T>(
      run.input.probe, [] { return "train/cls_pred"; }, {batch, 2}, logits.data());
  if (run.gradient == nullptr) return;
  for (index_t b = 0; b < batch; ++b) {
    std::fill_n(&d_d(b, 0), embed, T(0));
    for (index_t side = 0; side < 2; ++side) {
      add_scaled_row<T>(scale * d_logits(b, side), run.anchors_of(b).vectors.data() + side * embed, &d_d(b, 0), embed);
      add_scaled_row<T>(scale * d_logits(b, side), &d(b, 0), &run.d_anchors_of(b)(side, 0), embed);
    }
    const index_t first = b * patches, end = first + patches;
    detection_backward<T>(run.context, head,
                          {tokens.rows(first, end), steps.rows(first, end), &d_d(b, 0), d_tokens.rows(first, end)},
                          &*run.gradient->values.detection);
  }
  show<T>(
      run.input.probe, [] { return "grad_det_token"; }, {batch, embed}, d_d.data());
}

/// Similarities, focal and dice losses of map m from its unit features (B * L, C), and the gradient of the features.
template <class T>
void compare_map(const StepRun<T>& run, index_t map, View<const T, 2> features, View<T, 2> d_features) {
  AdapterWorkspace<T>& work = run.work;
  const index_t batch = run.batch(), patches = run.patches(), g = run.grid();
  const Shape pair{batch, 2, g, g}, single{batch, g, g};
  T *s = fit(work.similarities, pair).data(), *d_s = fit(work.d_similarities, pair).data();
  T *difference = fit(work.difference, single).data(), *d_difference = fit(work.d_difference, single).data();
  for (index_t b = 0; b < batch; ++b) {
    const View<T, 2> pairs(s + b * 2 * patches, {2, patches});
    similarities_forward<T>(run.context, features.rows(b * patches, (b + 1) * patches), run.anchors_of(b), pairs);
    for (index_t i = 0; i < patches; ++i) difference[b * patches + i] = pairs(1, i) - pairs(0, i);
  }
  show<T>(
      run.input.probe, [=] { return "train/sim/" + two_digits(map); }, pair, s);
  const MapLosses losses = map_losses<T>(
      run.context, {std::as_const(work.difference).template view<3>(), run.input.batch.masks.template view<3>(),
                    run.input.batch.has_mask, work.d_difference.template view<3>()});
  const auto place = static_cast<std::size_t>(map);
  work.report.focal[place] = losses.focal;
  work.report.dice_normal[place] = losses.dice_normal;
  work.report.dice_abnormal[place] = losses.dice_abnormal;
  if (run.gradient == nullptr) return;
  const T weight = static_cast<T>(run.map_weight());
  for (index_t b = 0; b < batch; ++b) {
    const View<T, 2> d_pairs(d_s + b * 2 * patches, {2, patches});
    for (index_t i = 0; i < patches; ++i) {
      d_pairs(1, i) = weight * d_difference[b * patches + i];
      d_pairs(0, i) = -d_pairs(1, i);
    }
    similarities_backward<T>(run.context, features.rows(b * patches, (b + 1) * patches), run.anchors_of(b), d_pairs,
                             d_features.rows(b * patches, (b + 1) * patches), run.d_anchors_of(b));
  }
  show<T>(
      run.input.probe, [=] { return "grad_seg_tokens/" + two_digits(map); }, {batch, patches, run.embed()},
      d_features.data());
}

/// Map `window_index` of level l from the tokens x (B, T, D), forward, loss and backward; d_x (B, T, D) is added to,
/// unless it has no data.
template <class T>
void run_map(const StepRun<T>& run, index_t level, index_t window_index, View<const T, 3> x, View<T, 3> d_x) {
  const Adapter<T>& adapter = run.model.adapter;
  const index_t map = level * std::ssize(adapter.config.windows) + window_index;
  if (map != adapter.config.detection_map() && !run.has_any_mask()) return;
  const auto on_features = [&](View<const T, 2> features, View<T, 2> d_features) {
    compare_map<T>(run, map, features, d_features);
  };
  const auto on_detection = [&](View<const T, 2> tokens, View<T, 2> d_tokens) { classify<T>(run, tokens, d_tokens); };
  Adapter<T>* const gradient = run.gradient != nullptr ? &run.gradient->values : nullptr;
  turn_at_map<T>(
      run.context,
      {run.model.tower, adapter, map, on_features, on_detection, gradient, run.has_any_mask(), gradient != nullptr}, x,
      d_x);
}

}  // namespace detail

}}  // namespace moeclip::abi_v0_1

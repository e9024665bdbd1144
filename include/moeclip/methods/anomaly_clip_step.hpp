// SPDX-License-Identifier: MIT
#pragma once
// One training step of AnomalyCLIP: the losses of a batch, and the gradient of the learned rows (AMP-4 in this folder's
// README). The forward pass is
//
//   (1)  t = the two anchors                             object_prompts.hpp
//   (2)  f, g = features of each picture, frozen         anomaly_clip.hpp
//   (3)  cross entropy of g . t / temperature            train/losses.hpp
//   (4)  p = softmax(f . t / temperature)_a of each level
//   (5)  focal and dice losses of the upsampled p        train/losses.hpp
//
// and the backward pass (5'), (4'), (3'), (1'). Only the anchors carry a gradient, so nothing of the image side is kept
// but its features, which exist for one picture at a time in float: those of the batch on the grid.

#include <cstdint>
#include <vector>

#include "../train/adapter_step_types.hpp"
#include "../train/losses.hpp"
#include "anomaly_clip.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What a step needs beside its batch.
template <class T>
struct AnomalyClipModel {
  const VisionTower<T>& vision;     ///< frozen, packed or not
  const Tensor<T>& positions;       ///< (1 + g g, D), anomaly_clip_positions of the batch's size
  PromptedTower<T> text;            ///< frozen
  const ObjectPrompts<T>& prompts;  ///< what is trained
  const AnomalyClipConfig& config;  ///< the switches
};

/// The terms of the loss, before their weights.
struct AnomalyClipLosses {
  double total = 0;             ///< the weighted sum, whose gradient was taken
  double cross_entropy = 0;     ///< mean over the pictures
  std::vector<MapLosses> maps;  ///< of each level; 0 if no picture has a mask
};

/// What a step keeps from one to the next, so that memory is taken once.
template <class T>
struct AnomalyClipWorkspace {
  ObjectPromptsSaved<T> prompts;                 // of (1)
  std::vector<AnomalyClipFeatures<T>> features;  // (B)
  Tensor<T> probabilities, d_probabilities;      // (B, g, g) of one level
};

/// Losses of a batch, and their gradient added to `gradient`; null: losses only. The same bits for any number of
/// threads. Throws contract if the batch does not fit together.
template <class T>
AnomalyClipLosses anomaly_clip_forward_backward(Context& context, const AnomalyClipModel<T>& model,
                                                const TrainingBatch<T>& batch, AnomalyClipWorkspace<T>& work,
                                                ObjectPrompts<T>* gradient);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline constexpr double kMapWeight = 4;  // of focal and dice losses beside the cross entropy, as published

/// What every part of a step needs.
template <class T>
struct AnomalyClipRun {
  Context& context;
  const AnomalyClipModel<T>& model;
  const TrainingBatch<T>& batch;
  AnomalyClipWorkspace<T>& work;
  View<T, 2> anchors, d_anchors;  // (2, C); the gradient is added to

  [[nodiscard]] index_t pictures() const { return std::ssize(batch.labels); }
  [[nodiscard]] index_t patches() const { return model.positions.extent(0) - 1; }
  [[nodiscard]] bool has_any_mask() const {
    return batch.has_mask.empty() || lists::find(batch.has_mask, true) != batch.has_mask.end();
  }
  [[nodiscard]] const AnomalyClipFeatures<T>& features(index_t b) const {
    return work.features[static_cast<std::size_t>(b)];
  }
  [[nodiscard]] T scale() const { return T(1) / static_cast<T>(model.config.temperature); }
};

template <class T>
void check_batch(const AnomalyClipRun<T>& run) {
  const TrainingBatch<T>& batch = run.batch;
  const index_t pictures = run.pictures();
  MOECLIP_EXPECT(pictures > 0 && batch.images.rank() == 4 && batch.images.extent(0) == pictures &&
                     (batch.has_mask.empty() || std::ssize(batch.has_mask) == pictures),
                 "a batch of images ", to_string(batch.images.shape()), " has ", pictures, " labels and ",
                 batch.has_mask.size(), " mask flags");
  MOECLIP_EXPECT(!run.has_any_mask() || (batch.masks.rank() == 3 && batch.masks.extent(0) == pictures), "a batch of ",
                 pictures, " pictures has masks ", to_string(batch.masks.shape()));
}

/// (3), (3').
template <class T>
double classify_images(const AnomalyClipRun<T>& run) {
  const index_t pictures = run.pictures(), embed = run.anchors.extent(1);
  Arena::Scope scratch(run.context.arena());
  const View<T, 2> logits(scratch.take<T>(2 * pictures), {pictures, 2});
  const View<T, 2> d_logits(scratch.take<T>(2 * pictures), {pictures, 2});
  for (index_t b = 0; b < pictures; ++b)
    for (index_t side = 0; side < 2; ++side)
      logits(b, side) = run.scale() * dot_product(run.features(b).image.data(), &run.anchors(side, 0), embed);
  const double loss = cross_entropy<T>(logits, run.batch.labels, d_logits);
  for (index_t b = 0; b < pictures; ++b)
    for (index_t side = 0; side < 2; ++side)
      add_scaled_row<T>(run.scale() * d_logits(b, side), run.features(b).image.data(), &run.d_anchors(side, 0), embed);
  return loss;
}

/// (4), (5), (5'), (4') of one level. What reaches the abnormal anchor leaves the normal one: p knows their difference.
template <class T>
MapLosses compare_level(const AnomalyClipRun<T>& run, index_t level) {
  const index_t pictures = run.pictures(), patches = run.patches(), embed = run.anchors.extent(1),
                g = grid_side(patches);
  const auto features = [&](index_t b) { return run.features(b).patches.template view<3>()[level]; };
  const View<T, 3> p = fit(run.work.probabilities, {pictures, g, g}).template view<3>(),
                   d_p = fit(run.work.d_probabilities, {pictures, g, g}).template view<3>();
  for (index_t b = 0; b < pictures; ++b)
    anomaly_probabilities<T>(run.context, features(b), run.anchors, run.model.config.temperature, p[b].data());  // (4)
  MapTask<T> task{p, run.batch.masks.template view<3>(), run.batch.has_mask, d_p};
  task.values = MapValues::probability;
  const MapLosses losses = map_losses<T>(run.context, task);  // (5), (5')
  Arena::Scope scratch(run.context.arena());
  T* const d_abnormal = scratch.take<T>(embed);
  std::fill_n(d_abnormal, embed, T(0));
  for (index_t b = 0; b < pictures; ++b) {  // (4')
    T* const d = d_p[b].data();
    for (index_t i = 0; i < patches; ++i) {
      const T probability = p[b].data()[i];
      d[i] *= static_cast<T>(kMapWeight) * run.scale() * probability * (T(1) - probability);
    }
    kernels::gemm<T>(run.context, {1, embed, patches}, kernels::row_major<T>(d, patches),
                     kernels::row_major<T>(features(b).data(), embed), d_abnormal, embed, {.accumulate = true});
  }
  add_scaled_row<T>(T(1), d_abnormal, &run.d_anchors(1, 0), embed);
  add_scaled_row<T>(T(-1), d_abnormal, &run.d_anchors(0, 0), embed);
  return losses;
}

}  // namespace detail

template <class T>
AnomalyClipLosses anomaly_clip_forward_backward(Context& context, const AnomalyClipModel<T>& model,
                                                const TrainingBatch<T>& batch, AnomalyClipWorkspace<T>& work,
                                                ObjectPrompts<T>* gradient) {
  const FloatScope floats;
  const index_t embed = model.text.tower.projection.extent(1);
  Arena::Scope scratch(context.arena());
  const auto take = [&] { return View<T, 2>(scratch.take<T>(2 * embed), {2, embed}); };
  const detail::AnomalyClipRun<T> run{context, model, batch, work, take(), take()};
  detail::check_batch(run);
  std::fill_n(run.d_anchors.data(), run.d_anchors.size(), T(0));
  object_prompts_forward<T>(context, model.text, model.prompts, run.anchors, &work.prompts);  // (1)
  work.features.resize((std::max)(work.features.size(), batch.labels.size()));
  for (index_t b = 0; b < run.pictures(); ++b) {  // (2)
    const View<const T, 3> image = batch.images.template view<4>()[b];
    anomaly_clip_features<T>(context, model.vision, model.config,
                             View<const T, 4>(image.data(), {1, 3, image.extent(1), image.extent(2)}), model.positions,
                             work.features[static_cast<std::size_t>(b)]);
  }
  AnomalyClipLosses losses;
  losses.total = losses.cross_entropy = detail::classify_images(run);  // (3), (3')
  for (index_t level = 0; level < std::ssize(model.config.level_blocks); ++level) {
    losses.maps.push_back(run.has_any_mask() ? detail::compare_level(run, level) : MapLosses{});  // (4), (5), ...
    const MapLosses& map = losses.maps.back();
    losses.total += detail::kMapWeight * (map.focal + map.dice_normal + map.dice_abnormal);
  }
  if (gradient != nullptr)
    object_prompts_backward<T>(context, model.text, work.prompts, run.d_anchors, *gradient);  // (1')
  return losses;
}

MOECLIP_INSTANTIATE(anomaly_clip_forward_backward)

}}  // namespace moeclip::abi_v0_1

#endif

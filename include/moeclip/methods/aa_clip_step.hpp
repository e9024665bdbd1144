// SPDX-License-Identifier: MIT
#pragma once
// The two stages of AA-CLIP's training, losses and gradients (AAC-3 to AAC-5 in aa_clip.md). In both, a map is made of
// similarities of unit features with the anchors of their picture's class, and its losses are those of MoECLIP's step
// (train/losses.hpp).
//
//   text stage    T = anchors with adapters;   f = features of two frozen towers (aa_clip_frozen.hpp)
//                 loss = focal and dice of the last level's map + weight (mean over pictures of T_n . T_a)^2
//   image stage   T = anchors, fixed;   f, d = image pass with adapters
//                 loss = cross entropy of d . T + sum over levels of focal and dice
//
// The losses of a level depend on nothing behind it, so its way back is gone at once, and what is left of it, the
// gradient of the level's tokens, waits until the backward pass of the tower comes by, as in train/adapter_step.hpp.

#include <span>
#include <vector>

#include "../anomaly/score_map.hpp"
#include "../train/losses.hpp"
#include "../train/training_batch.hpp"
#include "aa_clip.hpp"
#include "aa_clip_frozen.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The switches of the training; the defaults are those of the released code for ViT-L/14.
struct AaClipTraining {
  double disentangle_weight = 0.1;  ///< of the squared mean cosine of the two anchors
  bool sums_levels = false;         ///< text stage: losses of all levels; false: of the last one, as released
  index_t value_blocks = 19;        ///< text stage: blocks at the end with attention from values to values
  ValueScope value_scope = ValueScope::pictures;  ///< text stage: to which values
  index_t memory_budget_bytes = 0;                ///< image stage: for what the tower saves; 0: all, whatever it takes
};

/// The terms of a loss.
struct AaClipLosses {
  double total = 0;             ///< the weighted sum, whose gradient was taken
  double cross_entropy = 0;     ///< CE-1; image stage
  double disentangle = 0;       ///< before its weight; text stage
  std::vector<MapLosses> maps;  ///< one per level; in the text stage those that count
};

/// What a step keeps for the next, so that memory is taken once.
template <class T>
struct AaClipWorkspace {
  AaClipTextSaved<T> text;          ///< of one class
  AaClipImageSaved<T> image;        ///< of the tower
  std::vector<Tensor<T>> d_levels;  // (B, T, D) each
  Tensor<T> tokens, d_tokens;       // (B, T, D)
};

/// A batch and what surrounds it.
template <class T>
struct AaClipStep {
  AaClipVision<T> vision;          ///< frozen image tower, positions, and the model as it is
  const AaClipTraining& training;  ///< switches
  const TrainingBatch<T>& batch;   ///< pictures; their `classes` are places in the list of sentences or of anchors
};

/// A map's features and where their gradients go.
template <class T>
struct AaClipComparison {
  View<const T, 2> features;                       ///< (B * L, C)
  std::span<const TextAnchors<T>* const> anchors;  ///< (B): of each picture's class
  View<T, 2> d_features;                           ///< (B * L, C) out, contiguous
  View<T, 3> d_anchors;                            ///< (B, 2, C), added to
};

/// SIM-1, FOC-1 and DICE-1 of one map and the gradients of their sum.
template <class T>
MapLosses aa_clip_compare(Context& context, const TrainingBatch<T>& batch, const AaClipComparison<T>& map);

/// The text stage: losses of a batch; adds to the gradients of what it trains (null: losses only). `sentences` are of
/// all classes.
template <class T>
AaClipLosses aa_clip_text_step(Context& context, const AaClipStep<T>& step, const TextTower<T>& tower,
                               std::span<const ClassTokens> sentences, AaClipWorkspace<T>& work, AaClip<T>* gradient);

/// The image stage: losses of a batch; adds to the gradients of what it trains (null: losses only). `anchors` are of
/// all classes.
template <class T>
AaClipLosses aa_clip_image_step(Context& context, const AaClipStep<T>& step, std::span<const TextAnchors<T>> anchors,
                                AaClipWorkspace<T>& work, AaClip<T>* gradient);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <algorithm>
#include <utility>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Throws contract if the lists of a batch do not fit together, or name a class beyond `classes`.
template <class T>
void check_aa_clip_batch(const TrainingBatch<T>& batch, std::size_t classes) {
  const auto count = static_cast<std::size_t>(batch.images.rank() == 4 ? batch.images.extent(0) : 0);
  MOECLIP_EXPECT(count > 0 && batch.labels.size() == count && batch.classes.size() == count &&
                     (batch.has_mask.empty() || batch.has_mask.size() == count),
                 "a batch of ", count, " pictures has ", batch.labels.size(), " labels, ", batch.classes.size(),
                 " classes and ", batch.has_mask.size(), " mask flags");
  MOECLIP_EXPECT(batch.masks.rank() == 3 && batch.masks.extent(0) == batch.images.extent(0), "a batch of ", count,
                 " pictures has masks ", to_string(batch.masks.shape()));
  for (const index_t which : batch.classes)
    MOECLIP_EXPECT(which >= 0 && which < static_cast<index_t>(classes), "a picture is of class ", which,
                   ", but there are ", classes);
}

inline double map_loss(const MapLosses& losses) { return losses.focal + losses.dice_normal + losses.dice_abnormal; }

/// The anchors of each picture.
template <class T>
std::vector<const TextAnchors<T>*> aa_clip_anchors_of_pictures(const TrainingBatch<T>& batch,
                                                               std::span<const TextAnchors<T>> anchors) {
  std::vector<const TextAnchors<T>*> own;
  for (const index_t which : batch.classes) own.push_back(&anchors[static_cast<std::size_t>(which)]);
  return own;
}

/// (mean over the pictures of T_n . T_a)^2; its gradient times `weight` is added to d_anchors (B, 2, C). (AAC-3,
/// AAC-3')
template <class T>
double disentangle_anchors(std::span<const TextAnchors<T>* const> anchors, double weight, View<T, 3> d_anchors) {
  const index_t batch = d_anchors.extent(0), embed = d_anchors.extent(2);
  double mean = 0;
  for (const TextAnchors<T>* own : anchors)
    mean += static_cast<double>(dot_product(own->normal(), own->abnormal(), embed)) / static_cast<double>(batch);
  const auto share = static_cast<T>(2 * weight * mean / static_cast<double>(batch));
  for (index_t b = 0; b < batch; ++b) {
    const TextAnchors<T>& own = *anchors[static_cast<std::size_t>(b)];
    add_scaled_row<T>(share, own.abnormal(), &d_anchors(b, 0, 0), embed);
    add_scaled_row<T>(share, own.normal(), &d_anchors(b, 1, 0), embed);
  }
  return mean * mean;
}

}  // namespace detail

template <class T>
MapLosses aa_clip_compare(Context& context, const TrainingBatch<T>& batch, const AaClipComparison<T>& map) {
  const index_t pictures = batch.images.extent(0), patches = map.features.extent(0) / pictures,
                grid = detail::grid_side(patches);
  Arena::Scope scratch(context.arena());
  const auto take = [&](index_t height, index_t width) {
    return View<T, 3>(scratch.take<T>(pictures * height * width), {pictures, height, width});
  };
  const View<T, 3> s = take(2, patches), difference = take(grid, grid), d_difference = take(grid, grid);
  for (index_t b = 0; b < pictures; ++b) {
    similarities_forward<T>(context, detail::patches_of(map.features, b, patches),
                            *map.anchors[static_cast<std::size_t>(b)], s[b]);  // (1)
    for (index_t i = 0; i < patches; ++i) difference.data()[b * patches + i] = s(b, 1, i) - s(b, 0, i);
  }
  const MapLosses losses =
      map_losses<T>(context, {difference, batch.masks.template view<3>(), batch.has_mask, d_difference});  // (2), (2')
  for (index_t b = 0; b < pictures; ++b) {
    for (index_t i = 0; i < patches; ++i) {
      s(b, 1, i) = d_difference.data()[b * patches + i];
      s(b, 0, i) = -s(b, 1, i);
    }
    similarities_backward<T>(context, detail::patches_of(map.features, b, patches),
                             *map.anchors[static_cast<std::size_t>(b)], s[b],
                             detail::patches_of(map.d_features, b, patches), map.d_anchors[b]);  // (1')
  }
  return losses;
}

template <class T>
AaClipLosses aa_clip_text_step(Context& context, const AaClipStep<T>& step, const TextTower<T>& tower,
                               std::span<const ClassTokens> sentences, AaClipWorkspace<T>& work, AaClip<T>* gradient) {
  const FloatScope floats;
  const TrainingBatch<T>& batch = step.batch;
  const AaClip<T>& model = step.vision.model;
  detail::check_aa_clip_batch(batch, sentences.size());
  const index_t pictures = batch.images.extent(0), embed = model.heads.text.outputs();
  std::vector<TextAnchors<T>> anchors(sentences.size());
  const auto has = [&](std::size_t which) {
    return lists::find(batch.classes, static_cast<index_t>(which)) != batch.classes.end();
  };
  for (std::size_t which = 0; which < sentences.size(); ++which)  // (1)
    if (has(which)) anchors[which] = aa_clip_anchors<T>(context, tower, model, sentences[which]);
  const auto own = detail::aa_clip_anchors_of_pictures<T>(batch, anchors);

  Arena::Scope scratch(context.arena());
  const View<T, 3> d_anchors(scratch.take<T>(pictures * 2 * embed), {pictures, 2, embed});
  std::fill_n(d_anchors.data(), d_anchors.size(), T(0));
  AaClipLosses losses;
  AaClipFrozen options{step.training.value_blocks, step.training.value_scope, model.config.level_blocks};
  if (!step.training.sums_levels) options.level_blocks = {model.config.level_blocks.back()};
  const auto on_level = [&](index_t, View<const T, 2> features) {  // (3)
    Arena::Scope inner(context.arena());
    const View<T, 2> d_features(inner.take<T>(features.size()), features.extents());
    losses.maps.push_back(aa_clip_compare<T>(context, batch, {features, own, d_features, d_anchors}));
    losses.total += detail::map_loss(losses.maps.back());
  };
  aa_clip_frozen_features<T>(context, step.vision.tower, step.vision.positions, batch.images.template view<4>(),
                             options,
                             on_level);  // (2)
  const double weight = step.training.disentangle_weight;
  losses.disentangle = detail::disentangle_anchors<T>(own, weight, d_anchors);  // (4), (4')
  losses.total += weight * losses.disentangle;
  if (gradient == nullptr) return losses;

  const View<T, 2> sum(scratch.take<T>(2 * embed), {2, embed});
  for (std::size_t which = 0; which < sentences.size(); ++which) {  // (1'): pictures of a class share its anchors
    if (!has(which)) continue;
    std::fill_n(sum.data(), sum.size(), T(0));
    for (index_t b = 0; b < pictures; ++b)
      if (batch.classes[static_cast<std::size_t>(b)] == static_cast<index_t>(which))
        detail::add_scaled_row<T>(T(1), d_anchors[b].data(), sum.data(), sum.size());
    aa_clip_anchors<T>(context, tower, model, sentences[which], &work.text);  // again: what one class keeps is enough
    aa_clip_anchors_backward<T>(context, tower, model, {sentences[which], work.text, sum}, *gradient);
  }
  return losses;
}

namespace detail {

/// What the parts of an image step pass to each other.
template <class T>
struct AaClipImageRun {
  Context& context;
  const AaClipStep<T>& step;
  std::span<const TextAnchors<T>* const> anchors;  // (B)
  AaClipWorkspace<T>& work;
  AaClip<T>* gradient;  // null: losses only
  AaClipLosses& losses;

  [[nodiscard]] const AaClip<T>& model() const { return step.vision.model; }
  [[nodiscard]] index_t pictures() const { return step.batch.images.extent(0); }
  [[nodiscard]] index_t tokens() const { return step.vision.positions.extent(0); }
  [[nodiscard]] index_t width() const { return step.vision.tower.config.width; }
  [[nodiscard]] index_t embed() const { return model().detection.outputs(); }
  [[nodiscard]] bool goes_back() const { return gradient != nullptr && !model().image_layers.empty(); }
};

/// Embeddings of the patches t (B * L, D), their cross entropy, and the gradient of it added to d_t. (AAC-2, CE-1)
template <class T>
void aa_clip_classify(const AaClipImageRun<T>& run, View<const T, 2> t, View<T, 2> d_t) {
  const AaClip<T>& model = run.model();
  const index_t rows = t.extent(0), batch = run.pictures(), embed = run.embed();
  Arena::Scope scratch(run.context.arena());
  const auto take = [&](index_t height, index_t width) {
    return View<T, 2>(scratch.take<T>(height * width), {height, width});
  };
  const View<T, 2> projected = take(rows, embed), d_projected = take(rows, embed), embedding = take(batch, embed),
                   d_embedding = take(batch, embed), logits = take(batch, 2), d_logits = take(batch, 2);
  const kernels::Activation activation = projection_activation(model.heads.config);
  linear_forward<T>(run.context, model.detection, t, projected, {.activation = activation});  // (1)
  mean_of_units_forward<T>(run.context, projected, embedding);                                // (2)
  for (index_t b = 0; b < batch; ++b)                                                         // (3)
    for (index_t side = 0; side < 2; ++side)
      logits(b, side) =
          dot_product(&embedding(b, 0), run.anchors[static_cast<std::size_t>(b)]->vectors.data() + side * embed, embed);
  run.losses.cross_entropy = cross_entropy<T>(logits, run.step.batch.labels, d_logits);
  if (run.gradient == nullptr) return;
  std::fill_n(d_embedding.data(), d_embedding.size(), T(0));
  for (index_t b = 0; b < batch; ++b)  // (3')
    for (index_t side = 0; side < 2; ++side)
      add_scaled_row<T>(d_logits(b, side), run.anchors[static_cast<std::size_t>(b)]->vectors.data() + side * embed,
                        &d_embedding(b, 0), embed);
  mean_of_units_backward<T>(run.context, projected, d_embedding, d_projected);  // (2')
  if (activation != kernels::Activation::none)
    kernels::activate_backward<T>(run.context, activation, projected.size(), projected.data(), d_projected.data(),
                                  d_projected.data());
  linear_backward<T>(run.context, model.detection, t, d_projected, d_t, &run.gradient->detection,
                     {.accumulate = true});  // (1')
}

/// The losses of a level from its tokens x (B, T, D), and the gradient of x, which waits in the workspace.
template <class T>
void aa_clip_level_step(const AaClipImageRun<T>& run, index_t level, View<const T, 3> x) {
  const index_t rows = run.pictures() * (run.tokens() - 1), embed = run.embed();
  const AdaptedModel<T> frozen = run.step.vision.heads();
  Arena::Scope scratch(run.context.arena());
  const auto take = [&](index_t columns) { return View<T, 2>(scratch.take<T>(rows * columns), {rows, columns}); };
  const auto steps = MapSteps<T>::take(scratch, rows, run.width(), embed, true);
  const View<T, 2> d_tokens = take(run.width()), d_features = take(embed);
  const View<T, 3> d_anchors(scratch.take<T>(run.pictures() * 2 * embed), {run.pictures(), 2, embed});  // not used
  std::fill_n(d_anchors.data(), d_anchors.size(), T(0));
  map_tokens_forward<T>(run.context, frozen, level, x, steps);
  map_features_forward<T>(run.context, run.model().heads, level, steps);
  run.losses.maps.push_back(
      aa_clip_compare<T>(run.context, run.step.batch, {steps.features, run.anchors, d_features, d_anchors}));
  if (run.gradient != nullptr)
    map_features_backward<T>(run.context, run.model().heads, level, steps, {d_features, d_tokens},
                             &run.gradient->heads);
  if (level == run.model().heads.config.levels() - 1) aa_clip_classify<T>(run, steps.tokens, d_tokens);
  if (!run.goes_back()) return;
  Tensor<T>& d_x = fit(run.work.d_levels[static_cast<std::size_t>(level)], Shape(x.extents()));
  d_x.fill(T(0));
  map_tokens_backward<T>(run.context, frozen, level, steps, d_tokens, d_x.template view<3>());
}

/// From the gradients of the levels to those of the adapters.
template <class T>
void aa_clip_image_backward(const AaClipImageRun<T>& run) {
  const AaClip<T>& model = run.model();
  AaClipWorkspace<T>& work = run.work;
  const auto before_block = [&](index_t block, View<T, 2> d_x) {
    for_each_at(model.config.level_blocks, block, [&](std::size_t level) {
      const T* from = work.d_levels[level].data();
      run.context.parallel_for(d_x.extent(0), [&](index_t i, int) {
        add_scaled_row<T>(T(1), from + i * d_x.extent(1), &d_x(i, 0), d_x.extent(1));
      });
    });
    const auto i = static_cast<std::size_t>(block - 1);
    if (i < model.image_layers.size())
      residual_backward<T>(run.context, model.image_layers[i], model.config.image_weight, work.image.layers[i], d_x,
                           run.gradient->image_layers[i]);
  };
  fit(work.d_tokens, work.tokens.shape()).fill(T(0));
  vision_backward<T>(run.context, run.step.vision.tower,
                     {run.step.batch.images.template view<4>(), run.step.vision.positions},
                     work.d_tokens.template view<3>(), {before_block, work.image.blocks, nullptr});
}

}  // namespace detail

template <class T>
AaClipLosses aa_clip_image_step(Context& context, const AaClipStep<T>& step, std::span<const TextAnchors<T>> anchors,
                                AaClipWorkspace<T>& work, AaClip<T>* gradient) {
  const FloatScope floats;
  detail::check_aa_clip_batch(step.batch, anchors.size());
  const std::vector<const TextAnchors<T>*> own = detail::aa_clip_anchors_of_pictures<T>(step.batch, anchors);
  AaClipLosses losses;
  const detail::AaClipImageRun<T> run{context, step, own, work, gradient, losses};
  const VisionConfig& config = step.vision.tower.config;
  work.d_levels.resize(run.model().config.level_blocks.size());
  if (run.goes_back()) {
    const index_t first = detail::first_block_above_adapters(run.model().image_layers.size(), config.layers);
    const index_t budget = step.training.memory_budget_bytes;
    work.image.blocks.plan =
        budget == 0 ? SavePlan{first, config.layers + 1 - first}
                    : plan_for<T>(transformer_config(config), {run.pictures(), run.tokens(), false}, first, budget);
  }
  const auto on_level = [&](index_t level, View<const T, 3> x) { detail::aa_clip_level_step<T>(run, level, x); };
  aa_clip_image_forward<T>(context, step.vision, step.batch.images.template view<4>(),
                           detail::fit(work.tokens, {run.pictures(), run.tokens(), run.width()}).template view<3>(),
                           on_level, run.goes_back() ? &work.image : nullptr);
  if (run.goes_back()) detail::aa_clip_image_backward<T>(run);
  losses.total = losses.cross_entropy;
  for (const MapLosses& map : losses.maps) losses.total += detail::map_loss(map);
  return losses;
}

MOECLIP_INSTANTIATE(aa_clip_compare)
MOECLIP_INSTANTIATE(aa_clip_text_step)
MOECLIP_INSTANTIATE(aa_clip_image_step)

}}  // namespace moeclip::abi_v0_1

#endif

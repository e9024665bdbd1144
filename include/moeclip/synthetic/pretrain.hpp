// SPDX-License-Identifier: MIT
#pragma once
// Training a CLIP from nothing: pictures and captions go in, both towers and the logit scale come out (Radford et al.
// 2021, section 2.3; the loss is contrastive.hpp). It is meant for tiny models on a CPU, but nothing here depends on
// the size.

#include <cstdint>

#include "../base/function_ref.hpp"
#include "../clip/clip_weights.hpp"
#include "../train/adam.hpp"
#include "../train/schedule.hpp"
#include "contrastive.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// N pictures with their captions.
template <class T>
struct PretrainBatch {
  Tensor<T> images;              ///< (N, 3, S, S), normalised; S is the size of the model
  Tensor<std::int32_t> tokens;   ///< (N, context), a caption each
  Tensor<std::uint8_t> matches;  ///< (N, N), 1: caption j is true of picture i; empty: only its own is
};

/// Fills the batch of a step. It is the same object every time, so its memory can be used again.
template <class T>
using PretrainSource = function_ref<void(index_t step, PretrainBatch<T>& batch)>;

/// How long and how fast a CLIP is trained.
struct PretrainOptions {
  index_t steps = 1000;  ///< updates, the warm-up included
  double lr = 1e-3;      ///< highest, reached after the warm-up; it ends at a hundredth of that
  index_t warmup = 100;  ///< steps
  AdamOptions adam{.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-6};  ///< CLIP's for its ViTs; `lr` is not used
  double longest_gradient = 1;      ///< longer ones, over all weights, are scaled down to this
  index_t memory_budget_bytes = 0;  ///< for the saved activations of each tower; 0: keep all, whatever it takes
};

/// What a step did.
struct PretrainReport {
  index_t step = 0;          ///< from 1
  ContrastiveLoss loss;      ///< of its batch, before the update
  double logit_scale = 0;    ///< what cosines were multiplied with
  double lr = 0;             ///< of this step
  double gradient_norm = 0;  ///< Euclidean, over all weights, before it is limited
};

/// Sees every step; returning false ends the training before the step changes the weights (a loss that is no number).
using PretrainCallback = function_ref<bool(const PretrainReport& report)>;

/// What is kept from step to step.
template <class T>
struct PretrainWorkspace {
  VisionSaved<T> vision;  ///< what the image tower keeps for its backward pass
  TextSaved<T> text;      ///< the same of the text tower
};

/// The loss of `batch` and, added to `gradient`, the gradient of every weight of `clip`.
template <class T>
ContrastiveLoss clip_forward_backward(Context& context, const ClipWeights<T>& clip, const PretrainBatch<T>& batch,
                                      PretrainWorkspace<T>& saved, ClipWeights<T>& gradient);

/// Trains `clip` from the weights that it has (initialize_clip). The same weights and source give the same bits for any
/// number of threads.
template <class T>
void pretrain(Context& context, ClipWeights<T>& clip, const PretrainOptions& options, PretrainSource<T> source,
              PretrainCallback on_step);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_SYNTHETIC)

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
ContrastiveLoss clip_forward_backward(Context& context, const ClipWeights<T>& clip, const PretrainBatch<T>& batch,
                                      PretrainWorkspace<T>& saved, ClipWeights<T>& gradient) {
  const FloatScope floats;
  const index_t rows = batch.images.extent(0), embed = clip.config.embed;
  MOECLIP_EXPECT(batch.tokens.extent(0) == rows, rows, " pictures with ", batch.tokens.extent(0), " captions");
  Arena::Scope scratch(context.arena());
  const auto make = [&] { return View<T, 2>(scratch.take<T>(rows * embed), {rows, embed}); };
  const View<T, 2> images = make(), texts = make();
  const VisionInput<T> input{batch.images.template view<4>(), clip.vision.positional_embedding};
  const View<const std::int32_t, 2> tokens = batch.tokens.template view<2>();
  encode_image_forward<T>(context, clip.vision, input.images, input.positions, images, &saved.vision);  // (1)
  encode_text_forward<T>(context, clip.text, tokens, texts, &saved.text);                               // (2)

  ContrastiveInput<T> pairs{images, texts, clip.logit_scale[0], {}};  // (3), (3')
  if (!batch.matches.empty()) pairs.matches = batch.matches.template view<2>();
  ContrastiveGradient<T> d{make(), make()};
  const ContrastiveLoss loss = contrastive_loss<T>(context, pairs, &d);
  gradient.logit_scale[0] += d.logit_scale;

  encode_text_backward<T>(context, clip.text, tokens, saved.text, d.texts, gradient.text);         // (2')
  encode_image_backward<T>(context, clip.vision, input, saved.vision, d.images, gradient.vision);  // (1')
  return loss;
}

namespace detail {

/// The plan of a tower within the budget, for `rows` sequences of `tokens`.
template <class T>
SavePlan plan_within(index_t budget, const TransformerConfig& config, TokenLayout layout) {
  return budget == 0 ? SavePlan{} : plan_for<T>(config, layout, 1, budget);
}

}  // namespace detail

template <class T>
void pretrain(Context& context, ClipWeights<T>& clip, const PretrainOptions& options, PretrainSource<T> source,
              PretrainCallback on_step) {
  const FloatScope floats;
  ClipWeights<T> gradient(clip.config);
  auto parameters = all_parameters<T>(clip, gradient);
  Adam<T> adam(options.adam);
  const CosineSchedule schedule{options.lr, options.warmup, options.steps, options.lr / 100};
  PretrainBatch<T> batch;
  PretrainWorkspace<T> saved;
  const VisionConfig& vision = clip.config.vision;
  for (index_t step = 0; step < options.steps; ++step) {
    source(step, batch);
    const index_t rows = batch.images.extent(0), budget = options.memory_budget_bytes;
    saved.vision.blocks.plan =
        detail::plan_within<T>(budget, transformer_config(vision), {rows, 1 + vision.grid() * vision.grid()});
    saved.text.blocks.plan =
        detail::plan_within<T>(budget, transformer_config(clip.config.text), {rows, clip.config.text.context_length});
    zero_parameters(gradient);
    PretrainReport report{step + 1, {}, std::exp(static_cast<double>(clip.logit_scale[0])), schedule.at(step), 0};
    report.loss = clip_forward_backward<T>(context, clip, batch, saved, gradient);
    report.gradient_norm = gradient_norm<T>(parameters);
    if (!on_step(report)) return;
    clip_gradients<T>(parameters, report.gradient_norm, options.longest_gradient);
    adam.step(context, parameters, report.lr);
    clip.logit_scale[0] = (std::min)(clip.logit_scale[0], static_cast<T>(kMaxLogitScale));
  }
}

MOECLIP_INSTANTIATE(clip_forward_backward)
MOECLIP_INSTANTIATE(pretrain)

}}  // namespace moeclip::abi_v0_1

#endif

// SPDX-License-Identifier: MIT
#pragma once
// One look at a picture in which everything is kept (inspection.hpp): a forward pass, the outputs of all experts, and
// one backward pass of the score through the whole model for Grad-CAM of every expert (CAM-1 in this folder's README).

#include "../anomaly/detector.hpp"
#include "../anomaly/features.hpp"
#include "inspection.hpp"
#include "score_gradient.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Runs the score of a traced detection backward through the whole model, down to the first mixture (SCR-1'). The trace
/// kept what feature_plan asks for. on_mixture(j, d_m) is told the gradient (1 + L, D) of the m of each mixture, the
/// last first. Returns the score and where it comes from.
template <class T>
ScorePoint<T> backward_of_score(Context& context, const BasicDetector<T>& detector, const TextAnchors<T>& anchors,
                                DetectionTrace<T>& trace,
                                function_ref<void(std::size_t mixture, View<const T, 2> d_m)> on_mixture);

/// What a trace has to keep for backward_of_score, in no more than `budget` bytes if possible.
template <class T>
SavePlan trace_plan(const BasicDetector<T>& detector, index_t budget);

/// Looks at one picture (gray or RGB, any size). `trace` is the memory of the pass, to be used again for the next
/// picture; its intermediates are valid afterwards. Throws what detecting throws.
template <class T>
Inspection<T> inspect(Context& context, const BasicDetector<T>& detector, ImageView image,
                      const TextAnchors<T>& anchors, const InspectOptions& options, DetectionTrace<T>& trace);
template <class T>
Inspection<T> inspect(Context& context, const BasicDetector<T>& detector, ImageView image,
                      const TextAnchors<T>& anchors, const InspectOptions& options = {}) {
  DetectionTrace<T> trace;
  return inspect(context, detector, image, anchors, options, trace);
}

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EXPLAIN)

#include <algorithm>
#include <utility>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Cosines of the outputs of all experts on the tokens x (N, D).
template <class T>
void compare_experts(Context& context, const Mixture<T>& mixture, View<const T, 2> x, BlockInspection<T>& block) {
  const index_t experts = mixture.expert_count(), tokens = x.extent(0), width = x.extent(1);
  Arena::Scope scratch(context.arena());
  const View<T, 3> outputs(scratch.take<T>(experts * x.size()), {experts, tokens, width});
  for (index_t e = 0; e < experts; ++e)
    expert_forward<T>(context, mixture.experts[static_cast<std::size_t>(e)], mixture.scale, x, outputs[e]);
  block.etf_loss = mean_gram<T>(context, outputs, fit(block.cosines, {experts, experts}).template view<2>());
}

/// CAM-1 of every expert of a mixture from the gradient d_m (1 + L, D) of its m. An expert's answer A_e is its share
/// times its output where it was chosen, and 0 where it was not; m is the sum of the answers, so where it was chosen
/// the gradient of A_e is d_m.
template <class T>
void grad_cams(Context& context, const Mixture<T>& mixture, const MixingSaved<T>& saved, View<const T, 2> d_m,
               BlockInspection<T>& block) {
  const index_t experts = mixture.expert_count(), tokens = d_m.extent(0), width = d_m.extent(1), patches = tokens - 1;
  const View<const T, 2> x = saved.x.template view<2>();
  T* cams = fit(block.cams, {experts, patches}).data();
  context.parallel_for(experts, [&](index_t e, int) {
    T* cam = cams + e * patches;
    std::fill_n(cam, patches, T(0));
    std::vector<double> alpha(static_cast<std::size_t>(width), 0.0);
    for (index_t n = 1; n < tokens; ++n)
      if (block.weight(n, e) > T(0))
        for (index_t c = 0; c < width; ++c) alpha[static_cast<std::size_t>(c)] += static_cast<double>(d_m(n, c));
    // sum_c alpha_c A_c = q scale (B^T alpha) . (A x): the output itself is not needed
    const Expert<T>& expert = mixture.experts[static_cast<std::size_t>(e)];
    const index_t rank = expert.lora_a.extent(0);
    for (index_t r = 0; r < rank; ++r) {
      double along = 0;
      for (index_t c = 0; c < width; ++c)
        along += alpha[static_cast<std::size_t>(c)] * static_cast<double>(expert.lora_b[c * rank + r]);
      const auto factor = static_cast<T>(along / static_cast<double>(patches) * static_cast<double>(mixture.scale));
      for (index_t n = 1; n < tokens; ++n)
        if (const T q = block.weight(n, e); q > T(0))
          cam[n - 1] += factor * q * dot_product(expert.lora_a.data() + r * width, &x(n, 0), width);
    }
    for (index_t i = 0; i < patches; ++i) cam[i] = (std::max)(cam[i], T(0));
  });
}

}  // namespace detail

template <class T>
ScorePoint<T> backward_of_score(Context& context, const BasicDetector<T>& detector, const TextAnchors<T>& anchors,
                                DetectionTrace<T>& trace,
                                function_ref<void(std::size_t mixture, View<const T, 2> d_m)> on_mixture) {
  const index_t maps = trace.similarities.extent(0), patches = trace.similarities.extent(2);
  const index_t embed = trace.embedding.extent(1), width = detector.clip().config().vision.width;
  Arena::Scope scratch(context.arena());
  const View<T, 2> d_difference(scratch.take<T>(maps * patches), {maps, patches});
  const View<T, 2> d_embedding(scratch.take<T>(embed), {1, embed}), d_s(scratch.take<T>(2 * patches), {2, patches});
  const View<T, 2> d_anchors(scratch.take<T>(2 * embed), {2, embed});  // nobody asks for it
  const View<T, 3> d_tokens(scratch.take<T>((1 + patches) * width), {1, 1 + patches, width});
  const ScorePoint<T> point =
      score_backward<T>(context,
                        {std::as_const(trace.similarities).template view<3>(), trace.embedding.data(), anchors,
                         detector.options().domain, detector.options().image_size},
                        d_difference, d_embedding.data());
  std::fill_n(d_anchors.data(), d_anchors.size(), T(0));
  const auto on_map = [&](index_t map, View<const T, 2> features, View<T, 2> d_features) {
    for (index_t i = 0; i < patches; ++i) {
      d_s(1, i) = d_difference(map, i);
      d_s(0, i) = -d_difference(map, i);
    }
    similarities_backward<T>(context, features, anchors, d_s, d_features, d_anchors);
  };
  const VisionInput<T> input{std::as_const(trace.pixels).template view<4>(), detector.positions()};
  features_backward<T>(
      context, {detector.clip().vision(), detector.adapter(), input, trace.features, on_map, d_embedding, on_mixture},
      d_tokens);
  return point;
}

template <class T>
SavePlan trace_plan(const BasicDetector<T>& detector, index_t budget) {
  return feature_plan<T>(detector.clip().config().vision, detector.adapter().config,
                         {1, detector.positions().extent(0), false}, budget);
}

template <class T>
Inspection<T> inspect(Context& context, const BasicDetector<T>& detector, ImageView image,
                      const TextAnchors<T>& anchors, const InspectOptions& options, DetectionTrace<T>& trace) {
  const FloatScope floats;
  const Adapter<T>& adapter = detector.adapter();
  const VisionConfig& vision = detector.clip().config().vision;
  const bool has_backward = options.has_grad_cam && !adapter.mixtures.empty();
  trace.features.blocks.plan =
      has_backward ? trace_plan(detector, options.memory_budget_bytes) : SavePlan{vision.layers + 1, 0};
  Inspection<T> seen;
  detector.detect(context, image, anchors, seen.detection, &trace);
  seen.picture = Image(image.width, image.height, image.channels);
  for (index_t y = 0; y < image.height; ++y)
    std::copy_n(image.row(y), image.width * image.channels, seen.picture.row(y));
  seen.grid = detector.options().image_size / vision.patch_size;
  seen.similarities = trace.similarities;
  seen.embedding = trace.embedding;
  for (std::size_t j = 0; j < adapter.mixtures.size(); ++j) {
    const MixingSaved<T>& saved = trace.features.mixtures[j];
    BlockInspection<T>& block = seen.blocks.emplace_back();
    block.block = adapter.config.mixture_blocks[j];
    block.logits = saved.logits;
    block.probabilities = saved.probabilities;
    block.chosen = saved.chosen;
    block.weights = saved.weights;
    detail::compare_experts<T>(context, adapter.mixtures[j], saved.x.template view<2>(), block);
  }
  const auto on_mixture = [&](std::size_t j, View<const T, 2> d_m) {
    detail::grad_cams<T>(context, adapter.mixtures[j], trace.features.mixtures[j], d_m, seen.blocks[j]);
  };
  if (has_backward) backward_of_score<T>(context, detector, anchors, trace, on_mixture);
  return seen;
}

MOECLIP_INSTANTIATE(backward_of_score)
MOECLIP_INSTANTIATE(trace_plan)
#if defined(MOECLIP_COMPILED)
template Inspection<float> inspect(Context&, const BasicDetector<float>&, ImageView, const TextAnchors<float>&,
                                   const InspectOptions&, DetectionTrace<float>&);
template Inspection<double> inspect(Context&, const BasicDetector<double>&, ImageView, const TextAnchors<double>&,
                                    const InspectOptions&, DetectionTrace<double>&);
#endif

}}  // namespace moeclip::abi_v0_1

#endif

// SPDX-License-Identifier: MIT
#pragma once
// One training step of the adapters on a frozen CLIP, on one page: the losses, and the gradients of all that is trained
// (METHOD sections 2 to 4). The forward pass is
//
//   (1)  T = the two anchors of every class in the batch       anomaly/anchors.hpp
//   (2)  x = the image tower, block by block; after block n    clip/vision.hpp
//   (3)    x <- the mixture of n, and its two losses           moe/mixing.hpp
//        and for each map of the level of n
//   (4)    t = its tokens: aggregation, LN_post                anomaly/features.hpp (2), (3)
//   (5)    d = an embedding per picture; detection map only    anomaly/features.hpp (4)
//   (6)    logits k d . T and their cross entropy              losses.hpp
//   (7)    f = its unit features                               anomaly/features.hpp (5), (6)
//   (8)    s = c f . T                                         anomaly/score_map.hpp
//   (9)    focal and dice losses of s_a - s_n                  losses.hpp
//
// and the backward pass is (9') ... (1'), where (n') is the derivative of (n). The losses of a map depend on nothing
// that comes after its level, so `step_at_map` runs (4) to (9) and at once (9') to (4'), and only the gradient of x
// waits for (3'). So the features of only one map exist at a time. The tower keeps nothing before the first mixture,
// since nothing is trained there. Losses and their own derivatives, (6) and (9), are computed together.

#include "../anomaly/score_map.hpp"
#include "adapter_step_types.hpp"
#include "losses.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Losses of a batch, and their gradients added to `gradient` (null: losses only). The report lives in `work`. The
/// same bits for any number of threads.
template <class T>
const LossReport& adapter_forward_backward(Context& context, const AdaptedModel<T>& model, const StepInput<T>& input,
                                           AdapterWorkspace<T>& work, AdapterGradient<T>* gradient);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_TRAIN)

#include <algorithm>
#include <utility>
#include <vector>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// (1): anchors of the classes in the batch, in the order of their first picture.
template <class T>
void encode_classes(const StepRun<T>& run) {
  AdapterWorkspace<T>& work = run.work;
  work.class_of.clear();
  std::size_t count = 0;
  for (const index_t which : run.input.batch.classes) {
    std::size_t place = 0;
    while (place < count && work.classes[place].class_index != which) ++place;
    work.class_of.push_back(place);
    if (place < count) continue;
    work.classes.resize((std::max)(work.classes.size(), ++count));
    auto& own = work.classes[place];
    own.class_index = which;
    own.anchors.similarity_scale = static_cast<T>(run.model.adapter.config.similarity_scale);
    const ClassText<T>& text = run.input.texts[static_cast<std::size_t>(which)];
    anchors_of_sentences<T>(run.context, run.model.adapter, text.encodings.template view<2>(), text.normal_count,
                            fit(own.z, {text.encodings.extent(0), run.embed()}).template view<2>(),
                            fit(own.anchors.vectors, {2, run.embed()}).template view<2>());
  }
  work.classes.resize(count);
  const BatchShare share = run.share();
  const index_t spare = share.own() > 0 ? 0 : 1;  // for the picture that enters no sum
  fit(work.d_anchors, {share.total + spare, 2, run.embed()}).fill(T(0));
}

/// (1'): pictures of one class share its anchors, so their gradients are added first.
template <class T>
void encode_classes_backward(const StepRun<T>& run) {
  AdapterWorkspace<T>& work = run.work;
  const BatchShare share = run.share();
  share.gather(std::span<T>(work.d_anchors.data(), static_cast<std::size_t>(share.total * 2 * run.embed())));
  const View<T, 3> d_anchors = work.d_anchors.template view<3>();
  Arena::Scope scratch(run.context.arena());
  const View<T, 2> sum(scratch.take<T>(2 * run.embed()), {2, run.embed()});
  for (std::size_t place = 0; place < work.classes.size(); ++place) {
    std::fill_n(sum.data(), sum.size(), T(0));
    for (index_t b = 0; b < share.total; ++b)
      if (work.class_of[static_cast<std::size_t>(b)] == place)
        add_scaled_row<T>(T(1), d_anchors[b].data(), sum.data(), sum.size());
    const auto& own = work.classes[place];
    const ClassText<T>& text = run.input.texts[static_cast<std::size_t>(own.class_index)];
    anchors_backward<T>(run.context, run.model.adapter,
                        {text.encodings.template view<2>(), text.normal_count, own.z.template view<2>(), sum},
                        run.gradient->values.text);
  }
}

/// The cross entropy of the whole batch, and its gradient at the logits held here.
template <class T>
double shared_cross_entropy(const StepRun<T>& run, const ClassifySteps<T>& steps) {
  const BatchShare share = run.share();
  if (share.size() == 1) return cross_entropy<T>(steps.logits, run.input.batch.labels, steps.d_logits);
  Arena::Scope scratch(run.context.arena());
  const auto take = [&] { return View<T, 2>(scratch.take<T>(2 * share.total), {share.total, 2}); };
  const View<T, 2> logits = take(), d_logits = take();
  const index_t own = 2 * share.own(), at = 2 * share.first();
  std::copy_n(steps.logits.data(), own, logits.data() + at);
  share.gather(std::span<T>(logits.data(), static_cast<std::size_t>(logits.size())));
  const double loss = cross_entropy<T>(logits, run.input.batch.labels, d_logits);
  std::fill_n(steps.d_logits.data(), steps.d_logits.size(), T(0));
  std::copy_n(d_logits.data() + at, own, steps.d_logits.data());
  return loss;
}

/// (5), (6) from the tokens t (B * L, D) of the detection map.
template <class T>
void classify_forward(const StepRun<T>& run, View<const T, 2> tokens, const ClassifySteps<T>& steps) {
  const T scale = static_cast<T>(run.input.options.class_logit_scale);
  embeddings_forward<T>(run.context, *run.model.adapter.detection, tokens, steps.head, steps.embedding);  // (5)
  for (index_t b = 0; b < run.batch(); ++b)                                                               // (6)
    for (index_t side = 0; side < 2; ++side)
      steps.logits(b, side) = scale * dot_product(&steps.embedding(b, 0), run.anchor_of(b, side), run.embed());
  run.work.report.cross_entropy = shared_cross_entropy<T>(run, steps);
  run.observe().logits(steps.logits);
}

/// (6'), (5'): d_tokens (B * L, D) is added to.
template <class T>
void classify_backward(const StepRun<T>& run, View<const T, 2> tokens, const ClassifySteps<T>& steps,
                       View<T, 2> d_tokens) {
  const T scale = static_cast<T>(run.input.options.class_logit_scale);
  Arena::Scope scratch(run.context.arena());
  const View<T, 2> d_embedding(scratch.take<T>(steps.embedding.size()), steps.embedding.extents());
  std::fill_n(d_embedding.data(), d_embedding.size(), T(0));
  for (index_t b = 0; b < run.batch(); ++b)  // (6')
    for (index_t side = 0; side < 2; ++side) {
      const T d_logit = scale * steps.d_logits(b, side);
      add_scaled_row<T>(d_logit, run.anchor_of(b, side), &d_embedding(b, 0), run.embed());
      add_scaled_row<T>(d_logit, &steps.embedding(b, 0), &run.d_anchors_of(b)(side, 0), run.embed());
    }
  embeddings_backward<T>(run.context, *run.model.adapter.detection,
                         {tokens, steps.head, d_embedding, d_tokens, run.share()},
                         &*run.gradient->values.detection);  // (5')
  run.observe().d_embedding(d_embedding);
}

/// (8), (9) of map `map` from its unit features f (B * L, C).
template <class T>
void compare_forward(const StepRun<T>& run, index_t map, View<const T, 2> features) {
  AdapterWorkspace<T>& work = run.work;
  const index_t batch = run.batch(), patches = run.patches(), g = run.grid();
  const View<T, 3> s(fit(work.similarities, {batch, 2, g, g}).data(), {batch, 2, patches});
  T* const difference = fit(work.difference, {batch, g, g}).data();
  fit(work.d_difference, {batch, g, g});
  for (index_t b = 0; b < batch; ++b) {
    similarities_forward<T>(run.context, patches_of(features, b, patches), run.anchors_of(b), s[b]);  // (8)
    for (index_t i = 0; i < patches; ++i) difference[b * patches + i] = s(b, 1, i) - s(b, 0, i);
  }
  run.observe().similarities(map, work.similarities);
  const BatchShare share = run.share();
  const std::vector<bool>& has_mask = run.input.batch.has_mask;
  work.has_mask.clear();  // a picture that is nobody's has none
  for (index_t b = 0; b < batch; ++b)
    work.has_mask.push_back(share.own() > 0 && (has_mask.empty() || has_mask[run.place_of(b)]));
  const MapLosses losses = map_losses<T>(
      run.context, {std::as_const(work.difference).template view<3>(), run.input.batch.masks.template view<3>(),
                    work.has_mask, work.d_difference.template view<3>(), run.marked(), share});  // (9)
  const auto place = static_cast<std::size_t>(map);
  work.report.focal[place] = losses.focal;
  work.report.dice_normal[place] = losses.dice_normal;
  work.report.dice_abnormal[place] = losses.dice_abnormal;
}

/// (9'), (8'): d_features (B * L, C) is overwritten.
template <class T>
void compare_backward(const StepRun<T>& run, index_t map, View<const T, 2> features, View<T, 2> d_features) {
  const index_t batch = run.batch(), patches = run.patches(), g = run.grid();
  const View<T, 3> d_s(fit(run.work.d_similarities, {batch, 2, g, g}).data(), {batch, 2, patches});
  const T *d_difference = run.work.d_difference.data(), weight = static_cast<T>(run.map_weight());
  for (index_t b = 0; b < batch; ++b) {
    for (index_t i = 0; i < patches; ++i) {  // (9')
      d_s(b, 1, i) = weight * d_difference[b * patches + i];
      d_s(b, 0, i) = -d_s(b, 1, i);
    }
    similarities_backward<T>(run.context, patches_of(features, b, patches), run.anchors_of(b), d_s[b],
                             patches_of(d_features, b, patches), run.d_anchors_of(b));  // (8')
  }
  run.observe().d_features(map, d_features);
}

/// Map `map` of the tokens x (B, T, D), there and back; d_x (B, T, D) is added to, unless it has no data.
template <class T>
void step_at_map(const StepRun<T>& run, index_t map, View<const T, 3> x, View<T, 3> d_x) {
  const Adapter<T>& adapter = run.model.adapter;
  const bool has_classes = map == adapter.config.detection_map(), has_pixels = run.has_any_mask();
  if (!has_classes && !has_pixels) return;
  const index_t rows = run.batch() * run.patches(), width = run.width(), embed = has_pixels ? run.embed() : 0;
  const bool goes_back = run.gradient != nullptr, has_d_x = d_x.data() != nullptr;
  Arena::Scope scratch(run.context.arena());
  const auto take = [&](index_t columns) { return View<T, 2>(scratch.take<T>(rows * columns), {rows, columns}); };
  const auto steps = MapSteps<T>::take(scratch, rows, width, embed, goes_back);
  const auto classes = has_classes ? ClassifySteps<T>::take(scratch, run) : ClassifySteps<T>();

  map_tokens_forward<T>(run.context, run.model, map, x, steps);               // (4)
  if (has_classes) classify_forward<T>(run, steps.tokens, classes);           // (5), (6)
  if (has_pixels) map_features_forward<T>(run.context, adapter, map, steps);  // (7)
  if (has_pixels) compare_forward<T>(run, map, steps.features);               // (8), (9)
  if (!goes_back) return;

  const View<T, 2> d_tokens = take(width), d_features = take(embed);
  std::fill_n(d_tokens.data(), d_tokens.size(), T(0));
  if (has_pixels) compare_backward<T>(run, map, steps.features, d_features);  // (9'), (8')
  if (has_pixels)                                                             // (7')
    map_features_backward<T>(run.context, adapter, map, steps,
                             {d_features, has_d_x ? d_tokens : View<T, 2>(), run.share()}, &run.gradient->values);
  if (has_classes) classify_backward<T>(run, steps.tokens, classes, d_tokens);             // (6'), (5')
  if (has_d_x) map_tokens_backward<T>(run.context, run.model, map, steps, d_tokens, d_x);  // (4')
}

/// (3), and its part of the report: mixture j acts on the tokens x (B * T, D).
template <class T>
void step_at_mixture(const StepRun<T>& run, std::size_t j, View<T, 2> x) {
  const Mixture<T>& mixture = run.model.adapter.mixtures[j];
  LossReport& report = run.work.report;
  const MixingLosses losses = mixing_forward<T>(run.context, mixture, run.mixing(j), x, run.work.mixtures[j]);  // (3)
  report.etf[j] = losses.etf;
  report.balance[j] = losses.balance;
  report.expert_tokens[j].assign(mixture.experts.size(), 0);
  for (const std::int32_t e : run.work.mixtures[j].chosen) ++report.expert_tokens[j][static_cast<std::size_t>(e)];
}

/// After block n, on the way forward: (3), then (4) to (9) and (9') to (4') of the maps of its level.
template <class T>
void step_after_block(const StepRun<T>& run, index_t block, View<T, 2> x) {
  const AdapterConfig& config = run.model.adapter.config;
  for_each_at(config.mixture_blocks, block, [&](std::size_t j) { step_at_mixture<T>(run, j, x); });
  for_each_at(config.level_blocks, block, [&](std::size_t l) {
    const index_t windows = std::ssize(config.windows), first = static_cast<index_t>(l) * windows;
    const View<const T, 3> tokens(x.data(), {run.batch(), run.patches() + 1, run.width()});
    View<T, 3> d_x;
    if (run.gradient != nullptr && block >= run.first_mixture_block()) {
      d_x = fit(run.work.d_levels[l], Shape(tokens.extents())).template view<3>();
      std::fill_n(d_x.data(), d_x.size(), T(0));
    }
    for (index_t map = first; map < first + windows; ++map) step_at_map<T>(run, map, tokens, d_x);
  });
}

/// Before the backward pass of block n: the gradient of what step_after_block left becomes that of what it found.
template <class T>
void step_before_block(const StepRun<T>& run, index_t block, View<T, 2> d_x) {
  const AdapterConfig& config = run.model.adapter.config;
  for_each_at(config.level_blocks, block, [&](std::size_t l) {
    const T* from = run.work.d_levels[l].data();
    run.context.parallel_for(d_x.extent(0), [&](index_t i, int) {
      add_scaled_row<T>(T(1), from + i * run.width(), &d_x(i, 0), run.width());
    });
  });
  for_each_at(config.mixture_blocks, block, [&](std::size_t j) {
    mixing_backward<T>(run.context, run.model.adapter.mixtures[j], run.mixing(j), run.work.mixtures[j], d_x,
                       {&run.gradient->values.mixtures[j], &run.gradient->expert_has_gradient[j]});  // (3')
    run.observe().d_mixture_input(j, d_x);
  });
}

/// (2), and with it all that happens after its blocks. Keeps what run_tower_backward needs if `goes_back`.
template <class T>
void run_tower(const StepRun<T>& run, bool goes_back) {
  AdapterWorkspace<T>& work = run.work;
  if (goes_back) work.blocks.plan = run.save_plan();
  auto after_block = [&](index_t block, View<T, 2> x) { step_after_block<T>(run, block, x); };
  vision_forward<T>(run.context, run.model.tower, run.input.batch.images.template view<4>(), run.model.positions,
                    fit(work.tokens, {run.batch(), run.patches() + 1, run.width()}).template view<3>(),
                    {after_block, nullptr, goes_back ? &work.blocks : nullptr});
}

/// (2'), down to the first mixture. The tokens of the last block have a gradient only if the block has a level.
template <class T>
void run_tower_backward(const StepRun<T>& run) {
  AdapterWorkspace<T>& work = run.work;
  auto before_block = [&](index_t block, View<T, 2> d_x) { step_before_block<T>(run, block, d_x); };
  fit(work.d_tokens, work.tokens.shape()).fill(T(0));
  vision_backward<T>(run.context, run.model.tower, {run.input.batch.images.template view<4>(), run.model.positions},
                     work.d_tokens.template view<3>(), {before_block, work.blocks, nullptr});
}

/// What each process found for itself becomes that of all: counts of tokens, which experts have a gradient, and the
/// sums that the last process has.
template <class T>
void join_results(const StepRun<T>& run) {
  const BatchShare share = run.share();
  for (std::size_t j = 0; j < run.work.report.expert_tokens.size(); ++j) {
    std::vector<index_t>& tokens = run.work.report.expert_tokens[j];
    const std::vector<index_t> own = tokens;
    std::fill(tokens.begin(), tokens.end(), index_t{0});
    share.in_order(std::span<index_t>(tokens), [&] {
      for (std::size_t e = 0; e < own.size(); ++e) tokens[e] += own[e];
    });
    share.from_last(std::span<index_t>(tokens));
    if (run.gradient == nullptr) continue;
    for (std::size_t e = 0; e < own.size(); ++e)
      run.gradient->expert_has_gradient[j][e] = run.input.options.is_training || tokens[e] > 0;
  }
  if (run.gradient == nullptr) return;
  visit_parameters(run.gradient->values, "", [&](const std::string&, Tensor<T>& sums) {
    share.from_last(std::span<T>(sums.data(), static_cast<std::size_t>(sums.size())));
  });
}

}  // namespace detail

template <class T>
const LossReport& adapter_forward_backward(Context& context, const AdaptedModel<T>& model, const StepInput<T>& input,
                                           AdapterWorkspace<T>& work, AdapterGradient<T>* gradient) {
  const FloatScope floats;
  const detail::StepRun<T> run{context, model, input, work, gradient};
  detail::check_step(run);
  work.begin(model.adapter.config);
  const bool has_gradient = gradient != nullptr, goes_back = has_gradient && run.has_mixtures();

  detail::encode_classes(run);                             // (1)
  detail::run_tower(run, goes_back);                       // (2), (3) to (9), (9') to (4')
  if (goes_back) detail::run_tower_backward(run);          // (3'), (2')
  if (has_gradient) detail::encode_classes_backward(run);  // (1')
  if (run.share().size() > 1) detail::join_results(run);
  if (has_gradient) run.observe().d_anchors(std::as_const(work.d_anchors).template view<3>());

  work.report.total = detail::total_loss(run);
  return work.report;
}

MOECLIP_INSTANTIATE(adapter_forward_backward)

}}  // namespace moeclip::abi_v0_1

#endif

// SPDX-License-Identifier: MIT
#pragma once
// One training step of Bayes-PFL, forward and back (BPS-1 to BPS-3 in this folder's README). The first part of the
// training, bayes_pfl_step, learns prompts, distributions and the comparison with patches; the second,
// bayes_pfl_score_step, the score of the whole picture alone.

#include <span>
#include <vector>

#include "../clip/text.hpp"
#include "bayes_pfl_samples.hpp"
#include "picture_features.hpp"
#include "prompt_text.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// B pictures with all that is drawn for their step.
template <class T>
struct BayesPflBatch {
  const PictureFeatures<T>& features;                    ///< of B pictures
  View<const T, 3> masks;                                ///< (B, S, S), nonzero where abnormal
  const std::vector<bool>& has_mask;                     ///< (B), or empty: all have
  std::span<const int> labels;                           ///< (B), 1: abnormal
  std::span<const std::span<const std::int32_t>> names;  ///< (B), tokens of what is seen, with begin and end
  const BayesPflNoise<T>& noise;                         ///< context (B, Dt), normal and abnormal (1, Dt)
  index_t prompt = 0;  ///< of the bank: the one whose maps and scores are learned from
};

/// The terms of the loss.
struct BayesPflLosses {
  double cross_entropy = 0;         ///< of the picture's score
  std::vector<double> focal, dice;  ///< BML-1, BML-2 of each level
  double divergence = 0;            ///< of the three distributions, weighted
  double orthogonality = 0;         ///< of the sentences of each state

  /// Their sum, which is minimised.
  [[nodiscard]] double total() const {
    double sum = cross_entropy + divergence + orthogonality;
    for (std::size_t l = 0; l < focal.size(); ++l) sum += focal[l] + dice[l];
    return sum;
  }
};

/// What a step keeps between its halves, and from step to step so that memory is taken once.
template <class T>
struct BayesPflWorkspace {
  BayesPflOffsets<T> offsets;       // of the distributions
  TextSaved<T> text;                // of the text tower
  PatchFusionSaved<T> fusion;       // of the second part
  std::vector<PromptGroup> groups;  // of the sentences
  Tensor<T> raw, t, d_t;            // (B, 2 * N, C): sentences, as unit vectors, their gradient
  Tensor<T> pair, d_pair;           // (B, 2, C): of the chosen prompt
};

/// The first part of the training. Gradients are added to.
template <class T>
BayesPflLosses bayes_pfl_step(Context& context, const TextTower<T>& tower, const BayesPfl<T>& model,
                              const BayesPflBatch<T>& batch, BayesPflWorkspace<T>& work, BayesPfl<T>& gradient);

/// The second part: cross entropy alone, and the gradients of class_mapping, image_mapping and fusion alone.
template <class T>
BayesPflLosses bayes_pfl_score_step(Context& context, const TextTower<T>& tower, const BayesPfl<T>& model,
                                    const BayesPflBatch<T>& batch, BayesPflWorkspace<T>& work, BayesPfl<T>& gradient);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <algorithm>
#include <cmath>

#include "../train/losses.hpp"
#include "balanced_map_losses.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline constexpr double kDivergenceWeight = 0.01;  // as released

template <class T>
struct BayesPflRun {
  Context& context;
  const TextTower<T>& tower;
  const BayesPfl<T>& model;
  const BayesPflBatch<T>& batch;
  BayesPflWorkspace<T>& work;
  BayesPfl<T>& gradient;

  [[nodiscard]] index_t pictures() const { return batch.features.batch(); }
  [[nodiscard]] index_t prompts() const { return model.config.prompts; }
  [[nodiscard]] index_t embed() const { return model.class_mapping.inputs(); }
  [[nodiscard]] PromptInput<T> sentences() const {
    const auto z = [](const FlowSaved<T>& flow) { return flow.z.template view<2>(); };
    return {model.prompt_context,
            model.prompt_normal,
            model.prompt_abnormal,
            z(work.offsets.context),
            z(work.offsets.normal),
            z(work.offsets.abnormal),
            work.groups};
  }
};

template <class T>
void check_bayes_pfl(const BayesPflRun<T>& run) {
  const BayesPflBatch<T>& batch = run.batch;
  const index_t pictures = run.pictures(), width = run.tower.config.width;
  MOECLIP_EXPECT(pictures > 0 && std::ssize(batch.labels) == pictures && std::ssize(batch.names) == pictures &&
                     batch.noise.context.shape() == Shape({pictures, width}) &&
                     batch.noise.normal.shape() == Shape({1, width}) &&
                     batch.noise.abnormal.shape() == Shape({1, width}),
                 "a step of ", pictures, " pictures was given ", batch.labels.size(), " labels, ", batch.names.size(),
                 " names and noise ", to_string(batch.noise.context.shape()));
  MOECLIP_EXPECT(batch.prompt >= 0 && batch.prompt < run.prompts() &&
                     batch.features.levels.size() == run.model.config.level_blocks.size(),
                 "prompt ", batch.prompt, " of ", run.prompts(), ", ", batch.features.levels.size(), " levels of ",
                 run.model.config.level_blocks.size());
}

/// (1) offsets, (2) sentences of all prompts, (3) the pair of the chosen prompt.
template <class T>
void encode_prompts(const BayesPflRun<T>& run, TextSaved<T>* saved) {
  BayesPflWorkspace<T>& work = run.work;
  const index_t pictures = run.pictures(), prompts = run.prompts(), embed = run.embed();
  bayes_pfl_offsets<T>(run.context, run.model, run.batch.features.embedding.template view<2>(), run.batch.noise,
                       work.offsets);  // (1)
  work.groups.clear();
  for (index_t b = 0; b < pictures; ++b)
    for (const bool is_abnormal : {false, true})
      work.groups.push_back({run.batch.names[static_cast<std::size_t>(b)], is_abnormal, b, 0});
  const index_t rows = 2 * pictures * prompts;
  const View<T, 2> raw(fit(work.raw, {pictures, 2 * prompts, embed}).data(), {rows, embed});
  const View<T, 2> t(fit(work.t, work.raw.shape()).data(), {rows, embed});
  prompt_text_forward<T>(run.context, run.tower, run.sentences(), raw, saved);  // (2)
  unit_rows<T>(run.context, raw, t);
  T* const pair = fit(work.pair, {pictures, 2, embed}).data();
  for (index_t i = 0; i < 2 * pictures; ++i)  // (3)
    std::copy_n(&t(i * prompts + run.batch.prompt, 0), embed, pair + i * embed);
}

/// Cross entropy of the scores e^tau m . v of unit vectors m of class_mapping(pair) and v of `vector` (B, C). d_pair,
/// d_vector and d_tau, unless they have no data, are added to, overwritten, added to.
template <class T>
struct ScoreTask {
  View<const T, 2> vector;
  View<T, 2> d_pair, d_vector;
  T* d_tau;
};

template <class T>
double score_pictures(const BayesPflRun<T>& run, const ScoreTask<T>& task) {
  const index_t pictures = run.pictures(), embed = run.embed();
  Arena::Scope scratch(run.context.arena());
  const auto take = [&](index_t rows, index_t columns) {
    return View<T, 2>(scratch.take<T>(rows * columns), {rows, columns});
  };
  const View<const T, 2> pair(run.work.pair.data(), {2 * pictures, embed});
  const View<T, 2> mapped = take(2 * pictures, embed), m = take(2 * pictures, embed), d_m = take(2 * pictures, embed);
  const View<T, 2> v = take(pictures, embed), d_v = take(pictures, embed);
  const View<T, 2> logits = take(pictures, 2), d_logits = take(pictures, 2);
  linear_forward<T>(run.context, run.model.class_mapping, pair, mapped);
  unit_rows<T>(run.context, mapped, m);
  unit_rows<T>(run.context, task.vector, v);
  const T scale = std::exp(run.model.temperature_image[0]);
  for (index_t i = 0; i < 2 * pictures; ++i) logits.data()[i] = scale * dot(embed, &m(i, 0), &v(i / 2, 0));
  const double loss = cross_entropy<T>(logits, run.batch.labels, d_logits);
  for (index_t b = 0; b < pictures; ++b)
    for (index_t c = 0; c < embed; ++c) {
      const T normal = scale * d_logits(b, 0), abnormal = scale * d_logits(b, 1);
      d_m(2 * b, c) = normal * v(b, c);
      d_m(2 * b + 1, c) = abnormal * v(b, c);
      d_v(b, c) = normal * m(2 * b, c) + abnormal * m(2 * b + 1, c);
    }
  if (task.d_tau != nullptr)
    for (index_t i = 0; i < 2 * pictures; ++i) *task.d_tau += d_logits.data()[i] * logits.data()[i];
  unit_rows_backward<T>(run.context, mapped, d_m, d_m);
  linear_backward<T>(run.context, run.model.class_mapping, pair, d_m, task.d_pair, &run.gradient.class_mapping,
                     {.accumulate = true});
  if (task.d_vector.data() != nullptr) unit_rows_backward<T>(run.context, task.vector, d_v, task.d_vector);
  return loss;
}

/// Mean over pictures, pairs of prompts and the diagonal, which counts 0, of the squared cosines of the sentences of a
/// state; d_t is added to.
template <class T>
double orthogonality(const BayesPflRun<T>& run) {
  const index_t prompts = run.prompts(), embed = run.embed(), states = 2 * run.pictures();
  const double share = 1 / static_cast<double>(run.pictures() * prompts * prompts);
  double sum = 0;
  for (index_t s = 0; s < states; ++s) {
    const T* const t = run.work.t.data() + s * prompts * embed;
    T* const d_t = run.work.d_t.data() + s * prompts * embed;
    for (index_t i = 0; i < prompts; ++i)
      for (index_t j = 0; j < i; ++j) {
        const T cosine = dot(embed, t + i * embed, t + j * embed);
        sum += 2 * share * static_cast<double>(cosine * cosine);
        const T factor = static_cast<T>(4 * share) * cosine;
        for (index_t c = 0; c < embed; ++c) {
          d_t[i * embed + c] += factor * t[j * embed + c];
          d_t[j * embed + c] += factor * t[i * embed + c];
        }
      }
  }
  return sum;
}

/// A level's losses, forward and back at once: nothing of it is needed later.
template <class T>
void compare_patches(const BayesPflRun<T>& run, std::size_t l, BayesPflLosses& losses) {
  const index_t pictures = run.pictures(), patches = run.batch.features.patches(), embed = run.embed();
  const index_t grid = run.batch.features.grid(), rows = pictures * patches;
  const Linear<T>&layer = run.model.attention.patches[l], &query = run.model.attention.query;
  const View<const T, 2> p = run.batch.features.levels[l].template view<2>();
  Arena::Scope scratch(run.context.arena());
  const auto take = [&](index_t count, index_t columns) {
    return View<T, 2>(scratch.take<T>(count * columns), {count, columns});
  };
  const View<T, 2> projected = take(rows, embed), f = take(rows, embed), d_f = take(rows, embed);
  const View<T, 2> y = take(2 * pictures, embed), way = take(pictures, embed);
  const View<T, 3> u(scratch.take<T>(rows), {pictures, grid, grid}), d_u(scratch.take<T>(rows), {pictures, grid, grid});
  std::vector<CrossAttentionSteps<T>> steps;
  const T scale = std::exp(run.model.temperature_pixel[0]);
  const auto of = [](const View<T, 2>& x, index_t b, index_t count) { return x.rows(b * count, (b + 1) * count); };
  patch_features_forward<T>(run.context, layer, p, projected, f);  // (5)
  for (index_t b = 0; b < pictures; ++b) {
    steps.push_back(CrossAttentionSteps<T>::take(scratch, 2, patches, embed));
    const View<const T, 2> t(run.work.pair.data() + 2 * b * embed, {2, embed});
    cross_attention_forward<T>(run.context, query, t, of(f, b, patches), steps.back(), of(y, b, 2));  // (6)
    for (index_t c = 0; c < embed; ++c) way(b, c) = scale * (y(2 * b + 1, c) - y(2 * b, c));
    kernels::gemm<T>(run.context, {patches, 1, embed}, kernels::row_major<T>(&f(b * patches, 0), embed),
                     kernels::transposed(kernels::row_major<T>(&way(b, 0), embed)), &u(b, 0, 0), 1);  // (7)
  }
  const BalancedMapLosses terms =
      balanced_map_losses<T>(run.context, {u, run.batch.masks, run.batch.has_mask, d_u});  // (8), (8')
  losses.focal[l] = terms.focal;
  losses.dice[l] = terms.dice;
  T& d_tau = run.gradient.temperature_pixel[0];
  for (index_t i = 0; i < rows; ++i) d_tau += d_u.data()[i] * u.data()[i];
  const View<T, 2> d_y = take(2, embed);
  for (index_t b = 0; b < pictures; ++b) {
    for (index_t i = 0; i < patches; ++i)  // (7')
      for (index_t c = 0; c < embed; ++c) d_f(b * patches + i, c) = d_u.data()[b * patches + i] * way(b, c);
    kernels::gemm<T>(run.context, {1, embed, patches}, kernels::row_major<T>(&d_u(b, 0, 0), patches),
                     kernels::row_major<T>(&f(b * patches, 0), embed), &d_y(1, 0), embed);
    for (index_t c = 0; c < embed; ++c) d_y(1, c) *= scale;
    for (index_t c = 0; c < embed; ++c) d_y(0, c) = -d_y(1, c);
    const View<T, 2> t(run.work.pair.data() + 2 * b * embed, {2, embed}),
        d_t(run.work.d_pair.data() + 2 * b * embed, {2, embed});
    cross_attention_backward<T>(
        run.context, query, {t, of(f, b, patches), steps[static_cast<std::size_t>(b)], d_y, d_t, of(d_f, b, patches)},
        run.gradient.attention.query);  // (6')
  }
  patch_features_backward<T>(run.context, layer, p, projected, d_f, run.gradient.attention.patches[l]);  // (5')
}

/// What the divergence of a distribution counts: that of the context is a mean over pictures; of a state's, which all
/// share, the stretching alone is divided by their number, as released.
inline DivergenceWeights divergence_weights(index_t pictures, bool is_state) {
  const double share = kDivergenceWeight / static_cast<double>(pictures);
  return {is_state ? kDivergenceWeight : share, share};
}

/// (2'), (1'): from d_t to the prompts and the distributions.
template <class T>
void encode_prompts_backward(const BayesPflRun<T>& run) {
  BayesPflWorkspace<T>& work = run.work;
  const BayesPfl<T>& model = run.model;
  BayesPfl<T>& gradient = run.gradient;
  const index_t pictures = run.pictures(), width = run.tower.config.width, rows = 2 * pictures * run.prompts();
  Arena::Scope scratch(run.context.arena());
  const auto zeros = [&](index_t count) {
    const View<T, 2> d(scratch.take<T>(count * width), {count, width});
    std::fill_n(d.data(), d.size(), T(0));
    return d;
  };
  const View<T, 2> raw(work.raw.data(), {rows, run.embed()}), d_t(work.d_t.data(), {rows, run.embed()});
  const View<T, 2> d_context = zeros(pictures), d_normal = zeros(1), d_abnormal = zeros(1);
  unit_rows_backward<T>(run.context, raw, d_t, d_t);
  prompt_text_backward<T>(
      run.context, run.tower, run.sentences(), work.text, d_t,
      {gradient.prompt_context, gradient.prompt_normal, gradient.prompt_abnormal, d_context, d_normal, d_abnormal});
  const BayesPflNoise<T>& noise = run.batch.noise;
  image_flow_backward<T>(run.context, {model.context_encoder, gradient.context_encoder},
                         {model.context_flow, gradient.context_flow}, run.batch.features.embedding.template view<2>(),
                         work.offsets.context,
                         {noise.context.template view<2>(), divergence_weights(pictures, false), d_context});
  state_flow_backward<T>(run.context, {model.state_encoder, gradient.state_encoder},
                         {model.normal_flow, gradient.normal_flow}, work.offsets.normal,
                         {noise.normal.template view<2>(), divergence_weights(pictures, true), d_normal});
  state_flow_backward<T>(run.context, {model.state_encoder, gradient.state_encoder},
                         {model.abnormal_flow, gradient.abnormal_flow}, work.offsets.abnormal,
                         {noise.abnormal.template view<2>(), divergence_weights(pictures, true), d_abnormal});
}

template <class T>
double all_divergences(const BayesPflRun<T>& run) {
  const BayesPflOffsets<T>& offsets = run.work.offsets;
  const BayesPflNoise<T>& noise = run.batch.noise;
  const index_t pictures = run.pictures();
  return flow_divergence<T>(offsets.context, noise.context.template view<2>(), divergence_weights(pictures, false)) +
         flow_divergence<T>(offsets.normal, noise.normal.template view<2>(), divergence_weights(pictures, true)) +
         flow_divergence<T>(offsets.abnormal, noise.abnormal.template view<2>(), divergence_weights(pictures, true));
}

}  // namespace detail

template <class T>
BayesPflLosses bayes_pfl_step(Context& context, const TextTower<T>& tower, const BayesPfl<T>& model,
                              const BayesPflBatch<T>& batch, BayesPflWorkspace<T>& work, BayesPfl<T>& gradient) {
  const FloatScope floats;
  const detail::BayesPflRun<T> run{context, tower, model, batch, work, gradient};
  detail::check_bayes_pfl(run);
  const index_t pictures = run.pictures(), prompts = run.prompts(), embed = run.embed();
  const std::size_t levels = batch.features.levels.size();
  BayesPflLosses losses;
  losses.focal.assign(levels, 0);
  losses.dice.assign(levels, 0);
  detail::encode_prompts<T>(run, &work.text);  // (1) to (3)
  losses.divergence = detail::all_divergences(run);
  detail::fit(work.d_t, work.t.shape()).fill(T(0));
  detail::fit(work.d_pair, work.pair.shape()).fill(T(0));
  losses.cross_entropy = detail::score_pictures<T>(run, {batch.features.embedding.template view<2>(),
                                                         {work.d_pair.data(), {2 * pictures, embed}},
                                                         {},
                                                         gradient.temperature_image.data()});  // (4), (4')
  for (std::size_t l = 0; l < levels; ++l) detail::compare_patches<T>(run, l, losses);         // (5) to (5')
  losses.orthogonality = detail::orthogonality(run);
  for (index_t i = 0; i < 2 * pictures; ++i)  // (3')
    for (index_t c = 0; c < embed; ++c)
      work.d_t[(i * prompts + batch.prompt) * embed + c] += work.d_pair[i * embed + c];
  detail::encode_prompts_backward(run);  // (2'), (1')
  return losses;
}

template <class T>
BayesPflLosses bayes_pfl_score_step(Context& context, const TextTower<T>& tower, const BayesPfl<T>& model,
                                    const BayesPflBatch<T>& batch, BayesPflWorkspace<T>& work, BayesPfl<T>& gradient) {
  const FloatScope floats;
  const detail::BayesPflRun<T> run{context, tower, model, batch, work, gradient};
  detail::check_bayes_pfl(run);
  const index_t pictures = run.pictures(), embed = run.embed();
  detail::encode_prompts<T>(run, nullptr);  // (1) to (3)
  Arena::Scope scratch(context.arena());
  const auto take = [&] { return View<T, 2>(scratch.take<T>(pictures * embed), {pictures, embed}); };
  const View<T, 2> fused = take(), v = take(), d_v = take(), d_fused = take();
  std::vector<View<const T, 2>> levels;
  for (const Tensor<T>& level : batch.features.levels) levels.push_back(level.template view<2>());
  patch_fusion_forward<T>(context, model.fusion, levels, fused, work.fusion);
  for (index_t i = 0; i < fused.size(); ++i) fused.data()[i] += batch.features.embedding[i];
  linear_forward<T>(context, model.image_mapping, fused, v);
  BayesPflLosses losses;
  losses.cross_entropy = detail::score_pictures<T>(run, {v, {}, d_v, nullptr});  // (4), (4')
  linear_backward<T>(context, model.image_mapping, fused, d_v, d_fused, &gradient.image_mapping);
  patch_fusion_backward<T>(context, model.fusion, levels, d_fused, work.fusion, gradient.fusion);
  return losses;
}

MOECLIP_INSTANTIATE(bayes_pfl_step)
MOECLIP_INSTANTIATE(bayes_pfl_score_step)

}}  // namespace moeclip::abi_v0_1

#endif

// SPDX-License-Identifier: MIT
#pragma once
// This is the adapted image pass, forward and backward (METHOD section 2): CLIP's tower runs, mixtures act after their
// blocks, and at each level the patch tokens become unit vectors, map by map. After block n of the tower,
//
//   (1)  x <- the mixture's m matched into x        moe/mixing.hpp
//
// and for each map of the level of block n, by its window,
//
//   (2)  a = mean of x over the window              aggregate.hpp
//   (3)  t = LN_post(a)                             nn/layer_norm.hpp
//   (4)  d = detection head(t)                      heads.hpp; one vector per image, from the detection map only
//   (5)  z = act(P t),   (6)  f = z / |z|           heads.hpp
//
// Maps are handed over one at a time and not kept: twelve of them for a 518 pixel image would be 50 MB. The backward
// pass computes (2) to (6) again from the tokens x of the level, then goes from (6') to (1'). Training
// (train/adapter_step.hpp) takes the same steps with its losses between (6) and (6').

#include <cmath>
#include <optional>
#include <vector>

#include "../clip/projection.hpp"
#include "../clip/vision.hpp"
#include "../moe/mixing.hpp"
#include "aggregate.hpp"
#include "heads.hpp"
#include "observer.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A CLIP, possibly packed, with positions for the size of the images, and the adapter on it.
template <class T>
struct AdaptedModel {
  const VisionTower<T>& tower;  ///< the image tower
  const Tensor<T>& positions;   ///< (1 + g g, D) (nn/position.hpp)
  const Adapter<T>& adapter;    ///< for a tower of this width
};

/// What the steps of one map make of B images. Rows are patches, image by image.
template <class T>
struct MapSteps {
  View<T, 2> aggregated, tokens;   ///< (B * L, D) of (2) and (3)
  View<T, 2> projected, features;  ///< (B * L, C) of (5) and (6)

  /// Memory for `rows` patches; `embed` is 0 if (5) and (6) are not wanted. A way back needs every step. Without one,
  /// (3) is made in the place of (2) and (6) in that of (5), with the same bits.
  static MapSteps take(Arena::Scope& scratch, index_t rows, index_t width, index_t embed, bool goes_back) {
    const auto take = [&](index_t columns) { return View<T, 2>(scratch.take<T>(rows * columns), {rows, columns}); };
    MapSteps steps;
    steps.aggregated = take(width);
    steps.tokens = goes_back ? take(width) : steps.aggregated;
    steps.projected = take(embed);
    steps.features = goes_back ? take(embed) : steps.projected;
    return steps;
  }
};

/// Gradients of the two ends of (5) and (6).
template <class T>
struct MapFeatureGradient {
  View<T, 2> d_features;  ///< (B * L, C) in; overwritten
  View<T, 2> d_tokens;    ///< (B * L, D) out; without data: not wanted
  BatchShare share = {};  ///< whose pictures these are
};

/// The embeddings of a batch on their way back.
template <class T>
struct EmbeddingBackward {
  View<const T, 2> tokens;       ///< (B * L, D), and
  DetectionSteps<T> steps;       ///< of embeddings_forward
  View<const T, 2> d_embedding;  ///< (B, C)
  View<T, 2> d_tokens;           ///< (B * L, D), added to
  BatchShare share = {};         ///< whose pictures these are
};

/// (2) and (3) of map `map`, from the tokens x (B, 1 + L, D) of its level.
template <class T>
void map_tokens_forward(Context& context, const AdaptedModel<T>& model, index_t map, View<const T, 3> x,
                        const MapSteps<T>& steps, const FeatureObserver<T>& observe = {});

/// Adds to d_x (B, 1 + L, D) what d_tokens (B * L, D), the gradient of t, sends back; d_tokens is overwritten.
template <class T>
void map_tokens_backward(Context& context, const AdaptedModel<T>& model, index_t map, const MapSteps<T>& steps,
                         View<T, 2> d_tokens, View<T, 3> d_x);

/// (4): the embedding (B, C) of each image, from the tokens (B * L, D) of the detection map.
template <class T>
void embeddings_forward(Context& context, const DetectionHead<T>& head, View<const T, 2> tokens,
                        const DetectionSteps<T>& steps, View<T, 2> embedding);

/// (4'). `gradient` may be null.
template <class T>
void embeddings_backward(Context& context, const DetectionHead<T>& head, const EmbeddingBackward<T>& back,
                         DetectionHead<T>* gradient);

/// (5) and (6) of map `map`.
template <class T>
void map_features_forward(Context& context, const Adapter<T>& adapter, index_t map, const MapSteps<T>& steps,
                          const FeatureObserver<T>& observe = {});

/// (6') and (5'). `gradient` may be null: the projections are frozen.
template <class T>
void map_features_backward(Context& context, const Adapter<T>& adapter, index_t map, const MapSteps<T>& steps,
                           const MapFeatureGradient<T>& d, Adapter<T>* gradient);

/// What an image pass leaves for its backward pass. Memory is taken by the first pass only.
template <class T>
struct FeatureSaved {
  TransformerSaved<T> blocks;            // as blocks.plan says, which is set before the pass
  std::vector<MixingSaved<T>> mixtures;  // of each: input, routing, m
  std::vector<Tensor<T>> levels;         // (B, T, D) each: the tokens that its maps are made of
};

/// Who receives the results of an image pass.
template <class T>
struct FeatureSink {
  /// Unit features f (B * L, C) of map m; valid during the call. Without it they are not made.
  std::optional<function_ref<void(index_t map, View<const T, 2> features)>> on_map;
  View<T, 2> embedding;              ///< (B, C) out: one vector per image
  const Probe<T>* probe = nullptr;   ///< sees every intermediate
  bool is_dense = false;             ///< evaluate all experts on all tokens, as training does: the same numbers
  FeatureSaved<T>* saved = nullptr;  ///< keeps what a backward pass needs: the same bits
  /// Tokens x (B, T, D) after block n (1-based) and its mixture; valid during the call.
  std::optional<function_ref<void(index_t block, View<const T, 3> tokens)>> on_block = std::nullopt;
};

/// The pass that is run back, and the gradients that it starts from.
template <class T>
struct FeatureBackward {
  const VisionTower<T>& tower;  ///< that of the forward pass
  const Adapter<T>& adapter;    ///< that of the forward pass, with a detection head
  VisionInput<T> input;         ///< images and positions of the forward pass
  FeatureSaved<T>& saved;       ///< what the forward pass kept, FeatureSink::saved
  /// Writes the gradient of the unit features f (B * L, C) of map m to d_features.
  function_ref<void(index_t map, View<const T, 2> features, View<T, 2> d_features)> on_map;
  View<const T, 2> d_embedding;  ///< (B, C)
  /// Told of the gradient (B * T, D) of each mixture's m, before norm matching, the last mixture first.
  function_ref<void(std::size_t mixture, View<const T, 2> d_m)> on_mixture;
};

/// Blocks that such a pass has to keep: those above the first mixture, in no more than `budget` bytes if possible.
template <class T>
SavePlan feature_plan(const VisionConfig& vision, const AdapterConfig& config, TokenLayout layout, index_t budget);

/// Runs images (B, 3, S, S) through tower and adapter and hands the results to `sink`. positions (1 + g g, D).
template <class T>
void features_forward(Context& context, const VisionTower<T>& tower, const Adapter<T>& adapter,
                      const Tensor<T>& positions, View<const T, 4> images, const FeatureSink<T>& sink);

/// Runs a saved pass of an adapter with a detection head backward, for those who ask what a result hangs on: from
/// gradients of the maps' features and of the embedding down to the first mixture. It holds no loss and touches no
/// parameter. d_tokens (B, T, D) is scratch of the caller; in the end it holds the gradient of the first mixture's
/// input.
template <class T>
void features_backward(Context& context, const FeatureBackward<T>& back, View<T, 3> d_tokens);

namespace detail {

/// Side of a grid of so many patches.
inline index_t grid_side(index_t patches) {
  return static_cast<index_t>(std::lround(std::sqrt(static_cast<double>(patches))));
}

/// Patches of image b among those of all images.
template <class T>
View<T, 2> patches_of(View<T, 2> rows, index_t b, index_t patches) {
  return rows.rows(b * patches, (b + 1) * patches);
}

/// Calls visit(i) for every place i of `blocks` that names `block`.
template <class Visit>
void for_each_at(const std::vector<index_t>& blocks, index_t block, const Visit& visit) {
  for (std::size_t i = 0; i < blocks.size(); ++i)
    if (blocks[i] == block) visit(i);
}

}  // namespace detail

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_ANOMALY)

#include <algorithm>
#include <utility>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// The aggregation window of map `map`.
inline index_t window_of_map(const AdapterConfig& config, index_t map) {
  return config.windows[static_cast<std::size_t>(map % std::ssize(config.windows))];
}

}  // namespace detail

template <class T>
void map_tokens_forward(Context& context, const AdaptedModel<T>& model, index_t map, View<const T, 3> x,
                        const MapSteps<T>& steps, const FeatureObserver<T>& observe) {
  const index_t patches = x.extent(1) - 1, window = detail::window_of_map(model.adapter.config, map);
  for (index_t b = 0; b < x.extent(0); ++b)
    aggregate_patches<T>(context, detail::grid_side(patches), window, x[b].rows(1, patches + 1),
                         detail::patches_of(steps.aggregated, b, patches));  // (2)
  observe.aggregated(map, steps.aggregated);
  layer_norm_forward<T>(context, model.tower.ln_post, steps.aggregated, steps.tokens);  // (3)
  observe.normed(map, steps.tokens);
}

template <class T>
void map_tokens_backward(Context& context, const AdaptedModel<T>& model, index_t map, const MapSteps<T>& steps,
                         View<T, 2> d_tokens, View<T, 3> d_x) {
  const index_t patches = d_x.extent(1) - 1, window = detail::window_of_map(model.adapter.config, map);
  layer_norm_backward<T>(context, model.tower.ln_post, steps.aggregated, d_tokens, d_tokens, nullptr);  // (3')
  for (index_t b = 0; b < d_x.extent(0); ++b)
    aggregate_patches_backward<T>(context, detail::grid_side(patches), window, detail::patches_of(d_tokens, b, patches),
                                  d_x[b].rows(1, patches + 1));  // (2')
}

template <class T>
void embeddings_forward(Context& context, const DetectionHead<T>& head, View<const T, 2> tokens,
                        const DetectionSteps<T>& steps, View<T, 2> embedding) {
  const index_t patches = tokens.extent(0) / embedding.extent(0);
  for (index_t b = 0; b < embedding.extent(0); ++b)
    detection_forward<T>(context, head, detail::patches_of(tokens, b, patches),
                         steps.rows(b * patches, (b + 1) * patches), &embedding(b, 0));
}

template <class T>
void embeddings_backward(Context& context, const DetectionHead<T>& head, const EmbeddingBackward<T>& back,
                         DetectionHead<T>* gradient) {
  const index_t patches = back.tokens.extent(0) / back.d_embedding.extent(0);
  const bool is_shared = gradient != nullptr && back.share.size() > 1;
  const auto each_sum = [&](auto&& visit) {
    visit_parameters(*gradient, "", [&](const std::string&, Tensor<T>& sums) {
      visit(std::span<T>(sums.data(), static_cast<std::size_t>(sums.size())));
    });
  };
  if (is_shared) each_sum([&](std::span<T> sums) { back.share.take_over(sums); });
  const index_t own = is_shared ? back.share.own() : back.d_embedding.extent(0);
  for (index_t b = 0; b < own; ++b)
    detection_backward<T>(context, head,
                          {detail::patches_of(back.tokens, b, patches), back.steps.rows(b * patches, (b + 1) * patches),
                           &back.d_embedding(b, 0), detail::patches_of(back.d_tokens, b, patches)},
                          gradient);
  if (is_shared) each_sum([&](std::span<T> sums) { back.share.hand_on(sums); });
}

template <class T>
void map_features_forward(Context& context, const Adapter<T>& adapter, index_t map, const MapSteps<T>& steps,
                          const FeatureObserver<T>& observe) {
  project_tokens<T>(context, adapter, map, steps.tokens, steps.projected);  // (5)
  observe.projected(map, steps.projected);
  if (steps.features.data() != steps.projected.data())
    std::copy_n(steps.projected.data(), steps.projected.size(), steps.features.data());
  normalize_tokens<T>(context, steps.features);  // (6)
  observe.features(map, steps.features);
}

template <class T>
void map_features_backward(Context& context, const Adapter<T>& adapter, index_t map, const MapSteps<T>& steps,
                           const MapFeatureGradient<T>& d, Adapter<T>* gradient) {
  project_tokens_backward<T>(context, adapter, map, {steps.tokens, steps.projected, d.d_features, d.d_tokens, d.share},
                             gradient);
}

template <class T>
SavePlan feature_plan(const VisionConfig& vision, const AdapterConfig& config, TokenLayout layout, index_t budget) {
  const auto& blocks = config.mixture_blocks;
  const index_t first = blocks.empty() ? vision.layers + 1 : *std::min_element(blocks.begin(), blocks.end()) + 1;
  return plan_for<T>(transformer_config(vision), layout, first, budget);
}

namespace detail {

/// (1): mixture j acts on all tokens x (B * T, D), class tokens too.
template <class T>
void mixture_on_tokens(Context& context, const Adapter<T>& adapter, std::size_t j, View<T, 2> x,
                       const FeatureSink<T>& sink) {
  const Mixture<T>& mixture = adapter.mixtures[j];
  const index_t rows = x.extent(0), width = x.extent(1), experts = mixture.expert_count();
  const FeatureObserver<T> observe{sink.probe, sink.embedding.extent(0)};
  Arena::Scope scratch(context.arena());
  Routing<T> routing;
  View<T, 2> m;
  if (sink.saved == nullptr) {
    routing = Routing<T>::take(scratch, rows, experts, mixture.chosen);
    m = View<T, 2>(scratch.take<T>(rows * width), {rows, width});
  } else {
    MixingSaved<T>& saved = sink.saved->mixtures[j];
    saved.fit(rows, width, experts, mixture.chosen);
    std::copy_n(x.data(), x.size(), saved.x.data());
    routing = saved.routing();
    m = saved.m.template view<2>();
  }
  router_forward<T>(context, mixture.router, x, routing);
  if (sink.is_dense) {
    Arena::Scope dense(context.arena());
    const View<T, 3> outputs(dense.take<T>(experts * x.size()), {experts, rows, width});
    mixture_forward_dense<T>(context, mixture, routing, x, {outputs, m});
  } else {
    mixture_forward_sparse<T>(context, mixture, routing, x, m);
  }
  observe.mixture(j, x, routing, m);
  norm_match_forward<T>(context, static_cast<T>(adapter.config.mix_weight), m, x);
  observe.mixed(j, x);
}

/// (1'): d_x (B * T, D), in the gradient of what the mixture left, out that of what it found.
template <class T>
void mixture_on_tokens_backward(Context& context, const FeatureBackward<T>& back, std::size_t j, View<T, 2> d_x) {
  Arena::Scope scratch(context.arena());
  const View<T, 2> d_m(scratch.take<T>(d_x.size()), d_x.extents());
  MixingOptions options;
  options.mix_weight = back.adapter.config.mix_weight;
  mixing_backward<T>(context, back.adapter.mixtures[j], options, back.saved.mixtures[j], d_x, {nullptr, nullptr, d_m});
  back.on_mixture(j, d_m);
}

/// (2) to (6) for the maps of a level, from the tokens x (B, T, D) after its block.
template <class T>
void maps_of_level(Context& context, const AdaptedModel<T>& model, index_t level, View<const T, 3> x,
                   const FeatureSink<T>& sink) {
  const Adapter<T>& adapter = model.adapter;
  const index_t batch = x.extent(0), rows = batch * (x.extent(1) - 1), width = x.extent(2);
  const index_t embed = sink.embedding.extent(1), windows = std::ssize(adapter.config.windows);
  const FeatureObserver<T> observe{sink.probe, batch};
  Arena::Scope scratch(context.arena());
  const auto steps = MapSteps<T>::take(scratch, rows, width, embed, false);
  for (index_t map = level * windows; map < (level + 1) * windows; ++map) {
    const bool has_head = adapter.detection && map == adapter.config.detection_map();
    if (!sink.on_map && !has_head) continue;
    map_tokens_forward<T>(context, model, map, x, steps, observe);  // (2), (3)
    if (has_head) {
      Arena::Scope own(context.arena());
      const auto head = DetectionSteps<T>::take(own, rows, width, embed);
      embeddings_forward<T>(context, *adapter.detection, steps.tokens, head, sink.embedding);  // (4)
      observe.detection(head.normed, head.convolved, head.projected, sink.embedding);
    }
    if (!sink.on_map) continue;
    map_features_forward<T>(context, adapter, map, steps, observe);  // (5), (6)
    (*sink.on_map)(map, steps.features);
  }
}

/// Adds to d_x (B, T, D) what the maps of a level send back: (2) to (6) once more, then (6') to (2').
template <class T>
void maps_of_level_backward(Context& context, const FeatureBackward<T>& back, index_t level, View<T, 3> d_x) {
  const Adapter<T>& adapter = back.adapter;
  const AdaptedModel<T> model{back.tower, back.input.positions, adapter};
  const View<const T, 3> x = std::as_const(back.saved.levels[static_cast<std::size_t>(level)]).template view<3>();
  const index_t rows = x.extent(0) * (x.extent(1) - 1), width = x.extent(2), embed = back.d_embedding.extent(1);
  const index_t windows = std::ssize(adapter.config.windows);
  Arena::Scope scratch(context.arena());
  const auto steps = MapSteps<T>::take(scratch, rows, width, embed, true);
  const View<T, 2> d_tokens(scratch.take<T>(rows * width), {rows, width});
  const View<T, 2> d_features(scratch.take<T>(rows * embed), {rows, embed});
  const View<T, 2> embedding(scratch.take<T>(back.d_embedding.size()), back.d_embedding.extents());
  for (index_t map = level * windows; map < (level + 1) * windows; ++map) {
    Arena::Scope own(context.arena());
    const bool has_head = map == adapter.config.detection_map();
    const auto head = DetectionSteps<T>::take(own, has_head ? rows : 0, width, embed);
    map_tokens_forward<T>(context, model, map, x, steps);                                             // (2), (3)
    if (has_head) embeddings_forward<T>(context, *adapter.detection, steps.tokens, head, embedding);  // (4)
    map_features_forward<T>(context, adapter, map, steps);                                            // (5), (6)
    back.on_map(map, steps.features, d_features);
    map_features_backward<T>(context, adapter, map, steps, {d_features, d_tokens}, nullptr);  // (6'), (5')
    if (has_head)
      embeddings_backward<T>(context, *adapter.detection, {steps.tokens, head, back.d_embedding, d_tokens},
                             nullptr);                                  // (4')
    map_tokens_backward<T>(context, model, map, steps, d_tokens, d_x);  // (3'), (2')
  }
}

/// Without a detection head, in the place of (4): the unit class embedding of CLIP itself, from the last block's tokens
/// x (B, T, D).
template <class T>
void embed_class_tokens(Context& context, const VisionTower<T>& tower, View<const T, 3> x, View<T, 2> embedding) {
  const index_t batch = x.extent(0), width = x.extent(2);
  Arena::Scope scratch(context.arena());
  const View<T, 2> classes(scratch.take<T>(batch * width), {batch, width});
  for (index_t b = 0; b < batch; ++b) std::copy_n(&x(b, 0, 0), width, &classes(b, 0));
  layer_norm_forward<T>(context, tower.ln_post, classes, classes);
  project_forward<T>(context, tower.projection, classes, embedding);
  normalize_tokens<T>(context, embedding);
}

}  // namespace detail

template <class T>
void features_forward(Context& context, const VisionTower<T>& tower, const Adapter<T>& adapter,
                      const Tensor<T>& positions, View<const T, 4> images, const FeatureSink<T>& sink) {
  const AdapterConfig& config = adapter.config;
  const AdaptedModel<T> model{tower, positions, adapter};
  const index_t batch = images.extent(0), count = positions.extent(0), width = tower.config.width;
  Arena::Scope scratch(context.arena());
  const View<T, 3> tokens(scratch.take<T>(batch * count * width), {batch, count, width});
  auto after_block = [&](index_t block, View<T, 2> x) {
    detail::for_each_at(config.mixture_blocks, block,
                        [&](std::size_t j) { detail::mixture_on_tokens<T>(context, adapter, j, x, sink); });  // (1)
    if (sink.on_block) (*sink.on_block)(block, tokens);
    detail::for_each_at(config.level_blocks, block, [&](std::size_t l) {
      if (sink.saved != nullptr)
        std::copy_n(tokens.data(), tokens.size(), detail::fit(sink.saved->levels[l], {batch, count, width}).data());
      detail::maps_of_level<T>(context, model, static_cast<index_t>(l), tokens, sink);  // (2) to (6)
    });
  };
  TransformerSaved<T>* blocks = nullptr;
  if (sink.saved != nullptr) {
    sink.saved->mixtures.resize(config.mixture_blocks.size());
    sink.saved->levels.resize(config.level_blocks.size());
    blocks = &sink.saved->blocks;
  }
  vision_forward<T>(context, tower, images, positions, tokens, {after_block, sink.probe, blocks});
  if (!adapter.detection) detail::embed_class_tokens<T>(context, tower, tokens, sink.embedding);
}

template <class T>
void features_backward(Context& context, const FeatureBackward<T>& back, View<T, 3> d_tokens) {
  const AdapterConfig& config = back.adapter.config;
  MOECLIP_EXPECT(back.adapter.detection.has_value() && back.saved.mixtures.size() == back.adapter.mixtures.size() &&
                     back.d_embedding.extent(0) == d_tokens.extent(0),
                 "a backward pass needs an adapter with a detection head, and a forward pass that kept its steps");
  std::fill_n(d_tokens.data(), d_tokens.size(), T(0));
  auto before_block = [&](index_t block, View<T, 2> d_x) {
    detail::for_each_at(config.level_blocks, block, [&](std::size_t l) {
      detail::maps_of_level_backward<T>(context, back, static_cast<index_t>(l), d_tokens);  // (6') to (2')
    });
    detail::for_each_at(config.mixture_blocks, block,
                        [&](std::size_t j) { detail::mixture_on_tokens_backward<T>(context, back, j, d_x); });  // (1')
  };
  vision_backward<T>(context, back.tower, back.input, d_tokens, {before_block, back.saved.blocks, nullptr});
}

MOECLIP_INSTANTIATE(map_tokens_forward)
MOECLIP_INSTANTIATE(map_tokens_backward)
MOECLIP_INSTANTIATE(embeddings_forward)
MOECLIP_INSTANTIATE(embeddings_backward)
MOECLIP_INSTANTIATE(map_features_forward)
MOECLIP_INSTANTIATE(map_features_backward)
MOECLIP_INSTANTIATE(feature_plan)
MOECLIP_INSTANTIATE(features_forward)
MOECLIP_INSTANTIATE(features_backward)

}}  // namespace moeclip::abi_v0_1

#endif

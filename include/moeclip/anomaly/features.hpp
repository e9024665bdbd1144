// SPDX-License-Identifier: MIT
#pragma once
// The adapted image pass (METHOD section 2): CLIP's tower runs, mixtures act after their blocks, and at each level the
// patch tokens become unit vectors, map by map. Maps are handed over one at a time and not kept: twelve of them for a
// 518 pixel image would be 50 MB.

#include <algorithm>
#include <cmath>

#include "../clip/projection.hpp"
#include "../clip/vision.hpp"
#include "../moe/mixing.hpp"
#include "aggregate.hpp"
#include "heads.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What an image pass leaves for its backward pass (features_backward.hpp). Memory is taken by the first pass only.
template <class T>
struct FeatureSaved {
  TransformerSaved<T> blocks;            // as blocks.plan says, which is set before the pass
  std::vector<MixingSaved<T>> mixtures;  // of each: input, routing, m
  std::vector<Tensor<T>> levels;         // (B, T, D) each: the tokens that its maps are made of
};

/// Who receives the results of an image pass.
template <class T>
struct FeatureSink {
  /// Unit features f (B * L, C) of map m; valid during the call.
  function_ref<void(index_t map, View<const T, 2> features)> on_map;
  View<T, 2> embedding;              ///< (B, C) out: one vector per image
  const Probe<T>* probe = nullptr;   ///< sees every intermediate
  bool is_dense = false;             ///< evaluate all experts on all tokens, as training does: the same numbers
  FeatureSaved<T>* saved = nullptr;  ///< keeps what a backward pass needs: the same bits
};

namespace detail {

/// Shows values to a probe, if there is one. `name` is a string or makes one when called, so that nobody pays for
/// names that nobody reads.
template <class T, class Name>
void show(const Probe<T>* probe, const Name& name, const Shape& shape, const T* values) {
  if (probe != nullptr) probe->on_values(name(), shape, values);
}

/// m (N, D) by the path that the sink asks for.
template <class T>
void run_mixture(Context& context, const Mixture<T>& mixture, const Routing<T>& routing, View<const T, 2> x,
                 bool is_dense, View<T, 2> m) {
  if (!is_dense) return mixture_forward_sparse<T>(context, mixture, routing, x, m);
  Arena::Scope scratch(context.arena());
  const index_t experts = mixture.expert_count();
  const View<T, 3> outputs(scratch.take<T>(experts * x.size()), {experts, x.extent(0), x.extent(1)});
  mixture_forward_dense<T>(context, mixture, routing, x, {outputs, m});
}

/// Mixture j acts on all tokens x (B * T, D), class tokens too.
template <class T>
void apply_mixture(Context& context, const Adapter<T>& adapter, std::size_t j, index_t batch, View<T, 2> x,
                   const FeatureSink<T>& sink) {
  const Probe<T>* probe = sink.probe;
  const Mixture<T>& mixture = adapter.mixtures[j];
  const index_t rows = x.extent(0), width = x.extent(1), tokens = rows / batch, experts = mixture.expert_count();
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
  run_mixture<T>(context, mixture, routing, x, sink.is_dense, m);
  if (probe != nullptr) {
    const std::string name = concat("moe_", j, "/");
    probe->on_values(name + "input", {batch, tokens, width}, x.data());
    probe->on_values(name + "router_logits", {batch, tokens, experts}, routing.logits.data());
    probe->on_values(name + "router_probs", {batch, tokens, experts}, routing.probabilities.data());
    probe->on_indices(name + "topk", {batch, tokens, mixture.chosen}, routing.chosen.data());
    probe->on_values(name + "weights", {batch, tokens, mixture.chosen}, routing.weights.data());
    probe->on_values(name + "output", {batch, tokens, width}, m.data());
  }
  norm_match_forward<T>(context, static_cast<T>(adapter.config.mix_weight), m, x);
  show<T>(
      probe, [&] { return concat("mixed/", j); }, {batch, tokens, width}, x.data());
}

/// Detection embeddings of all images from the ln_post patch tokens (B * L, D) of the detection map.
template <class T>
void detect_images(Context& context, const DetectionHead<T>& head, View<const T, 2> tokens,
                   const FeatureSink<T>& sink) {
  const index_t batch = sink.embedding.extent(0), patches = tokens.extent(0) / batch, width = tokens.extent(1);
  const index_t embed = sink.embedding.extent(1);
  Arena::Scope scratch(context.arena());
  const auto steps = DetectionSteps<T>::take(scratch, batch * patches, width, embed);
  for (index_t b = 0; b < batch; ++b)
    detection_forward<T>(context, head, tokens.rows(b * patches, (b + 1) * patches),
                         steps.rows(b * patches, (b + 1) * patches), &sink.embedding(b, 0));
  if (sink.probe == nullptr) return;
  sink.probe->on_values("det/ln", {batch, patches, width}, steps.normed.data());
  sink.probe->on_values("det/depthwise", {batch, patches, width}, steps.convolved.data());
  sink.probe->on_values("det/proj", {batch, patches, embed}, steps.projected.data());
  sink.probe->on_values("det_token", {batch, embed}, sink.embedding.data());
}

/// All maps of one level from the tokens x (B, T, D) after its block.
template <class T>
void emit_level(Context& context, const VisionTower<T>& tower, const Adapter<T>& adapter, index_t level,
                View<const T, 3> x, const FeatureSink<T>& sink) {
  const index_t batch = x.extent(0), patches = x.extent(1) - 1, width = x.extent(2);
  const index_t embed = sink.embedding.extent(1), windows = static_cast<index_t>(adapter.config.windows.size());
  const auto grid = static_cast<index_t>(std::lround(std::sqrt(static_cast<double>(patches))));
  Arena::Scope scratch(context.arena());
  const View<T, 2> tokens(scratch.take<T>(batch * patches * width), {batch * patches, width});
  const View<T, 2> features(scratch.take<T>(batch * patches * embed), {batch * patches, embed});
  const Shape token_shape{batch, patches, width}, feature_shape{batch, patches, embed};
  for (index_t w = 0; w < windows; ++w) {
    const index_t map = level * windows + w, window = adapter.config.windows[static_cast<std::size_t>(w)];
    const auto name = [map](const char* folder) { return [=] { return folder + two_digits(map); }; };
    for (index_t b = 0; b < batch; ++b)
      aggregate_patches<T>(context, grid, window, x[b].rows(1, patches + 1),
                           tokens.rows(b * patches, (b + 1) * patches));
    show<T>(sink.probe, name("paa/"), token_shape, tokens.data());
    layer_norm_forward<T>(context, tower.ln_post, tokens, tokens);
    show<T>(sink.probe, name("ln_post/"), token_shape, tokens.data());
    if (adapter.detection && map == adapter.config.detection_map())
      detect_images<T>(context, *adapter.detection, tokens, sink);
    project_tokens<T>(context, adapter, map, tokens, features);
    show<T>(sink.probe, name("seg_proj/"), feature_shape, features.data());
    normalize_tokens<T>(context, features);
    show<T>(sink.probe, name("seg_tokens/"), feature_shape, features.data());
    sink.on_map(map, features);
  }
}

/// Without a detection head: the unit class embedding of CLIP itself, from the last block's tokens x (B, T, D).
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

/// Runs images (B, 3, S, S) through tower and adapter and hands the results to `sink`. positions (1 + g g, D).
template <class T>
void features_forward(Context& context, const VisionTower<T>& tower, const Adapter<T>& adapter,
                      const Tensor<T>& positions, View<const T, 4> images, const FeatureSink<T>& sink) {
  const AdapterConfig& config = adapter.config;
  const index_t batch = images.extent(0), count = positions.extent(0), width = tower.config.width;
  Arena::Scope scratch(context.arena());
  const View<T, 3> tokens(scratch.take<T>(batch * count * width), {batch, count, width});
  auto after_block = [&](index_t block, View<T, 2> x) {
    for (std::size_t j = 0; j < config.mixture_blocks.size(); ++j)
      if (config.mixture_blocks[j] == block) detail::apply_mixture<T>(context, adapter, j, batch, x, sink);
    for (std::size_t l = 0; l < config.level_blocks.size(); ++l) {
      if (config.level_blocks[l] != block) continue;
      if (sink.saved != nullptr)
        std::copy_n(tokens.data(), tokens.size(), detail::fit(sink.saved->levels[l], {batch, count, width}).data());
      detail::emit_level<T>(context, tower, adapter, static_cast<index_t>(l), tokens, sink);
    }
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

}}  // namespace moeclip::abi_v0_1

// SPDX-License-Identifier: MIT
#pragma once
// The way back through the adapted image pass (features.hpp), for those who ask what a result hangs on: from gradients
// of the maps' features and of the embedding down to the first mixture. It holds no loss and touches no parameter.

#include "features.hpp"
#include "map_turn.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The pass that is run back, and the gradients that it starts from.
template <class T>
struct FeatureBackward {
  const VisionTower<T>& tower;
  const Adapter<T>& adapter;
  VisionInput<T> input;
  FeatureSaved<T>& saved;
  /// Writes the gradient of the unit features f (B * L, C) of map m to d_features.
  function_ref<void(index_t map, View<const T, 2> features, View<T, 2> d_features)> on_map;
  View<const T, 2> d_embedding;  ///< (B, C)
  /// Told of the gradient (B * T, D) of each mixture's m, before norm matching, the last mixture first.
  function_ref<void(std::size_t mixture, View<const T, 2> d_m)> on_mixture;
};

/// Blocks that such a pass has to keep: those above the first mixture, in no more than `budget` bytes if possible.
template <class T>
SavePlan feature_plan(const VisionConfig& vision, const AdapterConfig& config, TokenLayout layout, index_t budget) {
  const auto& blocks = config.mixture_blocks;
  const index_t first = blocks.empty() ? vision.layers + 1 : *std::ranges::min_element(blocks) + 1;
  return plan_for<T>(transformer_config(vision), layout, first, budget);
}

namespace detail {

/// Adds to d_x (B, T, D) what map `map` of the tokens x (B, T, D) sends back.
template <class T>
void map_backward(Context& context, const FeatureBackward<T>& back, index_t map, View<const T, 3> x, View<T, 3> d_x) {
  const index_t batch = x.extent(0), patches = x.extent(1) - 1, embed = back.d_embedding.extent(1);
  const auto on_features = [&](View<const T, 2> features, View<T, 2> d_features) {
    back.on_map(map, features, d_features);
  };
  const auto on_detection = [&](View<const T, 2> tokens, View<T, 2> d_tokens) {
    Arena::Scope scratch(context.arena());
    const auto steps = DetectionSteps<T>::take(scratch, patches, x.extent(2), embed);
    T* const embedding = scratch.take<T>(embed);
    for (index_t b = 0; b < batch; ++b) {
      const View<const T, 2> own = tokens.rows(b * patches, (b + 1) * patches);
      detection_forward<T>(context, *back.adapter.detection, own, steps, embedding);
      detection_backward<T>(context, *back.adapter.detection,
                            {own, steps, &back.d_embedding(b, 0), d_tokens.rows(b * patches, (b + 1) * patches)},
                            nullptr);
    }
  };
  turn_at_map<T>(context, {back.tower, back.adapter, map, on_features, on_detection}, x, d_x);
}

/// At block n, on the way back: what its levels send, then through its mixture.
template <class T>
void block_features_backward(Context& context, const FeatureBackward<T>& back, index_t block, View<T, 2> d_x) {
  const AdapterConfig& config = back.adapter.config;
  const index_t batch = back.d_embedding.extent(0), tokens = d_x.extent(0) / batch, width = d_x.extent(1);
  const index_t windows = std::ssize(config.windows);
  for (std::size_t l = 0; l < config.level_blocks.size(); ++l) {
    if (config.level_blocks[l] != block) continue;
    for (index_t w = 0; w < windows; ++w)
      map_backward<T>(context, back, static_cast<index_t>(l) * windows + w,
                      std::as_const(back.saved.levels[l]).template view<3>(),
                      View<T, 3>(d_x.data(), {batch, tokens, width}));
  }
  for (std::size_t j = 0; j < config.mixture_blocks.size(); ++j) {
    if (config.mixture_blocks[j] != block) continue;
    Arena::Scope scratch(context.arena());
    const View<T, 2> d_m(scratch.take<T>(d_x.size()), d_x.extents());
    MixingOptions options;
    options.mix_weight = config.mix_weight;
    mixing_backward<T>(context, back.adapter.mixtures[j], options, back.saved.mixtures[j], d_x,
                       {nullptr, nullptr, d_m});
    back.on_mixture(j, d_m);
  }
}

}  // namespace detail

/// Runs a saved pass of an adapter with a detection head backward, down to its first mixture. d_tokens (B, T, D) is
/// scratch of the caller; in the end it holds the gradient of the first mixture's input.
template <class T>
void features_backward(Context& context, const FeatureBackward<T>& back, View<T, 3> d_tokens) {
  MOECLIP_EXPECT(back.adapter.detection.has_value() && back.saved.mixtures.size() == back.adapter.mixtures.size() &&
                     back.d_embedding.extent(0) == d_tokens.extent(0),
                 "a backward pass needs an adapter with a detection head, and a forward pass that kept its steps");
  std::fill_n(d_tokens.data(), d_tokens.size(), T(0));
  auto before_block = [&](index_t block, View<T, 2> d_x) {
    detail::block_features_backward<T>(context, back, block, d_x);
  };
  vision_backward<T>(context, back.tower, back.input, d_tokens, {before_block, back.saved.blocks, nullptr});
}

}}  // namespace moeclip::abi_v0_1

// SPDX-License-Identifier: MIT
#pragma once
// One map there and back: from the tokens after a level's block to the unit features of the map, to whoever looks at
// them, and with the gradient that comes of it back to the tokens. Training and Grad-CAM both turn here. Features are
// not kept: one map's exist at a time.

#include <cmath>

#include "../clip/vision.hpp"
#include "aggregate.hpp"
#include "heads.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What happens at the far end of map `map`, and what is wanted of the way back.
template <class T>
struct MapTurn {
  const VisionTower<T>& tower;
  const Adapter<T>& adapter;
  index_t map = 0;
  /// Sees the unit features f (B * L, C) and writes their gradient. Not called without `has_features`.
  function_ref<void(View<const T, 2> features, View<T, 2> d_features)> on_features;
  /// At the detection map: sees the detection head's input tokens (B * L, D) and adds to their gradient.
  function_ref<void(View<const T, 2> tokens, View<T, 2> d_tokens)> on_detection;
  Adapter<T>* gradient = nullptr;  ///< of the projections, += ; null: they are frozen
  bool has_features = true;        ///< false: the map serves the detection head only
  bool goes_back = true;           ///< false: nobody wants a gradient
};

/// Map `turn.map` of the tokens x (B, T, D); d_x (B, T, D) is added to, unless it has no data.
template <class T>
void turn_at_map(Context& context, const MapTurn<T>& turn, View<const T, 3> x, View<T, 3> d_x) {
  const Adapter<T>& adapter = turn.adapter;
  const index_t batch = x.extent(0), patches = x.extent(1) - 1, rows = batch * patches;
  const index_t width = x.extent(2), embed = adapter.text.outputs(), windows = std::ssize(adapter.config.windows);
  const index_t window = adapter.config.windows[static_cast<std::size_t>(turn.map % windows)];
  const auto grid = static_cast<index_t>(std::lround(std::sqrt(static_cast<double>(patches))));
  Arena::Scope scratch(context.arena());
  const auto take = [&](index_t columns) { return View<T, 2>(scratch.take<T>(rows * columns), {rows, columns}); };
  const View<T, 2> aggregated = take(width), tokens = take(width), d_tokens = take(width);
  for (index_t b = 0; b < batch; ++b)  // (1)
    aggregate_patches<T>(context, grid, window, x[b].rows(1, patches + 1),
                         aggregated.rows(b * patches, (b + 1) * patches));
  layer_norm_forward<T>(context, turn.tower.ln_post, aggregated, tokens);  // (2)
  std::fill_n(d_tokens.data(), d_tokens.size(), T(0));
  if (turn.has_features) {
    const View<T, 2> projected = take(embed), features = take(embed), d_features = take(embed);
    project_tokens<T>(context, adapter, turn.map, tokens, projected);  // (3)
    std::copy_n(projected.data(), projected.size(), features.data());
    normalize_tokens<T>(context, features);  // (4)
    turn.on_features(features, d_features);  // (5), (5')
    if (turn.goes_back)                      // (4'), (3')
      project_tokens_backward<T>(context, adapter, turn.map,
                                 {tokens, projected, d_features, d_x.data() != nullptr ? d_tokens : View<T, 2>()},
                                 turn.gradient);
  }
  if (adapter.detection && turn.map == adapter.config.detection_map()) turn.on_detection(tokens, d_tokens);
  if (!turn.goes_back || d_x.data() == nullptr) return;
  layer_norm_backward<T>(context, turn.tower.ln_post, aggregated, d_tokens, d_tokens, nullptr);  // (2')
  for (index_t b = 0; b < batch; ++b)                                                            // (1')
    aggregate_patches_backward<T>(context, grid, window, d_tokens.rows(b * patches, (b + 1) * patches),
                                  d_x[b].rows(1, patches + 1));
}

}}  // namespace moeclip::abi_v0_1

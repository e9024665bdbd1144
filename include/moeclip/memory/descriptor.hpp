// SPDX-License-Identifier: MIT
#pragma once
// A patch as a memory knows it (MEM-1 in this folder's README): the tokens after a few blocks of the tower, each
// averaged over its neighbourhood and brought to unit length, side by side,
//
//   f = [ unit(LN_post(mean_3x3(x_1))) ... unit(LN_post(mean_3x3(x_K))) ] / sqrt(K),   |f| = 1
//
// so that |f - f'|^2 is the mean over the blocks of 2 - 2 cos.

#include "../anomaly/features.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Patches a side of the square that a descriptor averages over, as PatchCore does.
inline constexpr index_t kDescriptorWindow = 3;

/// K, the number of blocks that descriptors are made of: those of the adapter's levels or, without an adapter, those
/// that its levels would have (METHOD section 2): four, evenly spread, the last one among them.
template <class T>
index_t descriptor_levels(const AdaptedModel<T>& model);

/// The place of block `block` (1-based) among them, from 0 on in the order of the tower; -1 if it is none of them.
template <class T>
index_t descriptor_place(const AdaptedModel<T>& model, index_t block);

/// Length of a descriptor, F = K D.
template <class T>
index_t descriptor_width(const AdaptedModel<T>& model) {
  return descriptor_levels(model) * model.tower.config.width;
}

/// Patches of a picture, L.
template <class T>
index_t descriptor_count(const AdaptedModel<T>& model) {
  return model.positions.extent(0) - 1;
}

/// Fills in what the descriptors (L, F) of one picture hold of block `block`, from its tokens x (1, 1 + L, D), as
/// FeatureSink::on_block gets them; nothing for a block that they are not made of.
template <class T>
void describe_block(Context& context, const AdaptedModel<T>& model, index_t block, View<const T, 3> x,
                    View<T, 2> descriptors);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_MEMORY)

#include <algorithm>
#include <cmath>
#include <vector>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Whether an adapter says by its levels which blocks are worth looking at; plain CLIP has one level alone.
inline bool has_levels(const AdapterConfig& config) {
  return !config.mixture_blocks.empty() || config.level_blocks.size() > 1;
}

}  // namespace detail

template <class T>
index_t descriptor_levels(const AdaptedModel<T>& model) {
  constexpr index_t kLevels = 4;
  return detail::has_levels(model.adapter.config) ? model.adapter.config.levels()
                                                  : (std::min)(kLevels, model.tower.config.layers);
}

template <class T>
index_t descriptor_place(const AdaptedModel<T>& model, index_t block) {
  const std::vector<index_t>& blocks = model.adapter.config.level_blocks;
  const index_t levels = descriptor_levels(model), layers = model.tower.config.layers;
  if (detail::has_levels(model.adapter.config))
    return std::find(blocks.begin(), blocks.end(), block) == blocks.end()
               ? -1
               : std::count_if(blocks.begin(), blocks.end(), [block](index_t other) { return other < block; });
  for (index_t level = 1; level <= levels; ++level)
    if (level * layers / levels == block) return level - 1;
  return -1;
}

template <class T>
void describe_block(Context& context, const AdaptedModel<T>& model, index_t block, View<const T, 3> x,
                    View<T, 2> descriptors) {
  const index_t place = descriptor_place(model, block);
  if (place < 0) return;
  const index_t patches = x.extent(1) - 1, width = x.extent(2), levels = descriptor_levels(model);
  MOECLIP_EXPECT(x.extent(0) == 1 && descriptors.extent(0) == patches && descriptors.extent(1) == levels * width,
                 "descriptors (", descriptors.extent(0), ",", descriptors.extent(1), ") cannot hold ", patches,
                 " patches of ", levels, " blocks of width ", width);
  Arena::Scope scratch(context.arena());
  const View<T, 2> means(scratch.take<T>(patches * width), {patches, width});
  aggregate_patches<T>(context, detail::grid_side(patches), kDescriptorWindow, x[0].rows(1, patches + 1), means);
  layer_norm_forward<T>(context, model.tower.ln_post, means, means);
  normalize_tokens<T>(context, means);
  const T share = T(1) / std::sqrt(static_cast<T>(levels));
  for (index_t i = 0; i < patches; ++i)
    std::transform(&means(i, 0), &means(i, 0) + width, &descriptors(i, place * width),
                   [share](T value) { return value * share; });
}

MOECLIP_INSTANTIATE(descriptor_levels)
MOECLIP_INSTANTIATE(descriptor_place)
MOECLIP_INSTANTIATE(describe_block)

}}  // namespace moeclip::abi_v0_1

#endif

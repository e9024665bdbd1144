// SPDX-License-Identifier: MIT
#pragma once
// A patch as a memory knows it (MEM-1 in this folder's README): the tokens after a few blocks of the tower, each
// averaged over its neighbourhood and brought to unit length, side by side,
//
//   f = [ unit(LN_post(mean_3x3(x_1))) ... unit(LN_post(mean_3x3(x_K))) ] / sqrt(K),   |f| = 1
//
// so that |f - f'|^2 is the mean over the blocks of 2 - 2 cos.

#include <vector>

#include "../anomaly/features.hpp"
#include "../base/lists.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Patches a side of the square that a descriptor averages over, as PatchCore does.
inline constexpr index_t kDescriptorWindow = 3;

/// The blocks (1-based, ascending) that descriptors are made of: those of the adapter's levels or, without an adapter,
/// those that its levels would have (METHOD section 2): four, evenly spread, the last one among them.
template <class T>
std::vector<index_t> descriptor_blocks(const AdaptedModel<T>& model);

/// Length of a descriptor, F = K D.
template <class T>
index_t descriptor_width(const AdaptedModel<T>& model) {
  return std::ssize(descriptor_blocks(model)) * model.tower.config.width;
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

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
std::vector<index_t> descriptor_blocks(const AdaptedModel<T>& model) {
  const AdapterConfig& config = model.adapter.config;
  if (!config.mixture_blocks.empty() || config.level_blocks.size() > 1) {
    std::vector<index_t> blocks = config.level_blocks;
    lists::sort(blocks);
    return blocks;
  }
  constexpr index_t kLevels = 4;
  const index_t layers = model.tower.config.layers;
  std::vector<index_t> blocks;
  for (index_t level = 1; level <= (std::min)(kLevels, layers); ++level)
    blocks.push_back(level * layers / (std::min)(kLevels, layers));
  return blocks;
}

template <class T>
void describe_block(Context& context, const AdaptedModel<T>& model, index_t block, View<const T, 3> x,
                    View<T, 2> descriptors) {
  const std::vector<index_t> blocks = descriptor_blocks(model);
  const auto place = lists::find(blocks, block);
  if (place == blocks.end()) return;
  const index_t patches = x.extent(1) - 1, width = x.extent(2), levels = std::ssize(blocks);
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
    std::transform(&means(i, 0), &means(i, 0) + width, &descriptors(i, (place - blocks.begin()) * width),
                   [share](T value) { return value * share; });
}

MOECLIP_INSTANTIATE(descriptor_blocks)
MOECLIP_INSTANTIATE(describe_block)

}}  // namespace moeclip::abi_v0_1

#endif

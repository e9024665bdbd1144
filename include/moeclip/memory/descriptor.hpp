// SPDX-License-Identifier: MIT
#pragma once
// A patch as a memory knows it (MEM-1 in this folder's README): the tokens of the levels that the adapter reads, each
// averaged over its neighbourhood and brought to unit length, side by side,
//
//   f = [ unit(LN_post(mean_3x3(x_1))) ... unit(LN_post(mean_3x3(x_K))) ] / sqrt(K),   |f| = 1
//
// so that |f - f'|^2 is the mean over the levels of 2 - 2 cos.

#include "../anomaly/detector.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Patches a side of the square that a descriptor averages over, as PatchCore does.
inline constexpr index_t kDescriptorWindow = 3;

/// Length of a descriptor, F = K D.
template <class T>
index_t descriptor_width(const BasicDetector<T>& detector) {
  return std::ssize(detector.adapter().config.level_blocks) * detector.clip().vision().config.width;
}

/// Patches of a picture, L.
template <class T>
index_t descriptor_count(const BasicDetector<T>& detector) {
  return detector.positions().extent(0) - 1;
}

/// Columns [level D, (level + 1) D) of the descriptors (L, F) of one picture, from the tokens x (1, 1 + L, D) of a
/// level, as FeatureSink::on_level gets them.
template <class T>
void describe_level(Context& context, const BasicDetector<T>& detector, index_t level, View<const T, 3> x,
                    View<T, 2> descriptors);

/// The descriptors (L, F) of a picture; `result` keeps the picture as the model saw it.
template <class T>
void describe(Context& context, const BasicDetector<T>& detector, ImageView image, Detection& result,
              View<T, 2> descriptors);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_MEMORY)

#include <algorithm>
#include <cmath>

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
void describe_level(Context& context, const BasicDetector<T>& detector, index_t level, View<const T, 3> x,
                    View<T, 2> descriptors) {
  const index_t patches = x.extent(1) - 1, width = x.extent(2);
  const index_t levels = std::ssize(detector.adapter().config.level_blocks);
  MOECLIP_EXPECT(x.extent(0) == 1 && descriptors.extent(0) == patches && descriptors.extent(1) == levels * width,
                 "descriptors (", descriptors.extent(0), ",", descriptors.extent(1), ") cannot hold ", patches,
                 " patches of ", levels, " levels of width ", width);
  Arena::Scope scratch(context.arena());
  const View<T, 2> means(scratch.take<T>(patches * width), {patches, width});
  aggregate_patches<T>(context, detail::grid_side(patches), kDescriptorWindow, x[0].rows(1, patches + 1), means);
  layer_norm_forward<T>(context, detector.clip().vision().ln_post, means, means);
  normalize_tokens<T>(context, means);
  const T share = T(1) / std::sqrt(static_cast<T>(levels));
  for (index_t i = 0; i < patches; ++i)
    std::transform(&means(i, 0), &means(i, 0) + width, &descriptors(i, level * width),
                   [share](T value) { return value * share; });
}

template <class T>
void describe(Context& context, const BasicDetector<T>& detector, ImageView image, Detection& result,
              View<T, 2> descriptors) {
  Arena::Scope scratch(context.arena());
  const index_t embed = detector.clip().config().embed;
  const auto on_level = [&](index_t level, View<const T, 3> x) {
    describe_level<T>(context, detector, level, x, descriptors);
  };
  FeatureSink<T> sink;
  sink.embedding = View<T, 2>(scratch.take<T>(embed), {1, embed});
  sink.on_level = on_level;
  detector.look(context, image, result, sink);
}

MOECLIP_INSTANTIATE(describe_level)
MOECLIP_INSTANTIATE(describe)

}}  // namespace moeclip::abi_v0_1

#endif

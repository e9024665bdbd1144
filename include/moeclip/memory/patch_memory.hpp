// SPDX-License-Identifier: MIT
#pragma once
// A memory of good pictures: patches that stand for all of theirs, and what is abnormal by comparison (MEM-2 to MEM-4
// in this folder's README). With d the distance of a patch from the nearest patch of the memory, in units u of what
// good patches keep from a memory without their own picture:
//
//   patch     p(d) = d^2 / (d^2 + 4 u^2)                     in [0, 1); 1/2 at twice the usual distance
//   picture   s = w d*, of the patch that is farthest;       score p(s)
//             w = 1 - exp(d*/u) / sum over the b patches m around its nearest of exp(|f* - m|/u)
//   fused     (1 - a) text + a memory                        map and score alike, a = 1 - text_weight
//
// Nothing is rescaled by what a picture or a set of pictures holds, so one picture's score depends on no other.

#include <string>
#include <vector>

#include "../image/image_record.hpp"
#include "descriptor.hpp"
#include "nearest.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Neighbours that w looks at, as in PatchCore's code.
inline constexpr index_t kMemoryNeighbours = 9;

/// What a memory is valid for, and what its pictures can promise.
struct MemoryRecord {
  std::string clip, adapter;     ///< fingerprints of the weights
  std::string class_name;        ///< what the pictures show, where the text has a say
  index_t image_size = 0;        ///< pixels a side of the square that the model sees
  index_t pictures = 0;          ///< good pictures that it comes from
  bool is_turned = false;        ///< turned and mirrored ones besides
  double text_weight = 0;        ///< share of the text's map and score in [0, 1]
  ImageOptions images;           ///< how pictures were read
  double unit = 0;               ///< u: mean distance of good patches from a memory without their picture
  double false_positives = 0;    ///< rate of false alarms that was asked for
  float threshold = 0.5f;        ///< of scores
  float pixel_threshold = 0.5f;  ///< of the map
  std::vector<float> held_out;   ///< score of each good picture by a memory without it; empty: a single picture
};

/// Patches of good pictures, and how to judge by them. Immutable: any number of threads may use one.
template <class T>
struct PatchMemory {
  MemoryRecord record;     ///< where it comes from
  NearestRows<T> patches;  ///< descriptors (M, F)

  /// p(d): how abnormal a patch at distance d is.
  [[nodiscard]] T abnormality(T distance) const {
    const T square = distance * distance, unit = static_cast<T>(record.unit);
    return square / (square + 4 * unit * unit);
  }

  /// s of a picture with descriptors (L, F), from what NearestRows::find says of them. Throws format for descriptors
  /// that are no numbers.
  [[nodiscard]] T picture_distance(Context& context, View<const T, 2> descriptors, std::span<const index_t> nearest,
                                   std::span<const T> distances) const;
};

/// Looks at one picture with `detector`, whose weights the memory was made with, into `result`. `anchors` may be null
/// where record.text_weight is 0. Throws as BasicDetector::detect; contract without the anchors that are needed.
template <class T>
void detect_by_memory(Context& context, const BasicDetector<T>& detector, const PatchMemory<T>& memory,
                      const TextAnchors<T>* anchors, ImageView image, Detection& result);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_MEMORY)

#include <algorithm>
#include <array>
#include <cmath>

#include "../image/upsample.hpp"

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
T PatchMemory<T>::picture_distance(Context& context, View<const T, 2> descriptors, std::span<const index_t> nearest,
                                   std::span<const T> distances) const {
  const bool are_finite = std::ranges::all_of(distances, [](T d) { return std::isfinite(d); });
  if (!are_finite) detail::fail_no_numbers();
  const auto farthest = std::ranges::max_element(distances) - distances.begin();
  const T largest = distances[static_cast<std::size_t>(farthest)], unit = static_cast<T>(record.unit);
  std::array<index_t, kMemoryNeighbours> neighbours;
  const std::span around(neighbours.data(), static_cast<std::size_t>((std::min)(kMemoryNeighbours, patches.size())));
  patches.around(context, nearest[static_cast<std::size_t>(farthest)], around);
  T sum = 0;  // of exponentials relative to the one of d*, so that none overflows
  for (const index_t row : around) sum += std::exp((patches.distance(&descriptors(farthest, 0), row) - largest) / unit);
  return (1 - 1 / sum) * largest;
}

namespace detail {

/// What the text says of a picture, kept until the memory has spoken.
template <class T>
struct TextOpinion {
  View<T, 3> similarities;  // (M, 2, L)
  View<T, 2> embedding;     // (1, C)
};

/// map <- (1 - a) text + a map; returns the text's score of the picture.
template <class T>
T blend_text(Context& context, const BasicDetector<T>& detector, const TextAnchors<T>& anchors,
             const TextOpinion<T>& text, T weight, View<T, 2> map) {
  Arena::Scope scratch(context.arena());
  const View<T, 2> own(scratch.take<T>(map.size()), map.extents());
  probability_map<T>(context, text.similarities, own);
  for (index_t i = 0; i < map.size(); ++i) map.data()[i] = weight * own.data()[i] + (1 - weight) * map.data()[i];
  const T class_value = class_score<T>(text.embedding.data(), anchors);
  if (!std::isfinite(class_value)) fail_no_numbers();
  return image_score<T>(detector.options().domain, *std::max_element(own.data(), own.data() + own.size()), class_value);
}

/// The map (S, S) of the memory; returns the distance of the picture as a whole.
template <class T>
T map_of_memory(Context& context, const PatchMemory<T>& memory, View<const T, 2> descriptors, View<T, 2> map) {
  const index_t patches = descriptors.extent(0), grid = grid_side(patches);
  Arena::Scope scratch(context.arena());
  const auto count = static_cast<std::size_t>(patches);
  const std::span<index_t> nearest(scratch.take<index_t>(patches), count);
  const std::span<T> distances(scratch.take<T>(patches), count);
  memory.patches.find(context, descriptors, nearest, distances);
  const T whole = memory.picture_distance(context, descriptors, nearest, distances);
  for (T& value : distances) value = memory.abnormality(value);
  upsample_bilinear<T>(View<const T, 2>(distances.data(), {grid, grid}), map);
  return whole;
}

}  // namespace detail

template <class T>
void detect_by_memory(Context& context, const BasicDetector<T>& detector, const PatchMemory<T>& memory,
                      const TextAnchors<T>* anchors, ImageView image, Detection& result) {
  const MemoryRecord& record = memory.record;
  const bool has_text = record.text_weight > 0;
  MOECLIP_EXPECT(!has_text || anchors != nullptr, "this memory gives the text a weight of ", record.text_weight,
                 " and needs anchors");
  const index_t size = detector.options().image_size, patches = descriptor_count(detector);
  const index_t width = descriptor_width(detector), embed = detector.clip().config().embed;
  const index_t maps = has_text ? detector.adapter().config.maps() : 0;
  Arena::Scope scratch(context.arena());
  const View<T, 2> descriptors(scratch.take<T>(patches * width), {patches, width});
  const detail::TextOpinion<T> text{{scratch.take<T>(maps * 2 * patches), {maps, 2, patches}},
                                    {scratch.take<T>(embed), {1, embed}}};
  const auto on_block = [&](index_t block, View<const T, 3> x) {
    describe_block<T>(context, detector, block, x, descriptors);
  };
  const auto on_map = [&](index_t map, View<const T, 2> features) {
    similarities_forward<T>(context, features, *anchors, text.similarities[map]);
  };
  FeatureSink<T> sink{{}, text.embedding};
  sink.on_block = on_block;
  if (has_text) sink.on_map = on_map;
  detector.look(context, image, result, sink);

  const View<T, 2> map(scratch.take<T>(size * size), {size, size});
  const T alone = memory.abnormality(detail::map_of_memory<T>(context, memory, descriptors, map));
  const auto weight = static_cast<T>(record.text_weight);
  const T text_score = has_text ? detail::blend_text<T>(context, detector, *anchors, text, weight, map) : T(0);
  result.class_score = has_text ? static_cast<float>(class_score<T>(text.embedding.data(), *anchors)) : 0.0f;
  result.score = static_cast<float>(weight * text_score + (1 - weight) * alone);
  result.map_kind = MapKind::probability;
  result.threshold = record.threshold;
  result.pixel_threshold = record.pixel_threshold;
  detector.conclude(context, map, result);
}

MOECLIP_INSTANTIATE_CLASS(PatchMemory)
MOECLIP_INSTANTIATE(detect_by_memory)

}}  // namespace moeclip::abi_v0_1

#endif

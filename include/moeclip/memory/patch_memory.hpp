// SPDX-License-Identifier: MIT
#pragma once
// A memory of good pictures: patches that stand for all of theirs, and what is abnormal by comparison (MEM-2 to MEM-5
// in this folder's README). With d the distance of a patch from the nearest patch of the memory, to which for textures
// b e is added, its distance from the rest of its own picture (OWN-1); and with u and v mean and standard deviation of
// what good patches have by a memory without their own picture:
//
//   patch     p(d) = x^2 / (x^2 + c^2), x = softplus((d - u) / v), c = softplus(3): 1/2 three deviations beyond the
//             usual distance, and never so near to 1 that of two large distances the larger is not seen
//   picture   s = w (mean of the largest 1 % of d);          score p(s)
//             w = 1 - exp(d*/u) / sum over the 9 patches m around the nearest of f*, the farthest, of exp(|f* - m|/u);
//             of fewer patches, which do not say how dense they lie, 1
//   map       p(d), upsampled bilinearly, under a Gaussian of deviation half a patch
//   fused     (1 - a) text + a memory                        map and score alike, a = 1 - text_weight
//
// Nothing is rescaled by what a picture or a set of pictures holds, so one picture's score depends on no other.

#include <cmath>
#include <string>
#include <vector>

#include "../anomaly/detector.hpp"
#include "../anomaly/tiles.hpp"
#include "../image/image_record.hpp"
#include "descriptor.hpp"
#include "nearest.hpp"
#include "own_picture.hpp"
#include "texture.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Neighbours that w looks at, as in PatchCore's code.
inline constexpr index_t kMemoryNeighbours = 9;

/// Deviations beyond the usual distance at which a patch is as likely to be abnormal as not (MEM-2).
inline constexpr double kUsualDeviations = 3;

/// What patches are known by.
enum class PatchFeatures {
  encoder,  ///< tokens of a CLIP, with or without adapter (descriptor.hpp)
  texture,  ///< energies of derivatives, without any weights (texture.hpp)
};

/// "encoder" or "texture".
const char* to_string(PatchFeatures features);

/// What a memory is valid for, and what its pictures can promise.
struct MemoryRecord {
  PatchFeatures features = PatchFeatures::encoder;  ///< what patches are known by
  std::string clip, adapter;                        ///< fingerprints of the weights; "": textures have none
  std::string class_name;                           ///< what the pictures show, where the text has a say
  index_t image_size = 0;                           ///< pixels a side of the square that the model sees
  index_t pictures = 0;                             ///< good pictures that it comes from; 0: no d, e alone
  bool is_turned = false;                           ///< turned and mirrored ones besides
  double text_weight = 0;                           ///< share of the text's map and score in [0, 1]
  double own_weight = 0;                            ///< b: of distances from the rest of the own picture
  ImageOptions images;                              ///< how pictures were read
  TileOptions tiles;                                ///< and cut: who judges by this memory has to do the same
  double unit = 1;                       ///< u: mean d + b e of good patches by a memory without their picture
  double spread = 1;                     ///< v: standard deviation of these distances
  double false_positives = 0;            ///< rate of false alarms that was asked for
  float threshold = kNoThreshold;        ///< of scores; a single thing says nothing about how much good ones differ
  float pixel_threshold = kNoThreshold;  ///< of the map
  std::vector<float> held_out;           ///< score of each thing by a memory without it; empty: a single thing
};

/// Patches of good pictures, and how to judge by them. Immutable: any number of threads may use one.
template <class T>
struct PatchMemory {
  MemoryRecord record;     ///< where it comes from
  NearestRows<T> patches;  ///< descriptors (M, F)

  /// Whether no good picture is known: pictures are compared with themselves.
  [[nodiscard]] bool is_alone() const { return patches.rows().empty() && record.own_weight > 0; }

  /// p(d): how abnormal a patch at distance d is.
  [[nodiscard]] T abnormality(T distance) const {
    const auto softplus = [](double x) { return x > 30 ? x : std::log1p(std::exp(x)); };
    const double x = softplus((static_cast<double>(distance) - record.unit) / record.spread);
    const double c = softplus(kUsualDeviations);
    return static_cast<T>(x * x / (x * x + c * c));
  }
};

/// d + b e of the patches of a picture with descriptors (L, F), and the rows of the memory that they are nearest to.
template <class T>
void memory_distances(Context& context, const PatchMemory<T>& memory, View<const T, 2> descriptors,
                      std::span<index_t> nearest, std::span<T> distances);

/// s of a picture with descriptors (L, F), from what memory_distances says of them; w = 1 of a memory of fewer than
/// kMemoryNeighbours patches. Throws format for descriptors that are no numbers.
template <class T>
T picture_distance(Context& context, const PatchMemory<T>& memory, View<const T, 2> descriptors,
                   std::span<const index_t> nearest, std::span<const T> distances);

/// How many descriptors a picture has, and how long they are: (L, F).
struct DescriptorShape {
  index_t patches = 0;  ///< L
  index_t width = 0;    ///< F
};
/// The shape of the descriptors of each picture; `detector` is not asked for textures.
template <class T>
DescriptorShape descriptor_shape(const BasicDetector<T>& detector, PatchFeatures features);

/// The descriptors of a picture; `detector` is not asked for textures. Throws as BasicDetector::look.
template <class T>
void describe_patches(Context& context, const BasicDetector<T>& detector, PatchFeatures features, ImageView image,
                      View<T, 2> descriptors);

/// Looks at one picture with `detector`, whose weights the memory was made with, into `result`; a memory of textures
/// asks no detector. `anchors` may be null where record.text_weight is 0. Throws as BasicDetector::detect; contract
/// without the anchors that are needed.
template <class T>
void detect_by_memory(Context& context, const BasicDetector<T>& detector, const PatchMemory<T>& memory,
                      const TextAnchors<T>* anchors, ImageView image, Detection& result);

/// The same with a memory of textures, which needs no detector; the map has kTextureSize pixels a side. Throws contract
/// for another memory.
template <class T>
void detect_by_texture(Context& context, const PatchMemory<T>& memory, ImageView image, Detection& result);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_MEMORY)

#include <algorithm>
#include <array>
#include <cmath>

#include "../image/blur.hpp"
#include "../image/upsample.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC const char* to_string(PatchFeatures features) {
  return features == PatchFeatures::texture ? "texture" : "encoder";
}

namespace detail {

/// Mean of the largest hundredth of `values`, at least of one.
template <class T>
T mean_of_largest(Context& context, std::span<const T> values) {
  Arena::Scope scratch(context.arena());
  const std::span<T> sorted(scratch.take<T>(std::ssize(values)), values.size());
  std::copy(values.begin(), values.end(), sorted.begin());
  const auto count = std::max<std::ptrdiff_t>(1, std::ssize(values) / 100);
  std::partial_sort(sorted.begin(), sorted.begin() + count, sorted.end(), [](T a, T b) { return a > b; });
  T sum = 0;
  for (std::ptrdiff_t i = 0; i < count; ++i) sum += sorted[static_cast<std::size_t>(i)];
  return sum / static_cast<T>(count);
}

}  // namespace detail

template <class T>
void memory_distances(Context& context, const PatchMemory<T>& memory, View<const T, 2> descriptors,
                      std::span<index_t> nearest, std::span<T> distances) {
  if (memory.is_alone())
    std::fill(distances.begin(), distances.end(), T(0));
  else
    memory.patches.find(context, descriptors, nearest, distances);
  if (memory.record.own_weight == 0) return;
  Arena::Scope scratch(context.arena());
  const std::span<T> own(scratch.take<T>(std::ssize(distances)), distances.size());
  own_distances<T>(context, descriptors, own);
  for (std::size_t i = 0; i < own.size(); ++i) distances[i] += static_cast<T>(memory.record.own_weight) * own[i];
}

template <class T>
T picture_distance(Context& context, const PatchMemory<T>& memory, View<const T, 2> descriptors,
                   std::span<const index_t> nearest, std::span<const T> distances) {
  const NearestRows<T>& patches = memory.patches;
  const bool are_finite = std::all_of(distances.begin(), distances.end(), [](T d) { return std::isfinite(d); });
  if (!are_finite) detail::fail_no_numbers();
  if (patches.size() < kMemoryNeighbours) return detail::mean_of_largest<T>(context, distances);
  const auto farthest = std::max_element(distances.begin(), distances.end()) - distances.begin();
  const index_t its_nearest = nearest[static_cast<std::size_t>(farthest)];
  const auto distance = [&](index_t row) { return patches.distance(&descriptors(farthest, 0), row); };
  const T least = distance(its_nearest), unit = static_cast<T>(memory.record.unit);
  std::array<index_t, kMemoryNeighbours> neighbours;
  patches.around(context, its_nearest, neighbours);
  T sum = 0;  // of exponentials relative to the one of d*, so that none overflows
  for (const index_t row : neighbours) sum += std::exp((distance(row) - least) / unit);
  return (1 - 1 / sum) * detail::mean_of_largest<T>(context, distances);
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

/// MEM-5: neighbouring patches see much of the same, so what differs between them is mostly chance. PatchCore's code
/// has the same width for its patches of 8 pixels.
inline GaussianBlur memory_blur(index_t size, index_t grid) {
  const double sigma = static_cast<double>(size) / static_cast<double>(2 * grid);
  return {2 * static_cast<int>(std::ceil(3 * sigma)) + 1, sigma};
}

/// The map (S, S) of the memory; returns the distance of the picture as a whole.
template <class T>
T map_of_memory(Context& context, const PatchMemory<T>& memory, View<const T, 2> descriptors, View<T, 2> map) {
  const index_t patches = descriptors.extent(0), grid = grid_side(patches);
  Arena::Scope scratch(context.arena());
  const auto count = static_cast<std::size_t>(patches);
  const std::span<index_t> nearest(scratch.take<index_t>(patches), count);
  const std::span<T> distances(scratch.take<T>(patches), count);
  memory_distances<T>(context, memory, descriptors, nearest, distances);
  const T whole = picture_distance<T>(context, memory, descriptors, nearest, distances);
  for (T& value : distances) value = memory.abnormality(value);
  upsample_bilinear<T>(View<const T, 2>(distances.data(), {grid, grid}), map);
  const GaussianBlur blur = memory_blur(map.extent(0), grid);
  gaussian_blur<T>(blur, map, map, scratch.take<T>(gaussian_blur_scratch(blur, map.extent(0), map.extent(1))));
  return whole;
}

/// Thresholds, verdict and regions.
template <class T>
void conclude_by_memory(Context& context, const MemoryRecord& record, View<const T, 2> map, index_t smallest_region,
                        Detection& result) {
  result.map_kind = MapKind::probability;
  result.threshold = record.threshold;
  result.pixel_threshold = record.pixel_threshold;
  conclude<T>(context, map, smallest_region, result);
}

}  // namespace detail

template <class T>
DescriptorShape descriptor_shape(const BasicDetector<T>& detector, PatchFeatures features) {
  if (features == PatchFeatures::texture) return {kTextureGrid * kTextureGrid, kTextureWidth};
  return {descriptor_count(detector.model()), descriptor_width(detector.model())};
}

template <class T>
void describe_patches(Context& context, const BasicDetector<T>& detector, PatchFeatures features, ImageView image,
                      View<T, 2> descriptors) {
  const FloatScope floats;
  Detection seen;
  if (features == PatchFeatures::texture) return look_at_textures<T>(context, image, seen, descriptors);
  Arena::Scope scratch(context.arena());
  const index_t embed = detector.clip().config().embed;
  const auto on_block = [&](index_t block, View<const T, 3> x) {
    describe_block<T>(context, detector.model(), block, x, descriptors);
  };
  FeatureSink<T> sink;
  sink.embedding = View<T, 2>(scratch.take<T>(embed), {1, embed});
  sink.on_block = on_block;
  detector.look(context, image, seen, sink);
}

template <class T>
void detect_by_memory(Context& context, const BasicDetector<T>& detector, const PatchMemory<T>& memory,
                      const TextAnchors<T>* anchors, ImageView image, Detection& result) {
  const FloatScope floats;
  const MemoryRecord& record = memory.record;
  if (record.features == PatchFeatures::texture) return detect_by_texture<T>(context, memory, image, result);
  const bool has_text = record.text_weight > 0;
  MOECLIP_EXPECT(!has_text || anchors != nullptr, "this memory gives the text a weight of ", record.text_weight,
                 " and needs anchors");
  const index_t size = detector.options().image_size, patches = descriptor_count(detector.model());
  const index_t width = descriptor_width(detector.model()), embed = detector.clip().config().embed;
  const index_t maps = has_text ? detector.adapter().config.maps() : 0;
  Arena::Scope scratch(context.arena());
  const View<T, 2> descriptors(scratch.take<T>(patches * width), {patches, width});
  const detail::TextOpinion<T> text{{scratch.take<T>(maps * 2 * patches), {maps, 2, patches}},
                                    {scratch.take<T>(embed), {1, embed}}};
  const auto on_block = [&](index_t block, View<const T, 3> x) {
    describe_block<T>(context, detector.model(), block, x, descriptors);
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
  detail::conclude_by_memory<T>(context, record, map, detector.options().smallest_region, result);
}

template <class T>
void detect_by_texture(Context& context, const PatchMemory<T>& memory, ImageView image, Detection& result) {
  const FloatScope floats;
  MOECLIP_EXPECT(memory.record.features == PatchFeatures::texture,
                 "textures were compared with a memory of an encoder");
  Arena::Scope scratch(context.arena());
  constexpr index_t kPatches = kTextureGrid * kTextureGrid;
  const View<T, 2> descriptors(scratch.take<T>(kPatches * kTextureWidth), {kPatches, kTextureWidth});
  look_at_textures<T>(context, image, result, descriptors);
  const View<T, 2> map(scratch.take<T>(kTextureSize * kTextureSize), {kTextureSize, kTextureSize});
  const T distance = detail::map_of_memory<T>(context, memory, descriptors, map);
  result.class_score = 0;
  result.score = static_cast<float>(memory.abnormality(distance));
  detail::conclude_by_memory<T>(context, memory.record, map, 1, result);
}

MOECLIP_INSTANTIATE(memory_distances)
MOECLIP_INSTANTIATE(picture_distance)
MOECLIP_INSTANTIATE(descriptor_shape)
MOECLIP_INSTANTIATE(describe_patches)
MOECLIP_INSTANTIATE(detect_by_memory)
MOECLIP_INSTANTIATE(detect_by_texture)

}}  // namespace moeclip::abi_v0_1

#endif

// SPDX-License-Identifier: MIT
#pragma once
// AnomalyCLIP (Zhou et al., ICLR 2024) from a picture to a map and a score: patches on a path of their own through the
// image tower (value_path.hpp) are compared with two sentences about objects of any kind (object_prompts.hpp), the
// class token with the same two (section "AnomalyCLIP" of this folder's README). It needs no name of a class.

#include <string>
#include <vector>

#include "object_prompts.hpp"
#include "value_path.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The switches of the method. The defaults are those of the published training and test scripts.
struct AnomalyClipConfig {
  ObjectPromptSizes prompts;                       ///< how much of the sentences is learned
  DeepRows deep_rows = DeepRows::half;             ///< how the deep rows enter the text tower
  index_t value_blocks = 19;                       ///< the last so many blocks of the image tower have the second path
  std::vector<index_t> level_blocks = {24};        ///< 1-based, ascending: a map is made after each of them
  double temperature = 0.07;                       ///< cosines are divided by it
  double map_sigma = 4;                            ///< of the blur of the map, in pixels; 0: none
  std::string normal_words = "object.";            ///< behind the learned rows
  std::string abnormal_words = "damaged object.";  ///< the same of the abnormal sentence

  /// The published switches, with the shares of blocks that they are of ViT-L/14's 24 and of its text tower's 12.
  static AnomalyClipConfig released(const ClipConfig& clip);

  /// visitor(name, value) for every switch.
  template <class Self, class Visitor>
  static void visit(Self& c, Visitor&& visitor) {
    visitor("context", c.prompts.context);
    visitor("deep", c.prompts.deep);
    visitor("depth", c.prompts.depth);
    visitor("deep_rows", c.deep_rows);
    visitor("value_blocks", c.value_blocks);
    visitor("level_blocks", c.level_blocks);
    visitor("temperature", c.temperature);
    visitor("map_sigma", c.map_sigma);
    visitor("normal_words", c.normal_words);
    visitor("abnormal_words", c.abnormal_words);
  }

  friend bool operator==(const AnomalyClipConfig&, const AnomalyClipConfig&) = default;
};

/// Throws contract, naming the switch, if `config` does not fit a CLIP of these sizes.
void check_anomaly_clip(const AnomalyClipConfig& config, const ClipConfig& clip);

/// What the frozen image side makes of one picture of g x g = L patches, for M levels. All are unit vectors.
template <class T>
struct AnomalyClipFeatures {
  Tensor<T> patches;  ///< (M, L, C), of the second path
  Tensor<T> image;    ///< (C), the class token of the ordinary path, projected without ln_post, as published
};

/// Features of one picture (1, 3, S, S), normalised; positions (1 + g g, D) as anomaly_clip_positions makes them.
/// (VVA-3)
template <class T>
void anomaly_clip_features(Context& context, const VisionTower<T>& tower, const AnomalyClipConfig& config,
                           View<const T, 4> image, const Tensor<T>& positions, AnomalyClipFeatures<T>& features);

/// The tower's positions for pictures of S x S: interpolated linearly, as the published code does (POS-2).
template <class T>
Tensor<T> anomaly_clip_positions(const VisionTower<T>& tower, index_t image_size);

/// p (L) = softmax((f . t_n, f . t_a) / temperature)_a of the unit vectors f (L, C) and anchors (2, C).  (AMP-1)
template <class T>
void anomaly_probabilities(Context& context, View<const T, 2> features, View<const T, 2> anchors, double temperature,
                           T* probabilities);

/// The map (S, S), contiguous, in [0, 1]: the mean over levels of the probabilities, upsampled and blurred (AMP-2).
/// Returns the score of the picture, in [0, 1] (AMP-3).
template <class T>
T anomaly_clip_map(Context& context, const AnomalyClipConfig& config, const AnomalyClipFeatures<T>& features,
                   View<const T, 2> anchors, View<T, 2> map);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <cmath>

#include "../base/lists.hpp"
#include "../image/blur.hpp"
#include "../image/upsample.hpp"
#include "../kernels/elementwise.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC AnomalyClipConfig AnomalyClipConfig::released(const ClipConfig& clip) {
  AnomalyClipConfig config;
  config.prompts.depth = (9 * clip.text.layers + 11) / 12;  // both rounded up
  config.value_blocks = (19 * clip.vision.layers + 23) / 24;
  config.level_blocks = {clip.vision.layers};
  return config;
}

MOECLIP_FUNC void check_anomaly_clip(const AnomalyClipConfig& config, const ClipConfig& clip) {
  const ObjectPromptSizes& sizes = config.prompts;
  MOECLIP_EXPECT(sizes.context >= 1 && sizes.context < clip.text.context_length, sizes.context,
                 " learned rows in sentences of ", clip.text.context_length, " tokens");
  MOECLIP_EXPECT(sizes.depth >= 1 && sizes.depth <= clip.text.layers, "rows replaced up to block ", sizes.depth,
                 " of a text tower of ", clip.text.layers);
  MOECLIP_EXPECT(sizes.deep >= (sizes.depth > 1 ? 1 : 0) && sizes.deep <= sizes.context, sizes.deep,
                 " rows replaced of ", sizes.context, " that are learned");
  MOECLIP_EXPECT(config.value_blocks >= 0 && config.value_blocks <= clip.vision.layers, "a second path through ",
                 config.value_blocks, " of ", clip.vision.layers, " blocks");
  MOECLIP_EXPECT(config.temperature > 0 && config.map_sigma >= 0, "a temperature of ", config.temperature,
                 " and a blur of ", config.map_sigma, " pixels");
  MOECLIP_EXPECT(!config.level_blocks.empty(), "a map needs a block to be made after");
  index_t before = 0;
  for (const index_t block : config.level_blocks) {
    MOECLIP_EXPECT(block > before && block <= clip.vision.layers, "a map after block ", block, " behind one after ",
                   before, " of an image tower of ", clip.vision.layers);
    before = block;
  }
}

template <class T>
Tensor<T> anomaly_clip_positions(const VisionTower<T>& tower, index_t image_size) {
  const index_t patch = tower.config.patch_size;
  MOECLIP_EXPECT(image_size > 0 && image_size % patch == 0, "pictures of ", image_size, " pixels and patches of ",
                 patch);
  return resize_positions(tower.positional_embedding, image_size / patch, PositionKernel::linear);
}

template <class T>
void anomaly_clip_features(Context& context, const VisionTower<T>& tower, const AnomalyClipConfig& config,
                           View<const T, 4> image, const Tensor<T>& positions, AnomalyClipFeatures<T>& features) {
  const index_t count = positions.extent(0), width = tower.config.width, embed = tower.projection.extent(1);
  MOECLIP_EXPECT(image.extent(0) == 1, "features of one picture at a time, not of ", image.extent(0));
  const T floor = static_cast<T>(detail::kAnchorFloor);
  const View<T, 3> levels =
      detail::fit(features.patches, {std::ssize(config.level_blocks), count - 1, embed}).template view<3>();
  Arena::Scope scratch(context.arena());
  const View<T, 3> tokens(scratch.take<T>(count * width), {1, count, width});
  const View<T, 2> normed(scratch.take<T>((count - 1) * width), {count - 1, width});
  index_t level = 0;
  auto after_block = [&](index_t block, View<T, 2> x) {
    if (level == std::ssize(config.level_blocks) || config.level_blocks[static_cast<std::size_t>(level)] != block)
      return;
    const View<T, 2> f = levels[level++];
    layer_norm_forward<T>(context, tower.ln_post, x.rows(1, count), normed);
    project_forward<T>(context, tower.projection, normed, f);
    kernels::normalize_rows<T>(context, count - 1, embed, f.data(), embed, floor);
  };
  value_path_forward<T>(context, tower, image, positions, tokens,
                        {tower.config.layers + 1 - config.value_blocks, after_block});
  const View<T, 2> unit(detail::fit(features.image, {embed}).data(), {1, embed});
  project_forward<T>(context, tower.projection, View<const T, 2>(tokens.data(), {1, width}), unit);
  kernels::normalize_rows<T>(context, 1, embed, unit.data(), embed, floor);
}

template <class T>
void anomaly_probabilities(Context& context, View<const T, 2> features, View<const T, 2> anchors, double temperature,
                           T* probabilities) {
  const index_t rows = features.extent(0), embed = features.extent(1);
  MOECLIP_EXPECT(anchors.extent(0) == 2 && anchors.extent(1) == embed, "anchors of width ", anchors.extent(1),
                 " were compared with features of width ", embed);
  Arena::Scope scratch(context.arena());
  T* const cosines = scratch.take<T>(rows * 2);
  kernels::gemm<T>(context, {rows, 2, embed}, kernels::row_major<T>(features.data(), features.stride(0)),
                   kernels::transposed(kernels::row_major<T>(anchors.data(), anchors.stride(0))), cosines, 2);
  for (index_t i = 0; i < rows; ++i)
    probabilities[i] = (cosines[2 * i + 1] - cosines[2 * i]) / static_cast<T>(temperature);
  kernels::sigmoid<T>(context, rows, probabilities, probabilities);
}

template <class T>
T anomaly_clip_map(Context& context, const AnomalyClipConfig& config, const AnomalyClipFeatures<T>& features,
                   View<const T, 2> anchors, View<T, 2> map) {
  const FloatScope floats;
  const index_t levels = features.patches.extent(0), patches = features.patches.extent(1),
                embed = features.patches.extent(2);
  const auto grid = static_cast<index_t>(std::lround(std::sqrt(static_cast<double>(patches))));
  MOECLIP_EXPECT(map.is_contiguous() && levels > 0 && grid * grid == patches, "a map of ", levels, " levels of ",
                 patches, " patches");
  Arena::Scope scratch(context.arena());
  const View<T, 2> sum(scratch.take<T>(patches), {grid, grid});
  T* const probabilities = scratch.take<T>(patches);
  std::fill_n(sum.data(), patches, T(0));
  for (index_t m = 0; m < levels; ++m) {  // upsampling is linear: one for all levels
    anomaly_probabilities<T>(context, features.patches.template view<3>()[m], anchors, config.temperature,
                             probabilities);
    for (index_t i = 0; i < patches; ++i) sum.data()[i] += probabilities[i] / static_cast<T>(levels);
  }
  upsample_bilinear<T>(sum, map, Alignment::edges);
  if (config.map_sigma > 0) {
    const GaussianBlur blur = GaussianBlur::scipy(config.map_sigma);
    gaussian_blur<T>(blur, map, map, scratch.take<T>(gaussian_blur_scratch(blur, map.extent(0), map.extent(1))));
  }
  for (index_t i = 0; i < map.size(); ++i)
    map.data()[i] = (std::min)(map.data()[i], T(1));  // weights add up to 1 +- eps
  T score = 0;
  anomaly_probabilities<T>(context, View<const T, 2>(features.image.data(), {1, embed}), anchors, config.temperature,
                           &score);
  return score;
}

MOECLIP_INSTANTIATE(anomaly_clip_positions)
MOECLIP_INSTANTIATE(anomaly_clip_features)
MOECLIP_INSTANTIATE(anomaly_probabilities)
MOECLIP_INSTANTIATE(anomaly_clip_map)

}}  // namespace moeclip::abi_v0_1

#endif

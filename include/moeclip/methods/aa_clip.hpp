// SPDX-License-Identifier: MIT
#pragma once
// AA-CLIP (Ma et al., CVPR 2025): residual adapters in the first blocks of both towers of a frozen CLIP (AAC-1), a
// projection of sentences that replaces CLIP's (TXT-1), a projection of patches per level (SEG-1) and one for the whole
// picture (AAC-2). This file is the model and its two passes; aa_clip_step.hpp trains it. Formulas are in aa_clip.md.
//
//   text    x = rows of the sentence; after each of the first blocks x <- adapter(x); u = LN_final(x)[end]; T =
//   TXT-1(u) image   x = tokens; after each of the first blocks x <- adapter(x); after each level block f = SEG-1(x);
//           after the last one d = mean over patches of normalise(act(P LN_post(x)))          (AAC-2)

#include <algorithm>
#include <string>
#include <vector>

#include "../anomaly/anchors.hpp"
#include "../anomaly/features.hpp"
#include "../anomaly/score_map.hpp"
#include "../clip/clip.hpp"
#include "residual_adapter.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The switches of the model. Block numbers are 1-based.
struct AaClipConfig {
  std::vector<index_t> level_blocks;  ///< maps are made of the tokens after each of these image blocks; ascending
  index_t text_blocks = 3;            ///< so many text blocks, the first ones, are followed by an adapter
  index_t image_blocks = 6;           ///< the same of the image tower
  double text_weight = 0.1;           ///< w of AAC-1 in the text tower
  double image_weight = 0.1;          ///< w of AAC-1 in the image tower
  bool use_relu = false;              ///< LeakyReLU after the projections of patches (`--relu` of the official code)

  friend bool operator==(const AaClipConfig&, const AaClipConfig&) = default;
};

/// The official sizes for ViT-L/14, and the same proportions of any other CLIP: levels after each quarter of the image
/// blocks, adapters after the first quarter of the blocks of either tower.
AaClipConfig aa_clip_config(const ClipConfig& clip);

/// All that AA-CLIP trains. Its gradient has the same type.
template <class T>
class AaClip {
 public:
  AaClipConfig config;                  // says how many layers follow
  std::vector<Linear<T>> text_layers;   // (Dt, Dt) each
  Adapter<T> heads;                     // `text` (C, Dt), and a projection (C, D) per level; no mixtures
  std::vector<Linear<T>> image_layers;  // (D, D) each
  Linear<T> detection;                  // (C, D)

  AaClip() = default;
  /// Shapes for this CLIP; values to be filled in. Throws contract if it has not as many blocks.
  AaClip(const AaClipConfig& switches, const ClipConfig& clip);

  /// In the order, and by the names, of the official checkpoints; the first stage trains "text_adapter...", the second
  /// the others.
  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    for (std::size_t i = 0; i < self.text_layers.size(); ++i)
      visitor(concat("text_adapter.", i, ".fc.0"), self.text_layers[i]);
    visitor(concat("text_adapter.", self.text_layers.size(), ".fc.0"), self.heads.text);
    const char* const tail = self.config.use_relu ? ".fc.0" : ".fc";
    for (std::size_t i = 0; i < self.image_layers.size(); ++i)
      visitor(concat("image_adapter.layer_adapters.", i, ".fc.0"), self.image_layers[i]);
    for (std::size_t l = 0; l < self.heads.projections.size(); ++l)
      visitor(concat("image_adapter.seg_proj.", l, tail), self.heads.projections[l]);
    visitor(concat("image_adapter.det_proj", tail), self.detection);
  }
};

/// First values, as the official code draws them: Xavier's uniform numbers, +-sqrt(6 / (inputs + outputs)), from the
/// seed and the name of each parameter.
template <class T>
void initialize_aa_clip(AaClip<T>& model, std::uint64_t seed);

/// What aa_clip_anchors leaves for its backward pass. Memory is taken by the first pass only.
template <class T>
struct AaClipTextSaved {
  TextSaved<T> tower;                    // from the first adapter on
  std::vector<ResidualSaved<T>> layers;  // of each adapter
  Tensor<T> u, z;                        // (N, Dt), (N, C), one row per sentence
};

/// The anchors of a class, from its sentences.
template <class T>
TextAnchors<T> aa_clip_anchors(Context& context, const TextTower<T>& tower, const AaClip<T>& model,
                               const ClassTokens& sentences, AaClipTextSaved<T>* saved = nullptr);

/// The way back from the anchors of a class.
template <class T>
struct AaClipTextBackward {
  const ClassTokens& sentences;  ///< and
  AaClipTextSaved<T>& saved;     ///< of aa_clip_anchors
  View<const T, 2> d_anchors;    ///< (2, C)
};

/// Adds to the gradients of what the text side trains.
template <class T>
void aa_clip_anchors_backward(Context& context, const TextTower<T>& tower, const AaClip<T>& model,
                              const AaClipTextBackward<T>& back, AaClip<T>& gradient);

/// A frozen image tower and what adapts it.
template <class T>
struct AaClipVision {
  const VisionTower<T>& tower;  ///< the image tower
  const Tensor<T>& positions;   ///< (1 + g g, D) (nn/position.hpp)
  const AaClip<T>& model;       ///< for a tower of these sizes

  /// As the functions of anomaly/features.hpp take it.
  [[nodiscard]] AdaptedModel<T> heads() const { return {tower, positions, model.heads}; }
};

/// What the image pass leaves for its backward pass. Memory is taken by the first pass only.
template <class T>
struct AaClipImageSaved {
  TransformerSaved<T> blocks;            // as blocks.plan says, which is set before the pass
  std::vector<ResidualSaved<T>> layers;  // of each adapter
};

/// Told of the tokens x (B, T, D) of each level, numbered from 0; they are valid during the call.
template <class T>
using AaClipLevels = function_ref<void(index_t level, View<const T, 3> x)>;

/// The image tower with its adapters on images (B, 3, S, S); tokens (B, T, D) is the output.
template <class T>
void aa_clip_image_forward(Context& context, const AaClipVision<T>& vision, View<const T, 4> images, View<T, 3> tokens,
                           AaClipLevels<T> on_level, AaClipImageSaved<T>* saved = nullptr);

/// From the projected patches (B * L, C) to the embedding (B, C) of each picture: mean over its patches of their unit
/// vectors. (AAC-2)
template <class T>
void mean_of_units_forward(Context& context, View<const T, 2> projected, View<T, 2> embedding);

/// d_projected (B * L, C), overwritten, from d_embedding (B, C). (AAC-2')
template <class T>
void mean_of_units_backward(Context& context, View<const T, 2> projected, View<const T, 2> d_embedding,
                            View<T, 2> d_projected);

/// Similarities (M, 2, L) of one picture (1, 3, S, S), one map per level, and its embedding (1, C).
template <class T>
void aa_clip_similarities(Context& context, const AaClipVision<T>& vision, const TextAnchors<T>& anchors,
                          View<const T, 4> image, View<T, 3> similarities, View<T, 2> embedding);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <cmath>
#include <span>

#include "../nn/initialize.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC AaClipConfig aa_clip_config(const ClipConfig& clip) {
  AaClipConfig config;
  config.level_blocks = detail::evenly_spread(clip.vision.layers, (std::min)(index_t{4}, clip.vision.layers));
  config.text_blocks = (std::min)(clip.text.layers, (clip.text.layers + 3) / 4);
  config.image_blocks = (clip.vision.layers + 3) / 4;
  return config;
}

namespace detail {
inline bool are_ascending(const std::vector<index_t>& blocks) {
  return lists::adjacent_find(blocks, [](index_t a, index_t b) { return a >= b; }) == blocks.end();
}
}  // namespace detail

template <class T>
AaClip<T>::AaClip(const AaClipConfig& switches, const ClipConfig& clip)
    : config(switches), detection(clip.embed, clip.vision.width, false) {
  MOECLIP_EXPECT(config.text_blocks >= 0 && config.text_blocks <= clip.text.layers && config.image_blocks >= 0 &&
                     config.image_blocks <= clip.vision.layers && !config.level_blocks.empty() &&
                     config.level_blocks.front() >= 1 && config.level_blocks.back() <= clip.vision.layers &&
                     detail::are_ascending(config.level_blocks),
                 "adapters after ", config.text_blocks, " text and ", config.image_blocks, " image blocks and ",
                 config.level_blocks.size(), " ascending levels do not fit towers of ", clip.text.layers, " and ",
                 clip.vision.layers, " blocks");
  AdapterConfig own;
  own.level_blocks = config.level_blocks;
  own.windows = {1};
  own.use_relu = config.use_relu;
  heads = Adapter<T>(own, clip.vision.width, clip.embed, clip.text.width);
  heads.detection.reset();  // AA-CLIP's is a single matrix
  for (index_t i = 0; i < config.text_blocks; ++i) text_layers.emplace_back(clip.text.width, clip.text.width, false);
  for (index_t i = 0; i < config.image_blocks; ++i)
    image_layers.emplace_back(clip.vision.width, clip.vision.width, false);
}

template <class T>
void initialize_aa_clip(AaClip<T>& model, std::uint64_t seed) {
  visit_parameters(model, "", [seed](const std::string& name, Tensor<T>& weight) {
    const auto both = static_cast<double>(weight.extent(0) + weight.extent(1));
    fill_uniform(weight, seed, name, static_cast<float>(std::sqrt(6.0 / both)));
  });
}

namespace detail {

/// The plan of a pass whose first adapter is after block 1: all above it, or nothing where there is no adapter.
inline index_t first_block_above_adapters(std::size_t adapters, index_t layers) {
  return adapters > 0 ? 2 : layers + 1;
}

/// The sentences' rows x (N, L, Dt), no longer than the longest, and the place of each end.
template <class T>
TextRows<T> rows_of_sentences(Arena::Scope& scratch, const TextTower<T>& tower, View<const std::int32_t, 2> tokens) {
  const std::span<const index_t> ends = end_positions(scratch, tokens);
  index_t length = 1;
  for (const index_t end : ends) length = (std::max)(length, end + 1);
  const index_t count = tokens.extent(0), width = tower.config.width;
  const View<T, 3> x(scratch.take<T>(count * length * width), {count, length, width});
  embed_tokens<T>(tower, tokens, x);
  return {x, ends};
}

}  // namespace detail

template <class T>
TextAnchors<T> aa_clip_anchors(Context& context, const TextTower<T>& tower, const AaClip<T>& model,
                               const ClassTokens& sentences, AaClipTextSaved<T>* saved) {
  const FloatScope floats;
  const index_t count = sentences.tokens.extent(0), width = tower.config.width, embed = model.heads.text.outputs();
  MOECLIP_EXPECT(sentences.normal_count > 0 && sentences.normal_count < count, "the class \"", sentences.name,
                 "\" needs sentences for both states; ", sentences.normal_count, " of ", count, " are normal");
  AaClipTextSaved<T> forgotten;
  AaClipTextSaved<T>& kept = saved != nullptr ? *saved : forgotten;
  kept.layers.resize(model.text_layers.size());
  if (saved != nullptr)
    kept.tower.blocks.plan.first_block =
        detail::first_block_above_adapters(model.text_layers.size(), tower.config.layers);
  const auto after_block = [&](index_t block, View<T, 2> x) {
    const auto i = static_cast<std::size_t>(block - 1);
    if (i < model.text_layers.size())
      residual_forward<T>(context, model.text_layers[i], model.config.text_weight, x,
                          saved != nullptr ? &kept.layers[i] : nullptr);
  };
  Arena::Scope scratch(context.arena());
  const TextRows<T> rows = detail::rows_of_sentences<T>(scratch, tower, sentences.tokens);
  const View<T, 2> u = detail::fit(kept.u, {count, width}).template view<2>();
  text_rows_forward<T>(context, tower, rows, after_block, u, saved != nullptr ? &kept.tower : nullptr);
  TextAnchors<T> anchors{sentences.name, Tensor<T>({2, embed}), static_cast<T>(model.heads.config.similarity_scale)};
  anchors_of_sentences<T>(context, model.heads, u, sentences.normal_count,
                          detail::fit(kept.z, {count, embed}).template view<2>(), anchors.vectors.template view<2>());
  return anchors;
}

template <class T>
void aa_clip_anchors_backward(Context& context, const TextTower<T>& tower, const AaClip<T>& model,
                              const AaClipTextBackward<T>& back, AaClip<T>& gradient) {
  const FloatScope floats;
  AaClipTextSaved<T>& saved = back.saved;
  const View<const T, 2> u = std::as_const(saved.u).template view<2>(), z = std::as_const(saved.z).template view<2>();
  Arena::Scope scratch(context.arena());
  const View<T, 2> d_u(scratch.take<T>(u.size()), u.extents());
  anchors_backward<T>(context, model.heads, {u, back.sentences.normal_count, z, back.d_anchors, d_u},
                      gradient.heads.text);
  if (model.text_layers.empty()) return;
  const auto before_block = [&](index_t block, View<T, 2> d_x) {
    const auto i = static_cast<std::size_t>(block - 1);
    if (i < model.text_layers.size())
      residual_backward<T>(context, model.text_layers[i], model.config.text_weight, saved.layers[i], d_x,
                           gradient.text_layers[i]);
  };
  const index_t count = u.extent(0), length = saved.tower.length, width = tower.config.width;
  const View<T, 3> d_x(scratch.take<T>(count * length * width), {count, length, width});
  const std::span<const index_t> ends = detail::end_positions(scratch, back.sentences.tokens);
  text_rows_backward<T>(context, tower, saved.tower, {ends, d_u, before_block}, d_x);
}

template <class T>
void aa_clip_image_forward(Context& context, const AaClipVision<T>& vision, View<const T, 4> images, View<T, 3> tokens,
                           AaClipLevels<T> on_level, AaClipImageSaved<T>* saved) {
  const AaClip<T>& model = vision.model;
  if (saved != nullptr) saved->layers.resize(model.image_layers.size());
  const auto after_block = [&](index_t block, View<T, 2> x) {
    const auto i = static_cast<std::size_t>(block - 1);
    if (i < model.image_layers.size())
      residual_forward<T>(context, model.image_layers[i], model.config.image_weight, x,
                          saved != nullptr ? &saved->layers[i] : nullptr);
    detail::for_each_at(model.config.level_blocks, block, [&](std::size_t level) {
      on_level(static_cast<index_t>(level), View<const T, 3>(x.data(), tokens.extents()));
    });
  };
  vision_forward<T>(context, vision.tower, images, vision.positions, tokens,
                    {after_block, nullptr, saved != nullptr ? &saved->blocks : nullptr});
}

template <class T>
void mean_of_units_forward(Context& context, View<const T, 2> projected, View<T, 2> embedding) {
  Arena::Scope scratch(context.arena());
  const index_t batch = embedding.extent(0), embed = embedding.extent(1), patches = projected.extent(0) / batch;
  const View<T, 2> unit(scratch.take<T>(projected.size()), projected.extents());
  std::copy_n(projected.data(), unit.size(), unit.data());
  normalize_tokens<T>(context, unit);
  std::fill_n(embedding.data(), embedding.size(), T(0));
  for (index_t i = 0; i < unit.extent(0); ++i)
    for (index_t c = 0; c < embed; ++c) embedding(i / patches, c) += unit(i, c);
  for (index_t b = 0; b < batch; ++b)
    for (index_t c = 0; c < embed; ++c) embedding(b, c) /= static_cast<T>(patches);
}

template <class T>
void mean_of_units_backward(Context& context, View<const T, 2> projected, View<const T, 2> d_embedding,
                            View<T, 2> d_projected) {
  const index_t rows = projected.extent(0), embed = projected.extent(1), patches = rows / d_embedding.extent(0);
  for (index_t i = 0; i < rows; ++i)
    for (index_t c = 0; c < embed; ++c) d_projected(i, c) = d_embedding(i / patches, c) / static_cast<T>(patches);
  kernels::normalize_rows_backward<T>(context, rows, embed, projected.data(), static_cast<T>(kNormalizeEps),
                                      d_projected.data(), d_projected.data());
}

template <class T>
void aa_clip_similarities(Context& context, const AaClipVision<T>& vision, const TextAnchors<T>& anchors,
                          View<const T, 4> image, View<T, 3> similarities, View<T, 2> embedding) {
  const FloatScope floats;
  const AaClip<T>& model = vision.model;
  const index_t count = vision.positions.extent(0), width = vision.tower.config.width, embed = embedding.extent(1);
  Arena::Scope scratch(context.arena());
  const View<T, 3> tokens(scratch.take<T>(count * width), {1, count, width});
  const auto steps = MapSteps<T>::take(scratch, count - 1, width, embed, false);
  const index_t last = model.heads.config.levels() - 1;
  const auto on_level = [&](index_t level, View<const T, 3> x) {
    map_tokens_forward<T>(context, vision.heads(), level, x, steps);
    if (level == last) {
      linear_forward<T>(context, model.detection, steps.tokens, steps.projected,
                        {.activation = detail::projection_activation(model.heads.config)});
      mean_of_units_forward<T>(context, steps.projected, embedding);
    }
    map_features_forward<T>(context, model.heads, level, steps);
    similarities_forward<T>(context, steps.features, anchors, similarities[level]);
  };
  aa_clip_image_forward<T>(context, vision, image, tokens, on_level);
}

MOECLIP_INSTANTIATE_CLASS(AaClip)
MOECLIP_INSTANTIATE(initialize_aa_clip)
MOECLIP_INSTANTIATE(aa_clip_anchors)
MOECLIP_INSTANTIATE(aa_clip_anchors_backward)
MOECLIP_INSTANTIATE(aa_clip_image_forward)
MOECLIP_INSTANTIATE(mean_of_units_forward)
MOECLIP_INSTANTIATE(mean_of_units_backward)
MOECLIP_INSTANTIATE(aa_clip_similarities)

}}  // namespace moeclip::abi_v0_1

#endif

// SPDX-License-Identifier: MIT
#pragma once
// The adapter is everything that MoECLIP adds to a frozen CLIP: mixtures of experts between blocks, projections of
// patch tokens into the joint space, a detection head for the whole image and a projection of sentences (METHOD
// sections 2, 3 and 9). The parameter list below uses the names of the official checkpoints.

#include <algorithm>
#include <optional>
#include <vector>

#include "../clip/config.hpp"
#include "../moe/mixture.hpp"
#include "../nn/depthwise_conv.hpp"
#include "../nn/layer_norm.hpp"
#include "../nn/linear.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The switches of an adapter. Block numbers are 1-based: "after block n".
struct AdapterConfig {
  std::vector<index_t> mixture_blocks;       ///< a mixture acts after each of these
  std::vector<index_t> level_blocks;         ///< patch tokens are taken after each of these, mixed if a mixture acted
  std::vector<index_t> windows = {1, 3, 5};  ///< aggregation windows; {1}: no aggregation
  index_t experts = 4;                       ///< E
  index_t chosen = 2;                        ///< K, experts per token
  index_t rank = 8;                          ///< R
  double scale = 2;                          ///< alpha / r
  double mix_weight = 0.1;                   ///< w of norm matching
  double similarity_scale = 100;             ///< factor of the cosines of patches and anchors; 100 as released
  bool use_separate_projections = false;     ///< one projection per map instead of one per level
  bool use_relu = false;                     ///< LeakyReLU after the projections

  /// How many blocks hand over their patch tokens.
  [[nodiscard]] index_t levels() const { return static_cast<index_t>(level_blocks.size()); }
  /// How many maps there are: one per level and aggregation window.
  [[nodiscard]] index_t maps() const { return levels() * static_cast<index_t>(windows.size()); }
  /// How many projections there are: one per map if they are separate, otherwise one per level.
  [[nodiscard]] index_t projections() const { return use_separate_projections ? maps() : levels(); }

  /// The map whose tokens feed the detection head: third from the end, as released. With three windows that is the
  /// last level, unaggregated; without aggregation it is the second of four levels.
  [[nodiscard]] index_t detection_map() const { return maps() >= 3 ? maps() - 3 : maps() - 1; }
};

namespace detail {

/// After `count` blocks spread evenly over `layers`: 6, 12, 18, 24 of 24.
inline std::vector<index_t> evenly_spread(index_t layers, index_t count) {
  std::vector<index_t> blocks;
  for (index_t i = 1; i <= count; ++i) blocks.push_back(std::max<index_t>(1, layers * i / count));
  return blocks;
}

}  // namespace detail

/// Side of the square that a CLIP is shown if nobody says which, pixels. An adapter sees 518, the released size, where
/// the patch size divides it; else the size is the CLIP's own, but of patches of more than 16 pixels there are at least
/// 14 a side: a ViT-B/32 at 224 has a map of 7 x 7, which shows nothing small.
inline index_t default_image_size(const VisionConfig& vision, bool has_adapter) {
  constexpr index_t kReleasedSize = 518, kCoarse = 16, kLeastGrid = 14;
  if (has_adapter && kReleasedSize % vision.patch_size == 0) return kReleasedSize;
  return vision.patch_size > kCoarse ? (std::max)(vision.image_size, kLeastGrid * vision.patch_size)
                                     : vision.image_size;
}

/// Throws contract unless a square of `size` pixels is one of whole patches; the error names sizes that are.
inline void expect_whole_patches(const VisionConfig& vision, index_t size) {
  const index_t patch = vision.patch_size, below = (std::max<index_t>)(size / patch, 1) * patch;
  MOECLIP_EXPECT(size > 0 && size % patch == 0, "the image size ", size, " is not a multiple of the patch size ", patch,
                 ": ", below, " and ", below + patch, " are");
}

/// One embedding per image from its patch tokens (DET-1 in this folder's README).
template <class T>
struct DetectionHead {
  LayerNorm<T> norm;           // over D, of the patch tokens
  DepthwiseConv<T> depthwise;  // (D, 1, 3)
  Linear<T> pointwise;         // (C, D), stored as (C, D, 1)

  DetectionHead() = default;
  /// Shapes for tokens of width D and a joint space of width C; values to be filled in.
  DetectionHead(index_t width, index_t embed) : norm(width), depthwise(width), pointwise(embed, width, false) {}

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("ln", self.norm);
    visitor("adapter.0", self.depthwise);
    visitor("adapter.2", self.pointwise);
  }
};

/// The parameters that MoECLIP adds to a frozen CLIP. Their gradients have the same type.
template <class T>
struct Adapter {
  AdapterConfig config;                       // says how many projections and mixtures follow
  Linear<T> text;                             // (C, Dt)
  std::vector<Linear<T>> projections;         // (C, D) each
  std::optional<DetectionHead<T>> detection;  // absent in plain CLIP: the class token speaks for the image
  std::vector<Mixture<T>> mixtures;           // one per mixture block
  kernels::Activation text_activation = kernels::Activation::leaky_relu;  // after `text`; none in plain CLIP

  Adapter() = default;

  /// Shapes for a tower of width D, joint space C and text width Dt; values to be filled in.
  Adapter(const AdapterConfig& switches, index_t width, index_t embed, index_t text_width)
      : config(switches), text(embed, text_width, false), detection(std::in_place, width, embed) {
    for (index_t i = 0; i < config.projections(); ++i) projections.emplace_back(embed, width, false);
    for (std::size_t j = 0; j < config.mixture_blocks.size(); ++j) {
      Mixture<T>& mixture = mixtures.emplace_back(width, config.experts, config.rank);
      mixture.chosen = config.chosen;
      mixture.scale = static_cast<T>(config.scale);
    }
  }

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("text_adapter.0.fc.0", self.text);
    for (std::size_t i = 0; i < self.projections.size(); ++i)
      visitor(concat("image_adapter.seg_proj.", i, self.config.use_relu ? ".fc.0" : ".fc"), self.projections[i]);
    if (self.detection) visitor("image_adapter.det_proj", *self.detection);
    visitor("image_adapter.moe_adapters", self.mixtures);
  }
};

/// Packs the projections of a frozen adapter (nn/linear.hpp). The experts stay as they are: they are thin.
template <class T>
void pack(Context& context, Adapter<T>& adapter) {
  if (!adapter.text.weight.empty()) pack(context, adapter.text);
  for (Linear<T>& projection : adapter.projections) pack(context, projection);
  if (adapter.detection) pack(context, adapter.detection->pointwise);
}

}}  // namespace moeclip::abi_v0_1

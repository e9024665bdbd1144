// SPDX-License-Identifier: MIT
#pragma once
// These are the sizes of a CLIP model, and the published models by name.

#include <array>
#include <string_view>

#include "../kernels/activation.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Sizes of the image tower. The defaults are those of ViT-B/32.
struct VisionConfig {
  index_t image_size = 224;  ///< side of the square that the position embedding was trained for, pixels
  index_t patch_size = 32;   ///< side of a patch, pixels
  index_t width = 768;       ///< D
  index_t layers = 12;       ///< number of blocks
  index_t heads = 12;        ///< H, attention heads of a block; their number divides the width
  index_t hidden = 3072;     ///< F, width of the MLP

  /// g, the number of patches along a side.
  [[nodiscard]] index_t grid() const { return image_size / patch_size; }
  friend bool operator==(const VisionConfig&, const VisionConfig&) = default;
};

/// Sizes of the text tower. The defaults are those of ViT-B/32.
struct TextConfig {
  index_t context_length = 77;  ///< S
  index_t vocabulary = 49408;   ///< V
  index_t width = 512;          ///< Dt
  index_t layers = 12;          ///< number of blocks
  index_t heads = 8;            ///< H, attention heads of a block; their number divides the width
  index_t hidden = 2048;        ///< F, width of the MLP

  friend bool operator==(const TextConfig&, const TextConfig&) = default;
};

/// Sizes of a stack of blocks.
struct TransformerConfig {
  index_t width, layers, heads, hidden;  ///< D, number of blocks, H, F
};

/// Sizes of the blocks of a tower, VisionConfig or TextConfig.
template <class Config>
TransformerConfig transformer_config(const Config& tower) {
  return {tower.width, tower.layers, tower.heads, tower.hidden};
}

/// What tells one CLIP from another, apart from its weights.
struct ClipConfig {
  VisionConfig vision;                                               ///< image tower
  TextConfig text;                                                   ///< text tower
  index_t embed = 512;                                               ///< C, width of the joint space
  kernels::Activation activation = kernels::Activation::quick_gelu;  ///< of the MLPs of both towers

  friend bool operator==(const ClipConfig&, const ClipConfig&) = default;
};

/// A published model.
struct ClipPreset {
  std::string_view name;  ///< "ViT-B/32", "ViT-L/14-336" and so on
  ClipConfig config;      ///< its sizes and activation
};

/// The published sizes. OpenAI's four use QuickGELU; H/14, g/14 and bigG/14 (LAION) use GELU.
std::array<ClipPreset, 7> clip_presets();

/// Name of the published model with these sizes (activation aside), or "custom".
std::string_view preset_name(const ClipConfig& config);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_CLIP)

#include "../base/types.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC std::array<ClipPreset, 7> clip_presets() {
  using kernels::Activation;
  const TextConfig text512{77, 49408, 512, 12, 8, 2048}, text768{77, 49408, 768, 12, 12, 3072};
  const TextConfig text1024{77, 49408, 1024, 24, 16, 4096}, text1280{77, 49408, 1280, 32, 20, 5120};
  return {{
      {"ViT-B/32", {{224, 32, 768, 12, 12, 3072}, text512, 512, Activation::quick_gelu}},
      {"ViT-B/16", {{224, 16, 768, 12, 12, 3072}, text512, 512, Activation::quick_gelu}},
      {"ViT-L/14", {{224, 14, 1024, 24, 16, 4096}, text768, 768, Activation::quick_gelu}},
      {"ViT-L/14-336", {{336, 14, 1024, 24, 16, 4096}, text768, 768, Activation::quick_gelu}},
      {"ViT-H/14", {{224, 14, 1280, 32, 16, 5120}, text1024, 1024, Activation::gelu}},
      {"ViT-g/14", {{224, 14, 1408, 40, 16, 6144}, text1024, 1024, Activation::gelu}},
      {"ViT-bigG/14", {{224, 14, 1664, 48, 16, 8192}, text1280, 1280, Activation::gelu}},
  }};
}

MOECLIP_FUNC std::string_view preset_name(const ClipConfig& config) {
  for (const ClipPreset& preset : clip_presets())
    if (preset.config.vision == config.vision && preset.config.text == config.text &&
        preset.config.embed == config.embed)
      return preset.name;
  return "custom";
}

}}  // namespace moeclip::abi_v0_1

#endif

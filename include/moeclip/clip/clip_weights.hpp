// SPDX-License-Identifier: MIT
#pragma once
// ClipWeights is a CLIP as plain numbers that can be trained and saved: both towers, not packed, and the logit scale. A
// gradient is another one of the same sizes.

#include "text.hpp"
#include "vision.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// All parameters of a CLIP under OpenAI's names, or their gradients.
template <class T>
struct ClipWeights {
  ClipConfig config;               // sizes, and the activation of both towers
  VisionTower<T> vision;           // image tower, not packed
  TextTower<T> text;               // text tower, not packed
  Tensor<T> logit_scale{Shape{}};  // logarithm of what cosines are multiplied with

  ClipWeights() = default;
  /// Parameters of these sizes; values to be filled in (initialize_clip).
  explicit ClipWeights(const ClipConfig& sizes)
      : config(sizes),
        vision(sizes.vision, sizes.embed, sizes.activation),
        text(sizes.text, sizes.embed, sizes.activation) {}

  /// OpenAI's names: "visual." before the image tower's, nothing before the text tower's.
  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("visual", self.vision);
    TextTower<T>::visit(self.text, visitor);
    visitor("logit_scale", self.logit_scale);
  }
};

/// Draws all weights as CLIP does before training (openai/CLIP, model.py, initialize_parameters; both towers alike):
/// normal numbers by the rules above, norms 1 and 0, biases 0, patch kernel uniform within 1 / sqrt(3 p p), scale
/// 1 / 0.07. Each tensor depends on the seed and its name only.
template <class T>
void initialize_clip(ClipWeights<T>& clip, std::uint64_t seed);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_CLIP)

#include <cmath>
#include <string>
#include <string_view>
#include "../nn/initialize.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Standard deviation with which CLIP draws the matrix `name` of a tower (INI-1 in this folder's README), 0 for none.
inline double initial_deviation(std::string_view name, index_t width, index_t layers) {
  const double own = 1 / std::sqrt(static_cast<double>(width));
  if (name.ends_with("attn.in_proj_weight")) return own;
  if (name.ends_with("attn.out_proj.weight") || name.ends_with("mlp.c_proj.weight"))
    return own / std::sqrt(2 * static_cast<double>(layers));  // the residual branches of all blocks add up
  if (name.ends_with("mlp.c_fc.weight")) return own / std::sqrt(2.0);
  if (name.ends_with("proj") || name == "text_projection") return own;
  if (name.ends_with("token_embedding.weight")) return 0.02;
  const bool is_visual = name.starts_with("visual.");
  if (name.ends_with("positional_embedding")) return is_visual ? own : 0.01;
  return name.ends_with("class_embedding") ? own : 0;
}

}  // namespace detail

template <class T>
void initialize_clip(ClipWeights<T>& clip, std::uint64_t seed) {
  visit_parameters(clip, "", [&](const std::string& name, Tensor<T>& tensor) {
    const bool is_visual = name.starts_with("visual.");
    const index_t width = is_visual ? clip.config.vision.width : clip.config.text.width;
    const double deviation =
        detail::initial_deviation(name, width, is_visual ? clip.config.vision.layers : clip.config.text.layers);
    if (deviation > 0) {
      fill_normal(tensor, seed, name);
      for (T& value : tensor) value *= static_cast<T>(deviation);
    } else {
      tensor.fill(name.find("ln_") != std::string::npos && name.ends_with("weight") ? T(1) : T(0));
    }
  });
  Linear<T>& kernel = clip.vision.patch_embed;
  fill_uniform(kernel.weight, seed, "visual.conv1.weight", 1 / std::sqrt(static_cast<float>(kernel.inputs())));
  clip.logit_scale[0] = static_cast<T>(std::log(1 / 0.07));
}

MOECLIP_INSTANTIATE(initialize_clip)

}}  // namespace moeclip::abi_v0_1

#endif

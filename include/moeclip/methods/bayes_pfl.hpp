// SPDX-License-Identifier: MIT
#pragma once
// What Bayes-PFL adds to a frozen CLIP (Qu et al., "Bayesian Prompt Flow Learning for Zero-Shot Anomaly Detection",
// CVPR 2025; bayes_pfl.md in this folder): a bank of learned prompts, three distributions of offsets to them, the
// attention of sentences to patches, and maps for the score of the whole picture. Names are those of the official
// files.

#include <cstdint>
#include <vector>

#include "../clip/config.hpp"
#include "cross_attention.hpp"
#include "patch_fusion.hpp"
#include "prompt_flow.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Switches and sizes; the defaults are those of the official scripts for ViT-L/14-336.
struct BayesPflConfig {
  std::vector<index_t> level_blocks = {6, 12, 18, 24};  ///< patches are taken after these blocks, 1-based, ascending
  index_t prompts = 3;                                  ///< in the bank, of each state
  index_t context_length = 5;                           ///< learned words that both states share
  index_t state_length = 5;                             ///< learned words of a state
  index_t flows = 10;                                   ///< F, planar flows of each distribution
  index_t samples = 10;                                 ///< R, sets of offsets that a picture is judged with
  bool fuses_patches = true;  ///< the score looks at patches too: trained to the end; false: after the first part only
  std::uint64_t seed = 111;   ///< of the offsets that pictures are judged with

  /// visitor(name, value) for every switch.
  template <class Self, class Visitor>
  static void visit(Self& c, Visitor&& visitor) {
    visitor("level_blocks", c.level_blocks);
    visitor("prompts", c.prompts);
    visitor("context_length", c.context_length);
    visitor("state_length", c.state_length);
    visitor("flows", c.flows);
    visitor("samples", c.samples);
    visitor("fuses_patches", c.fuses_patches);
    visitor("seed", c.seed);
  }

  friend bool operator==(const BayesPflConfig&, const BayesPflConfig&) = default;
};

/// A network that the official files hold and nothing uses: the reconstruction it was for is not trained.
template <class T>
struct FlowDecoder {
  SoftplusMlp<T> mean;  // Z -> Z

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("weight_mean", self.mean);
  }
};

/// All parameters. The official widths Dt and C are equal; here the offsets have the width of words, Dt, and all that
/// meets pictures that of the joint space, C.
template <class T>
struct BayesPfl {
  BayesPflConfig config;                           ///< sizes and switches
  Tensor<T> prompt_context;                        // (N, P, Dt)
  Tensor<T> prompt_normal, prompt_abnormal;        // (N, Q, Dt)
  Tensor<T> temperature_pixel, temperature_image;  // scalars: logarithms of what similarities are multiplied by
  FlowEncoder<T> context_encoder;                  // C -> Dt
  FlowDecoder<T> context_decoder;                  // unused
  FlowEncoder<T> state_encoder;                    // of both states
  FlowDecoder<T> state_decoder;                    // unused
  ImageFlow<T> context_flow;                       // offsets of the context
  StateFlow<T> normal_flow, abnormal_flow;         // offsets of the states
  PatchFusion<T> fusion;                           // of all levels
  CrossAttention<T> attention;                     // of sentences to patches
  Linear<T> class_mapping, image_mapping;          // (C, C)

  BayesPfl() = default;
  /// Uninitialised parameters for `clip`. Throws contract if the sizes do not fit it.
  BayesPfl(const BayesPflConfig& sizes, const ClipConfig& clip);

  template <class Self, class Visitor>
  static void visit(Self& self, Visitor& visitor) {
    visitor("prompt_context", self.prompt_context);
    visitor("prompt_state_normal", self.prompt_normal);
    visitor("prompt_state_abnormal", self.prompt_abnormal);
    visitor("temperature_pixel", self.temperature_pixel);
    visitor("temperature_image", self.temperature_image);
    visitor("context_encoder", self.context_encoder);
    visitor("context_decoder", self.context_decoder);
    visitor("state_encoder", self.state_encoder);
    visitor("state_decoder", self.state_decoder);
    visitor("PFL_context", self.context_flow);
    visitor("PFL_normal", self.normal_flow);
    visitor("PFL_abnormal", self.abnormal_flow);
    visitor("fuse", self.fusion);
    visitor("RCA", self.attention);
    visitor("class_mapping", self.class_mapping);
    visitor("image_mapping", self.image_mapping);
  }
};

/// The first values of the official code, from streams of numbers by the names of the parameters.
template <class T>
void initialize_bayes_pfl(BayesPfl<T>& model, std::uint64_t seed);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <cmath>
#include <string>

#include "../nn/initialize.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Throws contract unless the configuration has a meaning for `clip`.
inline void expect_bayes_pfl(const BayesPflConfig& config, const ClipConfig& clip) {
  constexpr index_t kMost = 4096;  // far beyond use, and no room is asked for that nobody has
  for (const index_t count :
       {config.prompts, config.context_length, config.state_length, config.flows, config.samples, clip.vision.layers})
    MOECLIP_EXPECT(count >= 1 && count <= kMost, "Bayes-PFL with ", count,
                   " prompts, words, flows or samples; from 1 to ", index_t{kMost}, " are possible");
  MOECLIP_EXPECT(!config.level_blocks.empty(), "Bayes-PFL needs patches after a block at least");
  MOECLIP_EXPECT(config.context_length + config.state_length + 3 <= clip.text.context_length, "prompts of ",
                 config.context_length, " + ", config.state_length, " learned words leave no room for a name in ",
                 clip.text.context_length, " positions");
  index_t last = 0;
  for (const index_t block : config.level_blocks) {
    MOECLIP_EXPECT(block > last && block <= clip.vision.layers, "levels after blocks of an image tower of ",
                   clip.vision.layers, " must ascend; block ", block, " was asked for after ", last);
    last = block;
  }
}

}  // namespace detail

template <class T>
BayesPfl<T>::BayesPfl(const BayesPflConfig& sizes, const ClipConfig& clip) : config(sizes) {
  detail::expect_bayes_pfl(config, clip);
  const index_t words = clip.text.width, width = clip.vision.width, embed = clip.embed, hidden = width / 2;
  const index_t levels = std::ssize(config.level_blocks);
  prompt_context = Tensor<T>::uninitialised({config.prompts, config.context_length, words});
  prompt_normal = prompt_abnormal = Tensor<T>::uninitialised({config.prompts, config.state_length, words});
  temperature_pixel = temperature_image = Tensor<T>::uninitialised(Shape{});
  for (FlowEncoder<T>* encoder : {&context_encoder, &state_encoder}) *encoder = FlowEncoder<T>(embed, hidden, words);
  for (FlowDecoder<T>* decoder : {&context_decoder, &state_decoder})
    decoder->mean = SoftplusMlp<T>(words, hidden, words);
  context_flow = ImageFlow<T>(embed, config.flows, words);
  for (StateFlow<T>* flow : {&normal_flow, &abnormal_flow}) *flow = StateFlow<T>(embed, config.flows, words);
  fusion = PatchFusion<T>(levels * width, hidden, embed);
  attention = CrossAttention<T>(levels, width, embed);
  for (Linear<T>* mapping : {&class_mapping, &image_mapping}) *mapping = Linear<T>(embed, embed, true);
}

template <class T>
void initialize_bayes_pfl(BayesPfl<T>& model, std::uint64_t seed) {
  const auto bound = static_cast<float>(1 / std::sqrt(static_cast<double>(model.attention.query.inputs())));
  visit_parameters(model, "", [&](const std::string& name, Tensor<T>& tensor) {
    const auto normal = [&](double mean, double deviation) {
      fill_normal(tensor, seed, name);
      for (T& value : tensor) value = static_cast<T>(mean + deviation * static_cast<double>(value));
    };
    const bool is_state = name.starts_with("PFL_normal.") || name.starts_with("PFL_abnormal.");
    if (name.starts_with("temperature_"))
      tensor.fill(static_cast<T>(std::log(1 / 0.07)));
    else if (name.starts_with("RCA.q_proj_pre."))
      fill_uniform(tensor, seed, name, bound);
    else if (name.ends_with(".bias"))
      tensor.fill(T(0));
    else if (is_state && !name.ends_with(".weight"))
      normal(0, 1);
    else
      normal(name == "prompt_state_normal" ? 0.5 : name == "prompt_state_abnormal" ? -0.5 : 0.0, 0.02);
  });
}

#if defined(MOECLIP_COMPILED)
template struct BayesPfl<float>;
template struct BayesPfl<double>;
#endif
MOECLIP_INSTANTIATE(initialize_bayes_pfl)

}}  // namespace moeclip::abi_v0_1

#endif

// SPDX-License-Identifier: MIT
#pragma once
// Writes a CLIP with its matrices rounded (quantized_file.hpp). Numbers are those that the towers hold, so that who
// loads the file multiplies with what was measured.

#include <map>
#include <string>

#include "checkpoint.hpp"
#include "parameter_writer.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What is written.
struct QuantizedClip {
  const ClipFile& source;            ///< where it came from
  const VisionTower<float>& vision;  ///< packed as `plan` says
  const TextTower<float>& text;      ///< packed as `plan` says
  PrecisionPlan plan;                ///< in which both were loaded
  std::string provenance;            ///< JSON: from what, by what program, what was measured
  std::string merges;                ///< of the tokenizer, or ""
};

/// Writes `clip` to `path`. Throws io; contract for a plan that is f32 throughout.
void save_quantized(const std::string& path, const QuantizedClip& clip);

/// Lists the parameters of an image tower, with OpenAI's names.
void add_vision(ParameterWriter& writer, const VisionTower<float>& vision);

/// The lowest precision in which matrices of its blocks are packed.
kernels::Precision precision_of_blocks(const VisionTower<float>& vision);

/// The metadata by which readers know a CLIP of these sizes, and in which precision its matrices are stored.
std::map<std::string, std::string> stored_clip_metadata(const ClipConfig& config, kernels::Precision precision);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_CLIP)

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC void add_vision(ParameterWriter& writer, const VisionTower<float>& vision) {
  const VisionConfig& config = vision.config;
  writer.add_all("visual", vision);
  writer.reshape("visual.conv1.weight", {config.width, 3, config.patch_size, config.patch_size});
}

MOECLIP_FUNC kernels::Precision precision_of_blocks(const VisionTower<float>& vision) {
  auto lowest = kernels::Precision::f32;
  for (const Block<float>& block : vision.transformer.blocks)
    visit_matrices(block, [&](const char*, const Linear<float>& layer) {
      const kernels::Precision precision = layer.packed.precision();
      if (lowest == kernels::Precision::f32 || precision == kernels::Precision::int8) lowest = precision;
    });
  return lowest;
}

MOECLIP_FUNC std::map<std::string, std::string> stored_clip_metadata(const ClipConfig& config,
                                                                     kernels::Precision precision) {
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : clip_metadata(config)) metadata[key] = value;
  if (precision == kernels::Precision::f32) return metadata;
  metadata[std::string(kPrecisionKey)] = to_string(precision);
  metadata[std::string(kQuantizedVersionKey)] = std::string(kQuantizedVersion);
  return metadata;
}

MOECLIP_FUNC void save_quantized(const std::string& path, const QuantizedClip& clip) {
  MOECLIP_EXPECT(clip.plan.precision != kernels::Precision::f32, "a CLIP in full precision is not quantized");
  const auto logit_scale = read_clip_tensor<float>(clip.source, "logit_scale", {});
  ParameterWriter writer;
  add_vision(writer, clip.vision);
  writer.add_all("", clip.text);
  writer.add("logit_scale", logit_scale);
  auto metadata = stored_clip_metadata(clip.source.config, clip.plan.precision);
  metadata[std::string(kQuantizedFromKey)] = clip.provenance;
  if (!clip.merges.empty()) metadata[std::string(kMergesKey)] = clip.merges;
  writer.save(path, metadata);
}

}}  // namespace moeclip::abi_v0_1

#endif

// SPDX-License-Identifier: MIT
#pragma once
// Writes a CLIP with its matrices rounded (quantized_file.hpp). Numbers are those that the towers hold, so that who
// loads the file multiplies with what was measured.

#include <string>

#include "checkpoint.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What is written.
struct QuantizedClip {
  const ClipFile& source;            ///< where all but the matrices is read from
  const VisionTower<float>& vision;  ///< packed as `plan` says
  const TextTower<float>& text;      ///< packed as `plan` says
  PrecisionPlan plan;                ///< in which both were loaded
  std::string provenance;            ///< JSON: from what, by what program, what was measured
  std::string merges;                ///< of the tokenizer, or ""
};

/// Writes `clip` to `path`. Throws io; contract for a plan that is f32 throughout.
void save_quantized(const std::string& path, const QuantizedClip& clip);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_CLIP)

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "../base/half.hpp"
#include "../io/safetensors_writer.hpp"
#include "../tensor/visit.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// The matrices of both towers, by the names of their weight tensors.
inline std::map<std::string, const Linear<float>*> quantized_matrices(const QuantizedClip& clip) {
  std::map<std::string, const Linear<float>*> matrices;
  const auto add = [&](const char* prefix, const Transformer<float>& transformer) {
    for (std::size_t i = 0; i < transformer.blocks.size(); ++i)
      visit_matrices(transformer.blocks[i], [&](const char* name, const Linear<float>& layer) {
        matrices[weight_name(concat(prefix, ".resblocks.", i, ".", name))] = &layer;
      });
  };
  add("visual.transformer", clip.vision.transformer);
  add("transformer", clip.text.transformer);
  return matrices;
}

inline DType dtype_of(kernels::Precision precision) {
  return precision == kernels::Precision::int8   ? DType::i8
         : precision == kernels::Precision::bf16 ? DType::bf16
                                                 : DType::f32;
}

/// The elements of a packed weight as it holds them, row by row (N, K).
inline void write_packed(SafetensorsWriter& writer, const kernels::PackedWeight<float>& weight) {
  const index_t rows = weight.columns(), columns = weight.rows();
  std::vector<std::int8_t> integers(static_cast<std::size_t>(columns));
  std::vector<std::uint16_t> halves(static_cast<std::size_t>(columns));
  std::vector<float> floats(static_cast<std::size_t>(columns));
  for (index_t n = 0; n < rows; ++n) {
    for (index_t k = 0; k < columns; ++k) {
      const auto at = static_cast<std::size_t>(k);
      switch (weight.precision()) {
        case kernels::Precision::int8: integers[at] = static_cast<std::int8_t>(weight.narrow().integer_at(k, n)); break;
        case kernels::Precision::bf16: halves[at] = float_to_bfloat16(weight(k, n)); break;
        case kernels::Precision::f32: floats[at] = weight(k, n); break;
      }
    }
    switch (weight.precision()) {
      case kernels::Precision::int8: writer.write(std::span<const std::int8_t>(integers)); break;
      case kernels::Precision::bf16: writer.write(std::span<const std::uint16_t>(halves)); break;
      case kernels::Precision::f32: writer.write(std::span<const float>(floats)); break;
    }
  }
}

}  // namespace detail

MOECLIP_FUNC void save_quantized(const std::string& path, const QuantizedClip& clip) {
  MOECLIP_EXPECT(clip.plan.precision != kernels::Precision::f32, "a CLIP in full precision is not quantized");
  const auto matrices = detail::quantized_matrices(clip);
  SafetensorsWriter writer(path);
  std::map<std::string, Shape> plain;  // all other tensors, read from the source when their turn comes
  const auto announce = [&](const std::string& name, const Tensor<float>& tensor) {
    const auto matrix = matrices.find(name);
    const VisionConfig& vision = clip.source.config.vision;
    const Shape kernel{vision.width, 3, vision.patch_size, vision.patch_size};
    const Shape shape = name == "visual.conv1.weight" ? kernel : tensor.shape();
    if (matrix == matrices.end()) {
      plain[name] = tensor.shape();
      return writer.announce(name, DType::f32, shape);
    }
    const kernels::Precision precision = matrix->second->packed.precision();
    writer.announce(name, detail::dtype_of(precision), shape);
    if (precision == kernels::Precision::int8) writer.announce(concat(name, detail::kScaleEnd), DType::f32, {shape[0]});
  };
  const ClipConfig& config = clip.source.config;
  const VisionTower<float> vision(config.vision, config.embed, config.activation);  // for names and shapes alone
  const TextTower<float> text(config.text, config.embed, config.activation);
  visit_parameters(vision, "visual", announce);
  visit_parameters(text, "", announce);
  announce("logit_scale", Tensor<float>(Shape{}));
  for (const auto& [key, value] : clip_metadata(config)) writer.set_metadata(key, value);
  writer.set_metadata(std::string(kPrecisionKey), to_string(clip.plan.precision));
  writer.set_metadata(std::string(kQuantizedVersionKey), std::string(kQuantizedVersion));
  writer.set_metadata(std::string(kQuantizedFromKey), clip.provenance);
  if (!clip.merges.empty()) writer.set_metadata(std::string(kMergesKey), clip.merges);
  writer.begin();
  for (const std::string& name : writer.order()) {
    if (const auto matrix = matrices.find(name); matrix != matrices.end()) {
      detail::write_packed(writer, matrix->second->packed);
    } else if (const auto other = plain.find(name); other != plain.end()) {
      const Tensor<float> tensor = read_clip_tensor<float>(clip.source, name, other->second);
      writer.write(std::span<const float>(tensor.data(), static_cast<std::size_t>(tensor.size())));
    } else {
      const std::string weight = name.substr(0, name.size() - detail::kScaleEnd.size());
      const kernels::PackedWeight<float>& packed = matrices.at(weight)->packed;
      writer.write(std::span<const float>(packed.narrow().scales.data(), static_cast<std::size_t>(packed.columns())));
    }
  }
  writer.commit();
}

}}  // namespace moeclip::abi_v0_1

#endif

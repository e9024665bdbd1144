// SPDX-License-Identifier: MIT
#pragma once
// Writes a CLIP as one safetensors file under OpenAI's names. What tensors cannot say, heads and activation, and the
// list of merges of its tokenizer go into the file's __metadata__, so that the file is all that Clip::load needs.

#include <string>

#include "../io/safetensors_writer.hpp"
#include "clip_weights.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Writes `clip` to `path`, its elements as f32, f16 or bf16. `merges` is the text of the tokenizer's list of merges
/// (synthetic/bpe_learner.hpp), or "". Throws io; contract for another dtype.
template <class T>
void save_clip(const std::string& path, const ClipWeights<T>& clip, DType dtype, const std::string& merges = {});

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_CLIP)

#include <map>
#include <span>
#include <vector>

#include "../base/half.hpp"
#include "clip_metadata.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Writes the elements of `tensor` rounded to `dtype`: f32, f16 or bf16.
template <class T>
void write_rounded(SafetensorsWriter& writer, const Tensor<T>& tensor, DType dtype) {
  if (dtype == DType::f32) {
    const std::vector<float> values(tensor.begin(), tensor.end());
    return writer.write(std::span<const float>(values));
  }
  std::vector<std::uint16_t> values(static_cast<std::size_t>(tensor.size()));
  for (index_t i = 0; i < tensor.size(); ++i) {
    const auto value = static_cast<float>(tensor[i]);
    values[static_cast<std::size_t>(i)] = dtype == DType::f16 ? float_to_half(value) : float_to_bfloat16(value);
  }
  writer.write(std::span<const std::uint16_t>(values));
}

}  // namespace detail

template <class T>
void save_clip(const std::string& path, const ClipWeights<T>& clip, DType dtype, const std::string& merges) {
  MOECLIP_EXPECT(dtype == DType::f32 || dtype == DType::f16 || dtype == DType::bf16, "a CLIP cannot be saved as ",
                 to_string(dtype));
  std::map<std::string, const Tensor<T>*> tensors;
  SafetensorsWriter writer(path);
  visit_parameters(clip, "", [&](const std::string& name, const Tensor<T>& tensor) {
    tensors[name] = &tensor;
    const VisionConfig& vision = clip.config.vision;
    const Shape kernel{vision.width, 3, vision.patch_size, vision.patch_size};
    writer.announce(name, dtype, name == "visual.conv1.weight" ? kernel : tensor.shape());
  });
  for (const auto& [key, value] : clip_metadata(clip.config)) writer.set_metadata(key, value);
  if (!merges.empty()) writer.set_metadata(std::string(kMergesKey), merges);
  writer.begin();
  for (const std::string& name : writer.order()) detail::write_rounded(writer, *tensors[name], dtype);
  writer.commit();
}

MOECLIP_INSTANTIATE(save_clip)

}}  // namespace moeclip::abi_v0_1

#endif

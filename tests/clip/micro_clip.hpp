// SPDX-License-Identifier: MIT
#pragma once
// Weight files made in memory: the smallest CLIP there is, whole or with one tensor spoiled.

#include <algorithm>
#include <cstring>
#include <moeclip/clip/checkpoint.hpp>
#include <string>
#include <utility>
#include <vector>

struct NamedShape {
  std::string name;
  moeclip::Shape shape;
};

/// Names and shapes of a CLIP with OpenAI's names: width 4, one block each, grid 2, patches of 2.
inline std::vector<NamedShape> micro_clip_tensors() {
  using namespace moeclip;  // NOLINT
  std::vector<NamedShape> tensors;
  VisionTower<float> vision({4, 2, 4, 1, 1, 8}, 3, kernels::Activation::gelu);
  TextTower<float> text({5, 6, 4, 1, 1, 8}, 3, kernels::Activation::gelu);
  const auto add = [&](const std::string& name, const Tensor<float>& tensor) {
    tensors.push_back({name, name == "visual.conv1.weight" ? Shape{4, 3, 2, 2} : tensor.shape()});
  };
  visit_parameters(vision, "visual", add);
  visit_parameters(text, "", add);
  tensors.push_back({"logit_scale", Shape{}});
  return tensors;
}

/// A safetensors file of float32 zeros.
inline moeclip::WeightFile zeros_file(const std::vector<NamedShape>& tensors) {
  using namespace moeclip;  // NOLINT
  std::string header;
  std::uint64_t end = 0;
  for (const NamedShape& tensor : tensors) {
    const std::string extents = to_string(tensor.shape);
    const auto begin = end;
    end += 4 * static_cast<std::uint64_t>(tensor.shape.size());
    header += concat(header.empty() ? "{" : ",", "\"", tensor.name, "\":{\"dtype\":\"F32\",\"shape\":[",
                     extents.substr(1, extents.size() - 2), "],\"data_offsets\":[", begin, ",", end, "]}");
  }
  header += "}";
  std::vector<std::byte> bytes(8 + header.size() + end);
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::byte>(header.size() >> (8 * i));
  std::memcpy(bytes.data() + 8, header.data(), header.size());
  return WeightFile::from_bytes(std::move(bytes), "made.safetensors");
}

/// The same tensors with one of them in another shape.
inline std::vector<NamedShape> with_shape(std::vector<NamedShape> tensors, const std::string& name,
                                          moeclip::Shape shape) {
  for (NamedShape& tensor : tensors)
    if (tensor.name == name) tensor.shape = shape;
  return tensors;
}

inline std::vector<NamedShape> without(std::vector<NamedShape> tensors, const std::string& name) {
  std::erase_if(tensors, [&](const NamedShape& tensor) { return tensor.name == name; });
  return tensors;
}

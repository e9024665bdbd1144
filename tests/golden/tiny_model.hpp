// SPDX-License-Identifier: MIT
#pragma once
// The tiny model of the recorded runs, remade from the recipe of its weights.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <moeclip/anomaly/anchors.hpp>
#include <moeclip/anomaly/features.hpp>
#include <moeclip/io/json.hpp>
#include <string>
#include <utility>

#include "golden_data.hpp"

namespace golden_test {

using namespace moeclip;  // NOLINT

// Another order of summation and other exp and erf than torch's give distances of the size of the noise itself; what
// was measured over all runs, ISAs and tensors stays below 4.4 in float (training: 6.1) and below 1.2 in double.
inline constexpr double kFactor = 8;

struct Run {
  const char* name;
  kernels::Activation activation = kernels::Activation::gelu;
  bool is_initial = false;  // gates and lora_B zero
  bool has_aggregation = true;
  bool is_separate_relu = false;
};

inline constexpr Run kRuns[] = {{"released_gelu"},
                                {"paper_gelu"},
                                {"released_quickgelu", kernels::Activation::quick_gelu},
                                {"paper_quickgelu", kernels::Activation::quick_gelu},
                                {"released_init", kernels::Activation::gelu, true},
                                {"paper_init", kernels::Activation::gelu, true},
                                {"released_nopaa", kernels::Activation::gelu, false, false},
                                {"released_separate_relu", kernels::Activation::gelu, false, true, true}};

/// The recipe of every weight: shape, scale, offset, and for lora_A the columns that are not zero.
inline const Json& weight_recipe() {
  static const Json recipe = [] {
    const auto bytes = read_file(golden_path("tiny/weights.json"), 1 << 20);
    return parse_json(as_text(bytes), "weights.json");
  }();
  return recipe;
}

template <class T>
void remake(const std::string& name, bool is_initial, Tensor<T>& tensor) {
  const Json& entry = weight_recipe().at("tensors").at(name);
  index_t size = 1;
  for (const Json& extent : entry.at("shape").items()) size *= extent.as_int64();
  REQUIRE(size == tensor.size());
  const Rng rng(weight_recipe().at("seed").as_uint64(), name);
  const auto scale = static_cast<float>(entry.at("scale").as_number());
  const auto offset = static_cast<float>(entry.at("offset").as_number());
  const bool is_zero = is_initial && (name.ends_with("gate.weight") || name.ends_with("lora_B.weight"));
  for (index_t i = 0; i < size; ++i) tensor[i] = is_zero ? T(0) : static_cast<T>(rng.uniform(i, scale, offset));
  if (const Json* columns = entry.find("columns")) {
    const index_t width = tensor.extent(1), begin = columns->at(0).as_int64(), end = columns->at(1).as_int64();
    for (index_t i = 0; i < size; ++i)
      if (i % width < begin || i % width >= end) tensor[i] = 0;
  }
}

template <class T>
struct Model {
  VisionTower<T> vision{{56, 14, 128, 4, 2, 512}, 96, kernels::Activation::gelu};
  TextTower<T> text{{77, 49408, 192, 2, 3, 768}, 96, kernels::Activation::gelu};
  Adapter<T> adapter;
  Tensor<T> positions;
};

template <class T>
Model<T> make_model(const Run& run) {
  Model<T> model;
  model.vision.activation = model.text.activation = run.activation;
  AdapterConfig config;
  config.mixture_blocks = config.level_blocks = {1, 2, 3, 4};
  if (!run.has_aggregation) config.windows = {1};
  config.use_relu = config.use_separate_projections = run.is_separate_relu;
  model.adapter = Adapter<T>(config, 128, 96, 192);
  const auto fill = [&](const std::string& name, Tensor<T>& tensor) { remake(name, run.is_initial, tensor); };
  visit_parameters(model.vision, "visual", fill);
  visit_parameters(model.text, "", fill);
  visit_parameters(model.adapter, "", fill);
  Context context({.threads = 1});
  for (auto& block : model.vision.transformer.blocks) pack(context, block);  // as loading does
  model.positions = resize_positions(model.vision.positional_embedding, 5);
  return model;
}

template <class T>
Tensor<T> read_inputs(const char* name) {
  return GoldenData("tiny/released_gelu.safetensors").file().read<T>(name);
}

/// Collects the worst distance of everything it is shown, and a hash of all bits.
template <class T>
struct Judge {
  const GoldenData& golden;
  std::string prefix;
  double worst = 0;
  int compared = 0;
  std::uint64_t bits = 0;

  void see(const std::string& name, const T* values, index_t size) {
    bits = bits * 31 + fnv1a64({reinterpret_cast<const char*>(values), static_cast<std::size_t>(size) * sizeof(T)});
    const double distance = golden.distance(prefix + name, values, size);
    if (distance < 0) return;
    ++compared;
    CAPTURE(prefix + name);
    CHECK(distance <= kFactor);
    worst = std::max(worst, distance);
  }
  void see_indices(const std::string& name, const std::int32_t* values, index_t size) {
    if (!golden.has(name)) return;
    const Tensor<double> wanted = golden.read(name);
    REQUIRE(wanted.size() == size);
    CAPTURE(name);
    CHECK(std::equal(wanted.begin(), wanted.end(), values));
    ++compared;
  }
};

}  // namespace golden_test

// SPDX-License-Identifier: MIT
#pragma once
// A seeded detector is a whole detector of random weights, for trying the machinery where no weights are at hand: it
// runs, it is the same everywhere, and its verdicts mean nothing.

#include <cmath>
#include <string>

#include "../moe/fofs.hpp"
#include "detector.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A CLIP that takes the standard vocabulary and is over in a moment.
ClipConfig seeded_config();

namespace detail {

/// Draws every parameter from its own stream: matrices with variance 1 / inputs, norms near 1, the rest small.
template <class T, class Object>
void draw_parameters(Object& object, std::uint64_t seed, const std::string& prefix) {
  visit_parameters(object, prefix, [&](const std::string& name, Tensor<T>& tensor) {
    const bool is_norm = name.find("ln_") != std::string::npos && name.ends_with("weight");
    const bool is_matrix = tensor.rank() >= 2;
    const index_t inputs = is_matrix ? tensor.size() / tensor.extent(0) : 1;
    const float bound = is_matrix ? std::sqrt(3.0f / static_cast<float>(inputs)) : 0.1f;
    fill_uniform(tensor, seed, name, bound, is_norm ? 1.0f : 0.0f);
  });
}

}  // namespace detail

/// The detector of `seed`. `vocabulary` as in ClipOptions.
Detector make_seeded_detector(std::uint64_t seed, const DetectorOptions& options = {});

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_ANOMALY)

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC ClipConfig seeded_config() {
  return {{224, 14, 128, 4, 2, 512}, {77, 49408, 128, 2, 2, 512}, 96, kernels::Activation::gelu};
}

MOECLIP_FUNC Detector make_seeded_detector(std::uint64_t seed, const DetectorOptions& options) {
  const ClipConfig config = seeded_config();
  VisionTower<float> vision(config.vision, config.embed, config.activation);
  TextTower<float> text(config.text, config.embed, config.activation);
  detail::draw_parameters<float>(vision, seed, "visual");
  detail::draw_parameters<float>(text, seed, "");

  AdapterConfig switches;
  switches.mixture_blocks = switches.level_blocks = {1, 2, 3, 4};
  Adapter<float> adapter(switches, config.vision.width, config.embed, config.text.width);
  detail::draw_parameters<float>(adapter, seed, "");
  for (std::size_t j = 0; j < adapter.mixtures.size(); ++j)
    initialize_fofs(adapter.mixtures[j], seed, concat("moe_adapters.", j));
  DetectorOptions own = options;
  if (own.image_size == 0) own.image_size = config.vision.image_size;
  return Detector(Clip<float>(config, std::move(vision), std::move(text), options.vocabulary), std::move(adapter), own);
}

}}  // namespace moeclip::abi_v0_1

#endif

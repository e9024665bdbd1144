// SPDX-License-Identifier: MIT
#pragma once
// The values that training starts from (METHOD section 6): Xavier for every projection, zeros or small random numbers
// for the gates and for B, and for each expert's A either frozen rows that are orthogonal between experts (FOFS) or
// Kaiming's trainable ones. Every value depends only on the seed and the name of its parameter.

#include <cstdint>

#include "../anomaly/adapter.hpp"
#include "../moe/fofs.hpp"
#include "../nn/initialize.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// How the parameters of mixtures start; the defaults are those of the released recipe.
struct AdapterStart {
  bool use_fofs = true;     ///< A orthogonal between experts and frozen; else Kaiming uniform and trained
  double gate_bound = 0;    ///< gates uniform in +-bound; 0: all experts tie at the first step, as released
  double expert_bound = 0;  ///< B uniform in +-bound; 0: no expert says anything at the first step, as released
};

/// Gives every parameter of a plain (not packed) adapter its first value. Throws contract if FOFS does not fit
/// (moe/fofs.hpp).
template <class T>
void initialize_adapter(Adapter<T>& adapter, const AdapterStart& start, std::uint64_t seed);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_TRAIN)

#include <cmath>
#include <string>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Bound of Xavier's uniform numbers: sqrt(6 / (inputs + outputs)) keeps variances through the layer, both ways.
inline float xavier_bound(index_t inputs, index_t outputs) {
  return static_cast<float>(std::sqrt(6.0 / static_cast<double>(inputs + outputs)));
}

template <class T>
void start_mixture(Mixture<T>& mixture, const AdapterStart& start, std::uint64_t seed, const std::string& name) {
  fill_uniform(mixture.router.gate, seed, name + ".gate", static_cast<float>(start.gate_bound));
  if (start.use_fofs) initialize_fofs(mixture, seed, name);
  for (std::size_t e = 0; e < mixture.experts.size(); ++e) {
    Expert<T>& expert = mixture.experts[e];
    const auto width = static_cast<double>(expert.lora_a.extent(1));
    const std::string stream = concat(name, ".experts.", e);
    // Kaiming with a = sqrt(5): sqrt(6 / ((1 + 5) D)) = 1 / sqrt(D)
    if (!start.use_fofs)
      fill_uniform(expert.lora_a, seed, stream + ".lora_A", static_cast<float>(1 / std::sqrt(width)));
    fill_uniform(expert.lora_b, seed, stream + ".lora_B", static_cast<float>(start.expert_bound));
  }
}

}  // namespace detail

template <class T>
void initialize_adapter(Adapter<T>& adapter, const AdapterStart& start, std::uint64_t seed) {
  const auto xavier = [seed](Linear<T>& layer, const std::string& name) {
    fill_uniform(layer.weight, seed, name, detail::xavier_bound(layer.inputs(), layer.outputs()));
  };
  xavier(adapter.text, "text_adapter");
  for (std::size_t i = 0; i < adapter.projections.size(); ++i) xavier(adapter.projections[i], concat("seg_proj.", i));
  if (adapter.detection) {
    DetectionHead<T>& head = *adapter.detection;
    head.norm.gamma.fill(T(1));
    head.norm.beta.fill(T(0));
    Tensor<T>& taps = head.depthwise.weight;  // torch counts fan_in 3, fan_out 3 D
    fill_uniform(taps, seed, "det_proj.depthwise", detail::xavier_bound(3, taps.size()));
    xavier(head.pointwise, "det_proj.pointwise");
  }
  for (std::size_t j = 0; j < adapter.mixtures.size(); ++j)
    detail::start_mixture(adapter.mixtures[j], start, seed, concat("moe_adapters.", j));
}

MOECLIP_INSTANTIATE(initialize_adapter)

}}  // namespace moeclip::abi_v0_1

#endif

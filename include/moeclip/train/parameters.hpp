// SPDX-License-Identifier: MIT
#pragma once
// What an optimiser works on: a list of named parameters, each with its gradient. The trained parameters of an adapter
// come in the order in which the official code numbers them (METHOD sections 5 and 9), so that the states of optimisers
// can be exchanged with it.

#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../anomaly/adapter.hpp"
#include "../tensor/visit.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// One trained tensor. A step skips it where `has_gradient` is false: nothing depended on it (an expert that no token
/// chose), which is not the same as a gradient of zero.
template <class T>
struct TrainedParameter {
  std::string name;               ///< as in files, such as "text_adapter.0.fc.0.weight"
  Tensor<T>* value = nullptr;     ///< belongs to the model; the optimiser changes it
  Tensor<T>* gradient = nullptr;  ///< of the same shape
  bool has_gradient = true;       ///< false: the optimiser skips it
  double rate = 1;                ///< times the learning rate of a step
};

/// Every parameter of `values` (a tower, an adapter) with its counterpart in `gradient`, which has the same structure.
template <class T, class Object>
std::vector<TrainedParameter<T>> all_parameters(Object& values, Object& gradient, std::string_view prefix = "") {
  std::vector<TrainedParameter<T>> parameters;
  visit_parameters(values, prefix, [&](const std::string& name, Tensor<T>& value) {
    parameters.push_back({name, &value, nullptr});
  });
  std::size_t i = 0;
  visit_parameters(gradient, prefix, [&](const std::string& name, Tensor<T>& tensor) {
    MOECLIP_EXPECT(
        i < parameters.size() && parameters[i].name == name && parameters[i].value->shape() == tensor.shape(),
        "the gradient of ", name, " is ", to_string(tensor.shape()), "; it does not fit its parameter");
    parameters[i++].gradient = &tensor;
  });
  MOECLIP_EXPECT(i == parameters.size(), "a gradient of ", i, " tensors for ", parameters.size(), " parameters");
  return parameters;
}

/// The trained parameters of an adapter: text projection | patch projections, detection head, then per mixture its gate
/// and every B [with `has_trainable_a`: A, B of each expert]. A is frozen under FOFS.
template <class T>
std::vector<TrainedParameter<T>> trained_parameters(Adapter<T>& values, Adapter<T>& gradient,
                                                    bool has_trainable_a = false) {
  std::vector<TrainedParameter<T>> parameters = all_parameters<T>(values, gradient);
  if (!has_trainable_a)
    std::erase_if(parameters, [](const TrainedParameter<T>& p) { return p.name.ends_with(".lora_A.weight"); });
  return parameters;
}

/// Marks the tensors of the experts that got no gradient in this step; `expert_has_gradient` is [mixture][expert].
template <class T>
void mark_experts(std::vector<TrainedParameter<T>>& parameters, const Adapter<T>& values,
                  const std::vector<std::vector<bool>>& expert_has_gradient) {
  for (TrainedParameter<T>& parameter : parameters)
    for (std::size_t j = 0; j < values.mixtures.size(); ++j)
      for (std::size_t e = 0; e < values.mixtures[j].experts.size(); ++e) {
        const Expert<T>& expert = values.mixtures[j].experts[e];
        if (parameter.value == &expert.lora_a || parameter.value == &expert.lora_b)
          parameter.has_gradient = expert_has_gradient[j][e];
      }
}

/// Euclidean length of all gradients together, summed in double in their order.
template <class T>
double gradient_norm(std::span<const TrainedParameter<T>> parameters) {
  double square = 0;
  for (const TrainedParameter<T>& parameter : parameters) {
    if (!parameter.has_gradient) continue;
    for (const T value : *parameter.gradient) square += static_cast<double>(value) * static_cast<double>(value);
  }
  return std::sqrt(square);
}

/// Scales gradients of length `norm` down to `longest`, all by one factor, if they are longer.
template <class T>
void clip_gradients(std::span<const TrainedParameter<T>> parameters, double norm, double longest) {
  if (!(norm > longest)) return;  // NaN changes nothing
  const auto factor = static_cast<T>(longest / norm);
  for (const TrainedParameter<T>& parameter : parameters)
    for (T& value : *parameter.gradient) value *= factor;
}

}}  // namespace moeclip::abi_v0_1

// SPDX-License-Identifier: MIT
#pragma once
// A model that trains in a moment: three blocks of width 8, two mixtures, two levels of two maps each, three pictures
// of two classes.

#include <moeclip/train/adapter_step.hpp>
#include <string>
#include <vector>

#include "random_tensor.hpp"

namespace step_test {

using namespace moeclip;  // NOLINT

inline AdapterConfig tiny_switches() {
  AdapterConfig config;
  config.mixture_blocks = {1, 2};
  config.level_blocks = {2, 3};
  config.windows = {1, 3};
  config.rank = 2;
  config.mix_weight = 0.3;
  return config;
}

template <class T>
struct TinyTraining {
  VisionTower<T> tower{{8, 2, 8, 3, 2, 16}, 6, kernels::Activation::gelu};
  Adapter<T> adapter;
  AdapterGradient<T> gradient;
  TrainingBatch<T> batch;
  std::vector<ClassText<T>> texts;
  StepOptions options;
  AdapterWorkspace<T> work;

  explicit TinyTraining(const AdapterConfig& switches = tiny_switches())
      : adapter(switches, 8, 6, 5), gradient(adapter) {
    const auto fill = [](const std::string& name, Tensor<T>& tensor) {
      const bool is_norm = name.find("ln") != std::string::npos && name.ends_with("weight");
      randomize(tensor, name, 0.5f, is_norm ? 1.0f : 0.0f);
    };
    visit_parameters(tower, "visual", fill);
    visit_parameters(adapter, "", fill);
    batch.images = random_tensor<T>({3, 3, 8, 8}, "images");
    batch.masks = Tensor<T>({3, 8, 8});
    for (index_t i = 64; i < 192; ++i) batch.masks[i] = i % 64 < 20 ? T(1) : T(0);
    batch.labels = {0, 1, 1};
    batch.classes = {1, 0, 1};
    texts.push_back({"gear", random_tensor<T>({3, 5}, "gear"), 1});
    texts.push_back({"ring", random_tensor<T>({4, 5}, "ring"), 2});
  }

  const LossReport& step(Context& context, AdapterGradient<T>* into) {
    return adapter_forward_backward<T>(context, {tower, tower.positional_embedding, adapter}, {batch, texts, options},
                                       work, into);
  }
  const LossReport& step(Context& context) {
    zero_parameters(gradient.values);
    return step(context, &gradient);
  }
};

/// Bits of all gradients.
template <class T>
std::uint64_t bits_of(const AdapterGradient<T>& gradient) {
  std::uint64_t bits = 0;
  visit_parameters(gradient.values, "", [&](const std::string&, const Tensor<T>& tensor) {
    bits = bits * 31 +
           fnv1a64({reinterpret_cast<const char*>(tensor.data()), static_cast<std::size_t>(tensor.size()) * sizeof(T)});
  });
  return bits;
}

}  // namespace step_test

// SPDX-License-Identifier: MIT
#pragma once
// A CLIP of random weights that trains in milliseconds, its classes encoded without a tokenizer, and batches for it.

#include <moeclip/anomaly/seeded.hpp>
#include <moeclip/synthetic/source.hpp>
#include <moeclip/train/trainer.hpp>
#include <string>
#include <utility>
#include <vector>

#include "random_tensor.hpp"

namespace tiny_model {

using namespace moeclip;  // NOLINT

inline ClipConfig config() { return {{16, 4, 64, 4, 1, 128}, {8, 32, 64, 1, 1, 128}, 24, kernels::Activation::gelu}; }

template <class T>
VisionTower<T> make_vision(std::uint64_t seed = 1) {
  VisionTower<T> vision(config().vision, config().embed, config().activation);
  moeclip::detail::draw_parameters<T>(vision, seed, "visual");
  return vision;
}

template <class T>
TextTower<T> make_text(std::uint64_t seed = 1) {
  TextTower<T> text(config().text, config().embed, config().activation);
  moeclip::detail::draw_parameters<T>(text, seed, "");
  return text;
}

template <class T>
Clip<T> make_clip(std::uint64_t seed = 1) {
  return Clip<T>(config(), make_vision<T>(seed), make_text<T>(seed));
}

/// Classes as if their sentences had been encoded.
template <class T>
std::vector<ClassText<T>> make_classes(std::span<const std::string> names) {
  std::vector<ClassText<T>> classes;
  for (const std::string& name : names) classes.push_back({name, random_tensor<T>({5, 64}, "text " + name), 2});
  return classes;
}

inline SampleSource make_source(index_t count = 7) {
  SyntheticPlan plan;
  plan.categories = {std::string(synthetic_categories()[0])};
  plan.count = count;
  plan.size = 32;
  return SampleSource(drawn_samples(plan_synthetic(plan)));
}

template <class T>
TrainingBatch<T> make_batch() {
  TrainingBatch<T> batch{random_tensor<T>({2, 3, 16, 16}, "images"), Tensor<T>({2, 16, 16}), {0, 1}, {0, 1}, {}};
  for (index_t y = 4; y < 9; ++y)
    for (index_t x = 3; x < 12; ++x) batch.masks[256 + 16 * y + x] = 1;
  return batch;
}

}  // namespace tiny_model

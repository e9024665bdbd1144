// SPDX-License-Identifier: MIT
#pragma once
// The CLIP, the learned rows and the pictures of golden/methods/make_anomaly_clip.py, drawn from the same names.

#include <memory>
#include <moeclip/methods/anomaly_clip_method.hpp>
#include <string>
#include <utility>

#include "golden.hpp"
#include "random_tensor.hpp"

namespace tiny_anomaly_clip {

using namespace moeclip;  // NOLINT

constexpr index_t kSize = 24, kPictures = 3;

inline ClipConfig clip_config() {
  return {{16, 4, 16, 4, 2, 32}, {20, 600, 12, 3, 2, 24}, 8, kernels::Activation::quick_gelu};
}

inline AnomalyClipConfig switches() {
  AnomalyClipConfig config;
  config.prompts = {4, 2, 3};
  config.value_blocks = 3;
  config.level_blocks = {1, 3, 4};
  return config;
}

inline MethodOptions options_of(const AnomalyClipConfig& config) { return {kSize, 111, to_json(config)}; }

template <class T>
std::shared_ptr<const Clip<T>> make_clip(bool is_packed = false) {
  const ClipConfig config = clip_config();
  VisionTower<T> vision(config.vision, config.embed, config.activation);
  TextTower<T> text(config.text, config.embed, config.activation);
  const auto draw = [](const std::string& name, Tensor<T>& tensor) {
    const bool is_norm = name.find("ln") != std::string::npos && name.ends_with("weight");
    randomize(tensor, name, 0.4f, is_norm ? 1.0f : 0.0f);
  };
  visit_parameters(vision, "visual", draw);
  visit_parameters(text, "", draw);
  Context context({.threads = 1});
  for (auto* blocks : {&vision.transformer.blocks, &text.transformer.blocks})
    for (Block<T>& block : *blocks)
      if (is_packed) pack(context, block);
  return std::make_shared<const Clip<T>>(config, std::move(vision), std::move(text),
                                         golden_path("tokenizer/tokenizer.json"));
}

/// The method with the learned rows of the goldens.
template <class T>
std::unique_ptr<AnomalyClip<T>> make_method(const AnomalyClipConfig& config = switches(), bool is_packed = false) {
  auto method = std::make_unique<AnomalyClip<T>>(make_clip<T>(is_packed), options_of(config));
  method->visit([](const std::string& name, Tensor<T>& tensor) { randomize(tensor, name, 0.4f); });
  return method;
}

template <class T>
TrainingBatch<T> make_batch() {
  TrainingBatch<T> batch;
  batch.images = random_tensor<T>({kPictures, 3, kSize, kSize}, "images");
  batch.masks = Tensor<T>({kPictures, kSize, kSize});
  batch.labels = {0, 1, 1};
  batch.classes = {0, 0, 0};
  const auto mark = [&](index_t b, index_t top, index_t bottom, index_t left, index_t right) {
    for (index_t y = top; y < bottom; ++y)
      for (index_t x = left; x < right; ++x) batch.masks.template view<3>()(b, y, x) = T(1);
  };
  mark(1, 3, 12, 5, 21);
  mark(2, 10, 24, 0, 7);
  return batch;
}

/// Picture b of a batch, as judge takes it.
template <class T>
View<const T, 4> picture_of(const TrainingBatch<T>& batch, index_t b) {
  return View<const T, 4>(batch.images.template view<4>()[b].data(), {1, 3, kSize, kSize});
}

}  // namespace tiny_anomaly_clip

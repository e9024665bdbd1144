// SPDX-License-Identifier: MIT
#pragma once
// The tiny CLIP, the official checkpoint and the recorded computation of golden/methods/make_bayes_pfl.py.

#include <array>
#include <moeclip/io/weights.hpp>
#include <moeclip/methods/bayes_pfl_file.hpp>
#include <moeclip/methods/bayes_pfl_judge.hpp>
#include <moeclip/methods/bayes_pfl_step.hpp>
#include <string>
#include <utility>
#include <vector>

#include "golden.hpp"

namespace bayes_test {

using namespace moeclip;  // NOLINT

inline ClipConfig clip_config() {
  ClipConfig config;
  config.vision = {20, 4, 16, 4, 2, 32};
  config.text = {16, 24, 12, 2, 2, 24};
  config.embed = 12;
  config.activation = kernels::Activation::gelu;
  return config;
}

inline BayesPflConfig model_config() {
  BayesPflConfig config;
  config.level_blocks = {1, 2, 3, 4};
  config.context_length = config.state_length = 2;
  config.flows = 3;
  config.samples = 4;
  return config;
}

inline WeightFile golden() { return WeightFile::open(golden_path("methods/bayes_pfl.safetensors")); }
inline WeightFile checkpoint() { return WeightFile::open(golden_path("methods/bayes_pfl.pth")); }

/// The tensor `name` of the golden file.
template <class T>
Tensor<T> recorded(const WeightFile& file, const std::string& name) {
  Tensor<T> tensor = Tensor<T>::uninitialised(file.entry(name).shape);
  file.read_into<T>(name, std::span<T>(tensor.data(), static_cast<std::size_t>(tensor.size())));
  return tensor;
}

template <class T, class Tower>
void read_tower(const WeightFile& file, std::string_view prefix, Tower& tower) {
  visit_parameters(tower, prefix, [&](const std::string& name, Tensor<T>& tensor) {
    const Shape shape = tensor.shape();
    tensor = recorded<T>(file, name);
    tensor.reshape(shape);
  });
}

/// A step's input, or that of a judgement, and the model of the checkpoint.
template <class T>
struct Recorded {
  WeightFile file = golden();
  VisionTower<T> vision{clip_config().vision, clip_config().embed, clip_config().activation};
  TextTower<T> text{clip_config().text, clip_config().embed, clip_config().activation};
  BayesPfl<T> model = read_bayes_pfl<T>(checkpoint(), clip_config(), model_config());
  Tensor<T> images = recorded<T>(file, "images"), masks = recorded<T>(file, "masks");
  std::vector<int> labels{1, 0, 1};
  std::vector<bool> has_mask;
  std::array<std::vector<std::int32_t>, 3> words{{{22, 5, 23}, {22, 7, 9, 3, 23}, {22, 5, 23}}};
  std::vector<std::span<const std::int32_t>> names{words.begin(), words.end()};
  BayesPflNoise<T> noise = noise_of("noise."), samples = noise_of("samples.");
  PictureFeatures<T> features;
  BayesPflWorkspace<T> work;
  BayesPfl<T> gradient{model_config(), clip_config()};

  explicit Recorded(Context& context) {
    read_tower<T>(file, "clip.visual", vision);
    read_tower<T>(file, "clip", text);
    look(context, 3);
  }

  BayesPflNoise<T> noise_of(const std::string& prefix) {
    return {recorded<T>(file, prefix + "context"), recorded<T>(file, prefix + "normal"),
            recorded<T>(file, prefix + "abnormal")};
  }

  /// The features of the first `count` pictures.
  void look(Context& context, index_t count) {
    picture_features_forward<T>(context, vision,
                                {std::as_const(images).template view<4>().rows(0, count), vision.positional_embedding},
                                model.config.level_blocks, features);
  }

  BayesPflLosses step(Context& context, int part) {
    zero_parameters(gradient);
    const BayesPflBatch<T> batch{features, std::as_const(masks).template view<3>(), has_mask, labels, names, noise, 1};
    return part == 1 ? bayes_pfl_step<T>(context, text, model, batch, work, gradient)
                     : bayes_pfl_score_step<T>(context, text, model, batch, work, gradient);
  }

  /// Probability and map of the first picture.
  std::pair<T, Tensor<T>> judge(Context& context, int part) {
    model.config.fuses_patches = part == 2;
    look(context, 1);
    std::pair<T, Tensor<T>> result{0, Tensor<T>({20, 20})};
    result.first =
        bayes_pfl_forward<T>(context, text, model, {features, names[0], samples}, result.second.template view<2>());
    look(context, 3);
    return result;
  }
};

}  // namespace bayes_test

// SPDX-License-Identifier: MIT
#pragma once
// The tiny CLIP, the model and the batch of golden/methods/aa_clip/make.py, made again from the same hashes of names.

#include <moeclip/methods/aa_clip_step.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace aa_clip_test {

using namespace moeclip;  // NOLINT

/// A number in [-1, 1) from a name and a place.
inline double number(std::string_view name, index_t place) {
  std::uint32_t key = 2166136261u;
  for (const char byte : name) key = (key ^ static_cast<std::uint8_t>(byte)) * 16777619u;
  std::uint32_t h = static_cast<std::uint32_t>(place) * 2654435761u + key;
  for (int i = 0; i < 2; ++i) h = (h ^ (h >> 16)) * 0x45D9F3Bu;
  return static_cast<double>(h ^ (h >> 16)) / 2147483648.0 - 1;
}

template <class T, class Object>
void fill(Object& object, std::string_view prefix) {
  visit_parameters(object, prefix, [](const std::string& name, Tensor<T>& tensor) {
    const bool is_norm = name.find("ln_") != std::string::npos && name.ends_with("weight");
    const double bound = tensor.rank() > 1 ? std::sqrt(3 / static_cast<double>(tensor.size() / tensor.extent(0))) : 0.1;
    for (index_t i = 0; i < tensor.size(); ++i) tensor[i] = static_cast<T>(number(name, i) * bound + (is_norm ? 1 : 0));
  });
}

inline ClipConfig config() { return {{16, 4, 16, 4, 2, 32}, {8, 32, 12, 4, 2, 24}, 10, kernels::Activation::gelu}; }

inline AaClipConfig switches(bool is_mended) {
  AaClipConfig config;
  config.level_blocks = {2, 4};
  config.text_blocks = config.image_blocks = 2;
  if (is_mended) {
    config.text_weight = 0.3;
    config.image_weight = 0.2;
    config.use_relu = true;
  }
  return config;
}

inline AaClipTraining training(bool is_mended) {
  AaClipTraining training;
  training.value_blocks = 3;
  training.sums_levels = is_mended;
  training.value_scope = is_mended ? ValueScope::tokens : ValueScope::pictures;
  return training;
}

template <class T>
VisionTower<T> make_vision() {
  VisionTower<T> vision(config().vision, config().embed, config().activation);
  fill<T>(vision, "visual");
  return vision;
}

template <class T>
TextTower<T> make_text() {
  TextTower<T> text(config().text, config().embed, config().activation);
  fill<T>(text, "");
  return text;
}

/// All that a step needs.
template <class T>
struct Fixture {
  AaClipTraining training;
  VisionTower<T> vision = make_vision<T>();
  TextTower<T> text = make_text<T>();
  AaClip<T> model, gradient;
  TrainingBatch<T> batch{Tensor<T>({3, 3, 16, 16}), Tensor<T>({3, 16, 16}), {0, 1, 1}, {0, 1, 0}, {}};
  std::vector<Tensor<std::int32_t>> tokens;
  std::vector<ClassTokens> sentences;
  AaClipWorkspace<T> work;

  explicit Fixture(bool is_mended = false)
      : training(aa_clip_test::training(is_mended)),
        model(switches(is_mended), config()),
        gradient(switches(is_mended), config()) {
    fill<T>(model, "");
    zero_parameters(gradient);
    for (index_t i = 0; i < batch.images.size(); ++i) batch.images[i] = static_cast<T>(number("images", i));
    const auto mark = [&](index_t b, index_t top, index_t bottom, index_t left, index_t right) {
      for (index_t y = top; y < bottom; ++y)
        for (index_t x = left; x < right; ++x) batch.masks.template view<3>()(b, y, x) = 1;
    };
    mark(1, 4, 9, 3, 12);
    mark(2, 0, 5, 10, 16);
    for (index_t which = 0; which < 2; ++which) {
      Tensor<std::int32_t>& rows = tokens.emplace_back(Shape{5, 8});
      for (index_t i = 0; i < rows.size(); ++i)
        rows[i] = static_cast<std::int32_t>((number(concat("tokens ", which), i) + 1) * 15);
      for (index_t n = 0; n < 5; ++n) rows[8 * n + 2 + (n + which) % 5] = 31;  // its end
    }
    for (std::size_t which = 0; which < 2; ++which)
      sentences.push_back({concat("class ", which), std::as_const(tokens[which]).view<2>(), 2});
  }

  [[nodiscard]] AaClipVision<T> adapted() const { return {vision, vision.positional_embedding, model}; }

  [[nodiscard]] std::vector<TextAnchors<T>> anchors(Context& context) const {
    std::vector<TextAnchors<T>> all;
    for (const ClassTokens& own : sentences) all.push_back(aa_clip_anchors<T>(context, text, model, own));
    return all;
  }

  AaClipLosses text_step(Context& context, bool goes_back) {
    if (goes_back) zero_parameters(gradient);
    return aa_clip_text_step<T>(context, {adapted(), training, batch}, text, sentences, work,
                                goes_back ? &gradient : nullptr);
  }

  AaClipLosses image_step(Context& context, const std::vector<TextAnchors<T>>& fixed, bool goes_back) {
    if (goes_back) zero_parameters(gradient);
    return aa_clip_image_step<T>(context, {adapted(), training, batch}, fixed, work, goes_back ? &gradient : nullptr);
  }

  /// The gradients of one stage, by name.
  [[nodiscard]] std::vector<std::pair<std::string, Tensor<T>>> gradients(std::string_view part) const {
    std::vector<std::pair<std::string, Tensor<T>>> all;
    visit_parameters(gradient, "", [&](const std::string& name, const Tensor<T>& tensor) {
      if (name.starts_with(part)) all.emplace_back(name, tensor);
    });
    return all;
  }
};

}  // namespace aa_clip_test

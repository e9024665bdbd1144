// SPDX-License-Identifier: MIT
#pragma once
// Bayes-PFL as a method that is trained (method.hpp): its pieces are in bayes_pfl.hpp, bayes_pfl_step.hpp and
// bayes_pfl_judge.hpp.

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bayes_pfl_step.hpp"
#include "method.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The switches in a form that a file holds.
Json to_json(const BayesPflConfig& config);

/// And back. What is not said is as released, with four levels spread over the blocks of this CLIP. Throws as
/// options_from_json.
BayesPflConfig bayes_pfl_config(const Json& json, const ClipConfig& clip);

/// Learns in two stages: prompts, distributions and maps; then the score of the whole picture.
template <class T>
class BayesPflMethod final : public TrainedMethod<T> {
 public:
  /// With first values drawn from options.seed, which the samples that pictures are judged with are drawn from too,
  /// unless the settings say another. Throws contract if the switches do not fit the CLIP.
  explicit BayesPflMethod(std::shared_ptr<const Clip<T>> clip, const MethodOptions& options = {});

  [[nodiscard]] const BayesPfl<T>& model() const { return model_; }  ///< all parameters

  [[nodiscard]] std::string_view name() const override { return "bayes-pfl"; }
  void expect_words(const std::string& words) const override { static_cast<void>(tokens(words)); }
  T judge(Context& context, View<const T, 4> image, const std::string& words, View<T, 2> map) const override;
  [[nodiscard]] Json settings() const override { return to_json(model_.config); }
  [[nodiscard]] std::vector<MethodStage> stages() const override;
  [[nodiscard]] std::vector<TrainedParameter<T>> parameters(index_t stage) override;
  double forward_backward(Context& context, const MethodBatch<T>& batch) override;
  void visit(function_ref<void(const std::string& name, Tensor<T>& tensor)> on_tensor) override;
  /// Of an official checkpoint the sizes are taken too.
  void load(const WeightFile& file) override;
  /// Words are kept as tokens, which nothing that is learned changes.
  void forget_words() override {}

 private:
  /// Of the model's sizes. Whoever only judges takes no memory for them.
  BayesPfl<T>& gradient();
  /// Draws what pictures are judged with.
  void draw_samples();
  /// Tokens of `words`, with begin and end; they stay where they are.
  [[nodiscard]] std::span<const std::int32_t> tokens(const std::string& words) const;

  BayesPfl<T> model_, gradient_;
  BayesPflNoise<T> samples_;  // (R, Dt)
  PictureFeatures<T> features_;
  BayesPflWorkspace<T> work_;
  mutable std::mutex mutex_;  // of tokens_
  mutable std::map<std::string, std::vector<std::int32_t>, std::less<>> tokens_;
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <algorithm>
#include <utility>

#include "../anomaly/adapter.hpp"
#include "../io/json_options.hpp"
#include "bayes_pfl_file.hpp"
#include "bayes_pfl_judge.hpp"
#include "method_file.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC Json to_json(const BayesPflConfig& config) { return options_to_json(config); }

MOECLIP_FUNC BayesPflConfig bayes_pfl_config(const Json& json, const ClipConfig& clip) {
  constexpr index_t kLevels = 4;  // as released
  BayesPflConfig config;
  config.level_blocks = detail::evenly_spread(clip.vision.layers, (std::min)(kLevels, clip.vision.layers));
  if (!json.is_null()) options_from_json(json, "Bayes-PFL", config);
  return config;
}

template <class T>
BayesPflMethod<T>::BayesPflMethod(std::shared_ptr<const Clip<T>> clip, const MethodOptions& options)
    : TrainedMethod<T>(clip,
                       options.image_size > 0 ? options.image_size : default_image_size(clip->config().vision, true)) {
  BayesPflConfig config = bayes_pfl_config(options.settings, clip->config());
  if (options.settings.is_null()) config.seed = options.seed;
  model_ = BayesPfl<T>(config, clip->config());
  initialize_bayes_pfl(model_, options.seed);
  draw_samples();
}

template <class T>
BayesPfl<T>& BayesPflMethod<T>::gradient() {
  if (gradient_.prompt_context.empty()) {
    gradient_ = BayesPfl<T>(model_.config, this->clip().config());
    zero_parameters(gradient_);
  }
  return gradient_;
}

template <class T>
void BayesPflMethod<T>::draw_samples() {
  const BayesPflConfig& config = model_.config;
  samples_ = draw_bayes_pfl_noise<T>(config.seed, "bayes_pfl.judge", config.samples, config.samples,
                                     this->clip().config().text.width);
}

template <class T>
std::span<const std::int32_t> BayesPflMethod<T>::tokens(const std::string& words) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto known = tokens_.find(words);
  if (known != tokens_.end()) return known->second;
  const Tensor<std::int32_t> row = this->clip().tokenize({words});
  const index_t count = end_position(row.view<2>()[0]) + 1;
  return tokens_.emplace(words, std::vector<std::int32_t>(row.begin(), row.begin() + count)).first->second;
}

template <class T>
T BayesPflMethod<T>::judge(Context& context, View<const T, 4> image, const std::string& words, View<T, 2> map) const {
  const FloatScope floats;
  PictureFeatures<T> features;
  picture_features_forward<T>(context, this->clip().vision(), {image, this->positions()}, model_.config.level_blocks,
                              features);
  const T probability =
      bayes_pfl_forward<T>(context, this->clip().text(), model_, {features, tokens(words), samples_}, map);
  return bayes_pfl_conclude<T>(context, probability, bayes_pfl_top_pixels(words, map.size()), map);
}

template <class T>
std::vector<MethodStage> BayesPflMethod<T>::stages() const {
  // The official code makes 30 epochs at most and ends each stage when another data set says so.
  const MethodStage maps{"prompts and maps", 25, 32, {1e-4, 0.5, 0.999, 1e-8}, {1e-4, {}, 1}, 0.1};
  const MethodStage score{"score", 5, 32, {1e-4, 0.5, 0.999, 1e-8}, {1e-4, {}, 1}};
  return model_.config.fuses_patches ? std::vector{maps, score} : std::vector{maps};
}

template <class T>
std::vector<TrainedParameter<T>> BayesPflMethod<T>::parameters(index_t stage) {
  std::vector<TrainedParameter<T>> all = all_parameters<T>(model_, gradient());
  std::erase_if(all, [&](const TrainedParameter<T>& p) {
    const bool is_of_score = p.name.starts_with("fuse.") || p.name.starts_with("image_mapping.");
    if (stage > 0) return !is_of_score && !p.name.starts_with("class_mapping.");
    return is_of_score || p.name.find("_decoder.") != p.name.npos || p.name.find(".p_mu.") != p.name.npos;
  });
  for (TrainedParameter<T>& p : all) {
    if (stage > 0) continue;
    if (p.name.starts_with("temperature_")) p.rate = 100;  // of 1e-4
    if (p.name.starts_with("prompt_") || p.name.starts_with("PFL_")) p.rate = 10;
  }
  return all;
}

template <class T>
double BayesPflMethod<T>::forward_backward(Context& context, const MethodBatch<T>& input) {
  const TrainingBatch<T>& batch = input.batch;
  const index_t pictures = batch.images.extent(0);
  BayesPfl<T>& gradients = gradient();
  zero_parameters(gradients);
  picture_features_forward<T>(context, this->clip().vision(), {batch.images.template view<4>(), this->positions()},
                              model_.config.level_blocks, features_);
  std::vector<std::span<const std::int32_t>> names;
  for (const index_t which : batch.classes) {
    MOECLIP_EXPECT(which >= 0 && which < std::ssize(input.words), "a picture is of class ", which, ", but there are ",
                   input.words.size(), " words");
    names.push_back(tokens(input.words[static_cast<std::size_t>(which)]));
  }
  const std::string stream = concat("bayes_pfl.stage", input.stage, ".step", input.step);
  const BayesPflNoise<T> noise =
      draw_bayes_pfl_noise<T>(input.seed, stream, pictures, 1, this->clip().config().text.width);
  const View<const T, 3> masks = batch.masks.rank() == 3 ? batch.masks.template view<3>() : View<const T, 3>();
  const BayesPflBatch<T> step{features_,
                              masks,
                              batch.has_mask,
                              batch.labels,
                              names,
                              noise,
                              Rng(input.seed, stream).integer(0, 0, model_.config.prompts)};
  const TextTower<T>& text = this->clip().text();
  return (input.stage == 0 ? bayes_pfl_step<T>(context, text, model_, step, work_, gradients)
                           : bayes_pfl_score_step<T>(context, text, model_, step, work_, gradients))
      .total();
}

template <class T>
void BayesPflMethod<T>::visit(function_ref<void(const std::string& name, Tensor<T>& tensor)> on_tensor) {
  visit_parameters(model_, "", on_tensor);
}

template <class T>
void BayesPflMethod<T>::load(const WeightFile& file) {
  if (is_method_file(file)) return TrainedMethod<T>::load(file);
  model_ = read_bayes_pfl<T>(file, this->clip().config(), model_.config);
  gradient_ = {};
  draw_samples();
}

MOECLIP_INSTANTIATE_CLASS(BayesPflMethod)

}}  // namespace moeclip::abi_v0_1

#endif

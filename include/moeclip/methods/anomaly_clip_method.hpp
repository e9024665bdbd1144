// SPDX-License-Identifier: MIT
#pragma once
// AnomalyCLIP as a method that is trained (method.hpp): its pieces are in anomaly_clip.hpp and anomaly_clip_step.hpp.

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "../io/json_options.hpp"
#include "anomaly_clip_step.hpp"
#include "method.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// All of them, as settings name them.
template <>
inline constexpr std::array kEnumerators<DeepRows>{DeepRows::half, DeepRows::exact};

/// The switches in a form that a file holds.
Json to_json(const AnomalyClipConfig& config);

/// And back: what is not said is as published for this CLIP. Throws as options_from_json.
AnomalyClipConfig anomaly_clip_config(const Json& json, const ClipConfig& clip);

/// The words for what a picture shows play no part: the prompts are about objects of any kind.
template <class T>
class AnomalyClip final : public TrainedMethod<T> {
 public:
  /// With first values drawn from options.seed. Throws contract if the switches do not fit the CLIP, and what
  /// Clip::tokenize throws.
  AnomalyClip(std::shared_ptr<const Clip<T>> clip, const MethodOptions& options = {});

  [[nodiscard]] const AnomalyClipConfig& config() const { return config_; }   ///< the switches
  [[nodiscard]] const ObjectPrompts<T>& prompts() const { return prompts_; }  ///< what is learned

  [[nodiscard]] std::string_view name() const override { return "anomalyclip"; }
  T judge(Context& context, View<const T, 4> image, const std::string& words, View<T, 2> map) const override;
  [[nodiscard]] Json settings() const override { return to_json(config_); }
  [[nodiscard]] std::vector<MethodStage> stages() const override;
  [[nodiscard]] std::vector<TrainedParameter<T>> parameters(index_t stage) override;
  double forward_backward(Context& context, const MethodBatch<T>& batch) override;
  void visit(function_ref<void(const std::string& name, Tensor<T>& tensor)> on_tensor) override;
  /// Of an official checkpoint the sizes are taken too.
  void load(const WeightFile& file) override;
  void forget_words() override;

 private:
  /// Room for prompts of the sizes in config_, and the rows around them.
  void make_room();
  [[nodiscard]] PromptedTower<T> text() const { return {this->clip().text(), frame_, config_.deep_rows}; }

  AnomalyClipConfig config_;
  Tensor<T> positions_;
  ObjectPrompts<T> prompts_, gradient_;
  PromptFrame<T> frame_;
  AnomalyClipWorkspace<T> work_;
  mutable std::mutex mutex_;                  // of anchors_
  mutable std::optional<Tensor<T>> anchors_;  // (2, C) of the prompts as they are
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <utility>

#include "../anomaly/adapter.hpp"
#include "../nn/initialize.hpp"
#include "anomaly_clip_file.hpp"
#include "method_file.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC Json to_json(const AnomalyClipConfig& config) { return options_to_json(config); }

MOECLIP_FUNC AnomalyClipConfig anomaly_clip_config(const Json& json, const ClipConfig& clip) {
  AnomalyClipConfig config = AnomalyClipConfig::released(clip);
  if (!json.is_null()) options_from_json(json, "AnomalyCLIP", config);
  return config;
}

template <class T>
AnomalyClip<T>::AnomalyClip(std::shared_ptr<const Clip<T>> clip, const MethodOptions& options)
    : TrainedMethod<T>(clip,
                       options.image_size > 0 ? options.image_size : default_image_size(clip->config().vision, true)),
      config_(anomaly_clip_config(options.settings, clip->config())),
      positions_(anomaly_clip_positions<T>(clip->vision(), this->image_size())) {
  constexpr double kFirstSpread = 0.02;  // standard deviation, as published
  check_anomaly_clip(config_, clip->config());
  make_room();
  visit_parameters(prompts_, "", [&](const std::string& name, Tensor<T>& tensor) {
    fill_normal(tensor, options.seed, name);
    for (T& value : tensor) value *= static_cast<T>(kFirstSpread);
  });
}

template <class T>
void AnomalyClip<T>::make_room() {
  const index_t width = this->clip().text().config.width;
  prompts_ = ObjectPrompts<T>(config_.prompts, width);
  gradient_ = ObjectPrompts<T>(config_.prompts, width);
  zero_parameters(gradient_);
  const Tensor<std::int32_t> tokens = anomaly_clip_tokens<T>(this->clip(), config_);
  frame_ = make_prompt_frame<T>(this->clip().text(), tokens.view<2>(), config_.prompts.context);
}

template <class T>
T AnomalyClip<T>::judge(Context& context, View<const T, 4> image, const std::string&, View<T, 2> map) const {
  Tensor<T> anchors;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!anchors_) {
      anchors_.emplace(Shape{2, this->clip().config().embed});
      object_prompts_forward<T>(context, text(), prompts_, anchors_->template view<2>());
    }
    anchors = *anchors_;
  }
  AnomalyClipFeatures<T> features;
  anomaly_clip_features<T>(context, this->clip().vision(), config_, image, positions_, features);
  return anomaly_clip_map<T>(context, config_, features, std::as_const(anchors).template view<2>(), map);
}

template <class T>
std::vector<MethodStage> AnomalyClip<T>::stages() const {
  return {{"prompts", 15, 8, {1e-3, 0.5, 0.999, 1e-8}, {1e-3, {}, 1}, 0, false}};
}

template <class T>
std::vector<TrainedParameter<T>> AnomalyClip<T>::parameters(index_t) {
  return all_parameters<T>(prompts_, gradient_);
}

template <class T>
double AnomalyClip<T>::forward_backward(Context& context, const MethodBatch<T>& batch) {
  forget_words();  // whoever asks for a step is about to change them
  zero_parameters(gradient_);
  const AnomalyClipModel<T> model{this->clip().vision(), positions_, text(), prompts_, config_};
  return anomaly_clip_forward_backward<T>(context, model, batch.batch, work_, &gradient_).total;
}

template <class T>
void AnomalyClip<T>::visit(function_ref<void(const std::string& name, Tensor<T>& tensor)> on_tensor) {
  visit_parameters(prompts_, "", on_tensor);
}

template <class T>
void AnomalyClip<T>::load(const WeightFile& file) {
  if (is_method_file(file)) return TrainedMethod<T>::load(file);
  ObjectPrompts<T> prompts = read_anomaly_clip<T>(file, this->clip(), config_);
  config_.prompts = prompts.sizes();
  make_room();
  prompts_ = std::move(prompts);
  forget_words();
}

template <class T>
void AnomalyClip<T>::forget_words() {
  const std::lock_guard<std::mutex> lock(mutex_);
  anchors_.reset();
}

MOECLIP_INSTANTIATE_CLASS(AnomalyClip)

}}  // namespace moeclip::abi_v0_1

#endif

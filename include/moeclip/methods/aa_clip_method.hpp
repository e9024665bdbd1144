// SPDX-License-Identifier: MIT
#pragma once
// AA-CLIP as a method that is trained (method.hpp): first the text side, then, on its anchors, the image side. Its
// pieces are in aa_clip.hpp and aa_clip_step.hpp.

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "../io/json_options.hpp"
#include "aa_clip_step.hpp"
#include "method.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// All switches of the method.
struct AaClipSettings {
  AaClipConfig model;       ///< of what is trained
  AaClipTraining training;  ///< of how

  /// visitor(name, value) for every switch.
  template <class Self, class Visitor>
  static void visit(Self& s, Visitor&& visitor) {
    visitor("level_blocks", s.model.level_blocks);
    visitor("text_blocks", s.model.text_blocks);
    visitor("image_blocks", s.model.image_blocks);
    visitor("text_weight", s.model.text_weight);
    visitor("image_weight", s.model.image_weight);
    visitor("use_relu", s.model.use_relu);
    visitor("disentangle_weight", s.training.disentangle_weight);
    visitor("sums_levels", s.training.sums_levels);
    visitor("value_blocks", s.training.value_blocks);
    visitor("value_scope", s.training.value_scope);
  }
};

/// All of them, as settings name them.
template <>
inline constexpr std::array kEnumerators<ValueScope>{ValueScope::pictures, ValueScope::tokens};

/// As a file holds them.
Json to_json(const AaClipSettings& settings);

/// Back from there; what is not said is as the official code has it, in proportion to this CLIP. Throws as
/// options_from_json, and contract for value_blocks below 0.
AaClipSettings aa_clip_settings(const Json& json, const ClipConfig& clip);

/// Scores are those of industrial pictures (SCO-1), from the map of probabilities (MAP-2).
template <class T>
class AaClipMethod final : public TrainedMethod<T> {
 public:
  /// With first values drawn from options.seed. Throws contract if the switches do not fit the CLIP.
  explicit AaClipMethod(std::shared_ptr<const Clip<T>> clip, const MethodOptions& options = {});

  [[nodiscard]] const AaClip<T>& model() const { return model_; }  ///< what is trained

  [[nodiscard]] std::string_view name() const override { return "aa-clip"; }
  void expect_words(const std::string& words) const override;
  T judge(Context& context, View<const T, 4> image, const std::string& words, View<T, 2> map) const override;
  [[nodiscard]] Json settings() const override { return to_json({model_.config, training_}); }
  [[nodiscard]] std::vector<MethodStage> stages() const override;
  [[nodiscard]] std::vector<TrainedParameter<T>> parameters(index_t stage) override;
  double forward_backward(Context& context, const MethodBatch<T>& batch) override;
  void visit(function_ref<void(const std::string& name, Tensor<T>& tensor)> on_tensor) override;
  /// Of an official checkpoint the sizes are taken too (aa_clip_file.hpp).
  void load(const WeightFile& file) override;
  void forget_words() override;

 private:
  /// The sentences about a thing, and its anchors by the model as it is once somebody asked for them.
  struct Words {
    Tensor<std::int32_t> tokens;  // (N, S)
    index_t normal_count = 0;
    TextAnchors<T> anchors;  // empty until they are made
  };

  [[nodiscard]] AaClipVision<T> vision() const { return {this->clip().vision(), this->positions(), model_}; }

  /// Under the mutex.
  Words& words_of(const std::string& words) const;
  /// Made once and kept.
  TextAnchors<T> anchors_of(Context& context, const std::string& words) const;
  double text_step(Context& context, const MethodBatch<T>& batch);
  double image_step(Context& context, const MethodBatch<T>& batch);

  AaClipTraining training_;
  AaClip<T> model_, gradient_;
  AaClipWorkspace<T> work_;
  mutable std::mutex mutex_;  // of words_
  mutable std::map<std::string, Words> words_;
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <algorithm>
#include <utility>

#include "../anomaly/prompts.hpp"
#include "aa_clip_file.hpp"
#include "method_file.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC Json to_json(const AaClipSettings& settings) { return options_to_json(settings); }

MOECLIP_FUNC AaClipSettings aa_clip_settings(const Json& json, const ClipConfig& clip) {
  AaClipSettings settings{aa_clip_config(clip), {}};
  index_t& value_blocks = settings.training.value_blocks;
  value_blocks = clip.vision.layers + 1 - settings.model.level_blocks.front();
  if (!json.is_null()) options_from_json(json, "AA-CLIP", settings);
  MOECLIP_EXPECT(value_blocks >= 0, "AA-CLIP: ", value_blocks, " value_blocks");
  return settings;
}

template <class T>
AaClipMethod<T>::AaClipMethod(std::shared_ptr<const Clip<T>> clip, const MethodOptions& options)
    : TrainedMethod<T>(clip,
                       options.image_size > 0 ? options.image_size : default_image_size(clip->config().vision, true)) {
  const AaClipSettings settings = aa_clip_settings(options.settings, this->clip().config());
  training_ = settings.training;
  model_ = AaClip<T>(settings.model, this->clip().config());
  gradient_ = AaClip<T>(settings.model, this->clip().config());
  zero_parameters(gradient_);
  initialize_aa_clip(model_, options.seed);
}

template <class T>
typename AaClipMethod<T>::Words& AaClipMethod<T>::words_of(const std::string& words) const {
  const auto known = words_.find(words);
  if (known != words_.end()) return known->second;
  const Prompts prompts = make_prompts(words);
  std::vector<std::string> sentences = prompts.normal;
  sentences.insert(sentences.end(), prompts.abnormal.begin(), prompts.abnormal.end());
  return words_.emplace(words, Words{this->clip().tokenize(sentences), std::ssize(prompts.normal), {}}).first->second;
}

template <class T>
void AaClipMethod<T>::expect_words(const std::string& words) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  words_of(words);
}

template <class T>
TextAnchors<T> AaClipMethod<T>::anchors_of(Context& context, const std::string& words) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  Words& own = words_of(words);
  if (own.anchors.vectors.empty())
    own.anchors = aa_clip_anchors<T>(context, this->clip().text(), model_,
                                     {words, std::as_const(own.tokens).template view<2>(), own.normal_count});
  return own.anchors;
}

template <class T>
T AaClipMethod<T>::judge(Context& context, View<const T, 4> image, const std::string& words, View<T, 2> map) const {
  const FloatScope floats;
  const index_t levels = model_.heads.config.levels(), patches = this->positions().extent(0) - 1,
                embed = this->clip().config().embed;
  const TextAnchors<T> anchors = anchors_of(context, words);
  Arena::Scope scratch(context.arena());
  const View<T, 3> similarities(scratch.take<T>(levels * 2 * patches), {levels, 2, patches});
  const View<T, 2> embedding(scratch.take<T>(embed), {1, embed});
  aa_clip_similarities<T>(context, vision(), anchors, image, similarities, embedding);
  probability_map<T>(context, similarities, map);
  const T largest = *std::max_element(map.data(), map.data() + map.size());
  return image_score<T>(Domain::industrial, largest, class_score<T>(embedding.data(), anchors));
}

template <class T>
std::vector<MethodStage> AaClipMethod<T>::stages() const {
  constexpr double kTextRate = 1e-5, kImageRate = 5e-4;  // as released, with the betas that Adam has there
  return {{"text adapter", 5, 16, {kTextRate}, {kTextRate, {}, 1}},
          {"image adapter", 20, 2, {kImageRate}, {kImageRate, {16000, 32000}, 0.5}}};
}

template <class T>
std::vector<TrainedParameter<T>> AaClipMethod<T>::parameters(index_t stage) {
  std::vector<TrainedParameter<T>> own = all_parameters<T>(model_, gradient_);
  const std::string_view part = stage == 0 ? detail::kAaClipText : detail::kAaClipImage;
  std::erase_if(own, [&](const TrainedParameter<T>& parameter) { return !parameter.name.starts_with(part); });
  return own;
}

template <class T>
double AaClipMethod<T>::text_step(Context& context, const MethodBatch<T>& batch) {
  std::vector<ClassTokens> sentences;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const std::string& words : batch.words) {
      const Words& own = words_of(words);
      sentences.push_back({words, own.tokens.template view<2>(), own.normal_count});
    }
  }
  return aa_clip_text_step<T>(context, {vision(), training_, batch.batch}, this->clip().text(), sentences, work_,
                              &gradient_)
      .total;
}

template <class T>
double AaClipMethod<T>::image_step(Context& context, const MethodBatch<T>& batch) {
  std::vector<TextAnchors<T>> anchors(batch.words.size());
  for (const index_t which : batch.batch.classes) {
    MOECLIP_EXPECT(which >= 0 && which < std::ssize(batch.words), "a picture is of class ", which, ", but there are ",
                   batch.words.size());
    const auto place = static_cast<std::size_t>(which);
    if (anchors[place].vectors.empty()) anchors[place] = anchors_of(context, batch.words[place]);
  }
  return aa_clip_image_step<T>(context, {vision(), training_, batch.batch}, anchors, work_, &gradient_).total;
}

template <class T>
double AaClipMethod<T>::forward_backward(Context& context, const MethodBatch<T>& batch) {
  if (batch.stage == 0) forget_words();  // the text side is about to change
  zero_parameters(gradient_);
  return batch.stage == 0 ? text_step(context, batch) : image_step(context, batch);
}

template <class T>
void AaClipMethod<T>::visit(function_ref<void(const std::string& name, Tensor<T>& tensor)> on_tensor) {
  visit_parameters(model_, "", [&](const std::string& name, Tensor<T>& tensor) { on_tensor(name, tensor); });
}

template <class T>
void AaClipMethod<T>::load(const WeightFile& file) {
  if (is_method_file(file)) return TrainedMethod<T>::load(file);
  model_ = read_aa_clip<T>(file, this->clip().config(), model_.config);
  gradient_ = AaClip<T>(model_.config, this->clip().config());
  zero_parameters(gradient_);
  forget_words();
}

template <class T>
void AaClipMethod<T>::forget_words() {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto& [words, own] : words_) own.anchors = {};
}

MOECLIP_INSTANTIATE_CLASS(AaClipMethod)

}}  // namespace moeclip::abi_v0_1

#endif

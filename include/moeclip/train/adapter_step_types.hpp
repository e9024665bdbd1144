// SPDX-License-Identifier: MIT
#pragma once
// The input and the output of one training step of the adapters (adapter_step.hpp): a batch of pictures, the encoded
// sentences of their classes and some switches go in; the losses, one by one, and the gradients of the adapter come
// out. The end of this file holds what the parts of a step pass to each other, and the check of the input.

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../anomaly/anchors.hpp"
#include "../anomaly/features.hpp"
#include "../base/lists.hpp"
#include "../moe/mixing.hpp"
#include "observer.hpp"
#include "step_options.hpp"
#include "training_batch.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The sentences of a class after the frozen text tower, computed once and used in every step (text_forward).
template <class T>
struct ClassText {
  std::string name;          ///< of the class, as its data set calls it
  Tensor<T> encodings;       ///< (N, Dt), ln_final rows of the end tokens
  index_t normal_count = 0;  ///< the first so many describe the normal state, the others the abnormal
};

/// A step's input.
template <class T>
struct StepInput {
  const TrainingBatch<T>& batch;        ///< must outlive the step
  std::span<const ClassText<T>> texts;  ///< of all classes
  StepOptions options = {};             ///< switches and weights of the losses
  const Probe<T>* probe = nullptr;      ///< sees similarities and gradients of activations (observer.hpp)
  ProcessGroup* group = nullptr;        ///< shares the batch; null: this process has all of it
};

/// The terms of the loss, before their weights. Lists have an entry per map (focal, dice) or per mixture.
struct LossReport {
  double total = 0;                                       ///< the weighted sum, whose gradient was taken
  double cross_entropy = 0;                               ///< CE-1, mean over the pictures of the batch
  std::vector<double> focal, dice_normal, dice_abnormal;  ///< 0 if no picture of the batch has a mask
  std::vector<double> etf, balance;                       ///< 0 unless is_training
  std::vector<std::vector<index_t>> expert_tokens;        ///< [mixture][expert]: how many tokens chose it
};

/// Gradients in the struct of the adapter. Each step adds to them: zero_parameters(values) comes first.
template <class T>
struct AdapterGradient {
  Adapter<T> values;                                   ///< lora_A stays untouched unless StepOptions::trains_lora_a
  std::vector<std::vector<bool>> expert_has_gradient;  ///< [mixture][expert]; false: no token chose it (sparse only)

  AdapterGradient() = default;
  /// Zeros, shaped like `adapter`, which is not packed.
  explicit AdapterGradient(const Adapter<T>& adapter)
      : values(adapter.config, adapter.projections.at(0).inputs(), adapter.text.outputs(), adapter.text.inputs()) {
    for (const Mixture<T>& mixture : values.mixtures) expert_has_gradient.emplace_back(mixture.experts.size(), false);
    zero_parameters(values);
  }
};

/// What a step keeps between its parts, and from step to step so that memory is taken once.
template <class T>
struct AdapterWorkspace {
  /// A class of the batch, encoded with the adapter as it is now.
  struct ClassAnchors {
    index_t class_index = 0;  ///< in StepInput::texts
    Tensor<T> z;              // (N, C), adapted sentences
    TextAnchors<T> anchors;   ///< (2, C) unit vectors, normal and abnormal
  };
  std::vector<ClassAnchors> classes;       // of the batch, in the order of their first picture
  std::vector<std::size_t> class_of;       // (B), place in `classes`
  TransformerSaved<T> blocks;              ///< what the image tower keeps for its backward pass
  std::vector<MixingSaved<T>> mixtures;    ///< the same of each mixture
  std::vector<Tensor<T>> d_levels;         // (B * T, D) each: gradient of the tokens of a level
  Tensor<T> tokens, d_tokens;              // (B, T, D)
  Tensor<T> similarities, d_similarities;  // (B, 2, g, g) of one map
  Tensor<T> difference, d_difference;      // (B, g, g)
  Tensor<T> d_anchors;                     // (B, 2, C), per picture of the whole batch
  std::vector<bool> has_mask;              // of the pictures held
  LossReport report;                       ///< of the latest step

  /// Empty lists of the lengths that this adapter needs.
  void begin(const AdapterConfig& config) {
    const auto maps = static_cast<std::size_t>(config.maps()), count = config.mixture_blocks.size();
    for (std::vector<double>* terms : {&report.focal, &report.dice_normal, &report.dice_abnormal})
      terms->assign(maps, 0);
    for (std::vector<double>* terms : {&report.etf, &report.balance}) terms->assign(count, 0);
    report.expert_tokens.resize(count);
    mixtures.resize(count);
    d_levels.resize(config.level_blocks.size());
  }
};

namespace detail {

/// What every part of a step needs.
template <class T>
struct StepRun {
  Context& context;
  const AdaptedModel<T>& model;
  const StepInput<T>& input;
  AdapterWorkspace<T>& work;
  AdapterGradient<T>* gradient;  // null: losses only

  /// Pictures held here.
  [[nodiscard]] index_t batch() const { return input.batch.images.extent(0); }
  /// The part of the batch that is this process's.
  [[nodiscard]] BatchShare share() const { return {input.group, std::ssize(input.batch.labels)}; }
  [[nodiscard]] index_t patches() const { return model.positions.extent(0) - 1; }
  [[nodiscard]] index_t grid() const { return grid_side(patches()); }
  [[nodiscard]] index_t width() const { return model.tower.config.width; }
  [[nodiscard]] index_t embed() const { return model.adapter.text.outputs(); }
  [[nodiscard]] bool has_any_mask() const {
    const std::vector<bool>& has = input.batch.has_mask;
    return has.empty() || lists::find(has, true) != has.end();
  }
  /// Pictures of the whole batch with a mask.
  [[nodiscard]] index_t marked() const {
    const std::vector<bool>& has = input.batch.has_mask;
    return has.empty() ? share().total : lists::count(has, true);
  }
  /// Blocks up to this one are not run backward.
  [[nodiscard]] index_t first_mixture_block() const {
    const auto& blocks = model.adapter.config.mixture_blocks;
    return blocks.empty() ? model.tower.config.layers + 1 : *std::min_element(blocks.begin(), blocks.end());
  }
  [[nodiscard]] bool has_mixtures() const { return first_mixture_block() <= model.tower.config.layers; }
  /// What the tower keeps for its way back.
  [[nodiscard]] SavePlan save_plan() const {
    const VisionConfig& config = model.tower.config;
    const index_t first = first_mixture_block() + 1, budget = input.options.memory_budget_bytes;
    if (budget == 0) return {first, config.layers + 1 - first};
    return plan_for<T>(transformer_config(config), {batch(), patches() + 1, false}, first, budget);
  }
  /// The place of picture b of those held in the lists of the whole batch; one without use has that of another.
  [[nodiscard]] std::size_t place_of(index_t b) const {
    return static_cast<std::size_t>((std::min)(share().first() + b, share().total - 1));
  }
  [[nodiscard]] const TextAnchors<T>& anchors_of(index_t b) const {
    return work.classes[work.class_of[place_of(b)]].anchors;
  }
  [[nodiscard]] const T* anchor_of(index_t b, index_t side) const {
    return anchors_of(b).vectors.data() + side * embed();
  }
  /// Of a picture without use, which has none, memory behind those of all.
  [[nodiscard]] View<T, 2> d_anchors_of(index_t b) const {
    const index_t place = share().own() > 0 ? share().first() + b : share().total;
    return work.d_anchors.template view<3>()[place];
  }
  [[nodiscard]] double map_weight() const {
    return input.options.averages_maps ? 1.0 / static_cast<double>(model.adapter.config.maps()) : 1.0;
  }
  [[nodiscard]] StepObserver<T> observe() const { return {input.probe, batch()}; }
  [[nodiscard]] MixingOptions mixing(std::size_t j) const {
    const StepOptions& o = input.options;
    const bool on = o.is_training;
    return {model.adapter.config.mix_weight,
            on,
            on ? o.lambda_etf : 0,
            on ? o.lambda_balance : 0,
            {on ? o.expert_dropout : 0, o.seed, o.step, static_cast<index_t>(j),
             share().first() * (patches() + 1) * width()},
            o.norm_match_floor,
            o.trains_lora_a,
            share()};
  }
};

/// What the pictures of a batch leave on their way to the class scores.
template <class T>
struct ClassifySteps {
  DetectionSteps<T> head;
  View<T, 2> embedding, logits, d_logits;  // (B, C), (B, 2), (B, 2)

  static ClassifySteps take(Arena::Scope& scratch, const StepRun<T>& run) {
    const index_t batch = run.batch(), embed = run.embed();
    const auto take = [&](index_t columns) { return View<T, 2>(scratch.take<T>(batch * columns), {batch, columns}); };
    return {DetectionSteps<T>::take(scratch, batch * run.patches(), run.width(), embed), take(embed), take(2), take(2)};
  }
};

/// The weighted sum of the terms.
template <class T>
double total_loss(const StepRun<T>& run) {
  const LossReport& report = run.work.report;
  const auto sum = [](const std::vector<double>& terms) {
    double all = 0;
    for (const double term : terms) all += term;
    return all;
  };
  return report.cross_entropy +
         run.map_weight() * (sum(report.focal) + sum(report.dice_normal) + sum(report.dice_abnormal)) +
         run.input.options.lambda_balance * sum(report.balance) + run.input.options.lambda_etf * sum(report.etf);
}

/// Throws contract if the input does not fit together.
template <class T>
void check_step(const StepRun<T>& run) {
  const TrainingBatch<T>& batch = run.input.batch;
  const Adapter<T>& adapter = run.model.adapter;
  const index_t held = run.share().held();
  const auto count = batch.classes.size();
  MOECLIP_EXPECT(
      batch.labels.size() == count && run.batch() == held && (batch.has_mask.empty() || batch.has_mask.size() == count),
      "a batch of ", run.batch(), " pictures has ", batch.labels.size(), " labels, ", count, " classes and ",
      batch.has_mask.size(), " mask flags");
  MOECLIP_EXPECT(!run.has_any_mask() || (batch.masks.rank() == 3 && batch.masks.extent(0) == run.batch()),
                 "a batch of ", run.batch(), " pictures has masks ", to_string(batch.masks.shape()));
  for (const index_t which : batch.classes) {
    MOECLIP_EXPECT(which >= 0 && which < std::ssize(run.input.texts), "a picture is of class ", which,
                   ", but there are ", run.input.texts.size(), " class texts");
    const ClassText<T>& text = run.input.texts[static_cast<std::size_t>(which)];
    MOECLIP_EXPECT(text.normal_count > 0 && text.normal_count < text.encodings.extent(0), "the class \"", text.name,
                   "\" needs sentences for both states; ", text.normal_count, " of ", text.encodings.extent(0),
                   " are normal");
  }
  MOECLIP_EXPECT(adapter.detection.has_value() && !adapter.text.weight.empty(),
                 "a step needs an adapter with a detection head, not packed");
}

}  // namespace detail

}}  // namespace moeclip::abi_v0_1

// SPDX-License-Identifier: MIT
#pragma once
// What goes into one training step of the adapters and what comes out of it (adapter_step.hpp): a batch of pictures,
// the encoded sentences of their classes, switches; the losses one by one, and gradients in the shape of the adapter.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../anomaly/adapter.hpp"
#include "../clip/vision.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// B pictures. All lists have B entries.
template <class T>
struct TrainingBatch {
  Tensor<T> images;              ///< (B, 3, S, S), normalised
  Tensor<T> masks;               ///< (B, S, S), 1 where the picture is abnormal, else 0
  std::vector<int> labels;       ///< 1: abnormal
  std::vector<index_t> classes;  ///< index of each picture's class in the list of ClassText
  std::vector<bool> has_mask;    ///< false: nobody marked this one, so its pixels enter no loss; empty: all have
};

/// The sentences of a class after the frozen text tower, computed once and used in every step (text_forward).
template <class T>
struct ClassText {
  std::string name;
  Tensor<T> encodings;       ///< (N, Dt), ln_final rows of the end tokens
  index_t normal_count = 0;  ///< the first so many describe the normal state, the others the abnormal
};

/// A CLIP, possibly packed, and the plain (not packed) adapter on it.
template <class T>
struct AdaptedModel {
  const VisionTower<T>& tower;
  const Tensor<T>& positions;  ///< (1 + g g, D) for the size of the images (nn/position.hpp)
  const Adapter<T>& adapter;
};

/// The defaults are those of the released recipe.
struct StepOptions {
  bool is_training = false;         ///< all experts see all tokens, ETF and balance losses and dropout are on: `paper`
  double lambda_etf = 0.01;         ///< weight of the ETF loss
  double lambda_balance = 0.01;     ///< weight of the balance loss
  double expert_dropout = 0;        ///< probability that an input of A_e is dropped
  double class_logit_scale = 1;     ///< factor of d . T in the cross entropy
  bool averages_maps = false;       ///< pixel losses: mean over the maps instead of their sum
  double norm_match_floor = 0;      ///< backward of norm matching: |m| counts as at least this share of |x|
  bool trains_lora_a = false;       ///< gradients of lora_A too, for adapters without FOFS
  std::uint64_t seed = 0;           ///< with `step`, of the dropout
  index_t step = 0;                 ///< number of this step
  index_t memory_budget_bytes = 0;  ///< for the tower's saved activations; 0: keep all, whatever it takes
};

/// The terms of the loss, before their weights. Lists have an entry per map (focal, dice) or per mixture.
struct LossReport {
  double total = 0;  ///< the weighted sum, whose gradient was taken
  double cross_entropy = 0;
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

}}  // namespace moeclip::abi_v0_1

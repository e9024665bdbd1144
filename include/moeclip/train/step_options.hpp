// SPDX-License-Identifier: MIT
#pragma once
// The switches of one training step and the weights of its losses. A recipe (recipe.hpp) says what most of them are.

#include <cstdint>

#include "../base/types.hpp"
#include "../base/version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

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

}}  // namespace moeclip::abi_v0_1

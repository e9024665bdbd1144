// SPDX-License-Identifier: MIT
#pragma once
// What a training step looks at: a few pictures, what is defective on them, and what they show.

#include <vector>

#include "../tensor/tensor.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// B pictures. All lists have B entries. Where several processes share a batch (StepInput::share), images and masks are
/// those that this one holds, and the lists are of all.
template <class T>
struct TrainingBatch {
  Tensor<T> images;              ///< (B, 3, S, S), normalised
  Tensor<T> masks;               ///< (B, S, S), 1 where the picture is abnormal, else 0
  std::vector<int> labels;       ///< 1: abnormal
  std::vector<index_t> classes;  ///< index of each picture's class in the list of ClassText
  std::vector<bool> has_mask;    ///< false: nobody marked this one, so its pixels enter no loss; empty: all have
};

}}  // namespace moeclip::abi_v0_1

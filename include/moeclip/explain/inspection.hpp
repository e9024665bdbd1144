// SPDX-License-Identifier: MIT
#pragma once
// What is kept of one look at a picture, for figures and sentences about it: the detection as it is, and per adapted
// block which experts each patch was routed to, how similar the experts' answers are, and how much each answer moved
// the score.

#include <cstdint>
#include <vector>

#include "../anomaly/detection.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What an inspection computes besides the detection, and in how much memory.
struct InspectOptions {
  bool has_grad_cam = true;  ///< run the score backward; without it an inspection costs hardly more than a detection
  index_t memory_budget_bytes = index_t{1} << 30;  ///< for what the backward pass keeps of the blocks; the rest is
                                                   ///< computed twice
};

/// One mixture on one picture. Token 0 is the class token, the patches follow in raster order.
template <class T>
struct BlockInspection {
  index_t block = 0;                ///< it acts after this one, 1-based
  Tensor<T> logits, probabilities;  ///< (1 + L, E) of the router
  Tensor<std::int32_t> chosen;      ///< (1 + L, K) experts, most probable first
  Tensor<T> weights;                ///< (1 + L, K) their shares
  Tensor<double> cosines;           ///< (E, E) of the outputs of all experts, mean over all tokens (ETF-1's G)
  double etf_loss = 0;              ///< of all tokens (ETF-1)
  Tensor<T> cams;                   ///< (E, L) Grad-CAM of the score, not negative (CAM-1); empty if not wanted

  [[nodiscard]] index_t experts() const { return probabilities.extent(1); }  ///< E

  /// Share of expert e in token n: 0 if it was not chosen.
  [[nodiscard]] T weight(index_t n, index_t e) const {
    for (index_t k = 0; k < chosen.extent(1); ++k)
      if (chosen[n * chosen.extent(1) + k] == e) return weights[n * chosen.extent(1) + k];
    return 0;
  }
};

/// One picture.
template <class T>
struct Inspection {
  Image picture;                           ///< as it was given
  Detection detection;                     ///< the same bits as BasicDetector::detect
  index_t grid = 0;                        ///< patches a side: L = grid * grid
  Tensor<T> similarities;                  ///< (M, 2, L) of SIM-1
  Tensor<T> embedding;                     ///< (1, C)
  std::vector<BlockInspection<T>> blocks;  ///< one per mixture
};

}}  // namespace moeclip::abi_v0_1

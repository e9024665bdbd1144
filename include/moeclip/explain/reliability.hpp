// SPDX-License-Identifier: MIT
#pragma once
// Whether answers are right as often as they claim (REL-1 in this folder's README): answers in bins of their
// probability, how many of each were right, and the expected calibration error.

#include <array>
#include <span>

#include "../base/types.hpp"
#include "../base/version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// An answer that was given with some probability.
struct GradedAnswer {
  double probability = 0;  ///< that the answer claimed for itself, in [0, 1]
  bool is_right = false;   ///< whether it was
};

/// Answers whose probabilities lie close together.
struct ReliabilityBin {
  index_t answers = 0, right = 0;  ///< how many, and how many of them were right
  double claimed = 0;              ///< sum of their probabilities

  /// Mean of the probabilities; 0 without answers.
  [[nodiscard]] double mean_claim() const { return answers > 0 ? claimed / static_cast<double>(answers) : 0; }
  /// Share of right answers; 0 without answers.
  [[nodiscard]] double share() const {
    return answers > 0 ? static_cast<double>(right) / static_cast<double>(answers) : 0;
  }
};

/// Ten bins of equal width, the lowest first.
struct Reliability {
  static constexpr std::size_t kBins = 10;  ///< of equal width
  std::array<ReliabilityBin, kBins> bins;   ///< in their order

  /// How many answers there are in all bins.
  [[nodiscard]] index_t answers() const {
    index_t sum = 0;
    for (const ReliabilityBin& bin : bins) sum += bin.answers;
    return sum;
  }
  /// REL-1: mean distance of claim and truth, by bin; 0 without answers.
  [[nodiscard]] double error() const {
    double sum = 0;
    for (const ReliabilityBin& bin : bins) {
      const double distance = bin.claimed - static_cast<double>(bin.right);
      sum += distance < 0 ? -distance : distance;
    }
    return answers() > 0 ? sum / static_cast<double>(answers()) : 0;
  }
};

/// Sorts answers into bins. A probability of 1 belongs to the last.
inline Reliability reliability_of(std::span<const GradedAnswer> answers) {
  Reliability result;
  for (const GradedAnswer& answer : answers) {
    const double at = answer.probability * static_cast<double>(Reliability::kBins);
    const std::size_t last = Reliability::kBins - 1;
    ReliabilityBin& bin = result.bins[at >= static_cast<double>(last) ? last
                                      : at > 0                        ? static_cast<std::size_t>(at)
                                                                      : 0];
    ++bin.answers;
    bin.right += answer.is_right ? 1 : 0;
    bin.claimed += answer.probability;
  }
  return result;
}

}}  // namespace moeclip::abi_v0_1

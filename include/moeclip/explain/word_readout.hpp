// SPDX-License-Identifier: MIT
#pragma once
// From evidence to the probabilities of words (RDO-1 in this folder's README), and from which probability on a word
// counts as certain. Both were fitted on pictures of known defects (fit_words.hpp).

#include <cmath>
#include <string>
#include <vector>

#include "../tensor/tensor.hpp"
#include "reliability.hpp"
#include "word_evidence.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// How a fit was made, and what it may promise.
struct WordFitRecord {
  std::string clip, adapter;               ///< hashes of the weights that it belongs to (anomaly/fingerprint.hpp)
  std::vector<std::string> categories;     ///< of the pictures that it was fitted on, sorted
  std::vector<std::string> judged;         ///< those of them that what follows was found on, each left out of a fit
  index_t pictures = 0;                    ///< that it was fitted on
  double promise = 0;                      ///< share of the certain names that are to be right
  index_t certain = 0, certain_right = 0;  ///< certain names of pictures that were left out of the fit, right ones
  index_t named = 0, named_right = 0;      ///< all names of defects that were left out, right ones
  index_t plain_right = 0;                 ///< of the same, by plain CLIP
  Reliability reliability;                 ///< of all names of pictures that were left out
};

/// A fitted read-out of W words.
struct WordReadout {
  std::vector<std::string> words;  ///< W of them
  Tensor<float> weights;   ///< (1 + W, F + 1): "no defect" first, the constant last; empty: plain CLIP's cosines
  double temperature = 1;  ///< that logits are divided by
  double threshold = 2;    ///< least probability of a certain name; above 1: none is
  WordFitRecord record;    ///< where it comes from

  /// True if it tells the words from features; false if plain CLIP's cosines were not worse.
  [[nodiscard]] bool reads_features() const { return !weights.empty(); }
  /// True if it is about these words, in this order.
  [[nodiscard]] bool is_about(const std::vector<std::string>& others) const { return words == others; }
};

namespace detail {

/// Overwrites logits by probabilities.
inline void softmax(std::vector<double>& logits, double temperature) {
  double highest = logits.at(0), sum = 0;
  for (const double logit : logits) highest = (std::max)(highest, logit);
  for (double& logit : logits) sum += logit = std::exp((logit - highest) / temperature);
  for (double& logit : logits) logit /= sum;
}

}  // namespace detail

/// RDO-1: probabilities (1 + W), "no defect" first. Throws mismatch for evidence of another length.
std::vector<double> word_probabilities(const WordReadout& readout, const WordEvidence& evidence);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EXPLAIN)

#include <algorithm>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC std::vector<double> word_probabilities(const WordReadout& readout, const WordEvidence& evidence) {
  const index_t rows = 1 + std::ssize(readout.words), features = std::ssize(evidence.features);
  std::vector<double> logits = evidence.cosines;
  if (readout.reads_features()) {
    if (readout.weights.extent(1) != features + 1)
      fail(ErrorCode::mismatch, concat("a read-out of words from ", counted(readout.weights.extent(1) - 1, "feature"),
                                       " was given ", features, "; it belongs to another CLIP"));
    logits.assign(static_cast<std::size_t>(rows), 0);
    for (index_t k = 0; k < rows; ++k) {
      const float* row = readout.weights.data() + k * (features + 1);
      double sum = static_cast<double>(row[features]);
      for (index_t f = 0; f < features; ++f)
        sum += static_cast<double>(row[f]) * evidence.features[static_cast<std::size_t>(f)];
      logits[static_cast<std::size_t>(k)] = sum;
    }
  }
  if (std::ssize(logits) != rows)
    fail(ErrorCode::mismatch,
         concat("a read-out of ", counted(rows - 1, "word"), " was given cosines with ", logits.size() - 1));
  detail::softmax(logits, readout.temperature);
  return logits;
}

}}  // namespace moeclip::abi_v0_1

#endif

// SPDX-License-Identifier: MIT
#pragma once
// Keeps every score, for metrics without any error. It takes four bytes for each normal pixel or picture, and eight for
// each anomalous one.

#include <cstdint>
#include <span>
#include <vector>

#include "../base/function_ref.hpp"
#include "../base/lists.hpp"
#include "metrics.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A positive: its score, and of a pixel the size of its region (0: it belongs to none, as a whole picture does).
struct PositiveScore {
  float score = 0;                ///< not NaN
  std::uint32_t region_size = 0;  ///< pixels

  friend bool operator==(const PositiveScore&, const PositiveScore&) = default;
};

/// Throws contract if one of `scores` is NaN: it has no place in an order.
void expect_ordered(std::span<const float> scores);

/// A table of scores, one by one. No score may be NaN.
class ExactScores {
 public:
  /// Adds normal pixels or pictures. Here and below -0 becomes +0: they are equal scores.
  void add_negatives(std::span<const float> scores);
  /// Adds an anomalous pixel or picture.
  void add_positive(const PositiveScore& positive);

  /// Adds all scores of another table.
  void merge(const ExactScores& other);

  /// Brings the scores into the order of the walk, highest first, which depends on nothing but what they are.
  void sort();

  /// Hands out the rows of sorted scores, from the highest score to the lowest.
  void for_each_row(function_ref<void(const ScoreRow&)> receive) const;

  [[nodiscard]] std::span<const float> negatives() const { return negatives_; }          ///< descending after sort()
  [[nodiscard]] std::span<const PositiveScore> positives() const { return positives_; }  ///< the same

 private:
  std::vector<float> negatives_;
  std::vector<PositiveScore> positives_;
};

/// Exact metrics of pictures: label 0 is normal, everything else anomalous. There are no regions, so aupro is
/// undefined.
Metrics measure(std::span<const float> scores, std::span<const std::uint8_t> labels);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EVAL)

#include <algorithm>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC void expect_ordered(std::span<const float> scores) {
  std::size_t unordered = 0;
  for (const float score : scores) unordered += score != score ? 1 : 0;
  MOECLIP_EXPECT(unordered == 0, unordered, " of ", scores.size(), " scores are NaN, which cannot be ranked");
}

MOECLIP_FUNC void ExactScores::add_negatives(std::span<const float> scores) {
  for (const float score : scores) negatives_.push_back(score + 0.0f);
}

MOECLIP_FUNC void ExactScores::add_positive(const PositiveScore& positive) {
  positives_.push_back({positive.score + 0.0f, positive.region_size});
}

MOECLIP_FUNC void ExactScores::merge(const ExactScores& other) {
  negatives_.insert(negatives_.end(), other.negatives_.begin(), other.negatives_.end());
  positives_.insert(positives_.end(), other.positives_.begin(), other.positives_.end());
}

MOECLIP_FUNC void ExactScores::sort() {
  lists::sort(negatives_, [](float a, float b) { return a > b; });
  lists::sort(positives_, [](const PositiveScore& a, const PositiveScore& b) {
    return a.score != b.score ? a.score > b.score : a.region_size < b.region_size;
  });
}

MOECLIP_FUNC void ExactScores::for_each_row(function_ref<void(const ScoreRow&)> receive) const {
  std::size_t n = 0, p = 0;
  while (n < negatives_.size() || p < positives_.size()) {
    ScoreRow row;
    row.highest = row.lowest = p == positives_.size()   ? negatives_[n]
                               : n == negatives_.size() ? positives_[p].score
                                                        : (std::max)(negatives_[n], positives_[p].score);
    for (; n < negatives_.size() && negatives_[n] == row.lowest; ++n) ++row.negatives;
    for (; p < positives_.size() && positives_[p].score == row.lowest; ++p) {
      ++row.positives;
      row.weight += FixedSum::reciprocal(positives_[p].region_size);
    }
    receive(row);
  }
}

MOECLIP_FUNC Metrics measure(std::span<const float> scores, std::span<const std::uint8_t> labels) {
  MOECLIP_EXPECT(scores.size() == labels.size(), scores.size(), " scores came with ", labels.size(), " labels");
  expect_ordered(scores);
  ExactScores exact;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (labels[i] == 0) {
      exact.add_negatives({&scores[i], 1});
    } else {
      exact.add_positive({scores[i], 0});
    }
  }
  exact.sort();
  MetricSums sums({exact.positives().size(), exact.negatives().size(), 0});
  exact.for_each_row([&](const ScoreRow& row) { sums.add(row); });
  return sums.result();
}

}}  // namespace moeclip::abi_v0_1

#endif

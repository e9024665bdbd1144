// SPDX-License-Identifier: MIT
#pragma once
// How good a ranking is: area under the ROC curve, average precision, best F1, and area under the per-region overlap
// curve (EVA-1 to EVA-4 in this folder's README; METHOD section 8). All four follow from one walk down the scores, in
// which equal scores are taken together. A row of that walk may also stand for scores that are only near each other:
// then each metric says how far it may be from the exact one (EVA-1' to EVA-4').

#include <limits>
#include <string>

#include "../base/error.hpp"
#include "../base/types.hpp"
#include "fixed_sum.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A number, or the reason why there is none. There is no sentinel: an undefined metric never counts as 0.
struct Metric {
  double value = std::numeric_limits<double>::quiet_NaN();  ///< NaN if there is none
  double error = 0;  ///< the exact value lies in [value - error, value + error]; 0: it is exact
  std::string undefined = "nothing was measured";  ///< why there is no value; empty: there is one

  Metric() = default;
  /// A value that is at most `bound` off.
  explicit Metric(double known, double bound = 0) : value(known), error(bound), undefined() {}
  /// No value, and why.
  static Metric none(std::string reason) {
    Metric metric;
    metric.undefined = std::move(reason);
    return metric;
  }
  [[nodiscard]] bool is_defined() const { return undefined.empty(); }  ///< true: there is a value
};

/// What the scores of a class are worth; all metrics lie in [0, 1].
struct Metrics {
  Metric auroc;              ///< area under the ROC curve (EVA-1)
  Metric average_precision;  ///< EVA-2
  Metric f1_max;             ///< the best F1 of all thresholds (EVA-3)
  Metric aupro;              ///< per-region overlap up to the limit (EVA-4); of pixels only
  double f1_threshold = std::numeric_limits<double>::quiet_NaN();  ///< the highest score that reaches f1_max
};

/// Scores in [lowest, highest] and how many have them.
struct ScoreRow {
  float lowest = std::numeric_limits<float>::infinity();    ///< of its scores
  float highest = -std::numeric_limits<float>::infinity();  ///< of its scores
  std::uint64_t positives = 0;                              ///< anomalous pixels or pictures
  std::uint64_t negatives = 0;                              ///< normal ones
  FixedSum weight;                                          ///< of the positives: each 1 / (pixels of its region)

  [[nodiscard]] bool is_exact() const { return lowest == highest; }  ///< true: all have the same score
};

/// How many scores there are in all rows together.
struct ScoreTotals {
  std::uint64_t positives = 0;  ///< anomalous pixels or pictures
  std::uint64_t negatives = 0;  ///< normal ones
  std::uint64_t regions = 0;    ///< connected anomalous regions; 0 for pictures
};

inline constexpr double kFalsePositiveLimit = 0.3;  ///< up to which the per-region overlap counts, as MVTec AD has it

/// Takes the rows of all scores from the highest to the lowest, and knows the metrics then.
class MetricSums {
 public:
  /// `totals` of all rows to come. Throws contract unless the limit of AUPRO is in (0, 1].
  explicit MetricSums(const ScoreTotals& totals, double false_positive_limit = kFalsePositiveLimit);

  void add(const ScoreRow& row);  ///< the next row, with lower scores than the last

  [[nodiscard]] Metrics result() const;  ///< after the last row

 private:
  /// Pairs in the right order, ties counting half (EVA-1).
  void add_roc(const ScoreRow& row, double p, double n);

  /// Precision at each of the row's positives (EVA-2). Of a row that is not exact: the middle between all positives
  /// together before the negatives, and one by one after them.
  void add_precision(const ScoreRow& row, double p, double n);

  /// Trapezoid of the overlap over the false positive rate, cut at the limit (EVA-4).
  void add_overlap(const ScoreRow& row, double n);

  /// F1 if everything down to this row is called anomalous (EVA-3).
  void add_f1(const ScoreRow& row, double p, double n);

  ScoreTotals totals_;
  double positives_, negatives_, limit_;
  double true_positives_ = 0, false_positives_ = 0;  // whole numbers; exact below 2^53
  FixedSum overlap_;
  double roc_ = 0, roc_error_ = 0, precision_ = 0, precision_error_ = 0, overlap_area_ = 0, overlap_error_ = 0;
  double f1_ = 0, f1_bound_ = 0, f1_threshold_ = std::numeric_limits<double>::quiet_NaN();
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EVAL)

#include <algorithm>
#include <cmath>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC MetricSums::MetricSums(const ScoreTotals& totals, double false_positive_limit)
    : totals_(totals),
      positives_(static_cast<double>(totals.positives)),
      negatives_(static_cast<double>(totals.negatives)),
      limit_(false_positive_limit) {
  MOECLIP_EXPECT(limit_ > 0 && limit_ <= 1, "a false positive rate of ", limit_, " is not in (0, 1]");
}

MOECLIP_FUNC void MetricSums::add(const ScoreRow& row) {
  const auto p = static_cast<double>(row.positives), n = static_cast<double>(row.negatives);
  add_roc(row, p, n);
  add_precision(row, p, n);
  add_overlap(row, n);
  true_positives_ += p;
  false_positives_ += n;
  overlap_ += row.weight;
  add_f1(row, p, n);
}

MOECLIP_FUNC Metrics MetricSums::result() const {
  MOECLIP_ASSERT(true_positives_ == positives_ && false_positives_ == negatives_);
  const bool has_positives = totals_.positives > 0, has_negatives = totals_.negatives > 0;
  const char* missing = !has_positives && !has_negatives ? "there are no scores"
                        : !has_positives                 ? "nothing is anomalous"
                                                         : "nothing is normal";
  Metrics metrics;
  metrics.auroc = metrics.average_precision = metrics.f1_max = metrics.aupro = Metric::none(missing);
  if (has_positives && has_negatives) {
    const double pairs = positives_ * negatives_;
    metrics.auroc = Metric(roc_ / pairs, roc_error_ / pairs);
    metrics.aupro = totals_.regions > 0 ? Metric(overlap_area_ / limit_, overlap_error_ / limit_)
                                        : Metric::none("there are no anomalous regions");
  }
  if (!has_positives) return metrics;
  metrics.average_precision = Metric(precision_ / positives_, precision_error_ / positives_);
  metrics.f1_max = Metric(f1_, (std::max)(0.0, f1_bound_ - f1_));
  metrics.f1_threshold = f1_threshold_;
  return metrics;
}

MOECLIP_FUNC void MetricSums::add_roc(const ScoreRow& row, double p, double n) {
  roc_ += n * (true_positives_ + p / 2);
  if (!row.is_exact()) roc_error_ += n * p / 2;
}

MOECLIP_FUNC void MetricSums::add_precision(const ScoreRow& row, double p, double n) {
  if (p == 0) return;
  const double tp = true_positives_, fp = false_positives_;
  if (row.is_exact()) {
    precision_ += p * (tp + p) / (tp + p + fp + n);
    return;
  }
  const double best = p * (tp + p) / (tp + p + fp), others = fp + n;
  const double worst = others == 0 ? p : p - others * std::log1p(p / (tp + others));
  precision_ += (best + worst) / 2;
  precision_error_ += (best - worst) / 2;
}

MOECLIP_FUNC void MetricSums::add_overlap(const ScoreRow& row, double n) {
  if (n == 0 || totals_.regions == 0) return;
  const double from = false_positives_ / negatives_;
  if (from >= limit_) return;
  const auto regions = static_cast<double>(totals_.regions);
  const double to = (false_positives_ + n) / negatives_, width = (std::min)(to, limit_) - from;
  const double before = overlap_.value() / regions, rise = row.weight.value() / regions;
  const double half = to <= limit_ ? rise / 2 : rise / 2 * width / (to - from);
  overlap_area_ += width * (before + half);
  if (!row.is_exact()) overlap_error_ += width * (rise - half);
}

MOECLIP_FUNC void MetricSums::add_f1(const ScoreRow& row, double p, double n) {
  const double tp = true_positives_, fp = false_positives_;
  const double f1 = tp == 0 ? 0 : 2 * tp / (tp + fp + positives_);
  if (p > 0 && !row.is_exact()) f1_bound_ = (std::max)(f1_bound_, 2 * tp / (tp + fp - n + positives_));
  if (f1 > f1_) {
    f1_ = f1;
    f1_threshold_ = static_cast<double>(row.lowest);
  }
}

}}  // namespace moeclip::abi_v0_1

#endif

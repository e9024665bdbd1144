// SPDX-License-Identifier: MIT
#pragma once
// The curves behind the metrics, for drawing: ROC, precision over recall, and per-region overlap (PRO), made from the
// same rows as the metrics. Millions of rows become a few hundred points, and it is known how far the drawn line may be
// from the full one (CUR-1 in this folder's README). Also the distribution of scores, as a histogram.

#include <array>
#include <limits>
#include <numbers>
#include <vector>

#include "score_table.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A corner of a curve.
struct CurvePoint {
  double x = 0, y = 0;  ///< in [0, 1]
  friend bool operator==(const CurvePoint&, const CurvePoint&) = default;
};

/// Points from left to right, to be joined by straight lines. Without points: the metric is undefined.
struct Curve {
  std::vector<CurvePoint> points;  ///< at most CurveThinner::kMostPoints
  double deviation = 0;            ///< the whole curve is nowhere further from the drawn one; the side of the plot is 1
};

/// The curves of a class; those that its scores leave undefined have no points.
struct ClassCurves {
  Curve roc;               ///< true positive rate over false positive rate
  Curve precision_recall;  ///< precision over recall, in steps: the area below is the average precision
  Curve overlap;           ///< mean share of a region that is covered over false positive rate, up to the limit
  double false_positive_limit = kFalsePositiveLimit;  ///< where `overlap` ends
};

/// Keeps as few of the points of a curve, which come from left to right, as a tolerance allows (CUR-1).
class CurveThinner {
 public:
  static constexpr std::size_t kMostPoints = 400;        ///< of the result; more would not be seen
  static constexpr double kFirstTolerance = 1.0 / 2048;  ///< a quarter of a pixel in a plot 500 pixels wide

  void add(const CurvePoint& point);  ///< the next point; its x is not below that of the last

  /// The thinned curve; nothing may follow.
  [[nodiscard]] Curve finish();

 private:
  void restart(const CurvePoint& point);

  void keep(const CurvePoint& point);

  /// True if the line from the last kept point to `point` passes all points between within the tolerance.
  [[nodiscard]] bool reaches(const CurvePoint& point) const;

  /// Narrows the directions to those whose line passes `point` within the tolerance.
  void take(const CurvePoint& point);

  /// Thins what was kept so far with twice the tolerance, as often as it takes to make room.
  void coarsen();

  std::vector<CurvePoint> kept_;
  CurvePoint last_;                  // of those that came
  double lowest_ = 0, highest_ = 0;  // directions from the last kept point that are still possible
  double reach_ = 0;                 // distance of the furthest point since
  double tolerance_ = kFirstTolerance;
  double deviation_ = std::numbers::sqrt2 * kFirstTolerance;
};

/// The curves of one class. Of an exact table this sorts the scores.
ClassCurves curves_of(ScoreTable& table, double false_positive_limit = kFalsePositiveLimit);

/// How many pictures have which score, in bins of equal width; the last bin includes its upper end.
struct ScoreHistogram {
  static constexpr std::size_t kBins = 40;               ///< bars
  double lowest = 0, highest = 1;                        ///< scores at the left and right end
  std::array<std::uint64_t, kBins> good{}, defective{};  ///< pictures per bin

  /// Scores outside of [lowest, highest] count in the first or last bin; without a range between them, in the first.
  [[nodiscard]] std::size_t bin_of(double score) const;
};

/// Distance of the round numbers (1, 2 or 5 times a power of ten) that divide `range`, above 0, into 5 to 10 parts.
double round_step(double range);

/// The histogram of picture scores, between round numbers just outside of the lowest and the highest one.
ScoreHistogram histogram_of(ScoreTable& pictures);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EVAL)

#include <cmath>
#include <utility>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC void CurveThinner::add(const CurvePoint& point) {
  if (kept_.empty()) return restart(point);
  if (point == last_) return;
  if (!reaches(point)) {
    keep(last_);
    if (kept_.size() >= kMostPoints - 1) coarsen();
  }
  take(point);
}

MOECLIP_FUNC Curve CurveThinner::finish() {
  if (!kept_.empty() && !(kept_.back() == last_)) kept_.push_back(last_);
  return {std::move(kept_), deviation_};
}

MOECLIP_FUNC void CurveThinner::restart(const CurvePoint& point) {
  kept_.clear();
  keep(point);
  last_ = point;
}

MOECLIP_FUNC void CurveThinner::keep(const CurvePoint& point) {
  kept_.push_back(point);
  lowest_ = -std::numbers::pi;
  highest_ = std::numbers::pi;
  reach_ = 0;
}

MOECLIP_FUNC bool CurveThinner::reaches(const CurvePoint& point) const {
  const double dx = point.x - kept_.back().x, dy = point.y - kept_.back().y;
  if (std::hypot(dx, dy) < reach_ - tolerance_) return false;  // some point lies beyond the end of that line
  const double direction = std::atan2(dy, dx);
  return direction >= lowest_ && direction <= highest_;
}

MOECLIP_FUNC void CurveThinner::take(const CurvePoint& point) {
  const double dx = point.x - kept_.back().x, dy = point.y - kept_.back().y, distance = std::hypot(dx, dy);
  last_ = point;
  if (distance <= tolerance_) return;
  const double direction = std::atan2(dy, dx), half = std::asin(tolerance_ / distance);
  lowest_ = (std::max)(lowest_, direction - half);
  highest_ = (std::min)(highest_, direction + half);
  reach_ = (std::max)(reach_, distance);
}

MOECLIP_FUNC void CurveThinner::coarsen() {
  const CurvePoint end = last_;
  while (kept_.size() > kMostPoints / 2) {
    tolerance_ *= 2;
    deviation_ += std::numbers::sqrt2 * tolerance_;
    const auto before = std::exchange(kept_, {});
    restart(before.front());
    for (const CurvePoint& point : before) {
      if (point == last_) continue;
      if (!reaches(point)) keep(last_);
      take(point);
    }
  }
  if (!(kept_.back() == end)) keep(end);
  last_ = end;
}

namespace detail {

/// Feeds the three curves from rows, as MetricSums does its four sums.
class CurveBuilder {
 public:
  CurveBuilder(const ScoreTotals& totals, double limit)
      : totals_(totals),
        positives_(static_cast<double>(totals.positives)),
        negatives_(static_cast<double>(totals.negatives)),
        regions_(static_cast<double>(totals.regions)),
        limit_(limit) {
    if (totals.positives > 0 && totals.negatives > 0) roc_.add({0, 0});
    if (totals.positives > 0 && totals.negatives > 0 && totals.regions > 0) overlap_.add({0, 0});
  }

  void add(const ScoreRow& row) {
    const auto p = static_cast<double>(row.positives), n = static_cast<double>(row.negatives);
    const double recall = true_positives_ / positives_, from = false_positives_ / negatives_;
    const double covered = covered_.value() / regions_;
    true_positives_ += p;
    false_positives_ += n;
    covered_ += row.weight;
    if (p > 0) {
      const double precision = true_positives_ / (true_positives_ + false_positives_);
      precision_.add({recall, precision});
      precision_.add({true_positives_ / positives_, precision});
    }
    if (totals_.positives == 0 || totals_.negatives == 0) return;
    const double to = false_positives_ / negatives_;
    roc_.add({to, true_positives_ / positives_});
    if (totals_.regions == 0 || from > limit_) return;
    const double now = covered_.value() / regions_;
    const double part = to <= limit_ ? 1 : (limit_ - from) / (to - from);
    overlap_.add({(std::min)(to / limit_, 1.0), covered + part * (now - covered)});
  }

  [[nodiscard]] ClassCurves result() {
    ClassCurves curves{roc_.finish(), precision_.finish(), overlap_.finish(), limit_};
    for (CurvePoint& point : curves.overlap.points) point.x *= limit_;
    return curves;
  }

 private:
  ScoreTotals totals_;
  double positives_, negatives_, regions_, limit_;
  double true_positives_ = 0, false_positives_ = 0;
  FixedSum covered_;
  CurveThinner roc_, precision_, overlap_;
};

}  // namespace detail

MOECLIP_FUNC ClassCurves curves_of(ScoreTable& table, double false_positive_limit) {
  MOECLIP_EXPECT(false_positive_limit > 0 && false_positive_limit <= 1, "a false positive rate of ",
                 false_positive_limit, " is not in (0, 1]");
  detail::CurveBuilder builder(table.totals(), false_positive_limit);
  table.for_each_row([&](const ScoreRow& row) { builder.add(row); });
  return builder.result();
}

MOECLIP_FUNC std::size_t ScoreHistogram::bin_of(double score) const {
  if (!(highest > lowest)) return 0;
  const double place = (score - lowest) / (highest - lowest) * static_cast<double>(kBins);
  return place > 0 ? static_cast<std::size_t>((std::min)(place, static_cast<double>(kBins - 1))) : 0;
}

MOECLIP_FUNC double round_step(double range) {
  const double power = std::pow(10.0, std::floor(std::log10(range)));
  const double ratio = range / power;  // [1, 10)
  return power * (ratio <= 2 ? 0.2 : ratio <= 5 ? 0.5 : 1.0);
}

MOECLIP_FUNC ScoreHistogram histogram_of(ScoreTable& pictures) {
  ScoreHistogram histogram;
  double low = std::numeric_limits<double>::infinity(), high = -low;
  pictures.for_each_row([&](const ScoreRow& row) {
    low = (std::min)(low, static_cast<double>(row.lowest));
    high = (std::max)(high, static_cast<double>(row.highest));
  });
  if (!std::isfinite(low) || !std::isfinite(high)) return histogram;  // no scores, or infinite ones
  if (low < high) {
    const double step = round_step(high - low);
    histogram.lowest = std::floor(low / step) * step;
    histogram.highest = std::ceil(high / step) * step;
  } else if (low < 0 || low > 1) {
    const double margin = (std::max)(0.5, std::abs(low) / 1024);  // relative: low + 0.5 may round to low
    histogram.lowest = low - margin;
    histogram.highest = low + margin;
  }
  pictures.for_each_row([&](const ScoreRow& row) {
    const std::size_t bin = histogram.bin_of((static_cast<double>(row.lowest) + static_cast<double>(row.highest)) / 2);
    histogram.good[bin] += row.negatives;
    histogram.defective[bin] += row.positives;
  });
  return histogram;
}

}}  // namespace moeclip::abi_v0_1

#endif

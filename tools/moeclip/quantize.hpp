// SPDX-License-Identifier: MIT
#pragma once
// The parts of `moeclip quantize`: what a model in lower precision is compared by, and with which limits.

#include <moeclip/anomaly/anchors.hpp>
#include <moeclip/clip/precision_plan.hpp>
#include <moeclip/eval/map_agreement.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eval.hpp"

namespace cli {

/// Pictures that are looked at unless something else is said.
inline constexpr std::int64_t kCheckedPictures = 64;

/// The pictures of data sets with labels, or of plain files and folders, at most so many, evenly spread. `has_labels`
/// says which.
EvalData checked_pictures(const EvalSettings& s, std::int64_t most_pictures, bool& has_labels);

/// What the full model says of one picture.
struct FullView {
  const EvalPicture* picture = nullptr;
  std::vector<float> map;
  float score = 0;
};

/// AUROC and AP of pixels and pictures, means over classes; unset where labels are missing.
struct QuantizeMetrics {
  std::optional<double> pixel_auroc, pixel_ap, image_auroc, image_ap;
};

/// How near a rounded model is to the full one.
struct QuantizeFigures {
  double rank_correlation = 1;    ///< of maps: mean over pictures
  double worst_correlation = 1;   ///< ... and the lowest
  double largest_difference = 0;  ///< of a pixel of any map
  double mean_difference = 0;     ///< of pixels
  double score_difference = 0;    ///< largest of any picture's score
  QuantizeMetrics metrics;        ///< of the rounded model
};

/// What is still good enough. Correlations at least, differences at most; metrics may fall by `metric` at most.
struct QuantizeLimits {
  double rank_correlation, score_difference, metric;
};

/// Limits of one's own in place of the usual ones for a precision.
struct LimitOptions {
  std::optional<double> correlation, score_change, points;

  void declare(Options& options);
  /// Throws UsageError for values that are none.
  void check() const;
  [[nodiscard]] QuantizeLimits limits(moeclip::kernels::Precision precision) const;
};

/// The pictures that models are compared on, and what the full one says.
class QuantizeCheck {
 public:
  /// Runs the full model on the pictures of `data`.
  QuantizeCheck(const EvalSettings& s, const EvalData& data, bool has_labels);

  [[nodiscard]] const EvalModel& full() const { return full_; }
  [[nodiscard]] const QuantizeMetrics& metrics() const { return metrics_; }  ///< of the full model
  [[nodiscard]] std::size_t pictures() const { return views_.size(); }

  /// The model with its matrices as `plan` says.
  [[nodiscard]] moeclip::Detector load(const moeclip::PrecisionPlan& plan) const;

  /// Compares it with the full one on the first `count` pictures.
  [[nodiscard]] QuantizeFigures compare(const moeclip::Detector& detector, std::size_t count) const;

  /// Which limits `figures` break, in words; empty if none.
  [[nodiscard]] std::vector<std::string> broken(const QuantizeFigures& figures, const QuantizeLimits& limits) const;

 private:
  const EvalSettings& settings_;
  EvalModel full_;
  bool has_labels_;
  std::vector<FullView> views_;
  QuantizeMetrics metrics_;
};

/// A matrix, and the mean difference of maps if it alone is rounded.
using LayerHarm = std::pair<std::string, double>;

/// All matrices of the image tower, the most harmful first.
std::vector<LayerHarm> rank_layers(const QuantizeCheck& check, moeclip::kernels::Precision precision);

}  // namespace cli

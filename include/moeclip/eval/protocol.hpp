// SPDX-License-Identifier: MIT
#pragma once
// The released scoring of a class (METHOD section 8), for figures that compare with published ones. Maps and class
// scores that leave [0, 1] are stretched to it over all pictures of the class, so the score of a picture depends on the
// others; the default protocol (eval/evaluate.hpp) does nothing of the kind.

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "../anomaly/domain.hpp"
#include "score_table.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Percent, rounded as released.
struct ReleasedRow {
  Metric pixel_auroc, pixel_average_precision;  ///< of all pixels of the class together
  Metric image_auroc, image_average_precision;  ///< 0 where there is one label only, as released
};

/// The released code rounds to four decimals and then takes percent.
Metric released_percent(Metric metric);

/// Under which name a picture of `path` is counted where a class has variants (DTD-Synthetic's Woven): the first part
/// of the path.
std::string variant_of_path(std::string_view path);

/// Smallest and largest of many numbers.
struct ValueRange {
  float lowest = std::numeric_limits<float>::infinity();    ///< above `highest` before the first number
  float highest = -std::numeric_limits<float>::infinity();  ///< of all numbers so far

  void widen(float low, float high);  ///< takes in numbers from `low` to `high`

  /// `value` as it is while all numbers lie in [0, 1], else stretched so that they do; 0 if all are equal.
  [[nodiscard]] float unit(float value) const;

  friend bool operator==(const ValueRange&, const ValueRange&) = default;
};

/// Scores of all pictures of one class. The order of pixels survives the stretching, so their table holds what the maps
/// hold; of each picture three numbers are kept.
class ReleasedScores {
 public:
  /// Starts without pictures. `domain` decides how a picture's score is made, `options` how those of pixels are kept.
  explicit ReleasedScores(Domain domain, const ScoreTableOptions& options = {}) : domain_(domain), pixels_(options) {}

  /// One picture: its reference map (H, W), the mask of add_map, its class score, its label.
  void add(Context& context, View<const float, 2> map, ImageView mask, float class_score, bool is_anomalous);

  /// The same of a picture whose pixels are in the table already: its map's range is enough.
  void add_picture(const ValueRange& map, float class_score, bool is_anomalous);

  /// Adds the pictures of `other`. Throws contract if its domain or its kind of table differs.
  void merge(const ReleasedScores& other);

  /// Of each picture, in the order they came.
  [[nodiscard]] std::vector<float> image_scores() const;

  /// The stretched scores of all pictures.
  [[nodiscard]] ScoreTable image_table() const;

  /// The scores of all pixels, as they are.
  [[nodiscard]] ScoreTable& pixel_table() { return pixels_; }

  /// Metrics of the stretched scores, neither rounded nor in percent.
  [[nodiscard]] Metrics image_metrics() const { return image_table().metrics(); }
  /// The same of all pixels; the limit is that of AUPRO.
  [[nodiscard]] Metrics pixel_metrics(double false_positive_limit = kFalsePositiveLimit);

  /// The figures of the class as published, rounded and in percent.
  [[nodiscard]] ReleasedRow row() { return row_of(image_metrics(), pixel_metrics()); }

  /// The same from metrics that were taken already.
  static ReleasedRow row_of(const Metrics& image, const Metrics& pixel);

 private:
  struct Picture {
    float largest, class_score;
    bool is_anomalous;
  };

  Domain domain_;
  ScoreTable pixels_;
  ValueRange pixel_range_, class_range_;
  std::vector<Picture> images_;
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EVAL)

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC Metric released_percent(Metric metric) {
  metric.value = std::nearbyint(metric.value * 1e4) / 1e4 * 100;
  metric.error *= 100;
  return metric;
}

MOECLIP_FUNC std::string variant_of_path(std::string_view path) {
  path.remove_prefix((std::min)(path.find_first_not_of('/'), path.size()));
  return std::string(path.substr(0, path.find('/')));
}

MOECLIP_FUNC void ValueRange::widen(float low, float high) {
  lowest = (std::min)(lowest, low);
  highest = (std::max)(highest, high);
}

MOECLIP_FUNC float ValueRange::unit(float value) const {
  if (lowest >= 0 && highest <= 1) return value;
  return highest > lowest ? (value - lowest) / (highest - lowest) : 0.0f;
}

MOECLIP_FUNC void ReleasedScores::add(Context& context, View<const float, 2> map, ImageView mask, float class_score,
                                      bool is_anomalous) {
  pixels_.add_map(context, map, mask);
  const auto [low, high] = std::minmax_element(map.data(), map.data() + map.size());
  add_picture({*low, *high}, class_score, is_anomalous);
}

MOECLIP_FUNC void ReleasedScores::add_picture(const ValueRange& map, float class_score, bool is_anomalous) {
  pixel_range_.widen(map.lowest, map.highest);
  class_range_.widen(class_score, class_score);
  images_.push_back({map.highest, class_score, is_anomalous});
}

MOECLIP_FUNC void ReleasedScores::merge(const ReleasedScores& other) {
  MOECLIP_EXPECT(domain_ == other.domain_, "scores of industrial and medical pictures cannot be merged");
  pixels_.merge(other.pixels_);
  pixel_range_.widen(other.pixel_range_.lowest, other.pixel_range_.highest);
  class_range_.widen(other.class_range_.lowest, other.class_range_.highest);
  images_.insert(images_.end(), other.images_.begin(), other.images_.end());
}

MOECLIP_FUNC std::vector<float> ReleasedScores::image_scores() const {
  std::vector<float> scores;
  for (const Picture& image : images_)
    scores.push_back(
        image_score<float>(domain_, pixel_range_.unit(image.largest), class_range_.unit(image.class_score)));
  return scores;
}

MOECLIP_FUNC ScoreTable ReleasedScores::image_table() const {
  ScoreTable table({.is_exact = true});
  const std::vector<float> scores = image_scores();
  for (std::size_t i = 0; i < scores.size(); ++i) table.add_image(scores[i], images_[i].is_anomalous);
  return table;
}

MOECLIP_FUNC Metrics ReleasedScores::pixel_metrics(double false_positive_limit) {
  return pixels_.metrics(false_positive_limit);
}

MOECLIP_FUNC ReleasedRow ReleasedScores::row_of(const Metrics& image, const Metrics& pixel) {
  const bool has_both = image.auroc.is_defined();
  return {released_percent(pixel.auroc), released_percent(pixel.average_precision),
          has_both ? released_percent(image.auroc) : Metric(0),
          has_both ? released_percent(image.average_precision) : Metric(0)};
}

}}  // namespace moeclip::abi_v0_1

#endif

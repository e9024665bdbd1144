// SPDX-License-Identifier: MIT
#pragma once
// Collects what some detector says of the pictures of a data set: the metrics of each class, and their mean. The
// default protocol takes scores and probability maps as they are, so that no picture's score depends on another's; the
// released protocol is that of eval/protocol.hpp and takes reference maps. Results of parts of a data set merge to
// those of the whole.

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../data/sample.hpp"
#include "../image/image_options.hpp"
#include "../image/resize.hpp"
#include "protocol.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// How pictures are counted, and by which protocol.
struct EvaluationOptions {
  bool is_released = false;                           ///< the released protocol, not the default one
  Domain domain = Domain::industrial;                 ///< released protocol: how a picture's score is made
  double false_positive_limit = kFalsePositiveLimit;  ///< of AUPRO
  ScoreTableOptions pixels;                           ///< how the scores of pixels are kept
  ImageOptions images = {};                           ///< how pictures are read
};

/// What some detector says of one picture.
struct Finding {
  View<const float, 2> map;  ///< (H, W), contiguous; higher is more anomalous
  float score = 0;           ///< of the picture
  float class_score = 0;     ///< of the image embedding alone; the released protocol makes its own score of it
};

/// What is kept of one picture besides its pixels.
struct PictureScores {
  bool is_anomalous = false;  ///< the truth
  bool has_mask = true;       ///< false: anomalous, but nobody marked where
  float score = 0;            ///< of the picture
  float class_score = 0;      ///< of the image embedding alone
  ValueRange map = {};        ///< of its anomaly map

  friend bool operator==(const PictureScores&, const PictureScores&) = default;
};

/// One row of the result: a class, or the mean of all.
struct ClassResult {
  std::string name;                     ///< of the class; of the mean: "mean"
  index_t pictures = 0;                 ///< good and anomalous
  index_t anomalous = 0;                ///< of these
  index_t unmarked = 0;                 ///< anomalous pictures without a mask, which pixel metrics leave out
  Metrics image;                        ///< of the pictures' scores, in [0, 1]; no AUPRO
  Metrics pixel;                        ///< of all pixels of the class together, in [0, 1]
  std::optional<ReleasedRow> released;  ///< as published, in the released protocol
};

/// Mean of the defined ones; undefined if all are, for the reason of the first.
Metric mean_of(std::span<const Metric> metrics);

/// The row of means over classes, each class counting once. A class where a metric is undefined does not count in it.
ClassResult mean_of(std::span<const ClassResult> classes);

namespace detail {

/// Scores of one class under one of the protocols.
class ClassScores {
 public:
  explicit ClassScores(const EvaluationOptions& options)
      : options_(options), images_({.is_exact = true}), pixels_(options.pixels) {
    if (options.is_released) released_.emplace(options.domain, options.pixels);
  }

  PictureScores add(Context& context, const Sample& truth, const Finding& found) {
    const auto [low, high] = std::minmax_element(found.map.data(), found.map.data() + found.map.size());
    const PictureScores picture{truth.label != 0, truth.has_mask(), found.score, found.class_score, {*low, *high}};
    add_pixels(context, truth, found);  // first: it throws if a score is NaN
    add(picture);
    return picture;
  }

  void add(const PictureScores& picture) {
    ++pictures_;
    if (picture.is_anomalous) ++anomalous_;
    if (!picture.has_mask) ++unmarked_;
    if (released_) return released_->add_picture(picture.map, picture.class_score, picture.is_anomalous);
    images_.add_image(picture.score, picture.is_anomalous);
  }

  [[nodiscard]] ScoreTable& pixels() { return released_ ? released_->pixel_table() : pixels_; }
  [[nodiscard]] ScoreTable images() const {
    if (released_) return released_->image_table();
    ScoreTable copy({.is_exact = true});
    copy.merge(images_);
    return copy;
  }

  void merge(const ClassScores& other) {
    pictures_ += other.pictures_;
    anomalous_ += other.anomalous_;
    unmarked_ += other.unmarked_;
    images_.merge(other.images_);
    pixels_.merge(other.pixels_);
    if (released_) released_->merge(*other.released_);
  }

  [[nodiscard]] ClassResult result(const std::string& name) {
    ClassResult result{name, pictures_, anomalous_, unmarked_, {}, {}, {}};
    if (released_) {
      result.image = released_->image_metrics();
      result.pixel = released_->pixel_metrics(options_.false_positive_limit);
      say_what_is_unmarked(result.pixel);
      result.released = ReleasedScores::row_of(result.image, result.pixel);
      return result;
    }
    result.image = images_.metrics();
    result.pixel = pixels_.metrics(options_.false_positive_limit);
    say_what_is_unmarked(result.pixel);
    return result;
  }

 private:
  /// Where there are anomalous pictures but no anomalous pixels, says why.
  void say_what_is_unmarked(Metrics& pixel) {
    if (anomalous_ == 0 || pixels().totals().positives > 0) return;
    for (Metric* metric : {&pixel.auroc, &pixel.average_precision, &pixel.f1_max, &pixel.aupro})
      *metric = Metric::none(unmarked_ == anomalous_ ? "no anomalous picture has a mask" : "the masks mark nothing");
  }

  /// Counts the pixels of a map; the mask is brought to its size. The default protocol leaves a picture out of which
  /// nobody marked the defect.
  void add_pixels(Context& context, const Sample& truth, const Finding& found) {
    Arena::Scope scratch(context.arena());
    ImageView mask;
    if (truth.label != 0 && !truth.mask.empty()) {
      const index_t height = found.map.extent(0), width = found.map.extent(1);
      auto* pixels = scratch.take<std::uint8_t>(height * width);
      resize_nearest(context, truth.mask.view(), width, height, pixels);
      mask = {pixels, width, height, 1, width};
    }
    if (released_ || truth.has_mask()) pixels().add_map(context, found.map, mask);
  }

  EvaluationOptions options_;
  index_t pictures_ = 0, anomalous_ = 0, unmarked_ = 0;
  ScoreTable images_, pixels_;
  std::optional<ReleasedScores> released_;
};

}  // namespace detail

/// Collects findings class by class.
class Evaluation {
 public:
  /// Starts without any class.
  explicit Evaluation(const EvaluationOptions& options = {}) : options_(options) {}

  /// One picture; its mask is brought to the size of the map by the nearest pixel.
  PictureScores add(Context& context, const Sample& truth, const Finding& found);

  /// The same, counted under another name than that of its class.
  PictureScores add(Context& context, const std::string& row, const Sample& truth, const Finding& found);

  /// The same of a picture whose pixels are in the class' table already.
  void add(const std::string& class_name, const PictureScores& picture) { of(class_name).add(picture); }

  /// The scores of all pixels of a class, and of its pictures: those that the metrics are made of. A class that was
  /// not there is made.
  [[nodiscard]] ScoreTable& pixel_table(const std::string& class_name) { return of(class_name).pixels(); }
  [[nodiscard]] ScoreTable image_table(const std::string& class_name) { return of(class_name).images(); }  ///< a copy

  /// Adds what `other`, made with the same options, has collected.
  void merge(const Evaluation& other);

  /// A row per class, by name.
  [[nodiscard]] std::vector<ClassResult> classes();
  /// The row of one class.
  [[nodiscard]] ClassResult result(const std::string& class_name) { return of(class_name).result(class_name); }

  [[nodiscard]] const EvaluationOptions& options() const { return options_; }  ///< as given to the constructor

 private:
  detail::ClassScores& of(const std::string& name) { return scores_.try_emplace(name, options_).first->second; }

  EvaluationOptions options_;
  std::map<std::string, detail::ClassScores> scores_;
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EVAL)

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC Metric mean_of(std::span<const Metric> metrics) {
  double sum = 0, error = 0, count = 0;
  for (const Metric& metric : metrics) {
    if (!metric.is_defined()) continue;
    sum += metric.value;
    error += metric.error;
    count += 1;
  }
  if (count > 0) return Metric(sum / count, error / count);
  return metrics.empty() ? Metric() : metrics.front();
}

MOECLIP_FUNC ClassResult mean_of(std::span<const ClassResult> classes) {
  ClassResult mean;
  mean.name = "mean";
  const auto over = [&](auto&& get) {
    std::vector<Metric> metrics;
    for (const ClassResult& row : classes) metrics.push_back(get(row));
    return mean_of(metrics);
  };
  for (const ClassResult& row : classes) {
    mean.pictures += row.pictures;
    mean.anomalous += row.anomalous;
    mean.unmarked += row.unmarked;
  }
  for (Metrics ClassResult::*level : {&ClassResult::image, &ClassResult::pixel})
    for (Metric Metrics::*metric : {&Metrics::auroc, &Metrics::average_precision, &Metrics::f1_max, &Metrics::aupro})
      mean.*level.*metric = over([&](const ClassResult& row) { return row.*level.*metric; });
  if (classes.empty() || !classes.front().released) return mean;
  mean.released.emplace();
  for (Metric ReleasedRow::*metric : {&ReleasedRow::pixel_auroc, &ReleasedRow::pixel_average_precision,
                                      &ReleasedRow::image_auroc, &ReleasedRow::image_average_precision})
    (*mean.released).*metric = over([&](const ClassResult& row) { return (*row.released).*metric; });
  return mean;
}

MOECLIP_FUNC PictureScores Evaluation::add(Context& context, const Sample& truth, const Finding& found) {
  return add(context, truth.class_name, truth, found);
}

MOECLIP_FUNC PictureScores Evaluation::add(Context& context, const std::string& row, const Sample& truth,
                                           const Finding& found) {
  const FloatScope floats;
  return of(row).add(context, truth, found);
}

MOECLIP_FUNC void Evaluation::merge(const Evaluation& other) {
  for (const auto& [name, scores] : other.scores_) of(name).merge(scores);
}

MOECLIP_FUNC std::vector<ClassResult> Evaluation::classes() {
  const FloatScope floats;
  std::vector<ClassResult> rows;
  for (auto& [name, scores] : scores_) rows.push_back(scores.result(name));
  return rows;
}

}}  // namespace moeclip::abi_v0_1

#endif

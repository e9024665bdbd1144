// SPDX-License-Identifier: MIT
// What `moeclip quantize` measures.

#include <algorithm>
#include <cmath>
#include <moeclip/anomaly/tiles.hpp>
#include <moeclip/base/lists.hpp>
#include <moeclip/data/sample.hpp>
#include <moeclip/data/source.hpp>
#include <moeclip/eval/evaluation.hpp>

#include "detect.hpp"
#include "progress.hpp"
#include "quantize.hpp"
#include "tiny_model.hpp"

namespace cli {

using moeclip::concat;
using moeclip::fixed;
using moeclip::kernels::Precision;

namespace {

/// Pictures on which each matrix is tried on its own: differences of maps are means over a quarter of a million pixels,
/// so that few pictures rank them.
constexpr std::size_t kLayerPictures = 4;

std::optional<double> value_of(const moeclip::Metric& metric) {
  return metric.is_defined() ? std::optional<double>(metric.value) : std::nullopt;
}

QuantizeMetrics metrics_of(moeclip::Evaluation& evaluation) {
  const std::vector<moeclip::ClassResult> classes = evaluation.classes();
  const moeclip::ClassResult mean = moeclip::mean_of(classes);
  return {value_of(mean.pixel.auroc), value_of(mean.pixel.average_precision), value_of(mean.image.auroc),
          value_of(mean.image.average_precision)};
}

/// Calls visit(index, sample, detection) for the first `count` pictures, as `detector` sees them.
template <class Visit>
void look_at(const EvalModel& model, const moeclip::Detector& detector, const std::vector<FullView>& views,
             std::size_t count, const Visit& visit) {
  moeclip::Context context({.threads = detector.options().threads});
  moeclip::Detection found;
  for (std::size_t i = 0; i < std::min(count, views.size()); ++i) {
    const EvalPicture& picture = *views[i].picture;
    const moeclip::Sample sample = moeclip::load_sample(picture.entry, model.settings.images);
    const std::string& name = picture.record.class_name;
    const moeclip::TextAnchors<float> anchors = detector.anchors(name, model.words.prompts(name));
    const auto judge = [&](moeclip::ImageView part, moeclip::Detection& seen) {
      detector.detect(context, part, anchors, seen);
    };
    moeclip::judge_in_tiles(context, sample.picture.view(), model.settings.tiles, judge, found);
    visit(context, i, sample, found);
  }
}

}  // namespace

EvalData checked_pictures(const EvalSettings& s, std::int64_t most_pictures, bool& has_labels) {
  EvalData data;
  try {
    data = collect_pictures(s);
    has_labels = true;
  } catch (const moeclip::Error& error) {
    const DetectInputs inputs = collect_inputs(s.data);
    const auto is_empty = [](const DetectInput& input) { return moeclip::is_directory(input.path); };
    if (std::ranges::any_of(inputs.pictures, is_empty)) throw;  // a folder without any picture
    inform(concat(error.what(), "; maps and scores are compared without labels"));
    has_labels = false;
    for (const DetectInput& input : inputs.pictures) {
      EvalPicture picture;
      picture.record.path = input.path;
      picture.record.class_name = picture.entry.class_name = "object";
      picture.entry.image_path = input.path;
      data.pictures.push_back(std::move(picture));
    }
  }
  const std::size_t count = data.pictures.size(), most = static_cast<std::size_t>(most_pictures);
  if (count > most) {
    EvalData some = data;
    some.pictures.clear();
    for (std::size_t i = 0; i < most; ++i) some.pictures.push_back(data.pictures[i * count / most]);
    data = std::move(some);
  }
  return data;
}

void LimitOptions::declare(Options& options) {
  options.value("min-correlation", correlation, "R",
                "mean rank correlation of maps with the full model's; default 0.99 for bf16, 0.95 for int8");
  options.value("max-score-change", score_change, "D", "of any picture; default 0.02 for bf16, 0.05 for int8");
  options.value(
      "max-points", points, "P",
      "change of AUROC and AP of pixels and pictures where there are labels, in points of 100; default 0.3 for "
      "bf16, 1.0 for int8");
}

void LimitOptions::check() const {
  if ((correlation && !(*correlation <= 1)) || (score_change && !(*score_change >= 0)) || (points && !(*points >= 0)))
    throw UsageError("a correlation is at most 1, and no change is below 0");
}

QuantizeLimits LimitOptions::limits(Precision precision) const {
  const bool is_bf16 = precision == Precision::bf16;
  return {correlation.value_or(is_bf16 ? 0.99 : 0.95), score_change.value_or(is_bf16 ? 0.02 : 0.05),
          points    ? *points / 100
          : is_bf16 ? 0.003
                    : 0.01};
}

QuantizeCheck::QuantizeCheck(const EvalSettings& s, const EvalData& data, bool has_labels)
    : settings_(s), full_(load_model(s, data)), has_labels_(has_labels) {
  for (const EvalPicture& picture : data.pictures) views_.push_back({&picture, {}, 0});
  moeclip::Evaluation evaluation;
  Progress progress("judge", views_.size());
  look_at(
      full_, *full_.detector, views_, views_.size(),
      [&](moeclip::Context& context, std::size_t i, const moeclip::Sample& sample, const moeclip::Detection& found) {
        progress.step(views_[i].picture->record.path);
        views_[i].map.assign(found.map.begin(), found.map.end());
        views_[i].score = found.score;
        if (has_labels_) evaluation.add(context, sample, {found.map.view<2>(), found.score, found.class_score});
      });
  if (has_labels_) metrics_ = metrics_of(evaluation);
}

moeclip::Detector QuantizeCheck::load(const moeclip::PrecisionPlan& plan) const {
  moeclip::DetectorOptions options = full_.detector->options();
  options.precision = plan;
  return load_detector(settings_.clip, settings_.adapter, options);
}

QuantizeFigures QuantizeCheck::compare(const moeclip::Detector& detector, std::size_t count) const {
  QuantizeFigures figures;
  moeclip::Evaluation evaluation;
  const double share = 1 / static_cast<double>(std::max<std::size_t>(1, std::min(count, views_.size())));
  figures.rank_correlation = 0;
  Progress progress("compare", std::min(count, views_.size()));
  look_at(
      full_, detector, views_, count,
      [&](moeclip::Context& context, std::size_t i, const moeclip::Sample& sample, const moeclip::Detection& found) {
        const FullView& view = views_[i];
        progress.step(view.picture->record.path);
        const moeclip::MapAgreement agreement = moeclip::compare_maps(
            view.map, std::span<const float>(found.map.data(), static_cast<std::size_t>(found.map.size())));
        figures.rank_correlation += share * agreement.rank_correlation;
        figures.worst_correlation = std::min(figures.worst_correlation, agreement.rank_correlation);
        figures.largest_difference = std::max(figures.largest_difference, agreement.largest_difference);
        figures.mean_difference += share * agreement.mean_difference;
        const double difference = static_cast<double>(found.score) - static_cast<double>(view.score);
        figures.score_difference = std::max(figures.score_difference, std::fabs(difference));
        if (has_labels_) evaluation.add(context, sample, {found.map.view<2>(), found.score, found.class_score});
      });
  if (has_labels_) figures.metrics = metrics_of(evaluation);
  return figures;
}

std::vector<std::string> QuantizeCheck::broken(const QuantizeFigures& figures, const QuantizeLimits& limits) const {
  std::vector<std::string> broken;
  if (!(figures.rank_correlation >= limits.rank_correlation))
    broken.push_back(concat("the mean rank correlation of maps is ", fixed(figures.rank_correlation, 4), ", at least ",
                            limits.rank_correlation, " is wanted"));
  if (!(figures.score_difference <= limits.score_difference))
    broken.push_back(concat("a picture's score changes by ", fixed(figures.score_difference, 4), ", at most ",
                            limits.score_difference, " is allowed"));
  const auto compare = [&](const char* name, std::optional<double> full, std::optional<double> rounded) {
    if (full && rounded && std::fabs(*full - *rounded) > limits.metric)
      broken.push_back(concat(name, " changes by ", fixed(100 * (*rounded - *full), 2), " points, at most ",
                              fixed(100 * limits.metric, 1), " are allowed"));
  };
  compare("pixel AUROC", metrics_.pixel_auroc, figures.metrics.pixel_auroc);
  compare("pixel AP", metrics_.pixel_ap, figures.metrics.pixel_ap);
  compare("image AUROC", metrics_.image_auroc, figures.metrics.image_auroc);
  compare("image AP", metrics_.image_ap, figures.metrics.image_ap);
  return broken;
}

std::vector<LayerHarm> rank_layers(const QuantizeCheck& check, Precision precision) {
  std::vector<LayerHarm> layers;
  const auto& blocks = check.full().detector->clip().vision().transformer.blocks;
  for (std::size_t i = 0; i < blocks.size(); ++i)
    moeclip::visit_matrices(blocks[i], [&](const char* matrix, const moeclip::Linear<float>&) {
      layers.emplace_back(concat("visual.transformer.resblocks.", i, ".", matrix), 0.0);
    });
  Progress progress("layers", layers.size());
  for (auto& [name, harm] : layers) {
    progress.step(name);
    harm = check.compare(check.load({Precision::f32, {{name, precision}}}), kLayerPictures).mean_difference;
  }
  moeclip::lists::stable_sort(layers, [](const LayerHarm& a, const LayerHarm& b) { return a.second > b.second; });
  return layers;
}

}  // namespace cli

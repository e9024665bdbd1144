// SPDX-License-Identifier: MIT
// What `moeclip export --check` compares.

#include <cmath>
#include <moeclip/clip/checkpoint.hpp>
#include <moeclip/data/sample.hpp>

#include "export.hpp"
#include "progress.hpp"
#include "tiny_model.hpp"

namespace cli {

using moeclip::concat;
using moeclip::kernels::Precision;

namespace {

/// The judge of good pictures in full precision: what was learned of them is learned once more. A file of `moeclip
/// learn` belongs to a CLIP in one precision, so there are pictures.
Judge full_judge(moeclip::Context& context, const ExportSettings& s) {
  JudgeSettings settings = s.model;
  settings.dtype = "f32";
  return make_judge(context, settings, true);
}

/// How near the verdicts of good pictures are to those in full precision. `others` becomes the number of pictures whose
/// verdict is another one.
QuantizeFigures compare_good(const ExportSettings& s, const Judge& judge, const EvalData& data, int& others) {
  moeclip::Context context({.threads = static_cast<int>(s.model.threads)});
  const Judge full = full_judge(context, s);
  QuantizeFigures figures;
  figures.rank_correlation = 0;
  moeclip::Detection wanted, found;
  Progress progress("compare", data.pictures.size());
  for (const EvalPicture& picture : data.pictures) {
    progress.step(picture.record.path);
    const moeclip::Sample sample = moeclip::load_sample(picture.entry, judge.images);
    full.look(context, sample.picture.view(), wanted);
    judge.look(context, sample.picture.view(), found);
    const auto values = [](const moeclip::Detection& detection) {
      return std::span<const float>(detection.map.data(), static_cast<std::size_t>(detection.map.size()));
    };
    const moeclip::MapAgreement agreement = moeclip::compare_maps(values(wanted), values(found));
    figures.rank_correlation += agreement.rank_correlation / static_cast<double>(data.pictures.size());
    figures.worst_correlation = std::min(figures.worst_correlation, agreement.rank_correlation);
    const double difference = std::fabs(static_cast<double>(found.score) - static_cast<double>(wanted.score));
    figures.score_difference = std::max(figures.score_difference, difference);
    others += wanted.is_anomalous != found.is_anomalous ? 1 : 0;
  }
  return figures;
}

/// Throws mismatch if a limit is broken.
void expect_near(const ExportSettings& s, const std::vector<std::string>& broken, std::string_view what) {
  if (!broken.empty())
    moeclip::fail(
        moeclip::ErrorCode::mismatch,
        concat(s.out, ": was not written: ", what, broken.front(),
               "; `moeclip quantize` spares the matrices that are harmed most, and writes a CLIP for --clip"));
}

}  // namespace

moeclip::Json check_precision(const ExportSettings& s, const Judge& judge, Precision precision) {
  const std::string clip = s.model.clip.empty() ? find_tiny(kTinyClip) : s.model.clip;
  if (moeclip::open_clip(clip).precision.precision != Precision::f32)
    moeclip::fail(moeclip::ErrorCode::mismatch,
                  concat(clip, ": is quantized already, and was checked then; leave --check out"));
  EvalSettings full;
  full.clip = s.model.clip;
  full.adapter = s.model.adapter;
  full.vocabulary = s.model.vocabulary;
  full.adapter_flags = s.model.adapter_flags;
  full.image_size = s.model.image_size;
  full.threads = s.model.threads;
  full.domain = s.model.domain;
  full.activation = s.model.chosen_activation();
  full.pictures = s.model.pictures;
  full.tiles = s.model.tiles;
  full.data = s.check;
  full.dtype = "f32";
  full.protocol = "default";
  bool has_labels = false;
  const EvalData data = checked_pictures(full, kCheckedPictures, has_labels);
  const QuantizeCheck check(full, data, has_labels);
  QuantizeFigures figures;
  if (!judge.anchors.empty()) figures = check.compare(*judge.detector, check.pictures());  // words have a say
  const QuantizeLimits limits = s.limits.limits(precision);
  expect_near(s, check.broken(figures, limits), "");
  moeclip::Json json = moeclip::Json::object().set("pictures", static_cast<double>(check.pictures()));
  if (judge.memory) {
    int others = 0;
    const QuantizeFigures good = compare_good(s, judge, data, others);
    expect_near(s, check.broken(good, limits), "by good pictures, ");
    figures.rank_correlation = std::min(figures.rank_correlation, good.rank_correlation);
    figures.worst_correlation = std::min(figures.worst_correlation, good.worst_correlation);
    figures.score_difference = std::max(figures.score_difference, good.score_difference);
    json.set("other_verdicts", others);
  }
  return json.set("rank_correlation", figures.rank_correlation)
      .set("worst_rank_correlation", figures.worst_correlation)
      .set("largest_score_difference", figures.score_difference);
}

}  // namespace cli

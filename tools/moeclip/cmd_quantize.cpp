// SPDX-License-Identifier: MIT
// moeclip quantize: a CLIP in, the same in bf16 or int8 out, if it still sees the same.

#include <algorithm>
#include <moeclip/clip/checkpoint.hpp>
#include <moeclip/clip/save_quantized.hpp>
#include <moeclip/io/json_writer.hpp>
#include <moeclip/io/weights.hpp>

#include "commands.hpp"
#include "quantize.hpp"
#include "tiny_model.hpp"

namespace cli {

using moeclip::concat;
using moeclip::fixed;
using moeclip::PrecisionPlan;
using moeclip::kernels::Precision;

namespace {

struct QuantizeSettings {
  EvalSettings eval;
  std::string out;
  std::vector<std::string> kept;
  std::int64_t most_pictures = kCheckedPictures;
  LimitOptions limits;
  bool is_json = false, is_forced = false;

  [[nodiscard]] Precision precision() const { return *moeclip::kernels::find_precision(eval.dtype); }
};

bool parse(Words words, QuantizeSettings& s) {
  Options options(
      "quantize",
      "Round the matrices of a CLIP's blocks to bf16 or to 8-bit integers and write the result, if its maps and scores "
      "on the pictures of --check stay near those in full precision. Matrices that harm the maps most stay bf16, as "
      "many as are needed, but no more than half.");
  s.eval.declare(options);
  options.repeated("check", s.eval.data, "IMAGES", "pictures, folders of them, or data sets with labels");
  options.choice("dtype", s.eval.dtype, {"int8", "bf16"}, "what the matrices become");
  options.repeated("keep", s.kept, "NAME",
                   "a matrix that stays bf16, such as visual.transformer.resblocks.3.mlp.c_proj");
  options.value("pictures", s.most_pictures, "N", "at most so many are looked at, evenly spread; default 64");
  s.limits.declare(options);
  options.value("out", s.out, "FILE", "safetensors to write; without it, nothing is written");
  options.flag("json", s.is_json, "one JSON object");
  options.flag("force", s.is_forced, "replace FILE");
  options.progress();
  if (!options.parse(words)) return false;
  s.eval.protocol = "default";
  s.eval.finish();
  if (s.eval.data.empty()) throw UsageError("what is it to be checked on? --check takes pictures or a data set");
  if (s.most_pictures < 1) throw UsageError("--pictures is a count, at least 1");
  s.limits.check();
  return true;
}

/// What was tried last.
struct Attempt {
  PrecisionPlan plan;
  QuantizeFigures figures;
  std::vector<std::string> broken;
};

/// Rounds everything; if that breaks a limit, spares the most harmful matrices, twice as many each time.
Attempt find_plan(const QuantizeSettings& s, const QuantizeCheck& check, const std::vector<LayerHarm>& layers,
                  std::optional<moeclip::Detector>& detector) {
  Attempt attempt;
  attempt.plan.precision = s.precision();
  for (const std::string& name : s.kept) attempt.plan.exceptions[name] = Precision::bf16;
  for (std::size_t spared = 0;; spared = std::max<std::size_t>(1, 2 * spared)) {
    for (std::size_t i = 0; i < spared; ++i) attempt.plan.exceptions[layers[i].first] = Precision::bf16;
    detector.reset();  // two models at once are enough
    detector.emplace(check.load(attempt.plan));
    attempt.figures = check.compare(*detector, check.pictures());
    attempt.broken = check.broken(attempt.figures, s.limits.limits(s.precision()));
    const bool can_spare =
        s.precision() == Precision::int8 && std::max<std::size_t>(1, 2 * spared) <= layers.size() / 2;
    if (attempt.broken.empty() || !can_spare) return attempt;
    inform(concat(attempt.broken.front(), "; more matrices stay bf16"));
  }
}

moeclip::Json metrics_json(const QuantizeMetrics& metrics) {
  moeclip::Json json = moeclip::Json::object();
  const auto set = [&](const char* name, std::optional<double> value) {
    if (value) json.set(name, *value);
  };
  set("pixel_auroc", metrics.pixel_auroc);
  set("pixel_ap", metrics.pixel_ap);
  set("image_auroc", metrics.image_auroc);
  set("image_ap", metrics.image_ap);
  return json;
}

/// All that was found: printed, and kept in the file.
moeclip::Json report_json(const QuantizeSettings& s, const QuantizeCheck& check, const Attempt& attempt,
                          const std::vector<LayerHarm>& layers) {
  const QuantizeLimits limits = s.limits.limits(s.precision());
  const QuantizeFigures& f = attempt.figures;
  moeclip::Json kept = moeclip::Json::array(), broken = moeclip::Json::array();
  for (const auto& [name, precision] : attempt.plan.exceptions) kept.push_back(name);
  for (const std::string& reason : attempt.broken) broken.push_back(reason);
  moeclip::Json json = moeclip::Json::object();
  json.set("program", concat("moeclip ", MOECLIP_VERSION_STRING))
      .set("precision", to_string(s.precision()))
      .set("clip", check.full().settings.clip)
      .set("adapter", check.full().settings.adapter)
      .set("image_size", check.full().settings.image_size)
      .set("pictures", static_cast<double>(check.pictures()))
      .set("rank_correlation", f.rank_correlation)
      .set("worst_rank_correlation", f.worst_correlation)
      .set("largest_difference", f.largest_difference)
      .set("mean_difference", f.mean_difference)
      .set("largest_score_difference", f.score_difference)
      .set("full", metrics_json(check.metrics()))
      .set("rounded", metrics_json(f.metrics))
      .set("limits", moeclip::Json::object()
                         .set("rank_correlation", limits.rank_correlation)
                         .set("score_difference", limits.score_difference)
                         .set("metric", limits.metric))
      .set("most_harmful", layers.front().first)
      .set("most_harmful_mean_difference", layers.front().second)
      .set("kept_bf16", kept)
      .set("broken", broken);
  return json;
}

std::string report_text(const QuantizeCheck& check, const Attempt& attempt, const std::vector<LayerHarm>& layers) {
  const QuantizeFigures& f = attempt.figures;
  std::string text = concat(moeclip::counted(check.pictures(), "picture"), ", ", to_string(attempt.plan.precision),
                            " against f32\n", "rank correlation of maps  mean ", fixed(f.rank_correlation, 4),
                            ", lowest ", fixed(f.worst_correlation, 4), "\ndifference of maps        mean ",
                            fixed(f.mean_difference, 5), ", largest ", fixed(f.largest_difference, 4),
                            "\ndifference of scores      largest ", fixed(f.score_difference, 4), "\n");
  const auto add = [&](const char* name, std::optional<double> full, std::optional<double> rounded) {
    if (full && rounded) text += concat(name, fixed(100 * *full, 2), " -> ", fixed(100 * *rounded, 2), "\n");
  };
  add("pixel AUROC               ", check.metrics().pixel_auroc, f.metrics.pixel_auroc);
  add("pixel AP                  ", check.metrics().pixel_ap, f.metrics.pixel_ap);
  add("image AUROC               ", check.metrics().image_auroc, f.metrics.image_auroc);
  add("image AP                  ", check.metrics().image_ap, f.metrics.image_ap);
  text += concat("most harmful matrix       ", layers.front().first, " (mean difference ",
                 fixed(layers.front().second, 5), " on its own)\n");
  for (const auto& [name, precision] : attempt.plan.exceptions)
    text += concat("stays bf16                ", name, "\n");
  for (const std::string& reason : attempt.broken) text += concat("not good enough           ", reason, "\n");
  return text;
}

void write_quantized(const QuantizeSettings& s, const moeclip::Detector& detector, const Attempt& attempt,
                     const moeclip::Json& report) {
  const std::string clip = s.eval.clip.empty() ? find_tiny(kTinyClip) : s.eval.clip;
  const moeclip::ClipFile source = moeclip::open_clip(clip);
  const std::string* merges = moeclip::find_metadata(source.file.metadata(), moeclip::kMergesKey);
  moeclip::save_quantized(s.out, {source, detector.clip().vision(), detector.clip().text(), attempt.plan,
                                  moeclip::dump_json(report), merges != nullptr ? *merges : ""});
}

}  // namespace

int run_quantize(Words words) {
  QuantizeSettings s;
  s.eval.dtype = "int8";
  if (!parse(words, s)) return kOk;
  if (!s.out.empty()) expect_writable(s.out, s.is_forced);
  const std::string clip = s.eval.clip.empty() ? find_tiny(kTinyClip) : s.eval.clip;
  if (moeclip::open_clip(clip).precision.precision != Precision::f32)
    moeclip::fail(moeclip::ErrorCode::mismatch, concat(clip, ": is quantized already; give the CLIP it was made from"));
  bool has_labels = false;
  const EvalData data = checked_pictures(s.eval, s.most_pictures, has_labels);
  EvalSettings full = s.eval;
  full.dtype = "f32";
  const QuantizeCheck check(full, data, has_labels);
  const std::vector<LayerHarm> layers = rank_layers(check, s.precision());
  const auto is_known = [&](const std::string& name) {
    return std::ranges::find(layers, name, &LayerHarm::first) != layers.end();
  };
  for (const std::string& name : s.kept)
    if (!is_known(name))
      throw UsageError(concat("--keep ", name, ": is no matrix of the image tower; ", layers.front().first, " is one"));
  std::optional<moeclip::Detector> detector;
  const Attempt attempt = find_plan(s, check, layers, detector);
  const moeclip::Json report = report_json(s, check, attempt, layers);
  print(s.is_json ? moeclip::dump_json(report) + "\n" : report_text(check, attempt, layers));
  if (!attempt.broken.empty()) {
    say(concat(s.out.empty() ? "" : s.out, s.out.empty() ? "" : ": was not written: ", attempt.broken.front()));
    return kFailed;
  }
  if (s.out.empty()) return kOk;
  write_quantized(s, *detector, attempt, report);
  if (!s.is_json) print(concat(printable(s.out), "\n"));
  return kOk;
}

}  // namespace cli

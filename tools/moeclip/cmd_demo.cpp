// SPDX-License-Identifier: MIT
// moeclip demo: the whole method on pictures that it draws, with the built-in model or one trained on the spot.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <moeclip/clip/load_clip.hpp>
#include <moeclip/clip/save.hpp>
#include <moeclip/eval/evaluate.hpp>
#include <moeclip/image/write_image.hpp>
#include <moeclip/synthetic/tiny_clip.hpp>

#include "adapter_flags.hpp"
#include "commands.hpp"
#include "demo_pictures.hpp"
#include "picture_report.hpp"
#include "tiny_model.hpp"
#include "train.hpp"

namespace cli {

using moeclip::concat;
using moeclip::fixed;
using moeclip::index_t;
using moeclip::Json;

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kReportFile = "report.html";

struct DemoSettings {
  std::string out = "moeclip-demo", clip, adapter;
  std::int64_t pictures = 12, seed = 1, threads = 0;
  std::int64_t train_pictures = 1600, epochs = 1, pretrain_steps = 300;
  AdapterFlags adapter_flags;
  bool is_trained = false, is_from_scratch = false, is_json = false, is_forced = false;

  [[nodiscard]] std::string file(const std::string& name) const { return moeclip::join_path(out, name); }
};

bool parse(Words words, DemoSettings& s) {
  Options options(
      "demo",
      "Show the method on pictures that are drawn for it: parts and materials that the model has never seen,\n"
      "good ones and ones with kinds of defects that it has never seen. Prints a table and writes pictures.");
  options.value("out", s.out, "DIR", "folder for the pictures; default moeclip-demo");
  options.value("pictures", s.pictures, "N", "to judge; default 12");
  options.value("seed", s.seed, "N", "another one gives other pictures");
  options.flag("train", s.is_trained,
               "train the adapters first, on pictures of other categories; takes a minute or so");
  options.flag("from-scratch", s.is_from_scratch, "train the tiny CLIP first, too, though for a short time only");
  options.value("train-pictures", s.train_pictures, "N", "to train adapters on; default 1600");
  options.value("epochs", s.epochs, "N", "passes over them; default 1");
  options.value("pretrain-steps", s.pretrain_steps, "N", "of the tiny CLIP; default 300");
  options.value("clip", s.clip, "FILE", "another CLIP than the built-in one");
  options.value("adapter", s.adapter, "FILE", "another adapter than the built-in one");
  s.adapter_flags.add_to(options);
  options.value("threads", s.threads, "N", "default: one per core");
  options.flag("json", s.is_json, "the table as one JSON object");
  options.flag("force", s.is_forced, "replace files in DIR");
  options.progress();
  if (!options.parse(words)) return false;
  if (s.pictures < 1 || s.pictures > 1000 || s.seed < 0 || s.train_pictures < 1 || s.epochs < 1 || s.pretrain_steps < 1)
    throw UsageError("--pictures is from 1 to 1000, the other numbers are 1 or more");
  if (s.threads < 0 || s.threads > 4096) throw UsageError("--threads is a count");
  if (s.is_from_scratch && !s.clip.empty()) throw UsageError("--from-scratch makes its own CLIP; it takes no --clip");
  s.is_trained = s.is_trained || s.is_from_scratch;
  if (s.is_trained && !s.adapter.empty()) throw UsageError("--train makes its own adapter; it takes no --adapter");
  s.adapter_flags.check(!s.adapter.empty());
  if (!s.clip.empty() && s.adapter.empty() && !s.is_trained)
    throw UsageError("an adapter belongs to one CLIP: give --adapter, or --train, with --clip");
  return true;
}

/// Trains a tiny CLIP and writes it to `path`. Throws mismatch if the loss stops being a number.
void pretrain_tiny(moeclip::Context& context, const DemoSettings& s, const std::string& path) {
  constexpr index_t kShare = 12;  // steps on windows for each on whole pictures
  moeclip::TinyClipOptions options;
  options.window_steps = s.pretrain_steps;
  options.whole_steps = (s.pretrain_steps + kShare - 1) / kShare;
  const index_t steps = options.window_steps + options.whole_steps;
  inform(concat("training a tiny CLIP: ", moeclip::counted(steps, "step"), " (the built-in one had 2550)"));
  Progress progress("pretrain", static_cast<std::size_t>(steps));
  const auto on_step = [&](const moeclip::PretrainReport& report) {
    progress.finish(concat("loss ", fixed(report.loss.total(), 3)), pretrain_json(report));
    if (!std::isfinite(report.loss.total()))
      moeclip::fail(moeclip::ErrorCode::mismatch, concat("the loss of step ", report.step, " is no number"));
    return true;
  };
  const moeclip::TinyClip tiny = moeclip::train_tiny_clip(context, options, on_step);
  moeclip::save_clip(path, tiny.weights, moeclip::DType::f16, tiny.merges);
}

/// Trains adapters and writes them to `path`.
void train_adapters(const DemoSettings& s, const moeclip::Clip<float>& clip, const std::string& path) {
  moeclip::TrainerOptions options;
  options.batch = kTinyBatch;
  options.image_size = clip.config().vision.image_size;
  options.threads = static_cast<int>(s.threads);
  moeclip::Recipe recipe = moeclip::Recipe::moeclip();
  recipe.lr = kTinyRate;
  moeclip::Trainer<float> trainer(clip, recipe, options);
  const moeclip::SampleSource source = adapter_pictures(s.train_pictures, options.image_size, kTinySeed);
  inform(concat("training adapters on ", moeclip::counted(source.size(), "picture"), " of ",
                moeclip::counted(moeclip::adapter_categories().size(), "category"), ", ", s.epochs, " times"));
  moeclip::FitOptions fit;
  fit.epochs = s.epochs;
  const auto batches = (source.size() + options.batch - 1) / options.batch;
  Progress progress("train", static_cast<std::size_t>(s.epochs * batches));
  trainer.fit(source, fit, [&](const moeclip::StepReport& report) {
    progress.finish(concat("epoch ", report.epoch, ", loss ", fixed(report.loss.total, 3)), step_json(report));
  });
  moeclip::write_checkpoint<float>(path, trainer.record(trainer.fingerprint(source)), trainer.adapter(), {});
}

/// The detector that is shown: built in, given, or trained now.
moeclip::Detector make_detector(moeclip::Context& context, const DemoSettings& s) {
  std::string clip_path = !s.clip.empty()     ? s.clip
                          : s.is_from_scratch ? s.file("clip.safetensors")
                                              : find_tiny(kTinyClip);
  if (s.is_from_scratch) pretrain_tiny(context, s, clip_path);
  std::string adapter_path = !s.adapter.empty() ? s.adapter
                             : s.is_trained     ? s.file("adapter.safetensors")
                                                : find_tiny(kTinyAdapter);
  moeclip::ClipOptions clip_options;
  clip_options.activation = moeclip::kernels::Activation::gelu;
  clip_options.threads = static_cast<int>(s.threads);
  moeclip::Clip<float> clip = moeclip::Clip<float>::load(clip_path, clip_options);
  if (s.is_trained) train_adapters(s, clip, adapter_path);
  moeclip::DetectorOptions options;
  options.image_size = clip.config().vision.image_size;
  s.adapter_flags.apply(options.adapter);
  s.adapter_flags.say_assumed(s.adapter);
  moeclip::Adapter<float> adapter = moeclip::load_adapter<float>(context, adapter_path, clip.config(), options.adapter);
  return moeclip::Detector(std::move(clip), std::move(adapter), options);
}

/// Thresholds at the best F1 on pictures of the categories that adapters are trained on, which are not those judged.
DemoThresholds find_thresholds(moeclip::Context& context, const moeclip::Detector& detector) {
  constexpr index_t kPictures = 80;
  const moeclip::SampleSource source = adapter_pictures(kPictures, detector.options().image_size, kTinySeed + 1, 0.5);
  moeclip::ScoreTable images({.is_exact = true, .max_pages = 1}), pixels;
  moeclip::Detection found;
  for (index_t i = 0; i < source.size(); ++i) {
    const moeclip::Sample sample = source.load(i);
    detector.detect(context, sample.picture.view(), detector.anchors(sample.class_name), found);
    images.add_image(found.score, sample.label != 0);
    pixels.add_map(context, std::as_const(found.map).view<2>(), sample.mask.view());
  }
  const moeclip::Metrics image = images.metrics(), pixel = pixels.metrics();
  DemoThresholds thresholds;
  if (image.f1_max.is_defined()) thresholds.image = static_cast<float>(image.f1_threshold);
  if (pixel.f1_max.is_defined()) thresholds.pixel = static_cast<float>(pixel.f1_threshold);
  return thresholds;
}

/// What is judged: unseen categories in turn, every third picture good, the others with unseen kinds of defects.
std::vector<moeclip::SyntheticSpec> demo_specs(const DemoSettings& s) {
  constexpr index_t kSize = 288;
  const auto categories = moeclip::unseen_categories();
  std::vector<moeclip::SyntheticSpec> specs;
  for (index_t i = 0; i < s.pictures; ++i) {
    moeclip::SyntheticSpec spec;
    spec.category = categories[static_cast<std::size_t>(i) % categories.size()];
    spec.seed = 3'000'000 + static_cast<std::uint64_t>(s.seed);  // apart from all that anything was trained on
    spec.index = i;
    spec.size = kSize;
    std::vector<std::string_view> kinds = moeclip::synthetic_defects(spec.category);
    std::erase_if(kinds, [](std::string_view kind) {
      return std::ranges::find(moeclip::unseen_defects(), kind) == moeclip::unseen_defects().end();
    });
    const auto round = i / std::ssize(categories);
    const moeclip::Rng rng(spec.seed, "demo");
    spec.severity = 0.5 + 0.5 * rng.unit(i);
    if ((i + round) % 3 != 2 && !kinds.empty())
      spec.defect = kinds[static_cast<std::size_t>(rng.integer(1000 + i, 0, std::ssize(kinds)))];
    specs.push_back(std::move(spec));
  }
  return specs;
}

DemoPicture judge(moeclip::Context& context, const moeclip::Detector& detector, const moeclip::SyntheticSpec& spec) {
  DemoPicture picture;
  picture.sample = moeclip::synthesize(spec);
  const auto anchors = detector.anchors(picture.sample.class_name);
  const auto start = Clock::now();
  const moeclip::Detection found = detector.detect(context, picture.sample.picture.view(), anchors);
  picture.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  picture.map = found.map;
  picture.score = found.score;
  picture.is_anomalous = found.is_anomalous;
  if (picture.sample.label != 0) picture.overlap = overlap_of(found.map, picture.sample.mask, found.pixel_threshold);
  return picture;
}

std::string picture_name(std::size_t i, const DemoPicture& picture) {
  std::string name = concat(i < 9 ? "0" : "", i + 1, " ", picture.sample.class_name, " ", picture.truth(), ".png");
  std::ranges::replace(name, ' ', '_');
  return name;
}

void write_pictures(const DemoSettings& s, const std::vector<DemoPicture>& pictures, const DemoThresholds& thresholds) {
  std::vector<moeclip::Image> strips;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    strips.push_back(picture_strip(pictures[i], thresholds));
    moeclip::write_png(s.file(picture_name(i, pictures[i])), strips.back());
  }
  moeclip::write_png(s.file("all.png"), contact_sheet(strips, "picture | anomaly map | truth"));
}

/// What is known of all pictures together.
struct DemoResult {
  DemoThresholds thresholds;
  moeclip::Evaluation evaluation;  // all pictures as the class "demo"
  moeclip::ClassResult measured;   // of it
  std::int64_t right = 0;          // verdicts
  double seconds = 0;
};

void measure(moeclip::Context& context, const std::vector<DemoPicture>& pictures, DemoResult& result) {
  for (const DemoPicture& picture : pictures) {
    moeclip::Sample sample;
    sample.class_name = "demo";
    sample.label = picture.sample.label;
    sample.mask = picture.sample.mask;
    result.evaluation.add(context, sample, {picture.map.view<2>(), picture.score, 0});
    result.right += picture.is_right() ? 1 : 0;
  }
  result.measured = result.evaluation.classes().at(0);
}

/// All that is known, for a browser; `evaluation` has the scores of all pictures as the class "demo".
void write_demo_report(moeclip::Context& context, const moeclip::Detector& detector, const DemoSettings& s,
                       const std::vector<DemoPicture>& pictures, DemoResult& result, Words words) {
  moeclip::Report report;
  report.title = "Demo: pictures of things that the model has never seen";
  report.summary = concat(result.right, " of ", moeclip::counted(pictures.size(), "verdict"),
                          " are right. AUROC of the pictures ", metric_percent(result.measured.image.auroc),
                          ", of the pixels ", metric_percent(result.measured.pixel.auroc), ".");
  report.threshold = static_cast<double>(result.thresholds.image);
  report.mean = result.measured;
  report.classes.push_back(
      report_class(result.measured, result.evaluation.image_table("demo"), result.evaluation.pixel_table("demo")));
  CloseLooks looks(context, detector);
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const DemoPicture& picture = pictures[i];
    const std::string& name = picture.sample.class_name;
    report.pictures.push_back({picture_name(i, picture),
                               name,
                               picture.sample.label != 0,
                               static_cast<double>(picture.score),
                               picture.is_anomalous,
                               picture.seconds,
                               {},
                               {}});
    const auto anchors = detector.anchors(name);
    looks.look({picture.sample, name, anchors, result.thresholds.pixel}, report.pictures.back());
    report.pictures.back().sentences.push_back(concat("In truth: ", picture.truth(), "."));
  }
  looks.add_section(report, "Experts", "What the experts did on these pictures.");
  add_provenance(report, "demo", words, result.seconds);
  moeclip::write_report(s.file(kReportFile), report);
}

std::string cell(std::string text, std::size_t width) {
  text.resize(std::max(width, text.size() + 1), ' ');
  return text;
}

std::string metric_text(const moeclip::Metric& metric) {
  return metric.is_defined() ? fixed(100 * metric.value, 1) : concat("- (", metric.undefined, ")");
}

void print_table(const DemoSettings& s, const std::vector<DemoPicture>& pictures, const DemoResult& result) {
  print(concat(cell("picture", 16), cell("truth", 18), cell("score", 8), cell("verdict", 16), "overlap\n"));
  for (const DemoPicture& picture : pictures) {
    print(concat(cell(picture.sample.class_name, 16), cell(picture.truth(), 18),
                 cell(fixed(static_cast<double>(picture.score), 3), 8),
                 cell(concat(picture.is_anomalous ? "defect" : "good", picture.is_right() ? "" : "  (wrong)"), 16),
                 picture.sample.label == 0 ? "-" : fixed(picture.overlap, 2), "\n"));
  }
  print(concat("\n", result.right, " of ", moeclip::counted(pictures.size(), "verdict"),
               " are right; AUROC of the pictures ", metric_text(result.measured.image.auroc), ", of the pixels ",
               metric_text(result.measured.pixel.auroc), "\n", printable(s.file("all.png")), " shows them all (",
               fixed(result.seconds, 1), " s); why the model says so, in a browser:\n", printable(s.file(kReportFile)),
               "\n"));
}

void print_json(const DemoSettings& s, const std::vector<DemoPicture>& pictures, const DemoResult& result) {
  JsonLine json(true);
  json.member("out", s.out);
  json.member("report", s.file(kReportFile));
  json.member("threshold", result.thresholds.image);
  json.member("pixel_threshold", result.thresholds.pixel);
  json.member("seconds", result.seconds);
  json.begin_array("pictures");
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const DemoPicture& picture = pictures[i];
    json.item(Json::object()
                  .set("file", s.file(picture_name(i, picture)))
                  .set("class", picture.sample.class_name)
                  .set("truth", picture.truth())
                  .set("score", picture.score)
                  .set("is_anomalous", picture.is_anomalous)
                  .set("is_right", picture.is_right())
                  .set("overlap", picture.sample.label == 0 ? Json() : Json(picture.overlap)));
  }
  json.end();
  json.finish();
}

}  // namespace

int run_demo(Words words) {
  DemoSettings s;
  if (!parse(words, s)) return kOk;
  const auto start = Clock::now();
  for (const char* name : {"all.png", kReportFile, "clip.safetensors", "adapter.safetensors"})
    expect_free_name(s.file(name), s.is_forced);
  prepare_folder(s.out);
  moeclip::Context context({.threads = static_cast<int>(s.threads)});
  moeclip::Detector loaded = make_detector(context, s);
  DemoResult result;
  result.thresholds = find_thresholds(context, loaded);
  const moeclip::Detector detector =
      std::move(loaded).with_thresholds(result.thresholds.image, result.thresholds.pixel);
  std::vector<DemoPicture> pictures;
  for (const moeclip::SyntheticSpec& spec : demo_specs(s)) pictures.push_back(judge(context, detector, spec));
  measure(context, pictures, result);
  write_pictures(s, pictures, result.thresholds);
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  result.seconds = seconds();
  write_demo_report(context, detector, s, pictures, result, words);
  result.seconds = seconds();
  if (s.is_json) {
    print_json(s, pictures, result);
  } else {
    print_table(s, pictures, result);
  }
  return kOk;
}

}  // namespace cli

// SPDX-License-Identifier: MIT
// moeclip pretrain: the built-in CLIP, from nothing but numbers.

#include <chrono>
#include <cmath>
#include <moeclip/clip/clip.hpp>
#include <moeclip/clip/load_clip.hpp>
#include <moeclip/clip/save.hpp>
#include <moeclip/synthetic/tiny_clip.hpp>

#include "commands.hpp"
#include "zero_shot.hpp"

namespace cli {
namespace {

using moeclip::concat;
using moeclip::fixed;
using moeclip::index_t;

struct PretrainSettings {
  std::string out;
  moeclip::TinyClipOptions training;
  std::int64_t threads = 0, exam_pairs = 40;
  bool is_forced = false, is_json = false;

  [[nodiscard]] index_t steps() const { return training.window_steps + training.whole_steps; }
};

struct PretrainOutcome {
  moeclip::TinyClip clip;
  double seconds = 0;
  moeclip::ContrastiveLoss loss;  // of the last step
};

/// Trains and returns the weights. Throws mismatch if the loss stops being a number.
PretrainOutcome train(moeclip::Context& context, const PretrainSettings& settings) {
  PretrainOutcome outcome;
  Progress progress("pretrain", static_cast<std::size_t>(settings.steps()));
  const auto start = std::chrono::steady_clock::now();
  std::string failure;
  auto on_step = [&](const moeclip::PretrainReport& report) {
    outcome.loss = report.loss;
    progress.finish(concat("loss ", fixed(report.loss.total(), 3), ", scale ", fixed(report.logit_scale, 1),
                           ", gradient ", fixed(report.gradient_norm, 2)),
                    pretrain_json(report));
    if (std::isfinite(report.loss.total()) && std::isfinite(report.gradient_norm)) return true;
    failure = concat("the loss of step ", report.step, " is no number; a lower --lr may help");
    return false;
  };
  outcome.clip = moeclip::train_tiny_clip(context, settings.training, on_step);
  if (!failure.empty()) moeclip::fail(moeclip::ErrorCode::mismatch, failure);
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return outcome;
}

/// Pictures that were shown in training.
index_t pictures_shown(const moeclip::TinyClipOptions& training) {
  return 2 * training.pairs * (training.window_steps + training.whole_steps);
}

void report(const PretrainSettings& settings, const PretrainOutcome& outcome, const std::vector<ZeroShotRow>& rows) {
  const moeclip::ClipWeights<float>& clip = outcome.clip.weights;
  index_t parameters = 0;
  moeclip::visit_parameters(
      clip, "", [&](const std::string&, const moeclip::Tensor<float>& tensor) { parameters += tensor.size(); });
  const auto pictures = static_cast<double>(pictures_shown(settings.training));
  JsonLine json(settings.is_json);
  json.member("file", settings.out);
  json.member("parameters", parameters);
  json.member("vocabulary", clip.config.text.vocabulary);
  json.member("steps", settings.steps());
  json.member("seconds", outcome.seconds);
  json.member("pictures_per_second", pictures / outcome.seconds);
  json.member("loss", outcome.loss.total());
  json.begin_object("zero_shot");
  for (const ZeroShotRow& row : rows)
    json.member(row.key, moeclip::Json::object()
                             .set("answers", static_cast<std::int64_t>(row.answers))
                             .set("chance", row.chance)
                             .set("accuracy", row.accuracy)
                             .set("auroc", row.auroc ? moeclip::Json(*row.auroc) : moeclip::Json()));
  json.end();
  json.finish();
  if (settings.is_json) return;
  print(concat(printable(settings.out), ": ", moeclip::counted(parameters, "parameter"), ", ",
               moeclip::counted(clip.config.text.vocabulary, "token"), "; ", moeclip::counted(settings.steps(), "step"),
               " in ", fixed(outcome.seconds, 0), " s (", fixed(pictures / outcome.seconds, 0), " pictures/s), loss ",
               fixed(outcome.loss.total(), 3), "\n\n",
               "zero-shot, on pictures that were not trained on    answers  chance  accuracy   AUROC\n"));
  for (const ZeroShotRow& row : rows) {
    const auto percent = [](double share) { return concat(fixed(100 * share, 1), " %"); };
    const auto right = [](std::string text, std::size_t width) {
      return std::string(text.size() < width ? width - text.size() : 0, ' ') + text;
    };
    std::string question = row.question;
    question.resize(std::max<std::size_t>(question.size(), 60), ' ');
    print(concat(question, right(concat(row.answers), 7), right(percent(row.chance), 9),
                 right(percent(row.accuracy), 9), right(row.auroc ? percent(*row.auroc) : "", 9), "\n"));
  }
}

}  // namespace

int run_pretrain(Words words) {
  PretrainSettings settings;
  moeclip::TinyClipOptions& training = settings.training;
  std::int64_t window_steps = training.window_steps, whole_steps = training.whole_steps, seed = 111,
               pairs = training.pairs;
  Options options("pretrain",
                  "Train a tiny CLIP from nothing on synthetic pictures and their captions, save it as one file (half\n"
                  "precision, tokenizer inside), and ask it about pictures that it has not seen. Categories and kinds\n"
                  "of defects that are kept for judging are never shown. The same options give the same file on the\n"
                  "same instruction set, whatever the number of threads.");
  options.value("out", settings.out, "FILE", "safetensors file to write");
  options.value("steps", window_steps, "N", concat("on windows of pictures; default ", window_steps));
  options.value("whole-steps", whole_steps, "N", concat("after that, on whole pictures; default ", whole_steps));
  options.value("pairs", pairs, "N", concat("objects in a batch, each whole and with a defect; default ", pairs));
  options.value("lr", training.lr, "X", concat("highest learning rate; default ", training.lr));
  options.value("seed", seed, "N", concat("of first weights, pictures and captions; default ", seed));
  options.value("exam", settings.exam_pairs, "N", "objects per category to ask about; default 40");
  options.value("threads", settings.threads, "N", "default: one per core");
  options.flag("json", settings.is_json, "print the result as one JSON object");
  options.flag("force", settings.is_forced, "replace FILE if it exists");
  options.progress();
  if (!options.parse(words)) return kOk;
  if (settings.out.empty()) throw UsageError("--out is needed");
  if (!settings.out.ends_with(".safetensors")) throw UsageError("--out should end in .safetensors");
  if (window_steps < 0 || whole_steps < 0 || pairs < 4 || pairs > 4096 || seed < 0 || settings.exam_pairs < 0 ||
      settings.threads < 0 || settings.threads > 4096 || !(training.lr > 0))
    throw UsageError("--lr is positive, --pairs from 4 to 4096, and no number is negative");
  training.window_steps = window_steps;
  training.whole_steps = whole_steps;
  training.seed = static_cast<std::uint64_t>(seed);
  training.pairs = pairs;
  expect_writable(settings.out, settings.is_forced);

  moeclip::Context context({.threads = static_cast<int>(settings.threads)});
  const PretrainOutcome outcome = train(context, settings);
  moeclip::save_clip(settings.out, outcome.clip.weights, moeclip::DType::f16, outcome.clip.merges);
  const auto saved = moeclip::Clip<float>::load(settings.out);
  const std::uint64_t exam_seed = training.seed + 2;  // the two before it were trained on
  report(settings, outcome, examine_zero_shot(saved, context, exam_seed, settings.exam_pairs));
  return kOk;
}

}  // namespace cli

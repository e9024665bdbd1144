// SPDX-License-Identifier: MIT
#include "train_method.hpp"

#include <moeclip/methods/fit.hpp>

#include "commands.hpp"
#include "long_words.hpp"
#include "method.hpp"
#include "stop.hpp"

namespace cli {

using moeclip::concat;
using moeclip::index_t;

namespace {

moeclip::MethodFitOptions fit_options(const TrainSettings& s, const moeclip::SampleSource& source) {
  moeclip::Recipe given;  // holds the one option of a recipe that has a meaning here
  s.options.apply(given);
  moeclip::MethodFitOptions fit;
  fit.seed = static_cast<std::uint64_t>(s.seed.value_or(static_cast<std::int64_t>(fit.seed)));
  fit.batch = s.batch.value_or(0);
  fit.epochs = s.epochs.value_or(0);
  fit.steps = s.steps.value_or(0);
  fit.lr = s.options.has("lr") ? given.lr : 0;
  fit.images = s.pictures.image_options();
  fit.checkpoint = s.out;
  fit.checkpoint_seconds = static_cast<double>(s.checkpoint_seconds);
  fit.is_resumed = s.is_resumed;
  fit.ahead = static_cast<int>(s.ahead);
  const moeclip::ClassWords words = moeclip::load_class_words(s.words);
  for (const std::string& name : source.classes()) fit.words.push_back(words.words(name));
  return fit;
}

std::string describe(const moeclip::MethodStep& step) {
  return concat(step.stage_name, ", step ", step.step, " of ", step.steps, ": loss ", step.loss, ", gradient ",
                step.gradient_norm);
}

moeclip::Json json_of(const moeclip::MethodStep& step) {
  return moeclip::Json::object()
      .set("stage", step.stage)
      .set("step", step.step)
      .set("epoch", step.epoch)
      .set("loss", step.loss)
      .set("gradient_norm", step.gradient_norm)
      .set("lr", step.lr);
}

/// Steps of all stages.
index_t all_steps(const std::vector<moeclip::MethodStage>& stages, const moeclip::MethodFitOptions& fit,
                  index_t pictures) {
  index_t all = 0;
  for (const moeclip::MethodStage& stage : stages) {
    const index_t batch = fit.batch > 0 ? fit.batch : stage.batch;
    const index_t steps = (fit.epochs > 0 ? fit.epochs : stage.epochs) * ((pictures + batch - 1) / batch);
    all += fit.steps > 0 ? std::min(fit.steps, steps) : steps;
  }
  return all;
}

void report(const TrainSettings& s, const std::string& path, index_t steps, double loss, bool is_done) {
  JsonLine json(s.is_json);
  json.member("checkpoint", path);
  json.member("method", s.method);
  json.member("steps", steps);
  json.member("loss", loss);
  json.member("is_done", is_done);
  json.finish();
  if (s.is_json) return;
  print(concat(printable(path), ": ", s.method, ", ", moeclip::counted(steps, "step"),
               is_done ? "" : ", stopped; --resume goes on", "\n"));
}

}  // namespace

int train_method(const TrainSettings& s) {
  MethodWish wish{s.method, s.clip, "", s.vocabulary, s.dtype, s.image_size.value_or(0), s.threads};
  const auto seed = static_cast<std::uint64_t>(s.seed.value_or(static_cast<std::int64_t>(wish.seed)));
  const std::unique_ptr<moeclip::Method<float>> method =
      moeclip::make_method<float>(s.method, load_method_clip(wish), {wish.image_size, seed, {}});
  moeclip::TrainedMethod<float>* const trained = method->trained();
  if (trained == nullptr)
    throw UsageError(
        concat("the method ", s.method, " is not trained; `moeclip detect --method ", s.method, "` judges at once"));
  const std::string path = moeclip::join_path(s.out, moeclip::kMethodCheckpoint);
  if (!s.is_resumed && !s.is_forced && moeclip::file_exists(path))
    moeclip::fail(moeclip::ErrorCode::io,
                  concat(path, ": a run is there already; --resume goes on with it, --force begins anew"));
  TrainData data = s.data;
  if (data.valid.empty()) data.valid = "0";  // nothing judges while it trains, so nothing is held out
  const TrainPictures pictures(data);
  moeclip::TrainerOptions as;  // how pictures are cut and drawn onto
  as.image_size = method->image_size();
  as.seed = seed;
  as.images = s.pictures.image_options();
  const TrainSources sources = pictures.sources(as);
  expect_words_fit(*trained, moeclip::load_class_words(s.words), sources.train.classes());
  const moeclip::MethodFitOptions fit = fit_options(s, sources.train);
  prepare_folder(s.out);
  moeclip::Context context({.threads = static_cast<int>(s.threads)});
  StopSignal stop;
  stop.set_exit_code(kFailed);
  stop.set_last_act([&] {
    say(moeclip::file_exists(path)
            ? concat("stopped in the middle of a step; --resume goes on from ", path)
            : concat("stopped before ", path, " was written for the first time: nothing is kept"));
  });
  Progress progress("train", static_cast<std::size_t>(all_steps(trained->stages(), fit, sources.train.size())));
  index_t steps = 0;
  double loss = 0;
  const bool is_done =
      moeclip::fit_method<float>(context, *trained, sources.train, fit, [&](const moeclip::MethodStep& step) {
        ++steps;
        loss = step.loss;
        progress.finish(describe(step), json_of(step));
        return !stop.is_wanted();
      });
  report(s, path, steps, loss, is_done);
  return is_done ? kOk : kFailed;
}

}  // namespace cli

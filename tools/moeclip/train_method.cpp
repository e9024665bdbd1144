// SPDX-License-Identifier: MIT
#include "train_method.hpp"

#include <algorithm>
#include <cmath>
#include <moeclip/io/json_writer.hpp>
#include <moeclip/io/weights.hpp>
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

/// As log.jsonl and --log-json have it.
moeclip::Json json_of(const moeclip::MethodStep& step) {
  return moeclip::Json::object()
      .set("step", step.done)
      .set("stage", step.stage)
      .set("stage_step", step.step)
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

/// Steps of the run that is resumed.
index_t steps_before(const TrainSettings& s) {
  if (!s.is_resumed || !moeclip::file_exists(s.method_checkpoint())) return 0;
  return moeclip::read_method_record(moeclip::WeightFile::open(s.method_checkpoint())).run.steps;
}

/// Writes report.html with what there is so far. `seconds_left` is negative when the training is over.
void write_page(const TrainSettings& s, const TrainLog& log, const std::string& state, double seconds_left) {
  const moeclip::MethodRecord record = moeclip::read_method_record(moeclip::WeightFile::open(s.method_checkpoint()));
  TrainPage page{state, seconds_left, {}, {}};
  const auto or_own = [](double value) { return value > 0 ? concat(value) : std::string("each stage's own"); };
  page.settings = {{"method", record.method},
                   {"pictures per step", or_own(static_cast<double>(record.run.batch))},
                   {"learning rate", or_own(record.run.lr)},
                   {"image size", concat(record.image_size)},
                   {"seed", concat(record.run.seed)}};
  for (const auto& [name, value] : record.settings.members()) page.settings.emplace_back(name, dump_json(value));
  page.provenance = {{"CLIP", record.clip}, {"data", record.run.data}, {"version", MOECLIP_VERSION_STRING}};
  write_train_page(moeclip::join_path(s.out, "report.html"), page, log.history(), {});
}

/// How a training ended.
struct MethodEnd {
  index_t steps = 0, stages = 0;  ///< of all stages; of those that the method has
  double loss = std::nan("");     ///< of the last step; none was left to make
  bool is_done = false;
};

void report(const TrainSettings& s, const MethodEnd& end) {
  JsonLine json(s.is_json);
  json.member("checkpoint", s.method_checkpoint());
  json.member("method", s.method);
  json.member("steps", end.steps);
  json.member("stages", end.stages);
  json.member("loss", end.loss);
  json.member("is_done", end.is_done);
  json.finish();
  if (s.is_json) return;
  print(concat(printable(s.method_checkpoint()), ": ", s.method, ", ", moeclip::counted(end.steps, "step"), " in ",
               moeclip::counted(end.stages, "stage"), end.is_done ? "" : ", stopped; --resume goes on", "\n"));
}

/// Trains until all stages are done or a signal ends it.
MethodEnd fit(const TrainSettings& s, moeclip::TrainedMethod<float>& method, const moeclip::SampleSource& source,
              moeclip::MethodFitOptions options) {
  const std::string path = s.method_checkpoint();
  moeclip::Context context({.threads = static_cast<int>(s.threads)});
  StopSignal stop;
  stop.set_exit_code(kFailed);
  stop.set_last_act([&] {
    say(moeclip::file_exists(path)
            ? concat("stopped in the middle of a step; --resume goes on from ", path)
            : concat("stopped before ", path, " was written for the first time: nothing is kept"));
  });
  const index_t before = steps_before(s), all = all_steps(method.stages(), options, source.size());
  TrainLog log(moeclip::join_path(s.out, "log.jsonl"), before);
  Progress progress("train", static_cast<std::size_t>(std::max<index_t>(0, all - before)));
  MethodEnd end{before, std::ssize(method.stages())};
  std::string state = concat(moeclip::counted(before, "step"), " of ", all);
  const auto on_checkpoint = [&] {
    write_page(s, log, state, std::max(0.0, progress.seconds_left(static_cast<std::size_t>(end.steps - before))));
  };
  options.on_checkpoint = on_checkpoint;
  end.is_done = moeclip::fit_method<float>(context, method, source, options, [&](const moeclip::MethodStep& step) {
    end.steps = step.done;
    end.loss = step.loss;
    state = concat("stage ", step.stage, " of ", step.stages, ", ", step.stage_name, ", step ", step.step, " of ",
                   step.steps);
    log.write(json_of(step));
    progress.finish(describe(step), json_of(step));
    return !stop.is_wanted();
  });
  write_page(s, log, state, -1);
  return end;
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
  TrainData data = s.data;
  if (data.valid.empty()) data.valid = "0";  // nothing judges while it trains, so nothing is held out
  TrainPictures pictures(data);
  moeclip::TrainerOptions as;  // how pictures are cut and drawn onto
  as.image_size = method->image_size();
  as.seed = seed;
  as.images = s.pictures.image_options();
  moeclip::Context context({.threads = static_cast<int>(s.threads)});
  const bool has_all = pictures.look(context, as.images) == 0;
  const TrainSources sources = pictures.sources(as);
  expect_words_fit(*trained, moeclip::load_class_words(s.words), sources.train.classes());
  const moeclip::MethodFitOptions options = fit_options(s, sources.train);
  prepare_folder(s.out);
  if (s.is_forced) remove_other_run(s);
  const MethodEnd end = fit(s, *trained, sources.train, options);
  report(s, end);
  return !end.is_done ? kFailed : has_all ? kOk : kInputFailed;
}

}  // namespace cli

// SPDX-License-Identifier: MIT
// moeclip train: pictures with labels and masks in, or good ones alone, and a trained adapter out.

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include <moeclip/clip/load_clip.hpp>

#include "commands.hpp"
#include "detect.hpp"
#include "group.hpp"
#include "long_words.hpp"
#include "stop.hpp"
#include "tiny_model.hpp"
#include "train_budget.hpp"
#include "train_method.hpp"
#include "train_settings.hpp"

namespace cli {

using moeclip::concat;
using moeclip::index_t;

namespace {

std::shared_ptr<const moeclip::Clip<float>> load_clip(const TrainSettings& s, const moeclip::Recipe& recipe) {
  moeclip::ClipOptions options{std::nullopt, s.vocabulary, static_cast<int>(s.threads)};
  options.precision = plan_of_dtype(s.dtype);
  if (!recipe.keeps_activation) options.activation = moeclip::kernels::Activation::gelu;
  const std::string path = s.clip.empty() ? find_tiny(kTinyClip) : s.clip;
  return std::make_shared<const moeclip::Clip<float>>(moeclip::Clip<float>::load(path, options));
}

ValidOptions valid_options(const TrainSettings& s, const moeclip::TrainerOptions& trainer) {
  ValidOptions options;
  options.folder = s.out;
  options.every = s.valid_every.value_or(0);
  options.patience = s.patience.value_or(options.patience);
  options.threads = trainer.threads;
  options.image_size = trainer.image_size;
  options.words = trainer.words;
  options.images = trainer.images;
  return options;
}

/// A small CLIP has one mixture after each block, if nobody says how many.
void fit_mixtures(const TrainSettings& s, index_t layers, moeclip::Recipe& recipe) {
  if (s.options.has("mixtures") || recipe.mixtures <= layers) return;
  inform(concat("this CLIP's image tower has ", moeclip::counted(layers, "block"), ", so there are ",
                moeclip::counted(layers, "mixture"), ", not ", recipe.mixtures));
  recipe.mixtures = layers;
}

/// Why a training is over.
enum class TrainEnd { epochs, steps, patience, budget, signal };

std::string_view name_of(TrainEnd end) {
  switch (end) {
    case TrainEnd::epochs: return "epochs";
    case TrainEnd::steps: return "steps";
    case TrainEnd::patience: return "patience";
    case TrainEnd::budget: return "budget";
    case TrainEnd::signal: return "signal";
  }
  return "";
}

/// All that takes part in a run.
struct TrainRun {
  const TrainSettings& s;
  BudgetClock& clock;
  moeclip::ProcessGroup* group;
  TrainPlan plan;
  std::shared_ptr<const moeclip::Clip<float>> clip;
  TrainSources sources;
  double expected_judgement = 0, longest_judgement = 0;  // seconds; the latter 0 as long as there was none
  double loss = std::nan("");                            // if no step is left to make

  [[nodiscard]] TrainWork work() const {
    return {sources.train.size(), std::ssize(sources.train.classes()), sources.valid.size(), s.valid_every.value_or(0)};
  }
  /// Seconds of the next judgement.
  [[nodiscard]] double judgement_seconds() const {
    return longest_judgement > 0 ? longest_judgement : clock.slowness() * expected_judgement;
  }
  /// Steps of all epochs, or those that were asked for.
  [[nodiscard]] index_t all_steps() const {
    const index_t steps = plan.epochs * work().batches(plan.trainer.batch);
    return plan.steps > 0 ? std::min(plan.steps, steps) : steps;
  }
};

/// Chooses what fits into the budget and says what it costs.
void say_budget(TrainRun& run, const TrainSize& wanted, const TrainSize& planned, double seconds) {
  const std::string loss = describe_loss(wanted, planned, run.work());
  std::string text =
      concat("budget ", run.s.budget, ": ", moeclip::counted(planned.steps, "step"), " of ",
             moeclip::counted(planned.batch, "picture"), " of ", moeclip::counted(planned.image_size, "pixel"),
             ", about ", describe_duration(seconds), " on ",
             moeclip::counted(moeclip::Context({.threads = run.plan.trainer.threads}).threads(), "thread"), "; ");
  text += loss.empty() ? "nothing is given up" : concat("given up: ", loss);
  inform(text);
  if (!loss.empty())
    inform(concat("the same again without a clock: --image-size ", planned.image_size, " --batch ", planned.batch,
                  " --steps ", run.plan.first_step + planned.steps));
}

/// Sets image size, batch and steps, and says how long they will take.
void plan_time(TrainRun& run, const TrainPictures& pictures) {
  constexpr index_t kFewest = 10;  // steps: of fewer, the first one tells soon enough
  const TrainSettings& s = run.s;
  moeclip::TrainerOptions& trainer = run.plan.trainer;
  const moeclip::VisionConfig& vision = run.clip->config().vision;
  trainer.image_size = moeclip::training_image_size(vision, trainer.image_size);
  run.sources = pictures.sources(trainer);
  expect_words_fit(*run.clip, trainer.words, run.sources.train.classes());
  const TrainWork work = run.work();
  TrainCost cost;
  const auto measure = [&](index_t size, index_t batch) {
    moeclip::TrainerOptions options = trainer;
    options.image_size = size;
    options.batch = batch;
    cost = measure_cost(run.clip, run.plan.recipe, options, pictures.sources(options), valid_options(s, options));
    return cost;
  };
  const TrainSize wanted{trainer.image_size, trainer.batch, run.all_steps() - run.plan.first_step};
  if (wanted.steps < (run.clock.is_on() ? 1 : kFewest)) return;
  if (!run.clock.is_on()) {
    measure(wanted.image_size, wanted.batch);
    inform(concat("about ", describe_duration(work.seconds(cost, wanted.steps, wanted.batch)), " for ",
                  moeclip::counted(wanted.steps, "step"), " on ",
                  moeclip::counted(moeclip::Context({.threads = trainer.threads}).threads(), "thread")));
  } else {
    const bool is_fixed = run.plan.first_step > 0;
    const BudgetWish wish{wanted, vision.patch_size, std::min(vision.image_size, wanted.image_size),
                          is_fixed || s.image_size.has_value(), is_fixed || s.batch.has_value()};
    const TrainSize planned = plan_budget(wish, work, run.clock.left(), measure);
    cost.step *= static_cast<double>(planned.batch) / static_cast<double>(wanted.batch);
    trainer.image_size = planned.image_size;
    trainer.batch = planned.batch;
    run.plan.steps = run.plan.first_step + planned.steps;
    run.plan.epochs = std::max(run.plan.epochs, (run.plan.steps - 1) / work.batches(planned.batch) + 1);
    run.sources = pictures.sources(trainer);
    say_budget(run, wanted, planned, work.seconds(cost, planned.steps, planned.batch));
  }
  run.clock.expect_step(cost.step);
  run.expected_judgement = cost.picture * static_cast<double>(work.judged);
}

/// The same in a group: the first process measures and chooses for all.
void plan_together(TrainRun& run, const TrainPictures& pictures) {
  struct Chosen {
    index_t image_size, batch, steps, epochs;
  };
  moeclip::TrainerOptions& trainer = run.plan.trainer;
  if (is_first(run.group)) plan_time(run, pictures);
  const Chosen chosen = agree(run.group, Chosen{trainer.image_size, trainer.batch, run.plan.steps, run.plan.epochs});
  trainer.image_size = chosen.image_size;
  trainer.batch = chosen.batch;
  run.plan.steps = chosen.steps;
  run.plan.epochs = chosen.epochs;
  trainer.group = run.group;
  if (!is_first(run.group)) run.sources = pictures.sources(trainer);
}

/// Judges the adapter, says how it did, and keeps the time. Returns false if the budget was over before the end.
bool judge(TrainRun& run, Validator& validator, moeclip::Trainer<float>& trainer, const std::string& data,
           bool is_regular) {
  const double before = run.clock.left();
  const Judgement* const judgement = validator.judge(trainer, data, is_regular, [&] { return !run.clock.is_over(); });
  if (judgement == nullptr) {
    inform(concat("step ", trainer.position().step, ": not judged, since the time of the budget was over before"));
    return false;
  }
  if (run.clock.is_on()) run.longest_judgement = std::max(run.longest_judgement, before - run.clock.left());
  messages().log("valid", moeclip::Json::object()
                              .set("step", judgement->step)
                              .set("image_auroc", metric_json(judgement->image_auroc))
                              .set("pixel_ap", metric_json(judgement->pixel_ap))
                              .set("is_best", judgement == validator.best()));
  inform(concat("step ", judgement->step, ": ", judgement->text(),
                judgement == validator.best() ? ", the best so far" : ""));
  return true;
}

/// Says of each picture that is not whole, once.
void say_remarks(const moeclip::StepReport& report, std::set<std::string>& said) {
  for (std::size_t i = 0; i < report.pictures.size(); ++i) {
    if (report.remarks[i].empty() || !said.insert(report.pictures[i]).second) continue;
    say_remark(report.pictures[i], report.remarks[i]);
  }
}

/// Writes report.html with what there is so far. `seconds_left` is negative when the training is over.
void write_page(const TrainRun& run, moeclip::Trainer<float>& trainer, const TrainLog& log, const Validator& validator,
                const std::string& data, double seconds_left) {
  const moeclip::CheckpointRecord record = trainer.record(data);
  const moeclip::RunIdentity& id = record.identity;
  TrainPage page;
  page.seconds_left = seconds_left;
  page.state = concat("step ", record.position.step, " of ", run.all_steps(), ", ", record.position.epoch, " of ",
                      moeclip::counted(run.plan.epochs, "epoch"), " done");
  const moeclip::Json recipe = to_json(id.recipe);
  for (const auto& [name, value] : recipe.members()) page.settings.emplace_back(name, dump_json(value));
  page.settings.insert(page.settings.begin(), {{"pictures per step", concat(id.batch)},
                                               {"image size", concat(id.image_size)},
                                               {"seed", concat(id.seed)},
                                               {"pictures to train on", concat(run.sources.train.size())},
                                               {"pictures to judge by", concat(run.sources.valid.size())}});
  page.provenance = {{"CLIP", id.clip}, {"data", id.data}, {"instructions", record.isa}, {"version", record.version}};
  write_train_page(moeclip::join_path(run.s.out, "report.html"), page, log.history(), validator.judgements());
}

/// What another process than the first one does: the same steps, of which it tells nothing. The first one decides when
/// they end.
TrainEnd follow(const TrainRun& run, moeclip::Trainer<float>& trainer) {
  std::set<std::string> said;
  moeclip::FitOptions fit;
  fit.epochs = run.plan.epochs;
  fit.ahead = static_cast<int>(run.s.ahead);
  trainer.fit(run.sources.train, fit, [&](const moeclip::StepReport& report) { say_remarks(report, said); });
  return TrainEnd::epochs;
}

/// Why there is nothing to do, if that is so.
std::optional<TrainEnd> over_already(const TrainRun& run, const moeclip::Trainer<float>& trainer,
                                     const Validator& validator) {
  if (validator.is_exhausted()) return TrainEnd::patience;
  if (run.plan.steps > 0 && trainer.position().step >= run.plan.steps) return TrainEnd::steps;
  return std::nullopt;
}

/// Trains until something ends it. A signal lets the step end, or, where that takes too long, ends the process in the
/// middle of it, with what was trained before.
TrainEnd train(TrainRun& run, moeclip::Trainer<float>& trainer, Validator& validator) {
  const TrainSettings& s = run.s;
  const std::string data = trainer.fingerprint(run.sources.train);
  TrainLog log(moeclip::join_path(s.out, "log.jsonl"), run.plan.first_step);
  const index_t left = std::max<index_t>(0, run.all_steps() - trainer.position().step);
  Progress progress("train", static_cast<std::size_t>(left));
  std::set<std::string> said;
  static_cast<void>(trainer.record(data));  // hashes the CLIP, which takes too long when the end is near
  StopSignal stop;
  stop.set_exit_code(kFailed);
  stop.set_last_act([&] {
    trainer.save(s.last_checkpoint(), data);
    say(concat("stopped in the middle of a step; ", s.last_checkpoint(), " is written, --resume goes on before it"));
  });
  const auto on_checkpoint = [&] {
    const index_t done = trainer.position().step - run.plan.first_step;
    write_page(run, trainer, log, validator, data,
               std::max(0.0, progress.seconds_left(static_cast<std::size_t>(done))));
  };
  const moeclip::FitOptions fit{
      run.plan.epochs,           s.out,        s.checkpoint_every, static_cast<double>(s.checkpoint_seconds), false,
      static_cast<int>(s.ahead), on_checkpoint};
  TrainEnd end = TrainEnd::epochs;
  run.clock.begin_step();
  trainer.fit(run.sources.train, fit, [&](const moeclip::StepReport& report) {
    run.loss = report.loss.total;
    log.write(report);
    say_remarks(report, said);
    progress.finish(describe_step(report), step_json(report));
    const bool is_last = report.epoch == report.epochs && report.batch == report.batches;
    const bool is_due = validator.is_due(report), is_full = run.plan.steps > 0 && report.step >= run.plan.steps;
    const double judgements = validator.is_on() ? (is_due ? 2 : 1) : 0;  // now, and when it ends
    bool has_time = run.clock.has_time(judgements * run.judgement_seconds());
    bool goes_on = false;
    if (stop.is_wanted()) {
      end = TrainEnd::signal;
    } else {
      if (is_due || (validator.is_on() && (is_last || is_full || !has_time)))
        has_time = judge(run, validator, trainer, data, is_due) && has_time;
      if (is_last)
        end = TrainEnd::epochs;
      else if (is_full)
        end = TrainEnd::steps;
      else if (validator.is_exhausted())
        end = TrainEnd::patience;
      else if (!has_time)
        end = TrainEnd::budget;
      else
        goes_on = true;
    }
    run.clock.begin_step();
    return goes_on;
  });
  write_page(run, trainer, log, validator, data, -1);
  return end;
}

void report_result(const TrainRun& run, const moeclip::Trainer<float>& trainer, const Validator& validator,
                   TrainEnd end) {
  const TrainSettings& s = run.s;
  const bool is_done = end != TrainEnd::signal && end != TrainEnd::budget;
  JsonLine json(s.is_json);
  json.member("checkpoint", s.last_checkpoint());
  json.member("epochs", trainer.position().epoch);
  json.member("steps", trainer.position().step);
  json.member("loss", run.loss);
  json.member("is_done", is_done);
  json.member("ended_by", std::string(name_of(end)));
  const Judgement* const best = validator.best();
  if (best != nullptr) {
    json.begin_object("best");
    json.member("checkpoint", validator.best_checkpoint());
    json.member("step", best->step);
    json.member("image_auroc", metric_json(best->image_auroc));
    json.member("pixel_ap", metric_json(best->pixel_ap));
    json.end();
  }
  json.finish();
  if (s.is_json) return;
  const std::string_view why = end == TrainEnd::signal     ? ", stopped; --resume goes on"
                               : end == TrainEnd::budget   ? ", the budget is used up; --resume goes on"
                               : end == TrainEnd::patience ? ", ended because it got no better"
                                                           : "";
  print(concat(printable(s.last_checkpoint()), ": ", moeclip::counted(trainer.position().step, "step"), ", ",
               trainer.position().epoch, " of ", moeclip::counted(run.plan.epochs, "epoch"), why, "\n"));
  if (best != nullptr)
    print(concat(printable(validator.best_checkpoint()), ": the best, of step ", best->step, ": ", best->text(), "\n"));
}

}  // namespace

int run_train(Words words) {
  TrainSettings s;
  if (!parse_train(words, s)) return kOk;
  expect_own_folder(s);
  if (!s.method.empty()) return train_method(s);
  BudgetClock clock(s.budget.empty() ? std::nullopt : std::optional(duration_of(s.budget)));
  moeclip::ProcessGroup* const group = join_group();
  if (!is_first(group)) messages().set_up("train", true, "");  // one voice is enough
  TrainRun run{s, clock, group, make_train_plan(s), {}, {}};
  TrainPictures pictures(s.data);
  run.clip = load_clip(s, run.plan.recipe);
  fit_mixtures(s, run.clip->config().vision.layers, run.plan.recipe);
  moeclip::Context context({.threads = static_cast<int>(s.threads)});
  const bool has_all = pictures.look(context, run.plan.trainer.images) == 0;
  if (is_first(group)) prepare_folder(s.out);  // what is missing was told, and the work begins
  plan_together(run, pictures);
  if (!s.data.good.empty()) inform(pictures.describe(run.sources));
  moeclip::Trainer trainer(*run.clip, run.plan.recipe, run.plan.trainer);
  if (run.plan.first_step > 0) {
    trainer.resume(s.last_checkpoint(), trainer.fingerprint(run.sources.train));
  } else if (const std::string start = start_of(s.start, s.clip.empty() && !s.data.good.empty(), run.plan.recipe,
                                                run.clip->config().vision.layers);
             !start.empty()) {
    say_start(start, s.adapter_flags, run.plan.recipe);
    trainer.start_from(start);
  }
  trainer.add_judged_by(moeclip::training_pictures(context, run.sources.valid));
  Validator validator(run.clip, run.sources.valid, valid_options(s, run.plan.trainer), run.plan.first_step);
  if (!validator.is_on() && moeclip::file_exists(validator.best_checkpoint()))
    inform(concat(validator.best_checkpoint(), ": is of an earlier run; without --valid nothing is judged"));
  const std::optional<TrainEnd> before = agree(group, over_already(run, trainer, validator));
  if (s.is_forced && is_first(group)) remove_other_run(s);
  const TrainEnd end = before ? *before : is_first(group) ? train(run, trainer, validator) : follow(run, trainer);
  if (!is_first(group)) return kOk;
  report_result(run, trainer, validator, end);
  return end == TrainEnd::signal ? kFailed : has_all ? kOk : kInputFailed;
}

}  // namespace cli

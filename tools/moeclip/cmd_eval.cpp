// SPDX-License-Identifier: MIT
// moeclip eval: data sets as they were downloaded in, the table of metrics out.

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "commands.hpp"
#include "eval.hpp"
#include "eval_good.hpp"
#include "eval_report.hpp"
#include "tiny_model.hpp"

namespace cli {

using moeclip::concat;
using moeclip::index_t;

void EvalSettings::declare(Options& options) {
  options.value("clip", clip, "FILE", "CLIP weights; default: the built-in tiny model with its adapter");
  options.value("adapter", adapter, "FILE", "MoECLIP adapter (.pth or .safetensors); without it, plain zero-shot CLIP");
  adapter_flags.add_to(options);
  options.positionals("DATA", more_data, 0, "data sets: folders as they were downloaded, or lists (.jsonl)");
  options.repeated("data", data, "DATA", "the same as an option");
  options.choice("split", split, {"test", "train", "valid", "all"}, "what is taken of folders that have parts");
  options.value("words", words, "FILE", "JSON with one's own words for classes, as `moeclip prompts` shows them");
  options.choice("domain", domain, {"auto", "industrial", "medical"},
                 "how pictures are scored; auto: medical for the known medical sets");
  layout.declare(options);
  pictures.declare(options);
  tiles.declare(options);
  options.value("image-size", image_size, "S",
                "side of the square that the model sees; default: that of the adapter's training, 518 if it "
                "does not say; of a CLIP alone its own");
  options.value("vocab", vocabulary, "FILE", "tokenizer; default: beside the weights, else the installed one");
  options.flag("allow-training-pictures", allows_training_pictures,
               "judge pictures too that the adapter was trained on; the figures say nothing about new ones then");
  options.value("threads", threads, "N", "default: one per core");
}

void EvalSettings::finish() {
  data.insert(data.end(), more_data.begin(), more_data.end());
  adapter_flags.check(!adapter.empty());
  layout.check();
  tiles.check();
  expect_size_and_threads(image_size, threads);
  if (checkpoint_seconds < 0) throw UsageError("--checkpoint-seconds is a count");
  if (threshold && !(*threshold >= 0 && *threshold <= 1)) throw UsageError("--threshold lies between 0 and 1");
}

void EvalSettings::finish_model(const Options& options) {
  constexpr std::string_view kOpen[] = {"model",           "data",
                                        "all-different",   "split",
                                        "layout",          "mask-from",
                                        "unmasked-good",   "threads",
                                        "exact",           "out",
                                        "shard",           "resume",
                                        "report",          "checkpoint-seconds",
                                        "false-positives", "quantile",
                                        "best-f1",         "class",
                                        "ablation",        "json",
                                        "threshold",       "confidence",
                                        "force",           "quiet",
                                        "log-json",        "allow-training-pictures"};
  for (const std::string& name : options.given())
    if (!model.empty() && std::ranges::find(kOpen, name) == std::end(kOpen))
      throw UsageError(concat("--", name, " was decided when ", model, " was made; leave it out"));
  if (!model.empty()) protocol = "default";
  adapter = weights_of(adapter);
  if (model.empty()) method = method_of(method, adapter);
  if (method.empty()) return;
  expect_fit(options, method, {"domain", "top-k", "lora-alpha", "no-paa", "beside", "model"});
  if (protocol == "released") throw UsageError("the released protocol is that of MoECLIP's own code");
  protocol = "default";
}

namespace {

using Clock = std::chrono::steady_clock;

/// Checks what goes together with --good and --shots.
void finish_memory(EvalSettings& s, const EvalReportSettings& report) {
  s.learning.check(!s.clip.empty() || !s.adapter.empty(), s.good);
  expect_memory_alone(s.good);
  if (s.draws < 1 || s.draws > 1000) throw UsageError("--draws is a count from 1 to 1000");
  if (!s.good.empty() && !s.shots.empty()) throw UsageError("--good and --shots say the same; choose one");
  if (s.shots.empty() && s.draws != 1) throw UsageError("--draws belongs to --shots");
  if (!s.has_memory()) {
    if (!s.learning.is_default()) throw UsageError(concat(GoodOptions::kNames, " belong to --good and --shots"));
    return;
  }
  if (s.method.empty()) {
    if (s.protocol == "released" || s.threshold)
      throw UsageError("good pictures bring a threshold and a protocol of their own, the default one");
    if (!report.adapters.empty()) throw UsageError("--beside compares experts of adapters; good pictures have none");
    if (!report.path.empty() && s.tiles.tiles().is_on())
      throw UsageError("--report shows what whole pictures were compared with; leave --tile out");
    if (!report.path.empty() && s.shots == "0")
      throw UsageError("--report shows what pictures were compared with, and --shots 0 has nothing");
    s.protocol = "default";
  }
  if (parse_shots(s.shots, s.draws).size() > 1 && (!s.out.empty() || !s.shard.empty() || !report.path.empty()))
    throw UsageError("--out, --shard and --report take one draw of one number of shots");
}

bool parse(Words words, EvalSettings& s, EvalReportSettings& report) {
  Options options("eval",
                  "Judge data sets with masks or labels and print the metrics of every class and their mean: AUROC, AP "
                  "and F1-max of pictures, these and AUPRO of pixels.");
  s.declare(options);
  options.choice("dtype", s.dtype, {"auto", "f32", "bf16", "int8"}, kDtypeHelp);
  options.value("model", s.model, "FILE",
                "of `moeclip export`, or textures of `moeclip learn`: judges in place of all other models");
  declare_method(options, s.method);
  options.choice("protocol", s.protocol, {"both", "default", "released"},
                 "scores as they are, or stretched over all pictures of a class as the official code does");
  options.flag("exact", s.is_exact, "keep every pixel's score: no error of bins, four bytes of memory a pixel");
  options.repeated("good", s.good, "GOOD",
                   "judge by good pictures instead of words: pictures, folders of them, or a file of `moeclip learn`");
  options.value(
      "shots", s.shots, "K,...",
      "the same with K good pictures of each class' own training part; 0: each picture is compared with itself");
  options.value("draws", s.draws, "N", "draw the shots N times, and tell the spread; default 1");
  s.learning.declare(options);
  options.value("threshold", s.threshold, "T",
                "picture score from which verdicts are counted as defective; default 0.5");
  options.value("out", s.out, "DIR", "write results.json, pictures.jsonl and the state there");
  options.value("shard", s.shard, "I/N",
                "judge only part I of N, and write its state; auto: as the array of Slurm or an indexed job says");
  options.flag("resume", s.is_resumed, "go on with the state in DIR: pictures that are in it are not judged again");
  options.value("checkpoint-seconds", s.checkpoint_seconds, "S", "write the state whenever S seconds have passed");
  report.declare(options);
  options.flag("json", s.is_json, "one JSON object");
  options.flag("force", s.is_forced, "begin anew although DIR holds an evaluation");
  options.note(
      "--shard auto reads SLURM_ARRAY_TASK_ID, _COUNT, _MIN and _STEP, or JOB_COMPLETION_INDEX (from 0) and "
      "JOB_COMPLETIONS; auto/N gives the number of parts. `moeclip merge` puts them together.");
  options.note("Ctrl-C and SIGTERM stop it within a second with exit code 3; the state is written, --resume goes on.");
  options.progress();
  if (!options.parse(words)) return false;
  s.finish();
  if (s.data.empty()) throw UsageError("a data set is missing: a folder or a list of pictures");
  if (s.is_resumed && s.is_forced) throw UsageError("--resume goes on, --force begins anew; choose one");
  if (s.out.empty() && (s.is_resumed || !s.shard.empty())) throw UsageError("--shard and --resume need --out DIR");
  if (!s.shard.empty() && !report.path.empty())
    throw UsageError("a shard has no report; `moeclip merge --report` writes that of all shards");
  if (s.out.empty() && s.checkpoint_seconds != kDefaultCheckpoint)
    throw UsageError("--checkpoint-seconds needs --out DIR to write to");
  s.finish_model(options);
  if (!s.method.empty()) {
    expect_good_fits(options, s.method);
    expect_pictures(s.good, s.method);
  }
  finish_memory(s, report);
  report.finish(s.is_forced);
  return true;
}

moeclip::Shard shard_of(const EvalSettings& s) {
  if (s.shard.empty()) return {};
  try {
    return moeclip::parse_shard(s.shard, [](const char* name) -> const char* { return std::getenv(name); });
  } catch (const moeclip::Error& error) {
    throw UsageError(concat("--shard: ", error.what()));
  }
}

/// Throws io if files are there that may not be replaced.
void expect_free(const EvalSettings& s, const moeclip::Shard& shard) {
  if (s.out.empty() || s.is_resumed) return;
  const std::string state = s.file(state_name(shard));
  if (!s.is_forced && moeclip::file_exists(state))
    moeclip::fail(moeclip::ErrorCode::io,
                  concat(state, ": an evaluation is there already; --resume goes on with it, --force begins anew"));
  if (shard.count > 1) return;
  for (const char* name : {kPicturesFile, kResultsFile}) expect_free_name(s.file(name), s.is_forced);
}

/// The state of an earlier process, or a new one.
moeclip::EvaluationRun start(const EvalSettings& s, const EvalModel& model, const EvalData& data,
                             const moeclip::Shard& shard) {
  const auto assigned = std::ranges::count_if(
      data.pictures, [&](const EvalPicture& picture) { return shard.holds(picture.record.path); });
  moeclip::EvaluationRun run(model.settings, shard, assigned);
  const std::string path = s.out.empty() ? "" : s.file(state_name(shard));
  if (!s.is_resumed || !moeclip::file_exists(path)) return run;
  const moeclip::WeightFile file = moeclip::WeightFile::open(path);
  const moeclip::RunManifest found = moeclip::read_manifest(file);
  const std::string differences = moeclip::settings_differences(found.settings, model.settings);
  if (!differences.empty() || !(found.shard == shard) || found.assigned != assigned)
    moeclip::fail(moeclip::ErrorCode::mismatch, concat(path, ": cannot be resumed, it is of another evaluation: ",
                                                       differences.empty() ? "the shard" : differences));
  if (found.isa != run.isa)
    inform(concat("it ran with ", found.isa, " instructions, this machine uses ", run.isa, ": last bits may differ"));
  run = moeclip::read_run(file);
  inform(concat("going on behind ", run.pictures.size() - static_cast<std::size_t>(run.failures()), " of ",
                moeclip::counted(assigned, "picture")));
  return run;
}

void report_shard(const EvalSettings& s, const moeclip::EvaluationRun& run) {
  const std::string path = s.file(state_name(run.shard));
  JsonLine json(s.is_json);
  json.member("state", path);
  json.member("shard", run.shard.number);
  json.member("shards", run.shard.count);
  json.member("pictures", std::ssize(run.pictures));
  json.member("failed", run.failures());
  json.finish();
  if (!s.is_json)
    print(concat(printable(path), ": shard ", run.shard.number, " of ", run.shard.count, ", ", run.pictures.size(),
                 " of ", moeclip::counted(run.settings.pictures, "picture"),
                 "; `moeclip merge` puts the shards together\n"));
}

}  // namespace

namespace {

/// Whether good pictures are known by what a CLIP sees of them.
bool sees_by_encoder(const EvalModel& model) {
  return std::ranges::any_of(model.memories, [](const auto& memory) {
    return memory.second.record.features == moeclip::PatchFeatures::encoder;
  });
}

/// Judges the data once for each number of shots and draw.
int run_shots(const EvalSettings& s, const std::vector<Shots>& shots, const EvalData& data, EvalModel& model) {
  std::vector<ShotResult> results;
  index_t failures = 0;
  const std::optional<moeclip::TrainingPictures> trained_on = model.trained_on;
  for (const Shots& each : shots) {
    const auto begin = Clock::now();
    model.trained_on = trained_on;
    remember(s, each, data, model);
    static_cast<void>(guard_against_leakage(s, model, data, {}));
    moeclip::EvaluationRun run(model.settings, {}, std::ssize(data.pictures));
    if (!judge_pictures(s, model, data, "", run)) {
      say("stopped");
      return kFailed;
    }
    failures += run.failures();
    const moeclip::RunResults of_run = moeclip::results_of(run);
    results.push_back({each, *of_run.mean.standard, verdicts_of({&s, &model, &data, run, of_run}),
                       std::chrono::duration<double>(Clock::now() - begin).count()});
  }
  print_shots(results, s.is_json);
  return failures == 0 && data.unread == 0 ? kOk : kInputFailed;
}

}  // namespace

int run_eval(Words words) {
  EvalSettings s;
  EvalReportSettings report;
  if (!parse(words, s, report)) return kOk;
  const auto begin = Clock::now();
  const moeclip::Shard shard = shard_of(s);
  expect_free(s, shard);
  if (!s.out.empty()) prepare_folder(s.out);
  const EvalData data = collect_pictures(s);
  EvalModel model = load_model(s, data);
  const std::vector<Shots> shots = parse_shots(s.shots, s.draws);
  if (shots.size() > 1) return run_shots(s, shots, data, model);
  if (s.has_memory()) remember(s, shots.empty() ? std::nullopt : std::optional(shots.front()), data, model);
  std::vector<std::string> notes = guard_against_leakage(s, model, data, shard);
  if (shard.count == 1)
    for (std::string& doubt : doubts_about(s, data)) notes.push_back(std::move(doubt));
  if (s.clip.empty() && s.model.empty() && (!s.has_memory() || !s.method.empty())) notes.emplace_back(kTinyKnows);
  if (s.clip.empty() && s.method.empty() && sees_by_encoder(model)) notes.emplace_back(kTinySees);
  moeclip::EvaluationRun run = start(s, model, data, shard);
  const std::string state = s.out.empty() ? "" : s.file(state_name(shard));
  if (!judge_pictures(s, model, data, state, run)) {
    say_stopped(state);
    return kFailed;
  }
  const int code = run.failures() == 0 && data.unread == 0 ? kOk : kInputFailed;
  if (shard.count > 1) {
    report_shard(s, run);
    return code;
  }
  const moeclip::RunResults results = moeclip::results_of(run);
  FinishedEval finished{&s,  &model,  &data,
                        run, results, model.threshold_of("", static_cast<float>(s.threshold.value_or(0.5)))};
  finished.notes = notes;
  finished.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  publish_evaluation(finished, {s.out, report, words, s.is_json});
  return code;
}

}  // namespace cli

// SPDX-License-Identifier: MIT
// moeclip train: pictures with labels and masks in, a trained adapter out.

#include <algorithm>
#include <cmath>
#include <csignal>
#include <optional>

#include <moeclip/clip/load_clip.hpp>

#include "commands.hpp"
#include "picture_options.hpp"
#include "train.hpp"

namespace cli {

using moeclip::concat;

namespace {

volatile std::sig_atomic_t stop_is_wanted = 0;

/// The first Ctrl-C lets the step end and writes a checkpoint, the second ends the program.
void request_stop(int signal) {
  stop_is_wanted = 1;
  std::signal(signal, SIG_DFL);
}

struct TrainSettings {
  std::string clip, recipe, vocabulary, out = "moeclip-run", start, split, words;
  std::vector<std::string> data, more_data;
  std::optional<std::int64_t> batch, seed, image_size;
  std::int64_t epochs = 20, threads = 0, memory = 0, checkpoint_every = 0, checkpoint_seconds = 300, ahead = 2;
  bool is_resumed = false, is_forced = false, is_json = false;
  PictureOptions pictures;
  RecipeOptions options;
  AdapterFlags adapter_flags;

  [[nodiscard]] std::string last_checkpoint() const { return moeclip::join_path(out, moeclip::kLastCheckpoint); }
};

/// What the help says after the list of options.
void add_notes(Options& options) {
  options.note("Values in brackets are those of the recipes released | paper | moeclip.");
  options.note(
      "No recipe uses --gate-init, --revises-labels, --averages-maps, --norm-match-floor and --keeps-activation: they "
      "are there for data that want them.");
  options.note("Ctrl-C ends the step, writes a checkpoint and stops with exit code 3; --resume goes on.");
}

bool parse(Words words, TrainSettings& s) {
  Options options("train",
                  "Train a MoECLIP adapter on pictures with labels and masks.\n"
                  "A data set is a folder as it was downloaded (`moeclip dataset scan` shows what is found in it), or "
                  "a file of JSON lines: image_path, label (0 good, 1 defective), class_name and, where there is one, "
                  "mask_path; paths are relative to the file.");
  options.value("clip", s.clip, "FILE", "CLIP weights: OpenAI .pt, open_clip or Hugging Face file or folder");
  options.repeated("data", s.data, "DATA", "data set: a folder, or a list (.jsonl)");
  options.positionals("DATA", s.more_data, 0, "more data sets; all are mixed");
  options.choice("split", s.split, {"test", "train", "valid", "all"},
                 "what is taken of folders that have parts; default test, where defects and masks are");
  options.value("words", s.words, "FILE", "JSON with one's own words for classes, as `moeclip prompts` shows them");
  options.choice("recipe", s.recipe, {"moeclip", "paper", "released"}, "how to train; default moeclip");
  s.pictures.declare(options);
  options.value("epochs", s.epochs, "N", "passes over the data");
  options.value("batch", s.batch, "N", "pictures per step; default 2");
  options.value("image-size", s.image_size, "S",
                "side of the square that the model sees; default 518 where the patch size divides it");
  options.value("seed", s.seed, "N", "of first values, order, augmentations and dropout; default 111");
  options.value("out", s.out, "DIR", "checkpoints and log.jsonl go there");
  options.flag("resume", s.is_resumed, "go on from DIR/moe_last.safetensors, with its recipe, to the same bits");
  options.value("start", s.start, "FILE", "begin with the weights of this adapter (.pth or .safetensors)");
  options.value("top-k", s.adapter_flags.top_k, "K", "the same as --chosen: experts per token, of --start FILE too");
  options.value("lora-alpha", s.adapter_flags.alpha, "A",
                "the same as --scale A/rank: alpha of the experts, of --start FILE too");
  options.flag("force", s.is_forced, "begin anew although DIR holds a run");
  options.value("checkpoint-every", s.checkpoint_every, "N", "also write moe_last every N steps; 0: not");
  options.value("checkpoint-seconds", s.checkpoint_seconds, "S", "and whenever S seconds have passed; 0: not");
  options.value("memory", s.memory, "MB", "for saved activations; less makes steps slower, not different; 0: no limit");
  options.value("vocab", s.vocabulary, "FILE", "tokenizer; default: beside the weights, else the installed one");
  options.value("ahead", s.ahead, "N", "batches that are read in advance, on a thread each");
  options.value("threads", s.threads, "N", "default: one per core");
  options.flag("json", s.is_json, "the result as a JSON object");
  s.options.declare(options);
  add_notes(options);
  if (!options.parse(words)) return false;
  s.data.insert(s.data.end(), s.more_data.begin(), s.more_data.end());
  if (s.clip.empty() || s.data.empty())
    throw UsageError("--clip and --data are needed; `moeclip demo --train` needs neither");
  s.adapter_flags.check(true);
  if ((s.adapter_flags.top_k && s.options.has("chosen")) || (s.adapter_flags.alpha && s.options.has("scale")))
    throw UsageError("--top-k is --chosen, and --lora-alpha is --scale times the rank; choose one");
  if (s.is_resumed && s.is_forced) throw UsageError("--resume goes on, --force begins anew; choose one");
  const std::int64_t counts[] = {s.epochs,
                                 s.threads,
                                 s.memory,
                                 s.checkpoint_every,
                                 s.checkpoint_seconds,
                                 s.batch.value_or(1),
                                 s.image_size.value_or(0),
                                 s.seed.value_or(0),
                                 s.ahead};
  if (std::ranges::min(counts) < 0 || s.batch == 0 || s.threads > 4096 || s.ahead > 64)
    throw UsageError(
        "--epochs, --batch, --image-size, --seed, --threads, --memory, --ahead and --checkpoint-* are counts");
  return true;
}

/// What an option says, else what the run to be resumed says, else the default.
struct Plan {
  moeclip::Recipe recipe;
  moeclip::TrainerOptions trainer;
  moeclip::index_t first_step = 0;
};

/// Sets what options say about the recipe.
void apply_options(const TrainSettings& s, moeclip::Recipe& recipe) {
  s.options.apply(recipe);
  const AdapterFlags& flags = s.adapter_flags;
  if (flags.top_k) recipe.chosen = *flags.top_k;
  if (flags.alpha) recipe.scale = *flags.alpha / static_cast<double>(recipe.rank);
  try {
    moeclip::expect_sound(recipe);
  } catch (const moeclip::Error& error) {
    throw UsageError(error.what());
  }
}

Plan make_plan(const TrainSettings& s) {
  Plan plan{moeclip::Recipe::named(s.recipe.empty() ? "moeclip" : s.recipe), {}, 0};
  if (s.is_resumed && moeclip::file_exists(s.last_checkpoint())) {
    const moeclip::CheckpointRecord record = moeclip::read_record(moeclip::WeightFile::open(s.last_checkpoint()));
    if (s.recipe.empty()) plan.recipe = record.identity.recipe;
    plan.trainer = {record.identity.batch, record.identity.seed, record.identity.image_size};
    plan.trainer.images = record.identity.images;
    plan.first_step = record.position.step;
    const char* isa = moeclip::kernels::to_string(moeclip::kernels::active_isa());
    say(concat("going on behind step ", plan.first_step, " of ", s.last_checkpoint()));
    if (record.isa != isa)
      say(concat("it ran with ", record.isa, " instructions, this machine uses ", isa, ": the last bits will differ"));
  }
  apply_options(s, plan.recipe);
  plan.trainer.batch = s.batch.value_or(plan.trainer.batch);
  plan.trainer.seed = static_cast<std::uint64_t>(s.seed.value_or(static_cast<std::int64_t>(plan.trainer.seed)));
  plan.trainer.image_size = s.image_size.value_or(plan.trainer.image_size);
  plan.trainer.memory_bytes = s.memory << 20;
  plan.trainer.threads = static_cast<int>(s.threads);
  plan.trainer.words = moeclip::load_class_words(s.words);
  plan.trainer.images = s.pictures.image_options(plan.trainer.images);
  return plan;
}

moeclip::Clip<float> load_clip(const TrainSettings& s, const moeclip::Recipe& recipe) {
  moeclip::ClipOptions options{std::nullopt, s.vocabulary, static_cast<int>(s.threads)};
  if (!recipe.keeps_activation) options.activation = moeclip::kernels::Activation::gelu;
  return moeclip::Clip<float>::load(s.clip, options);
}

void report_result(const TrainSettings& s, const moeclip::Trainer<float>& trainer, double loss, bool is_done) {
  JsonLine json(s.is_json);
  json.member("checkpoint", s.last_checkpoint());
  json.member("epochs", trainer.position().epoch);
  json.member("steps", trainer.position().step);
  json.member("loss", loss);
  json.member("is_done", is_done);
  json.finish();
  if (!s.is_json)
    print(concat(printable(s.last_checkpoint()), ": ", trainer.position().step, " steps, ", trainer.position().epoch,
                 " of ", s.epochs, " epochs", is_done ? "" : ", stopped; --resume goes on", "\n"));
}

}  // namespace

int run_train(Words words) {
  TrainSettings s;
  if (!parse(words, s)) return kOk;
  if (!s.is_resumed && !s.is_forced && moeclip::file_exists(s.last_checkpoint()))
    moeclip::fail(
        moeclip::ErrorCode::io,
        concat(s.last_checkpoint(), ": a run is there already; --resume goes on with it, --force begins anew"));
  const Plan plan = make_plan(s);
  const moeclip::SampleSource source =
      collect_training_data(s.data, moeclip::split_of_name(s.split.empty() ? "test" : s.split));
  moeclip::create_directories(s.out);
  const moeclip::Clip<float> clip = load_clip(s, plan.recipe);
  moeclip::Trainer trainer(clip, plan.recipe, plan.trainer);
  if (plan.first_step > 0) {
    trainer.resume(s.last_checkpoint(), trainer.fingerprint(source));
  } else if (!s.start.empty()) {
    say_start(s.start, s.adapter_flags, plan.recipe);
    trainer.start_from(s.start);
  }
  TrainLog log(moeclip::join_path(s.out, "log.jsonl"), plan.first_step);
  const moeclip::index_t batches = (source.size() + plan.trainer.batch - 1) / plan.trainer.batch;
  Progress progress(static_cast<std::size_t>(
      std::max<moeclip::index_t>(0, batches * (s.epochs - trainer.position().epoch) - trainer.position().batch)));
  double loss = std::nan("");  // if no step is left to make
  std::signal(SIGINT, request_stop);
  std::signal(SIGTERM, request_stop);
  const moeclip::FitOptions fit{
      s.epochs, s.out, s.checkpoint_every, static_cast<double>(s.checkpoint_seconds), false, static_cast<int>(s.ahead)};
  const bool is_done = trainer.fit(source, fit, [&](const moeclip::StepReport& report) {
    loss = report.loss.total;
    log.write(report);
    progress.step(describe_step(report));
    return stop_is_wanted == 0;
  });
  progress.clear();
  report_result(s, trainer, loss, is_done);
  return is_done ? kOk : kFailed;
}

}  // namespace cli

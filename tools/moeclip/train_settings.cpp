// SPDX-License-Identifier: MIT
#include "train_settings.hpp"

#include <algorithm>
#include <filesystem>

#include "method.hpp"
#include "progress.hpp"
#include "tiny_model.hpp"
#include "train_budget.hpp"

namespace cli {

using moeclip::concat;

namespace {

/// What the help says after the list of options.
void add_notes(Options& options) {
  options.note("Values in brackets are those of the recipes released | paper | moeclip.");
  options.note(
      "Without --clip the built-in model is trained on, in batches of 8 and with --lr 0.001; good pictures are learned "
      "on top of its adapter, with --lr 0.0003. `moeclip detect --clip FILE --adapter RUN/moe_best.safetensors` uses "
      "what was trained.");
  options.note(
      "The variants of the paper's table: one expert for all, --experts 1 --chosen 1 --rank 32; no experts, "
      "--mix-weight 0; without FOFS, --use-fofs off; without ETF, --lambda-etf 0; without PAA, --use-aggregation off.");
  options.note(
      "Another method (--method) is trained in one or two stages, each with the epochs, batch and learning rate of its "
      "own code; --epochs, --steps, --batch and --lr are then of each stage. It has no recipe and no adapter to start "
      "from, nothing judges it meanwhile, and no budget chooses its size: such options are refused (--valid, "
      "--patience, "
      "--budget, --recipe, --rank, --start, --memory, --checkpoint-every). DIR gets method_last.safetensors, log.jsonl "
      "and report.html.");
  options.note(
      "No recipe uses --gate-init, --revises-labels, --averages-maps, --norm-match-floor and --keeps-activation: they "
      "are there for data that want them.");
  options.note(
      "Ctrl-C and SIGTERM stop it within a second, a long step in its middle, with exit code 3; a checkpoint is "
      "written, --resume goes on.");
}

/// The options about how long is trained and what is kept.
void declare_run(Options& options, TrainSettings& s) {
  options.value("epochs", s.epochs, "N", "passes over the data; default 20");
  options.value("steps", s.steps, "N", "end behind step N, whatever the epochs");
  options.value("budget", s.budget, "TIME",
                "end within 2h, 90m or 600s: image size, batch and steps are chosen to fit; a size or batch that is "
                "given, or that of a resumed run, stays");
  options.value("valid-every", s.valid_every, "N", "steps between judgements; default: at the end of each epoch");
  options.value("patience", s.patience, "N",
                "end when N judgements in a row were no better than one before; 0: not; default 5");
  options.value("batch", s.batch, "N", "pictures per step; default 2");
  options.value("image-size", s.image_size, "S",
                "side of the square that the model sees; default: 518 where the patch size divides it, else the CLIP's "
                "own; 448 for patches of 32");
  options.value("seed", s.seed, "N", "of first values, order, augmentations, flaws and dropout; default 111");
  options.value("out", s.out, "DIR",
                "checkpoints, log.jsonl, valid.jsonl and report.html, which shows the curves so far, go there");
  options.flag("resume", s.is_resumed, "go on with the run in DIR, with its recipe, to the same bits");
  options.value(
      "start", s.start, "FILE",
      "begin with the weights of this adapter (.pth or .safetensors); none: with none; default: none, but the "
      "built-in adapter for good pictures of the built-in model");
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
}

void check(TrainSettings& s) {
  s.data.check();
  s.adapter_flags.check(true);
  if ((s.adapter_flags.top_k && s.options.has("chosen")) || (s.adapter_flags.alpha && s.options.has("scale")))
    throw UsageError("--top-k is --chosen, and --lora-alpha is --scale times the rank; choose one");
  if (s.is_resumed && s.is_forced) throw UsageError("--resume goes on, --force begins anew; choose one");
  if (!s.budget.empty() && s.steps) throw UsageError("--budget chooses the steps; give it or --steps");
  if (!s.budget.empty()) static_cast<void>(duration_of(s.budget));
  const std::int64_t counts[] = {s.threads,
                                 s.memory,
                                 s.checkpoint_every,
                                 s.checkpoint_seconds,
                                 s.epochs.value_or(1),
                                 s.batch.value_or(1),
                                 s.image_size.value_or(0),
                                 s.seed.value_or(0),
                                 s.patience.value_or(0),
                                 s.ahead};
  if (std::ranges::min(counts) < 0 || s.batch == 0 || s.threads > 4096 || s.ahead > 64)
    throw UsageError(
        "--batch, --image-size, --seed, --threads, --memory, --patience, --ahead and --checkpoint-* are "
        "counts");
  if (s.epochs.value_or(1) < 1 || s.steps.value_or(1) < 1 || s.valid_every.value_or(1) < 1)
    throw UsageError("--epochs, --steps and --valid-every are 1 or more");
}

/// Throws UsageError for what has no meaning for another method than MoECLIP.
void check_method(TrainSettings& s, const Options& options) {
  constexpr std::string_view kFit[] = {
      "method", "clip",    "dtype",      "data",   "good",      "class",         "draws",   "defective-share",
      "tile",   "overlap", "split",      "layout", "mask-from", "unmasked-good", "words",   "epochs",
      "steps",  "batch",   "image-size", "seed",   "out",       "resume",        "force",   "checkpoint-seconds",
      "vocab",  "ahead",   "threads",    "json",   "lr",        "quiet",         "log-json"};
  const bool goes_on =
      s.is_resumed && moeclip::file_exists(s.method_checkpoint()) && !moeclip::file_exists(s.last_checkpoint());
  s.method = method_of(s.method, goes_on ? s.method_checkpoint() : "");
  if (s.method.empty()) return;
  for (const std::string& name : options.given())
    if (std::ranges::find(kFit, name) == std::end(kFit))
      throw UsageError(concat("--", name, " has no meaning for the method ", s.method));
}

}  // namespace

bool parse_train(Words words, TrainSettings& s) {
  Options options("train",
                  "Train a MoECLIP adapter on pictures with labels and masks, or on good pictures alone.\n"
                  "A data set is a folder as it was downloaded (`moeclip dataset scan` shows what is found in it), or "
                  "a file of JSON lines: image_path, label (0 good, 1 defective), class_name and, where there is one, "
                  "mask_path; paths are relative to the file.");
  options.value("clip", s.clip, "FILE",
                "CLIP weights: OpenAI .pt, open_clip or Hugging Face file or folder; default: the built-in model");
  options.choice(
      "dtype", s.dtype, {"auto", "f32", "bf16"},
      "precision of the CLIP's matrices and of products with them; what is trained stays f32. bf16 is faster "
      "where the processor has dot products of it (`moeclip doctor`); auto: f32, or as the file was quantized");
  s.data.declare(options);
  options.value("words", s.words, "FILE", "JSON with one's own words for classes, as `moeclip prompts` shows them");
  declare_method(options, s.method);
  options.choice("recipe", s.recipe, {"moeclip", "paper", "released"}, "how to train; default moeclip");
  s.pictures.declare(options);
  declare_run(options, s);
  s.options.declare(options);
  add_notes(options);
  options.progress();
  if (!options.parse(words)) return false;
  check(s);
  check_method(s, options);
  return true;
}

void expect_own_folder(const TrainSettings& s) {
  if (s.is_forced) return;
  const bool is_own = s.method.empty();
  const std::string own = is_own ? s.last_checkpoint() : s.method_checkpoint();
  const std::string other = is_own ? s.method_checkpoint() : s.last_checkpoint();
  if (moeclip::file_exists(own)) {
    if (s.is_resumed) return;
    moeclip::fail(moeclip::ErrorCode::io,
                  concat(own, ": a run is there already; --resume goes on with it, --force begins anew"));
  }
  if (moeclip::file_exists(other))
    moeclip::fail(moeclip::ErrorCode::io, concat(other,
                                                 ": a run of another method is there already; choose another "
                                                 "--out, or --force, which removes it and begins anew"));
  if (s.is_resumed) inform(concat(own, ": is not there, so there is nothing to go on from; the run begins anew"));
}

void remove_other_run(const TrainSettings& s) {
  const std::string path = s.method.empty() ? s.method_checkpoint() : s.last_checkpoint();
  std::error_code error;
  std::filesystem::remove(std::filesystem::path(std::u8string(path.begin(), path.end())), error);
  if (error) moeclip::fail(moeclip::ErrorCode::io, concat(path, ": cannot be removed: ", error.message()));
}

namespace {

/// Sets what options say about the recipe.
void apply_options(const TrainSettings& s, moeclip::Recipe& recipe) {
  s.options.apply(recipe);
  const AdapterFlags& flags = s.adapter_flags;
  if (flags.top_k) recipe.chosen = *flags.top_k;
  if (flags.alpha) recipe.scale = *flags.alpha / static_cast<double>(recipe.rank);
  s.options.expect_sound(recipe);
}

}  // namespace

TrainPlan make_train_plan(const TrainSettings& s) {
  TrainPlan plan;
  plan.recipe = moeclip::Recipe::named(s.recipe.empty() ? "moeclip" : s.recipe);
  if (s.clip.empty()) {
    plan.recipe.lr = s.data.good.empty() || s.start == "none" ? kTinyRate : kTinyTuneRate;
    plan.trainer.batch = kTinyBatch;
  }
  if (s.is_resumed && moeclip::file_exists(s.last_checkpoint())) {
    const moeclip::CheckpointRecord record = moeclip::read_record(moeclip::WeightFile::open(s.last_checkpoint()));
    if (s.recipe.empty()) plan.recipe = record.identity.recipe;
    plan.trainer = {record.identity.batch, record.identity.seed, record.identity.image_size};
    plan.trainer.images = record.identity.images;
    plan.first_step = record.position.step;
    const char* isa = moeclip::kernels::to_string(moeclip::kernels::active_isa());
    inform(concat("going on behind step ", plan.first_step, " of ", s.last_checkpoint()));
    if (record.isa != isa)
      inform(
          concat("it ran with ", record.isa, " instructions, this machine uses ", isa, ": the last bits will differ"));
  }
  apply_options(s, plan.recipe);
  plan.trainer.batch = s.batch.value_or(plan.trainer.batch);
  plan.trainer.seed = static_cast<std::uint64_t>(s.seed.value_or(static_cast<std::int64_t>(plan.trainer.seed)));
  plan.trainer.image_size = s.image_size.value_or(plan.trainer.image_size);
  plan.trainer.memory_bytes = s.memory << 20;
  plan.trainer.threads = static_cast<int>(s.threads);
  plan.trainer.words = moeclip::load_class_words(s.words);
  plan.trainer.images = s.pictures.image_options(plan.trainer.images);
  plan.epochs = s.epochs.value_or(plan.epochs);
  plan.steps = s.steps.value_or(0);
  return plan;
}

}  // namespace cli

// SPDX-License-Identifier: MIT
#pragma once
// Training the adapters of a frozen CLIP: batches are loaded, steps made and checkpoints written (this folder's README
// explains the way through). The pieces are plain functions, for those who write a loop of their own; Trainer is the
// loop that can be killed at any moment and resumed.

#include <chrono>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../anomaly/fingerprint.hpp"
#include "../base/function_ref.hpp"
#include "../base/lists.hpp"
#include "../clip/clip.hpp"
#include "../data/class_words.hpp"
#include "../data/loader.hpp"
#include "../data/source_pictures.hpp"
#include "../nn/position.hpp"
#include "adapter_step.hpp"
#include "checkpoint.hpp"
#include "class_text.hpp"
#include "same_in_group.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What a run is set up with, besides its recipe.
struct TrainerOptions {
  index_t batch = 2;         ///< pictures per step
  std::uint64_t seed = 111;  ///< of first values, order, augmentations and dropout
  index_t image_size = 0;    ///< side of the square that the model sees; 0: that of default_image_size
  index_t memory_bytes = 0;  ///< for saved activations: blocks beyond it are run twice, with the same bits; 0: no limit
  int threads = 0;           ///< 0: one per core
  ClassWords words = {};     ///< what classes are called in sentences
  ImageOptions images = {};  ///< how pictures are read
  /// Processes that train together, each on a part of every batch, to the bits of one; it must outlive the trainer.
  /// Null: this process alone. All must be given the same, the last sentences of `fit` aside.
  ProcessGroup* group = nullptr;
};

/// What a step did. Valid until the next step.
struct StepReport {
  const LossReport& loss;                   ///< its terms, in memory of the trainer
  index_t step = 0;                         ///< from 1
  index_t epoch = 0, epochs = 0;            ///< from 1
  index_t batch = 0, batches = 0;           ///< of the epoch, from 1
  double gradient_norm = 0;                 ///< Euclidean, before it was clipped
  double lr = 0;                            ///< learning rate of this step
  bool is_finite = true;                    ///< false: loss or gradient is no number, and nothing was changed
  double images_per_second = 0;             ///< since fit() began
  double seconds_left = 0;                  ///< at that rate
  std::span<const std::string> pictures{};  ///< of the batch
  std::span<const std::string> remarks{};   ///< why a picture of the batch is not whole; mostly empty
  index_t without_mask = 0;                 ///< defective pictures of the batch that nobody marked
};

/// How long fit() trains, and when it writes checkpoints.
struct FitOptions {
  index_t epochs = 20;              ///< in all, those before a resumed checkpoint included
  std::string checkpoint = {};      ///< folder for moe_last.safetensors and moe_epoch_N.safetensors; "": none
  index_t checkpoint_steps = 0;     ///< moe_last also every so many steps; 0: not
  double checkpoint_seconds = 300;  ///< and whenever so much time has passed; 0: not
  bool is_resumed = false;          ///< go on from the folder's moe_last, if there is one
  int ahead = 2;                    ///< batches that are prepared in advance, on a thread each
  /// Called behind each checkpoint of moe_last.
  std::optional<function_ref<void()>> on_checkpoint = std::nullopt;
};

/// The newest checkpoint in a run's folder.
inline constexpr const char* kLastCheckpoint = "moe_last.safetensors";

/// The side of the square that training shows a CLIP: `wanted`, or without a wish (0) that of default_image_size.
/// Throws contract if it is no multiple of the patch size.
index_t training_image_size(const VisionConfig& config, index_t wanted = 0);

/// A training run: the adapter, its optimiser, and how far it has come.
template <class T>
class Trainer {
 public:
  /// A new adapter for `clip`, which must outlive the trainer. Throws contract for options or a recipe out of range.
  explicit Trainer(const Clip<T>& clip, const Recipe& recipe = Recipe::moeclip(), const TrainerOptions& options = {});

  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  [[nodiscard]] const Adapter<T>& adapter() const { return adapter_; }      ///< as trained so far
  [[nodiscard]] const Adam<T>& adam() const { return adam_; }               ///< with its moments
  [[nodiscard]] const Recipe& recipe() const { return recipe_; }            ///< as given to the constructor
  [[nodiscard]] const TrainerOptions& options() const { return options_; }  ///< `image_size` is never 0
  [[nodiscard]] const RunPosition& position() const { return at_; }         ///< steps and epochs so far
  /// The trained tensors in the official order, with the gradients of the latest step.
  [[nodiscard]] std::span<const TrainedParameter<T>> parameters() const { return parameters_; }
  [[nodiscard]] Context& context() { return context_; }  ///< threads and memory of the steps

  /// Takes the weights of an adapter file, and Adam's moments if it has them, instead of the drawn ones. The run itself
  /// starts at step 0. Throws as read_adapter does, and mismatch if the recipe builds another adapter.
  void start_from(const std::string& path);

  /// The classes that batches refer to by number. Their sentences are encoded when a batch first needs them.
  void set_classes(std::span<const std::string> names);

  /// The same from encodings made elsewhere.
  void set_classes(std::vector<ClassText<T>> texts) { texts_ = std::move(texts); }
  /// The classes with the sentences that were encoded so far.
  [[nodiscard]] std::span<const ClassText<T>> texts() const { return texts_; }

  /// One update from `batch`. If a loss or the gradient is no number, nothing changes and the report says so.
  StepReport step(const TrainingBatch<T>& batch);

  /// Trains on `source` up to options.epochs epochs in all. `on_step(const StepReport&)` sees every step; if it returns
  /// false, training ends behind that step, with a checkpoint. Returns whether all epochs are done. Throws what loading
  /// pictures and writing checkpoints throw, mismatch if the checkpoint is of another run, and limit, naming the
  /// pictures, when a loss is no number; then nothing was changed by that batch, and the last checkpoint stays.
  template <class OnStep>
  bool fit(const SampleSource& source, const FitOptions& options, OnStep&& on_step) {
    return fit_all(source, options, [&](const StepReport& report) {
      if constexpr (std::is_same_v<std::invoke_result_t<OnStep&, const StepReport&>, bool>) {
        return on_step(report);
      } else {
        on_step(report);
        return true;
      }
    });
  }
  bool fit(const SampleSource& source, const FitOptions& options = {});
  /// The same on the pictures of a list (data/dataset.hpp).
  template <class OnStep>
  bool fit(std::vector<DatasetEntry> entries, const FitOptions& options, OnStep&& on_step) {
    return fit(SampleSource(std::move(entries)), options, std::forward<OnStep>(on_step));
  }

  /// Checkpoints shall say that these pictures decide which weights are kept.
  void add_judged_by(const TrainingPictures& pictures) { judged_by_.add(pictures); }

  /// What tells training data apart: the fingerprint of `source` and, where its classes have words of their own, the
  /// sentences.
  [[nodiscard]] std::string fingerprint(const SampleSource& source) const;

  /// What a checkpoint says about the run as it is now; `data` is the fingerprint of the training data.
  [[nodiscard]] CheckpointRecord record(const std::string& data);

  /// Writes a checkpoint; `data` as for record. Another thread may call it during fit(), in the middle of a step too:
  /// it writes the run as it was behind the last whole one.
  void save(const std::string& path, const std::string& data);

  /// Goes back to a checkpoint of the same run, and returns what it says about itself. Throws mismatch if it is of
  /// another run.
  CheckpointRecord resume(const std::string& path, const std::string& data);

 private:
  using Clock = std::chrono::steady_clock;

  [[nodiscard]] RunIdentity identity(const std::string& data);

  bool fit_all(const SampleSource& source, const FitOptions& options, function_ref<bool(const StepReport&)> on_step);
  void copy_weights(const Adapter<T>& from, const std::string& path);

  /// What fit() keeps between steps.
  struct FitRun {
    const FitOptions& options;
    std::string data;  // fingerprint
    Clock::time_point start = Clock::now(), last_checkpoint = start;
    index_t batches = 0;          // of an epoch
    index_t total = 0, done = 0;  // batches of this call
    index_t pictures = 0;
  };

  static double seconds_since(Clock::time_point then);

  StepReport look(const TrainingBatch<T>& batch);
  void update(const StepReport& report);

  [[nodiscard]] LoaderOptions loader_options(int ahead) const;
  void advance(const LoadedBatch<T>& loaded, FitRun& run, StepReport& report);
  void expect_same_everywhere(const std::string& data, index_t epochs);
  void save_due(FitRun& run, bool is_epoch_done, bool is_stopped);
  void encode_class(index_t which);
  void take(const LoadedBatch<T>& loaded);
  [[noreturn]] void fail_not_finite(const StepReport& report, std::span<const std::string> pictures) const;

  const Clip<T>& clip_;
  Recipe recipe_;
  TrainerOptions options_;
  Context context_;
  Tensor<T> positions_;
  Adapter<T> adapter_;
  AdapterGradient<T> gradient_;
  std::vector<TrainedParameter<T>> parameters_;
  Adam<T> adam_;
  AdapterWorkspace<T> work_;
  std::vector<ClassText<T>> texts_;
  TrainingBatch<T> batch_;
  std::mutex changing_;  // held while weights, moments or position change, and while they are saved
  RunPosition at_;
  std::string clip_hash_;
  TrainingPictures trained_on_, judged_by_;  // also before this run, by the weights that it started from
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_TRAIN)

#include <cmath>
#include <map>
#include <type_traits>

#include "../io/sha256.hpp"
#include "../io/weights.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC index_t training_image_size(const VisionConfig& config, index_t wanted) {
  const index_t size = wanted != 0 ? wanted : default_image_size(config, true);
  expect_whole_patches(config, size);
  return size;
}

template <class T>
Trainer<T>::Trainer(const Clip<T>& clip, const Recipe& recipe, const TrainerOptions& options)
    : clip_(clip),
      recipe_(recipe),
      options_(options),
      context_({.threads = options.threads}),
      adam_(adam_options(recipe)) {
  const FloatScope floats;
  expect_sound(recipe);
  const ClipConfig& config = clip.config();
  options_.image_size = training_image_size(config.vision, options_.image_size);
  MOECLIP_EXPECT(options_.batch > 0, "a batch of ", options_.batch, " pictures");
  MOECLIP_EXPECT(recipe.keeps_activation || clip.vision().activation == kernels::Activation::gelu,
                 "the recipe trains with gelu, but this CLIP's blocks have ", to_string(clip.vision().activation),
                 "; load it with ClipOptions::activation, or set keeps_activation");
  positions_ = resize_positions(clip.vision().positional_embedding, options_.image_size / config.vision.patch_size);
  adapter_ =
      Adapter<T>(adapter_config(recipe, config.vision.layers), config.vision.width, config.embed, config.text.width);
  initialize_adapter(adapter_, adapter_start(recipe), options_.seed);
  gradient_ = AdapterGradient<T>(adapter_);
  parameters_ = trained_parameters(adapter_, gradient_.values, !recipe.use_fofs);
}

template <class T>
void Trainer<T>::set_classes(std::span<const std::string> names) {
  texts_.resize(names.size());
  for (std::size_t i = 0; i < names.size(); ++i)
    if (texts_[i].name != names[i]) texts_[i] = {names[i], {}, 0};
}

template <class T>
StepReport Trainer<T>::step(const TrainingBatch<T>& batch) {
  const FloatScope floats;
  const StepReport report = look(batch);
  if (!report.is_finite) return report;
  const std::lock_guard lock(changing_);
  update(report);
  return report;
}

/// Loss and gradient; nothing changes.
template <class T>
StepReport Trainer<T>::look(const TrainingBatch<T>& batch) {
  for (const index_t which : batch.classes) encode_class(which);
  StepOptions options = step_options(recipe_);
  options.seed = options_.seed;
  options.step = at_.step;
  options.memory_budget_bytes = options_.memory_bytes;
  zero_parameters(gradient_.values);
  const AdaptedModel<T> model{clip_.vision(), positions_, adapter_};
  const LossReport& loss = adapter_forward_backward<T>(
      context_, model, {batch, texts_, options, nullptr, options_.group}, work_, &gradient_);
  mark_experts(parameters_, adapter_, gradient_.expert_has_gradient);
  StepReport report{loss};
  report.step = at_.step + 1;
  report.lr = schedule_of(recipe_).at(at_.step - at_.schedule_start);
  report.gradient_norm = gradient_norm<T>(parameters_);
  report.is_finite = std::isfinite(loss.total) && std::isfinite(report.gradient_norm);
  return report;
}

template <class T>
void Trainer<T>::update(const StepReport& report) {
  if (recipe_.clip_norm > 0) clip_gradients<T>(parameters_, report.gradient_norm, recipe_.clip_norm);
  adam_.step(context_, parameters_, report.lr);
  ++at_.step;
}

template <class T>
bool Trainer<T>::fit(const SampleSource& source, const FitOptions& options) {
  return fit(source, options, [](const StepReport&) {});
}

template <class T>
CheckpointRecord Trainer<T>::record(const std::string& data) {
  return {identity(data),
          at_,
          adapter_.config,
          clip_.vision().activation,
          kernels::to_string(kernels::active_isa()),
          MOECLIP_VERSION_STRING,
          trained_on_,
          judged_by_};
}

template <class T>
void Trainer<T>::save(const std::string& path, const std::string& data) {
  const std::lock_guard lock(changing_);
  write_checkpoint<T>(path, record(data), adapter_, adam_.states());
}

template <class T>
RunIdentity Trainer<T>::identity(const std::string& data) {
  if (clip_hash_.empty()) clip_hash_ = clip_fingerprint<T>(clip_.vision(), clip_.text());
  return {recipe_, options_.seed, options_.batch, options_.image_size, clip_hash_, data, options_.images};
}

template <class T>
double Trainer<T>::seconds_since(Clock::time_point then) {
  return std::chrono::duration<double>(Clock::now() - then).count();
}

template <class T>
void Trainer<T>::encode_class(index_t which) {
  MOECLIP_EXPECT(which >= 0 && which < std::ssize(texts_), "a picture is of class ", which, "; there are ",
                 texts_.size());
  ClassText<T>& text = texts_[static_cast<std::size_t>(which)];
  if (!text.encodings.empty()) return;
  text = encode_class_text(context_, clip_, std::string(text.name), options_.words.prompts(text.name));
}

template <class T>
std::string Trainer<T>::fingerprint(const SampleSource& source) const {
  std::string sentences;
  for (const std::string& name : source.classes()) {
    const Prompts own = options_.words.prompts(name), plain = ClassWords().prompts(name);
    if (own.normal == plain.normal && own.abnormal == plain.abnormal) continue;
    for (const auto* list : {&own.normal, &own.abnormal})
      for (const std::string& sentence : *list) sentences += concat(name, ": ", sentence, "\n");
  }
  const std::string pictures = source.fingerprint();
  return sentences.empty() ? pictures : sha256_hex(as_bytes(pictures + sentences));
}

template <class T>
void Trainer<T>::take(const LoadedBatch<T>& loaded) {
  const auto copy = [](const Tensor<T>& from, Tensor<T>& to) {
    std::copy(from.begin(), from.end(), detail::fit(to, from.shape()).begin());
  };
  copy(loaded.images, batch_.images);
  copy(loaded.masks, batch_.masks);
  const BatchShare share{options_.group, loaded.total};
  const auto total = static_cast<std::size_t>(loaded.total), first = static_cast<std::size_t>(share.first());
  std::vector<std::uint8_t> has_mask(total);
  batch_.labels.assign(total, 0), batch_.classes.assign(total, 0);
  for (std::size_t b = 0; b < static_cast<std::size_t>(share.own()); ++b) {
    batch_.labels[first + b] = loaded.labels[b];
    batch_.classes[first + b] = loaded.classes[b];
    has_mask[first + b] = loaded.has_mask[b];
  }
  share.gather(std::span<int>(batch_.labels));
  share.gather(std::span<index_t>(batch_.classes));
  share.gather(std::span<std::uint8_t>(has_mask));
  batch_.has_mask.assign(has_mask.begin(), has_mask.end());
}

template <class T>
void Trainer<T>::fail_not_finite(const StepReport& report, std::span<const std::string> pictures) const {
  std::string names;
  for (const std::string& picture : pictures) names += concat(names.empty() ? "" : ", ", picture);
  fail(ErrorCode::limit,
       concat("step ", report.step, ": the loss is ", report.loss.total, " and the gradient's length ",
              report.gradient_norm, ", so the step was not made; the pictures were ", names,
              "; a smaller learning rate or a limit for the gradient (clip_norm) may help"));
}

template <class T>
void Trainer<T>::copy_weights(const Adapter<T>& from, const std::string& path) {
  std::map<std::string, const Tensor<T>*> found;
  visit_parameters(from, "", [&](const std::string& name, const Tensor<T>& tensor) { found[name] = &tensor; });
  visit_parameters(adapter_, "", [&](const std::string& name, Tensor<T>& tensor) {
    const auto known = found.find(name);
    if (known == found.end() || !(known->second->shape() == tensor.shape()))
      fail(ErrorCode::mismatch,
           concat(path, ": ", known == found.end() ? "has no " : "has another ", name, ", which the recipe makes ",
                  to_string(tensor.shape()), "; train with the options that it was made with"));
    std::copy(known->second->begin(), known->second->end(), tensor.begin());
  });
}

template <class T>
void Trainer<T>::start_from(const std::string& path) {
  const WeightFile file = WeightFile::open(path);
  const Adapter<T> found = read_adapter<T>(file, clip_.config());
  trained_on_.add(trained_on(file).value_or(TrainingPictures()));
  judged_by_.add(judged_by(file));
  copy_weights(found, path);
  for (auto& [name, state] : read_moments<T>(file, found)) adam_.set_state(name, std::move(state));
}

template <class T>
CheckpointRecord Trainer<T>::resume(const std::string& path, const std::string& data) {
  Checkpoint<T> checkpoint = read_checkpoint<T>(WeightFile::open(path), clip_.config());
  expect_same_run(path, checkpoint.record.identity, identity(data));
  copy_weights(checkpoint.adapter, path);
  adam_ = Adam<T>(adam_options(recipe_));
  for (auto& [name, state] : checkpoint.moments) adam_.set_state(name, std::move(state));
  at_ = checkpoint.record.position;
  trained_on_ = checkpoint.record.trained_on;
  judged_by_ = checkpoint.record.judged_by;
  if (!recipe_.keeps_schedule) at_.schedule_start = at_.step;
  return checkpoint.record;
}

template <class T>
LoaderOptions Trainer<T>::loader_options(int ahead) const {
  LoaderOptions options;
  options.group = options_.group;
  options.batch = options_.batch;
  options.size = options_.image_size;
  options.seed = options_.seed;
  options.is_augmented = recipe_.is_augmented;
  options.revises_labels = recipe_.revises_labels;
  options.ahead = ahead;
  options.images = options_.images;
  return options;
}

template <class T>
void Trainer<T>::advance(const LoadedBatch<T>& loaded, FitRun& run, StepReport& report) {
  at_.epoch += loaded.is_last ? 1 : 0;
  at_.batch = loaded.is_last ? 0 : at_.batch + 1;
  run.pictures += loaded.total;
  ++run.done;
  const double seconds = seconds_since(run.start);
  report.epoch = loaded.position.epoch + 1;
  report.epochs = run.options.epochs;
  report.batch = loaded.position.batch + 1;
  report.batches = run.batches;
  report.images_per_second = static_cast<double>(run.pictures) / seconds;
  report.seconds_left = seconds / static_cast<double>(run.done) * static_cast<double>(run.total - run.done);
  report.pictures = loaded.paths;
  report.remarks = loaded.remarks;
  report.without_mask = lists::count(batch_.has_mask, false);
}

template <class T>
void Trainer<T>::save_due(FitRun& run, bool is_epoch_done, bool is_stopped) {
  const FitOptions& options = run.options;
  if (options.checkpoint.empty() || BatchShare{options_.group}.rank() > 0) return;
  const bool is_due =
      (options.checkpoint_steps > 0 && at_.step % options.checkpoint_steps == 0) ||
      (options.checkpoint_seconds > 0 && seconds_since(run.last_checkpoint) >= options.checkpoint_seconds);
  if (!is_epoch_done && !is_due && !is_stopped) return;
  if (is_epoch_done) save(join_path(options.checkpoint, concat("moe_epoch_", at_.epoch, ".safetensors")), run.data);
  save(join_path(options.checkpoint, kLastCheckpoint), run.data);
  run.last_checkpoint = Clock::now();
  if (options.on_checkpoint) (*options.on_checkpoint)();
}

template <class T>
void Trainer<T>::expect_same_everywhere(const std::string& data, index_t epochs) {
  const RunIdentity id = identity(data);
  Sha256 weights;
  for (const TrainedParameter<T>& parameter : parameters_) weights.update(std::as_bytes(parameter.value->values()));
  for (const auto& [name, state] : adam_.states()) {
    weights.update(std::as_bytes(state.m.values()));
    weights.update(std::as_bytes(state.v.values()));
  }
  const auto digest = weights.finish();
  GroupFacts facts{{"seed", concat(id.seed)},
                   {"batch", concat(id.batch)},
                   {"image size", concat(id.image_size)},
                   {"epochs", concat(epochs)},
                   {"CLIP", id.clip},
                   {"pictures", id.data},
                   {"reading of pictures", describe_reading(id.images)},
                   {"step", concat(at_.step)},
                   {"weights", to_hex(digest)},
                   {"instructions", kernels::to_string(kernels::active_isa())},
                   {"version", MOECLIP_VERSION_STRING}};
  const Json recipe = to_json(id.recipe);
  for (const auto& [name, value] : recipe.members()) facts.emplace_back(name, dump_json(value));
  expect_same_in_group(*options_.group, facts);
}

template <class T>
bool Trainer<T>::fit_all(const SampleSource& source, const FitOptions& options,
                         function_ref<bool(const StepReport&)> on_step) {
  const FloatScope floats;
  FitRun run{options, fingerprint(source)};
  if (!options.checkpoint.empty()) {
    if (BatchShare{options_.group}.rank() == 0) create_directories(options.checkpoint);
    const std::string last = join_path(options.checkpoint, kLastCheckpoint);
    if (options.is_resumed && file_exists(last)) resume(last, run.data);
  }
  if (options_.group != nullptr) expect_same_everywhere(run.data, options.epochs);
  if (at_.epoch >= options.epochs) return true;
  set_classes(source.classes());
  {
    const TrainingPictures pictures = training_pictures(context_, source);
    const std::lock_guard lock(changing_);
    trained_on_.add(pictures);
  }
  Loader<T> loader(source, loader_options(options.ahead), {at_.epoch, at_.batch});
  run.batches = loader.batches();
  run.total = run.batches * (options.epochs - at_.epoch) - at_.batch;
  for (bool goes_on = true; goes_on && at_.epoch < options.epochs;) {
    const LoadedBatch<T>& loaded = loader.next();
    take(loaded);
    StepReport report = look(batch_);
    if (!report.is_finite) fail_not_finite(report, loaded.paths);
    {
      const std::lock_guard lock(changing_);
      update(report);
      advance(loaded, run, report);
    }
    goes_on = on_step(report);
    if (options_.group != nullptr) {  // the first process decides
      std::uint8_t decision = goes_on ? 1 : 0;
      options_.group->broadcast(0, std::as_writable_bytes(std::span(&decision, 1)));
      goes_on = decision != 0;
    }
    save_due(run, loaded.is_last, !goes_on);
  }
  return at_.epoch >= options.epochs;
}

MOECLIP_INSTANTIATE_CLASS(Trainer)

}}  // namespace moeclip::abi_v0_1

#endif

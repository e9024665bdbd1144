// SPDX-License-Identifier: MIT
#pragma once
// Trains any method, stage by stage: batches from the loader, gradients from the method, Adam. It can be killed at any
// moment and goes on to the same bits from its last checkpoint.

#include <optional>
#include <string>
#include <vector>

#include "../data/source.hpp"
#include "method_file.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// How a method is trained.
struct MethodFitOptions {
  std::uint64_t seed = 111;         ///< of order, augmentations and samples
  index_t batch = 0;                ///< pictures per step; 0: each stage's own
  index_t epochs = 0;               ///< of each stage; 0: each stage's own
  index_t steps = 0;                ///< of each stage at most; 0: those of its epochs
  double lr = 0;                    ///< of each stage; 0: each stage's own
  std::vector<std::string> words;   ///< what the classes of the source are called, in its order; empty: their names
  ImageOptions images = {};         ///< how pictures are read
  std::string checkpoint = {};      ///< folder for method_last.safetensors; "": none
  double checkpoint_seconds = 300;  ///< between two checkpoints
  bool is_resumed = false;          ///< go on from the folder's checkpoint, if there is one
  int ahead = 2;                    ///< batches that are prepared in advance, on a thread each
  /// Called when a checkpoint was written.
  std::optional<function_ref<void()>> on_checkpoint = std::nullopt;
};

/// The checkpoint in a run's folder, and, once all stages are done, what was trained.
inline constexpr const char* kMethodCheckpoint = "method_last.safetensors";

/// What a step did. Valid until the next step.
struct MethodStep {
  std::string_view stage_name;              ///< for people
  index_t stage = 0, stages = 0;            ///< from 1
  index_t step = 0, steps = 0;              ///< of the stage, from 1
  index_t epoch = 0, epochs = 0;            ///< of the stage, from 1
  index_t done = 0;                         ///< steps of all stages, those of a resumed run too
  double loss = 0;                          ///< of the batch
  double gradient_norm = 0;                 ///< Euclidean
  double lr = 0;                            ///< learning rate
  double seconds = 0;                       ///< since training began
  std::span<const std::string> pictures{};  ///< of the batch
};

/// Trains `method` on `source` to the end of its stages, or until `on_step` returns false. Returns whether all is done.
/// Throws what loading pictures and writing files throw, mismatch if the checkpoint is of another run, and limit,
/// naming the pictures, when a loss is no number.
template <class T>
bool fit_method(Context& context, TrainedMethod<T>& method, const SampleSource& source, const MethodFitOptions& options,
                function_ref<bool(const MethodStep&)> on_step);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <algorithm>
#include <chrono>
#include <cmath>
#include <tuple>
#include <utility>

#include "../data/loader.hpp"
#include "../data/source_pictures.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// A training of a method as it goes on.
template <class T>
class MethodTraining {
 public:
  MethodTraining(Context& context, TrainedMethod<T>& method, const SampleSource& source,
                 const MethodFitOptions& options)
      : context_(context), method_(method), source_(source), options_(options), stages_(method.stages()) {
    words_ = options.words;
    if (words_.empty()) words_.assign(source.classes().begin(), source.classes().end());
    MOECLIP_EXPECT(words_.size() == source.classes().size(), words_.size(), " words for ", source.classes().size(),
                   " classes");
    run_.seed = options.seed;
    run_.batch = options.batch;
    run_.lr = options.lr;
    run_.images = options.images;
    run_.data = fingerprint();
    trained_on_ = training_pictures(context, source);
    if (options.checkpoint.empty()) return;
    create_directories(options.checkpoint);
    if (options.is_resumed && file_exists(path())) resume();
  }

  bool fit(function_ref<bool(const MethodStep&)> on_step) {
    for (; run_.stage < std::ssize(stages_); ++run_.stage, run_.position = {}, moments_.clear())
      if (!fit_stage(on_step)) return false;
    save({});
    method_.forget_words();
    return true;
  }

 private:
  using Clock = std::chrono::steady_clock;
  using States = typename Adam<T>::States;

  [[nodiscard]] std::string path() const { return join_path(options_.checkpoint, kMethodCheckpoint); }

  [[nodiscard]] std::string fingerprint() const {
    std::string text = source_.fingerprint();
    for (const std::string& words : words_) text += concat("\n", words);
    return sha256_hex(as_bytes(text));
  }

  void resume() {
    const WeightFile file = WeightFile::open(path());
    const MethodRecord found = read_method_record(file), own = record_of<T>(method_, run_, trained_on_);
    const auto expect = [&](bool is_same, const auto&... pieces) {
      if (!is_same) fail(ErrorCode::mismatch, concat(path(), ": cannot be resumed: ", pieces...));
    };
    expect(found.method == own.method, "it is of ", found.method, ", not ", own.method);
    expect(found.settings == own.settings && found.image_size == own.image_size, "its settings differ");
    expect(found.clip == own.clip, "it was trained on another CLIP");
    expect(found.run.data == run_.data, "it was trained on other data; give the same files in the same order");
    expect(found.run.seed == run_.seed && found.run.batch == run_.batch && found.run.images == run_.images,
           "its seed, its batch or the way it read pictures differs");
    expect(found.run.lr == run_.lr, "its learning rate was ", found.run.lr, ", not ", run_.lr,
           " (0: each stage's own)");
    method_.load(file);
    run_ = found.run;
    if (run_.stage < std::ssize(stages_)) moments_ = read_method_moments<T>(file, method_, run_.stage);
  }

  void save(const States& moments) {
    if (options_.checkpoint.empty()) return;
    write_method<T>(path(), record_of<T>(method_, run_, trained_on_), method_, moments);
    last_save_ = Clock::now();
    if (options_.on_checkpoint) (*options_.on_checkpoint)();
  }

  /// A batch in the form of a step.
  void take(const LoadedBatch<T>& loaded) {
    const auto copy = [](const Tensor<T>& from, Tensor<T>& to) {
      std::copy(from.begin(), from.end(), detail::fit(to, from.shape()).begin());
    };
    copy(loaded.images, batch_.images);
    copy(loaded.masks, batch_.masks);
    batch_.labels = loaded.labels;
    batch_.classes = loaded.classes;
    batch_.has_mask = loaded.has_mask;
  }

  [[nodiscard]] LoaderOptions loader_options(const MethodStage& stage) const {
    LoaderOptions loading;
    loading.batch = options_.batch > 0 ? options_.batch : stage.batch;
    loading.size = method_.image_size();
    loading.seed = options_.seed + static_cast<std::uint64_t>(run_.stage);
    loading.is_augmented = stage.is_augmented;
    loading.ahead = options_.ahead;
    loading.images = options_.images;
    return loading;
  }

  /// One update. Returns its loss and the length of its gradient.
  std::pair<double, double> step(Adam<T>& adam, double lr, const LoadedBatch<T>& loaded) {
    const FloatScope floats;
    const index_t at = run_.position.step;
    take(loaded);
    const double loss = method_.forward_backward(context_, {batch_, words_, run_.stage, at, options_.seed});
    const std::vector<TrainedParameter<T>> parameters = method_.parameters(run_.stage);
    const double norm = gradient_norm<T>(parameters);
    if (!std::isfinite(loss) || !std::isfinite(norm)) fail_not_finite(loss, norm, loaded.paths);
    adam.step(context_, parameters, lr);
    return {loss, norm};
  }

  [[noreturn]] void fail_not_finite(double loss, double norm, std::span<const std::string> pictures) const {
    std::string names;
    for (const std::string& picture : pictures) names += concat(names.empty() ? "" : ", ", picture);
    fail(ErrorCode::limit, concat("step ", run_.position.step + 1, " of stage ", run_.stage + 1, ": the loss is ", loss,
                                  " and the gradient's length ", norm, ", so the step was not made; the pictures were ",
                                  names, "; a smaller learning rate may help"));
  }

  bool fit_stage(function_ref<bool(const MethodStep&)> on_step) {
    MethodStage& stage = stages_[static_cast<std::size_t>(run_.stage)];
    if (options_.lr > 0) stage.schedule.base = options_.lr;
    Adam<T> adam(stage.adam);
    for (auto& [name, state] : moments_) adam.set_state(name, std::move(state));
    RunPosition& at = run_.position;
    Loader<T> loader(source_, loader_options(stage), {at.epoch, at.batch});
    MethodStep report{stage.name, run_.stage + 1, std::ssize(stages_)};
    report.epochs = options_.epochs > 0 ? options_.epochs : stage.epochs;
    report.steps = report.epochs * loader.batches();
    if (options_.steps > 0) report.steps = (std::min)(report.steps, options_.steps);
    while (at.step < report.steps) {
      const LoadedBatch<T>& loaded = loader.next();
      report.lr = stage.rate_at(at.step, report.steps);
      report.epoch = at.epoch + 1;
      std::tie(report.loss, report.gradient_norm) = step(adam, report.lr, loaded);
      report.step = ++at.step;
      report.done = ++run_.steps;
      at.epoch += loaded.is_last ? 1 : 0;
      at.batch = loaded.is_last ? 0 : at.batch + 1;
      report.seconds = seconds_since(start_);
      report.pictures = loaded.paths;
      const bool goes_on = on_step(report);
      if (!goes_on || seconds_since(last_save_) >= options_.checkpoint_seconds) save(adam.states());
      if (!goes_on) return false;
    }
    return true;
  }

  static double seconds_since(Clock::time_point then) {
    return std::chrono::duration<double>(Clock::now() - then).count();
  }

  Context& context_;
  TrainedMethod<T>& method_;
  const SampleSource& source_;
  const MethodFitOptions& options_;
  std::vector<MethodStage> stages_;
  std::vector<std::string> words_;
  MethodRun run_;
  TrainingPictures trained_on_;
  States moments_;  // of a checkpoint, for the stage that goes on
  TrainingBatch<T> batch_;
  Clock::time_point start_ = Clock::now(), last_save_ = start_;
};

}  // namespace detail

template <class T>
bool fit_method(Context& context, TrainedMethod<T>& method, const SampleSource& source, const MethodFitOptions& options,
                function_ref<bool(const MethodStep&)> on_step) {
  return detail::MethodTraining<T>(context, method, source, options).fit(on_step);
}

MOECLIP_INSTANTIATE(fit_method)

}}  // namespace moeclip::abi_v0_1

#endif

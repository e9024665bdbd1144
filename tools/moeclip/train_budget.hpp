// SPDX-License-Identifier: MIT
#pragma once
// How long a training will take, and which one fits into a given time.

#include <chrono>
#include <moeclip/base/function_ref.hpp>
#include <optional>
#include <string>
#include <vector>

#include "train.hpp"
#include "train_valid.hpp"

namespace cli {

/// Seconds of "2h", "90m", "600s" or "600". Throws UsageError for anything else.
double duration_of(const std::string& text);

/// "45 s", "12 min", "3.5 h".
std::string describe_duration(double seconds);

/// What the parts of a training cost, in seconds.
struct TrainCost {
  double step = 0;     ///< one step, reading and drawing its pictures included
  double text = 0;     ///< once: the sentences of one class
  double picture = 0;  ///< to judge one
};

/// Makes a few steps with a trainer of its own, which goes away, and judges a picture. `valid.image_size` is set.
TrainCost measure_cost(const std::shared_ptr<const moeclip::Clip<float>>& clip, const moeclip::Recipe& recipe,
                       const moeclip::TrainerOptions& options, const TrainSources& sources, ValidOptions valid);

/// How much there is to do.
struct TrainWork {
  moeclip::index_t samples = 0, classes = 0;  ///< of an epoch
  moeclip::index_t judged = 0;                ///< pictures of one judgement
  moeclip::index_t every = 0;                 ///< steps between judgements; 0: those of an epoch

  [[nodiscard]] moeclip::index_t batches(moeclip::index_t batch) const { return (samples + batch - 1) / batch; }
  /// Seconds of so many steps.
  [[nodiscard]] double seconds(const TrainCost& cost, moeclip::index_t steps, moeclip::index_t batch) const;
  /// How many steps such seconds allow.
  [[nodiscard]] moeclip::index_t steps(const TrainCost& cost, double seconds, moeclip::index_t batch) const;
};

/// What is trained, and how long.
struct TrainSize {
  moeclip::index_t image_size = 0, batch = 0, steps = 0;
};

/// What somebody wants, and what may be changed.
struct BudgetWish {
  TrainSize size;
  moeclip::index_t patch = 1, smallest = 0;  ///< sizes are multiples of `patch`; the smallest that is tried
  bool keeps_size = false, keeps_batch = false;
};

/// What fits into `seconds`: the picture is made smaller only as far as that is needed for 2000 samples to be seen (or
/// all that are wanted, if those are fewer), the batch only where not even 50 steps fit. `measure(size, batch)` is
/// called once or twice. Throws limit if no step fits.
TrainSize plan_budget(const BudgetWish& wish, const TrainWork& work, double seconds,
                      moeclip::function_ref<TrainCost(moeclip::index_t, moeclip::index_t)> measure);

/// What was given up, for people; "" if nothing.
std::string describe_loss(const TrainSize& wanted, const TrainSize& planned, const TrainWork& work);

/// The clock of a budget.
class BudgetClock {
 public:
  /// Without a budget there is always time.
  explicit BudgetClock(std::optional<double> seconds) : seconds_(seconds) {}

  [[nodiscard]] bool is_on() const { return seconds_.has_value(); }
  [[nodiscard]] double left() const;

  /// A step begins now: what was before is none.
  void begin_step() { last_ = Clock::now(); }

  /// Seconds that a step was measured to take before the training began.
  void expect_step(double seconds) { expected_step_ = seconds; }
  /// How many times longer the steps took so far; at least 1. The machine has got busy, and all else takes longer, too.
  [[nodiscard]] double slowness() const;

  /// Whether nothing more can be begun but to write a checkpoint and to end.
  [[nodiscard]] bool is_over() const { return left() <= kEnd; }

  /// Called behind each step: whether another one fits before the end, with judgements of so many seconds and a
  /// checkpoint.
  [[nodiscard]] bool has_time(double judgements);

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr double kEnd = 0.3;  // seconds: a checkpoint is written, and the program ends

  std::optional<double> seconds_;
  Clock::time_point start_ = Clock::now(), last_ = start_;
  double expected_step_ = 0;
  double longest_ = 0, all_ = 0;  // of the steps so far but the first, which encodes sentences and reads all files
  std::int64_t steps_ = 0;
};

}  // namespace cli

// SPDX-License-Identifier: MIT
#include "train_budget.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <moeclip/base/read_number.hpp>

#include "lap_times.hpp"
#include "progress.hpp"

namespace cli {

using moeclip::concat;
using moeclip::fixed;
using moeclip::index_t;

double duration_of(const std::string& text) {
  double value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = moeclip::read_number(text.data(), last, value);
  const std::string unit(end, last);
  const double factor = unit == "h" ? 3600 : unit == "m" ? 60 : unit.empty() || unit == "s" ? 1 : 0;
  if (error != std::errc{} || !(value > 0) || factor == 0)
    throw UsageError(concat("--budget ", text, ": a time was wanted, such as 2h, 90m or 600s"));
  return value * factor;
}

std::string describe_duration(double seconds) {
  constexpr double kMinutes = 100, kHours = 100 * 60;  // below: seconds; below: minutes
  if (seconds < kMinutes) return concat(fixed(seconds, seconds < 10 ? 1 : 0), " s");
  if (seconds < kHours) return concat(fixed(seconds / 60, 0), " min");
  return concat(fixed(seconds / 3600, 1), " h");
}

TrainCost measure_cost(const std::shared_ptr<const moeclip::Clip<float>>& clip, const moeclip::Recipe& recipe,
                       const moeclip::TrainerOptions& options, const TrainSources& sources, ValidOptions valid) {
  constexpr index_t kSteps = 3;  // whose pictures are all different
  moeclip::Trainer<float> probe(*clip, recipe, options);
  std::vector<index_t> members;  // from all over the data, whose classes may differ
  const index_t count = std::min(kSteps * options.batch, sources.train.size());
  for (index_t i = 0; i < count; ++i) members.push_back(i * sources.train.size() / count);
  const moeclip::SampleSource few = sources.train.part(members);
  moeclip::FitOptions fit;
  fit.epochs = index_t{1} << 20;  // until it was long enough
  LapTimes times;
  probe.fit(few, fit, [&](const moeclip::StepReport&) { return times.add(); });
  TrainCost cost;
  cost.step = times.usual();
  cost.text = std::max(0.0, times.first() - cost.step) /
              static_cast<double>(std::min(options.batch, std::ssize(few.classes())));
  Validator validator(clip, sources.valid, std::move(valid), 0);
  if (validator.is_on()) cost.picture = validator.seconds_per_picture(probe);
  return cost;
}

double TrainWork::seconds(const TrainCost& cost, index_t steps, index_t batch) const {
  const index_t judgements = steps / (every > 0 ? every : batches(batch)) + 1;
  return cost.text * static_cast<double>(classes) + cost.step * static_cast<double>(steps) +
         cost.picture * static_cast<double>(judged * judgements);
}

index_t TrainWork::steps(const TrainCost& cost, double seconds, index_t batch) const {
  const double judgement = cost.picture * static_cast<double>(judged);
  const double once = cost.text * static_cast<double>(classes) + judgement;
  const double each = cost.step + judgement / static_cast<double>(every > 0 ? every : batches(batch));
  return std::max<index_t>(0, static_cast<index_t>(std::floor((seconds - once) / each)));
}

TrainSize plan_budget(const BudgetWish& wish, const TrainWork& work, double seconds,
                      moeclip::function_ref<TrainCost(index_t, index_t)> measure) {
  constexpr index_t kSamples = 2000, kFewest = 50;
  constexpr double kMargin = 0.9;  // of the time is planned with: machines are not always as quick as when measured
  std::vector<index_t> sizes{wish.size.image_size};
  const auto smaller = [&](index_t size) { return size * 4 / 5 / wish.patch * wish.patch; };
  while (!wish.keeps_size && smaller(sizes.back()) > wish.smallest) sizes.push_back(smaller(sizes.back()));
  if (!wish.keeps_size && wish.smallest < sizes.back()) sizes.push_back(wish.smallest);
  TrainSize plan = wish.size;
  plan.image_size = sizes.back();
  TrainCost cost = measure(plan.image_size, plan.batch);
  const index_t needed = std::min(wish.size.steps, (kSamples + plan.batch - 1) / plan.batch);
  for (const index_t size : sizes) {
    const double ratio = static_cast<double>(size) / static_cast<double>(sizes.back());
    TrainCost scaled = cost;
    scaled.step *= std::pow(ratio, 2.3);  // tokens grow with the square, and attention with theirs (train/README.md)
    scaled.picture *= std::pow(ratio, 2.3);
    if (size != sizes.back() && work.steps(scaled, kMargin * seconds, plan.batch) < needed) continue;
    plan.image_size = size;
    break;
  }
  if (plan.image_size != sizes.back()) cost = measure(plan.image_size, plan.batch);
  index_t fitting = work.steps(cost, kMargin * seconds, plan.batch);
  while (fitting < std::min(kFewest, wish.size.steps) && !wish.keeps_batch && plan.batch > 1) {
    cost.step *= static_cast<double>(plan.batch / 2) / static_cast<double>(plan.batch);
    plan.batch /= 2;
    fitting = work.steps(cost, kMargin * seconds, plan.batch);
  }
  if (fitting < 1)
    moeclip::fail(moeclip::ErrorCode::limit,
                  concat("not one step fits into the ", describe_duration(std::max(0.0, seconds)),
                         " that are left of the budget: a step takes ", describe_duration(cost.step), ", judging ",
                         describe_duration(cost.picture * static_cast<double>(work.judged)),
                         work.judged > 0 ? "; give more time, or fewer pictures to judge by (--valid)"
                                         : "; give more time, or a smaller --image-size"));
  const index_t wanted = wish.size.steps * wish.size.batch / plan.batch;  // the same number of samples
  plan.steps = std::min(fitting, std::max<index_t>(1, wanted));
  return plan;
}

std::string describe_loss(const TrainSize& wanted, const TrainSize& planned, const TrainWork& work) {
  std::string text;
  const auto add = [&](const std::string& piece) { text += concat(text.empty() ? "" : ", ", piece); };
  if (planned.image_size != wanted.image_size)
    add(concat(planned.image_size, " instead of ", moeclip::counted(wanted.image_size, "pixel")));
  if (planned.batch != wanted.batch)
    add(concat(planned.batch, " instead of ", moeclip::counted(wanted.batch, "picture"), " a step"));
  const auto epochs = [&](const TrainSize& size) {
    return fixed(static_cast<double>(size.steps) / static_cast<double>(work.batches(size.batch)), 1);
  };
  if (planned.steps * planned.batch < wanted.steps * wanted.batch)
    add(concat(epochs(planned), " instead of ", epochs(wanted), " epochs"));
  return text;
}

double BudgetClock::left() const {
  if (!seconds_) return std::numeric_limits<double>::infinity();
  return *seconds_ - std::chrono::duration<double>(Clock::now() - start_).count();
}

double BudgetClock::slowness() const {
  if (steps_ < 2 || expected_step_ == 0) return 1;
  return std::max(1.0, all_ / static_cast<double>(steps_ - 1) / expected_step_);
}

bool BudgetClock::has_time(double judgements) {
  const Clock::time_point now = Clock::now();
  const double step = std::chrono::duration<double>(now - last_).count();
  if (++steps_ == 2) longest_ = 0;
  if (steps_ > 1) all_ += step;
  longest_ = std::max(longest_, step);
  last_ = now;
  return left() > 1.5 * longest_ + 1.2 * judgements + kEnd;
}

}  // namespace cli

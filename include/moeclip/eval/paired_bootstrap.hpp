// SPDX-License-Identifier: MIT
#pragma once
// Intervals for what methods differ by, when each was trained from several seeds and judged by several pictures: both
// are drawn anew with replacement, the same ones for all methods (BOOT-1 in this folder's README).

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../base/context.hpp"
#include "../tensor/tensor.hpp"
#include "picture_table.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// One method: its runs, seed by seed. All methods of a comparison have the same seeds and, for each, the same
/// pictures.
struct ComparedMethod {
  std::string name;                        ///< for messages
  std::vector<const PictureTable*> seeds;  ///< not null; the tables outlive the comparison
};

/// What is drawn anew.
struct BootstrapOptions {
  index_t draws = 2000;          ///< repetitions
  std::uint64_t seed = 1;        ///< of the random numbers
  bool shares_pictures = false;  ///< all seeds were judged by the same pictures: these are drawn once for all
  bool draws_classes = false;    ///< classes are drawn, too: what holds for other classes like these
};

/// Mean of each metric over seeds and classes in each repetition: (draws, methods, kComparedMetrics). The same bits for
/// any number of threads. Throws contract if there is nothing to draw from, mismatch if methods have not the same seeds
/// or pictures.
Tensor<double> bootstrap_means(Context& context, std::span<const ComparedMethod> methods,
                               const BootstrapOptions& options);

/// A value and where it lies with some probability.
struct Interval {
  double middle = 0, low = 0, high = 0;  ///< as measured; ends of the interval

  [[nodiscard]] bool excludes_zero() const { return low > 0 || high < 0; }  ///< 0 is no plausible value
};

/// The interval that leaves (1 - level) / 2 of `draws` out on each side, by linear interpolation between order
/// statistics; NaN without draws, or where one of them is.
Interval percentile_interval(double middle, std::span<const double> draws, double level = 0.95);

/// The interval of the mean of independent values by Student's t: (ST-1). NaN for less than two values, and for values
/// that are all the same: what does not vary says nothing of how far its mean may be off.
Interval student_interval(std::span<const double> values, double level = 0.95);

/// The value that Student's t of `freedom` degrees stays below with probability `probability` in (0, 1). (ST-1)
double student_quantile(double probability, index_t freedom);

namespace detail {
/// Draws as many of the defective and of the good pictures of class `c` as there are; times[i] is how often picture i
/// came. `draw(n)` is a number in [0, n).
void draw_pictures(const PictureTable& table, index_t c, function_ref<std::size_t(std::size_t)> draw,
                   std::span<std::uint32_t> times);
}  // namespace detail

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EVAL)

#include <algorithm>
#include <cmath>
#include <limits>

#include "../base/lists.hpp"
#include "../base/rng.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

MOECLIP_FUNC void draw_pictures(const PictureTable& table, index_t c, function_ref<std::size_t(std::size_t)> draw,
                                std::span<std::uint32_t> times) {
  for (const bool is_anomalous : {false, true}) {
    std::vector<std::size_t> members;
    for (std::size_t i = 0; i < table.pictures.size(); ++i)
      if (table.pictures[i].class_index == c && table.pictures[i].is_anomalous == is_anomalous) {
        members.push_back(i);
        times[i] = 0;
      }
    for (std::size_t i = 0; i < members.size(); ++i) ++times[members[draw(members.size())]];
  }
}

inline void expect_comparable(std::span<const ComparedMethod> methods) {
  MOECLIP_EXPECT(!methods.empty() && !methods[0].seeds.empty(), "there is nothing to compare");
  const ComparedMethod& first = methods[0];
  for (const ComparedMethod& method : methods) {
    if (method.seeds.size() != first.seeds.size())
      fail(ErrorCode::mismatch, concat(method.name, " has ", counted(method.seeds.size(), "seed"), ", ", first.name,
                                       " has ", first.seeds.size()));
    for (std::size_t s = 0; s < method.seeds.size(); ++s)
      expect_same_pictures(*method.seeds[s], method.name, *first.seeds[s], first.name);
  }
}

/// One repetition, from its own random numbers.
class BootstrapDraw {
 public:
  BootstrapDraw(std::span<const ComparedMethod> methods, const BootstrapOptions& options, index_t number)
      : methods_(methods), options_(options), rng_(options.seed, "paired bootstrap"), next_(number * kApart) {}

  /// means (methods, metrics)
  void run(double* means) {
    const std::vector<const PictureTable*>& seeds = methods_[0].seeds;
    const std::size_t classes = seeds[0]->classes.size();
    std::vector<index_t> drawn;
    for (std::size_t c = 0; c < classes; ++c)
      drawn.push_back(static_cast<index_t>(options_.draws_classes ? draw(classes) : c));
    std::vector<ComparedMetrics> sums(methods_.size()), counts(methods_.size());
    std::vector<std::uint32_t> times;
    for (std::size_t j = 0; j < seeds.size(); ++j) {
      const std::size_t seed = draw(seeds.size());
      if (j == 0 || !options_.shares_pictures) draw_times(*seeds[seed], times);
      for (const index_t c : drawn)
        for (std::size_t m = 0; m < methods_.size(); ++m) {
          const ComparedMetrics values = resampled_metrics(*methods_[m].seeds[seed], c, times);
          for (std::size_t k = 0; k < values.size(); ++k)
            if (!std::isnan(values[k])) sums[m][k] += values[k], counts[m][k] += 1;
        }
    }
    for (std::size_t m = 0; m < methods_.size(); ++m)
      for (std::size_t k = 0; k < sums[m].size(); ++k) *means++ = sums[m][k] / counts[m][k];  // 0/0: undefined
  }

 private:
  static constexpr index_t kApart = index_t{1} << 32;  // more numbers than a repetition takes

  std::size_t draw(std::size_t count) {
    return static_cast<std::size_t>(rng_.integer(next_++, 0, static_cast<std::int64_t>(count)));
  }
  void draw_times(const PictureTable& table, std::vector<std::uint32_t>& times) {
    times.assign(table.pictures.size(), 0);
    for (index_t c = 0; c < std::ssize(table.classes); ++c)
      draw_pictures(
          table, c, [&](std::size_t count) { return draw(count); }, times);
  }

  std::span<const ComparedMethod> methods_;
  const BootstrapOptions& options_;
  Rng rng_;
  index_t next_;
};

/// P(|t| <= x) of Student's t, by the finite series for whole degrees of freedom (ST-1).
inline double student_within(double x, index_t freedom) {
  const double angle = std::atan(x / std::sqrt(static_cast<double>(freedom)));
  const double cosine = std::cos(angle), square = cosine * cosine;
  const bool is_odd = freedom % 2 != 0;
  double term = is_odd ? cosine : 1, sum = freedom == 1 ? 0 : term;
  for (index_t k = is_odd ? 3 : 2; k < freedom; k += 2) {
    term *= square * static_cast<double>(k - 1) / static_cast<double>(k);
    sum += term;
  }
  constexpr double kPi = 3.14159265358979323846;
  return is_odd ? 2 / kPi * (angle + std::sin(angle) * sum) : std::sin(angle) * sum;
}

}  // namespace detail

MOECLIP_FUNC Tensor<double> bootstrap_means(Context& context, std::span<const ComparedMethod> methods,
                                            const BootstrapOptions& options) {
  detail::expect_comparable(methods);
  MOECLIP_EXPECT(options.draws > 0, "a bootstrap of ", options.draws, " draws");
  for (const PictureTable* table : methods[0].seeds) {
    MOECLIP_EXPECT(!table->classes.empty(), "a bootstrap without pictures");
    if (table->classes != methods[0].seeds[0]->classes)
      fail(ErrorCode::mismatch, "seeds were judged by different classes");
    if (options.shares_pictures) expect_same_pictures(*table, "a seed", *methods[0].seeds[0], "the first one");
  }
  const index_t width = std::ssize(methods) * std::ssize(kComparedMetrics);
  Tensor<double> means({options.draws, std::ssize(methods), std::ssize(kComparedMetrics)});
  context.parallel_for(
      options.draws, [&](index_t i, int) { detail::BootstrapDraw(methods, options, i).run(means.data() + i * width); });
  return means;
}

MOECLIP_FUNC Interval percentile_interval(double middle, std::span<const double> draws, double level) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> sorted(draws.begin(), draws.end());
  if (sorted.empty() || lists::any_of(sorted, [](double v) { return std::isnan(v); })) return {middle, kNone, kNone};
  lists::sort(sorted);
  const auto at = [&](double share) {
    const double place = share * static_cast<double>(sorted.size() - 1), below = std::floor(place);
    const auto i = static_cast<std::size_t>(below), next = (std::min)(i + 1, sorted.size() - 1);
    return sorted[i] + (place - below) * (sorted[next] - sorted[i]);
  };
  return {middle, at((1 - level) / 2), at((1 + level) / 2)};
}

MOECLIP_FUNC double student_quantile(double probability, index_t freedom) {
  MOECLIP_EXPECT(probability > 0 && probability < 1 && freedom >= 1, "Student's t with ", freedom,
                 " degrees of freedom has no quantile of ", probability);
  if (probability < 0.5) return -student_quantile(1 - probability, freedom);
  const double within = 2 * probability - 1;
  double low = 0, high = 1;
  while (detail::student_within(high, freedom) < within && high < 1e300) high *= 2;
  for (int i = 0; i < 200 && low < high; ++i) {
    const double middle = low + (high - low) / 2;
    if (middle == low || middle == high) break;
    (detail::student_within(middle, freedom) < within ? low : high) = middle;
  }
  return high;
}

MOECLIP_FUNC Interval student_interval(std::span<const double> values, double level) {
  const auto count = static_cast<double>(values.size());
  double mean = 0, square = 0;
  for (const double value : values) mean += value / count;
  for (const double value : values) square += (value - mean) * (value - mean);
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  if (values.empty()) return {kNone, kNone, kNone};
  if (!lists::any_of(values, [&](double value) { return value != values[0]; })) return {values[0], kNone, kNone};
  const double half =
      student_quantile((1 + level) / 2, std::ssize(values) - 1) * std::sqrt(square / (count - 1) / count);
  return {mean, mean - half, mean + half};
}

}}  // namespace moeclip::abi_v0_1

#endif

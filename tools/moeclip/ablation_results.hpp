// SPDX-License-Identifier: MIT
#pragma once
// What finished runs say: means, differences of each variant to the one that it is compared with, where their spread
// comes from, and how much of everything would be needed to see a difference of a given size.

#include <moeclip/eval/variance_components.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ablation_store.hpp"

namespace cli {

inline constexpr std::size_t kMetricCount = moeclip::kComparedMetrics.size();

/// The metrics as people call them.
inline constexpr std::array<const char*, kMetricCount> kMetricTitles{"image AUROC", "image AP", "pixel AUROC",
                                                                     "pixel AP", "AUPRO"};

/// A metric of a variant. Differences are of the baseline less the variant: what the baseline gains over it.
struct VariantMetric {
  std::vector<double> values;         ///< seed by seed, exact
  double mean = 0, deviation = 0;     ///< of these; NaN for the deviation of one
  moeclip::Interval interval;         ///< of the mean, by bootstrap
  std::vector<double> gains;          ///< seed by seed
  double gain_deviation = 0;          ///< of these
  moeclip::Interval gain, gain_by_t;  ///< of the mean difference: by bootstrap over seeds and pictures, by t over
                                      ///< seeds, which is NaN where seeds do not differ
  std::optional<moeclip::VarianceComponents> components;  ///< of the difference; unset with one seed or one class

  /// Both intervals of the difference are on the same side of 0.
  [[nodiscard]] bool is_shown() const { return gain.excludes_zero() && gain_by_t.excludes_zero(); }
};

/// A category of a set, or the mean over those of a set.
struct PartResult {
  std::string set, category;                         ///< "": there is one set; the mean
  std::array<double, kMetricCount> mean, deviation;  ///< over seeds

  /// "screws/nut", "screws, mean"
  [[nodiscard]] std::string name() const {
    return category.empty() ? set + ", mean" : set.empty() ? category : set + "/" + category;
  }
};

struct VariantResult {
  std::string name, about, world, baseline;  ///< the first of its world, or the one that it names
  std::vector<PartResult> parts;             ///< categories, those of each set before its mean
  std::array<VariantMetric, kMetricCount> metrics;
  double seconds = 0, judge_seconds = 0, trained = 0, megabytes = 0;  ///< means over runs; of a run, of a picture

  [[nodiscard]] bool is_baseline() const { return name == baseline; }
};

/// How runs are compared.
struct ComparisonOptions {
  moeclip::BootstrapOptions bootstrap;
  std::vector<std::string> sets = {};  ///< names of those that were judged, if there are several
  double difference = 0.003;           ///< that the power analysis asks for
};

struct AblationComparison {
  std::vector<VariantResult> variants;
  std::int64_t seeds = 0;
  std::vector<moeclip::index_t> categories, pictures;  ///< that each variant was judged by
  ComparisonOptions options;
};

/// Compares runs that are all finished, of each variant the same seeds. Throws mismatch if variants of a world were
/// judged by different pictures, contract for a baseline that is not among them.
AblationComparison compare_runs(moeclip::Context& context, const std::vector<AblationVariant>& variants,
                                const std::vector<AblationRun>& runs, AblationStore& store,
                                const ComparisonOptions& options);

/// The smallest difference that so many seeds, categories and pictures show with a probability of 80 %; NaN where that
/// cannot be said.
double shown_difference(const AblationComparison& comparison, std::size_t variant, std::size_t metric);

/// Seeds needed for `options.difference` with so many times the pictures and categories; 0: no number is enough;
/// unset where that cannot be said.
std::optional<moeclip::index_t> seeds_for_difference(const AblationComparison& comparison, std::size_t variant,
                                                     std::size_t metric, double pictures, moeclip::index_t categories);

}  // namespace cli

// SPDX-License-Identifier: MIT
#include "ablation_results.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace cli {

using moeclip::index_t;

namespace {

double mean_of_values(const std::vector<double>& values) {
  double mean = 0;
  for (const double value : values) mean += value / static_cast<double>(values.size());
  return mean;
}

/// Over n - 1; NaN for one number.
double deviation_of(const std::vector<double>& values) {
  const double mean = mean_of_values(values);
  double square = 0;
  for (const double value : values) square += (value - mean) * (value - mean);
  return values.size() > 1 ? std::sqrt(square / static_cast<double>(values.size() - 1))
                           : std::numeric_limits<double>::quiet_NaN();
}

/// The scores of a category over all runs, or, for "", of the mean over all categories of a set.
PartResult part_of(const std::vector<const moeclip::Json*>& records, const std::string& set,
                   const std::string& category) {
  const std::string prefix = set.empty() ? "" : set + "/";
  PartResult part{set, category, {}, {}};
  for (std::size_t m = 0; m < kMetricCount; ++m) {
    std::vector<double> values;
    for (const moeclip::Json* record : records) {
      double sum = 0, count = 0;
      for (const moeclip::Json& row : record->at("classes").items()) {
        const std::string& name = row.at("class").as_string();
        const bool is_member = category.empty() ? name.starts_with(prefix) : name == prefix + category;
        if (const double score = score_of(row, m); is_member && !std::isnan(score)) sum += score, count += 1;
      }
      values.push_back(sum / count);  // 0/0: undefined
    }
    part.mean[m] = mean_of_values(values);
    part.deviation[m] = deviation_of(values);
  }
  return part;
}

std::vector<PartResult> parts_of(const std::vector<const moeclip::Json*>& records,
                                 const std::vector<std::string>& sets) {
  std::vector<PartResult> parts;
  for (const std::string& set : sets.empty() ? std::vector<std::string>{""} : sets) {
    const std::string prefix = set.empty() ? "" : set + "/";
    for (const moeclip::Json& row : records.front()->at("classes").items())
      if (const std::string& name = row.at("class").as_string(); name.starts_with(prefix))
        parts.push_back(part_of(records, set, name.substr(prefix.size())));
    if (!set.empty()) parts.push_back(part_of(records, set, ""));
  }
  return parts;
}

/// Scores, seconds and sizes of the runs of one variant, in the order of `runs`.
void collect(const std::vector<AblationRun>& runs, const AblationStore& store, const std::vector<std::string>& sets,
             VariantResult& result) {
  std::vector<const moeclip::Json*> records;
  std::vector<double> seconds, judge_seconds, trained, bytes;
  for (const AblationRun& run : runs) {
    if (run.variant->name != result.name) continue;
    const moeclip::Json& record = *store.find(run.key);
    records.push_back(&record);
    for (std::size_t m = 0; m < kMetricCount; ++m) result.metrics[m].values.push_back(score_of(record.at("scores"), m));
    seconds.push_back(record.at("seconds").as_number());
    judge_seconds.push_back(record.at("judge_seconds").as_number());
    trained.push_back(record.at("trained").as_number());
    bytes.push_back(record.at("bytes").as_number());
  }
  result.parts = parts_of(records, sets);
  constexpr double kMegabyte = 1e6;
  result.seconds = mean_of_values(seconds);
  result.judge_seconds = mean_of_values(judge_seconds);
  result.trained = mean_of_values(trained);
  result.megabytes = mean_of_values(bytes) / kMegabyte;
  for (VariantMetric& metric : result.metrics) {
    metric.mean = mean_of_values(metric.values);
    metric.deviation = deviation_of(metric.values);
  }
}

/// Compares the variants of one world, which were judged by the same pictures.
class WorldComparison {
 public:
  WorldComparison(moeclip::Context& context, std::vector<VariantResult*> variants, const std::vector<AblationRun>& runs,
                  AblationStore& store, const moeclip::BootstrapOptions& options)
      : context_(context), variants_(std::move(variants)), options_(options) {
    for (const VariantResult* variant : variants_) {
      moeclip::ComparedMethod& method = methods_.emplace_back();
      method.name = variant->name;
      for (const AblationRun& run : runs)
        if (run.variant->name == variant->name) method.seeds.push_back(&store.pictures(run.key));
    }
  }

  void run() {
    const moeclip::Tensor<double> means = moeclip::bootstrap_means(context_, methods_, options_);
    for (std::size_t v = 0; v < variants_.size(); ++v) {
      const std::size_t first = place_of(variants_[v]->baseline);
      for (std::size_t m = 0; m < kMetricCount; ++m) compare(means, v, first, m);
      add_components(v, first);
    }
  }

 private:
  [[nodiscard]] std::size_t place_of(const std::string& name) const {
    for (std::size_t i = 0; i < variants_.size(); ++i)
      if (variants_[i]->name == name) return i;
    moeclip::fail(moeclip::ErrorCode::contract,
                  moeclip::concat("the variant '", name, "', with which others are compared, is not among them"));
  }

  void compare(const moeclip::Tensor<double>& means, std::size_t v, std::size_t first, std::size_t m) {
    VariantMetric& metric = variants_[v]->metrics[m];
    const std::vector<double>& baseline = variants_[first]->metrics[m].values;
    std::vector<double> drawn, gains;
    for (index_t i = 0; i < means.extent(0); ++i) {
      const double* row = means.data() + i * means.extent(1) * means.extent(2);
      drawn.push_back(row[v * kMetricCount + m]);
      gains.push_back(row[first * kMetricCount + m] - drawn.back());
    }
    for (std::size_t s = 0; s < metric.values.size(); ++s) metric.gains.push_back(baseline[s] - metric.values[s]);
    metric.gain_deviation = deviation_of(metric.gains);
    metric.interval = moeclip::percentile_interval(metric.mean, drawn);
    metric.gain = moeclip::percentile_interval(mean_of_values(metric.gains), gains);
    metric.gain_by_t = moeclip::student_interval(metric.gains);
  }

  void add_components(std::size_t v, std::size_t first) {
    const std::vector<const moeclip::PictureTable*>& seeds = methods_[v].seeds;
    if (v == first || seeds.size() < 2 || seeds[0]->classes.size() < 2) return;
    moeclip::BootstrapOptions options = options_;
    options.draws =
        std::clamp<index_t>(options_.draws / 10, 2, 200);  // a variance needs fewer than the ends of an interval
    const auto components = moeclip::variance_components(context_, methods_[first], methods_[v], options);
    for (std::size_t m = 0; m < kMetricCount; ++m)
      if (std::isfinite(components[m].mean)) variants_[v]->metrics[m].components = components[m];
  }

  moeclip::Context& context_;
  std::vector<VariantResult*> variants_;
  std::vector<moeclip::ComparedMethod> methods_;
  const moeclip::BootstrapOptions& options_;
};

/// The experiment as it was made.
moeclip::ExperimentDesign design_of(const AblationComparison& comparison, const moeclip::VarianceComponents& found) {
  return {comparison.seeds, found.categories, found.pictures, comparison.options.bootstrap.draws_classes};
}

}  // namespace

AblationComparison compare_runs(moeclip::Context& context, const std::vector<AblationVariant>& variants,
                                const std::vector<AblationRun>& runs, AblationStore& store,
                                const ComparisonOptions& options) {
  AblationComparison comparison;
  comparison.options = options;
  for (const AblationVariant& variant : variants) {
    VariantResult& result = comparison.variants.emplace_back();
    result.name = variant.name, result.about = variant.about, result.world = variant.world;
    collect(runs, store, options.sets, result);
    comparison.seeds = std::ssize(result.metrics[0].values);
  }
  std::vector<std::string> worlds;
  for (const VariantResult& variant : comparison.variants)
    if (std::ranges::find(worlds, variant.world) == worlds.end()) worlds.push_back(variant.world);
  for (const std::string& world : worlds) {
    std::vector<VariantResult*> members;
    for (VariantResult& variant : comparison.variants)
      if (variant.world == world) members.push_back(&variant);
    for (std::size_t i = 0; i < variants.size(); ++i)
      if (variants[i].world == world)
        comparison.variants[i].baseline = variants[i].baseline.empty() ? members[0]->name : variants[i].baseline;
    WorldComparison(context, members, runs, store, options.bootstrap).run();
  }
  for (const AblationVariant& variant : variants)
    for (const AblationRun& run : runs) {
      if (run.variant->name != variant.name) continue;
      const moeclip::PictureTable& table = store.pictures(run.key);
      comparison.categories.push_back(std::ssize(table.classes));
      comparison.pictures.push_back(std::ssize(table.pictures));
      break;
    }
  return comparison;
}

double shown_difference(const AblationComparison& comparison, std::size_t variant, std::size_t metric) {
  const auto& components = comparison.variants[variant].metrics[metric].components;
  if (!components) return std::numeric_limits<double>::quiet_NaN();
  return moeclip::detectable_difference(*components, design_of(comparison, *components));
}

std::optional<index_t> seeds_for_difference(const AblationComparison& comparison, std::size_t variant,
                                            std::size_t metric, double pictures, index_t categories) {
  const auto& components = comparison.variants[variant].metrics[metric].components;
  if (!components) return std::nullopt;
  moeclip::ExperimentDesign design = design_of(comparison, *components);
  design.pictures *= pictures;
  design.categories *= categories;
  return moeclip::seeds_needed(*components, design, comparison.options.difference);
}

}  // namespace cli

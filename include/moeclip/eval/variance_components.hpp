// SPDX-License-Identifier: MIT
#pragma once
// Where the spread of a measured difference comes from (seeds, classes, pictures, the rest), and what that says about
// how many of each would show a difference of a given size (VAR-1 and POW-1 in this folder's README).

#include <array>
#include <cstdint>

#include "../base/context.hpp"
#include "../tensor/view.hpp"
#include "paired_bootstrap.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Variances of the difference of two methods in one cell: one seed, one class, `pictures` pictures of it.
struct VarianceComponents {
  double mean = 0;               ///< of all cells
  double seed = 0;               ///< common to all classes of a seed
  double category = 0;           ///< common to all seeds of a class
  double picture = 0;            ///< by the choice of pictures; falls as 1 / pictures
  double residual = 0;           ///< what is left: a class with a seed
  index_t seeds = 0;             ///< that it was measured with
  index_t categories = 0;        ///< the same
  double pictures = 0;           ///< of a class, on average
  bool shares_pictures = false;  ///< all seeds were judged by the same ones
};

/// VAR-1 of cells (seeds, classes), and of the variance that another choice of pictures gives each of them, of the same
/// shape. Throws contract for less than two seeds or classes.
VarianceComponents variance_components(View<const double, 2> cells, View<const double, 2> picture_variances,
                                       double pictures, bool shares_pictures);

/// Those of each compared metric (kComparedMetrics) for two methods: cells are differences a - b, class by class, and
/// `options.draws` draws of pictures in each cell say how much another choice of them changes it. Classes in which a
/// metric is undefined do not count in it; with less than two left, or one seed, the mean is NaN.
std::array<VarianceComponents, kComparedMetrics.size()> variance_components(Context& context, const ComparedMethod& a,
                                                                            const ComparedMethod& b,
                                                                            const BootstrapOptions& options);

/// An experiment to come.
struct ExperimentDesign {
  index_t seeds = 5;           ///< runs of either method
  index_t categories = 6;      ///< that are judged
  double pictures = 40;        ///< of each category
  bool is_for_others = false;  ///< the claim is about all categories of the kind, not about those that are judged
};

/// Variance of the mean difference in that experiment (POW-1).
double variance_of_mean(const VarianceComponents& components, const ExperimentDesign& design);

/// The smallest difference that the experiment shows with probability `power` in a two-sided test at `level`.
double detectable_difference(const VarianceComponents& components, const ExperimentDesign& design, double power = 0.8,
                             double level = 0.95);

/// The fewest seeds with which `difference` is detectable; 0: not with 10,000.
index_t seeds_needed(const VarianceComponents& components, ExperimentDesign design, double difference,
                     double power = 0.8, double level = 0.95);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EVAL)

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "../base/rng.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC VarianceComponents variance_components(View<const double, 2> cells,
                                                    View<const double, 2> picture_variances, double pictures,
                                                    bool shares_pictures) {
  const index_t seeds = cells.extent(0), classes = cells.extent(1);
  MOECLIP_EXPECT(seeds >= 2 && classes >= 2, "variance components of ", seeds, " seeds and ", classes, " classes");
  MOECLIP_EXPECT(picture_variances.extent(0) == seeds && picture_variances.extent(1) == classes,
                 "each cell has a variance");
  const auto rows = static_cast<double>(seeds), columns = static_cast<double>(classes);
  VarianceComponents result{0, 0, 0, 0, 0, seeds, classes, pictures, shares_pictures};
  std::vector<double> by_seed(static_cast<std::size_t>(seeds)), by_class(static_cast<std::size_t>(classes));
  for (index_t s = 0; s < seeds; ++s)
    for (index_t c = 0; c < classes; ++c) {
      by_seed[static_cast<std::size_t>(s)] += cells(s, c) / columns;
      by_class[static_cast<std::size_t>(c)] += cells(s, c) / rows;
      result.mean += cells(s, c) / (rows * columns);
      result.picture += picture_variances(s, c) / (rows * columns);
    }
  double of_seeds = 0, of_classes = 0, of_rest = 0;  // mean squares of the two-way table
  for (const double value : by_seed) of_seeds += columns * std::pow(value - result.mean, 2) / (rows - 1);
  for (const double value : by_class) of_classes += rows * std::pow(value - result.mean, 2) / (columns - 1);
  for (index_t s = 0; s < seeds; ++s)
    for (index_t c = 0; c < classes; ++c) {
      const double fit = by_seed[static_cast<std::size_t>(s)] + by_class[static_cast<std::size_t>(c)] - result.mean;
      of_rest += std::pow(cells(s, c) - fit, 2) / ((rows - 1) * (columns - 1));
    }
  const double shared = shares_pictures ? result.picture : 0;  // pictures look like a property of the class then
  result.seed = (std::max)(0.0, (of_seeds - of_rest) / columns);
  result.category = (std::max)(0.0, (of_classes - of_rest) / rows - shared);
  result.residual = (std::max)(0.0, of_rest - (result.picture - shared));
  return result;
}

namespace detail {

/// Differences of two methods on class `c` of one seed: as measured, and their variances over draws of pictures.
struct CellDifference {
  ComparedMetrics value{}, variance{};

  CellDifference() = default;
  CellDifference(const PictureTable& a, const PictureTable& b, index_t c, const BootstrapOptions& options,
                 index_t number) {
    std::vector<std::uint32_t> times(a.pictures.size(), 1);
    const auto differences = [&] {
      ComparedMetrics result = resampled_metrics(a, c, times);
      const ComparedMetrics other = resampled_metrics(b, c, times);
      for (std::size_t k = 0; k < result.size(); ++k) result[k] -= other[k];
      return result;
    };
    value = differences();
    const Rng rng(options.seed, "variance of pictures");
    index_t next = number << 32;
    const auto draw = [&](std::size_t count) {
      return static_cast<std::size_t>(rng.integer(next++, 0, static_cast<std::int64_t>(count)));
    };
    ComparedMetrics mean{};
    const auto count = static_cast<double>(options.draws);
    std::vector<ComparedMetrics> drawn;
    for (index_t i = 0; i < options.draws; ++i) {
      draw_pictures(a, c, draw, times);
      drawn.push_back(differences());
      for (std::size_t k = 0; k < mean.size(); ++k) mean[k] += drawn.back()[k] / count;
    }
    for (const ComparedMetrics& one : drawn)
      for (std::size_t k = 0; k < mean.size(); ++k) variance[k] += std::pow(one[k] - mean[k], 2) / (count - 1);
  }
};

/// The components of metric k, of the classes in which it is defined; their mean is NaN if these are less than two.
inline VarianceComponents components_of(const std::vector<CellDifference>& cells, index_t seeds, std::size_t k,
                                        double pictures, bool shares_pictures) {
  const index_t classes = std::ssize(cells) / seeds;
  const auto cell = [&](index_t s, index_t c) -> const CellDifference& {
    return cells[static_cast<std::size_t>(s * classes + c)];
  };
  std::vector<index_t> defined;
  for (index_t c = 0; c < classes; ++c) {
    bool is_defined = true;
    for (index_t s = 0; s < seeds; ++s)
      is_defined = is_defined && std::isfinite(cell(s, c).value[k]) && std::isfinite(cell(s, c).variance[k]);
    if (is_defined) defined.push_back(c);
  }
  VarianceComponents none;
  none.mean = std::numeric_limits<double>::quiet_NaN();
  const index_t columns = std::ssize(defined);
  if (seeds < 2 || columns < 2) return none;
  std::vector<double> values, variances;
  for (index_t s = 0; s < seeds; ++s)
    for (const index_t c : defined) {
      values.push_back(cell(s, c).value[k]);
      variances.push_back(cell(s, c).variance[k]);
    }
  return variance_components(View<const double, 2>(values.data(), {seeds, columns}),
                             View<const double, 2>(variances.data(), {seeds, columns}), pictures, shares_pictures);
}

}  // namespace detail

MOECLIP_FUNC std::array<VarianceComponents, kComparedMetrics.size()> variance_components(
    Context& context, const ComparedMethod& a, const ComparedMethod& b, const BootstrapOptions& options) {
  MOECLIP_EXPECT(a.seeds.size() == b.seeds.size() && !a.seeds.empty(), "two methods with the same seeds");
  MOECLIP_EXPECT(options.draws > 1, "a variance of ", options.draws, " draws");
  const index_t seeds = std::ssize(a.seeds), classes = std::ssize(a.seeds[0]->classes);
  for (std::size_t s = 0; s < a.seeds.size(); ++s) {
    expect_same_pictures(*a.seeds[s], a.name, *b.seeds[s], b.name);
    MOECLIP_EXPECT(std::ssize(a.seeds[s]->classes) == classes, "seeds were judged by different classes");
  }
  std::vector<detail::CellDifference> cells(static_cast<std::size_t>(seeds * classes));
  context.parallel_for(seeds * classes, [&](index_t i, int) {
    const auto s = static_cast<std::size_t>(i / classes);
    cells[static_cast<std::size_t>(i)] = detail::CellDifference(*a.seeds[s], *b.seeds[s], i % classes, options, i);
  });
  const auto pictures = static_cast<double>(a.seeds[0]->pictures.size()) / static_cast<double>(classes);
  std::array<VarianceComponents, kComparedMetrics.size()> result;
  for (std::size_t k = 0; k < result.size(); ++k)
    result[k] = detail::components_of(cells, seeds, k, pictures, options.shares_pictures);
  return result;
}

MOECLIP_FUNC double variance_of_mean(const VarianceComponents& components, const ExperimentDesign& design) {
  MOECLIP_EXPECT(design.seeds >= 1 && design.categories >= 1 && design.pictures > 0, "an experiment without anything");
  const auto seeds = static_cast<double>(design.seeds), classes = static_cast<double>(design.categories);
  const double picture = components.picture * components.pictures / design.pictures;
  const double of_pictures = picture / (components.shares_pictures ? classes : seeds * classes);
  return components.seed / seeds + (design.is_for_others ? components.category / classes : 0) + of_pictures +
         components.residual / (seeds * classes);
}

MOECLIP_FUNC double detectable_difference(const VarianceComponents& components, const ExperimentDesign& design,
                                          double power, double level) {
  MOECLIP_EXPECT(design.seeds >= 2, "one seed shows nothing");
  const index_t freedom = design.seeds - 1;
  return (student_quantile((1 + level) / 2, freedom) + student_quantile(power, freedom)) *
         std::sqrt(variance_of_mean(components, design));
}

MOECLIP_FUNC index_t seeds_needed(const VarianceComponents& components, ExperimentDesign design, double difference,
                                  double power, double level) {
  constexpr index_t kMost = 10'000;
  const auto shows = [&](index_t seeds) {
    design.seeds = seeds;
    return detectable_difference(components, design, power, level) <= difference;
  };
  if (!shows(kMost)) return 0;
  index_t few = 1, enough = kMost;  // more seeds never show less
  while (enough - few > 1) {
    const index_t middle = (few + enough) / 2;
    (shows(middle) ? enough : few) = middle;
  }
  return enough;
}

}}  // namespace moeclip::abi_v0_1

#endif

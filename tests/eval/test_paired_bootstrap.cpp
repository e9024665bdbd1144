// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cstring>
#include <moeclip/eval/variance_components.hpp>

#include "comparison_test.hpp"
#include "expect_error.hpp"

using namespace moeclip;  // NOLINT

namespace {

/// Pictures of one class of which only the scores count.
PictureTable scored(const std::vector<float>& good, const std::vector<float>& bad) {
  PictureTable table{{"tile"}, {}};
  for (const float score : good) table.pictures.push_back({0, false, score, 0, {}, {}});
  for (const float score : bad) table.pictures.push_back({0, true, score, 0, {}, {}});
  return table;
}

struct Moments {
  double mean = 0, deviation = 0;
  explicit Moments(const std::vector<double>& values) {
    for (const double v : values) mean += v / static_cast<double>(values.size());
    for (const double v : values) deviation += (v - mean) * (v - mean) / static_cast<double>(values.size());
    deviation = std::sqrt(deviation);
  }
};

/// AUROC of every way to draw three good and two bad pictures of three and two, with replacement.
std::vector<double> all_draws(const PictureTable& table) {
  std::vector<double> values;
  for (int code = 0; code < 27 * 4; ++code) {
    std::vector<std::uint32_t> times(5, 0);
    for (int i = 0, rest = code % 27; i < 3; ++i, rest /= 3) ++times[static_cast<std::size_t>(rest % 3)];
    for (int i = 0, rest = code / 27; i < 2; ++i, rest /= 2) ++times[static_cast<std::size_t>(3 + rest % 2)];
    values.push_back(resampled_metrics(table, 0, times)[0]);
  }
  return values;
}

std::vector<double> column(const Tensor<double>& means, index_t method, index_t metric) {
  std::vector<double> values;
  for (index_t i = 0; i < means.shape()[0]; ++i)
    values.push_back(means[(i * means.shape()[1] + method) * means.shape()[2] + metric]);
  return values;
}

}  // namespace

TEST_CASE("the bootstrap has the distribution of all draws, which are few enough to go through") {
  const PictureTable first = scored({0.1f, 0.4f, 0.6f}, {0.5f, 0.9f}),
                     second = scored({0.2f, 0.7f, 0.8f}, {0.75f, 0.3f});
  const std::vector<ComparedMethod> methods{{"one", {&first, &second}}};
  Context context({.threads = 2});
  BootstrapOptions options;
  options.draws = 40000;
  const Moments found(column(bootstrap_means(context, methods, options), 0, 0));
  // two seeds, each the first or the second, with a draw of pictures of its own
  std::vector<double> pictures = all_draws(first), wanted;
  const std::vector<double> others = all_draws(second);
  pictures.insert(pictures.end(), others.begin(), others.end());
  for (const double a : pictures)
    for (const double b : pictures) wanted.push_back((a + b) / 2);
  const Moments all(wanted);
  const double error = all.deviation / std::sqrt(40000.0);  // of a mean of so many draws
  CHECK(std::abs(found.mean - all.mean) < 4 * error);
  CHECK(std::abs(found.deviation / all.deviation - 1) < 0.02);

  options.shares_pictures = true;  // now the two seeds get the same draw: their pictures go up and down together
  const std::vector<ComparedMethod> same{{"one", {&first, &first}}};
  const Moments shared(column(bootstrap_means(context, same, options), 0, 0)), exact(all_draws(first));
  CHECK(std::abs(shared.mean - exact.mean) < 4 * exact.deviation / std::sqrt(40000.0));
  CHECK(std::abs(shared.deviation / exact.deviation - 1) < 0.02);
}

TEST_CASE("pairs get the same draws, whatever the number of threads") {
  Context one({.threads = 1}), three({.threads = 3});
  std::vector<PictureTable> weak, strong;
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    weak.push_back(table_of(one, judged_pictures(seed, 16, 0.5f)));
    strong.push_back(table_of(one, judged_pictures(seed, 16, 0.8f)));
  }
  const std::vector<ComparedMethod> methods{{"weak", {&weak[0], &weak[1], &weak[2]}},
                                            {"strong", {&strong[0], &strong[1], &strong[2]}},
                                            {"weak again", {&weak[0], &weak[1], &weak[2]}}};
  for (const bool draws_classes : {false, true}) {
    BootstrapOptions options;
    options.draws = 100;
    options.draws_classes = draws_classes;
    const Tensor<double> means = bootstrap_means(one, methods, options),
                         other = bootstrap_means(three, methods, options);
    CHECK(std::memcmp(means.data(), other.data(), static_cast<std::size_t>(means.size()) * sizeof(double)) == 0);
    for (index_t metric = 0; metric < 5; ++metric) {
      CHECK(column(means, 0, metric) == column(means, 2, metric));
      const std::vector<double> a = column(means, 0, metric), b = column(means, 1, metric);
      std::vector<double> gains;
      for (std::size_t i = 0; i < a.size(); ++i) gains.push_back(b[i] - a[i]);
      if (metric < 2) continue;  // sixteen pictures say little about pictures
      CHECK(percentile_interval(0, gains).excludes_zero());
      CHECK(Moments(gains).deviation < Moments(a).deviation);  // what pairing is for
    }
  }
  const std::vector<ComparedMethod> uneven{{"weak", {&weak[0], &weak[1]}}, {"strong", {&strong[0]}}},
      apart{{"weak", {&weak[0]}}, {"strong", {&strong[1]}}};
  expect_error(ErrorCode::mismatch, {"weak has 2 seeds"}, [&] {
    bootstrap_means(one, std::vector<ComparedMethod>{uneven[1], uneven[0]}, {});
  });
  const PictureTable fewer = table_of(one, judged_pictures(1, 12, 0.5f));
  expect_error(ErrorCode::mismatch, {"different pictures"}, [&] {
    bootstrap_means(one, std::vector<ComparedMethod>{apart[0], {"strong", {&fewer}}}, {});
  });
  expect_error(ErrorCode::contract, {"nothing to compare"}, [&] { bootstrap_means(one, {}, {}); });
}

TEST_CASE("percentiles are NumPy's, intervals of t are SciPy's") {
  const std::vector<double> values{0.3, -0.1, 0.7, 0.2, 0.9, 0.4, 0.05};
  const Interval wide = percentile_interval(0.35, values), narrow = percentile_interval(0.35, values, 0.9);
  CHECK(wide.low == doctest::Approx(-0.0775));
  CHECK(wide.high == doctest::Approx(0.87));
  CHECK(narrow.low == doctest::Approx(-0.055));
  CHECK(narrow.high == doctest::Approx(0.84));
  CHECK(std::isnan(percentile_interval(1, {}).low));
  const Interval t = student_interval(values);
  CHECK(t.middle == doctest::Approx(0.35));
  CHECK(t.low == doctest::Approx(0.024109414035972));
  CHECK(t.high == doctest::Approx(0.675890585964028));
  CHECK(t.excludes_zero());
  CHECK(std::isnan(student_interval({values.data(), 1}).low));
  CHECK_FALSE(student_interval({values.data(), 1}).excludes_zero());
  const std::vector<double> same(3, 0.1);  // whose sum is not exactly three times 0.1
  CHECK(student_interval(same).middle == 0.1);
  CHECK(std::isnan(student_interval(same).low));
  struct Row {
    index_t freedom;
    double probability, quantile;
  };
  for (const Row& row :  // by mpmath; SciPy's own are some 1e-9 off
       {Row{1, 0.975, 12.7062047361747046}, Row{2, 0.975, 4.30265272974946385}, Row{3, 0.8, 0.978472312363304442},
        Row{4, 0.975, 2.77644510519779436}, Row{5, 0.8, 0.919543780240826026}, Row{9, 0.975, 2.26215716279820554},
        Row{10, 0.995, 3.16927267261695123}, Row{100, 0.975, 1.98397151852355229}}) {
    CAPTURE(row.freedom);
    CHECK(std::abs(student_quantile(row.probability, row.freedom) / row.quantile - 1) < 1e-12);
    CHECK(student_quantile(1 - row.probability, row.freedom) == doctest::Approx(-row.quantile).epsilon(1e-12));
  }
  expect_error(ErrorCode::contract, {"no quantile"}, [] { student_quantile(1, 3); });
}

TEST_CASE("variance components are those of the two-way table") {
  Tensor<double> cells({3, 4}), pictures({3, 4});
  const double values[] = {0.5, 1.25, -0.25, 0.75, 0.25, 2.0, 0.5, 0.5, 1.0, 1.5, 0.125, 1.75};
  for (index_t i = 0; i < 12; ++i) cells[i] = values[i], pictures[i] = i < 6 ? 0.05 : 0.15;
  const auto components = [&](bool shares) {
    return variance_components(std::as_const(cells).view<2>(), std::as_const(pictures).view<2>(), 40, shares);
  };
  const VarianceComponents found = components(false);  // by NumPy: mean squares 0.2826, 1.1541 and 0.1957
  CHECK(found.mean == doctest::Approx(0.8229166666666666));
  CHECK(found.seed == doctest::Approx(0.021701388888888895));
  CHECK(found.category == doctest::Approx(0.31944444444444436));
  CHECK(found.picture == doctest::Approx(0.1));
  CHECK(found.residual == doctest::Approx(0.1957465277777778 - 0.1));
  CHECK(components(true).category == doctest::Approx(0.31944444444444436 - 0.1));
  CHECK(components(true).residual == doctest::Approx(0.1957465277777778));

  ExperimentDesign design{5, 6, 80, false};
  CHECK(variance_of_mean(found, design) == doctest::Approx(found.seed / 5 + (found.residual + 0.05) / 30));
  design.is_for_others = true;
  CHECK(variance_of_mean(found, design) ==
        doctest::Approx(found.seed / 5 + found.category / 6 + (found.residual + 0.05) / 30));
  CHECK(variance_of_mean(components(true), design) ==
        doctest::Approx(found.seed / 5 + (found.category - 0.1) / 6 + 0.05 / 6 + 0.1957465277777778 / 30));
  expect_error(ErrorCode::contract, {"1 seeds"}, [&] {
    variance_components(View<const double, 2>(cells.data(), {1, 4}), View<const double, 2>(cells.data(), {1, 4}), 1,
                        false);
  });
}

TEST_CASE("seeds needed are the fewest that detect the difference") {
  VarianceComponents seeds_alone;
  seeds_alone.seed = 1;
  seeds_alone.pictures = 40;
  ExperimentDesign design{6, 6, 40, false};
  // SciPy's noncentral t: these have a power of 0.784, 0.795 and 0.799
  for (const auto& [seeds, difference] :
       {std::pair{4, 2.0804593085562813}, {6, 1.4248378165835829}, {10, 0.9947137349915764}}) {
    design.seeds = seeds;
    CHECK(detectable_difference(seeds_alone, design) == doctest::Approx(difference));
    CHECK(seeds_needed(seeds_alone, design, difference * 1.0001) == seeds);
    CHECK(seeds_needed(seeds_alone, design, difference * 0.9999) == seeds + 1);
  }
  CHECK(seeds_needed(seeds_alone, design, 1e-9) == 0);
  seeds_alone.category = 1;
  design.is_for_others = true;
  CHECK(seeds_needed(seeds_alone, design, 0.5) == 0);  // no number of seeds makes six categories more
}

TEST_CASE("components of tables find what was put in") {
  Context context({.threads = 2});
  std::vector<PictureTable> weak, strong;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    weak.push_back(table_of(context, judged_pictures(seed, 32, 0.4f)));
    strong.push_back(table_of(context, judged_pictures(seed, 32, 0.6f)));
  }
  ComparedMethod a{"strong", {}}, b{"weak", {}};
  for (std::size_t i = 0; i < weak.size(); ++i) a.seeds.push_back(&strong[i]), b.seeds.push_back(&weak[i]);
  BootstrapOptions options;
  options.draws = 100;
  const VarianceComponents found = variance_components(context, a, b, options)[2];
  CHECK(found.seeds == 6);
  CHECK(found.categories == 2);
  CHECK(found.pictures == 16);
  CHECK(found.mean > 0.03);
  CHECK(found.picture > 0);
  CHECK(found.seed < found.picture);  // nothing but pictures and noise differs here
  double mean = 0;
  const std::vector<std::uint32_t> times(32, 1);
  for (std::size_t s = 0; s < 6; ++s)
    for (index_t c = 0; c < 2; ++c)
      mean += (resampled_metrics(strong[s], c, times)[2] - resampled_metrics(weak[s], c, times)[2]) / 12;
  CHECK(found.mean == doctest::Approx(mean));

  for (PictureTable* table : {&weak[2], &strong[2]})  // nobody has marked the defects of one class
    for (PictureRow& picture : table->pictures)
      if (picture.class_index == 0) picture.normal = {}, picture.anomalous.clear(), picture.regions = 0;
  const auto without = variance_components(context, a, b, options);
  CHECK(std::isnan(without[2].mean));
  CHECK(without[0].categories == 2);
}

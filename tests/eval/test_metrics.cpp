// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <limits>
#include <moeclip/eval/exact_scores.hpp>
#include <moeclip/io/weights.hpp>
#include <set>
#include <string>

#include "eval_test.hpp"
#include "expect_error.hpp"
#include "golden.hpp"

using namespace moeclip;  // NOLINT

namespace {

// Sums of n terms in another order: n * eps, for up to 1000 scores.
constexpr double kClose = 1000 * std::numeric_limits<double>::epsilon();

void check_near(const Metric& metric, double wanted, double tolerance = kClose) {
  CHECK(metric.is_defined());
  CHECK(metric.error == 0);
  CHECK(std::abs(metric.value - wanted) <= tolerance);
}

}  // namespace

TEST_CASE("metrics of random rankings equal their definitions") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const Ranking r =
        random_ranking(seed, 5 + static_cast<index_t>(seed) * 3, seed % 3 == 0 ? 0 : static_cast<int>(seed % 7) + 1);
    if (std::set(r.labels.begin(), r.labels.end()).size() < 2) continue;
    const Metrics m = measure(r.scores, r.labels);
    CAPTURE(seed);
    check_near(m.auroc, slow_auroc(r));
    check_near(m.average_precision, slow_average_precision(r));
    check_near(m.f1_max, slow_f1_max(r).first);
    CHECK(m.f1_threshold == slow_f1_max(r).second);
    CHECK(m.aupro.undefined == "there are no anomalous regions");
  }
}

TEST_CASE("metrics of recorded rankings equal scikit-learn's") {
  const WeightFile file = WeightFile::open(golden_path("components/metrics_rank.safetensors"));
  int cases = 0;
  for (const auto& entry : file.entries()) {
    if (!entry.name.ends_with("/result")) continue;
    const std::string name = entry.name.substr(0, entry.name.find('/'));
    const Tensor<double> result = file.read<double>(entry.name), labels = file.read<double>(name + "/label");
    const Tensor<float> scores = file.read<float>(name + "/score");
    std::vector<std::uint8_t> is_positive;
    for (const double label : labels) is_positive.push_back(label != 0 ? 1 : 0);
    const Metrics m = measure(scores.values(), is_positive);
    CAPTURE(name);
    ++cases;
    if (name == "all_negative") {
      CHECK(m.average_precision.undefined == "nothing is anomalous");
      CHECK(m.f1_max.undefined == "nothing is anomalous");
      CHECK(std::isnan(m.f1_threshold));
    } else {
      check_near(m.average_precision, result[1]);
      check_near(m.f1_max, result[2]);
      CHECK(m.f1_threshold == result[3]);
    }
    CHECK(m.auroc.is_defined() == !std::isnan(result[0]));
    if (m.auroc.is_defined()) check_near(m.auroc, result[0]);
  }
  CHECK(cases == 13);
}

TEST_CASE("what cannot be measured says why") {
  const auto of = [](std::vector<float> scores, std::vector<std::uint8_t> labels) { return measure(scores, labels); };
  CHECK(of({}, {}).auroc.undefined == "there are no scores");
  CHECK(of({}, {}).average_precision.undefined == "there are no scores");
  CHECK(of({0.5f}, {0}).auroc.undefined == "nothing is anomalous");
  CHECK(of({0.5f}, {1}).auroc.undefined == "nothing is normal");
  CHECK(of({0.5f, 0.5f}, {1, 1}).average_precision.value == 1);
  CHECK(std::isnan(Metric().value));
  CHECK(Metric().undefined == "nothing was measured");
}

TEST_CASE("equal scores, zeros, signed zeros and infinities") {
  const std::vector<std::uint8_t> labels{0, 1, 0, 1};
  for (const float same : {0.0f, -3.0f, 1e30f, std::numeric_limits<float>::infinity()}) {
    const Metrics m = measure(std::vector<float>(4, same), labels);
    CHECK(m.auroc.value == 0.5);
    CHECK(m.average_precision.value == 0.5);
    CHECK(m.f1_max.value == doctest::Approx(2.0 / 3));
    CHECK(m.f1_threshold == static_cast<double>(same));
  }
  CHECK(measure(std::vector{0.0f, -0.0f, -0.0f, 0.0f}, labels).auroc.value == 0.5);
  const float inf = std::numeric_limits<float>::infinity();
  CHECK(measure(std::vector{-inf, inf, 0.0f, 1.0f}, labels).auroc.value == 1);
}

TEST_CASE("scores that cannot be ranked are errors") {
  const std::vector<float> scores{0.5f, std::numeric_limits<float>::quiet_NaN()};
  const std::vector<std::uint8_t> labels{0, 1};
  expect_error(ErrorCode::contract, {"1 of 2 scores are NaN"}, [&] { return measure(scores, labels); });
  expect_error(ErrorCode::contract, {"2 scores", "0 labels"}, [&] { return measure(scores, {}); });
  expect_error(ErrorCode::contract, {"rate of 0"}, [] { return MetricSums({}, 0.0); });
}

TEST_CASE("fixed-point sums") {
  for (const std::uint64_t n : {1u, 2u, 3u, 7u, 64u, 1000003u, 268435456u}) {
    FixedSum sum;
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(n, 2000); ++i) sum += FixedSum::reciprocal(n);
    const double wanted = static_cast<double>(std::min<std::uint64_t>(n, 2000)) / static_cast<double>(n);
    CHECK(sum.value() == doctest::Approx(wanted).epsilon(1e-15));
  }
  CHECK(FixedSum::reciprocal(0) == FixedSum{});
  CHECK(FixedSum::reciprocal(2) == FixedSum{0, std::uint64_t{1} << 63});
  FixedSum carried{0, ~std::uint64_t{0}};
  carried += {0, 1};
  CHECK(carried == FixedSum{1, 0});
}

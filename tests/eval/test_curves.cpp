// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <limits>
#include <moeclip/eval/curves.hpp>

#include "eval_test.hpp"

using namespace moeclip;  // NOLINT

namespace {

double area_below(const Curve& curve) {
  double area = 0;
  for (std::size_t i = 1; i < curve.points.size(); ++i) {
    const CurvePoint &a = curve.points[i - 1], &b = curve.points[i];
    area += (b.x - a.x) * (a.y + b.y) / 2;
  }
  return area;
}

/// How far up and down a curve goes.
double rise_and_fall(const Curve& curve) {
  double sum = 0;
  for (std::size_t i = 1; i < curve.points.size(); ++i) sum += std::abs(curve.points[i].y - curve.points[i - 1].y);
  return sum;
}

double distance_to_segment(const CurvePoint& p, const CurvePoint& a, const CurvePoint& b) {
  const double dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
  const double t = length == 0 ? 0 : std::clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / length, 0.0, 1.0);
  return std::hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

/// The largest distance of one of `points` from the drawn curve.
double largest_distance(const std::vector<CurvePoint>& points, const Curve& curve) {
  double largest = 0;
  for (const CurvePoint& p : points) {
    double nearest = 9;
    for (std::size_t i = 1; i < curve.points.size(); ++i)
      nearest = std::min(nearest, distance_to_segment(p, curve.points[i - 1], curve.points[i]));
    largest = std::max(largest, nearest);
  }
  return largest;
}

constexpr double kRounding = 1e-12;

/// The areas below the curves of `table` are its metrics, as exactly as CUR-1 has it.
void check_areas(ScoreTable& table, double limit = kFalsePositiveLimit) {
  const Metrics metrics = table.metrics(limit);
  const ClassCurves curves = curves_of(table, limit);
  const auto check = [](const Curve& curve, const Metric& metric, double scale) {
    REQUIRE(curve.points.empty() == !metric.is_defined());
    if (curve.points.empty()) return;
    CAPTURE(curve.points.size());
    CAPTURE(curve.deviation);
    CHECK(curve.points.size() <= CurveThinner::kMostPoints);
    const double length = 1 + rise_and_fall(curve);  // at least that of the drawn curve
    CHECK(std::abs(area_below(curve) / scale - metric.value) <= curve.deviation * length + metric.error + kRounding);
  };
  check(curves.roc, metrics.auroc, 1);
  check(curves.precision_recall, metrics.average_precision, 1);
  check(curves.overlap, metrics.aupro, limit);
}

ScoreTable table_of(const Ranking& ranking) {
  ScoreTable table({.is_exact = true});
  for (std::size_t i = 0; i < ranking.scores.size(); ++i) table.add_image(ranking.scores[i], ranking.labels[i] != 0);
  return table;
}

std::vector<CurvePoint> thinned(const std::vector<CurvePoint>& points, Curve& curve) {
  CurveThinner thinner;
  for (const CurvePoint& point : points) thinner.add(point);
  curve = thinner.finish();
  return points;
}

}  // namespace

TEST_CASE("curves: few scores keep every corner") {
  ScoreTable table({.is_exact = true});
  for (const auto& [score, label] : {std::pair{0.9f, true}, {0.8f, false}, {0.7f, true}, {0.2f, false}})
    table.add_image(score, label);
  const ClassCurves curves = curves_of(table);
  CHECK(curves.roc.points == std::vector<CurvePoint>{{0, 0}, {0, 0.5}, {0.5, 0.5}, {0.5, 1}, {1, 1}});
  CHECK(curves.precision_recall.points == std::vector<CurvePoint>{{0, 1}, {0.5, 1}, {0.5, 2.0 / 3}, {1, 2.0 / 3}});
  CHECK(curves.overlap.points.empty());  // pictures have no regions
}

TEST_CASE("curves: what is undefined has no points") {
  ScoreTable nothing, good;
  CHECK(curves_of(nothing).roc.points.empty());
  good.add_image(0.5f, false);
  CHECK(curves_of(good).roc.points.empty());
  CHECK(curves_of(good).precision_recall.points.empty());
  ScoreTable defective;
  defective.add_image(0.5f, true);
  CHECK(curves_of(defective).roc.points.empty());
  CHECK(curves_of(defective).precision_recall.points == std::vector<CurvePoint>{{0, 1}, {1, 1}});
}

TEST_CASE("curves: the area below is the metric") {
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    CAPTURE(seed);
    ScoreTable many = table_of(random_ranking(seed, 20000, 0));
    check_areas(many);
    ScoreTable tied = table_of(random_ranking(seed, 500, 7));
    check_areas(tied);
    ScoreTable few = table_of(random_ranking(seed, 30, 0));
    check_areas(few);
  }
}

TEST_CASE("curves: pixels, exact and binned, at several limits") {
  Context context({.threads = 1});
  const Pictures p = random_pictures(3, 12, 40);
  for (const bool is_exact : {true, false}) {
    ScoreTable table({.is_exact = is_exact, .max_pages = 6});
    for (index_t i = 0; i < p.n; ++i) table.add_map(context, p.map(i), p.mask(i));
    for (const double limit : {0.3, 0.05, 1.0}) {
      check_areas(table, limit);
      const Curve overlap = curves_of(table, limit).overlap;
      CHECK(overlap.points.front() == CurvePoint{0, 0});
      CHECK(overlap.points.back().x == doctest::Approx(limit));
    }
  }
}

TEST_CASE("curves: no point is further from the drawn line than stated") {
  const Rng rng(5, "walk");
  Curve curve;
  std::vector<CurvePoint> smooth, rough;
  for (index_t i = 0; i <= 5000; ++i) {
    const double x = static_cast<double>(i) / 5000;
    smooth.push_back({x, std::pow(x, 0.2)});
    rough.push_back({x, rng.unit(i)});  // as rough as can be: far more corners than there may be points
  }
  CHECK(largest_distance(thinned(smooth, curve), curve) <= curve.deviation);
  CHECK(curve.points.size() < 60);
  CHECK(curve.deviation < 0.001);
  CHECK(largest_distance(thinned(rough, curve), curve) <= curve.deviation);
  CHECK(curve.points.size() <= CurveThinner::kMostPoints);

  // Up and down on one spot: the line must reach the top although it comes back.
  const std::vector<CurvePoint> spike{{0, 0}, {0.5, 0}, {0.5, 1}, {0.5, 0.2}, {1, 0.2}};
  thinned(spike, curve);
  CHECK(curve.points == spike);
}

TEST_CASE("curves: the precision of random scores, which jumps most where recall is small") {
  Ranking ranking;
  const Rng rng(6, "noise");
  for (index_t i = 0; i < 200000; ++i) {
    ranking.scores.push_back(static_cast<float>(rng.unit(2 * i)));
    ranking.labels.push_back(rng.unit(2 * i + 1) < 0.02 ? 1 : 0);
  }
  ScoreTable table = table_of(ranking);
  check_areas(table);
  CHECK(curves_of(table).precision_recall.deviation < 0.02);
  CHECK(curves_of(table).roc.deviation < 0.01);
}

TEST_CASE("histogram: every picture is counted once, between round numbers") {
  ScoreTable table({.is_exact = true});
  for (const float score : {0.431f, 0.44f, 0.5f, 0.5f, 0.612f}) table.add_image(score, score > 0.49f);
  const ScoreHistogram histogram = histogram_of(table);
  CHECK(histogram.lowest == doctest::Approx(0.42));
  CHECK(histogram.highest == doctest::Approx(0.62));
  std::uint64_t good = 0, defective = 0;
  for (std::size_t i = 0; i < ScoreHistogram::kBins; ++i)
    good += histogram.good[i], defective += histogram.defective[i];
  CHECK(good == 2);
  CHECK(defective == 3);
  CHECK(histogram.defective[histogram.bin_of(0.5)] == 2);
  CHECK(histogram.bin_of(-1) == 0);
  CHECK(histogram.bin_of(2) == ScoreHistogram::kBins - 1);
}

TEST_CASE("histogram: nothing, and equal scores") {
  ScoreTable nothing, equal, far;
  CHECK(histogram_of(nothing).highest == 1);
  equal.add_image(0.25f, true);
  CHECK(histogram_of(equal).lowest == 0);
  CHECK(histogram_of(equal).defective[10] == 1);
  far.add_image(7, true);
  CHECK(histogram_of(far).defective[20] == 1);
  for (const float score : {1e20f, -1e30f, std::numeric_limits<float>::max(), std::numeric_limits<float>::lowest()}) {
    ScoreTable huge;  // one half more or less is the same number
    huge.add_image(score, false);
    const ScoreHistogram histogram = histogram_of(huge);
    CAPTURE(score);
    CHECK(histogram.lowest < static_cast<double>(score));
    CHECK(histogram.highest > static_cast<double>(score));
    CHECK(histogram.good[20] == 1);
  }
  ScoreHistogram empty;
  empty.lowest = empty.highest = 3;
  for (const double score : {2.0, 3.0, 4.0}) CHECK(empty.bin_of(score) == 0);
  CHECK(ScoreHistogram().bin_of(std::numeric_limits<double>::quiet_NaN()) == 0);
}

TEST_CASE("histogram: round steps") {
  for (const double range : {1.0, 0.3, 0.19, 7.0, 0.0004, 2.0, 5.0, 1e-30}) {
    const double parts = range / round_step(range);
    CAPTURE(range);
    CHECK(parts > 4 - 1e-9);
    CHECK(parts < 10 + 1e-9);
  }
}

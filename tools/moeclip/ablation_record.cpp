// SPDX-License-Identifier: MIT
#include "ablation_record.hpp"

#include <cmath>
#include <limits>
#include <moeclip/io/json.hpp>

namespace cli {

using moeclip::concat;
using moeclip::Json;
using moeclip::kComparedMetrics;

namespace {

/// Throws format, missing, unless `scores` has every metric, in [0, 1] or null.
void expect_scores(const Json& scores, const std::string& place) {
  for (const std::string_view name : kComparedMetrics) {
    const Json& score = moeclip::member(scores, name, place);
    if (score.is_null()) continue;
    if (const auto value = moeclip::value_of<double>(score, name, place); !(value >= 0 && value <= 1))
      moeclip::fail(moeclip::ErrorCode::format,
                    concat(place, ": ", name, " is ", value, ", which does not lie between 0 and 1"));
  }
}

/// Throws mismatch unless the two are equal but for what bins and rounding take away.
void expect_near(double said, double found, double error, const std::string& what) {
  constexpr double kRounding = 1e-3;  // a tenth of a point, which decides nothing
  if (std::isnan(said) ? std::isnan(found) : std::abs(said - found) <= error + kRounding) return;
  moeclip::fail(moeclip::ErrorCode::mismatch, concat(what, " is ", said, ", and ", found, " by the run's pictures"));
}

/// Mean over the classes for which the metric is defined; NaN if there is none.
double mean_score(const Json& classes, std::size_t metric) {
  double sum = 0, count = 0;
  for (const Json& row : classes.items())
    if (const double score = score_of(row, metric); !std::isnan(score)) sum += score, count += 1;
  return sum / count;
}

}  // namespace

Json record_of(const AblationRun& run, const AblationResult& result) {
  Json scores = Json::object(), classes = Json::array();
  for (std::size_t m = 0; m < result.scores.size(); ++m) scores.set(std::string(kComparedMetrics[m]), result.scores[m]);
  for (const Json& row : result.classes) classes.push_back(row);
  return Json::object()
      .set("key", run.key)
      .set("variant", run.variant->name)
      .set("seed", run.seed)
      .set("scores", std::move(scores))
      .set("loss", result.loss)
      .set("seconds", result.seconds)
      .set("judge_seconds", result.judge_seconds)
      .set("trained", result.trained)
      .set("bytes", result.bytes)
      .set("classes", std::move(classes));
}

Json read_record(std::string_view line, const std::string& path, std::int64_t number) {
  // empty lines in front, so that an error tells the right one
  Json record = moeclip::parse_json(concat(std::string(static_cast<std::size_t>(number - 1), '\n'), line), path);
  const std::string place = concat(path, ": line ", number);
  const auto key = moeclip::member<std::string>(record, "key", place);
  if (key.empty() || key.find_first_not_of("0123456789abcdef") != std::string::npos)  // it becomes the name of a file
    moeclip::fail(moeclip::ErrorCode::format, concat(place, ": a run has the key ", moeclip::in_quotes(key)));
  static_cast<void>(moeclip::member<std::string>(record, "variant", place));
  static_cast<void>(moeclip::member<std::int64_t>(record, "seed", place));
  for (const char* name : {"seconds", "judge_seconds", "trained", "bytes"})
    if (!(moeclip::member<double>(record, name, place) >= 0))
      moeclip::fail(moeclip::ErrorCode::format, concat(place, ": ", name, " is below 0"));
  expect_scores(moeclip::member(record, "scores", place), place);
  const Json& classes = moeclip::member(record, "classes", place);
  if (!classes.is_array()) moeclip::fail(moeclip::ErrorCode::format, concat(place, ": \"classes\" is no list"));
  for (const Json& row : classes.items()) {
    static_cast<void>(moeclip::member<std::string>(row, "class", place));
    expect_scores(row, place);
  }
  return record;
}

double score_of(const Json& scores, std::size_t metric) {
  const Json& score = scores.at(kComparedMetrics[metric]);
  return score.is_null() ? std::numeric_limits<double>::quiet_NaN() : score.as_number();
}

bool has_same_scores(const Json& a, const Json& b) {
  for (std::size_t m = 0; m < kComparedMetrics.size(); ++m) {
    const double first = score_of(a.at("scores"), m), second = score_of(b.at("scores"), m);
    if (first != second && !(std::isnan(first) && std::isnan(second))) return false;
  }
  return true;
}

void expect_agreement(const Json& record, const moeclip::PictureTable& pictures, const std::string& place) {
  const Json& classes = record.at("classes");
  if (classes.size() != pictures.classes.size())
    moeclip::fail(moeclip::ErrorCode::mismatch, concat(place, ": the run's pictures are of other classes"));
  const std::vector<std::uint32_t> once(pictures.pictures.size(), 1);
  for (std::size_t c = 0; c < classes.size(); ++c) {
    const Json& row = classes.at(c);
    const std::string& name = row.at("class").as_string();
    if (name != pictures.classes[c])
      moeclip::fail(moeclip::ErrorCode::mismatch, concat(place, ": the run's pictures are of other classes"));
    moeclip::ComparedMetrics errors{};
    const auto found = moeclip::resampled_metrics(pictures, static_cast<moeclip::index_t>(c), once, &errors);
    for (std::size_t m = 0; m < found.size(); ++m)
      expect_near(score_of(row, m), found[m], errors[m], concat(place, ": ", kComparedMetrics[m], " of ", name));
  }
  for (std::size_t m = 0; m < kComparedMetrics.size(); ++m)
    expect_near(score_of(record.at("scores"), m), mean_score(classes, m), 0, concat(place, ": ", kComparedMetrics[m]));
}

}  // namespace cli

// SPDX-License-Identifier: MIT
#pragma once
// What an evaluation found: a row per class (or variant of one), the mean of each data set, and the mean of these
// means. Also the merging of shards into the whole.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../base/lists.hpp"
#include "run_file.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A row of the table, under each protocol that was run.
struct RunRow {
  std::string set, name;  ///< of the mean of a data set: "mean"
  std::string key;        ///< of its tables in EvaluationRun::standard and released; empty for a mean
  index_t failures = 0;   ///< pictures that could not be read
  std::optional<ClassResult> standard, released;  ///< nothing: that protocol was not run
};

/// All rows, data set by data set.
struct RunResults {
  /// A data set.
  struct Set {
    std::string name;          ///< as in PictureRecord::set
    std::vector<RunRow> rows;  ///< by name
    RunRow mean;               ///< of its rows
  };
  std::vector<Set> sets;  ///< by name
  RunRow mean;            ///< of the data sets' means; of one data set: its mean
};

/// Measures a run. Of exact tables this sorts the scores.
RunResults results_of(EvaluationRun& run);

/// {"value": 0.9, "error": 1e-6} or {"value": null, "reason": "nothing is anomalous"}
Json to_json(const Metric& metric);

/// What results.json holds: settings, rows, means. No times and no places, so that equal runs give equal bytes.
Json to_json(const RunResults& results, const EvaluationRun& run);

/// The evaluation whose shards are in `paths`: the same bytes as if one process had judged everything. Throws missing
/// or mismatch, saying what does not fit, and as read_run does.
EvaluationRun merge_shards(std::span<const std::string> paths);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EVAL)

#include <cmath>
#include <map>
#include <utility>

#include "../io/weights.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// The mean of rows, with the name `name`.
inline RunRow mean_row(std::span<const RunRow> rows, std::string set, std::string name) {
  RunRow mean{std::move(set), std::move(name), "", 0, {}, {}};
  for (const RunRow& row : rows) mean.failures += row.failures;
  for (std::optional<ClassResult> RunRow::*protocol : {&RunRow::standard, &RunRow::released}) {
    std::vector<ClassResult> results;
    for (const RunRow& row : rows)
      if (row.*protocol) results.push_back(*(row.*protocol));
    if (results.empty()) continue;
    mean.*protocol = mean_of(results);
    (mean.*protocol)->name = mean.name;
  }
  return mean;
}

}  // namespace detail

MOECLIP_FUNC RunResults results_of(EvaluationRun& run) {
  std::map<std::string, std::map<std::string, index_t>> sets;  // rows and what failed in them
  std::map<std::string, bool> is_judged;                       // row keys
  for (const auto& [key, record] : run.pictures) {
    sets[record.set][record.row] += record.is_judged() ? 0 : 1;
    is_judged[record.row_key()] |= record.is_judged();
  }
  RunResults results;
  std::vector<RunRow> means;
  for (const auto& [set, names] : sets) {
    RunResults::Set& found = results.sets.emplace_back();
    found.name = set;
    for (const auto& [name, failures] : names) {
      RunRow row{set, name, concat(set, "/", name), failures, {}, {}};
      if (is_judged[row.key]) {
        if (run.standard) row.standard = run.standard->result(row.key);
        if (run.released) row.released = run.released->result(row.key);
        for (auto* result : {&row.standard, &row.released})
          if (*result) (*result)->name = name;
      }
      found.rows.push_back(std::move(row));
    }
    found.mean = detail::mean_row(found.rows, set, "mean");
    means.push_back(found.mean);
  }
  results.mean = detail::mean_row(means, "", "mean");
  return results;
}

MOECLIP_FUNC Json to_json(const Metric& metric) {
  if (!metric.is_defined()) return Json::object().set("value", nullptr).set("reason", metric.undefined);
  return Json::object().set("value", metric.value).set("error", metric.error);
}

namespace detail {

inline Json metrics_json(const Metrics& metrics, bool has_regions) {
  Json json = Json::object();
  json.set("auroc", moeclip::to_json(metrics.auroc)).set("ap", moeclip::to_json(metrics.average_precision));
  json.set("f1_max", moeclip::to_json(metrics.f1_max)).set("f1_threshold", metrics.f1_threshold);  // NaN: null
  if (has_regions) json.set("aupro", moeclip::to_json(metrics.aupro));
  return json;
}

inline Json result_json(const ClassResult& result) {
  Json json = Json::object();
  json.set("image", metrics_json(result.image, false)).set("pixel", metrics_json(result.pixel, true));
  if (!result.released) return json;
  const ReleasedRow& row = *result.released;
  const auto rounded = [](Metric metric) {  // to two decimals of percent, as tables are published
    metric.value = std::round(100 * metric.value) / 100;
    return moeclip::to_json(metric);
  };
  return json.set("percent_as_released", Json::object()
                                             .set("image_auroc", rounded(row.image_auroc))
                                             .set("image_ap", rounded(row.image_average_precision))
                                             .set("pixel_auroc", rounded(row.pixel_auroc))
                                             .set("pixel_ap", rounded(row.pixel_average_precision)));
}

inline Json row_json(const RunRow& row) {
  Json json = Json::object();
  json.set("set", row.set).set("name", row.name);
  const auto& counts = row.standard ? row.standard : row.released;
  if (counts)
    json.set("pictures", counts->pictures).set("anomalous", counts->anomalous).set("unmarked", counts->unmarked);
  json.set("failed", row.failures);
  if (row.standard) json.set("default", result_json(*row.standard));
  if (row.released) json.set("released", result_json(*row.released));
  return json;
}

}  // namespace detail

MOECLIP_FUNC Json to_json(const RunResults& results, const EvaluationRun& run) {
  Json rows = Json::array(), means = Json::array();
  for (const RunResults::Set& set : results.sets) {
    for (const RunRow& row : set.rows) rows.push_back(detail::row_json(row));
    means.push_back(detail::row_json(set.mean));
  }
  const auto trained_on = lists::count_if(run.pictures, [](const auto& entry) { return entry.second.was_trained_on; });
  return Json::object()
      .set("settings", to_json(run.settings))
      .set("isa", run.isa)
      .set("pictures", std::ssize(run.pictures))
      .set("failed", run.failures())
      .set("trained_on", trained_on)
      .set("rows", std::move(rows))
      .set("means", std::move(means))
      .set("mean", detail::row_json(results.mean));
}

namespace detail {

/// Throws mismatch unless the files are the shards of one evaluation, each once, all complete.
inline void expect_all_shards(std::span<const std::string> paths, std::span<const RunManifest> manifests) {
  const RunManifest& first = manifests.front();
  std::map<index_t, std::string> by_number;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const RunManifest& manifest = manifests[i];
    const auto refuse = [&](const auto&... why) { fail(ErrorCode::mismatch, concat(paths[i], ": ", why...)); };
    if (const std::string differences = settings_differences(manifest.settings, first.settings); !differences.empty())
      refuse("is of another evaluation than ", paths[0], ": ", differences);
    if (manifest.shard.count != first.shard.count)
      refuse("is one of ", counted(manifest.shard.count, "shard"), ", ", paths[0], " one of ", first.shard.count);
    const auto [place, is_new] = by_number.emplace(manifest.shard.number, paths[i]);
    if (!is_new) refuse("is shard ", manifest.shard.number, ", as ", place->second, " is");
    if (manifest.done != manifest.assigned)
      refuse("shard ", manifest.shard.number, " is not finished: ", manifest.done, " of ",
             counted(manifest.assigned, "picture"), "; go on with it by --resume");
  }
  constexpr int kNamed = 20;
  std::string missing;
  index_t count = 0;
  for (index_t number = 1; number <= first.shard.count; ++number)
    if (!by_number.contains(number) && count++ < kNamed) missing += concat(missing.empty() ? "" : ", ", number);
  if (count > 0)
    fail(ErrorCode::missing,
         concat("of ", counted(first.shard.count, "shard"), " ", count == 1 ? "one is" : "some are",
                " missing: ", missing, count > kNamed ? concat(" and ", count - kNamed, " more") : ""));
}

}  // namespace detail

MOECLIP_FUNC EvaluationRun merge_shards(std::span<const std::string> paths) {
  MOECLIP_EXPECT(!paths.empty(), "there are no shards to merge");
  std::vector<RunManifest> manifests;
  for (const std::string& path : paths) manifests.push_back(read_manifest(WeightFile::open(path)));
  detail::expect_all_shards(paths, manifests);
  std::set<std::string> isas;
  EvaluationRun whole(manifests.front().settings, {}, manifests.front().settings.pictures);
  for (const std::string& path : paths) {
    EvaluationRun part = read_run(path);
    isas.insert(part.isa);
    merge_run(whole, std::move(part), path);
  }
  whole.isa.clear();
  for (const std::string& isa : isas) whole.isa += concat(whole.isa.empty() ? "" : "+", isa);
  if (!whole.is_complete())
    fail(ErrorCode::mismatch,
         concat("the shards hold ", counted(whole.pictures.size(), "picture"), ", the data set has ", whole.assigned));
  return whole;
}

}}  // namespace moeclip::abi_v0_1

#endif

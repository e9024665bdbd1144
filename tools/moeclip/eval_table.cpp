// SPDX-License-Identifier: MIT
// What `moeclip eval` and `moeclip merge` print and write.

#include <algorithm>
#include <moeclip/io/json_writer.hpp>
#include <optional>
#include <set>

#include "commands.hpp"
#include "eval.hpp"

namespace cli {
namespace {

using moeclip::concat;
using moeclip::fixed;
using moeclip::index_t;
using moeclip::Json;
using moeclip::Metric;

std::size_t letters_of(const std::string& text) {  // characters of UTF-8, not bytes
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

constexpr MetricColumn kDefaultColumns[] = {
    {"image_auroc", "AUROC", [](const moeclip::ClassResult& r) -> const Metric& { return r.image.auroc; }},
    {"image_ap", "AP", [](const moeclip::ClassResult& r) -> const Metric& { return r.image.average_precision; }},
    {"image_f1_max", "F1-max", [](const moeclip::ClassResult& r) -> const Metric& { return r.image.f1_max; }},
    {"pixel_auroc", "px AUROC", [](const moeclip::ClassResult& r) -> const Metric& { return r.pixel.auroc; }},
    {"pixel_ap", "px AP", [](const moeclip::ClassResult& r) -> const Metric& { return r.pixel.average_precision; }},
    {"pixel_f1_max", "px F1-max", [](const moeclip::ClassResult& r) -> const Metric& { return r.pixel.f1_max; }},
    {"aupro", "px AUPRO", [](const moeclip::ClassResult& r) -> const Metric& { return r.pixel.aupro; }}};

constexpr MetricColumn kReleasedColumns[] = {
    {"image_auroc", "AUROC", [](const moeclip::ClassResult& r) -> const Metric& { return r.released->image_auroc; }, 1},
    {"image_ap", "AP",
     [](const moeclip::ClassResult& r) -> const Metric& { return r.released->image_average_precision; }, 1},
    {"pixel_auroc", "px AUROC", [](const moeclip::ClassResult& r) -> const Metric& { return r.released->pixel_auroc; },
     1},
    {"pixel_ap", "px AP",
     [](const moeclip::ClassResult& r) -> const Metric& { return r.released->pixel_average_precision; }, 1}};

/// A table under one protocol, with what must be said about its figures.
class TableWriter {
 public:
  TableWriter(std::span<const MetricColumn> columns, std::optional<moeclip::ClassResult> moeclip::RunRow::*protocol)
      : columns_(columns), protocol_(protocol) {
    std::vector<std::string> head{"", "pictures"};
    for (const MetricColumn& column : columns) head.emplace_back(column.title);
    rows_.push_back(std::move(head));
  }

  void add(const moeclip::RunRow& row, const std::string& name) {
    const auto& result = row.*protocol_;
    std::vector<std::string> cells{printable(name), concat(result ? result->pictures : 0)};
    for (const MetricColumn& column : columns_) {
      if (!result) {
        cells.emplace_back("-");
        continue;
      }
      const Metric& metric = column.get(*result);
      if (metric.is_defined()) {
        cells.push_back(fixed(column.factor * metric.value, 1));
        largest_error_ = std::max(largest_error_, column.factor * metric.error);
      } else {
        cells.emplace_back("-");
        if (!row.key.empty()) note(metric.undefined, name);
      }
    }
    rows_.push_back(std::move(cells));
  }

  [[nodiscard]] std::string text() const {
    std::string text = in_columns(rows_);
    for (const auto& [reason, names] : undefined_) text += concat("- ", reason, ": ", names, "\n");
    if (largest_error_ > 0)
      text += concat("Pixel scores are counted in bins: no figure is off by more than ", fixed(largest_error_, 4),
                     " points (--exact has no such error).\n");
    return text;
  }

 private:
  void note(const std::string& reason, const std::string& name) {
    for (auto& [known, names] : undefined_)
      if (known == reason) {
        if (last_noted_ != name) names += concat(", ", printable(name));
        last_noted_ = name;
        return;
      }
    undefined_.emplace_back(reason, printable(name));
    last_noted_ = name;
  }

  std::span<const MetricColumn> columns_;
  std::optional<moeclip::ClassResult> moeclip::RunRow::*protocol_;
  TableRows rows_;
  double largest_error_ = 0;
  std::vector<std::pair<std::string, std::string>> undefined_;  // reason, rows
  std::string last_noted_;
};

std::string table_text(const moeclip::RunResults& results, std::span<const MetricColumn> columns,
                       std::optional<moeclip::ClassResult> moeclip::RunRow::*protocol) {
  TableWriter table(columns, protocol);
  const bool are_many = results.sets.size() > 1;
  for (const moeclip::RunResults::Set& set : results.sets) {
    for (const moeclip::RunRow& row : set.rows)
      table.add(row, are_many ? concat(set.name, "/", row.name) : row.name == "mean" ? "mean (a class)" : row.name);
    table.add(set.mean, are_many ? concat(set.name, " mean") : "mean");
  }
  if (are_many) table.add(results.mean, "mean of the sets");
  return table.text();
}

/// True if a row has good pictures only, or defective ones only.
bool has_one_label(const moeclip::RunResults& results) {
  return std::ranges::any_of(results.sets, [](const moeclip::RunResults::Set& set) {
    return std::ranges::any_of(
        set.rows, [](const moeclip::RunRow& row) { return row.released && !row.released->image.auroc.is_defined(); });
  });
}

}  // namespace

std::span<const MetricColumn> default_columns() { return kDefaultColumns; }

std::string in_columns(const TableRows& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], letters_of(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string blanks(widths[i] - letters_of(row[i]), ' ');
      text += i == 0 ? row[i] + blanks : concat("  ", blanks, row[i]);
    }
    while (text.ends_with(' ')) text.pop_back();
    text += "\n";
  }
  return text;
}

PictureScoreMap picture_scores(const moeclip::EvaluationRun& run) {
  PictureScoreMap scores;
  std::map<std::string, std::pair<moeclip::ReleasedScores, std::vector<PictureScoreMap::key_type>>>
      rows;  // and keys, in order
  for (const auto& [key, record] : run.pictures) {
    if (!record.is_judged()) continue;
    scores[key] = record.score;
    if (run.settings.has_default) continue;
    auto& [released, keys] = rows.try_emplace(record.row_key(), moeclip::ReleasedScores(run.settings.domain),
                                              std::vector<PictureScoreMap::key_type>())
                                 .first->second;
    released.add_picture(record.reference, record.class_score, record.label != 0);
    keys.push_back(key);
  }
  for (const auto& [row, scored] : rows) {
    const std::vector<float> stretched = scored.first.image_scores();
    for (std::size_t i = 0; i < stretched.size(); ++i) scores[scored.second[i]] = stretched[i];
  }
  return scores;
}

std::optional<float> common_threshold(const EvalModel& model, float of_all) {
  std::set<float> known;
  for (const auto& [name, memory] : model.memories) known.insert(memory.record.threshold);
  if (model.memories.empty()) known.insert(model.threshold_of("", of_all));
  if (known.size() > 1 || known.contains(moeclip::kNoThreshold)) return std::nullopt;
  return *known.begin();
}

Verdicts verdicts_of(const FinishedEval& finished) {
  Verdicts verdicts;
  const PictureScoreMap scores = picture_scores(finished.run);
  for (const auto& [key, record] : finished.run.pictures) {
    if (!record.is_judged()) continue;
    const float threshold = finished.model == nullptr
                                ? finished.threshold
                                : finished.model->threshold_of(record.class_name, finished.threshold);
    if (threshold == moeclip::kNoThreshold) continue;  // a single good picture gives no verdicts
    (record.label != 0 ? verdicts.defective : verdicts.good) += 1;
    if (scores.at(key) >= threshold) (record.label != 0 ? verdicts.found : verdicts.false_positives) += 1;
  }
  return verdicts;
}

std::string state_name(const moeclip::Shard& shard) {
  return shard.count == 1 ? "state.safetensors" : concat("shard-", shard.number, "-of-", shard.count, ".safetensors");
}

void write_evaluation(const std::string& folder, FinishedEval& finished) {
  moeclip::create_directories(folder);
  const auto write = [&](const char* name, const std::string& text) {
    moeclip::write_file(moeclip::join_path(folder, name), moeclip::as_bytes(text));
  };
  moeclip::write_run(moeclip::join_path(folder, state_name(finished.run.shard)), finished.run);
  write(kPicturesFile, moeclip::picture_lines(finished.run));
  write(kResultsFile, moeclip::dump_json(to_json(finished.results, finished.run), 1) + "\n");
}

std::string results_text(const FinishedEval& finished) {
  const moeclip::EvaluationRun& run = finished.run;
  std::string text;
  if (run.standard)
    text += concat("Default protocol, percent (no picture's score depends on another's)\n",
                   table_text(finished.results, kDefaultColumns, &moeclip::RunRow::standard));
  if (run.released)
    text += concat(text.empty() ? "" : "\n", "Released protocol (",
                   run.settings.domain == moeclip::Domain::medical ? "medical" : "industrial",
                   "), percent, scored and rounded as the official code does\n",
                   table_text(finished.results, kReleasedColumns, &moeclip::RunRow::released),
                   has_one_label(finished.results) ? "Of pictures with one label only, AUROC and AP are 0 here: so the "
                                                     "official code reports them, and takes means of them.\n"
                                                   : "");
  if (run.standard) {
    const Verdicts verdicts = verdicts_of(finished);
    const bool is_default =
        finished.model != nullptr && finished.model->threshold_source(*finished.settings) == "default";
    text += concat("\n", threshold_words(finished),
                   is_default ? " (the default; `moeclip calibrate` finds one for your pictures): " : ": ",
                   verdict_words(verdicts, ", "), ".\n");
  }
  if (const index_t failures = run.failures(); failures > 0)
    text += concat(moeclip::counted(failures, "picture"), " could not be read; no figure knows of them.\n");
  for (const std::string& note : finished.notes) text += concat("Note: ", printable(note), ".\n");
  return text;
}

std::string verdict_words(const Verdicts& verdicts, std::string_view joint) {
  const auto is_or_are = [](index_t count) { return count == 1 ? " is " : " are "; };
  return concat(verdicts.found, " of ", moeclip::counted(verdicts.defective, "defective picture"),
                is_or_are(verdicts.defective), "found", joint, verdicts.false_positives, " of ",
                moeclip::counted(verdicts.good, "good one"), is_or_are(verdicts.good), "called defective");
}

std::string threshold_words(const FinishedEval& finished) {
  const bool is_of_good =
      finished.model != nullptr && finished.model->threshold_source(*finished.settings) == "good pictures";
  return is_of_good ? "At the threshold of its good pictures" : concat("At the threshold ", finished.threshold);
}

namespace {

/// Threshold and promise of the good pictures of each class, and how many they are.
Json memories_json(const EvalModel& model) {
  Json list = Json::array();
  for (const auto& [name, memory] : model.memories) {
    const moeclip::MemoryRecord& record = memory.record;
    const bool has_threshold = record.threshold != moeclip::kNoThreshold;
    list.push_back(Json::object()
                       .set("class", name)
                       .set("pictures", record.pictures)
                       .set("things", std::ssize(record.held_out))
                       .set("threshold", has_threshold ? Json(record.threshold) : Json())
                       .set("false_positive_rate", has_threshold ? promise_json(record) : Json()));
  }
  return list;
}

}  // namespace

void print_evaluation(const FinishedEval& finished, const std::string& folder, bool is_json) {
  if (!is_json) {
    print(results_text(finished));
    return;
  }
  Json json = to_json(finished.results, finished.run);
  if (finished.run.standard) {
    const Verdicts verdicts = verdicts_of(finished);
    const EvalModel* const model = finished.model;
    const auto threshold =
        model == nullptr ? std::optional(finished.threshold) : common_threshold(*model, finished.threshold);
    if (model != nullptr && !model->memories.empty()) json.set("good_pictures", memories_json(*model));
    json.set("threshold", threshold ? Json(*threshold) : Json())
        .set("verdicts", Json::object()
                             .set("good", verdicts.good)
                             .set("false_positives", verdicts.false_positives)
                             .set("defective", verdicts.defective)
                             .set("found", verdicts.found));
  }
  Json notes = Json::array();
  for (const std::string& note : finished.notes) notes.push_back(note);
  json.set("notes", std::move(notes)).set("out", folder.empty() ? Json() : Json(folder));
  json.set("seconds", finished.seconds);
  print(moeclip::dump_json(json) + "\n");
}

}  // namespace cli

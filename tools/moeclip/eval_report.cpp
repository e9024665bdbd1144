// SPDX-License-Identifier: MIT
#include "eval_report.hpp"

#include <moeclip/anomaly/load_detector.hpp>
#include <moeclip/explain/inspect.hpp>
#include <moeclip/io/text_file.hpp>

#include "commands.hpp"
#include "picture_report.hpp"
#include "tiny_model.hpp"

namespace cli {

using moeclip::concat;
using moeclip::fixed;
using moeclip::index_t;
using moeclip::Json;

namespace {

/// "NAME=FILE" in two parts.
std::pair<std::string, std::string> named_file(const std::string& text) {
  const std::size_t place = text.find('=');
  if (place == std::string::npos || place == 0 || place + 1 == text.size())
    throw UsageError(concat("--beside wants NAME=FILE, not '", text, "'"));
  return {text.substr(0, place), text.substr(place + 1)};
}

std::string row_name(const moeclip::RunRow& row, const moeclip::RunResults& results) {
  return results.sets.size() > 1 ? concat(row.set, "/", row.name) : row.name;
}

/// The result of a row under both protocols in one, as far as they were run; curves and scores are of the default one
/// if it was.
moeclip::ClassResult both_protocols(const moeclip::RunRow& row, std::string name) {
  moeclip::ClassResult result = row.standard ? *row.standard : *row.released;
  result.name = std::move(name);
  if (row.released) result.released = row.released->released;
  return result;
}

/// The threshold of a row whose class has a memory of its own.
std::optional<double> own_threshold(const FinishedEval& finished, const std::string& set, const std::string& row) {
  if (finished.model == nullptr || !finished.model->has_memory()) return std::nullopt;
  for (const auto& [key, record] : finished.run.pictures)
    if (record.set == set && record.row == row)
      return static_cast<double>(finished.model->threshold_of(record.class_name, finished.threshold));
  return std::nullopt;
}

/// Rows with their curves.
void add_classes(moeclip::Report& report, FinishedEval& finished) {
  moeclip::Evaluation& scores = finished.run.standard ? *finished.run.standard : *finished.run.released;
  std::vector<moeclip::ClassResult> rows;
  for (const moeclip::RunResults::Set& set : finished.results.sets)
    for (const moeclip::RunRow& row : set.rows) {
      if (!row.standard && !row.released) continue;
      rows.push_back(both_protocols(row, row_name(row, finished.results)));
      report.classes.push_back(report_class(rows.back(), scores.image_table(row.key), scores.pixel_table(row.key)));
      report.classes.back().threshold = own_threshold(finished, set.name, row.name);
    }
  report.mean = moeclip::mean_of(rows);
}

void add_pictures(moeclip::Report& report, const FinishedEval& finished) {
  const bool are_many = finished.results.sets.size() > 1;
  const PictureScoreMap scores = picture_scores(finished.run);
  for (const auto& [key, record] : finished.run.pictures) {
    if (!record.is_judged()) continue;
    moeclip::ReportPicture& picture = report.pictures.emplace_back();
    picture.path = are_many ? concat(record.set, "/", record.path) : record.path;
    picture.class_name = are_many ? concat(record.set, "/", record.row) : record.row;
    picture.is_defective = record.label != 0;
    const float score = scores.at(key);
    picture.score = static_cast<double>(score);
    picture.is_flagged =
        score >= (finished.model == nullptr ? finished.threshold
                                            : finished.model->threshold_of(record.class_name, finished.threshold));
    picture.seconds = record.seconds;
  }
}

/// Where the pictures of the report come from: the data's, in the report's order.
std::vector<const EvalPicture*> judged_pictures(const FinishedEval& finished) {
  std::vector<const EvalPicture*> pictures;  // both are sorted by key
  for (const EvalPicture& picture : finished.data->pictures) {
    const auto record = finished.run.pictures.find(picture.record.key());
    if (record != finished.run.pictures.end() && record->second.is_judged()) pictures.push_back(&picture);
  }
  return pictures;
}

/// Pixels from here on are counted as abnormal in the figures: where the F1 of the class' pixels is best.
std::optional<float> pixel_threshold(const moeclip::Report& report, const std::string& class_name) {
  for (const moeclip::ReportClass& row : report.classes)
    if (row.result.name == class_name && row.result.pixel.f1_max.is_defined())
      return static_cast<float>(row.result.pixel.f1_threshold);
  return std::nullopt;
}

ShownPictures read_shown(const FinishedEval& finished, const moeclip::Report& report) {
  const std::vector<const EvalPicture*> pictures = judged_pictures(finished);
  ShownPictures shown{moeclip::shown_pictures(report), {}, {}};
  for (const std::size_t i : shown.places) {
    shown.classes.push_back(pictures[i]->record.class_name);
    shown.samples.push_back(moeclip::load_sample(pictures[i]->entry, finished.model->settings.images));
  }
  return shown;
}

/// Figures and sentences for those pictures, and the section about the experts.
void look_at_pictures(moeclip::Context& context, const EvalModel& model, const ShownPictures& shown,
                      moeclip::Report& report) {
  CloseLooks looks(context, *model.detector);
  Progress progress("report", shown.places.size());
  for (std::size_t i = 0; i < shown.places.size(); ++i) {
    moeclip::ReportPicture& picture = report.pictures[shown.places[i]];
    const std::string& name = shown.classes[i];
    progress.step(concat("report: ", picture.path));
    const auto anchors = model.detector->anchors(name, model.words.prompts(name));
    looks.look({shown.samples[i], model.words.words(name), anchors, pixel_threshold(report, picture.class_name)},
               picture);
  }
  looks.add_section(
      report, "Experts",
      concat("What the experts did on the ", moeclip::counted(shown.places.size(), "picture"), " that are shown."));
}

/// A section about the experts of another adapter ("NAME=FILE") on the same pictures.
void add_other_adapter(moeclip::Context& context, const FinishedEval& finished, const ShownPictures& shown,
                       const std::string& other, moeclip::Report& report) {
  const auto [name, path] = named_file(other);
  const std::string& clip = finished.settings->clip;
  const moeclip::ClassWords& words = finished.model->words;
  moeclip::DetectorOptions options = finished.model->detector->options();
  options.activation.reset();  // each adapter says what it was trained with
  if (moeclip::records_switches(moeclip::WeightFile::open(path))) options.adapter = {};
  finished.settings->adapter_flags.say_assumed(path);
  const auto detector = moeclip::Detector::load(clip.empty() ? find_tiny(kTinyClip) : clip, path, options);
  CloseLooks looks(context, detector);
  for (std::size_t i = 0; i < shown.samples.size(); ++i)
    looks.count(shown.samples[i], detector.anchors(shown.classes[i], words.prompts(shown.classes[i])));
  looks.add_section(report, concat("Experts: ", name), concat("The experts of ", path, " on the same pictures."));
}

/// "86.8 \u00b1 1.7", or a dash where a metric is undefined.
std::string spread(const Json& metric, const char* mean, const char* deviation, bool has_sign) {
  if (metric.at(mean).is_null() || metric.at(deviation).is_null()) return "-";
  const double value = metric.at(mean).as_number();
  return concat(has_sign && value >= 0 ? "+" : "", fixed(100 * value, 1), " \u00b1 ",
                fixed(100 * metric.at(deviation).as_number(), 1));
}

/// What `moeclip ablate --json` printed. Throws format if it is something else.
Json read_ablation(const std::string& path) {
  constexpr std::uint64_t kLargest = std::uint64_t{1} << 26;
  Json root = moeclip::parse_json(moeclip::read_text_file(path, kLargest), path);
  const Json* const variants = root.is_object() ? root.find("variants") : nullptr;
  if (variants == nullptr || !variants->is_array() || variants->size() == 0)
    moeclip::fail(moeclip::ErrorCode::format, concat(path, ": is not what `moeclip ablate --json` prints"));
  return root;
}

/// The same as a table.
void add_ablation(const std::string& path, moeclip::Report& report) {
  const Json root = read_ablation(path);
  constexpr std::array<std::array<const char*, 2>, 5> kMetrics{{{"image_auroc", "image AUROC"},
                                                                {"image_ap", "image AP"},
                                                                {"pixel_auroc", "pixel AUROC"},
                                                                {"pixel_ap", "pixel AP"},
                                                                {"aupro", "AUPRO"}}};
  moeclip::ReportTable scores{"Scores", "Percent, mean and standard deviation over the seeds.", {"variant"}, {}}, gains;
  for (const auto& [key, name] : kMetrics) scores.head.emplace_back(name);
  gains = scores;
  gains.title = "What the first variant gains over the others";
  gains.note = "Percentage points on the same seeds.";
  for (const Json& variant : root.at("variants").items()) {
    std::vector<std::string> row{variant.at("name").as_string()}, gain = row;
    for (const auto& [key, name] : kMetrics) {
      const Json& metric = variant.at("metrics").at(key);
      row.push_back(spread(metric, "mean", "std", false));
      gain.push_back(spread(metric, "gain_of_first", "gain_std", true));
    }
    if (!scores.rows.empty()) gains.rows.push_back(std::move(gain));
    scores.rows.push_back(std::move(row));
  }
  report.sections.push_back({"Ablation", "What the parts of the method are worth, from " + path + ".", {}, {}});
  report.sections.back().tables = {std::move(scores), std::move(gains)};
}

std::string summary_of(const moeclip::Report& report, const FinishedEval& finished) {
  const Verdicts verdicts = verdicts_of(finished);
  return concat(threshold_words(finished), ", ", verdict_words(verdicts, " and "),
                ". AUROC, mean over classes: pictures ", metric_percent(report.mean.image.auroc), ", pixels ",
                metric_percent(report.mean.pixel.auroc), ".",
                finished.run.failures() > 0 ? concat(" ", moeclip::counted(finished.run.failures(), "picture"),
                                                     " could not be read; they are listed at the end.")
                                            : "");
}

void add_sources(const FinishedEval& finished, moeclip::Report& report) {
  const moeclip::RunSettings& settings = finished.run.settings;
  const auto add = [&](const char* name, std::string value) { report.provenance.emplace_back(name, std::move(value)); };
  add("CLIP", settings.clip);
  add("adapter", settings.adapter);
  add("list of pictures", settings.data);
  add("sentences", settings.words);
  add("image size", concat(settings.image_size));
  add("protocol", !finished.run.released   ? "default"
                  : !finished.run.standard ? "released: scores are stretched over all pictures of a class"
                                           : "both");
  for (const std::string& note : finished.notes) add("note", note);
  for (const auto& [key, record] : finished.run.pictures)
    if (!record.is_judged()) add("could not be read", concat(record.set, "/", record.path, " (", record.error, ")"));
}

}  // namespace

void EvalReportSettings::declare(Options& options) {
  options.value("report", path, "FILE.html", "write a report with curves, pictures and explanations, all in one file");
  options.repeated("beside", adapters, "NAME=FILE",
                   "in the report: the experts of another adapter of the same CLIP on the same pictures");
  options.value("ablation", ablation, "FILE", "in the report: what `moeclip ablate --json` printed");
}

void EvalReportSettings::finish(bool is_forced) const {
  if (path.empty() && (!adapters.empty() || !ablation.empty()))
    throw UsageError("--beside and --ablation are parts of a --report FILE");
  for (const std::string& adapter : adapters) moeclip::WeightFile::open(named_file(adapter).second);
  if (!ablation.empty()) read_ablation(ablation);
  if (!path.empty()) expect_writable(path, is_forced);
}

void write_eval_report(const EvalReportSettings& s, FinishedEval& finished, Words words) {
  moeclip::Report report;
  report.title = "Evaluation";
  for (const moeclip::RunResults::Set& set : finished.results.sets)
    report.title += concat(report.title == "Evaluation" ? " of " : ", ", set.name);
  report.threshold = static_cast<double>(finished.threshold);
  add_classes(report, finished);
  add_pictures(report, finished);
  report.summary = summary_of(report, finished);
  if (finished.model != nullptr && finished.model->detector) {  // a file has no text tower to explain with
    moeclip::Context context({.threads = static_cast<int>(finished.settings->threads)});
    const ShownPictures shown = read_shown(finished, report);
    if (finished.model->memories.empty())
      look_at_pictures(context, *finished.model, shown, report);
    else
      compare_with_good(context, *finished.model, shown, report);
    for (const std::string& other : s.adapters) add_other_adapter(context, finished, shown, other, report);
  }
  if (!s.ablation.empty()) add_ablation(s.ablation, report);
  add_sources(finished, report);
  add_provenance(report, finished.model != nullptr ? "eval" : "merge", words, finished.seconds);
  moeclip::write_report(s.path, report);
}

void publish_evaluation(FinishedEval& finished, const EvalOutputs& outputs) {
  print_evaluation(finished, outputs.folder, outputs.is_json);
  const auto tell = [&](const std::string& path) {
    if (!outputs.is_json) print(concat(printable(path), "\n"));
  };
  if (!outputs.folder.empty()) {
    write_evaluation(outputs.folder, finished);
    tell(moeclip::join_path(outputs.folder, kResultsFile));
  }
  if (outputs.report.path.empty()) return;
  write_eval_report(outputs.report, finished, outputs.words);
  tell(outputs.report.path);
}

}  // namespace cli

// SPDX-License-Identifier: MIT
// The report of an evaluation by good pictures: what the abnormal patches of a picture were compared with.

#include <moeclip/explain/inspection_figures.hpp>
#include <moeclip/memory/evidence.hpp>
#include <moeclip/memory/learn.hpp>

#include "commands.hpp"
#include "eval_report.hpp"

namespace cli {

using moeclip::concat;
using moeclip::fixed;

namespace {

std::string three_digits(float value) { return fixed(static_cast<double>(value), 3); }

std::string verdict_sentence(const moeclip::Detection& found, const moeclip::MemoryRecord& record) {
  const std::string score = concat("Score ", three_digits(found.score));
  if (record.threshold == moeclip::kNoThreshold) return concat(score, "; a single good picture gives no threshold.");
  return concat(score, found.is_anomalous ? " reaches" : " stays below", " the threshold ",
                three_digits(record.threshold), " of ", moeclip::counted(record.pictures, "good picture"), ": ",
                found.is_anomalous ? "defective." : "good.");
}

moeclip::ReportTable good_table(const EvalModel& model) {
  moeclip::ReportTable table{"Good pictures",
                             "Things: pictures that are alike but for light, place, turning and mirroring count once. "
                             "False alarms: of new good pictures, as so many can promise them.",
                             {"class", "pictures", "things", "patches", "threshold", "expected %", "at most % (95 %)"},
                             {}};
  for (const auto& [name, memory] : model.memories) {
    const moeclip::MemoryRecord& record = memory.record;
    const moeclip::RateInterval rate = moeclip::promised_rate(record);
    const bool has_threshold = record.threshold != moeclip::kNoThreshold;
    table.rows.push_back({name, concat(record.pictures), concat(std::max<std::size_t>(1, record.held_out.size())),
                          concat(memory.patches.size()), has_threshold ? three_digits(record.threshold) : "-",
                          has_threshold ? fixed(100 * rate.estimate, 1) : "-",
                          has_threshold ? fixed(100 * rate.high, 1) : "-"});
  }
  return table;
}

/// The same for the pictures `members` of one class.
void compare_class(moeclip::Context& context, const EvalModel& model, const ShownPictures& shown,
                   const std::vector<std::size_t>& members, moeclip::Report& report) {
  const std::string& name = shown.classes[members.front()];
  const moeclip::PatchMemory<float>& memory = model.memories.at(name);
  std::optional<moeclip::TextAnchors<float>> anchors;
  if (memory.record.text_weight > 0) anchors = model.detector->anchors(name, model.words.prompts(name));
  std::vector<moeclip::Evidence<float>> evidence;
  moeclip::Detection found;
  for (const std::size_t i : members) {
    const moeclip::Sample& sample = shown.samples[i];
    moeclip::ReportPicture& picture = report.pictures[shown.places[i]];
    moeclip::detect_by_memory<float>(context, *model.detector, memory, anchors ? &*anchors : nullptr,
                                     sample.picture.view(), found);
    moeclip::InspectionFigureOptions options;
    if (sample.mask.width() > 0) options.truth = sample.mask.view();
    if (found.pixel_threshold > 1) options.pixel_threshold = 0.5f;  // there is none
    picture.figures = {moeclip::map_figure(found, options)};
    picture.sentences.push_back(verdict_sentence(found, memory.record));
    evidence.push_back(moeclip::find_evidence<float>(context, *model.detector, memory, sample.picture.view()));
  }
  const auto good = model.good.find(name);  // a memory from a file does not say where its pictures are
  for (const DetectInput& input : good == model.good.end() ? std::vector<DetectInput>() : good->second)
    moeclip::show_good_picture<float>(context, *model.detector, memory, input.path,
                                      read_input(input, model.settings.images).image.view(), evidence);
  for (std::size_t k = 0; k < members.size(); ++k)
    report.pictures[shown.places[members[k]]].figures.push_back(moeclip::evidence_figure(evidence[k]));
}

}  // namespace

void compare_with_good(moeclip::Context& context, const EvalModel& model, const ShownPictures& shown,
                       moeclip::Report& report) {
  std::map<std::string, std::vector<std::size_t>> classes;
  for (std::size_t i = 0; i < shown.places.size(); ++i) classes[shown.classes[i]].push_back(i);
  Progress progress("report", classes.size());
  for (const auto& [name, members] : classes) {
    progress.step(concat("report: ", name));
    compare_class(context, model, shown, members, report);
  }
  report.sections.push_back({"Good pictures", "What the pictures were compared with.", {}, {good_table(model)}});
}

}  // namespace cli

// SPDX-License-Identifier: MIT
// What is written about explanations: one as JSON, the fit of their words, and the page with reliability diagrams.

#include <moeclip/anomaly/fingerprint.hpp>
#include <moeclip/io/data_directories.hpp>
#include <moeclip/io/file.hpp>
#include <moeclip/io/weights.hpp>
#include <moeclip/report/report.hpp>

#include "commands.hpp"
#include "explain.hpp"
#include "picture_report.hpp"
#include "tiny_model.hpp"

namespace cli {

using moeclip::concat;
using moeclip::fixed;
using moeclip::Json;

namespace {

std::string share_text(moeclip::index_t part, moeclip::index_t whole) {
  return whole > 0 ? concat(fixed(100 * static_cast<double>(part) / static_cast<double>(whole), 1), " %") : "-";
}

/// What a fit found on pictures that were left out of it, one sentence.
std::string fit_text(const moeclip::WordReadout& readout) {
  const moeclip::WordFitRecord& r = readout.record;
  const std::string certain =
      readout.threshold > 1
          ? concat("no probability was found from which on ", fixed(100 * r.promise, 0),
                   " % are right: nothing is certain")
          : concat("from ", fixed(100 * readout.threshold, 1), " % on, ", r.certain_right, " of ", r.certain, " (",
                   share_text(r.certain_right, r.certain), ") are right, of defects and good pictures alike");
  return concat("Fitted on ", moeclip::counted(r.pictures, "picture"), " of ", r.categories.size(),
                r.categories.size() == 1 ? " category" : " categories", ", judged on ",
                r.judged.size() == r.categories.size() ? std::string("those") : concat(r.judged.size(), " of them"),
                " that each fit had not seen: ", r.named_right, " of ", moeclip::counted(r.named, "defect"),
                " named rightly (", share_text(r.named_right, r.named), "), by plain CLIP ", r.plain_right, " (",
                share_text(r.plain_right, r.named), ")",
                readout.reads_features() ? "" : ", whose cosines are therefore used", "; ", certain, ".");
}

moeclip::ReportTable rows_table(const NamingResult& measured) {
  moeclip::ReportTable table{
      "Right names", "95 % intervals (Wilson)", {"Pictures", "Way", "Right", "From", "To", "Of"}, {}};
  for (const NamingRow& row : measured.rows) {
    const auto [low, high] = row.interval();
    table.rows.push_back({row.group, row.way, concat(fixed(100 * row.share(), 1), " %"),
                          concat(fixed(100 * low, 1), " %"), concat(fixed(100 * high, 1), " %"), concat(row.answers)});
  }
  return table;
}

}  // namespace

std::optional<moeclip::WordReadout> find_words(const std::string& path, const moeclip::Detector& detector) {
  if (!path.empty()) {
    moeclip::WordReadout readout = read_words(moeclip::WeightFile::open(path));
    expect_words_of(readout, detector, path);
    return readout;
  }
  for (const std::string& folder : moeclip::data_directories()) {
    const std::string built_in = moeclip::join_path(folder, std::string(kTinyWords));
    if (!moeclip::file_exists(built_in)) continue;
    moeclip::WordReadout readout = read_words(moeclip::WeightFile::open(built_in));
    const bool is_own = readout.record.clip == clip_fingerprint(detector.clip().vision(), detector.clip().text()) &&
                        readout.record.adapter == adapter_fingerprint(detector.adapter());
    if (is_own) return readout;
  }
  return std::nullopt;
}

Json explanation_json(const moeclip::Explanation& e) {
  Json words = Json::array();
  for (const moeclip::WordScore& word : e.words)
    words.push_back(
        Json::object().set("word", word.word).set("probability", word.probability).set("cosine", word.cosine));
  Json experts = Json::array();
  for (const moeclip::ExpertShare& one : e.carrier.experts)
    experts.push_back(Json::object()
                          .set("cam_share", one.cam)
                          .set("weight_inside", one.weight_inside)
                          .set("weight_outside", one.weight_outside)
                          .set("edges", one.edges));
  Json carrier;
  if (e.carrier.block > 0)
    carrier = Json::object()
                  .set("block", e.carrier.block)
                  .set("expert", e.carrier.expert)
                  .set("stands_out", e.carrier.stands_out())
                  .set("cam_share", e.carrier.own().cam)
                  .set("area_share", e.carrier.area_share)
                  .set("experts", std::move(experts));
  return Json::object()
      .set("sentence", e.sentence)
      .set("is_anomalous", e.is_anomalous)
      .set("is_calibrated", e.is_calibrated)
      .set("is_certain", e.is_certain)
      .set("score", e.score)
      .set("threshold", e.threshold)
      .set("place", e.place)
      .set("region", Json::object()
                         .set("x", e.region.x)
                         .set("y", e.region.y)
                         .set("width", e.region.width)
                         .set("height", e.region.height)
                         .set("peak_x", e.region.peak_x)
                         .set("peak_y", e.region.peak_y))
      .set("area", e.area)
      .set("words", std::move(words))
      .set("no_defect", e.no_defect)
      .set("certain_from", e.promise.threshold)
      .set("certain_right", e.promise.right)
      .set("certain_answers", e.promise.answers)
      .set("carrier", std::move(carrier));
}

void print_fit(const moeclip::WordReadout& readout, const std::string& path, bool is_json) {
  const moeclip::WordFitRecord& r = readout.record;
  if (!is_json) {
    print(concat(fit_text(readout), "\nexpected calibration error ", fixed(100 * r.reliability.error(), 1),
                 " %, temperature ", fixed(readout.temperature, 3), "\n", printable(path), "\n"));
    return;
  }
  Json words = Json::array();
  for (const std::string& word : readout.words) words.push_back(word);
  JsonLine json(true);
  json.member("path", path);
  json.member("words", words);
  json.member("reads_features", readout.reads_features());
  json.member("temperature", readout.temperature);
  json.member("threshold", readout.threshold);
  json.member("promise", r.promise);
  json.member("pictures", r.pictures);
  json.member("categories", std::ssize(r.categories));
  json.member("judged_categories", std::ssize(r.judged));
  json.member("named", r.named);
  json.member("named_right", r.named_right);
  json.member("plain_right", r.plain_right);
  json.member("certain", r.certain);
  json.member("certain_right", r.certain_right);
  json.member("calibration_error", r.reliability.error());
  json.finish();
}

void write_words_page(const WordsPage& page, Words words, double seconds) {
  moeclip::Report report;
  report.title = "Names of defects";
  report.summary = page.readout != nullptr ? fit_text(*page.readout)
                                           : "No fit: words stand as plain CLIP orders them, and none is certain.";
  if (page.measured != nullptr)
    for (const NamingRow& row : page.measured->rows)
      if (row.group == "all kinds")
        report.tiles.emplace_back(concat(fixed(100 * row.share(), 1), " %"),
                                  concat("right: ", row.way, ", ", moeclip::counted(row.answers, "picture")));
  moeclip::ReportSection section{"Reliability",
                                 "Bars: how often names were right that claimed about this probability; lines across: "
                                 "what they claimed; whiskers: 95 % intervals (Clopper and Pearson); above: how many "
                                 "names. On the dotted line claim and truth agree.",
                                 {},
                                 {}};
  if (page.measured != nullptr) {
    if (page.measured->reliability.answers() > 0)
      section.reliabilities.push_back({page.about, page.measured->reliability});
    section.tables.push_back(rows_table(*page.measured));
  }
  if (page.readout != nullptr)
    section.reliabilities.push_back({"Categories left out of the fit", page.readout->record.reliability});
  report.sections.push_back(std::move(section));
  add_provenance(report, "explain", words, seconds);
  moeclip::write_report(page.path, report);
}

}  // namespace cli

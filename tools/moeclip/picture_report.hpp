// SPDX-License-Identifier: MIT
#pragma once
// What the reports of `eval` and `demo` have in common: pictures looked at closely, what the experts did on them, and
// where everything comes from.

#include <map>
#include <moeclip/anomaly/detector.hpp>
#include <moeclip/explain/defect_words.hpp>
#include <moeclip/explain/expert_statistics.hpp>
#include <moeclip/explain/word_readout.hpp>
#include <moeclip/report/report.hpp>
#include <optional>
#include <string>
#include <vector>

#include "options.hpp"

namespace cli {

/// A picture to be looked at, with the sentences about its class.
struct CloseLook {
  const moeclip::Sample& sample;
  std::string noun;  ///< what the class is called
  const moeclip::TextAnchors<float>& anchors;
  std::optional<float> pixel_threshold = {};  ///< of the figures; unset: the detector's
};

/// Looks at some pictures of a report closely, and collects what the experts did on them.
class CloseLooks {
 public:
  CloseLooks(moeclip::Context& context, const moeclip::Detector& detector);

  /// Adds figures and sentences to `picture`. Throws what detecting throws.
  void look(const CloseLook& at, moeclip::ReportPicture& picture);

  /// Collects what the experts do on a picture, and nothing else.
  void count(const moeclip::Sample& sample, const moeclip::TextAnchors<float>& anchors);

  /// A section about the experts: load, likeness, channels. None without experts or pictures.
  void add_section(moeclip::Report& report, const std::string& title, const std::string& about) const;

 private:
  const moeclip::DefectWords<float>& words_of(const std::string& noun);

  moeclip::Context& context_;
  const moeclip::Detector& detector_;
  moeclip::DetectionTrace<float> trace_;
  moeclip::ExpertStatistics statistics_;
  std::optional<moeclip::WordReadout> readout_;  ///< if it belongs to this detector
  std::map<std::string, moeclip::DefectWords<float>> words_;
};

/// Loads of the experts, and how alike their answers are, as a table.
moeclip::ReportTable expert_table(std::span<const moeclip::MixtureStatistics> blocks);

/// Command, versions, instruction set, time and memory, for the foot of a report. `words`: of the command.
void add_provenance(moeclip::Report& report, const std::string& command, Words words, double seconds);

/// A row of a class with its curves.
moeclip::ReportClass report_class(const moeclip::ClassResult& result, moeclip::ScoreTable images,
                                  moeclip::ScoreTable& pixels);

/// "87.1 %", or "undefined".
std::string metric_percent(const moeclip::Metric& metric);

}  // namespace cli

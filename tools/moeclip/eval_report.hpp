// SPDX-License-Identifier: MIT
#pragma once
// The report of `moeclip eval`: tables and curves of all pictures, a close look at those that are worth one.

#include <string>
#include <vector>

#include <moeclip/report/report.hpp>

#include "eval.hpp"

namespace cli {

struct EvalReportSettings {
  std::string path;                   ///< HTML to write
  std::vector<std::string> adapters;  ///< NAME=FILE: others, whose experts are compared on the pictures that are shown
  std::string ablation;               ///< what `moeclip ablate --json` printed; "": none

  void declare(Options& options);
  /// Throws UsageError for what makes no sense, and io if the report must not be written.
  void finish(bool is_forced) const;
};

/// The pictures of a report's galleries, read once.
struct ShownPictures {
  std::vector<std::size_t> places;  ///< in the report
  std::vector<std::string> classes;
  std::vector<moeclip::Sample> samples;
};

/// Figures and sentences for pictures that were judged by good ones: the map, and what the most abnormal patch was
/// compared with; and the section about the good pictures.
void compare_with_good(moeclip::Context& context, const EvalModel& model, const ShownPictures& shown,
                       moeclip::Report& report);

/// Writes the report. Throws what reading pictures, looking at them and writing throw.
void write_eval_report(const EvalReportSettings& s, FinishedEval& finished, Words words);

/// Where the result of an evaluation goes besides stdout.
struct EvalOutputs {
  const std::string& folder;  ///< "": nowhere
  const EvalReportSettings& report;
  Words words;  ///< of the command
  bool is_json = false;
};

/// Prints the result, and only then writes the files: what cannot be written must not take the result with it.
void publish_evaluation(FinishedEval& finished, const EvalOutputs& outputs);

}  // namespace cli

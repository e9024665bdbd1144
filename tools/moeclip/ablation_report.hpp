// SPDX-License-Identifier: MIT
#pragma once
// A comparison of runs as text, as JSON, and as a page.

#include <string>

#include "ablation_results.hpp"
#include "options.hpp"

namespace cli {

/// A row of a table of text: the name, and cells that stand to the right.
std::string ablation_line(const std::string& name, const std::vector<std::string>& cells);

/// Means and what baselines gain over others, with intervals; with the analysis of power if `has_power`.
void print_comparison(const AblationComparison& comparison, bool has_power);

/// All of it as one JSON object.
void print_comparison_json(const AblationComparison& comparison);

/// What a page says beside the comparison.
struct AblationPage {
  std::string path;
  Words words;                       ///< of the command
  double seconds = 0;                ///< that it took
  std::vector<std::string> remarks;  ///< how runs were made: settings, in sentences
};

/// Writes the page. Throws io.
void write_comparison(const AblationComparison& comparison, const AblationPage& page);

}  // namespace cli

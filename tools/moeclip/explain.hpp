// SPDX-License-Identifier: MIT
#pragma once
// The parts of `moeclip explain`: what is said and drawn about a picture, and how often the name of a defect is right.

#include <moeclip/explain/explain.hpp>
#include <moeclip/explain/inspect.hpp>
#include <moeclip/explain/inspection_figures.hpp>
#include <string>
#include <vector>

#include "detect.hpp"

namespace cli {

/// Right answers of one way of naming over one group of pictures.
struct NamingRow {
  std::string way, group;
  std::int64_t answers = 0, right = 0;

  /// 95 % interval of the share of right answers (Wilson).
  [[nodiscard]] std::pair<double, double> interval() const;
  [[nodiscard]] double share() const {
    return answers > 0 ? static_cast<double>(right) / static_cast<double>(answers) : 0;
  }
};

/// Which pictures are drawn for the measurement.
struct NamingPlan {
  moeclip::index_t pictures = 600;
  std::uint64_t seed = 1;
  bool is_unseen = true;  ///< categories that nothing was trained on; else those of the adapter's training
};

/// Names defects of drawn pictures, by explanation and by plain CLIP on the whole picture.
std::vector<NamingRow> measure_naming(moeclip::Context& context, const moeclip::Detector& detector,
                                      const moeclip::DefectVocabulary& vocabulary, const NamingPlan& plan);

/// Everything of an explanation as JSON.
moeclip::Json explanation_json(const moeclip::Explanation& explanation);

}  // namespace cli

// SPDX-License-Identifier: MIT
#pragma once
// What a report shows, as plain data. The report computes nothing of its own but the drawing.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../eval/curves.hpp"
#include "../eval/evaluate.hpp"
#include "../image/figure.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Cells are text; those that read as numbers stand to the right and line up.
struct ReportTable {
  std::string title, note;
  std::vector<std::string> head;
  std::vector<std::vector<std::string>> rows;
};

struct ReportPicture {
  std::string path, class_name;
  std::optional<bool> is_defective;  ///< the truth, if known
  double score = 0;
  bool is_flagged = false;  ///< the detector calls it defective, at the report's threshold
  double seconds = 0;
  std::vector<Figure> figures;         ///< input, truth, map, experts...; none: the picture is in the table only
  std::vector<std::string> sentences;  ///< what `explain` says
  std::size_t cover = 0;               ///< which of the figures stands for the picture in the galleries
};

struct ReportClass {
  ClassResult result;
  ClassCurves image, pixel;
  ScoreHistogram scores;  ///< of the pictures
};

/// More to see: expert load, similarity of experts, FOFS, ablations.
struct ReportSection {
  std::string title, text;
  std::vector<Figure> figures;
  std::vector<ReportTable> tables;
};

struct Report {
  std::string title;
  std::string summary;   ///< the verdict in one sentence
  double threshold = 0;  ///< scores from here on are called defective
  std::vector<ReportClass> classes;
  ClassResult mean;  ///< over the classes
  std::vector<ReportPicture> pictures;
  std::vector<ReportSection> sections;
  std::vector<std::pair<std::string, std::string>> provenance;  ///< command, versions, hashes, ISA, seconds, memory
};

}}  // namespace moeclip::abi_v0_1

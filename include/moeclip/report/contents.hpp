// SPDX-License-Identifier: MIT
#pragma once
// What a report shows, as plain data. The report draws it and computes nothing else.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../base/function_ref.hpp"
#include "../eval/curves.hpp"
#include "../eval/evaluation.hpp"
#include "../explain/reliability.hpp"
#include "../image/figure.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A table. Cells are text; those that read as numbers stand to the right and line up.
struct ReportTable {
  std::string title, note;                     ///< caption of the table, and a remark behind it, which may be empty
  std::vector<std::string> head;               ///< names of the columns
  std::vector<std::vector<std::string>> rows;  ///< each with a cell per column
};

/// One picture, and what the detector made of it.
struct ReportPicture {
  std::string path, class_name;        ///< of its file, as shown; of its class
  std::optional<bool> is_defective;    ///< the truth, if known
  double score = 0;                    ///< of the detector; higher is more anomalous
  bool is_flagged = false;             ///< the detector calls it defective, at the report's threshold
  double seconds = 0;                  ///< that the detection took; 0: not known
  std::vector<Figure> figures;         ///< input, truth, map, experts...; none: the picture is in the table only
  std::vector<std::string> sentences;  ///< what `explain` says
  std::size_t cover = 0;               ///< which of the figures stands for the picture in the galleries
};

/// One class: its metrics, curves and scores.
struct ReportClass {
  ClassResult result;                    ///< metrics, of pictures and of pixels
  ClassCurves image, pixel;              ///< of the pictures' scores and of the pixels'
  ScoreHistogram scores;                 ///< of the pictures
  std::optional<double> threshold = {};  ///< its own; without, the report's
};

/// A point of a line. A y that is no number breaks the line.
struct ReportPoint {
  double x = 0, y = 0;  ///< as the axes have it
};

/// One line of a chart.
struct ReportLine {
  std::string name;                 ///< in the list below the chart
  std::vector<ReportPoint> points;  ///< from left to right; may be empty
};

/// Lines over one axis, such as losses over steps.
struct ReportChart {
  std::string title, note;        ///< above the chart; the remark may be empty
  std::string x_name;             ///< what the axis counts
  std::vector<ReportLine> lines;  ///< in the order of the list
};

/// A value with its interval.
struct ReportInterval {
  std::string name;                      ///< of the row
  double middle = 0, low = 0, high = 0;  ///< ends that are no numbers are left out
};

/// Intervals below each other over one axis, with a line at zero: which differences are more than chance.
struct ReportForest {
  std::string title, note;           ///< above the chart; the remark may be empty
  std::string x_name;                ///< what the axis counts
  std::vector<ReportInterval> rows;  ///< from top to bottom
};

/// How often answers were right against how often they claimed to be.
struct ReportReliability {
  std::string title;        ///< above the diagram, before the expected calibration error
  Reliability reliability;  ///< what it shows
};

/// More to see: expert load, similarity of experts, FOFS, ablations.
struct ReportSection {
  std::string title, text;                            ///< a heading and a paragraph, which may be empty
  std::vector<Figure> figures;                        ///< shown above the tables
  std::vector<ReportTable> tables;                    ///< may be empty
  std::vector<ReportChart> charts = {};               ///< shown first
  std::vector<ReportForest> forests = {};             ///< after these
  std::vector<ReportReliability> reliabilities = {};  ///< then these, side by side
};

/// The whole content of a report.
struct Report {
  std::string title;     ///< of the page
  std::string summary;   ///< the verdict in one sentence
  double threshold = 0;  ///< scores from here on are called defective, but where a class has its own threshold
  std::vector<ReportClass> classes;                             ///< in the order of the page
  ClassResult mean;                                             ///< over the classes
  std::vector<ReportPicture> pictures;                          ///< of all classes
  std::vector<ReportSection> sections;                          ///< after the pictures
  std::vector<std::pair<std::string, std::string>> provenance;  ///< command, versions, hashes, ISA, seconds, memory
  std::vector<std::pair<std::string, std::string>> tiles = {};  ///< numbers to see first, and what each counts
};

/// The most pixels that a picture may take; larger ones are made smaller, in proportion.
struct PictureLimit {
  index_t width = 0, height = 0;  ///< pixels
};

/// How large pictures may be in the page; a photograph costs about a fifth of a byte per pixel.
struct ReportOptions {
  PictureLimit figure{640, 4096};   ///< of a picture's view
  PictureLimit section{960, 4096};  ///< of a section
  PictureLimit cover{400, 200};     ///< of a gallery
};

/// Makes the figures of picture i, where keeping those of all pictures would take too much memory. It is called once or
/// a few times for each picture, in no particular order, and must give the same figures each time.
using FigureSource = function_ref<std::vector<Figure>(std::size_t)>;

}}  // namespace moeclip::abi_v0_1

// SPDX-License-Identifier: MIT
#pragma once
// The parts of `moeclip explain`: what is said and drawn about a picture, how sure names of defects are, and how often
// they are right.

#include <moeclip/explain/explain.hpp>
#include <moeclip/explain/fit_words.hpp>
#include <moeclip/explain/inspect.hpp>
#include <moeclip/explain/inspection_figures.hpp>
#include <moeclip/explain/word_file.hpp>
#include <optional>
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

/// What came out of it.
struct NamingResult {
  std::vector<NamingRow> rows;
  moeclip::Reliability reliability;  ///< of all names, if there is a read-out
};

/// Names defects of drawn pictures, by explanation and by plain CLIP on the whole picture.
NamingResult measure_naming(moeclip::Context& context, const moeclip::Detector& detector,
                            const moeclip::DefectVocabulary& vocabulary, const moeclip::WordReadout* readout,
                            const NamingPlan& plan);

/// What a read-out of words is fitted on.
struct WordsPlan {
  std::vector<std::string> data;     ///< data sets; none: drawn pictures of categories that are not kept for judging
  moeclip::index_t pictures = 5600;  ///< so many drawn ones
  std::uint64_t seed = 1;
  double promise = 0.8;  ///< share of the certain names that are to be right
};

/// Fits one for this detector and vocabulary.
moeclip::WordReadout fit_naming(moeclip::Context& context, const moeclip::Detector& detector,
                                const moeclip::DefectVocabulary& vocabulary, const WordsPlan& plan);

/// The read-out of `path`, or, if that is "" and the detector is the built-in one, the one that comes with it. Throws
/// mismatch if it belongs to other weights.
std::optional<moeclip::WordReadout> find_words(const std::string& path, const moeclip::Detector& detector);

/// A page with the reliability of names, from a measurement or from a fit, or from both.
struct WordsPage {
  std::string path;
  const moeclip::WordReadout* readout = nullptr;
  const NamingResult* measured = nullptr;
  std::string about;  ///< what the measured pictures are
};
void write_words_page(const WordsPage& page, Words words, double seconds);

/// Tells what a fit found.
void print_fit(const moeclip::WordReadout& readout, const std::string& path, bool is_json);

/// Everything of an explanation as JSON.
moeclip::Json explanation_json(const moeclip::Explanation& explanation);

}  // namespace cli

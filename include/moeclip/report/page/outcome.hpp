// SPDX-License-Identifier: MIT
#pragma once
// What became of a picture at the threshold, and which pictures are worth showing first.

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "../../base/lists.hpp"
#include "../contents.hpp"

namespace moeclip { inline namespace abi_v0_1 {

enum class Outcome { found, missed, false_alarm, passed, flagged, not_flagged };  ///< the last two: truth unknown

inline constexpr std::size_t kOutcomes = 6;

inline Outcome outcome_of(const ReportPicture& picture) {
  if (!picture.is_defective) return picture.is_flagged ? Outcome::flagged : Outcome::not_flagged;
  if (*picture.is_defective) return picture.is_flagged ? Outcome::found : Outcome::missed;
  return picture.is_flagged ? Outcome::false_alarm : Outcome::passed;
}

inline bool is_wrong(Outcome outcome) { return outcome == Outcome::missed || outcome == Outcome::false_alarm; }

/// As people read it.
inline std::string_view outcome_name(Outcome outcome) {
  constexpr std::array<std::string_view, kOutcomes> kNames{"found",  "missed",  "false alarm",
                                                           "passed", "flagged", "not flagged"};
  return kNames[static_cast<std::size_t>(outcome)];
}

/// As the style sheet and the script know it.
inline std::string_view outcome_key(Outcome outcome) {
  constexpr std::array<std::string_view, kOutcomes> kKeys{"found", "missed", "alarm", "passed", "flagged", "unflagged"};
  return kKeys[static_cast<std::size_t>(outcome)];
}

inline std::array<index_t, kOutcomes> count_outcomes(const std::vector<ReportPicture>& pictures) {
  std::array<index_t, kOutcomes> counts{};
  for (const ReportPicture& picture : pictures) ++counts[static_cast<std::size_t>(outcome_of(picture))];
  return counts;
}

/// Some pictures under a heading.
struct Gallery {
  std::string_view title, text;
  std::vector<std::size_t> pictures;  ///< indices
};

namespace detail {

/// Scores of a class from here on are called defective.
inline double threshold_of(const Report& report, std::string_view class_name) {
  for (const ReportClass& row : report.classes)
    if (row.result.name == class_name) return row.threshold.value_or(report.threshold);
  return report.threshold;
}

/// Whether one threshold is that of all classes.
inline bool has_one_threshold(const Report& report) {
  const auto of = [&](const ReportClass& row) { return row.threshold.value_or(report.threshold); };
  return !lists::any_of(report.classes, [&](const ReportClass& row) { return of(row) != of(report.classes.front()); });
}

/// That threshold.
inline double one_threshold(const Report& report) {
  return report.classes.empty() ? report.threshold : report.classes.front().threshold.value_or(report.threshold);
}

/// The numbers of at most `most` pictures that `is_wanted`, highest score first or lowest first.
template <class Wanted>
std::vector<std::size_t> pick_pictures(const std::vector<ReportPicture>& pictures, bool is_highest_first,
                                       std::size_t most, Wanted&& is_wanted) {
  std::vector<std::size_t> picked;
  for (std::size_t i = 0; i < pictures.size(); ++i)
    if (is_wanted(pictures[i])) picked.push_back(i);
  lists::stable_sort(picked, [&](std::size_t a, std::size_t b) {
    return is_highest_first ? pictures[a].score > pictures[b].score : pictures[a].score < pictures[b].score;
  });
  picked.resize((std::min)(picked.size(), most));
  return picked;
}

}  // namespace detail

/// The galleries of a report: wrong decisions, hardest and clearest pictures; without truth the highest and lowest
/// scores. `has_figures(picture)` tells which can be shown. Galleries without pictures are left out.
template <class HasFigures>
std::vector<Gallery> galleries_of(const std::vector<ReportPicture>& pictures, HasFigures&& has_figures) {
  constexpr std::size_t kMost = 8;
  const auto with = [&](Outcome outcome) {
    return [&, outcome](const ReportPicture& p) { return has_figures(p) && outcome_of(p) == outcome; };
  };
  const auto truth = [&](bool is_defective) {
    return [&, is_defective](const ReportPicture& p) { return has_figures(p) && p.is_defective == is_defective; };
  };
  const auto unknown = [&](const ReportPicture& p) { return has_figures(p) && !p.is_defective; };
  const auto both = [](std::vector<std::size_t> first, const std::vector<std::size_t>& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
  };
  using detail::pick_pictures;
  std::vector<Gallery> galleries{
      {"Missed defects", "Defective pictures below the threshold, lowest score first (false negatives).",
       pick_pictures(pictures, false, kMost, with(Outcome::missed))},
      {"False alarms", "Good pictures at or above the threshold, highest score first (false positives).",
       pick_pictures(pictures, true, kMost, with(Outcome::false_alarm))},
      {"Worst",
       "The defective pictures with the lowest scores and the good ones with the highest, whatever the threshold.",
       both(pick_pictures(pictures, false, kMost / 2, truth(true)),
            pick_pictures(pictures, true, kMost / 2, truth(false)))},
      {"Best", "The defective pictures with the highest scores and the good ones with the lowest.",
       both(pick_pictures(pictures, true, kMost / 2, truth(true)),
            pick_pictures(pictures, false, kMost / 2, truth(false)))},
      {"Highest scores", "Pictures whose truth is not known, most suspicious first.",
       pick_pictures(pictures, true, kMost, unknown)},
      {"Lowest scores", "Pictures whose truth is not known, least suspicious first.",
       pick_pictures(pictures, false, kMost, unknown)}};
  std::erase_if(galleries, [](const Gallery& gallery) { return gallery.pictures.empty(); });
  return galleries;
}

}}  // namespace moeclip::abi_v0_1

// SPDX-License-Identifier: MIT
#pragma once
// What an explanation says, as numbers (WRD-1, NSE-1, CAR-1 in this folder's README), and how these are put into words.

#include <string>
#include <vector>

#include "../anomaly/regions.hpp"
#include "../base/text.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// How near the region is to a word.
struct WordScore {
  std::string word;  ///< of the vocabulary
  double score = 0;  ///< WRD-1
};

/// The expert whose answers raised the score most inside the region.
struct CarrierEvidence {
  index_t block = 0, expert = 0;  ///< both 1-based; 0: there are no experts
  double cam_share = 0;           ///< of all the block's Grad-CAM: this expert's inside the region (CAR-1)
  double area_share = 0;          ///< of the block's patches: those in the region
  double weight_inside = 0;       ///< mean routing share of this expert on the region's patches
  double weight_outside = 0;      ///< and on all others

  /// At least twice what an even spread over the patches would give.
  [[nodiscard]] bool stands_out() const { return block > 0 && cam_share >= 2 * area_share; }
};

/// By how many times the noise the first word has to lead (NSE-1); measured, see this folder's README.
inline constexpr double kCertainLead = 2;

/// Windows that a spread can be taken of. Every window shows the very middle of a picture, so a place there has none.
inline constexpr index_t kFewestWindows = 3;

/// All that is said about one picture.
struct Explanation {
  std::string sentence;       ///< what follows, in words
  bool is_anomalous = false;  ///< the verdict of the detection
  bool is_certain = false;    ///< the first word leads by more than the noise, and the region is not like the rest
  double score = 0, threshold = 0;  ///< of the picture, as in Detection; of the detector
  std::string place;                ///< "upper left"
  Region region;                    ///< in pixels of the original picture
  double area = 0;                  ///< of the region, share of the picture
  std::vector<WordScore> words;     ///< nearest first
  double over_normal = 0;           ///< by how much the first word is nearer than "no defect"
  double lead = 0;                  ///< of the first word over the second
  double noise = 0;                 ///< spread of that lead over other windows of the picture (NSE-1)
  index_t windows = 0;              ///< how many of them there were
  CarrierEvidence carrier;          ///< which expert contributed most (CAR-1)
};

namespace detail {

/// Where the middle (x, y), in shares of the picture, lies.
inline std::string place_words(double x, double y) {
  const int column = x < 1.0 / 3 ? 0 : x < 2.0 / 3 ? 1 : 2, row = y < 1.0 / 3 ? 0 : y < 2.0 / 3 ? 1 : 2;
  constexpr const char* kPlaces[3][3] = {
      {"upper left", "top", "upper right"}, {"left", "middle", "right"}, {"lower left", "bottom", "lower right"}};
  return kPlaces[row][column];
}

inline std::string percent_words(double share) {
  return concat(share < 0.1 ? fixed(100 * share, 1) : fixed(100 * share, 0), "%");
}

/// What the place resembles, and whose doing it was.
inline std::string evidence_words(const Explanation& e) {
  const std::string lead = concat(fixed(e.lead, 3), " ahead of \"", e.words.at(1).word, "\"");
  const std::string needed = concat("a lead counts from ", fixed(kCertainLead * e.noise, 3), " on");
  std::string text =
      e.windows < kFewestWindows
          ? concat(" Not certain what it is: nearest to \"", e.words[0].word,
                   "\", but there is too little of the picture beside the place to compare it with.")
      : e.over_normal <= 0 ? concat(" Not certain what it is: of the words the nearest is \"", e.words[0].word, "\", ",
                                    lead, ", but \"no defect\" is nearer by ", fixed(-e.over_normal, 3), ".")
      : e.is_certain
          ? concat(" It is most like \"", e.words[0].word, "\", ", lead, "; ", needed, ".")
          : concat(" Not certain what it is: nearest to \"", e.words[0].word, "\", ", lead, "; ", needed, ".");
  const CarrierEvidence& c = e.carrier;
  if (c.block == 0) return text;
  if (!c.stands_out()) return text + " No single expert stands out there.";
  return text + concat(" Expert ", c.expert, " after block ", c.block, " carried it: ", percent_words(c.cam_share),
                       " of what raised the score in that block came from its answers here, on ",
                       percent_words(c.area_share), " of the patches. Its share of the routing is ",
                       percent_words(c.weight_inside), " here and ", percent_words(c.weight_outside), " elsewhere.");
}

/// The sentences of an explanation.
inline std::string explanation_words(const Explanation& e) {
  const std::string numbers = concat("score ", fixed(e.score, 2), ", threshold ", fixed(e.threshold, 2), ".");
  if (!e.is_anomalous)
    return concat("Nothing counts as abnormal: ", numbers, " The least normal place is the ", e.place,
                  " of the picture, ", percent_words(e.area), " of it.");
  return concat("The ", e.place, " of the picture, ", percent_words(e.area), " of it, looks abnormal: ", numbers,
                evidence_words(e));
}

}  // namespace detail

}}  // namespace moeclip::abi_v0_1

// SPDX-License-Identifier: MIT
#pragma once
// What an explanation says, as numbers (RDO-1, CAR-1, EDG-1 in this folder's README), and how these are put into words.
// Every number in a sentence is one of these, rounded.

#include <string>
#include <vector>

#include "../anomaly/regions.hpp"
#include "../base/text.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What is known of a word for the picture.
struct WordScore {
  std::string word;        ///< of the vocabulary
  double cosine = 0;       ///< plain CLIP's, of the whole picture
  double probability = 0;  ///< RDO-1; 0 without a read-out
};

/// What one expert of the block did inside the region.
struct ExpertShare {
  double cam = 0;             ///< of all the block's Grad-CAM: this expert's inside the region (CAR-1)
  double weight_inside = 0;   ///< mean routing share of this expert on the region's patches
  double weight_outside = 0;  ///< and on all others
  double edges = 1;           ///< EDG-1: how strong edges are on its patches outside the region, the mean of those is 1
};

/// The expert whose answers raised the score most inside the region, and the others of its block.
struct CarrierEvidence {
  index_t block = 0, expert = 0;     ///< both 1-based; 0: there are no experts
  double area_share = 0;             ///< of the block's patches: those in the region
  std::vector<ExpertShare> experts;  ///< of the block, the carrier among them

  /// What the expert itself saw.
  [[nodiscard]] const ExpertShare& own() const { return experts.at(static_cast<std::size_t>(expert - 1)); }
  /// At least twice what an even spread over the patches would give.
  [[nodiscard]] bool saw(const ExpertShare& one) const { return one.cam > 0 && one.cam >= 2 * area_share; }
  /// Whether the expert did, if there is one.
  [[nodiscard]] bool stands_out() const { return block > 0 && saw(own()); }
};

/// From which ratio on an expert is one of edges, and below 1 over it one of smooth places (EDG-1).
inline constexpr double kEdgeRatio = 1.25;

/// What the fit promises of a name.
struct NamePromise {
  double threshold = 2;            ///< least probability of a certain name; above 1: none is
  index_t answers = 0, right = 0;  ///< certain names of pictures that were left out of the fit; right ones
};

/// All that is said about one picture.
struct Explanation {
  std::string sentence;             ///< what follows, in words
  bool is_anomalous = false;        ///< the verdict of the detection
  bool is_calibrated = false;       ///< a fit says how probable words are; else they stand as plain CLIP has them
  bool is_certain = false;          ///< the first word is as probable as a certain name has to be
  double score = 0, threshold = 0;  ///< of the picture, as in Detection; of the detector
  std::string place;                ///< "upper left"
  Region region;                    ///< in pixels of the original picture
  double area = 0;                  ///< of the region, share of the picture
  std::vector<WordScore> words;     ///< the most probable, or nearest, first
  double no_defect = 0;             ///< probability that it is none; 0 without a read-out
  NamePromise promise;              ///< of the read-out
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

/// What kind of defect it is, how sure that is, and what that is worth; or why nothing can be said.
inline std::string kind_words(const Explanation& e) {
  const WordScore &first = e.words.at(0), &second = e.words.at(1);
  const NamePromise& promise = e.promise;
  if (!e.is_calibrated)
    return concat(
        " What kind it is, nobody can tell: no fit says how often names by this model are right. Plain CLIP "
        "finds \"",
        first.word, "\" nearest (cosine ", fixed(first.cosine, 3), ", then \"", second.word, "\" ",
        fixed(second.cosine, 3), ").");
  const std::string guess = concat("\"", first.word, "\" has a probability of ", percent_words(first.probability),
                                   ", \"", second.word, "\" ", percent_words(second.probability));
  if (promise.threshold > 1)
    return concat(" What kind it is, nobody can tell: ", guess,
                  ", but names by this model were not right often enough "
                  "at any probability.");
  const std::string worth = concat(promise.right, " of ", counted(promise.answers, "such name"), " were right");
  if (e.is_certain)
    return concat(" It is a case of \"", first.word, "\": the probability is ", percent_words(first.probability),
                  ", of \"", second.word, "\" ", percent_words(second.probability), "; from ",
                  percent_words(promise.threshold), " on, ", worth, ".");
  return concat(" What kind it is, is not certain: ", guess, "; a name counts from ", percent_words(promise.threshold),
                " on, where ", worth, ".");
}

inline std::string counted_experts(std::size_t count) {
  constexpr const char* kNumbers[] = {"no", "one", "two", "three", "four", "five", "six", "seven", "eight"};
  return count < std::size(kNumbers) ? kNumbers[count] : concat(count);
}

/// "other 1: 2.0%, 3: 0.1%": the experts with `has_seen`, but for the carrier; "" if there are none.
inline std::string other_experts(const CarrierEvidence& c, bool has_seen) {
  std::string list;
  std::size_t count = 0;
  for (std::size_t e = 0; e < c.experts.size(); ++e) {
    if (static_cast<index_t>(e) + 1 == c.expert || c.saw(c.experts[e]) != has_seen) continue;
    list += concat(count > 0 ? ", " : "", "expert ", e + 1, " ", percent_words(c.experts[e].cam));
    ++count;
  }
  if (count == 0) return "";
  const bool is_all = count + 1 == c.experts.size();
  return concat(is_all ? "the other " : "", counted_experts(count),
                is_all       ? ""
                : count == 1 ? " other"
                             : " others",
                has_seen ? " did too (" : " did not (", list, ")");
}

/// Which expert saw it, and which did not.
inline std::string expert_words(const CarrierEvidence& c) {
  if (c.block == 0) return "";
  if (!c.stands_out())
    return concat(" No single expert stands out there: the most is ", percent_words(c.own().cam),
                  " of what raised the "
                  "score in block ",
                  c.block, ", by expert ", c.expert, " on ", percent_words(c.area_share), " of the patches.");
  const ExpertShare& own = c.own();
  const bool has_edges = own.edges >= kEdgeRatio, is_smooth = own.edges * kEdgeRatio <= 1;
  std::string text = concat(has_edges   ? " The edge expert ("
                            : is_smooth ? " The expert of smooth places ("
                                        : " Expert ");
  text += has_edges || is_smooth
              ? concat("expert ", c.expert, " after block ", c.block, "; edges on its other patches are ",
                       fixed(own.edges, 2), " times the mean) saw this")
              : concat(c.expert, " after block ", c.block, " saw this");
  text +=
      concat(": ", percent_words(own.cam), " of what raised the score in that block came from its answers here, on ",
             percent_words(c.area_share), " of the patches");
  for (const bool has_seen : {true, false})
    if (const std::string others = other_experts(c, has_seen); !others.empty()) text += concat("; ", others);
  return text + concat(". Its share of the routing is ", percent_words(own.weight_inside), " here and ",
                       percent_words(own.weight_outside), " elsewhere.");
}

/// The sentences of an explanation.
inline std::string explanation_words(const Explanation& e) {
  const std::string numbers = concat("score ", fixed(e.score, 2), ", threshold ", fixed(e.threshold, 2), ".");
  const std::string size = concat(percent_words(e.area), " of it in a box of ", e.region.width, "x", e.region.height,
                                  " pixels at (", e.region.x, ", ", e.region.y, ")");
  if (!e.is_anomalous)
    return concat("Nothing counts as abnormal: ", numbers, " The least normal place is the ", e.place,
                  " of the picture, ", size, ".");
  return concat("The ", e.place, " of the picture, ", size, ", looks abnormal: ", numbers, kind_words(e),
                expert_words(e.carrier));
}

}  // namespace detail

}}  // namespace moeclip::abi_v0_1

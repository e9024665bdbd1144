// SPDX-License-Identifier: MIT
#pragma once
// What one would say about a picture, in the words that detection asks with later (anomaly/prompts.hpp), so that a CLIP
// trained on the captions knows them, and in a few others.

#include <string>

#include "../anomaly/prompts.hpp"
#include "synthetic_kinds.hpp"

namespace moeclip::inline MOECLIP_ABI_NS::synthetic {

inline constexpr std::array<std::string_view, 8> kGoodPhrases{
    "{}", "a {}", "the {}", "a flawless {}", "a perfect {}", "a good {}", "a {} without defect", "a {} without damage"};
/// Phrases that name the defect, in the order of DefectKind.
struct DefectWords {
  std::string_view with;       // "a gear with a scratch"
  std::string_view adjective;  // "a scratched gear"
};
inline constexpr std::array<DefectWords, kDefectNames.size()> kDefectWords{
    {{"a {} with a scratch", "a scratched {}"},
     {"a {} with a crack", "a cracked {}"},
     {"a {} with a hole", "a pierced {}"},
     {"a {} with a stain", "a stained {}"},
     {"a {} with a missing part", "an incomplete {}"},
     {"a {} with a bend", "a bent {}"},
     {"a {} with a colour shift", "a discoloured {}"},
     {"a {} with a print fault", "a misprinted {}"},
     {"a {} with contamination", "a dirty {}"},
     {"a {} with a foreign thread", "a {} with a thread on it"},
     {"a {} with a dent", "a dented {}"},
     {"a {} with a burn", "a burnt {}"}}};

/// "a photo of a flawless weave.", "a broken gear.", "a photo of a gear with a scratch.": `name` with a phrase drawn
/// from those for good ones, or for bad ones in general and this kind.
inline std::string draw_caption(std::string_view name, std::optional<DefectKind> kind, Dice& dice) {
  std::string_view phrase;
  if (!kind) {
    phrase = kGoodPhrases[static_cast<std::size_t>(dice.integer(0, static_cast<int>(kGoodPhrases.size())))];
  } else if (dice.chance(0.5f)) {
    phrase = kAbnormalStates[static_cast<std::size_t>(dice.integer(0, static_cast<int>(kAbnormalStates.size())))];
  } else {
    const DefectWords& words = kDefectWords[static_cast<std::size_t>(*kind)];
    phrase = dice.chance(0.65f) ? words.with : words.adjective;
  }
  return moeclip::detail::fill_in(dice.chance(0.5f) ? "a photo of {}." : "{}.", moeclip::detail::fill_in(phrase, name));
}

}  // namespace moeclip::inline MOECLIP_ABI_NS::synthetic

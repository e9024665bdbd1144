// SPDX-License-Identifier: MIT
#pragma once
// What one would say about a picture, in the words that detection asks with later (anomaly/prompts.hpp), so that a CLIP
// trained on the captions knows these words, and in a few others.

#include <string>

#include "kinds.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

/// "a photo of a flawless weave.", "a broken gear.", "a photo of a gear with a scratch.": `name` with a phrase drawn
/// from those for good ones, or for bad ones in general and this kind.
std::string draw_caption(std::string_view name, std::optional<DefectKind> kind, Dice& dice);

}}}  // namespace moeclip::abi_v0_1::synthetic

#if MOECLIP_DEFINES(MOECLIP_SYNTHETIC)

#include "../anomaly/defect_phrases.hpp"
#include "../anomaly/prompts.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

MOECLIP_FUNC std::string draw_caption(std::string_view name, std::optional<DefectKind> kind, Dice& dice) {
  std::string_view phrase;
  if (!kind) {
    phrase = kGoodPhrases[static_cast<std::size_t>(dice.integer(0, static_cast<int>(kGoodPhrases.size())))];
  } else if (dice.chance(0.5f)) {
    phrase = kAbnormalStates[static_cast<std::size_t>(dice.integer(0, static_cast<int>(kAbnormalStates.size())))];
  } else {
    const DefectPhrases& words = kDefectPhrases[static_cast<std::size_t>(*kind)];
    phrase = dice.chance(0.65f) ? words.with : words.adjective;
  }
  return moeclip::detail::fill_in(dice.chance(0.5f) ? "a photo of {}." : "{}.", moeclip::detail::fill_in(phrase, name));
}

}}}  // namespace moeclip::abi_v0_1::synthetic

#endif

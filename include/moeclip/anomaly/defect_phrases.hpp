// SPDX-License-Identifier: MIT
#pragma once
// These are the phrases that people use for an object without defect and for one with a defect of a certain kind.
// Captions of drawn pictures use them (synthetic/), and explanations look for the words that fit a picture best
// (explain/).

#include <array>
#include <string_view>

#include "../base/version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Phrases for an object without defect; `{}` is its name.
inline constexpr std::array<std::string_view, 8> kGoodPhrases{
    "{}", "a {}", "the {}", "a flawless {}", "a perfect {}", "a good {}", "a {} without defect", "a {} without damage"};

/// A kind of defect and two phrases for an object that has it.
struct DefectPhrases {
  std::string_view name;       // "scratch"
  std::string_view with;       // "a {} with a scratch"
  std::string_view adjective;  // "a scratched {}"
};

/// The kinds of defects that the library has words for; `{}` is the name of the object.
inline constexpr std::array<DefectPhrases, 12> kDefectPhrases{
    {{"scratch", "a {} with a scratch", "a scratched {}"},
     {"crack", "a {} with a crack", "a cracked {}"},
     {"hole", "a {} with a hole", "a pierced {}"},
     {"stain", "a {} with a stain", "a stained {}"},
     {"missing part", "a {} with a missing part", "an incomplete {}"},
     {"bend", "a {} with a bend", "a bent {}"},
     {"colour shift", "a {} with a colour shift", "a discoloured {}"},
     {"print fault", "a {} with a print fault", "a misprinted {}"},
     {"contamination", "a {} with contamination", "a dirty {}"},
     {"foreign thread", "a {} with a foreign thread", "a {} with a thread on it"},
     {"dent", "a {} with a dent", "a dented {}"},
     {"burn", "a {} with a burn", "a burnt {}"}}};

}}  // namespace moeclip::abi_v0_1

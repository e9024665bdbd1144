// SPDX-License-Identifier: MIT
#pragma once
// WinCLIP's compositional prompt ensemble: every state of a thing is put into every template, which gives 154 sentences
// about good things and 88 about defective ones (Jeong et al. 2023, section 4.1 and appendix).

#include <array>
#include <string_view>

#include "../anomaly/prompts.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The normal states; `{}` is the name of the class.
inline constexpr std::array<std::string_view, 7> kWinClipNormalStates{
    "{}", "flawless {}", "perfect {}", "unblemished {}", "{} without flaw", "{} without defect", "{} without damage"};

/// The abnormal states; `{}` is the name of the class.
inline constexpr std::array<std::string_view, 4> kWinClipAbnormalStates{"damaged {}", "{} with flaw", "{} with defect",
                                                                        "{} with damage"};

/// The sentences that each state is put into, in the place of `{}`.
inline constexpr std::array<std::string_view, 22> kWinClipTemplates{"a cropped photo of the {}.",
                                                                    "a cropped photo of a {}.",
                                                                    "a close-up photo of a {}.",
                                                                    "a close-up photo of the {}.",
                                                                    "a bright photo of a {}.",
                                                                    "a bright photo of the {}.",
                                                                    "a dark photo of the {}.",
                                                                    "a dark photo of a {}.",
                                                                    "a jpeg corrupted photo of a {}.",
                                                                    "a jpeg corrupted photo of the {}.",
                                                                    "a blurry photo of the {}.",
                                                                    "a blurry photo of a {}.",
                                                                    "a photo of a {}.",
                                                                    "a photo of the {}.",
                                                                    "a photo of a small {}.",
                                                                    "a photo of the small {}.",
                                                                    "a photo of a large {}.",
                                                                    "a photo of the large {}.",
                                                                    "a photo of the {} for visual inspection.",
                                                                    "a photo of a {} for visual inspection.",
                                                                    "a photo of the {} for anomaly detection.",
                                                                    "a photo of a {} for anomaly detection."};

/// So many of these, at the end, also say what the picture is for.
inline constexpr std::size_t kWinClipPurposes = 4;

/// 154 normal and 88 abnormal sentences about `name`, a readable noun such as "metal nut": for each state, all
/// templates.
Prompts make_winclip_prompts(std::string_view name);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC Prompts make_winclip_prompts(std::string_view name) {
  Prompts prompts;
  const auto add = [&](std::vector<std::string>& sentences, std::string_view state) {
    for (const std::string_view pattern : kWinClipTemplates)
      sentences.push_back(detail::fill_in(pattern, detail::fill_in(state, name)));
  };
  for (const std::string_view state : kWinClipNormalStates) add(prompts.normal, state);
  for (const std::string_view state : kWinClipAbnormalStates) add(prompts.abnormal, state);
  return prompts;
}

}}  // namespace moeclip::abi_v0_1

#endif

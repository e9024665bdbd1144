// SPDX-License-Identifier: MIT
#pragma once
// The prompts are the sentences that describe a class as normal and as abnormal (METHOD section 3). Each state is put
// into each template, one state after the other; `{}` stands for the name.

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "../base/version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {
std::string fill_in(std::string_view pattern, std::string_view text);
}  // namespace detail

/// The sentences about one class.
struct Prompts {
  std::vector<std::string> normal;    ///< about an object without defect
  std::vector<std::string> abnormal;  ///< about an object with a defect
};

/// The normal states; `{}` is the name of the class.
inline constexpr std::array<std::string_view, 3> kNormalStates{"{}", "a {}", "the {}"};
/// The abnormal states; `{}` is the name of the class.
inline constexpr std::array<std::string_view, 5> kAbnormalStates{"a damaged {}", "a broken {}", "a {} with flaw",
                                                                 "a {} with defect", "a {} with damage"};
/// The sentences that each state is put into, in the place of `{}`.
inline constexpr std::array<std::string_view, 2> kTemplates{"{}.", "a photo of {}."};

/// 6 normal and 10 abnormal sentences about `name`, a readable noun such as "metal nut".
Prompts make_prompts(std::string_view name);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_ANOMALY)

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

MOECLIP_FUNC std::string fill_in(std::string_view pattern, std::string_view text) {
  const std::size_t place = pattern.find("{}");
  return std::string(pattern.substr(0, place)).append(text).append(pattern.substr(place + 2));
}

}  // namespace detail

MOECLIP_FUNC Prompts make_prompts(std::string_view name) {
  Prompts prompts;
  const auto add = [&](std::vector<std::string>& sentences, std::string_view state) {
    for (const std::string_view pattern : kTemplates)
      sentences.push_back(detail::fill_in(pattern, detail::fill_in(state, name)));
  };
  for (const std::string_view state : kNormalStates) add(prompts.normal, state);
  for (const std::string_view state : kAbnormalStates) add(prompts.abnormal, state);
  return prompts;
}

}}  // namespace moeclip::abi_v0_1

#endif

// SPDX-License-Identifier: MIT
#pragma once
// The sentences that describe a class, normal and abnormal (METHOD section 3): each state in each template, states
// first. `{}` stands for the name.

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "../base/version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {
std::string fill_in(std::string_view pattern, std::string_view text);
}  // namespace detail

struct Prompts {
  std::vector<std::string> normal;
  std::vector<std::string> abnormal;
};

inline constexpr std::array<std::string_view, 3> kNormalStates{"{}", "a {}", "the {}"};
inline constexpr std::array<std::string_view, 5> kAbnormalStates{"a damaged {}", "a broken {}", "a {} with flaw",
                                                                 "a {} with defect", "a {} with damage"};
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

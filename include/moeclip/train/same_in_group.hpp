// SPDX-License-Identifier: MIT
#pragma once
// Processes that train together must have been given the same: settings, pictures, weights, instructions. Each says
// what it has, and all of them fail with the same sentence if one has something else.

#include <string>
#include <utility>
#include <vector>

#include "../base/process_group.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What a process has, by name: settings in full, data by their hash.
using GroupFacts = std::vector<std::pair<std::string, std::string>>;

/// Throws mismatch, in every process of the group and naming the process and what differs, unless all have what the
/// first one has.
void expect_same_in_group(ProcessGroup& group, const GroupFacts& facts);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_TRAIN)

#include <cstdint>

#include "../base/error.hpp"
#include "../base/text.hpp"
#include "../io/json.hpp"
#include "../io/json_writer.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// The text that process `from` has.
inline std::string text_from(ProcessGroup& group, int from, std::string text) {
  auto size = static_cast<std::uint64_t>(text.size());
  group.broadcast(from, std::as_writable_bytes(std::span(&size, 1)));
  constexpr std::uint64_t kMost = std::uint64_t{1} << 26;
  if (size > kMost) fail(ErrorCode::limit, concat("process ", from, " sends a text of ", counted(size, "byte")));
  text.resize(static_cast<std::size_t>(size));
  group.broadcast(from, std::as_writable_bytes(std::span(text)));
  return text;
}

/// What differs between the first process and this one, "" for nothing.
inline std::string group_differences(const Json& first, const GroupFacts& own) {
  constexpr std::size_t kShown = 400;  // of a value: a recipe is long
  std::string text;
  for (const auto& [name, value] : own) {
    const Json* const there = first.find(name);
    if (there != nullptr && there->raw_string() == value) continue;
    const std::string other = there == nullptr ? "nothing" : there->raw_string();
    text += concat(text.empty() ? "" : "; ", name, ": ", other.substr(0, kShown), " there, ", value.substr(0, kShown),
                   " here");
  }
  return text;
}

}  // namespace detail

MOECLIP_FUNC void expect_same_in_group(ProcessGroup& group, const GroupFacts& facts) {
  Json json = Json::object();
  for (const auto& [name, value] : facts) json.set(name, value);
  const Json first = parse_json(detail::text_from(group, 0, dump_json(json)), "what the first process has");
  const std::string own = detail::group_differences(first, facts);
  std::string all;
  for (int from = 1; from < group.size(); ++from) {
    const std::string text = detail::text_from(group, from, group.rank() == from ? own : "");
    if (!text.empty())
      all += concat(all.empty() ? "" : ". ", "process ", from, " has not what the first one has (there, here): ", text);
  }
  if (!all.empty()) fail(ErrorCode::mismatch, all);
}

}}  // namespace moeclip::abi_v0_1

#endif

// SPDX-License-Identifier: MIT
#pragma once
// Splits off samples that training does not see, to judge it by while it runs.

#include <cstdint>
#include <span>
#include <vector>

#include "source.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Which of `count` pictures are held out: about `share` of them, at least one of five and none of fewer, in ascending
/// order. A function of the three. Throws contract for a share that is not from 0 to below 1.
std::vector<index_t> held_out(index_t count, double share, std::uint64_t seed);

/// A source in two parts.
struct SplitSource {
  SampleSource rest;  ///< to train on
  SampleSource held;  ///< held out
};

/// Holds out about `share` of each kind of sample, a kind being a class and, of files, a label, so that good and
/// defective pictures of all classes are in both parts as far as there are enough. The order stays. `firsts`, unless it
/// is empty, has for each sample the first one of the same thing (a copy, a shot of one burst): things are held out as
/// their first samples are, and none is in both parts. Throws contract for a sample that comes before its first.
SplitSource hold_out(const SampleSource& source, double share, std::uint64_t seed,
                     std::span<const index_t> firsts = {});

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_DATA)

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "../base/lists.hpp"
#include "loader.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC std::vector<index_t> held_out(index_t count, double share, std::uint64_t seed) {
  MOECLIP_EXPECT(share >= 0 && share < 1, "a share from 0 to below 1 can be held out, not ", share);
  constexpr index_t kFewest = 5;
  if (share == 0 || count < kFewest) return {};
  const auto wanted = static_cast<index_t>(std::lround(share * static_cast<double>(count)));
  constexpr index_t kNoEpoch = -1;  // of training: those are counted from 0
  std::vector<index_t> order = shuffled_order(count, seed, kNoEpoch);
  order.resize(static_cast<std::size_t>(std::clamp<index_t>(wanted, 1, count - 1)));
  lists::sort(order);
  return order;
}

MOECLIP_FUNC SplitSource hold_out(const SampleSource& source, double share, std::uint64_t seed,
                                  std::span<const index_t> firsts) {
  MOECLIP_EXPECT(firsts.empty() || std::ssize(firsts) == source.size(), "first samples of ", firsts.size(), ", of ",
                 source.size(), " in all");
  const auto first_of = [&](index_t i) { return firsts.empty() ? i : firsts[static_cast<std::size_t>(i)]; };
  std::map<std::pair<std::string, int>, std::vector<index_t>> kinds;
  for (index_t i = 0; i < source.size(); ++i) {
    MOECLIP_EXPECT(first_of(i) >= 0 && first_of(i) <= i, "sample ", i, " comes before its first, ", first_of(i));
    if (first_of(i) != i) continue;
    const DatasetEntry* const entry = source.entry(i);
    kinds[{source.class_name(i), entry != nullptr ? entry->label : 0}].push_back(i);
  }
  std::vector<bool> is_held(static_cast<std::size_t>(source.size()), false);
  for (const auto& [kind, members] : kinds)
    for (const index_t which : held_out(std::ssize(members), share, seed))
      is_held[static_cast<std::size_t>(members[static_cast<std::size_t>(which)])] = true;
  std::vector<index_t> rest, held;
  for (index_t i = 0; i < source.size(); ++i)
    (is_held[static_cast<std::size_t>(first_of(i))] ? held : rest).push_back(i);
  return {source.part(rest), source.part(held)};
}

}}  // namespace moeclip::abi_v0_1

#endif

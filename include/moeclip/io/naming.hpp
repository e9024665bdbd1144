// SPDX-License-Identifier: MIT
#pragma once
// Makes names that come from files fit for messages (clipped and without control characters), and finds the names
// nearest to one that was not found, for "did you mean".

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../base/lists.hpp"
#include "../base/text.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// `name` in double quotes, at most 120 bytes of it, control characters as '?'.
std::string in_quotes(std::string_view name);

/// How many letters must be inserted, removed or changed to turn `a` into `b` (Levenshtein). Time |a| * |b|.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// Collects the few names nearest to a wanted one.
class NearestNames {
 public:
  /// `wanted` must outlive this; its first 128 bytes are compared.
  explicit NearestNames(std::string_view wanted) : wanted_(wanted.substr(0, kLongest)) {}

  /// Offers a name that exists. Only the first 4096 are looked at.
  void consider(std::string_view name);

  /// "\"a\", \"b\", \"c\"", nearest first; empty if nothing was considered.
  [[nodiscard]] std::string text() const;

 private:
  using Candidate = std::pair<std::size_t, std::string>;
  static constexpr std::size_t kLongest = 128;  // bounds the time of one comparison,
  static constexpr std::size_t kMost = 4096;    // and of all
  static constexpr int kShown = 3;

  std::string_view wanted_;
  std::vector<Candidate> best_;
  std::size_t considered_ = 0;
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IO)

#include <algorithm>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC std::string in_quotes(std::string_view name) {
  constexpr std::size_t kLongest = 120;
  std::string text(name.substr(0, kLongest));
  for (char& letter : text)
    if (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7F) letter = '?';
  return concat('"', text, name.size() > kLongest ? "...\"" : "\"");
}

MOECLIP_FUNC std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);  // distances of the first i letters of a to each beginning of b
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], (std::min)({replaced, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row[b.size()];
}

MOECLIP_FUNC void NearestNames::consider(std::string_view name) {
  if (++considered_ > kMost) return;
  const std::size_t distance = edit_distance(wanted_, name.substr(0, kLongest));
  const auto at = lists::upper_bound(best_, distance, &Candidate::first);
  if (at - best_.begin() >= kShown) return;
  best_.insert(at, {distance, std::string(name)});
  if (best_.size() > kShown) best_.pop_back();
}

MOECLIP_FUNC std::string NearestNames::text() const {
  std::string out;
  for (const Candidate& candidate : best_) out += concat(out.empty() ? "" : ", ", in_quotes(candidate.second));
  return out;
}

}}  // namespace moeclip::abi_v0_1

#endif

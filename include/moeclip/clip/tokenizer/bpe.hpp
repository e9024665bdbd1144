// SPDX-License-Identifier: MIT
#pragma once
// Byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909) cuts a piece of text into tokens. A piece starts as one
// token per byte; of all adjacent pairs in the merge list, the one listed first is joined wherever it stands, and so on
// until no pair is left.

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../base/error.hpp"
#include "../../base/types.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Adjacent tokens `left` and `right` become `result`. The place of a merge in its list is its rank; low goes first.
struct Merge {
  std::int32_t left = 0, right = 0, result = 0;
};

/// Tokens and merges of a byte-level BPE tokenizer, checked: every id below is one of `tokens`.
struct Vocabulary {
  std::string source;                           // the file it came from, for messages
  std::vector<std::string> tokens;              // by id, in the byte alphabet
  std::vector<Merge> merges;                    // by rank
  std::array<std::int32_t, 256> inner_bytes{};  // id of a byte alone, inside a piece
  std::array<std::int32_t, 256> last_bytes{};   // and as the last one of a piece
  std::int32_t start = 0, end = 0;              // ids of kStartOfText and kEndOfText
};

/// The merge list, indexed by pair. Immutable: any number of threads may use one.
class BytePairEncoder {
 public:
  /// Buffers of `encode`, to be kept from call to call.
  struct Scratch {
    std::vector<std::int32_t> tokens, next, previous;  // linked list over the piece; kGone: joined to another
    std::vector<std::uint64_t> queue, found;           // candidates, rank << 32 | position: a heap, and those to come
  };

  /// `merges` by rank; every id is in [0, vocabulary). Throws format, naming `source`, if a pair is listed twice.
  BytePairEncoder(std::vector<Merge> merges, index_t vocabulary, std::string_view source) : merges_(std::move(merges)) {
    MOECLIP_EXPECT((std::max<index_t>)(std::ssize(merges_), vocabulary) < (std::numeric_limits<std::int32_t>::max)(),
                   source, ": ", vocabulary, " tokens and ", merges_.size(), " merges are too many");
    first_.resize(static_cast<std::size_t>(vocabulary) + 1);
    for (const auto& [left, right, result] : merges_) {
      MOECLIP_EXPECT((std::min)({left, right, result}) >= 0 && (std::max)({left, right, result}) < vocabulary, source,
                     ": a merge names a token outside the vocabulary of ", vocabulary);
      ++first_[at(left) + 1];
    }
    for (std::size_t i = 1; i < first_.size(); ++i) first_[i] += first_[i - 1];
    by_pair_.resize(merges_.size());
    std::vector<std::int32_t> filled(first_);
    for (std::int32_t rank = 0; rank < std::ssize(merges_); ++rank) {
      const Merge& merge = merges_[at(rank)];
      by_pair_[at(filled[at(merge.left)]++)] = {merge.right, rank};
    }
    for (std::size_t left = 0; left + 1 < first_.size(); ++left) sort_group(left, source);
  }

  /// Replaces `scratch.tokens`, one token per byte of a piece, by the tokens of the piece. Pairs of the same rank are
  /// joined from left to right before any pair that comes of it is looked at, as in OpenAI's code. O(n log n) for n
  /// bytes.
  void encode(Scratch& scratch) const {
    auto& [tokens, next, previous, queue, found] = scratch;
    const auto size = static_cast<std::int32_t>(tokens.size());
    if (size < 2) return;
    next.resize(tokens.size());
    previous.resize(tokens.size());
    queue.clear();
    found.clear();
    for (std::int32_t i = 0; i < size; ++i) {
      next[at(i)] = i + 1;
      previous[at(i)] = i - 1;
      if (i + 1 < size) find(tokens[at(i)], tokens[at(i + 1)], i, found);
    }
    while (!found.empty() || !queue.empty()) {
      for (const std::uint64_t candidate : found) {
        queue.push_back(candidate);
        std::push_heap(queue.begin(), queue.end(), lowest_on_top);
      }
      found.clear();
      join_lowest_rank(scratch);
    }
    tokens.erase(std::remove(tokens.begin(), tokens.end(), kGone), tokens.end());
  }

 private:
  struct Entry {
    std::int32_t right, rank;
  };
  static constexpr std::int32_t kGone = -1;

  static bool lowest_on_top(std::uint64_t a, std::uint64_t b) { return a > b; }
  static std::size_t at(std::int32_t i) { return static_cast<std::size_t>(i); }

  void sort_group(std::size_t left, std::string_view source) {
    const auto begin = by_pair_.begin() + first_[left], end = by_pair_.begin() + first_[left + 1];
    std::sort(begin, end, [](Entry a, Entry b) { return a.right != b.right ? a.right < b.right : a.rank < b.rank; });
    const auto twice = std::adjacent_find(begin, end, [](Entry a, Entry b) { return a.right == b.right; });
    if (twice != end)
      fail(ErrorCode::format,
           concat(source, ": merges ", twice->rank + 1, " and ", (twice + 1)->rank + 1, " join the same two tokens"));
  }

  /// Appends the merge of `left` and `right`, which stand at `position`, to `found`, if the list has one.
  void find(std::int32_t left, std::int32_t right, std::int32_t position, std::vector<std::uint64_t>& found) const {
    const auto begin = by_pair_.begin() + first_[at(left)], end = by_pair_.begin() + first_[at(left) + 1];
    const auto entry = std::lower_bound(begin, end, right, [](Entry e, std::int32_t id) { return e.right < id; });
    if (entry == end || entry->right != right) return;
    found.push_back(static_cast<std::uint64_t>(entry->rank) << 32 | static_cast<std::uint64_t>(position));
  }

  /// Takes all candidates of the lowest rank off the queue and joins those whose two tokens are still there.
  void join_lowest_rank(Scratch& scratch) const {
    auto& [tokens, next, previous, queue, found] = scratch;
    const auto size = static_cast<std::int32_t>(tokens.size());
    const std::uint64_t rank = queue.front() >> 32;
    const Merge merge = merges_[static_cast<std::size_t>(rank)];
    while (!queue.empty() && queue.front() >> 32 == rank) {
      const auto here = static_cast<std::int32_t>(queue.front() & 0xFFFFFFFFu);
      std::pop_heap(queue.begin(), queue.end(), lowest_on_top);
      queue.pop_back();
      const std::int32_t there = next[at(here)];
      if (tokens[at(here)] != merge.left || there >= size || tokens[at(there)] != merge.right) continue;
      const std::int32_t before = previous[at(here)], after = next[at(there)];
      tokens[at(here)] = merge.result;
      tokens[at(there)] = kGone;
      next[at(here)] = after;
      if (before >= 0) find(tokens[at(before)], merge.result, before, found);
      if (after >= size) continue;
      previous[at(after)] = here;
      find(merge.result, tokens[at(after)], here, found);
    }
  }

  std::vector<Merge> merges_;        // by rank
  std::vector<std::int32_t> first_;  // by_pair_[first_[id]] is the first entry whose left token is id
  std::vector<Entry> by_pair_;       // by left, then right
};

}}  // namespace moeclip::abi_v0_1

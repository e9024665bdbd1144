// SPDX-License-Identifier: MIT
#pragma once
// Counts of scores, in memory that does not grow with the number of scores. A bin is a run of 2^level scores that are
// neighbours in rank, so bins are narrow near 0 and, because scores are probabilities, near 1 too. The level starts at
// 0, where every score has a bin of its own and everything is exact, and rises when more bins are in use than there may
// be. It is always the lowest level that has room for all scores so far, whatever the order they came in; so tables of
// parts merge to the table of the whole, bit by bit (BIN-1 in this folder's README).

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "../base/function_ref.hpp"
#include "../base/lists.hpp"
#include "metrics.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The number of a score in ascending order; -0 and +0 are one. The floats between 1/2 and 1 are spread like their
/// distance from 1, which is exact.
std::uint64_t score_rank(float score);

/// The score with that number; NaN if there is none.
float score_of_rank(std::uint64_t rank);

/// A table of scores in at most `max_pages` pages of bins. No score may be NaN.
class BinnedScores {
 public:
  /// Bins come in pages of 256 neighbours. 4096 pages, 40 MiB, hold about 50,000 bins for each power of two between
  /// 10^-6 and 1: with scores spread no more unevenly than that, the metrics are within 1e-5.
  static constexpr index_t kDefaultPages = 4096;
  static constexpr int kMaxLevel = 25;  ///< one page holds all ranks, which are below 2^33

  /// An empty table. Throws contract unless `max_pages` is in [1, 2^20].
  explicit BinnedScores(index_t max_pages = kDefaultPages);

  /// Counts normal pixels.
  void add_negatives(std::span<const float> scores);

  /// Counts an anomalous pixel of a region of s pixels, whose weight is 1 / s.
  void add_positive(float score, FixedSum weight);

  /// Adds a bin of another table, or of a file. Its scores must lie in one bin of this table's level.
  void add_row(const ScoreRow& row);

  /// Adds all that another table has counted.
  void merge(const BinnedScores& other);

  /// Hands out the bins that are in use, from the highest scores to the lowest.
  void for_each_row(function_ref<void(const ScoreRow&)> receive) const;

  /// Makes bins of 2^level floats, if they are smaller.
  void raise(int level);

  [[nodiscard]] int level() const { return level_; }              ///< a bin is 2^level ranks; 0: exact
  [[nodiscard]] index_t max_pages() const { return max_pages_; }  ///< as given to the constructor

 private:
  static constexpr std::size_t kPageBins = 256;
  static constexpr int kPageBits = 8;
  static constexpr std::uint32_t kFree = ~std::uint32_t{0};

  /// What every pixel touches lies together.
  struct Bin {
    float lowest = std::numeric_limits<float>::infinity();
    float highest = -std::numeric_limits<float>::infinity();
    std::uint64_t negatives = 0;

    void widen(float low, float high) {
      lowest = (std::min)(lowest, low);
      highest = (std::max)(highest, high);
    }
  };

  struct Page {
    std::uint64_t number;  // rank >> level of its bins, without the lowest eight bits
    std::array<Bin, kPageBins> bins{};
    std::array<std::uint64_t, kPageBins> positives{};
    std::array<FixedSum, kPageBins> weights{};

    explicit Page(std::uint64_t page_number) : number(page_number) {}

    [[nodiscard]] bool is_used(std::size_t bin) const { return (bins[bin].negatives | positives[bin]) != 0; }
    [[nodiscard]] ScoreRow row(std::size_t bin) const {
      return {bins[bin].lowest, bins[bin].highest, positives[bin], bins[bin].negatives, weights[bin]};
    }
    void add(std::size_t bin, const ScoreRow& row) {
      bins[bin].widen(row.lowest, row.highest);
      bins[bin].negatives += row.negatives;
      positives[bin] += row.positives;
      weights[bin] += row.weight;
    }
  };

  struct Place {
    Page* page;
    std::size_t bin;
  };

  /// The bin of the score with this rank, at the level that the table has when it returns.
  Place find(std::uint64_t rank);

  Page* page_of(std::uint64_t number);

  /// Open addressing: numbers of `pages_` in twice as many slots as there may be pages.
  Page* look_up(std::uint64_t number);

  [[nodiscard]] std::size_t slot_of(std::uint64_t number) const;

  /// Melts each pair of neighbouring bins into one.
  void halve();

  index_t max_pages_;
  int level_ = 0;
  std::vector<std::unique_ptr<Page>> pages_;
  std::vector<std::uint32_t> slots_;
  Page* last_ = nullptr;
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EVAL)

#include <bit>
#include <utility>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC std::uint64_t score_rank(float score) {
  const auto bits = [](float x) { return std::uint64_t{std::bit_cast<std::uint32_t>(x)}; };
  constexpr std::uint64_t kNegative = std::uint64_t{1} << 31;  // ranks below 0
  const std::uint64_t half = bits(0.5f);
  if (score <= 0) return score == 0 ? kNegative : 2 * kNegative - bits(score);
  if (score <= 0.5f) return kNegative + bits(score);
  if (score <= 1) return kNegative + 2 * half - bits(1 - score);
  return kNegative + 2 * half + (bits(score) - bits(1.0f));
}

MOECLIP_FUNC float score_of_rank(std::uint64_t rank) {
  constexpr std::uint64_t kNegative = std::uint64_t{1} << 31;
  const auto score = [](std::uint64_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits)); };
  const std::uint64_t half = std::bit_cast<std::uint32_t>(0.5f), one = std::bit_cast<std::uint32_t>(1.0f);
  float found = std::numeric_limits<float>::quiet_NaN();
  if (rank <= kNegative) {
    found = 0.0f - score(kNegative - rank);  // 0 and not -0
  } else if (rank <= kNegative + half) {
    found = score(rank - kNegative);
  } else if (rank <= kNegative + 2 * half) {
    found = 1 - score(kNegative + 2 * half - rank);
  } else if (rank < 2 * kNegative + 2 * half - one) {
    found = score(rank - kNegative - 2 * half + one);
  }
  return found == found && score_rank(found) == rank ? found : std::numeric_limits<float>::quiet_NaN();
}

MOECLIP_FUNC BinnedScores::BinnedScores(index_t max_pages) : max_pages_(max_pages) {
  MOECLIP_EXPECT(max_pages >= 1 && max_pages <= (index_t{1} << 20), "a table of ", max_pages, " pages");
  slots_.assign(std::bit_ceil(static_cast<std::size_t>(max_pages) + 1) * 2, kFree);
}

// For every pixel: inline here, where they are used.
inline BinnedScores::Page* BinnedScores::page_of(std::uint64_t number) {
  if (last_ != nullptr && last_->number == number) return last_;  // neighbours in a map have similar scores
  return last_ = look_up(number);
}

inline BinnedScores::Place BinnedScores::find(std::uint64_t rank) {
  Page* page = page_of(rank >> level_ >> kPageBits);
  while (std::ssize(pages_) > max_pages_) {
    halve();
    page = page_of(rank >> level_ >> kPageBits);
  }
  return {page, static_cast<std::size_t>(rank >> level_) % kPageBins};
}

MOECLIP_FUNC void BinnedScores::add_negatives(std::span<const float> scores) {
  for (const float score : scores) {
    const Place place = find(score_rank(score));
    Bin& bin = place.page->bins[place.bin];
    ++bin.negatives;
    bin.widen(score + 0.0f, score + 0.0f);  // adding 0 makes +0 of -0
  }
}

MOECLIP_FUNC void BinnedScores::add_positive(float score, FixedSum weight) {
  const Place place = find(score_rank(score));
  ++place.page->positives[place.bin];
  place.page->weights[place.bin] += weight;
  place.page->bins[place.bin].widen(score + 0.0f, score + 0.0f);
}

MOECLIP_FUNC void BinnedScores::add_row(const ScoreRow& row) {
  const Place place = find(score_rank(row.lowest));
  place.page->add(place.bin, row);
}

MOECLIP_FUNC void BinnedScores::merge(const BinnedScores& other) {
  raise(other.level_);
  other.for_each_row([&](const ScoreRow& row) { add_row(row); });
}

MOECLIP_FUNC void BinnedScores::for_each_row(function_ref<void(const ScoreRow&)> receive) const {
  std::vector<const Page*> sorted;
  for (const auto& page : pages_) sorted.push_back(page.get());
  lists::sort(sorted, [](const Page* a, const Page* b) { return a->number > b->number; });
  for (const Page* page : sorted)
    for (std::size_t bin = kPageBins; bin-- > 0;)
      if (page->is_used(bin)) receive(page->row(bin));
}

MOECLIP_FUNC void BinnedScores::raise(int level) {
  MOECLIP_EXPECT(level >= 0 && level <= kMaxLevel, "a table of scores has no level ", level);
  while (level_ < level) halve();
}

MOECLIP_FUNC BinnedScores::Page* BinnedScores::look_up(std::uint64_t number) {
  std::size_t slot = slot_of(number);
  while (slots_[slot] != kFree) {
    Page* page = pages_[slots_[slot]].get();
    if (page->number == number) return page;
    slot = (slot + 1) & (slots_.size() - 1);
  }
  slots_[slot] = static_cast<std::uint32_t>(pages_.size());
  return pages_.emplace_back(std::make_unique<Page>(number)).get();
}

MOECLIP_FUNC std::size_t BinnedScores::slot_of(std::uint64_t number) const {
  constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15u;  // spreads neighbours
  return static_cast<std::size_t>((number * kGolden) >> 32) & (slots_.size() - 1);
}

MOECLIP_FUNC void BinnedScores::halve() {
  ++level_;
  auto old = std::exchange(pages_, {});
  last_ = nullptr;
  lists::fill(slots_, kFree);
  for (auto& page : old) {
    for (std::size_t bin = 0; bin < kPageBins; ++bin)
      if (page->is_used(bin))
        page_of(page->number >> 1)
            ->add(static_cast<std::size_t>(page->number & 1) * kPageBins / 2 + bin / 2, page->row(bin));
    page.reset();  // its memory is the next one's
  }
}

}}  // namespace moeclip::abi_v0_1

#endif

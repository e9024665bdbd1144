// SPDX-License-Identifier: MIT
#pragma once
// All that the metrics of a class need to know of its pictures or pixels: how many with which score are anomalous and
// how many normal, and how much of the anomalous regions they cover. Maps are counted one at a time and not kept;
// tables of parts of a data set merge to the table of the whole, byte by byte.

#include <cstdint>
#include <span>
#include <variant>

#include "../base/context.hpp"
#include "../image/image.hpp"
#include "../tensor/view.hpp"
#include "binned_scores.hpp"
#include "exact_scores.hpp"
#include "mask_regions.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// How scores are kept.
struct ScoreTableOptions {
  bool is_exact = false;                            ///< keep every score: no error, but memory for each pixel
  index_t max_pages = BinnedScores::kDefaultPages;  ///< of 256 bins, if not exact
};

/// The scores of a class, exact (exact_scores.hpp) or in bins (binned_scores.hpp).
class ScoreTable {
 public:
  /// An empty table. Throws contract for a number of pages out of range.
  explicit ScoreTable(const ScoreTableOptions& options = {});

  /// One picture. Throws contract for NaN, as add_map does.
  void add_image(float score, bool is_anomalous);

  /// All pixels of one map (H, W). `mask`: gray, of the same size, not 0 where it is anomalous; without pixels:
  /// nowhere.
  void add_map(Context& context, View<const float, 2> map, ImageView mask);

  /// Adds all that `other` has seen. Throws contract if one is exact and the other is not, or their bins differ.
  void merge(const ScoreTable& other);

  /// AUROC, AP, F1-max and AUPRO. Of an exact table this sorts the scores.
  [[nodiscard]] Metrics metrics(double false_positive_limit = kFalsePositiveLimit);

  /// Hands out the rows from the highest scores to the lowest, as the curves of a report need them.
  void for_each_row(function_ref<void(const ScoreRow&)> receive);

  [[nodiscard]] const ScoreTotals& totals() const { return totals_; }  ///< how many there are of each
  [[nodiscard]] bool is_exact() const { return std::holds_alternative<ExactScores>(scores_); }  ///< keeps every score

 private:
  friend class ScoreTableFile;

  void add(ExactScores& scores, float score, bool is_anomalous, std::uint32_t region_size);
  void add(BinnedScores& scores, float score, bool is_anomalous, std::uint32_t region_size);
  template <class Scores>
  void add_normal(Scores& scores, std::span<const float> values) {
    totals_.negatives += values.size();
    scores.add_negatives(values);
  }

  ScoreTotals totals_;
  std::variant<BinnedScores, ExactScores> scores_;
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EVAL)

#include <string>
#include <utility>
#include <vector>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC ScoreTable::ScoreTable(const ScoreTableOptions& options) {
  if (options.is_exact) {
    scores_ = ExactScores();
  } else {
    scores_ = BinnedScores(options.max_pages);
  }
}

MOECLIP_FUNC void ScoreTable::add_image(float score, bool is_anomalous) {
  expect_ordered({&score, 1});
  std::visit([&](auto& scores) { add(scores, score, is_anomalous, 0); }, scores_);
}

MOECLIP_FUNC void ScoreTable::add_map(Context& context, View<const float, 2> map, ImageView mask) {
  MOECLIP_EXPECT(map.is_contiguous(), "the anomaly map must be contiguous");
  MOECLIP_EXPECT(mask.data == nullptr || (mask.height == map.extent(0) && mask.width == map.extent(1)), "a mask of ",
                 mask.width, "x", mask.height, " pixels came with a map of ", map.extent(1), "x", map.extent(0));
  const std::span<const float> values(map.data(), static_cast<std::size_t>(map.size()));
  expect_ordered(values);
  if (mask.data == nullptr) {
    std::visit([&](auto& scores) { add_normal(scores, values); }, scores_);
    return;
  }
  Arena::Scope scratch(context.arena());
  std::uint32_t* sizes = scratch.take<std::uint32_t>(map.size());
  const index_t regions = region_sizes(context, mask, sizes);
  totals_.regions += static_cast<std::uint64_t>(regions);
  std::visit(
      [&](auto& scores) {
        if (regions == 0) return add_normal(scores, values);
        for (std::size_t i = 0; i < values.size();) {
          if (sizes[i] != 0) {
            add(scores, values[i], true, sizes[i]);
            ++i;
            continue;
          }
          const std::size_t begin = i;
          while (i < values.size() && sizes[i] == 0) ++i;
          add_normal(scores, values.subspan(begin, i - begin));
        }
      },
      scores_);
}

MOECLIP_FUNC void ScoreTable::merge(const ScoreTable& other) {
  MOECLIP_EXPECT(scores_.index() == other.scores_.index(), "an exact and a binned table of scores cannot be merged");
  if (auto* exact = std::get_if<ExactScores>(&scores_)) {
    exact->merge(std::get<ExactScores>(other.scores_));
  } else {
    auto& binned = std::get<BinnedScores>(scores_);
    const auto& theirs = std::get<BinnedScores>(other.scores_);
    MOECLIP_EXPECT(binned.max_pages() == theirs.max_pages(), "tables of ", binned.max_pages(), " and ",
                   theirs.max_pages(), " pages cannot be merged");
    binned.merge(theirs);
  }
  totals_.positives += other.totals_.positives;
  totals_.negatives += other.totals_.negatives;
  totals_.regions += other.totals_.regions;
}

MOECLIP_FUNC Metrics ScoreTable::metrics(double false_positive_limit) {
  MetricSums sums(totals_, false_positive_limit);
  for_each_row([&](const ScoreRow& row) { sums.add(row); });
  return sums.result();
}

MOECLIP_FUNC void ScoreTable::for_each_row(function_ref<void(const ScoreRow&)> receive) {
  if (auto* exact = std::get_if<ExactScores>(&scores_)) {
    exact->sort();
    exact->for_each_row(receive);
  } else {
    std::get<BinnedScores>(scores_).for_each_row(receive);
  }
}

MOECLIP_FUNC void ScoreTable::add(ExactScores& scores, float score, bool is_anomalous, std::uint32_t region_size) {
  if (!is_anomalous) return add_normal(scores, {&score, 1});
  ++totals_.positives;
  scores.add_positive({score, region_size});
}

MOECLIP_FUNC void ScoreTable::add(BinnedScores& scores, float score, bool is_anomalous, std::uint32_t region_size) {
  if (!is_anomalous) return add_normal(scores, {&score, 1});
  ++totals_.positives;
  scores.add_positive(score, FixedSum::reciprocal(region_size));
}

}}  // namespace moeclip::abi_v0_1

#endif

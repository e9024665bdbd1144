// SPDX-License-Identifier: MIT
#pragma once
// A table of scores as bytes, so that shards of a data set can be evaluated on many machines and merged on one. The
// same scores give the same bytes, whatever the order and however they were divided. All numbers are little-endian:
//
//   "MOESCORE", u32 version 1, u32 pages (0: exact), u32 level, u64 positives, negatives, regions, rows
//   binned: per row, ascending, f32 lowest, highest; u64 positives, negatives, weight before and after the point
//   exact:  f32 per negative; f32 score and u32 region size per positive; both descending

#include <bit>
#include <cstdint>
#include <string_view>
#include <vector>

#include "../io/bytes.hpp"
#include "score_table.hpp"

namespace moeclip::inline MOECLIP_ABI_NS {

class ScoreTableFile {
 public:
  static std::vector<std::byte> encode(ScoreTable& table) {
    std::vector<std::byte> out;
    for (const char letter : kMagic) out.push_back(static_cast<std::byte>(letter));
    const auto* binned = std::get_if<BinnedScores>(&table.scores_);
    append(out, kVersion);
    append(out, static_cast<std::uint32_t>(binned != nullptr ? binned->max_pages() : 0));
    append(out, static_cast<std::uint32_t>(binned != nullptr ? binned->level() : 0));
    append(out, table.totals_.positives);
    append(out, table.totals_.negatives);
    append(out, table.totals_.regions);
    if (binned != nullptr) {
      encode_rows(*binned, out);
    } else {
      encode_scores(std::get<ExactScores>(table.scores_), out);
    }
    return out;
  }

  /// Reads what encode wrote. `source` names it in messages. Throws format for anything else.
  static ScoreTable decode(Bytes bytes, std::string_view source) {
    ByteReader in(bytes, source);
    if (as_text(in.take(kMagic.size())) != kMagic) fail(ErrorCode::format, concat(source, ": is no table of scores"));
    if (const std::uint32_t version = in.u32le(); version != kVersion)
      fail(ErrorCode::unsupported,
           concat(source, ": is a table of scores of version ", version, "; ", std::uint32_t{kVersion}, " is known"));
    const std::uint32_t pages = in.u32le(), level = in.u32le();
    if (pages > 1u << 20 || level > BinnedScores::kMaxLevel)
      fail(ErrorCode::format, concat(source, ": its number of bins is impossible"));
    ScoreTable table({.is_exact = pages == 0, .max_pages = pages == 0 ? 1 : static_cast<index_t>(pages)});
    table.totals_ = {in.u64le(), in.u64le(), in.u64le()};
    const ScoreTotals found = pages == 0
                                  ? decode_scores(in, std::get<ExactScores>(table.scores_), table.totals_)
                                  : decode_rows(in, std::get<BinnedScores>(table.scores_), static_cast<int>(level));
    if (found.positives != table.totals_.positives || found.negatives != table.totals_.negatives || in.left() != 0)
      fail(ErrorCode::format, concat(source, ": its rows do not add up to the totals that it states"));
    return table;
  }

 private:
  static constexpr std::string_view kMagic = "MOESCORE";
  static constexpr std::uint32_t kVersion = 1;

  template <class Integer>
  static void append(std::vector<std::byte>& out, Integer value) {
    for (std::size_t i = 0; i < sizeof value; ++i) out.push_back(static_cast<std::byte>(value >> (8 * i) & 0xFF));
  }
  static void append(std::vector<std::byte>& out, float value) { append(out, std::bit_cast<std::uint32_t>(value)); }

  static void encode_rows(const BinnedScores& binned, std::vector<std::byte>& out) {
    std::vector<ScoreRow> rows;
    binned.for_each_row([&](const ScoreRow& row) { rows.push_back(row); });
    append(out, static_cast<std::uint64_t>(rows.size()));
    for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
      append(out, row->lowest);
      append(out, row->highest);
      for (const std::uint64_t count : {row->positives, row->negatives, row->weight.whole, row->weight.fraction})
        append(out, count);
    }
  }

  static void encode_scores(ExactScores& exact, std::vector<std::byte>& out) {
    exact.sort();
    append(out, std::uint64_t{exact.negatives().size() + exact.positives().size()});
    for (const float score : exact.negatives()) append(out, score);
    for (const PositiveScore& positive : exact.positives()) {
      append(out, positive.score);
      append(out, positive.region_size);
    }
  }

  /// A score, which is not NaN.
  static float read_score(ByteReader& in) {
    const auto score = std::bit_cast<float>(in.u32le());
    if (score != score) fail(ErrorCode::format, concat(in.source(), ": a score is NaN"));
    return score;
  }

  static ScoreTotals decode_rows(ByteReader& in, BinnedScores& binned, int level) {
    binned.raise(level);
    ScoreTotals found;
    for (std::uint64_t rows = in.u64le(); rows > 0; --rows) {
      ScoreRow row;
      row.lowest = read_score(in);
      row.highest = read_score(in);
      row.positives = in.u64le();
      row.negatives = in.u64le();
      row.weight = {in.u64le(), in.u64le()};
      if (row.lowest > row.highest || score_rank(row.lowest) >> level != score_rank(row.highest) >> level ||
          (row.positives | row.negatives) == 0)
        fail(ErrorCode::format, concat(in.source(), ": a row is not one bin"));
      binned.add_row(row);
      found.positives += row.positives;
      found.negatives += row.negatives;
    }
    return found;
  }

  static ScoreTotals decode_scores(ByteReader& in, ExactScores& exact, const ScoreTotals& totals) {
    in.skip(8);
    for (std::uint64_t i = 0; i < totals.negatives; ++i) {
      const float score = read_score(in);
      exact.add_negatives({&score, 1});
    }
    for (std::uint64_t i = 0; i < totals.positives; ++i) {
      const float score = read_score(in);
      exact.add_positive({score, in.u32le()});
    }
    return {exact.positives().size(), exact.negatives().size(), 0};
  }
};

}  // namespace moeclip::inline MOECLIP_ABI_NS

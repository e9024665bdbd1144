// SPDX-License-Identifier: MIT
#pragma once
// A table of scores as bytes, so that shards of a data set can be evaluated on many machines and merged on one. The
// same scores give the same bytes, whatever their order and however they were divided. All numbers are little-endian:
//
//   "MOESCORE", u32 version 2, u32 pages (0: exact), u32 level, u64 positives, negatives, regions
//   binned: count of rows; per row, ascending: rank of its lowest score less that of the highest score of the row
//           before, rank of its highest less that of its lowest, positives, negatives; if there are positives the
//           whole part of their weight, u64 its fraction. All but the fraction are variable: seven bits a byte, the
//           lowest first, the top bit set if more follow. A table of a million rows has some six megabytes.
//   exact:  u64 rows; f32 per negative; f32 score and u32 region size per positive; both descending

#include <bit>
#include <cstdint>
#include <string_view>
#include <vector>

#include "../io/bytes.hpp"
#include "score_table.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// To bytes and back.
class ScoreTableFile {
 public:
  static std::vector<std::byte> encode(ScoreTable& table);  ///< of an exact table this sorts the scores

  /// Reads what encode wrote of a table with these options. `source` names it in messages. Throws format for anything
  /// else, before it opens a table that is larger than the one that was wanted.
  static ScoreTable decode(Bytes bytes, std::string_view source, const ScoreTableOptions& wanted);

 private:
  static constexpr std::string_view kMagic = "MOESCORE";
  static constexpr std::uint32_t kVersion = 2;

  template <class Integer>
  static void append(std::vector<std::byte>& out, Integer value) {
    for (std::size_t i = 0; i < sizeof value; ++i) out.push_back(static_cast<std::byte>(value >> (8 * i) & 0xFF));
  }
  static void append(std::vector<std::byte>& out, float value) { append(out, std::bit_cast<std::uint32_t>(value)); }

  static void append_variable(std::vector<std::byte>& out, std::uint64_t value);

  static std::uint64_t read_variable(ByteReader& in);

  static void encode_rows(const BinnedScores& binned, std::vector<std::byte>& out);

  static void encode_scores(ExactScores& exact, std::vector<std::byte>& out);

  /// A score, which is not NaN.
  static float read_score(ByteReader& in);

  /// True if the rows add up to `totals`; stops at the first that goes beyond, so that no sum overflows.
  static bool decode_rows(ByteReader& in, BinnedScores& binned, int level, const ScoreTotals& totals);

  /// True if there are as many scores as `totals` and their count say.
  static bool decode_scores(ByteReader& in, ExactScores& exact, const ScoreTotals& totals);
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EVAL)

#include <algorithm>
#include <utility>

#include "../io/format_version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC std::vector<std::byte> ScoreTableFile::encode(ScoreTable& table) {
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

MOECLIP_FUNC ScoreTable ScoreTableFile::decode(Bytes bytes, std::string_view source, const ScoreTableOptions& wanted) {
  ByteReader in(bytes, source);
  if (as_text(in.take(kMagic.size())) != kMagic) fail(ErrorCode::format, concat(source, ": is no table of scores"));
  detail::expect_version(in.u32le(), {kVersion, kVersion}, source, "a table of scores", "evaluate again");
  const std::uint32_t pages = in.u32le(), level = in.u32le();
  if (const index_t wanted_pages = wanted.is_exact ? 0 : wanted.max_pages; std::cmp_not_equal(pages, wanted_pages))
    fail(ErrorCode::format, concat(source, ": is a table of ", counted(pages, "page"), " of bins (0: exact); one of ",
                                   wanted_pages, " was wanted"));
  if (level > BinnedScores::kMaxLevel || (wanted.is_exact && level > 0))
    fail(ErrorCode::format, concat(source, ": its number of bins is impossible"));
  ScoreTable table(wanted);
  ScoreTotals& totals = table.totals_;
  totals = {in.u64le(), in.u64le(), in.u64le()};
  if (totals.regions > totals.positives)
    fail(ErrorCode::format,
         concat(source, ": has ", counted(totals.regions, "region"), " of ", counted(totals.positives, "positive")));
  const bool do_rows_fit =
      wanted.is_exact ? decode_scores(in, std::get<ExactScores>(table.scores_), totals)
                      : decode_rows(in, std::get<BinnedScores>(table.scores_), static_cast<int>(level), totals);
  if (!do_rows_fit || in.left() != 0)
    fail(ErrorCode::format, concat(source, ": its rows do not add up to the totals that it states"));
  return table;
}

MOECLIP_FUNC void ScoreTableFile::append_variable(std::vector<std::byte>& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<std::byte>((value & 0x7F) | 0x80));
  out.push_back(static_cast<std::byte>(value));
}

MOECLIP_FUNC std::uint64_t ScoreTableFile::read_variable(ByteReader& in) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const std::uint64_t byte = in.u8();
    if (shift == 63 && byte > 1) break;
    value |= (byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  fail(ErrorCode::format, concat(in.source(), ": a number has more than 64 bits"));
}

MOECLIP_FUNC void ScoreTableFile::encode_rows(const BinnedScores& binned, std::vector<std::byte>& out) {
  std::vector<ScoreRow> rows;
  binned.for_each_row([&](const ScoreRow& row) { rows.push_back(row); });
  append_variable(out, rows.size());
  std::uint64_t last = 0;
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
    const std::uint64_t lowest = score_rank(row->lowest), highest = score_rank(row->highest);
    for (const std::uint64_t number : {lowest - last, highest - lowest, row->positives, row->negatives})
      append_variable(out, number);
    last = highest;
    if (row->positives == 0) continue;
    append_variable(out, row->weight.whole);
    append(out, row->weight.fraction);
  }
}

MOECLIP_FUNC void ScoreTableFile::encode_scores(ExactScores& exact, std::vector<std::byte>& out) {
  exact.sort();
  append(out, std::uint64_t{exact.negatives().size() + exact.positives().size()});
  for (const float score : exact.negatives()) append(out, score);
  for (const PositiveScore& positive : exact.positives()) {
    append(out, positive.score);
    append(out, positive.region_size);
  }
}

MOECLIP_FUNC float ScoreTableFile::read_score(ByteReader& in) {
  const auto score = std::bit_cast<float>(in.u32le());
  if (score != score) fail(ErrorCode::format, concat(in.source(), ": a score is NaN"));
  return score;
}

MOECLIP_FUNC bool ScoreTableFile::decode_rows(ByteReader& in, BinnedScores& binned, int level,
                                              const ScoreTotals& totals) {
  constexpr std::uint64_t kRanks = std::uint64_t{1} << 33;  // more than there are; sums of two do not overflow
  binned.raise(level);
  std::uint64_t positives = totals.positives, negatives = totals.negatives;  // that are still to come
  std::uint64_t last = 0;
  for (std::uint64_t rows = read_variable(in); rows > 0; --rows) {
    const std::uint64_t lowest = last + (std::min)(read_variable(in), kRanks);
    const std::uint64_t highest = lowest + (std::min)(read_variable(in), kRanks);
    ScoreRow row{score_of_rank(lowest), score_of_rank(highest), 0, 0, {}};
    row.positives = read_variable(in);
    row.negatives = read_variable(in);
    if (row.positives > 0) row.weight.whole = read_variable(in);
    if (row.positives > 0) row.weight.fraction = in.u64le();
    if (!(row.lowest <= row.highest) || lowest >> level != highest >> level ||
        (last > 0 && lowest >> level == last >> level) || (row.positives | row.negatives) == 0)
      fail(ErrorCode::format, concat(in.source(), ": a row is not one bin"));
    if (row.weight.whole > row.positives || (row.weight.whole == row.positives && row.weight.fraction > 0))
      fail(ErrorCode::format, concat(in.source(), ": the weight of a row is more than one for each positive"));
    if (row.positives > positives || row.negatives > negatives) return false;
    positives -= row.positives;
    negatives -= row.negatives;
    binned.add_row(row);
    last = highest;
  }
  return positives == 0 && negatives == 0;
}

MOECLIP_FUNC bool ScoreTableFile::decode_scores(ByteReader& in, ExactScores& exact, const ScoreTotals& totals) {
  const std::uint64_t rows = in.u64le();
  if (rows < totals.positives || rows - totals.positives != totals.negatives) return false;
  for (std::uint64_t i = 0; i < totals.negatives; ++i) {
    const float score = read_score(in);
    exact.add_negatives({&score, 1});
  }
  for (std::uint64_t i = 0; i < totals.positives; ++i) {
    const float score = read_score(in);
    exact.add_positive({score, in.u32le()});
  }
  return true;
}

}}  // namespace moeclip::abi_v0_1

#endif

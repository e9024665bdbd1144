// SPDX-License-Identifier: MIT
#pragma once
// An evaluation that can be stopped, divided and put together again: what is known of each picture, and a table of
// pixel scores per row and protocol. Everything is kept in one order, by data set and path, so that the same pictures
// give the same bytes however they were divided among processes (RUN-1 in this folder's README).

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../anomaly/detection.hpp"
#include "../base/lists.hpp"
#include "../data/training_pictures.hpp"
#include "../kernels/isa.hpp"
#include "run_settings.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// One picture of an evaluation: who it is, and what the detector said.
struct PictureRecord {
  std::string set;         ///< name of its data set
  std::string path;        ///< below the folder of its data set, parts divided by '/'
  std::string class_name;  ///< as the data set calls it
  std::string row;         ///< what it is counted under: the class, or a variant of it
  int label = 0;           ///< 0 good, 1 defective
  bool has_mask = true;    ///< false: defective, but nobody marked where

  std::uint64_t hash = 0;                       ///< picture_hash of its file
  bool was_trained_on = false;                  ///< the adapter has seen this very picture
  std::string error;                            ///< why there is nothing below; empty: it was judged
  float score = 0;                              ///< of the default protocol
  float class_score = 0;                        ///< of the image embedding alone, in [0, 1]
  ValueRange probability = {}, reference = {};  ///< of its two maps, as far as they were made
  double seconds = 0;  ///< that it took; 0: another process judged it. In no file: it would differ every time

  [[nodiscard]] bool is_judged() const { return error.empty(); }  ///< false: it could not be read
  [[nodiscard]] std::pair<std::string, std::string> key() const { return {set, path}; }  ///< its place in the order
  /// The name of its row in an Evaluation: classes of two data sets may have the same name.
  [[nodiscard]] std::string row_key() const { return concat(set, "/", row); }
};

/// The state of an evaluation, or of a shard of one.
struct EvaluationRun {
  RunSettings settings;                                                   ///< the same in all shards
  Shard shard;                                                            ///< which part of the pictures this is
  index_t assigned = 0;                                                   ///< pictures of this shard
  std::string isa = kernels::to_string(kernels::active_isa());            ///< instruction set that judged
  std::map<std::pair<std::string, std::string>, PictureRecord> pictures;  ///< by data set and path
  std::optional<Evaluation> standard, released;                           ///< rows by PictureRecord::row_key

  EvaluationRun() = default;
  /// Nothing judged yet, of a shard of `count` pictures; tables for the protocols that the settings name.
  explicit EvaluationRun(RunSettings wanted, Shard part = {}, index_t count = 0);

  /// All pictures of the shard were judged, or cannot be.
  [[nodiscard]] bool is_complete() const { return std::ssize(pictures) == assigned; }

  [[nodiscard]] index_t failures() const;  ///< pictures that could not be read
};

/// SHA-256 over who all the pictures are: set, path, class, row, label, and whether there is a mask. Not over their
/// contents, which every shard reads only of its own.
std::string listing_hash(std::vector<PictureRecord> pictures);

/// Adds a picture that the detector has judged. `record` says who it is. With the released protocol the detection needs
/// both maps (DetectorOptions::makes_both_maps).
void add_picture(Context& context, EvaluationRun& run, PictureRecord record, const Sample& truth,
                 const Detection& found);

/// Adds a picture that could not be read. A resumed run tries it again.
void add_failure(EvaluationRun& run, PictureRecord record, ErrorCode code);

/// Adds another part of the same evaluation. Throws mismatch, naming `source`, if a picture is in both; contract if the
/// settings differ.
void merge_run(EvaluationRun& into, EvaluationRun&& part, std::string_view source);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EVAL)

#include <tuple>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC EvaluationRun::EvaluationRun(RunSettings wanted, Shard part, index_t count)
    : settings(std::move(wanted)), shard(part), assigned(count) {
  MOECLIP_EXPECT(settings.has_default || settings.has_released, "an evaluation without a protocol");
  if (settings.has_default) standard.emplace(settings.evaluation(false));
  if (settings.has_released) released.emplace(settings.evaluation(true));
}

MOECLIP_FUNC index_t EvaluationRun::failures() const {
  return lists::count_if(pictures, [](const auto& entry) { return !entry.second.is_judged(); });
}

MOECLIP_FUNC std::string listing_hash(std::vector<PictureRecord> pictures) {
  lists::sort_by(pictures, &PictureRecord::key);
  std::string text;
  for (const PictureRecord& p : pictures)
    text += concat(p.set, '\0', p.path, '\0', p.class_name, '\0', p.row, '\0', p.label, p.has_mask, "\n");
  return sha256_hex(as_bytes(text));
}

namespace detail {

/// What an Evaluation keeps of a picture, from its record.
inline PictureScores scores_of(const PictureRecord& p, bool is_released) {
  return {p.label != 0, p.has_mask, p.score, p.class_score, is_released ? p.reference : p.probability};
}

}  // namespace detail

MOECLIP_FUNC void add_picture(Context& context, EvaluationRun& run, PictureRecord record, const Sample& truth,
                              const Detection& found) {
  const std::string row = record.row_key();
  record.has_mask = truth.has_mask();
  record.class_score = found.class_score;
  if (run.standard) {
    const PictureScores scores =
        run.standard->add(context, row, truth, {found.map.view<2>(), found.score, found.class_score});
    record.score = scores.score;
    record.probability = scores.map;
  }
  if (run.released) {
    MOECLIP_EXPECT(!found.reference.empty(), "the released protocol needs the reference map too");
    record.reference = run.released->add(context, row, truth, {found.reference.view<2>(), 0, found.class_score}).map;
  }
  run.pictures.insert_or_assign(record.key(), std::move(record));
}

MOECLIP_FUNC void add_failure(EvaluationRun& run, PictureRecord record, ErrorCode code) {
  record.error = to_string(code);
  run.pictures.insert_or_assign(record.key(), std::move(record));
}

MOECLIP_FUNC void merge_run(EvaluationRun& into, EvaluationRun&& part, std::string_view source) {
  const std::string differences = settings_differences(part.settings, into.settings);
  MOECLIP_EXPECT(differences.empty(), source, ": is of another evaluation: ", differences);
  MOECLIP_EXPECT(
      into.standard.has_value() == part.standard.has_value() && into.released.has_value() == part.released.has_value(),
      source, ": was made under another protocol");
  for (auto& [key, record] : part.pictures) {
    const auto [place, is_new] = into.pictures.emplace(key, std::move(record));
    if (!is_new)
      fail(ErrorCode::mismatch, concat(source, ": ", in_quotes(key.second), " was judged by another part already"));
  }
  if (into.standard) into.standard->merge(*part.standard);
  if (into.released) into.released->merge(*part.released);
}

}}  // namespace moeclip::abi_v0_1

#endif

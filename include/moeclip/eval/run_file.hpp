// SPDX-License-Identifier: MIT
#pragma once
// An evaluation on disk: a safetensors file that is either complete or not there. Its metadata say what was evaluated
// and how (JSON), the tensor "pictures" holds a line of JSON per picture, and "pixels.default.000000" and so on hold
// the table of each row (eval/score_table_file.hpp), with rows sorted by name. The same pictures give the same bytes.

#include <string>

#include "../io/safetensors_writer.hpp"
#include "../io/weight_file.hpp"
#include "evaluation_run.hpp"
#include "score_table_file.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {
Json to_json(const PictureRecord& p, const RunSettings& settings);
inline constexpr std::string_view kRunKey = "moeclip.evaluation", kPicturesTensor = "pictures";
PictureRecord picture_from_json(const Json& json, const RunSettings& settings, std::string_view source);
}  // namespace detail

/// A line of JSON for each picture, in order: "pictures" of the file, and pictures.jsonl.
std::string picture_lines(const EvaluationRun& run);

/// Writes the state of `run`. Throws io.
void write_run(const std::string& path, EvaluationRun& run);

/// What a state file says about itself.
struct RunManifest {
  RunSettings settings;            ///< what was evaluated, and how
  Shard shard;                     ///< which part of the pictures
  index_t assigned = 0, done = 0;  ///< pictures of the shard, and those of them in the file
  std::string isa;                 ///< instruction set that judged
};

/// Reads that, without pictures and tables. Throws format, missing, unsupported.
RunManifest read_manifest(const WeightFile& file);

/// Reads a state. Throws as read_manifest does, and format if its parts do not fit together.
EvaluationRun read_run(const WeightFile& file);

/// The same of the file at `path`. Throws io too.
EvaluationRun read_run(const std::string& path);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EVAL)

#include <set>
#include <span>
#include <utility>
#include <vector>

#include "../io/format_version.hpp"
#include "../io/weights.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline constexpr index_t kRunFormat = 1;

MOECLIP_FUNC Json to_json(const PictureRecord& p, const RunSettings& settings) {
  Json json = Json::object();
  json.set("set", p.set).set("path", p.path).set("class", p.class_name).set("row", p.row);
  json.set("label", p.label).set("has_mask", p.has_mask).set("hash", hash_text(p.hash));
  json.set("was_trained_on", p.was_trained_on);
  if (!p.is_judged()) return json.set("error", p.error);
  const auto range = [](const ValueRange& map) { return Json::array().push_back(map.lowest).push_back(map.highest); };
  if (settings.has_default) json.set("score", p.score);
  json.set("class_score", p.class_score);
  if (settings.has_default) json.set("map", range(p.probability));
  if (settings.has_released) json.set("reference_map", range(p.reference));
  return json;
}

/// A number that fits a float. Throws format.
inline float stated_float(const Json& value, std::string_view name, std::string_view source) {
  const auto number = static_cast<float>(value_of<double>(value, name, source));
  if (!std::isfinite(number)) fail(ErrorCode::format, concat(source, ": a score is no number"));
  return number;
}

/// A score in [0, 1]. Throws format, missing.
inline float stated_score(const Json& json, const char* name, std::string_view source) {
  constexpr float kRounding = 1e-4f;  // a dot product of 1024 floats, two unit vectors, may be that far beyond 1
  const float score = stated_float(member(json, name, source), name, source);
  if (score < -kRounding || score > 1 + kRounding)
    fail(ErrorCode::format, concat(source, ": \"", name, "\" is ", score, ", which is not between 0 and 1"));
  return score;
}

/// The lowest and the highest value of a map. Throws format, missing.
inline ValueRange stated_range(const Json& json, const char* name, std::string_view source) {
  const Json& range = member(json, name, source);
  if (!range.is_array() || range.size() != 2)
    fail(ErrorCode::format, concat(source, ": \"", name, "\" is no pair of numbers"));
  return {stated_float(range.at(0), name, source), stated_float(range.at(1), name, source)};
}

MOECLIP_FUNC PictureRecord picture_from_json(const Json& json, const RunSettings& settings, std::string_view source) {
  PictureRecord p;
  p.set = member<std::string>(json, "set", source);
  p.path = member<std::string>(json, "path", source);
  p.class_name = member<std::string>(json, "class", source);
  p.row = member<std::string>(json, "row", source);
  p.label = member<index_t>(json, "label", source) != 0 ? 1 : 0;
  p.has_mask = member<bool>(json, "has_mask", source);
  p.hash = parse_hash(member<std::string>(json, "hash", source), source);
  p.was_trained_on = member<bool>(json, "was_trained_on", source);
  if (json.find("error") != nullptr) {
    p.error = member<std::string>(json, "error", source);
    if (p.error.empty()) fail(ErrorCode::format, concat(source, ": an error without a name"));
    return p;
  }
  p.class_score = stated_score(json, "class_score", source);
  if (settings.has_default) p.score = stated_score(json, "score", source);
  if (settings.has_default) p.probability = stated_range(json, "map", source);
  if (settings.has_released) p.reference = stated_range(json, "reference_map", source);
  return p;
}

/// The rows of all judged pictures, sorted.
inline std::vector<std::string> row_keys(const EvaluationRun& run) {
  std::set<std::string> keys;
  for (const auto& [key, record] : run.pictures)
    if (record.is_judged()) keys.insert(record.row_key());
  return {keys.begin(), keys.end()};
}

/// The tables of a run with the names of their tensors.
inline std::vector<std::pair<std::string, ScoreTable*>> named_tables(EvaluationRun& run) {
  std::vector<std::pair<std::string, ScoreTable*>> tables;
  const std::vector<std::string> rows = row_keys(run);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string number = concat(1'000'000 + i).substr(1);
    if (run.standard) tables.emplace_back("pixels.default." + number, &run.standard->pixel_table(rows[i]));
    if (run.released) tables.emplace_back("pixels.released." + number, &run.released->pixel_table(rows[i]));
  }
  return tables;
}

/// The bytes of a tensor of bytes.
inline std::vector<std::byte> byte_tensor(const WeightFile& file, const std::string& name) {
  if (file.entry(name).dtype != DType::u8)
    fail(ErrorCode::format, concat(file.path(), ": tensor ", in_quotes(name), " is no string of bytes"));
  std::vector<std::byte> bytes;
  file.stored_bytes(name, [&](Bytes piece) { bytes.insert(bytes.end(), piece.begin(), piece.end()); });
  return bytes;
}

/// Throws format unless the table of a row holds as many pixels as its pictures have.
inline void expect_pixels(const ScoreTable& table, std::uint64_t wanted, const std::string& place) {
  const ScoreTotals& totals = table.totals();
  if (totals.positives > wanted || totals.negatives != wanted - totals.positives)
    fail(ErrorCode::format, concat(place, ": the table has ", totals.positives, " + ",
                                   counted(totals.negatives, "pixel"), ", its pictures have ", wanted));
}

/// Reads the tables of a run whose pictures are there, and gives the pictures to the evaluations.
inline void read_tables(const WeightFile& file, EvaluationRun& run) {
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> pixels;  // of a row: marked pictures, all pictures
  const auto each = static_cast<std::uint64_t>(run.settings.image_size * run.settings.image_size);
  for (const auto& [key, record] : run.pictures) {
    if (!record.is_judged()) continue;
    auto& [marked, all] = pixels[record.row_key()];
    marked += record.has_mask ? each : 0;
    all += each;
    if (run.standard) run.standard->add(record.row_key(), scores_of(record, false));
    if (run.released) run.released->add(record.row_key(), scores_of(record, true));
  }
  auto row = pixels.begin();
  for (const auto& [name, table] : named_tables(run)) {  // one or two per row, in the order of `pixels`
    const std::string place = concat(file.path(), ": ", name);
    const bool is_released = name.starts_with("pixels.released");
    const std::vector<std::byte> bytes = byte_tensor(file, name);
    table->merge(ScoreTableFile::decode(bytes, place, run.settings.pixels));
    // the maps of pictures in tiles have sizes of their own
    if (!run.settings.tiles.is_on()) expect_pixels(*table, is_released ? row->second.second : row->second.first, place);
    if (is_released || !run.released) ++row;
  }
}

}  // namespace detail

MOECLIP_FUNC std::string picture_lines(const EvaluationRun& run) {
  std::string lines;
  for (const auto& [key, record] : run.pictures) lines += dump_json(detail::to_json(record, run.settings)) + "\n";
  return lines;
}

MOECLIP_FUNC void write_run(const std::string& path, EvaluationRun& run) {
  const std::string lines = picture_lines(run);
  const auto tables = detail::named_tables(run);
  SafetensorsWriter writer(path);
  writer.set_metadata(std::string(detail::kRunKey), dump_json(Json::object()
                                                                  .set("format", index_t{detail::kRunFormat})
                                                                  .set("settings", to_json(run.settings))
                                                                  .set("isa", run.isa)
                                                                  .set("shard", run.shard.number)
                                                                  .set("shards", run.shard.count)
                                                                  .set("assigned", run.assigned)
                                                                  .set("done", std::ssize(run.pictures))));
  writer.announce(std::string(detail::kPicturesTensor), DType::u8, {std::ssize(lines)});
  for (const auto& [name, table] : tables)
    writer.announce(name, DType::u8, {static_cast<index_t>(ScoreTableFile::encode(*table).size())});
  writer.begin();
  writer.write_raw(as_bytes(lines));  // sorts before "pixels"
  std::map<std::string, ScoreTable*> sorted(tables.begin(), tables.end());
  for (const auto& [name, table] : sorted) writer.write_raw(ScoreTableFile::encode(*table));
  writer.commit();
}

MOECLIP_FUNC RunManifest read_manifest(const WeightFile& file) {
  const std::string* const text = find_metadata(file.metadata(), detail::kRunKey);
  if (text == nullptr) fail(ErrorCode::format, concat(file.path(), ": is no state of an evaluation"));
  const Json json = parse_json(*text, file.path());
  detail::expect_version(member(json, "format", file.path()), {detail::kRunFormat, detail::kRunFormat}, file.path(),
                         "the state of an evaluation", "evaluate again");
  RunManifest manifest;
  manifest.settings = run_settings_from_json(member(json, "settings", file.path()), file.path());
  manifest.isa = member<std::string>(json, "isa", file.path());
  manifest.shard.count = detail::stated_count(json, "shards", kMostShards, file.path());
  manifest.shard.number = detail::stated_count(json, "shard", manifest.shard.count, file.path());
  manifest.assigned = detail::stated_count(json, "assigned", detail::kMostPictures, file.path());
  manifest.done = detail::stated_count(json, "done", manifest.assigned, file.path());
  if (manifest.shard.number < 1) fail(ErrorCode::format, concat(file.path(), ": is of shard 0"));
  return manifest;
}

MOECLIP_FUNC EvaluationRun read_run(const WeightFile& file) {
  const RunManifest manifest = read_manifest(file);
  EvaluationRun run(manifest.settings, manifest.shard, manifest.assigned);
  run.isa = manifest.isa;
  const std::vector<std::byte> bytes = detail::byte_tensor(file, std::string(detail::kPicturesTensor));
  std::string_view rest = as_text(bytes);
  for (index_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = (std::min)(rest.find('\n'), rest.size());
    const std::string place = concat(file.path(), ": picture ", number);
    PictureRecord record = detail::picture_from_json(parse_json(rest.substr(0, end), place), manifest.settings, place);
    rest.remove_prefix((std::min)(end + 1, rest.size()));
    if (!run.pictures.emplace(record.key(), record).second) fail(ErrorCode::format, concat(place, ": is named twice"));
  }
  if (std::ssize(run.pictures) != manifest.done)
    fail(ErrorCode::format,
         concat(file.path(), ": holds ", counted(run.pictures.size(), "picture"), ", but says ", manifest.done));
  detail::read_tables(file, run);
  return run;
}

MOECLIP_FUNC EvaluationRun read_run(const std::string& path) { return read_run(WeightFile::open(path)); }

}}  // namespace moeclip::abi_v0_1

#endif

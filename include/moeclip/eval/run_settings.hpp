// SPDX-License-Identifier: MIT
#pragma once
// The settings that decide the bytes of an evaluation, and the part of the pictures that one process judges. Two parts
// of one evaluation have the same settings; if they differ, it is said in what.

#include <cstdint>
#include <string>
#include <string_view>

#include "../base/function_ref.hpp"
#include "../image/image_record.hpp"
#include "../image/tile_grid.hpp"
#include "../io/json.hpp"
#include "../io/json_writer.hpp"
#include "../io/sha256.hpp"
#include "evaluation.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What all shards of an evaluation have in common.
struct RunSettings {
  std::string version = MOECLIP_VERSION_STRING;  ///< of the program
  std::string clip, adapter;                     ///< hashes of the weights
  std::string data;                              ///< hash of the list of all pictures, see listing_hash
  std::string words;                             ///< hash of the sentences about the classes
  index_t pictures = 0;                          ///< of all shards together
  index_t image_size = 0;                        ///< pixels a side of the square that the model sees
  Domain domain = Domain::industrial;            ///< how a picture's score is made
  bool has_default = true, has_released = true;  ///< protocols; at least one
  ScoreTableOptions pixels = {};                 ///< how the scores of pixels are kept
  ImageOptions images = {};                      ///< how pictures are read
  index_t mask_from = 1;                         ///< gray level of masks from which a pixel is defective
  TileOptions tiles = {};                        ///< and cut
  std::string memory = {};                       ///< hash of the memories of good pictures (memory/); "": words judge

  /// For one of the protocols.
  [[nodiscard]] EvaluationOptions evaluation(bool is_released) const {
    return {is_released, domain, kFalsePositiveLimit, pixels, images};
  }
};

/// Settings by name, for state files and results.
Json to_json(const RunSettings& s);

/// What to_json made. Throws format or missing, naming `source`.
RunSettings run_settings_from_json(const Json& json, std::string_view source);

/// "adapter (found 12ab, wanted 34cd), ..."; empty if all are equal.
std::string settings_differences(const RunSettings& found, const RunSettings& wanted);

/// One of `count` processes that share the pictures.
struct Shard {
  index_t number = 1;  ///< from 1
  index_t count = 1;   ///< at most kMostShards

  /// True if this shard judges the picture. Depends on nothing but the path, so that every process knows it alone.
  [[nodiscard]] bool holds(std::string_view relative_path) const {
    Sha256 sha;
    sha.update(as_bytes(relative_path));
    const auto hash = sha.finish();
    std::uint64_t first = 0;
    for (std::size_t i = 0; i < 8; ++i) first = first << 8 | hash[i];
    return first % static_cast<std::uint64_t>(count) == static_cast<std::uint64_t>(number - 1);
  }

  friend bool operator==(const Shard&, const Shard&) = default;
};

inline constexpr index_t kMostShards = 1'000'000;  ///< into which an evaluation can be divided

/// "2/7", or "auto": as Slurm's array (SLURM_ARRAY_TASK_ID, _COUNT, _MIN, _STEP) or an indexed Kubernetes job
/// (JOB_COMPLETION_INDEX, from 0, and JOB_COMPLETIONS) say; "auto/7" gives the count that the environment lacks.
/// `environment` is getenv, or what a test has. Throws contract, saying what is expected.
Shard parse_shard(std::string_view text, function_ref<const char*(const char*)> environment);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EVAL)

#include <algorithm>
#include <charconv>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC Json to_json(const RunSettings& s) {
  Json json = Json::object();
  json.set("version", s.version)
      .set("clip", s.clip)
      .set("adapter", s.adapter)
      .set("data", s.data)
      .set("words", s.words)
      .set("pictures", s.pictures)
      .set("image_size", s.image_size)
      .set("domain", s.domain == Domain::medical ? "medical" : "industrial")
      .set("protocol", !s.has_released  ? "default"
                       : !s.has_default ? "released"
                                        : "both")
      .set("exact", s.pixels.is_exact)
      .set("pages", s.pixels.max_pages)
      .set(kImagesKey, to_json(s.images));
  if (s.mask_from != 1) json.set("mask_from", s.mask_from);
  if (s.tiles.is_on()) json.set(kTilesKey, to_json(s.tiles));
  if (!s.memory.empty()) json.set("memory", s.memory);
  return json;
}

namespace detail {

inline constexpr index_t kMostPictures = index_t{1} << 40;

/// A count in a file that may say anything. Throws format, missing.
inline index_t stated_count(const Json& json, const char* name, index_t most, std::string_view source) {
  const auto count = member<index_t>(json, name, source);
  if (count < 0 || count > most)
    fail(ErrorCode::format, concat(source, ": \"", name, "\" is ", count, ", which is impossible"));
  return count;
}

}  // namespace detail

MOECLIP_FUNC RunSettings run_settings_from_json(const Json& json, std::string_view source) {
  constexpr index_t kLargestPicture = 8192;
  RunSettings s;
  s.version = member<std::string>(json, "version", source);
  s.clip = member<std::string>(json, "clip", source);
  s.adapter = member<std::string>(json, "adapter", source);
  s.data = member<std::string>(json, "data", source);
  s.words = member<std::string>(json, "words", source);
  s.pictures = detail::stated_count(json, "pictures", detail::kMostPictures, source);
  s.image_size = detail::stated_count(json, "image_size", kLargestPicture, source);
  s.domain = member<std::string>(json, "domain", source) == "medical" ? Domain::medical : Domain::industrial;
  const auto protocol = member<std::string>(json, "protocol", source);
  s.has_default = protocol != "released";
  s.has_released = protocol != "default";
  s.pixels.is_exact = member<bool>(json, "exact", source);
  s.pixels.max_pages = detail::stated_count(json, "pages", BinnedScores::kDefaultPages, source);
  if (!s.pixels.is_exact && s.pixels.max_pages < 1)
    fail(ErrorCode::format, concat(source, ": \"pages\" is 0, but the scores are kept in bins"));
  s.images = recorded_images(json, source);
  if (json.find("mask_from") != nullptr) s.mask_from = detail::stated_count(json, "mask_from", 255, source);
  s.tiles = recorded_tiles(json, source);
  if (json.find("memory") != nullptr) s.memory = member<std::string>(json, "memory", source);
  Json stated = json;
  stated.set(kImagesKey, to_json(s.images));  // older records lack it
  if (!(to_json(s) == stated)) fail(ErrorCode::format, concat(source, ": its settings make no sense"));
  return s;
}

MOECLIP_FUNC std::string settings_differences(const RunSettings& found, const RunSettings& wanted) {
  const Json there = to_json(found), here = to_json(wanted);
  constexpr std::size_t kShown = 16;  // of a hash; enough to tell two apart
  const auto shown = [](const Json& value) {
    return value.is_string() ? value.as_string().substr(0, kShown) : dump_json(value);
  };
  std::string text;
  for (const auto& [name, value] : here.members())
    if (const Json other = there.find(name) != nullptr ? there.at(name) : Json(); !(other == value))
      text += concat(text.empty() ? "" : ", ", name, " (found ", shown(other), ", wanted ", shown(value), ")");
  for (const auto& [name, value] : there.members())
    if (here.find(name) == nullptr) text += concat(text.empty() ? "" : ", ", name, " (found ", shown(value), ")");
  return text;
}

namespace detail {

[[noreturn]] inline void fail_shard(std::string_view text, std::string_view why) {
  fail(ErrorCode::contract, concat("the shard \"", text, "\" ", why));
}

/// A whole number from `least` to `most`, alone in `text`. Throws contract, naming `what`.
inline index_t shard_number(std::string_view text, index_t least, index_t most, std::string_view what) {
  index_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < least || number > most)
    fail(ErrorCode::contract, concat(what, " is \"", text, "\"; a number from ", least, " to ", most, " was wanted"));
  return number;
}

/// The place of a Slurm task in its array: ids may start anywhere and be apart by a step.
inline Shard slurm_shard(function_ref<const char*(const char*)> environment, index_t count) {
  const auto number = [&](const char* name, index_t fallback) {
    const char* const text = environment(name);
    return text == nullptr ? fallback : shard_number(text, 0, index_t{1} << 31, name);
  };
  const index_t id = number("SLURM_ARRAY_TASK_ID", 0), first = number("SLURM_ARRAY_TASK_MIN", 0);
  const index_t step = std::max<index_t>(1, number("SLURM_ARRAY_TASK_STEP", 1));
  const index_t tasks = number("SLURM_ARRAY_TASK_COUNT", 0);
  if (count == 0) count = tasks;
  if (count == 0) fail_shard("auto", "needs SLURM_ARRAY_TASK_COUNT, or a count: auto/N");
  if (id < first || (id - first) % step != 0 || (id - first) / step >= count)
    fail_shard("auto", concat("cannot be told: task ", id, " of an array of ", count, " that starts at ", first,
                              " is no regular one; use --array=1-N, or --shard I/N"));
  return {(id - first) / step + 1, count};
}

}  // namespace detail

MOECLIP_FUNC Shard parse_shard(std::string_view text, function_ref<const char*(const char*)> environment) {
  const std::size_t slash = text.find('/');
  const std::string_view number = text.substr(0, slash);
  index_t count = 0;
  if (slash != std::string_view::npos)
    count = detail::shard_number(text.substr(slash + 1), 1, kMostShards, "the number of shards");
  if (number != "auto") {
    if (count == 0) detail::fail_shard(text, "is no I/N, such as 2/7, and not auto");
    return {detail::shard_number(number, 1, count, "the number of a shard"), count};
  }
  if (environment("SLURM_ARRAY_TASK_ID") != nullptr) return detail::slurm_shard(environment, count);
  const char* const index = environment("JOB_COMPLETION_INDEX");
  if (index == nullptr)
    detail::fail_shard(text, "needs SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX in the environment; neither is set");
  if (count == 0) {
    const char* const completions = environment("JOB_COMPLETIONS");
    if (completions == nullptr)
      detail::fail_shard(text, "needs the number of completions: set JOB_COMPLETIONS, or give auto/N");
    count = detail::shard_number(completions, 1, kMostShards, "JOB_COMPLETIONS");
  }
  return {detail::shard_number(index, 0, count - 1, "JOB_COMPLETION_INDEX") + 1, count};
}

}}  // namespace moeclip::abi_v0_1

#endif

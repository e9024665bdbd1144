// SPDX-License-Identifier: MIT
#pragma once
// Records what an adapter was trained on: a hash of each picture's file and the names of the classes, which is little
// to keep and enough to recognise a picture. Training writes it into the checkpoint; whoever measures the adapter
// compares, so that it is not tested on what it learned by heart (LEAK-1 in this folder's README).

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../base/context.hpp"
#include "../base/lists.hpp"
#include "../io/file.hpp"
#include "../io/json.hpp"
#include "../io/record.hpp"
#include "../io/sha256.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The first 64 bits of SHA-256 over the bytes of a file: the same picture under another name or in another folder has
/// the same one. Throws io.
std::uint64_t picture_hash(const std::string& path);

/// That of every path, in their order, on all threads of `context`.
std::vector<std::uint64_t> picture_hashes(Context& context, std::span<const std::string> paths);

/// 16 hexadecimal digits.
std::string hash_text(std::uint64_t hash);

/// Reads such digits from the front of `text`; nothing else. Throws format, naming `source`.
std::uint64_t parse_hash(std::string_view text, std::string_view source);

/// Pictures and classes that were trained on. Both lists are sorted, without repetitions.
struct TrainingPictures {
  std::vector<std::uint64_t> hashes;  ///< picture_hash of every file
  std::vector<std::string> classes;   ///< names of the classes of these pictures

  /// Whether no picture is listed.
  [[nodiscard]] bool empty() const { return hashes.empty(); }
  /// Whether a file with this picture_hash was trained on.
  [[nodiscard]] bool has_picture(std::uint64_t hash) const { return lists::binary_search(hashes, hash); }
  /// Whether a class of this name was trained on.
  [[nodiscard]] bool has_class(const std::string& name) const { return lists::binary_search(classes, name); }

  /// Adds another list: weights that training started from had seen theirs.
  void add(const TrainingPictures& other);

  /// Sorts both lists and drops repetitions. To be called after entries were put in by hand.
  void tidy();
};

/// {"pictures": "16 digits each, one after the other", "classes": [...]}
Json to_json(const TrainingPictures& pictures);

/// What to_json made. `source` names the file in messages. Throws format, missing.
TrainingPictures training_pictures_from_json(const Json& json, std::string_view source);

inline constexpr std::string_view kTrainedOnKey = "trained_on";  ///< in the record of an adapter file
inline constexpr std::string_view kJudgedByKey = "judged_by";    ///< likewise

/// What the record of an adapter file says of the pictures that the adapter has seen; nothing if it does not say, as
/// those of the official code and those trained on drawn pictures do.
std::optional<TrainingPictures> trained_on(const WeightFile& file);

/// The pictures by which training chose the weights that it kept, without learning them: those held out, or of a data
/// set of their own. Empty if the file names none.
TrainingPictures judged_by(const WeightFile& file);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_DATA)

#include <charconv>
#include <utility>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC std::uint64_t picture_hash(const std::string& path) {
  Sha256 sha;
  sha.update(MappedFile::open(path)->bytes());
  const auto hash = sha.finish();
  std::uint64_t first = 0;
  for (std::size_t i = 0; i < 8; ++i) first = first << 8 | hash[i];
  return first;
}

MOECLIP_FUNC std::vector<std::uint64_t> picture_hashes(Context& context, std::span<const std::string> paths) {
  std::vector<std::uint64_t> hashes(paths.size());
  context.parallel_for(std::ssize(paths), [&](index_t i, int) {
    hashes[static_cast<std::size_t>(i)] = picture_hash(paths[static_cast<std::size_t>(i)]);
  });
  return hashes;
}

MOECLIP_FUNC std::string hash_text(std::uint64_t hash) {
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[hash >> shift & 15];
  return text;
}

MOECLIP_FUNC std::uint64_t parse_hash(std::string_view text, std::string_view source) {
  std::uint64_t hash = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + std::min<std::size_t>(16, text.size()), hash, 16);
  if (error != std::errc{} || text.size() < 16 || end != text.data() + 16)
    fail(ErrorCode::format, concat(source, ": \"", text.substr(0, 16), "\" is no hash of a picture"));
  return hash;
}

MOECLIP_FUNC void TrainingPictures::add(const TrainingPictures& other) {
  hashes.insert(hashes.end(), other.hashes.begin(), other.hashes.end());
  classes.insert(classes.end(), other.classes.begin(), other.classes.end());
  tidy();
}

MOECLIP_FUNC void TrainingPictures::tidy() {
  const auto make_set = [](auto& list) {
    lists::sort(list);
    list.erase(std::unique(list.begin(), list.end()), list.end());
  };
  make_set(hashes);
  make_set(classes);
}

MOECLIP_FUNC Json to_json(const TrainingPictures& pictures) {
  std::string hashes;
  for (const std::uint64_t hash : pictures.hashes) hashes += hash_text(hash);
  Json classes = Json::array();
  for (const std::string& name : pictures.classes) classes.push_back(name);
  return Json::object().set("pictures", std::move(hashes)).set("classes", std::move(classes));
}

MOECLIP_FUNC TrainingPictures training_pictures_from_json(const Json& json, std::string_view source) {
  TrainingPictures pictures;
  const auto hashes = member<std::string>(json, "pictures", source);
  std::string_view text = hashes;
  for (; !text.empty(); text.remove_prefix(16)) pictures.hashes.push_back(parse_hash(text, source));
  const Json& classes = member(json, "classes", source);
  if (!classes.is_array()) fail(ErrorCode::format, concat(source, ": \"classes\" is no list"));
  for (const Json& name : classes.items()) pictures.classes.push_back(value_of<std::string>(name, "classes", source));
  pictures.tidy();  // a file may say anything
  return pictures;
}

namespace detail {

inline std::optional<TrainingPictures> recorded_pictures(const WeightFile& file, std::string_view key) {
  const Json record = recorded(file), *found = record.is_object() ? record.find(key) : nullptr;
  if (found == nullptr) return std::nullopt;
  return training_pictures_from_json(*found, file.path());
}

}  // namespace detail

MOECLIP_FUNC std::optional<TrainingPictures> trained_on(const WeightFile& file) {
  return detail::recorded_pictures(file, kTrainedOnKey);
}

MOECLIP_FUNC TrainingPictures judged_by(const WeightFile& file) {
  return detail::recorded_pictures(file, kJudgedByKey).value_or(TrainingPictures());
}

}}  // namespace moeclip::abi_v0_1

#endif

// SPDX-License-Identifier: MIT
#pragma once
// These are the words by which people name folders and files of data sets: good and defective, masks, parts of a split,
// pictures. Names are compared without case and punctuation, so "Ground Truth", "ground_truth" and "GroundTruth" are
// one.

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../../base/lists.hpp"
#include "../../io/folder_tree.hpp"
#include "../../io/utf8.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Part of a data set that a picture belongs to.
enum class Split { train, valid, test };

/// True if `text` is UTF-8 throughout, as names in a list must be.
inline bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

namespace detail {

/// `name` in lower case, letters and digits of ASCII and all other characters beyond it.
inline std::string plain_name(std::string_view name) {
  std::string plain;
  for (const char letter : name) {
    if (letter >= 'A' && letter <= 'Z')
      plain += static_cast<char>(letter - 'A' + 'a');
    else if ((letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') || (letter & 0x80) != 0)
      plain += letter;
  }
  return plain;
}

using NameList = std::span<const std::string_view>;

inline constexpr std::array<std::string_view, 24> kGoodNames{
    "good",   "ok",       "okay",      "normal",  "normals",  "healthy",    "negative",     "negatives",
    "no",     "nodefect", "nodefects", "pass",    "passed",   "defectfree", "nondefective", "clean",
    "intact", "notumor",  "gut",       "gutteil", "gutteile", "io",         "inordnung",    "fehlerfrei"};
inline constexpr std::array<std::string_view, 37> kBadNames{
    "bad",        "ko",        "ng",       "nok",          "notgood",       "notok",    "ungood",    "anomaly",
    "anomalies",  "anomalous", "abnormal", "abnormals",    "defect",        "defects",  "defective", "faulty",
    "fault",      "faults",    "damaged",  "fail",         "failed",        "positive", "positives", "yes",
    "unhealthy",  "def",       "schlecht", "schlechtteil", "schlechtteile", "nio",      "nichtio",   "fehler",
    "fehlerhaft", "defekt",    "defekte",  "ausschuss",    "nichtok"};
/// How words begin that tell of a defect.
inline constexpr std::array<std::string_view, 21> kDefectWords{
    "scratch", "crack", "dent",  "hole",  "brok", "break",  "stain",    "missing", "bent", "chip", "contamina",
    "burr",    "rust",  "corro", "damag", "defe", "anomal", "abnormal", "kratz",   "riss", "fehl"};
inline constexpr std::array<std::string_view, 14> kMaskNames{
    "groundtruth",   "mask",       "masks",       "groundtruths", "gt",    "gts",    "segmentation",
    "segmentations", "annotation", "annotations", "maskimages",   "label", "labels", "truth"};
inline constexpr std::array<std::string_view, 12> kPictureFolders{
    "images",   "image",  "imgs",   "img",   "original", "originals", "railsurfaceimages",
    "pictures", "photos", "inputs", "input", "rgb"};

inline bool is_named(std::string_view name, NameList names) {
  return lists::find(names, plain_name(name)) != names.end();
}
inline bool is_good_name(std::string_view name) { return is_named(name, kGoodNames); }
inline bool is_bad_name(std::string_view name) { return is_named(name, kBadNames); }
inline bool is_mask_name(std::string_view name) { return is_named(name, kMaskNames); }

/// The words of a name in lower case: "ok", "front" and "2" of "OK_front2". A capital after a small letter begins one.
inline std::vector<std::string> words_of(std::string_view name) {
  enum class Kind : std::uint8_t { none, digit, lower, upper };
  const auto kind_of = [](char letter) {
    if (letter >= '0' && letter <= '9') return Kind::digit;
    if (letter >= 'A' && letter <= 'Z') return Kind::upper;
    return plain_name(std::string_view(&letter, 1)).empty() ? Kind::none : Kind::lower;
  };
  std::vector<std::string> words;
  Kind before = Kind::none;
  for (const char letter : name) {
    const Kind kind = kind_of(letter);
    if (kind != before && !(before == Kind::upper && kind == Kind::lower)) words.emplace_back();
    if (kind != Kind::none) words.back() += plain_name(std::string_view(&letter, 1));
    before = kind;
  }
  std::erase(words, "");
  return words;
}

/// What the name of a folder says about its pictures: 0 good, 1 defective. The whole name counts, or else its first two
/// words or the first one: "ok_front", "good2" and "defect free 3" are good, "def_front" and "not_ok_2" defective. A
/// name that begins well and goes on with a defect ("good_bad", "ok_scratch") is defective. "no" and "yes" say
/// something only alone.
inline std::optional<int> label_of_folder(std::string_view name) {
  if (is_good_name(name)) return 0;
  if (is_bad_name(name)) return 1;
  const std::vector<std::string> words = words_of(name);
  const auto tells_defect = [](const std::string& word) {
    return is_bad_name(word) ||
           lists::any_of(kDefectWords, [&](std::string_view begin) { return word.starts_with(begin); });
  };
  for (const std::size_t count : {std::size_t{2}, std::size_t{1}}) {
    if (words.size() <= count) continue;
    const std::string first = count == 2 ? words[0] + words[1] : words[0];
    if (first == "no" || first == "yes") continue;
    if (is_bad_name(first)) return 1;
    if (is_good_name(first))
      return std::any_of(words.begin() + static_cast<std::ptrdiff_t>(count), words.end(), tells_defect) ? 1 : 0;
  }
  return std::nullopt;
}
inline bool is_good_kind(std::string_view name) { return label_of_folder(name) == 0; }

/// Label that is written as a word or number: 0 good, 1 defective.
inline std::optional<int> label_of_word(std::string_view word) {
  const std::string plain = plain_name(word);
  if (word == "0" || word == "0.0" || plain == "false" || is_good_name(word)) return 0;
  if (word == "1" || word == "1.0" || plain == "true" || is_bad_name(word)) return 1;
  return std::nullopt;
}

/// The formats that are read, and others that are pictures too, so that they are not passed over in silence. Of a set
/// that is there twice, the format that stands first is taken.
inline constexpr std::array<std::string_view, 16> kReadExtensions{".png", ".jpg",  ".jpeg", ".jpe", ".jfif", ".bmp",
                                                                  ".dib", ".ppm",  ".pgm",  ".pbm", ".pnm",  ".pam",
                                                                  ".tif", ".tiff", ".gif",  ".webp"};
inline constexpr std::array<std::string_view, 5> kUnreadExtensions{".heic", ".heif", ".avif", ".jp2", ".jxl"};

/// Extension of a name with its dot in lower case, without a detour over the file system's idea of a path.
inline std::string extension_of(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  std::string extension(dot == std::string_view::npos || dot == 0 ? std::string_view() : name.substr(dot));
  for (char& letter : extension)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  return extension;
}
inline std::string_view stem_of(std::string_view name) {
  return name.substr(0, name.size() - extension_of(name).size());
}

inline bool is_read_picture(std::string_view name) {
  return lists::find(kReadExtensions, extension_of(name)) != kReadExtensions.end();
}
inline bool is_picture(std::string_view name) {
  return is_read_picture(name) || lists::find(kUnreadExtensions, extension_of(name)) != kUnreadExtensions.end();
}

/// Whether a file is of a format that is made for photographs.
inline bool is_photograph(std::string_view name) {
  constexpr std::array<std::string_view, 7> kFormats{".jpg", ".jpeg", ".jpe", ".jfif", ".heic", ".heif", ".avif"};
  return lists::find(kFormats, extension_of(name)) != kFormats.end();
}

inline bool has_pictures(const FolderNode& folder) { return lists::any_of(folder.files, is_picture); }

inline index_t count_pictures(const FolderNode& folder) {
  index_t count = lists::count_if(folder.files, is_picture);
  for (const FolderNode& inner : folder.folders) count += count_pictures(inner);
  return count;
}

/// The folder inside with one of the names, the one whose name comes first in the list; null if there is none.
inline const FolderNode* find_folder(const FolderNode& folder, NameList names) {
  for (const std::string_view name : names)
    for (const FolderNode& inner : folder.folders)
      if (plain_name(inner.name) == name) return &inner;
  return nullptr;
}
inline const FolderNode* find_folder(const FolderNode& folder, std::string_view name) {
  const std::string plain = plain_name(name);
  const std::string_view view = plain;
  return find_folder(folder, NameList(&view, 1));
}

}  // namespace detail

/// The part of a split that a folder of this name holds.
inline std::optional<Split> split_of_name(std::string_view name) {
  const std::string plain = detail::plain_name(name);
  if (plain == "train" || plain == "training") return Split::train;
  if (plain == "val" || plain == "valid" || plain == "validation") return Split::valid;
  if (plain == "test" || plain == "testing") return Split::test;
  return std::nullopt;
}

}}  // namespace moeclip::abi_v0_1

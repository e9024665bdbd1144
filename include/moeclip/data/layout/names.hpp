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

#include "../../base/lists.hpp"
#include "../../io/folder_tree.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Part of a data set that a picture belongs to.
enum class Split { train, valid, test };

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

inline constexpr std::array<std::string_view, 17> kGoodNames{
    "good",     "ok",        "okay", "normal", "normals",    "healthy",      "negative", "negatives", "no",
    "nodefect", "nodefects", "pass", "passed", "defectfree", "nondefective", "clean",    "intact"};
inline constexpr std::array<std::string_view, 25> kBadNames{
    "bad",       "ko",       "ng",        "nok",      "notgood",   "notok",     "ungood",   "anomaly", "anomalies",
    "anomalous", "abnormal", "abnormals", "defect",   "defects",   "defective", "faulty",   "fault",   "faults",
    "damaged",   "fail",     "failed",    "positive", "positives", "yes",       "unhealthy"};
inline constexpr std::array<std::string_view, 14> kMaskNames{
    "groundtruth",   "mask",       "masks",       "groundtruths", "gt",    "gts",    "segmentation",
    "segmentations", "annotation", "annotations", "maskimages",   "label", "labels", "truth"};
inline constexpr std::array<std::string_view, 11> kPictureFolders{
    "images",   "image",  "imgs",   "img",  "original", "originals", "railsurfaceimages",
    "pictures", "photos", "inputs", "input"};

inline bool is_named(std::string_view name, NameList names) {
  return lists::find(names, plain_name(name)) != names.end();
}
inline bool is_good_name(std::string_view name) { return is_named(name, kGoodNames); }
inline bool is_bad_name(std::string_view name) { return is_named(name, kBadNames); }
inline bool is_mask_name(std::string_view name) { return is_named(name, kMaskNames); }

/// Label that is written as a word or number: 0 good, 1 defective.
inline std::optional<int> label_of_word(std::string_view word) {
  const std::string plain = plain_name(word);
  if (word == "0" || word == "0.0" || plain == "false" || is_good_name(word)) return 0;
  if (word == "1" || word == "1.0" || plain == "true" || is_bad_name(word)) return 1;
  return std::nullopt;
}

/// The formats that data sets come in, and others that are pictures too, so that they are not passed over in silence.
/// Of a picture that is there in both, the first is taken.
inline constexpr std::array<std::string_view, 12> kReadExtensions{".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp",
                                                                  ".dib", ".ppm", ".pgm",  ".pbm", ".pnm",  ".pam"};
inline constexpr std::array<std::string_view, 9> kUnreadExtensions{".tif",  ".tiff", ".gif", ".webp", ".heic",
                                                                   ".heif", ".avif", ".jp2", ".jxl"};

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

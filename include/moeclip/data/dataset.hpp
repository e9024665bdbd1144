// SPDX-License-Identifier: MIT
#pragma once
// A data set is a list of files (METHOD section 7) with one JSON object per line:
//     {"image_path": "good/000.png", "label": 0, "class_name": "gear"}
//     {"image_path": "bad/001.png", "label": 1, "class_name": "gear", "mask_path": "masks/001.png"}
// The label may be written with a decimal point. Other members are ignored.

#include <string>
#include <vector>

#include "../image/read_image.hpp"
#include "sample.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// One line of a data set.
struct DatasetEntry {
  std::string image_path;  ///< of the picture's file
  int label = 0;           ///< 0 good, 1 defective
  std::string class_name;  ///< as the list has it: "metal_nut"
  std::string mask_path;   ///< empty: none; a folder: all masks in it
  int marked_from = 1;     ///< lowest gray level of the mask that marks a defect; lists do not say it
};

/// Reads a list, text in any Unicode form (io/text_file.hpp); empty lines are skipped, relative paths are relative to
/// `root`, or to the list's folder without one. The files need not exist yet. Throws io, and with file and line:
/// format, missing (a member that is needed), limit; missing for a list without entries.
std::vector<DatasetEntry> read_dataset(const std::string& jsonl_path, const std::string& root = {});

/// An entry as a line of a list, with its end.
std::string dataset_line(const DatasetEntry& entry);

/// Writes a list that read_dataset reads; paths are written as they are. Throws io.
void write_dataset(const std::string& jsonl_path, const std::vector<DatasetEntry>& entries);

/// Reads a mask: gray as Pillow's convert('L'), levels from `marked_from` on become 255, others 0; the reference code
/// takes all but 0, also of resized masks, which it resizes by the nearest pixel. Where `path` is a folder, all masks
/// in it count (MVTec LOCO has one for each defect of a picture). If the mask's picture, now `upright`, was turned by
/// EXIF orientation `turned`, so is the mask, unless its shape says that it was drawn on the upright picture; a mask
/// with an EXIF orientation of its own is turned by that. Throws as read_image does.
Image read_mask(const std::string& path, int turned = 1, ImageView upright = {}, int marked_from = 1);

/// Reads the picture as `images` say (always in colour) and, of a defective one, the mask, which may have another size.
/// Throws as read_image does.
Sample load_sample(const DatasetEntry& entry, ImageOptions images = {});

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_DATA)

#include "../image/exif.hpp"
#include "../io/file.hpp"
#include "../io/json.hpp"
#include "../io/json_writer.hpp"
#include "../io/text_file.hpp"
#include "layout/names.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline constexpr std::uint64_t kDatasetBytes = std::uint64_t{1} << 30;  // of a list
inline constexpr std::size_t kDatasetLine = std::size_t{1} << 20;       // bytes of a line

[[noreturn]] inline void fail_dataset(ErrorCode code, std::string_view place, std::string_view what) {
  fail(code, concat(place, ": ", what));
}

/// Text member `key` of a line; null if it is missing or null.
inline const std::string* dataset_text(const Json& line, std::string_view key, std::string_view place) {
  const Json* value = line.find(key);
  if (value == nullptr || value->is_null()) return nullptr;
  if (!value->is_string())
    fail_dataset(ErrorCode::format, place,
                 concat("\"", key, "\" is ", to_string(value->kind()), ", a string was wanted"));
  return &value->as_string();
}

inline const std::string& needed_text(const Json& line, std::string_view key, std::string_view place) {
  const std::string* text = dataset_text(line, key, place);
  if (text == nullptr || text->empty()) fail_dataset(ErrorCode::missing, place, concat("there is no \"", key, "\""));
  return *text;
}

inline int dataset_label(const Json& line, std::string_view place) {
  const Json* label = line.find("label");
  if (label == nullptr) fail_dataset(ErrorCode::missing, place, "there is no \"label\" (0 good, 1 defective)");
  if (!label->is_number() || (label->as_number() != 0 && label->as_number() != 1))
    fail_dataset(ErrorCode::format, place,
                 concat("\"label\" is ", dump_json(*label), "; 0 (good) or 1 (defective) was wanted"));
  return label->as_number() != 0 ? 1 : 0;
}

/// Path of a file of a list; one that was written on Windows has the other separator.
inline std::string listed_path(const std::string& folder, const std::string& name) {
  std::string path = join_path(folder, name);
  if (name.find('\\') == std::string::npos || file_exists(path)) return path;
  lists::replace(path, '\\', '/');
  return path;
}

inline DatasetEntry parse_dataset_line(std::string_view text, const std::string& folder, std::string_view place) {
  if (text.size() > kDatasetLine)
    fail_dataset(ErrorCode::limit, place, concat("the line is longer than ", kDatasetLine, " bytes"));
  const Json line = parse_json(text, place, JsonNames::unique);
  if (!line.is_object())
    fail_dataset(ErrorCode::format, place, concat("the line is ", to_string(line.kind()), ", an object was wanted"));
  DatasetEntry entry;
  entry.image_path = listed_path(folder, needed_text(line, "image_path", place));
  entry.class_name = needed_text(line, "class_name", place);
  entry.label = dataset_label(line, place);
  const std::string* mask = dataset_text(line, "mask_path", place);
  if (mask != nullptr && !mask->empty()) entry.mask_path = listed_path(folder, *mask);
  return entry;
}

}  // namespace detail

MOECLIP_FUNC std::vector<DatasetEntry> read_dataset(const std::string& jsonl_path, const std::string& root) {
  const std::string text = read_text_file(jsonl_path, detail::kDatasetBytes);
  const std::string folder = root.empty() ? parent_directory(jsonl_path) : root;
  std::vector<DatasetEntry> entries;
  std::string_view rest = text;
  for (index_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = (std::min)(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix((std::min)(end + 1, rest.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    entries.push_back(detail::parse_dataset_line(line, folder, concat(jsonl_path, ": line ", number)));
  }
  if (entries.empty()) fail(ErrorCode::missing, concat(jsonl_path, ": the data set has no entries"));
  return entries;
}

MOECLIP_FUNC std::string dataset_line(const DatasetEntry& entry) {
  Json line = Json::object();
  line.set("image_path", entry.image_path).set("label", entry.label).set("class_name", entry.class_name);
  if (!entry.mask_path.empty()) line.set("mask_path", entry.mask_path);
  return dump_json(line) + "\n";
}

MOECLIP_FUNC void write_dataset(const std::string& jsonl_path, const std::vector<DatasetEntry>& entries) {
  std::string text;
  for (const DatasetEntry& entry : entries) text += dataset_line(entry);
  write_file(jsonl_path, as_bytes(text));
}

namespace detail {

/// Gray samples of masks are numbers, not light: 1 of 65535 must not become 0.
inline constexpr ImageOptions kMaskOptions{.gray = true, .deep_gray = DeepGray::clipped};

/// The gray levels of a mask; of a folder of them the highest ones.
inline Image read_levels(const std::string& path, const ImageOptions& options) {
  if (!is_directory(path)) return read_image(path, options);
  Image all;
  for (const std::string& file : list_files(path)) {
    if (!is_picture(file) || file_name(file).starts_with('.')) continue;
    Image one = read_image(file, options);
    if (all.size() > 0 && (one.width() != all.width() || one.height() != all.height()))
      fail(ErrorCode::mismatch, concat(file, ": is ", one.width(), " x ", one.height(), ", another mask in its folder ",
                                       all.width(), " x ", all.height()));
    for (index_t i = 0; i < all.size(); ++i) one.data()[i] = (std::max)(all.data()[i], one.data()[i]);
    all = std::move(one);
  }
  if (all.size() == 0) fail(ErrorCode::missing, concat(path, ": no masks are in this folder"));
  return all;
}

/// Whether the mask of a picture that was turned upright by `orientation` was drawn on the upright picture. Its shape
/// tells if the turn exchanged width and height; where it does not tell, the mask belongs to the stored pixels, so that
/// EXIF never changes which pixels of a picture are marked.
inline bool is_upright_mask(const Image& mask, int orientation, ImageView upright) {
  return orientation >= 5 && (mask.width() - mask.height()) * (upright.width - upright.height) > 0;
}

}  // namespace detail

MOECLIP_FUNC Image read_mask(const std::string& path, int turned, ImageView upright, int marked_from) {
  ImageOptions options = detail::kMaskOptions;
  options.apply_exif_orientation = turned != 1;
  Image mask = detail::read_levels(path, options);
  for (index_t i = 0; i < mask.size(); ++i) mask.data()[i] = mask.data()[i] >= marked_from ? 255 : 0;
  if (turned == 1 || (!is_directory(path) && applied_orientation(path, options) != 1) ||
      detail::is_upright_mask(mask, turned, upright))
    return mask;
  return apply_orientation(std::move(mask), turned);
}

MOECLIP_FUNC Sample load_sample(const DatasetEntry& entry, ImageOptions images) {
  images.gray = false;
  Sample sample;
  sample.path = entry.image_path;
  sample.class_name = entry.class_name;
  sample.label = entry.label;
  sample.picture = read_image(entry.image_path, images, &sample.remark);
  if (entry.label == 0 || entry.mask_path.empty()) return sample;
  sample.mask = read_mask(entry.mask_path, applied_orientation(entry.image_path, images), sample.picture.view(),
                          entry.marked_from);
  return sample;
}

}}  // namespace moeclip::abi_v0_1

#endif

// SPDX-License-Identifier: MIT
#pragma once
// A listing is what a layout finds in a folder: pictures with labels, classes and masks, all as paths below the folder.
// A picture gets its mask by its name, with what people put around names of masks taken away ("000_mask.png"), or else
// by the numbers in it.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../base/lists.hpp"
#include "names.hpp"

namespace moeclip { inline namespace abi_v0_1 {

struct ListedPicture {
  std::string image;  ///< path below the top of the tree
  int label = 0;      ///< 0 good, 1 defective
  std::string class_name;
  std::string mask;  ///< path below the top; empty: none
  Split split = Split::test;
  bool is_labelled = true;   ///< false: others have masks and it has none, so that nobody knows; `label` is 0
  bool may_be_mask = false;  ///< by its name `image` may as well be the mask, and `mask` the picture

  friend bool operator==(const ListedPicture&, const ListedPicture&) = default;
};

/// A class as it lies in the tree: its name and its folder, "" for the top.
struct ListedClass {
  std::string name, folder;
};

/// Pictures of folders of one name, by which they are good or defective.
struct ListedKind {
  std::string name;
  int label = 0;
  index_t pictures = 0;
};

struct Listing {
  std::vector<ListedPicture> pictures;
  std::vector<ListedClass> classes;
  std::vector<ListedKind> kinds;         ///< where folders say what is good
  std::vector<std::string> spare_masks;  ///< masks that no picture belongs to
  std::vector<std::string> notes;        ///< what had to be guessed, a sentence each
  bool is_parted = true;                 ///< pictures to train on, if there are any, are told from those for testing
  bool needs_masks = false;              ///< labels are 1 wherever there is a mask, and it may be empty
};

namespace detail {

/// Splits like "000_mask" into what names the picture and what names the mask, and keeps the first.
inline std::string mask_stem(std::string_view stem) {
  constexpr std::array<std::string_view, 12> kEnds{"mask", "masks", "gt",         "groundtruth",  "label", "labels",
                                                   "seg",  "anno",  "annotation", "segmentation", "truth", "bin"};
  std::string plain(stem);
  for (char& letter : plain)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  for (const std::string_view end : kEnds) {
    const std::size_t size = end.size();
    if (plain.size() <= size + 1) continue;
    const auto is_joint = [](char letter) { return letter == '_' || letter == '-' || letter == '.' || letter == ' '; };
    if (plain.ends_with(end) && is_joint(plain[plain.size() - size - 1]))
      return plain.substr(0, plain.size() - size - 1);
    if (plain.starts_with(end) && is_joint(plain[size])) return plain.substr(size + 1);
  }
  return plain;
}

/// The numbers of a name without leading zeros: "7.2" of "part007_02". Empty if there is none.
inline std::string numbers_of(std::string_view stem) {
  std::string numbers;
  for (std::size_t i = 0; i < stem.size();) {
    const auto is_digit = [&](std::size_t at) { return at < stem.size() && stem[at] >= '0' && stem[at] <= '9'; };
    if (!is_digit(i)) {
      ++i;
      continue;
    }
    while (stem[i] == '0' && is_digit(i + 1)) ++i;
    if (!numbers.empty()) numbers += '.';
    while (is_digit(i)) numbers += stem[i++];
  }
  return numbers;
}

/// The range of sorted pairs whose first is `key`.
template <class Pair>
auto with_key(const std::vector<Pair>& pairs, const std::string& key) {
  const auto first = lists::lower_bound(pairs, key, &Pair::first);
  return std::pair(first, lists::upper_bound(pairs, key, &Pair::first));
}

/// The masks of one folder, to be asked for by the names of pictures. O(log n) each. Where no masks lie in the folder
/// itself, each folder in it is one, made of those in there (MVTec LOCO: 000/000.png, 000/001.png).
class MaskIndex {
 public:
  MaskIndex() = default;
  explicit MaskIndex(const FolderNode& folder) : folder_(&folder) {
    for (const std::string& file : folder.files)
      if (is_picture(file)) add(file, stem_of(file));
    if (files_.empty())
      for (const FolderNode& inner : folder.folders)
        if (has_pictures(inner)) add(inner.name, inner.name);
    lists::sort(by_stem_);
    lists::sort(by_numbers_);
    is_used_.resize(files_.size());
  }

  /// Path of the mask of a picture called `name`, or "".
  std::string take(std::string_view name) {
    const auto [first, last] = with_key(by_stem_, mask_stem(stem_of(name)));
    if (first == last) return "";
    for (auto same = first; same != last; ++same)  // of "7.heic" and "7.png" the one that can be read
      if (is_read_picture(*files_[same->second])) return use(same->second);
    return use(first->second);
  }

  /// The same by the numbers in the name, where they name one mask.
  std::string take_by_numbers(std::string_view name) {
    const std::string numbers = numbers_of(stem_of(name));
    const auto [first, last] = with_key(by_numbers_, numbers);
    return numbers.empty() || last - first != 1 ? "" : use(first->second);
  }

  void add_spare(std::vector<std::string>& paths) const {
    for (std::size_t i = 0; i < files_.size(); ++i)
      if (!is_used_[i]) paths.push_back(folder_->file_path(*files_[i]));
  }

 private:
  using Keys = std::vector<std::pair<std::string, std::size_t>>;

  void add(const std::string& name, std::string_view stem) {
    by_stem_.emplace_back(mask_stem(stem), files_.size());
    by_numbers_.emplace_back(numbers_of(stem), files_.size());
    files_.push_back(&name);
  }

  std::string use(std::size_t file) {
    is_used_[file] = true;
    return folder_->file_path(*files_[file]);
  }

  const FolderNode* folder_ = nullptr;
  std::vector<const std::string*> files_;
  Keys by_stem_, by_numbers_;
  std::vector<bool> is_used_;
};

/// Where pictures of one kind lie and what is known of all of them.
struct PictureFolder {
  const FolderNode* pictures;
  const FolderNode* masks;  ///< null: none
  std::string class_name;
  int label;
  Split split;
  bool is_by_mask = false;  ///< `label` only where there is a mask; the others are unlabelled
};

/// The files of a folder that are called masks of others in it, "2_mask.png" beside "2.jpg", as a folder of their own.
/// Of defective pictures, "2.png" beside "2.jpg" is a mask, too.
inline FolderNode masks_beside(const FolderNode& folder, bool are_defective) {
  std::vector<std::string> whole, photos;  // what is left of names that say nothing of masks; of those the photographs
  for (const std::string& file : folder.files) {
    const std::string stem = mask_stem(stem_of(file));
    if (!is_picture(file) || stem.size() < stem_of(file).size()) continue;
    whole.push_back(stem);
    if (is_photograph(file)) photos.push_back(stem);
  }
  lists::sort(whole);
  lists::sort(photos);
  FolderNode masks{folder.name, folder.path, {}, {}};
  for (const std::string& file : folder.files) {
    if (!is_picture(file)) continue;
    const std::string stem = mask_stem(stem_of(file));
    const bool is_called_mask = stem.size() < stem_of(file).size() && lists::binary_search(whole, stem);
    if (is_called_mask || (are_defective && !is_photograph(file) && lists::binary_search(photos, stem)))
      masks.files.push_back(file);
  }
  return masks;
}

/// Lists the pictures of a folder (not of those below) with their masks, which may lie beside them. Only where no name
/// fits at all, numbers count.
inline void list_pictures(const PictureFolder& place, Listing& out) {
  const FolderNode beside = place.masks == nullptr ? masks_beside(*place.pictures, place.label == 1) : FolderNode();
  MaskIndex masks(place.masks != nullptr ? *place.masks : beside);
  const std::size_t before = out.pictures.size();
  std::size_t found = 0, guessed = 0;
  for (const std::string& file : place.pictures->files) {
    if (!is_picture(file) || lists::binary_search(beside.files, file)) continue;
    std::string mask = masks.take(file);
    found += mask.empty() ? 0u : 1u;
    out.pictures.push_back(
        {place.pictures->file_path(file), place.label, place.class_name, std::move(mask), place.split});
  }
  for (std::size_t i = before; i < out.pictures.size(); ++i) {
    ListedPicture& picture = out.pictures[i];
    const std::string_view name = picture.image;
    if (found == 0) picture.mask = masks.take_by_numbers(name.substr(name.rfind('/') + 1));  // npos + 1 is 0
    guessed += found == 0 && !picture.mask.empty() ? 1u : 0u;
    if (!place.is_by_mask || !picture.mask.empty()) continue;
    picture.label = 0;
    picture.is_labelled = false;
  }
  masks.add_spare(out.spare_masks);
  if (guessed > 0)
    out.notes.push_back(concat(place.pictures->path, ": ", counted(guessed, "mask"), guessed == 1 ? " was" : " were",
                               " found by the numbers in their names"));
}

}  // namespace detail

}}  // namespace moeclip::abi_v0_1

// SPDX-License-Identifier: MIT
#pragma once
// Which files of a folder are pictures. Whoever looks into folders, for whatever purpose, does it by read_folder_tree
// and by these names, so that all see the same pictures.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../io/folder_tree.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Whether a file of this name is a picture, by its extension; also of formats that are not read, so that none is
/// passed over in silence.
bool is_picture_name(std::string_view name);

/// Paths of the pictures of a tree, below its top, folder by folder: its own files first, then those of its folders.
std::vector<std::string> pictures_in(const FolderTree& tree);

/// Of pictures that are said to be good, by their paths below the folder that was named: the first that a data set
/// would call something else; "": none. It lies in a folder for defects or masks, beside one for good pictures, or in
/// folder 1 beside folder 0; or it is a mask beside its picture (2_mask.png or 2.png beside 2.jpg, as far as the paths
/// have their extensions), or called ng_1 where others are called ok_1.
std::string first_not_good(std::span<const std::string> paths);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_DATA)

#include <map>
#include <set>

#include "../base/lists.hpp"
#include "layout/listing.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline void collect_pictures(const FolderNode& folder, std::vector<std::string>& paths) {
  for (const std::string& file : folder.files)
    if (is_picture(file)) paths.push_back(folder.file_path(file));
  for (const FolderNode& inner : folder.folders) collect_pictures(inner, paths);
}

/// Whether a folder on the way to a picture has a name of that kind.
template <class IsName>
bool lies_in(std::string_view path, const IsName& is_name) {
  for (std::size_t end = path.find('/'); end != std::string_view::npos; end = path.find('/')) {
    if (is_name(path.substr(0, end))) return true;
    path.remove_prefix(end + 1);
  }
  return false;
}

/// The name of a folder of masks: one of the words for them has a part in it, as in "SegmentationClass" and "bolt_GT".
inline bool is_mask_folder(std::string_view name) {
  constexpr std::array<std::string_view, 6> kWords{"mask", "masks", "gt", "segmentation", "annotation", "annotations"};
  return is_mask_name(name) || plain_name(name).find("groundtruth") != std::string::npos ||
         lists::any_of(words_of(name), [&](const std::string& word) { return is_named(word, kWords); });
}

/// A picture by its folder, with '/', and by its name without the extension of a picture, if it has that.
struct NamedPicture {
  std::string folder, stem;

  explicit NamedPicture(const std::string& path) {
    const std::size_t start = path.rfind('/') + 1;  // npos + 1 is 0
    const std::string_view name = std::string_view(path).substr(start);
    folder = path.substr(0, start);
    stem = is_picture(name) ? stem_of(name) : name;
  }
};

/// What pictures around a picture say about it.
class PictureNeighbours {
 public:
  explicit PictureNeighbours(std::span<const std::string> paths) {
    for (const std::string& path : paths) {
      const NamedPicture picture(path);
      if (const std::string stem = mask_stem(picture.stem); stem.size() == picture.stem.size())
        ++pictures_[picture.folder + stem];
      has_good_names_ = has_good_names_ || label_of_folder(picture.stem) == 0;
      for (std::size_t end = path.find('/'), start = 0; end != std::string::npos; end = path.find('/', start)) {
        folders_[path.substr(0, start)].insert(path.substr(start, end - start));
        start = end + 1;
      }
    }
  }

  [[nodiscard]] bool say_it_is_other(const std::string& path) const {
    const NamedPicture picture(path);
    const std::string stem = mask_stem(picture.stem);
    const auto of_name = pictures_.find(picture.folder + stem);
    if (of_name != pictures_.end() && stem.size() < picture.stem.size()) return true;
    if (of_name != pictures_.end() && of_name->second > 1 && !is_photograph(path)) return true;
    return (has_good_names_ && label_of_folder(picture.stem) == 1) || lies_in_one_of_two(path);
  }

 private:
  /// Whether a folder on the way is called 1, and the only other one beside it 0.
  [[nodiscard]] bool lies_in_one_of_two(const std::string& path) const {
    for (std::size_t end = path.find('/'), start = 0; end != std::string::npos; end = path.find('/', start)) {
      if (path.substr(start, end - start) == "1" &&
          folders_.at(path.substr(0, start)) == std::set<std::string>{"0", "1"})
        return true;
      start = end + 1;
    }
    return false;
  }

  std::map<std::string, int> pictures_;                   // how many are called so; names that say nothing of masks
  std::map<std::string, std::set<std::string>> folders_;  // in each folder
  bool has_good_names_ = false;
};

}  // namespace detail

MOECLIP_FUNC bool is_picture_name(std::string_view name) { return detail::is_picture(name); }

MOECLIP_FUNC std::vector<std::string> pictures_in(const FolderTree& tree) {
  std::vector<std::string> paths;
  detail::collect_pictures(tree.top, paths);
  return paths;
}

MOECLIP_FUNC std::string first_not_good(std::span<const std::string> paths) {
  const auto is_good = [](std::string_view path) { return detail::lies_in(path, detail::is_good_kind); };
  const auto is_other = [](std::string_view path) {
    return detail::lies_in(
        path, [](std::string_view name) { return detail::label_of_folder(name) == 1 || detail::is_mask_folder(name); });
  };
  const bool has_good = lists::any_of(paths, is_good);
  const detail::PictureNeighbours neighbours(paths);
  for (const std::string& path : paths)
    if (is_other(path) || (has_good && !is_good(path)) || neighbours.say_it_is_other(path)) return path;
  return {};
}

}}  // namespace moeclip::abi_v0_1

#endif

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
/// would call something else, since it lies in a folder for defects or masks, or beside one for good pictures; "":
/// none.
std::string first_not_good(std::span<const std::string> paths);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_DATA)

#include "../base/lists.hpp"
#include "layout/names.hpp"

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

}  // namespace detail

MOECLIP_FUNC bool is_picture_name(std::string_view name) { return detail::is_picture(name); }

MOECLIP_FUNC std::vector<std::string> pictures_in(const FolderTree& tree) {
  std::vector<std::string> paths;
  detail::collect_pictures(tree.top, paths);
  return paths;
}

MOECLIP_FUNC std::string first_not_good(std::span<const std::string> paths) {
  const auto is_good = [](std::string_view path) { return detail::lies_in(path, detail::is_good_name); };
  const auto is_other = [](std::string_view path) {
    return detail::lies_in(
        path, [](std::string_view name) { return detail::is_bad_name(name) || detail::is_mask_name(name); });
  };
  const bool has_good = lists::any_of(paths, is_good);
  for (const std::string& path : paths)
    if (is_other(path) || (has_good && !is_good(path))) return path;
  return {};
}

}}  // namespace moeclip::abi_v0_1

#endif

// SPDX-License-Identifier: MIT
#pragma once
// Which files of a folder are pictures. Whoever looks into folders, for whatever purpose, does it by read_folder_tree
// and by these names, so that all see the same pictures.

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

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_DATA)

#include "layout/names.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline void collect_pictures(const FolderNode& folder, std::vector<std::string>& paths) {
  for (const std::string& file : folder.files)
    if (is_picture(file)) paths.push_back(folder.file_path(file));
  for (const FolderNode& inner : folder.folders) collect_pictures(inner, paths);
}

}  // namespace detail

MOECLIP_FUNC bool is_picture_name(std::string_view name) { return detail::is_picture(name); }

MOECLIP_FUNC std::vector<std::string> pictures_in(const FolderTree& tree) {
  std::vector<std::string> paths;
  detail::collect_pictures(tree.top, paths);
  return paths;
}

}}  // namespace moeclip::abi_v0_1

#endif

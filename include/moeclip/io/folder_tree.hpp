// SPDX-License-Identifier: MIT
#pragma once
// The folders and files below a folder, read once, for code that looks at them in several ways. It is made for folders
// as people have them: hidden files (".DS_Store", "._a.png", "__MACOSX") are left out; a link to a folder elsewhere is
// followed once, a link that leads back into the tree is not; what cannot be read is reported and passed over.

#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "../base/lists.hpp"
#include "../base/types.hpp"
#include "file.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A folder of the tree. Names are sorted by their bytes.
struct FolderNode {
  std::string name;                 ///< of the top: its own name, also if it was given as "."
  std::string path;                 ///< below the top, with '/' between names; empty: the top itself
  std::vector<std::string> files;   ///< names of the files that lie directly in it
  std::vector<FolderNode> folders;  ///< the folders that lie directly in it

  /// Path of one of the files, below the top.
  [[nodiscard]] std::string file_path(std::string_view file) const {
    return path.empty() ? std::string(file) : concat(path, "/", file);
  }
};

/// What read_folder_tree found.
struct FolderTree {
  std::string root;                   ///< as it was given
  std::string place;                  ///< the same, absolute and without links
  FolderNode top;                     ///< the folder itself, with everything below it
  std::vector<std::string> troubles;  ///< what could not be read and what was not followed, a sentence each
  index_t unread = 0;                 ///< of them, those behind which nobody looked: dead links, closed folders
};

/// `path` absolute and without links, as far as it exists.
std::string canonical_path(const std::string& path);

/// How `path` is reached from `directory`: without "..", or absolute if it does not lie below. The separator is '/'.
std::string path_below(const std::string& path, const std::string& directory);

/// Reads the tree below `directory`. Throws io if that is no folder or cannot be listed.
FolderTree read_folder_tree(const std::string& directory);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IO)

#include "file/system.hpp"

#include <algorithm>
#include <utility>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

class FolderReader {
 public:
  explicit FolderReader(FolderTree& tree) : tree_(tree) {}

  void read(const std::string& directory, FolderNode& folder, int depth) {
    constexpr int kDeepest = 64;  // of honest data; a file system may have loops that are no links
    if (depth > kDeepest) return add_unread(folder.path, "is deeper than ", concat(kDeepest, " folders: left out"));
    const std::error_code error = list_folder(directory, [&](const FolderEntry& entry) { add(entry, folder, depth); });
    if (error && depth == 0) fail_io(directory, "listed", error);
    if (error) add_unread(folder.path, "cannot be listed: ", error.message());
    std::sort(folder.files.begin(), folder.files.end());
    lists::sort_by(folder.folders, &FolderNode::name);
  }

 private:
  void add(const FolderEntry& entry, FolderNode& folder, int depth) {
    using std::filesystem::file_type;
    if (entry.name.starts_with(".") || entry.name == "__MACOSX") return;
    const std::string path = folder.file_path(entry.name);
    if (entry.type == file_type::regular) {
      folder.files.push_back(entry.name);
    } else if (entry.type == file_type::directory) {
      if (entry.is_link && !may_follow(entry.path, path)) return;
      FolderNode inner{entry.name, path, {}, {}};
      read(entry.path, inner, depth + 1);
      folder.folders.push_back(std::move(inner));
    } else if (entry.type == file_type::not_found && entry.is_link) {
      add_unread(path, "is a link to nothing", "");
    } else if (entry.type == file_type::none) {
      add_unread(path, entry.is_link ? "cannot be followed: " : "cannot be looked at: ", entry.error.message());
    }
  }

  /// A link to a folder is followed unless what it leads to is met anyway, or holds the tree itself.
  bool may_follow(const std::string& link, const std::string& path) {
    std::error_code error;
    const std::string target = utf8_path(std::filesystem::canonical(native_path(link), error));
    if (error) {
      add_unread(path, "cannot be followed: ", error.message());
      return false;
    }
    const auto is_inside = [](const std::string& inner, const std::string& outer) {
      return inner == outer || (inner.starts_with(outer) && (outer.ends_with('/') || inner[outer.size()] == '/'));
    };
    const bool is_met = is_inside(target, tree_.place) || is_inside(tree_.place, target) ||
                        lists::any_of(followed_, [&](const std::string& other) {
                          return is_inside(target, other) || is_inside(other, target);
                        });
    if (is_met) add_trouble(path, "is a link to a folder that is met elsewhere: not followed", "");
    if (!is_met) followed_.push_back(target);
    return !is_met;
  }

  void add_trouble(const std::string& path, std::string_view what, const std::string& reason) {
    tree_.troubles.push_back(concat(join_path(tree_.root, path), ": ", what, reason));
  }

  void add_unread(const std::string& path, std::string_view what, const std::string& reason) {
    add_trouble(path, what, reason);
    ++tree_.unread;
  }

  FolderTree& tree_;
  std::vector<std::string> followed_;  // targets of links, absolute
};

}  // namespace detail

MOECLIP_FUNC std::string canonical_path(const std::string& path) {
  std::error_code error;
  const auto absolute = std::filesystem::weakly_canonical(detail::native_path(path), error);
  return error ? path : detail::utf8_path(absolute);
}

MOECLIP_FUNC std::string path_below(const std::string& path, const std::string& directory) {
  const auto whole = detail::native_path(canonical_path(path));
  const auto relative = whole.lexically_relative(detail::native_path(canonical_path(directory)));
  const bool is_below = !relative.empty() && *relative.begin() != "..";
  const std::u8string text = (is_below ? relative : whole).generic_u8string();
  return std::string(text.begin(), text.end());
}

MOECLIP_FUNC FolderTree read_folder_tree(const std::string& directory) {
  if (!file_exists(directory) && !is_directory(directory)) fail(ErrorCode::io, concat(directory, ": no such folder"));
  if (!is_directory(directory)) fail(ErrorCode::io, concat(directory, ": is a file, a folder is wanted"));
  FolderTree tree;
  tree.root = directory;
  tree.place = canonical_path(directory);
  tree.top.name = file_name(tree.place);
  detail::FolderReader(tree).read(directory, tree.top, 0);
  return tree;
}

}}  // namespace moeclip::abi_v0_1

#endif

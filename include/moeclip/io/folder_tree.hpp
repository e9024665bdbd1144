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
#include <set>
#include <tuple>
#include <utility>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Walks the folders first and follows links to folders after that, in the order of where they lead, so that what is
/// met does not depend on the order in which a file system lists names.
class FolderReader {
 public:
  explicit FolderReader(FolderTree& tree) : tree_(tree) {}

  void read_all() {
    read({tree_.root, tree_.place, 0}, tree_.top);
    while (!links_.empty()) {
      const auto first = std::min_element(links_.begin(), links_.end(), [](const Link& a, const Link& b) {
        return std::tie(a.target, a.path) < std::tie(b.target, b.path);
      });
      const Link link = std::move(*first);
      links_.erase(first);
      if (!may_follow(link)) continue;
      FolderNode inner{file_name(link.path), link.path, {}, {}};
      read({link.place, link.target, link.depth}, inner);
      std::vector<FolderNode>& beside = parent_of(link.path).folders;
      beside.push_back(std::move(inner));
      lists::sort_by(beside, &FolderNode::name);
    }
  }

 private:
  /// A folder that is read: as it is written, absolute and without links, and how deep it lies.
  struct Where {
    std::string place, target;
    int depth;
  };
  struct Link : Where {
    std::string path;  // below the top
  };

  void read(const Where& where, FolderNode& folder) {
    constexpr int kDeepest = 64;  // of honest data; a file system may have loops that are no links
    if (where.depth > kDeepest)
      return add_unread(folder.path, "is deeper than ", concat(kDeepest, " folders: left out"));
    walked_.insert(where.target);
    const std::error_code error =
        list_folder(where.place, [&](const FolderEntry& entry) { add(entry, where, folder); });
    if (error && where.depth == 0) fail_io(where.place, "listed", error);
    if (error) add_unread(folder.path, "cannot be listed: ", error.message());
    std::sort(folder.files.begin(), folder.files.end());
    lists::sort_by(folder.folders, &FolderNode::name);
  }

  void add(const FolderEntry& entry, const Where& where, FolderNode& folder) {
    using std::filesystem::file_type;
    if (entry.name.starts_with(".") || entry.name == "__MACOSX") return;
    const std::string path = folder.file_path(entry.name);
    if (entry.type == file_type::regular) {
      folder.files.push_back(entry.name);
    } else if (entry.type == file_type::directory && entry.is_link) {
      add_link({{entry.path, "", where.depth + 1}, path});
    } else if (entry.type == file_type::directory) {
      const Where inside{entry.path, join_path(where.target, entry.name), where.depth + 1};
      if (walked_.contains(inside.target)) return;  // by a link to it
      FolderNode inner{entry.name, path, {}, {}};
      read(inside, inner);
      folder.folders.push_back(std::move(inner));
    } else if (entry.type == file_type::not_found && entry.is_link) {
      add_unread(path, "is a link to nothing", "");
    } else if (entry.type == file_type::none) {
      add_unread(path, entry.is_link ? "cannot be followed: " : "cannot be looked at: ", entry.error.message());
    }
  }

  void add_link(Link link) {
    std::error_code error;
    link.target = utf8_path(std::filesystem::canonical(native_path(link.place), error));
    if (error) return add_unread(link.path, "cannot be followed: ", error.message());
    links_.push_back(std::move(link));
  }

  /// A link to a folder is followed unless that was met, or holds the whole tree.
  bool may_follow(const Link& link) {
    const std::string& outer = link.target;
    const bool is_around =
        tree_.place.starts_with(outer) && (outer.ends_with('/') || tree_.place.substr(outer.size()).starts_with('/'));
    const bool is_met = walked_.contains(outer);
    if (is_met) add_trouble(link.path, "is a link to a folder that is met elsewhere: not followed", "");
    if (is_around) add_trouble(link.path, "is a link to a folder around this one: not followed", "");
    return !is_met && !is_around;
  }

  /// The folder in which the one at `path` below the top lies.
  FolderNode& parent_of(const std::string& path) {
    FolderNode* node = &tree_.top;
    for (std::size_t end = path.find('/'); end != path.npos; end = path.find('/', end + 1))
      node = &*std::find_if(node->folders.begin(), node->folders.end(),
                            [&](const FolderNode& inner) { return inner.path == path.substr(0, end); });
    return *node;
  }

  void add_trouble(const std::string& path, std::string_view what, const std::string& reason) {
    tree_.troubles.push_back(concat(join_path(tree_.root, path), ": ", what, reason));
  }

  void add_unread(const std::string& path, std::string_view what, const std::string& reason) {
    add_trouble(path, what, reason);
    ++tree_.unread;
  }

  FolderTree& tree_;
  std::set<std::string> walked_;  // where folders are that were read, absolute and without links
  std::vector<Link> links_;       // to folders, not followed yet
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
  detail::FolderReader(tree).read_all();
  return tree;
}

}}  // namespace moeclip::abi_v0_1

#endif

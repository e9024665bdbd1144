// SPDX-License-Identifier: MIT
#pragma once
// What would count twice among several data sets.

#include <map>
#include <moeclip/base/error.hpp>
#include <moeclip/io/folder_tree.hpp>
#include <set>
#include <string>
#include <vector>

namespace cli {

/// Refuses what would count twice: the same folder or list given twice, or a folder inside of another. Two lists may
/// name the same picture, of which they say different things.
class EachOnce {
 public:
  /// Throws mismatch if the data set at `path`, or one of the pictures at `image_paths`, was there before.
  void expect_new(const std::string& path, const std::vector<std::string>& image_paths) {
    if (!seen_.insert(moeclip::canonical_path(path)).second) fail_twice(path);
    if (!moeclip::is_directory(path)) return;
    for (const std::string& image : image_paths) {
      const std::string folder = moeclip::parent_directory(image);
      if (!folders_.contains(folder)) folders_[folder] = moeclip::canonical_path(folder);
      if (!seen_.insert(moeclip::join_path(folders_[folder], moeclip::file_name(image))).second) fail_twice(image);
    }
  }

 private:
  [[noreturn]] static void fail_twice(const std::string& path) {
    moeclip::fail(
        moeclip::ErrorCode::mismatch,
        moeclip::concat(path, ": is in more than one of the data sets, and would count twice; give every folder once"));
  }

  std::map<std::string, std::string> folders_;  // as they are written, and where they are
  std::set<std::string> seen_;
};

}  // namespace cli

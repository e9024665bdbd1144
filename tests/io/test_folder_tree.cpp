// SPDX-License-Identifier: MIT
#include <moeclip/io/folder_tree.hpp>

#include <doctest/doctest.h>

#include "expect_error.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;

namespace {

void put(const TemporaryFolder& folder, const std::string& path) {
  create_directories(parent_directory(join_path(folder.path(), path)));
  folder.write(path, "x");
}

[[maybe_unused]] bool has_trouble(const FolderTree& tree, std::string_view part) {
  return std::ranges::any_of(tree.troubles,
                             [&](const std::string& text) { return text.find(part) != std::string::npos; });
}

}  // namespace

TEST_CASE("a tree is sorted, and without what systems hide") {
  const TemporaryFolder folder("tree_sorted");
  for (const char* path : {"b/2.png", "b/10.png", "a/x/y.txt", "c.txt", ".hidden", "a/._x", "__MACOSX/z", ".git/q"})
    put(folder, path);
  const FolderTree tree = read_folder_tree(folder.path());
  CHECK(tree.top.name == file_name(folder.path()));
  CHECK(tree.top.path.empty());
  CHECK(tree.top.files == std::vector<std::string>{"c.txt"});
  REQUIRE(tree.top.folders.size() == 2);
  CHECK(tree.top.folders[0].folders[0].path == "a/x");
  CHECK(tree.top.folders[0].folders[0].file_path("y.txt") == "a/x/y.txt");
  CHECK(tree.top.folders[1].files == std::vector<std::string>{"10.png", "2.png"});
  CHECK(tree.troubles.empty());
}

TEST_CASE("what is no folder is an error") {
  const TemporaryFolder folder("tree_none");
  put(folder, "file");
  expect_error(ErrorCode::io, {"none", "no such folder"}, [&] { read_folder_tree(join_path(folder.path(), "none")); });
  expect_error(ErrorCode::io, {"file", "a folder is wanted"},
               [&] { read_folder_tree(join_path(folder.path(), "file")); });
}

TEST_CASE("paths below a folder") {
  const TemporaryFolder folder("tree_below");
  put(folder, "a/b/c.png");
  const std::string a = join_path(folder.path(), "a");
  CHECK(path_below(a + "/b/c.png", folder.path()) == "a/b/c.png");
  CHECK(path_below(a, a) == ".");
  CHECK(path_below(folder.path(), a) == canonical_path(folder.path()));
}

#if !defined(_WIN32)
TEST_CASE("links: to elsewhere once, in circles not at all, to nothing told") {
  const TemporaryFolder folder("tree_links"), other("tree_links_other");
  put(folder, "set/a.png");
  put(other, "far/b.png");
  const auto link = [&](const std::string& target, const std::string& name) {
    std::filesystem::create_symlink(target, join_path(folder.path(), name));
  };
  link(join_path(other.path(), "far"), "set/linked");
  link(join_path(other.path(), "far"), "set/linked again");
  link(join_path(other.path(), "far/b.png"), "set/file.png");
  link(join_path(folder.path(), "set"), "set/circle");
  link("/", "set/everything");
  link("nowhere", "set/broken");
  link("itself", "set/itself");
  const FolderTree tree = read_folder_tree(folder.path());
  const FolderNode& set = tree.top.folders.at(0);
  CHECK(set.files == std::vector<std::string>{"a.png", "file.png"});
  REQUIRE(set.folders.size() == 1);
  CHECK(set.folders[0].files == std::vector<std::string>{"b.png"});
  CHECK(tree.troubles.size() == 5);
  CHECK(tree.unread == 2);
  for (const char* part :
       {"set/circle", "set/everything", "set/broken: is a link to nothing", "set/itself: cannot be followed"})
    CHECK(has_trouble(tree, part));
}

TEST_CASE("what links lead to is met once, whatever they are called") {
  for (const bool is_outer_first : {false, true}) {
    const TemporaryFolder folder("tree_order"), other("tree_order_other");
    put(folder, "a.png");
    put(other, "out/b.png");
    put(other, "out/sub/c.png");
    put(folder, ".store/v1/d.png");  // hidden, and met by its link alone
    const auto link = [&](const std::string& target, const std::string& name) {
      std::filesystem::create_symlink(target, join_path(folder.path(), name));
    };
    link(join_path(other.path(), "out"), is_outer_first ? "x" : "z");
    link(join_path(other.path(), "out/sub"), "y");
    link(".store/v1", "current");
    const FolderTree tree = read_folder_tree(folder.path());
    REQUIRE(tree.top.folders.size() == 2);
    CHECK(tree.top.folders[0].files == std::vector<std::string>{"d.png"});
    CHECK(tree.top.folders[1].files == std::vector<std::string>{"b.png"});
    REQUIRE(tree.top.folders[1].folders.size() == 1);
    CHECK(tree.top.folders[1].folders[0].files == std::vector<std::string>{"c.png"});
    CHECK(tree.troubles.size() == 1);
    CHECK(has_trouble(tree, "y: is a link to a folder that is met elsewhere"));
    CHECK(tree.unread == 0);
  }
}

TEST_CASE("a folder that may not be read is told and passed over") {
  if (::geteuid() == 0) return;  // who may read everything
  const TemporaryFolder folder("tree_closed");
  put(folder, "open/a.png");
  put(folder, "closed/b.png");
  const std::string closed = join_path(folder.path(), "closed");
  std::filesystem::permissions(closed, std::filesystem::perms::none);
  const FolderTree tree = read_folder_tree(folder.path());
  std::filesystem::permissions(closed, std::filesystem::perms::owner_all);
  CHECK(tree.top.folders.size() == 2);
  CHECK(has_trouble(tree, "closed: cannot be listed"));
  CHECK(tree.unread == 1);
}
#endif

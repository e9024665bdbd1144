// SPDX-License-Identifier: MIT
#pragma once
// Says what lies in a folder that is in no layout, which layout comes closest, and what it lacks for that.

#include <map>
#include <string>
#include <vector>

#include "../../base/lists.hpp"
#include "kinds.hpp"
#include "tables.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// A layout that nearly fits.
struct CloseLayout {
  std::string_view name;
  std::string what;  ///< is there, and what is not
};

/// How many files of which extension lie in which folder, the fullest folders first.
inline std::string describe_contents(const FolderNode& top) {
  constexpr std::size_t kShown = 6;
  struct Pile {
    std::string where, extension;
    index_t files = 0;
  };
  std::vector<Pile> piles;
  const auto add = [&](const FolderNode& folder, const auto& again) -> void {
    std::map<std::string, index_t> counts;
    for (const std::string& file : folder.files) ++counts[extension_of(file)];
    for (const auto& [extension, files] : counts)
      piles.push_back({folder.path.empty() ? "the folder itself" : folder.path + "/", extension, files});
    for (const FolderNode& inner : folder.folders) again(inner, again);
  };
  add(top, add);
  lists::stable_sort(piles, [](const Pile& a, const Pile& b) { return a.files > b.files; });
  std::string text;
  for (const Pile& pile : piles) {
    if (&pile == &piles[0] + kShown) return text + concat(", and ", piles.size() - kShown, " more");
    text += concat(text.empty() ? "" : ", ", pile.files, " ", pile.extension.empty() ? "files" : pile.extension, " in ",
                   pile.where);
  }
  return text;
}

/// What a table lacks that is there and did not do.
inline std::string describe_table(const FolderTree& tree, const FolderNode& folder, const std::string& file) {
  const std::string named = label_table(folder), path = named.empty() ? folder.file_path(file) : named;
  if (named.empty()) return concat(path, " is there, but not called labels.csv");
  const LabelTable table(tree, path);
  const bool has_image = table.column(kImageColumns) >= 0;
  if (has_image && table.column(kLabelColumns) >= 0) return concat(path, " is there, but has no rows");
  return concat(path, " is there with the columns ", table.columns(), ", but none of them is called ",
                has_image ? "label, for 0 or good, 1 or defective" : "image, for the names of pictures");
}

/// What a part of a split lacks that does not have kinds in it.
inline std::string describe_part(const FolderNode& part) {
  for (const FolderNode& inner : part.folders)
    if (may_be_kind(inner) && count_pictures(inner) > 0)
      return concat(part.path, "/ is there, but the pictures of ", inner.path, "/ lie in folders further below; in ",
                    inner.path, "/ itself they were wanted");
  return concat(part.path, "/ is there, but no folders of kinds in it, such as ", part.path, "/good/");
}

/// What a single folder lacks, if it looks like the beginning of a layout.
inline CloseLayout closest_of_folder(const FolderTree& tree, const FolderNode& folder) {
  const auto is_table = [](const std::string& file) {
    return extension_of(file) == ".csv" || extension_of(file) == ".tsv";
  };
  const FolderNode* masks = find_folder(folder, kMaskNames);
  const FolderNode* images = find_folder(folder, kPictureFolders);
  if (const auto table = lists::find_if(folder.files, is_table); table != folder.files.end())
    return {"csv", describe_table(tree, folder, *table)};
  for (const FolderNode& part : folder.folders)
    if (split_of_name(part.name) && count_pictures(part) > 0) return {"mvtec", describe_part(part)};
  if (images != nullptr && masks == nullptr)
    return {"image_mask", concat(images->path, "/ is there, but no folder of masks beside it, such as masks/")};
  if (masks == nullptr || count_pictures(*masks) == 0) return {};
  if (images == nullptr)
    return {"image_mask", concat(masks->path, "/ is there, but no folder of pictures beside it, such as images/")};
  return {"image_mask", concat(images->path, "/ and ", masks->path,
                               "/ are there, but not with pictures right in both, or in both in folders of one name, "
                               "such as train/ or test/")};
}

/// The layout that comes closest in the folder or below it; for a mere heap of pictures, that of good and bad ones.
inline CloseLayout closest_layout(const FolderTree& tree, const FolderNode& folder) {
  if (CloseLayout close = closest_of_folder(tree, folder); !close.name.empty()) return close;
  for (const FolderNode& inner : folder.folders)
    if (CloseLayout close = closest_of_folder(tree, inner); !close.name.empty()) return close;
  return {"good_bad", "pictures are there, but no folder says which are good, such as good/ beside bad/"};
}

}}}  // namespace moeclip::abi_v0_1::detail

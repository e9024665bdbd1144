// SPDX-License-Identifier: MIT
#pragma once
// Recognises the layout of sets for segmentation, which have a folder of pictures and one of masks:
//     image_mask   images/1.png   masks/1.png    also Original and Ground Truth, Rail surface images and GroundTruth,
//     ...
//     image_mask   images/train/1.png   masks/train/1.png
//     image_mask   1.png   masks/1.png    as DAGM has them
// ColonDB, ClinicDB, CVC-300, Endo, Kvasir and RSDD come like this, and in them every picture shows what is looked for.
// In folders of one's own a picture with an empty mask is a good one; one without a mask is unlabelled: whoever drew
// the masks may have left it out because it is good, or because nobody has looked at it yet.

#include "listing.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// The folder with the pictures that belong to a folder of masks: one beside it, or the one that holds both.
inline const FolderNode* pictures_of_masks(const FolderNode& folder) {
  const FolderNode* images = nullptr;
  for (const std::string_view name : kPictureFolders)
    if (images == nullptr || !has_pictures(*images)) images = find_folder(folder, NameList(&name, 1));
  const auto is_other = [](const FolderNode& inner) { return !is_mask_name(inner.name) && count_pictures(inner) > 0; };
  if (images == nullptr && lists::none_of(folder.folders, is_other)) images = &folder;
  return images != nullptr && has_pictures(*images) ? images : nullptr;
}

inline bool list_pair(const FolderNode& folder, const std::string& class_name, Split split, Listing& out) {
  const FolderNode* masks = find_folder(folder, kMaskNames);
  const FolderNode* images = pictures_of_masks(folder);
  if (images == nullptr || masks == nullptr || !has_pictures(*masks)) return false;
  list_pictures({images, masks, class_name, 1, split, true}, out);
  out.needs_masks = true;
  return true;
}

/// The same where both folders are divided: images/train, masks/train.
inline bool list_parted_pairs(const FolderNode& folder, const std::string& class_name, Listing& out) {
  const FolderNode *images = find_folder(folder, kPictureFolders), *masks = find_folder(folder, kMaskNames);
  if (images == nullptr || masks == nullptr) return false;
  bool is_here = false;
  for (const FolderNode& part : images->folders) {
    const auto split = split_of_name(part.name);
    const FolderNode* own = split ? find_folder(*masks, part.name) : nullptr;
    if (own == nullptr || !has_pictures(part) || !has_pictures(*own)) continue;
    list_pictures({&part, own, class_name, 1, *split, true}, out);
    is_here = out.needs_masks = true;
  }
  return is_here;
}

inline bool list_image_mask(const FolderNode& folder, const std::string& class_name, Listing& out) {
  bool is_here = list_pair(folder, class_name, Split::test, out);
  for (const FolderNode& part : folder.folders)
    if (const auto split = split_of_name(part.name)) is_here = list_pair(part, class_name, *split, out) || is_here;
  if (!is_here) is_here = list_parted_pairs(folder, class_name, out);
  if (is_here) out.classes.push_back({class_name, folder.path});
  return is_here;
}

}  // namespace detail

}}  // namespace moeclip::abi_v0_1

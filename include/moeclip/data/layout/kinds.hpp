// SPDX-License-Identifier: MIT
#pragma once
// Recognises layouts with a folder per kind of picture, for good ones and for kinds of defects:
//     mvtec     <class>/test/good/000.png   <class>/test/<defect>/000.png   <class>/ground_truth/<defect>/000_mask.png
//     bmad      test/good/img/0.png         test/Ungood/img/1.png           test/Ungood/label/1.png
//     good_bad  good/a.jpg   bad/b.jpg   masks/b.png (if there are any; also masks/bad/b.png)
// The pictures of a kind may lie in folders of it, by view or part: test/good/view/0.png, OK/S0001/0.jpg.
// MVTec AD, BTAD ("ok" and "ko"), DTD-Synthetic and what people have brought into that form have the first, the medical
// sets of BMAD the second, folders of one's own the third.

#include "../../base/lists.hpp"
#include "listing.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// What belongs to a folder of kinds.
struct KindsFolder {
  const FolderNode* masks;  ///< with a folder per kind, or one for all of them; null: none
  std::string class_name;
  Split split = Split::test;
};

/// Where the pictures of a kind are: in its folder, or in one called "img" inside. Null if there are none.
inline const FolderNode* pictures_of_kind(const FolderNode& kind) {
  if (has_pictures(kind)) return &kind;
  const FolderNode* inner = find_folder(kind, kPictureFolders);
  return inner != nullptr && has_pictures(*inner) ? inner : nullptr;
}

/// The masks of a kind: beside its "img", or in the folder of masks under the same name, or all in one.
inline const FolderNode* masks_of_kind(const FolderNode& kind, const FolderNode* masks) {
  if (const FolderNode* beside = find_folder(kind, kMaskNames)) return beside;
  if (masks == nullptr) return nullptr;
  if (const FolderNode* same = find_folder(*masks, kind.name)) return same;
  return has_pictures(*masks) ? masks : nullptr;
}

/// Whether a folder may be a kind: its name has no other meaning.
inline bool may_be_kind(const FolderNode& folder) {
  return !is_mask_name(folder.name) && !is_named(folder.name, kPictureFolders) && !split_of_name(folder.name);
}

/// Whether a folder in `folder` or further below says what part of a split, or which kind, its pictures are of.
inline bool has_meaning_below(const FolderNode& folder) {
  return lists::any_of(folder.folders, [](const FolderNode& inner) {
    return split_of_name(inner.name) || is_good_name(inner.name) || is_bad_name(inner.name) || has_meaning_below(inner);
  });
}

/// The kinds in a folder: everything with pictures whose name has no other meaning. Where one of them is good, also
/// those with their pictures in folders further below, of which `is_named` wants a name that says good or defective.
inline std::vector<const FolderNode*> kinds_in(const FolderNode& folder, bool is_named) {
  std::vector<const FolderNode*> kinds, deep;
  for (const FolderNode& inner : folder.folders) {
    if (!may_be_kind(inner)) continue;
    if (pictures_of_kind(inner) != nullptr)
      kinds.push_back(&inner);
    else if (count_pictures(inner) > 0 && !has_meaning_below(inner) && (!is_named || label_of_folder(inner.name)))
      deep.push_back(&inner);
  }
  const auto is_good = [](const FolderNode* kind) { return is_good_kind(kind->name); };
  if (lists::any_of(kinds, is_good) || lists::any_of(deep, is_good))
    kinds.insert(kinds.end(), deep.begin(), deep.end());
  return kinds;
}

/// Lists what lies in the folder of a kind or, if that has no pictures, in those in it.
inline void list_kind(const KindsFolder& place, const FolderNode& kind, int label, Listing& out) {
  if (const FolderNode* pictures = pictures_of_kind(kind)) {
    const FolderNode* masks = label == 1 ? masks_of_kind(kind, place.masks) : nullptr;
    return list_pictures({pictures, masks, place.class_name, label, place.split}, out);
  }
  KindsFolder below = place;
  if (place.masks != nullptr) below.masks = find_folder(*place.masks, kind.name);
  for (const FolderNode& inner : kind.folders)
    if (!is_mask_name(inner.name)) list_kind(below, inner, label, out);
}

inline void list_kinds(const KindsFolder& place, const std::vector<const FolderNode*>& kinds, Listing& out) {
  for (const FolderNode* kind : kinds) {
    const int label = is_good_kind(kind->name) ? 0 : 1;
    const std::size_t before = out.pictures.size();
    list_kind(place, *kind, label, out);
    out.kinds.push_back({kind->name, label, static_cast<index_t>(out.pictures.size() - before)});
  }
}

/// True if kinds in test/ have their pictures in img/ inside them (`is_nested`) or not; where there is no test/, if
/// good pictures to train on are there, which are never nested.
inline bool has_kinds(const FolderNode& folder, bool is_nested) {
  bool has_test = false, has_good = false;
  for (const FolderNode& part : folder.folders) {
    const auto split = split_of_name(part.name);
    for (const FolderNode* kind : split ? kinds_in(part, false) : std::vector<const FolderNode*>()) {
      const FolderNode* const pictures = pictures_of_kind(*kind);
      if (split == Split::test && (pictures != nullptr && pictures != kind) == is_nested) return true;
      has_test = has_test || split == Split::test;
      has_good = has_good || is_good_kind(kind->name);
    }
  }
  return !has_test && has_good && !is_nested;
}

/// Lists a class folder with train/ and test/, or with one of them.
inline bool list_split(const FolderNode& folder, const std::string& class_name, bool is_nested, Listing& out) {
  if (!has_kinds(folder, is_nested)) return false;
  const FolderNode* masks = find_folder(folder, kMaskNames);
  for (const FolderNode& part : folder.folders)
    if (const auto split = split_of_name(part.name))
      list_kinds({masks, class_name, *split}, kinds_in(part, false), out);
  out.classes.push_back({class_name, folder.path});
  return true;
}

inline bool list_mvtec(const FolderNode& folder, const std::string& class_name, Listing& out) {
  return list_split(folder, class_name, false, out);
}
inline bool list_bmad(const FolderNode& folder, const std::string& class_name, Listing& out) {
  return list_split(folder, class_name, true, out);
}

/// Where one kind is called defective by its very name, only such and the good ones count; else every other folder is
/// a kind of defect.
inline bool list_good_bad(const FolderNode& folder, const std::string& class_name, Listing& out) {
  const auto named = [](const FolderNode* kind) { return label_of_folder(kind->name).has_value(); };
  const auto is_bad = [](const FolderNode* kind) { return is_bad_name(kind->name); };
  std::vector<const FolderNode*> kinds = kinds_in(folder, true);
  if (const FolderNode* inner = find_folder(folder, kPictureFolders); inner != nullptr && lists::none_of(kinds, named))
    kinds = kinds_in(*inner, true);  // images/good, images/scratch
  if (lists::none_of(kinds, named)) return false;
  if (lists::any_of(kinds, is_bad)) std::erase_if(kinds, [&](const FolderNode* kind) { return !named(kind); });
  list_kinds({find_folder(folder, kMaskNames), class_name}, kinds, out);
  out.classes.push_back({class_name, folder.path});
  return true;
}

}  // namespace detail

}}  // namespace moeclip::abi_v0_1

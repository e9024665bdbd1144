// SPDX-License-Identifier: MIT
#pragma once
// Recognises layouts whose pictures lie beside what tells of them, in one folder:
//     beside      1.jpg  1.png    or  Part0.jpg  Part0_label.bmp    or  10301.png  10301_GT.png
//     test_temp   00041000_test.jpg  00041000_temp.jpg
// Magnetic tiles come in the first way (in a folder Imgs for each kind), Kolektor's commutators in the second and
// surfaces in the third; DeepPCB in the last, where a template without defects lies beside each tested board.

#include <map>

#include "../../base/lists.hpp"
#include "listing.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// Pictures whose masks lie beside them, found in a folder and below it.
struct PairSearch {
  Listing& out;
  const std::string& class_name;
  index_t pairs = 0, single = 0;
  bool has_kinds = false;  ///< a folder says what is good or defective

  void add_folder(const FolderNode& folder, Split split) {
    std::map<std::string, std::vector<std::string>> things;  // by what their names have in common
    for (const std::string& file : folder.files)
      if (is_picture(file)) things[mask_stem(stem_of(file))].push_back(file);
    for (auto& [name, files] : things) add_thing(folder, files, split);
    for (const FolderNode& inner : folder.folders) {
      has_kinds = has_kinds || is_good_kind(inner.name) || is_bad_name(inner.name);
      add_folder(inner, split_of_name(inner.name).value_or(split));
    }
  }

 private:
  static bool is_called_mask(const std::string& file) { return mask_stem(stem_of(file)).size() < stem_of(file).size(); }

  void add_thing(const FolderNode& folder, std::vector<std::string>& files, Split split) {
    const auto rank = [](const std::string& file) { return std::pair(is_called_mask(file), !is_photograph(file)); };
    lists::stable_sort(files, [&](const std::string& a, const std::string& b) { return rank(a) < rank(b); });
    const bool is_pair = files.size() == 2;
    const bool is_either = is_pair && rank(files[0]) == rank(files[1]);  // 1.bmp and 1.tif: their content tells
    ++(is_pair ? pairs : single);
    if (!is_pair && is_called_mask(files[0])) return out.spare_masks.push_back(folder.file_path(files[0]));
    out.pictures.push_back({folder.file_path(files[0]), is_pair ? 1 : 0, class_name,
                            is_pair ? folder.file_path(files[1]) : "", split, is_pair, is_either});
  }
};

/// Takes all folders below for one class. No folder says what is good, and at least half of the pictures have a mask,
/// or these are no pairs but folders where a few names are alike.
inline bool list_beside(const FolderNode& folder, const std::string& class_name, Listing& out) {
  Listing found;
  PairSearch search{found, class_name};
  search.add_folder(folder, Split::test);
  if (search.has_kinds || search.pairs == 0 || search.pairs < search.single) return false;
  std::move(found.pictures.begin(), found.pictures.end(), std::back_inserter(out.pictures));
  std::move(found.spare_masks.begin(), found.spare_masks.end(), std::back_inserter(out.spare_masks));
  out.needs_masks = true;
  out.classes.push_back({class_name, folder.path});
  return true;
}

/// Lists the pairs of a tested part and its template in a folder and below it; returns how many.
inline index_t list_templates(const FolderNode& folder, const std::string& class_name, Listing& out) {
  constexpr std::string_view kTest = "_test", kTemplate = "_temp";
  index_t pairs = 0;
  for (const std::string& file : folder.files) {
    const std::string_view stem = stem_of(file);
    if (!is_picture(file) || !stem.ends_with(kTest)) continue;
    const std::string other =
        concat(stem.substr(0, stem.size() - kTest.size()), kTemplate, std::string_view(file).substr(stem.size()));
    if (!lists::binary_search(folder.files, other)) continue;
    out.pictures.push_back({folder.file_path(file), 1, class_name, "", Split::test});
    out.pictures.push_back({folder.file_path(other), 0, class_name, "", Split::test});
    ++pairs;
  }
  for (const FolderNode& inner : folder.folders) pairs += list_templates(inner, class_name, out);
  return pairs;
}

inline bool list_test_temp(const FolderNode& folder, const std::string& class_name, Listing& out) {
  if (list_templates(folder, class_name, out) == 0) return false;
  out.classes.push_back({class_name, folder.path});
  return true;
}

}  // namespace detail

}}  // namespace moeclip::abi_v0_1

// SPDX-License-Identifier: MIT
#pragma once
// Turns a folder, as it was downloaded, into a list of pictures with labels, classes and masks, without any file that
// describes it. Every layout is tried, on the folder as one class and on the folders in it as classes; if none fits,
// the folders below are tried. If more than one fits and they do not say the same, that is an error which names them.

#include <optional>
#include <set>
#include <tuple>

#include "../../base/context.hpp"
#include "../../base/lists.hpp"
#include "../dataset.hpp"
#include "beside.hpp"
#include "closest.hpp"
#include "kinds.hpp"
#include "pairs.hpp"
#include "sets.hpp"
#include "tables.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A way in which pictures, labels and masks lie in folders.
struct DatasetLayout {
  std::string_view name;
  std::string_view looks;  ///< like what, for people
  /// Lists a class folder (or, where the layout has a table for all classes, their folder); false if it is none.
  bool (*list)(const FolderTree& tree, const FolderNode& folder, const std::string& class_name, Listing& out);
};

/// All layouts.
inline std::span<const DatasetLayout> dataset_layouts() {
  using Tree = const FolderTree&;
  using In = const FolderNode&;
  using Name = const std::string&;
  static constexpr DatasetLayout kLayouts[] = {
      {"mvtec", "[CLASS/]{train,test}/{good,DEFECT}/0.png with ground_truth/DEFECT/0_mask.png or DEFECT/0/*.png",
       [](Tree, In folder, Name name, Listing& out) { return detail::list_mvtec(folder, name, out); }},
      {"visa", "[CLASS/]Data/Images/{Normal,Anomaly}/0.JPG with Data/Masks/Anomaly/0.png and split_csv/1cls.csv",
       [](Tree tree, In folder, Name name, Listing& out) { return detail::list_visa(tree, folder, name, out); }},
      {"bmad", "[CLASS/]{train,valid,test}/{good,Ungood}/img/0.png with test/Ungood/label/0.png",
       [](Tree, In folder, Name name, Listing& out) { return detail::list_bmad(folder, name, out); }},
      {"image_mask",
       "[CLASS/]images/0.jpg with masks/0.png, also {train,test}/images or images/{train,test}; 0.jpg with "
       "masks/0.png; Original and Ground "
       "Truth; ...",
       [](Tree, In folder, Name name, Listing& out) { return detail::list_image_mask(folder, name, out); }},
      {"csv",
       "label.csv, labels.csv, annotations.csv, metadata.csv, dataset.csv or label.tsv with a column for the picture "
       "and one for the label",
       [](Tree tree, In folder, Name name, Listing& out) { return detail::list_csv(tree, folder, name, out); }},
      {"good_bad", "[CLASS/]{good,bad}/0.png, {normal,abnormal}, {ok,ko}, {good,DEFECT,...}, with masks/ or without",
       [](Tree, In folder, Name name, Listing& out) { return detail::list_good_bad(folder, name, out); }},
      {"beside", "0.jpg with 0.png, 0_label.bmp, 0_mask.png or 0_GT.png in the same folder",
       [](Tree, In folder, Name name, Listing& out) { return detail::list_beside(folder, name, out); }},
      {"test_temp", "0_test.jpg with its template 0_temp.jpg in the same folder",
       [](Tree, In folder, Name name, Listing& out) { return detail::list_test_temp(folder, name, out); }},
  };
  return kLayouts;
}

struct LayoutOptions {
  std::string layout = {};      ///< name of a layout, or of one of the fourteen sets; empty: found out
  std::string class_name = {};  ///< of a folder that is one class; empty: its own name, or what the set calls it
  std::string root = {};        ///< of a list: the folder that its paths are relative to; empty: its own
  std::optional<Split> split = Split::test;  ///< which pictures become entries; unset: all
  bool trusts_masks = false;                 ///< image_mask, beside: a mask marks something, without looking into it
  bool unmasked_is_good = false;  ///< image_mask, beside: pictures without a mask are good ones, not unlabelled
  int marked_from = 1;            ///< lowest gray level of a mask that marks a defect, 1 to 255
  int threads = 0;                ///< for looking into masks; 0: one per core
};

/// What lies in a folder, or is named in a list.
struct DatasetListing {
  std::string layout;                    ///< "list" for a list
  std::vector<ClassCounts> classes;      ///< of all parts of the split
  std::vector<ListedKind> kinds;         ///< the same by the folders that say what is good; empty: others say it
  std::vector<DatasetEntry> entries;     ///< of the part that was asked for
  std::vector<std::string> spare_masks;  ///< paths of masks that no picture belongs to
  std::vector<std::string> notes;        ///< what a person should know, a sentence each
  index_t unread = 0;                    ///< of the folder, dead links and closed folders
  bool is_parted = true;                 ///< pictures to train on are told from those for testing
  bool is_one_class = false;             ///< the folder is a class, not a set of them
};

namespace detail {

/// A layout that fits a folder.
struct FoundLayout {
  const DatasetLayout* layout = nullptr;
  const FolderNode* folder = nullptr;
  bool is_one_class = false;
  Listing listing;
};

/// Folders whose name says nothing about what is shown in their pictures.
inline bool is_nameless(std::string_view name) {
  constexpr std::array<std::string_view, 5> kNames{"data", "dataset", "png", "tif", "jpg"};
  return split_of_name(name) || is_mask_name(name) || is_named(name, kPictureFolders) || is_named(name, kNames);
}

/// The name of the class that a folder is: its own, or that of the nearest folder around it whose name says something.
inline std::string class_of_folder(const FolderTree& tree, const FolderNode& folder) {
  std::string rest = folder.path.empty() ? tree.place : concat(tree.place, "/", folder.path);
  while (!rest.empty()) {
    const std::size_t start = rest.find_last_of("/\\") + 1;  // npos + 1 is 0
    const std::string name = rest.substr(start);
    if (!name.empty() && !is_nameless(name)) return name;
    rest.resize(start == 0 ? 0 : start - 1);
  }
  return "object";
}

inline std::optional<FoundLayout> try_layout(const FolderTree& tree, const FolderNode& folder,
                                             const DatasetLayout& layout, const std::string& class_name) {
  FoundLayout found{&layout, &folder, true, {}};
  const std::string own = class_name.empty() ? class_of_folder(tree, folder) : class_name;
  const bool is_here = layout.list(tree, folder, own, found.listing);
  found.is_one_class = found.listing.classes.size() == 1 && found.listing.classes[0].folder == folder.path;
  if (is_here) return found;
  for (const FolderNode& inner : folder.folders)
    if (!split_of_name(inner.name) && !is_mask_name(inner.name) && !is_named(inner.name, kPictureFolders))
      layout.list(tree, inner, inner.name, found.listing);
  found.is_one_class = false;
  if (found.listing.classes.empty()) return std::nullopt;
  return found;
}

/// What two layouts say about the same pictures.
enum class Agreement { none, same, more, less };  ///< more: the first knows labels that the second does not

inline Agreement compare_listings(const Listing& a, const Listing& b) {
  const auto sorted = [](const Listing& listing) {
    std::vector<const ListedPicture*> all;
    for (const ListedPicture& picture : listing.pictures) all.push_back(&picture);
    lists::sort(all, [](auto* x, auto* y) { return x->image < y->image; });
    return all;
  };
  const auto of_a = sorted(a), of_b = sorted(b);
  if (of_a.size() != of_b.size()) return Agreement::none;
  bool a_knows_more = false, b_knows_more = false;
  for (std::size_t i = 0; i < of_a.size(); ++i) {
    const ListedPicture &x = *of_a[i], &y = *of_b[i];
    if (x == y) continue;
    if (x.is_labelled == y.is_labelled ||
        std::tie(x.image, x.class_name, x.split) != std::tie(y.image, y.class_name, y.split))
      return Agreement::none;
    (x.is_labelled ? a_knows_more : b_knows_more) = true;
  }
  if (a_knows_more && b_knows_more) return Agreement::none;
  return a_knows_more ? Agreement::more : b_knows_more ? Agreement::less : Agreement::same;
}

inline std::string whole_path(const FolderTree& tree, const FolderNode& folder) {
  return folder.path.empty() ? tree.root : join_path(tree.root, folder.path);
}

inline std::string describe(const FoundLayout& found) {
  const auto defective =
      lists::count_if(found.listing.pictures, [](const ListedPicture& picture) { return picture.label == 1; });
  return concat(found.layout->name, " (", counted(found.listing.pictures.size(), "picture"), ", ", defective,
                " defective)");
}

/// The layouts that fit a folder and differ in what they say. One that takes the folder itself for a class comes before
/// those that take the folders in it for classes.
inline std::vector<FoundLayout> fitting_layouts(const FolderTree& tree, const FolderNode& folder,
                                                const LayoutOptions& options, const DatasetLayout* wanted) {
  std::vector<FoundLayout> fitting;
  for (const DatasetLayout& layout : dataset_layouts()) {
    if (wanted != nullptr && wanted != &layout) continue;
    auto found = try_layout(tree, folder, layout, options.class_name);
    if (!found || found->listing.pictures.empty()) continue;
    const auto is_alike = [&](Agreement wanted_agreement) {
      return [&, wanted_agreement](const FoundLayout& other) {
        return compare_listings(other.listing, found->listing) == wanted_agreement;
      };
    };
    if (lists::any_of(fitting, is_alike(Agreement::same)) || lists::any_of(fitting, is_alike(Agreement::more)))
      continue;
    std::erase_if(fitting, is_alike(Agreement::less));
    fitting.push_back(std::move(*found));
  }
  if (lists::any_of(fitting, &FoundLayout::is_one_class))
    std::erase_if(fitting, [](const FoundLayout& found) { return !found.is_one_class; });
  return fitting;
}

[[noreturn]] inline void fail_unrecognised(const FolderTree& tree, const DatasetLayout* wanted) {
  if (count_pictures(tree.top) == 0) fail(ErrorCode::missing, concat(tree.root, ": no pictures are in this folder"));
  const CloseLayout close = closest_layout(tree, tree.top);
  std::string text =
      concat(tree.root, ": the folders are in no layout that is known. Found: ", describe_contents(tree.top), ". ");
  if (wanted == nullptr) text += concat("Closest is ", close.name, ": ", close.what, ". ");
  text += "Looked for";
  for (const DatasetLayout& layout : dataset_layouts())
    if (wanted == nullptr || wanted == &layout) text += concat(" ", layout.name, " ", layout.looks, ";");
  fail(ErrorCode::missing, text + " a list in JSON lines (image_path, label, class_name, mask_path) always works");
}

/// The folders inside that are data sets of their own, as far as a listing has not used them.
inline std::vector<FoundLayout> inner_sets(const FolderTree& tree, const FolderNode& folder,
                                           const LayoutOptions& options, const DatasetLayout* wanted) {
  std::vector<FoundLayout> sets;
  for (const FolderNode& inner : folder.folders)
    if (auto fitting = fitting_layouts(tree, inner, options, wanted); !fitting.empty())
      sets.push_back(std::move(fitting[0]));
  return sets;
}

[[noreturn]] inline void fail_several_sets(const FolderTree& tree, const std::vector<FoundLayout>& sets) {
  std::string text =
      concat(tree.root, ": more than one data set is here; name the folder of one, or say with --layout:");
  for (const FoundLayout& found : sets)
    text += concat(&found == &sets[0] ? " " : ", ", whole_path(tree, *found.folder), " looks like ", describe(found));
  fail(ErrorCode::mismatch, text);
}

inline FoundLayout only_one(const FolderTree& tree, std::vector<FoundLayout> fitting) {
  if (fitting.size() == 1) return std::move(fitting[0]);
  std::string text =
      concat(whole_path(tree, *fitting[0].folder), ": fits more than one layout, name one with --layout:");
  for (const FoundLayout& found : fitting) text += concat(&found == &fitting[0] ? " " : ", ", describe(found));
  fail(ErrorCode::mismatch, text);
}

/// The layout of the tree, with what it lists: at the top, or at the first depth where there is one.
inline FoundLayout find_layout(const FolderTree& tree, const LayoutOptions& options, const DatasetLayout* wanted) {
  auto fitting = fitting_layouts(tree, tree.top, options, wanted);
  if (!fitting.empty()) {
    FoundLayout found = only_one(tree, std::move(fitting));
    if (found.is_one_class || wanted != nullptr) return found;
    std::vector<FoundLayout> others = inner_sets(tree, tree.top, options, wanted);
    std::erase_if(others, [&](const FoundLayout& other) {
      return lists::find(found.listing.classes, other.folder->path, &ListedClass::folder) !=
             found.listing.classes.end();
    });
    if (others.empty()) return found;
    others.insert(others.begin(), std::move(found));
    fail_several_sets(tree, others);
  }
  constexpr int kDeepest = 3;
  std::vector<const FolderNode*> level{&tree.top};
  for (int depth = 0; depth < kDeepest; ++depth) {
    std::vector<const FolderNode*> next;
    std::vector<FoundLayout> sets;
    for (const FolderNode* folder : level) {
      for (const FolderNode& inner : folder->folders) {
        next.push_back(&inner);
        auto inner_fitting = fitting_layouts(tree, inner, options, wanted);
        if (!inner_fitting.empty()) sets.push_back(only_one(tree, std::move(inner_fitting)));
      }
    }
    if (sets.size() > 1) fail_several_sets(tree, sets);
    if (sets.size() == 1) return std::move(sets[0]);
    level = std::move(next);
  }
  fail_unrecognised(tree, wanted);
}

}  // namespace detail

}}  // namespace moeclip::abi_v0_1

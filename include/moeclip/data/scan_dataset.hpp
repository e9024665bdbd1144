// SPDX-License-Identifier: MIT
#pragma once
// Reads a data set that is given as a folder (layout/recognise.hpp) or as a list (data/dataset.hpp).

#include "../base/lists.hpp"
#include "layout/recognise.hpp"
#include "picture_files.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Lists the data set in `directory`. Entries are sorted by class as the folders are, and have whole paths. Throws io
/// if the folder cannot be read; missing if it has no pictures, or no layout fits; mismatch if several fit and differ,
/// or several data sets are inside; format for a table that makes no sense.
DatasetListing scan_dataset(const std::string& directory, const LayoutOptions& options = {});

/// What a list names, of the options with `root` and `marked_from`; sets are told by the classes alone. Throws as
/// read_dataset does.
DatasetListing describe_list(const std::string& path, const LayoutOptions& options = {});

/// The data set of a list or of a folder. Throws as describe_list or scan_dataset do.
DatasetListing open_dataset(const std::string& path, const LayoutOptions& options = {});

/// Entries of scan_dataset(directory) as a list in `list_folder` should name them: relative if the directory lies in
/// that folder, else absolute.
std::vector<DatasetEntry> entries_for_list(std::vector<DatasetEntry> entries, const std::string& directory,
                                           const std::string& list_folder);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_DATA)

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// Of two classes that are the same set twice, in a format that is read and in one that is not (ClinicDB comes as PNG
/// and as TIFF), the second goes.
inline void drop_unread_twins(const FolderTree& tree, Listing& listing) {
  std::set<std::string> readable;  // classes
  for (const ListedPicture& picture : listing.pictures)
    if (is_read_picture(picture.image)) readable.insert(picture.class_name);
  std::set<const KnownSet*> sets;
  for (const ListedClass& listed : listing.classes)
    if (readable.contains(listed.name)) sets.insert(single_set_of(tree, listed.folder));
  std::set<std::string> dropped;
  for (const ListedClass& listed : listing.classes) {
    const KnownSet* set = single_set_of(tree, listed.folder);
    if (set == nullptr || readable.contains(listed.name) || !sets.contains(set)) continue;
    dropped.insert(listed.name);
    listing.notes.push_back(concat(listed.folder, ": left out, the same pictures are there in a format that is read"));
  }
  std::erase_if(listing.classes, [&](const ListedClass& listed) { return dropped.contains(listed.name); });
  std::erase_if(listing.pictures, [&](const ListedPicture& picture) { return dropped.contains(picture.class_name); });
}

/// True if anything is marked in a mask; also if it cannot be read, which is told when it is checked or used.
inline bool marks_something(const std::string& path, int marked_from) {
#if MOECLIP_HAS_EXCEPTIONS
  try {
#endif
    const Image mask = read_mask(path, 1, {}, marked_from);
    return std::any_of(mask.data(), mask.data() + mask.size(), [](std::uint8_t value) { return value != 0; });
#if MOECLIP_HAS_EXCEPTIONS
  } catch (const Error&) {
    return true;
  }
#endif
}

/// Labels of pictures with masks: in known sets all are defective, elsewhere those whose mask marks something.
inline void label_by_masks(const FolderTree& tree, const std::map<std::string, const KnownSet*>& sets,
                           const LayoutOptions& options, Listing& listing) {
  std::vector<ListedPicture*> open;
  for (ListedPicture& picture : listing.pictures) {
    if (sets.contains(picture.class_name))
      picture.label = 1, picture.is_labelled = true;
    else if (!picture.mask.empty() && !options.trusts_masks)
      open.push_back(&picture);
  }
  if (open.empty()) return;
  Context context({.threads = options.threads});
  context.parallel_for(std::ssize(open), [&](index_t i, int) {
    ListedPicture& picture = *open[static_cast<std::size_t>(i)];
    picture.label = marks_something(join_path(tree.root, picture.mask), options.marked_from) ? 1 : 0;
  });
}

/// Says how many pictures nobody has labelled, which are not taken for good ones unless that is wanted.
inline void settle_unlabelled(const LayoutOptions& options, Listing& listing) {
  index_t unlabelled = 0;
  for (ListedPicture& picture : listing.pictures) {
    picture.is_labelled = picture.is_labelled || options.unmasked_is_good;
    unlabelled += picture.is_labelled ? 0 : 1;
  }
  if (unlabelled == 0) return;
  listing.notes.push_back(concat(unlabelled, unlabelled == 1 ? " picture has" : " pictures have",
                                 " no mask where others have one, and may be good or not looked at: left out as "
                                 "unlabelled (--unmasked-good takes them for good)"));
}

/// Takes out of the spare masks those that some picture has, and those that are named twice.
inline void drop_taken_masks(Listing& listing) {
  std::vector<std::string_view> taken;
  for (const ListedPicture& picture : listing.pictures) taken.push_back(picture.mask);
  lists::sort(taken);
  auto& spare = listing.spare_masks;
  std::erase_if(spare, [&](const std::string& mask) { return lists::binary_search(taken, mask); });
  lists::sort(spare);
  spare.erase(std::unique(spare.begin(), spare.end()), spare.end());
}

/// Notes how many pictures below the folder are neither listed nor masks.
inline void note_unused(const FolderTree& tree, Listing& listing) {
  std::vector<std::string> all = pictures_in(tree);
  std::vector<std::string_view> used(listing.spare_masks.begin(), listing.spare_masks.end());
  for (const ListedPicture& picture : listing.pictures) used.insert(used.end(), {picture.image, picture.mask});
  lists::sort(used);
  std::erase_if(all, [&](const std::string& path) { return lists::binary_search(used, path); });
  if (!all.empty())
    listing.notes.push_back(concat(all.size(), all.size() == 1 ? " picture is" : " pictures are",
                                   " not part of the layout, such as ", join_path(tree.root, all[0])));
}

inline std::vector<ClassCounts> count_classes(const std::map<std::string, const KnownSet*>& sets,
                                              const Listing& listing) {
  std::map<std::string, ClassCounts> counts;
  for (const ListedPicture& picture : listing.pictures) {
    ClassCounts& count = counts[picture.class_name];
    if (!picture.is_labelled) {
      ++count.unlabelled;
      continue;
    }
    if (picture.split != Split::test) ++(picture.split == Split::train ? count.train : count.valid);
    if (picture.split != Split::test) continue;
    ++(picture.label == 1 ? count.defective : count.good);
    count.masks += picture.label == 1 && !picture.mask.empty() ? 1 : 0;
  }
  std::vector<ClassCounts> all;
  for (auto& [name, count] : counts) {
    const auto known = sets.find(name);
    count.name = name;
    count.set = known == sets.end() ? nullptr : known->second;
    all.push_back(std::move(count));
  }
  return all;
}

/// The layout of a name, or null with the set of that name, or both null for an empty name. Throws missing.
inline std::pair<const DatasetLayout*, const KnownSet*> wanted_layout(const std::string& name) {
  if (name.empty()) return {nullptr, nullptr};
  const auto found = lists::find(dataset_layouts(), name, &DatasetLayout::name);
  if (found != dataset_layouts().end()) return {&*found, nullptr};
  if (const KnownSet* set = find_known_set(name)) return {nullptr, set};
  std::string known;
  for (const DatasetLayout& layout : dataset_layouts()) known += concat(known.empty() ? "" : ", ", layout.name);
  for (const KnownSet& set : kKnownSets) known += concat(", ", set.name);
  fail(ErrorCode::missing, concat("there is no layout \"", name, "\"; there are ", known));
}

}  // namespace detail

MOECLIP_FUNC DatasetListing scan_dataset(const std::string& directory, const LayoutOptions& options) {
  const auto [layout, set] = detail::wanted_layout(options.layout);
  const FolderTree tree = read_folder_tree(directory);
  detail::FoundLayout found = detail::find_layout(tree, options, layout);
  Listing& listing = found.listing;
  detail::drop_taken_masks(listing);
  detail::note_unused(tree, listing);
  detail::drop_unread_twins(tree, listing);
  const auto sets = recognise_sets(tree, set, !options.class_name.empty(), listing);
  if (listing.needs_masks) detail::label_by_masks(tree, sets, options, listing);
  detail::settle_unlabelled(options, listing);

  DatasetListing result;
  result.layout = found.layout->name;
  result.is_one_class = found.is_one_class;
  result.is_parted = listing.is_parted;
  result.classes = detail::count_classes(sets, listing);
  result.notes = std::move(listing.notes);
  result.unread = tree.unread;
  result.notes.insert(result.notes.end(), tree.troubles.begin(), tree.troubles.end());
  for (const std::string& mask : listing.spare_masks) result.spare_masks.push_back(join_path(directory, mask));
  for (const ListedPicture& picture : listing.pictures) {
    if (!picture.is_labelled || (options.split && picture.split != *options.split)) continue;
    result.entries.push_back({join_path(directory, picture.image), picture.label, picture.class_name,
                              picture.mask.empty() ? "" : join_path(directory, picture.mask), options.marked_from});
  }
  return result;
}

MOECLIP_FUNC DatasetListing describe_list(const std::string& path, const LayoutOptions& options) {
  DatasetListing result;
  result.layout = "list";
  result.entries = read_dataset(path, options.root);
  for (DatasetEntry& entry : result.entries) entry.marked_from = options.marked_from;
  Listing listing;
  std::set<std::string> names;
  for (const DatasetEntry& entry : result.entries) {
    if (names.insert(entry.class_name).second) listing.classes.push_back({entry.class_name, ""});
    listing.pictures.push_back({entry.image_path, entry.label, entry.class_name, entry.mask_path, Split::test});
  }
  FolderTree tree;
  tree.place = canonical_path(options.root.empty() ? parent_directory(path) : options.root);
  auto sets = recognise_sets(tree, nullptr, true, listing);
  for (const std::string& name : names)
    if (const KnownClass* known = find_known_class(name); known != nullptr && known_classes(known->set).size() == 1)
      sets.emplace(name, find_known_set(known->set));
  result.classes = detail::count_classes(sets, listing);
  return result;
}

MOECLIP_FUNC DatasetListing open_dataset(const std::string& path, const LayoutOptions& options) {
  if (is_directory(path)) return scan_dataset(path, options);
  if (detail::is_picture(path))
    fail(ErrorCode::format, concat(path,
                                   ": is a single picture; a data set is a folder of pictures, or a list of them "
                                   "in JSON lines"));
  if (const std::string extension = detail::extension_of(path); extension == ".csv" || extension == ".tsv")
    fail(ErrorCode::format, concat(path, ": is a table; give the folder that it lies in, of which a table called ",
                                   detail::kTableNames[1], " is read, or a list of the pictures in JSON lines"));
  return describe_list(path, options);
}

MOECLIP_FUNC std::vector<DatasetEntry> entries_for_list(std::vector<DatasetEntry> entries, const std::string& directory,
                                                        const std::string& list_folder) {
  std::string base = path_below(directory, list_folder);
  if (base == ".") base.clear();
  const auto move = [&](std::string& path) {
    const std::size_t root = directory.size();
    const bool is_inside = path.starts_with(directory) &&
                           (directory.find_last_of("/\\") + 1 == root || path.find_first_of("/\\", root) == root);
    if (!is_inside) return;  // none, or elsewhere: a table may name files in full
    std::string_view below = std::string_view(path).substr(root);
    below.remove_prefix((std::min)(below.find_first_not_of("/\\"), below.size()));
    path = base.empty() ? std::string(below) : concat(base, "/", below);
  };
  for (DatasetEntry& entry : entries) {
    move(entry.image_path);
    move(entry.mask_path);
  }
  return entries;
}

}}  // namespace moeclip::abi_v0_1

#endif

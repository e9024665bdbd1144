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

/// Names of pictures without extension, and the place of the format among those that are known.
struct NamesInFormat {
  std::set<std::string> stems;
  std::ptrdiff_t format = 0;
};

inline std::map<std::string, NamesInFormat> names_of_classes(const Listing& listing) {
  std::map<std::string, NamesInFormat> classes;
  for (const ListedPicture& picture : listing.pictures) {
    const std::string_view name =
        std::string_view(picture.image).substr(picture.image.rfind('/') + 1);  // npos + 1 is 0
    NamesInFormat& names = classes[picture.class_name];
    names.stems.emplace(stem_of(name));
    names.format = lists::find(kReadExtensions, extension_of(name)) - kReadExtensions.begin();
  }
  return classes;
}

/// Of two classes that are the same set in two formats (ClinicDB comes as PNG and as TIFF), the second goes: all its
/// pictures are there by the same names in a format that stands before its own.
inline void drop_twins(const FolderTree& tree, Listing& listing) {
  const auto names = names_of_classes(listing);
  std::set<std::string> dropped;
  for (const ListedClass& listed : listing.classes) {
    const KnownSet* const set = single_set_of(tree, listed.folder);
    const auto own = names.find(listed.name);
    if (set == nullptr || own == names.end()) continue;
    const bool is_twin = lists::any_of(listing.classes, [&](const ListedClass& other) {
      const auto others = names.find(other.name);
      return others != names.end() && others->second.format < own->second.format &&
             single_set_of(tree, other.folder) == set &&
             std::includes(others->second.stems.begin(), others->second.stems.end(), own->second.stems.begin(),
                           own->second.stems.end());
    });
    if (!is_twin) continue;
    dropped.insert(listed.name);
    listing.notes.push_back(concat(listed.folder, ": left out, the same pictures are there in another format"));
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

/// How many colours a picture has, 0 if it cannot be read. Above `kMostColours` they are not counted on.
inline constexpr std::size_t kMostColours = 1024;
inline std::size_t count_colours(const std::string& path) {
#if MOECLIP_HAS_EXCEPTIONS
  try {
#endif
    const Image picture = read_image(path);
    std::set<std::uint32_t> colours;
    const std::uint8_t* pixel = picture.data();
    for (index_t i = 0; i < picture.size() && colours.size() < kMostColours; i += picture.channels()) {
      std::uint32_t colour = 0;
      for (index_t c = 0; c < picture.channels(); ++c) colour = colour << 8 | pixel[i + c];
      colours.insert(colour);
    }
    return colours.size();
#if MOECLIP_HAS_EXCEPTIONS
  } catch (const Error&) {
    return 0;
  }
#endif
}

/// Of pairs in two formats, whether the first file of each is the mask: it has few colours, the other one many. Some of
/// the pairs are looked at. Throws mismatch if that does not tell, or not the same of all.
inline bool are_masks_first(const FolderTree& tree, std::span<ListedPicture* const> pairs, Context& context) {
  constexpr std::size_t kLookedAt = 32, kFewColours = 64, kTimes = 4;
  const std::size_t count = (std::min)(pairs.size(), kLookedAt);
  std::vector<std::pair<std::size_t, std::size_t>> colours(count);
  const auto pair = [&](std::size_t i) -> const ListedPicture& { return *pairs[i * pairs.size() / count]; };
  context.parallel_for(std::ssize(colours), [&](index_t i, int) {
    const ListedPicture& one = pair(static_cast<std::size_t>(i));
    colours[static_cast<std::size_t>(i)] = {count_colours(join_path(tree.root, one.image)),
                                            count_colours(join_path(tree.root, one.mask))};
  });
  std::size_t first = 0, second = 0, unread = 0;
  const auto has_fewer = [](std::size_t mask, std::size_t picture) {
    return mask <= kFewColours && kTimes * mask <= picture;
  };
  for (const auto& [a, b] : colours) {
    unread += a == 0 || b == 0 ? 1 : 0;
    if (a == 0 || b == 0) continue;
    first += has_fewer(a, b) ? 1 : 0;
    second += has_fewer(b, a) ? 1 : 0;
  }
  if (unread < count && (first > 0) == (second > 0))
    fail(ErrorCode::mismatch,
         concat(join_path(tree.root, pair(0).image), " and ", join_path(tree.root, pair(0).mask),
                ": one is a picture and one its mask, but which cannot be told: a mask has few colours and a picture "
                "many. Call the masks NAME_mask, or put them into a folder called masks"));
  return first > 0;
}

/// Where names leave open which of two files is the picture, looks into them.
inline void tell_pairs_apart(const FolderTree& tree, const LayoutOptions& options, Listing& listing) {
  std::map<std::pair<std::string, std::string>, std::vector<ListedPicture*>> formats;
  for (ListedPicture& picture : listing.pictures)
    if (picture.may_be_mask) formats[{extension_of(picture.image), extension_of(picture.mask)}].push_back(&picture);
  if (formats.empty()) return;
  Context context({.threads = options.threads});
  for (const auto& [names, pairs] : formats)
    if (are_masks_first(tree, pairs, context))
      for (ListedPicture* picture : pairs) std::swap(picture->image, picture->mask);
}

/// Kinds of one name and label as one.
inline std::vector<ListedKind> join_kinds(const std::vector<ListedKind>& kinds) {
  std::map<std::pair<int, std::string>, index_t> joined;
  for (const ListedKind& kind : kinds) joined[{kind.label, kind.name}] += kind.pictures;
  std::vector<ListedKind> all;
  for (const auto& [key, pictures] : joined) all.push_back({key.second, key.first, pictures});
  return all;
}

/// Says which classes have defective pictures to be judged by and no good one, though folders say what is good.
inline void note_no_good(DatasetListing& listing) {
  std::vector<std::string> names;
  for (const ClassCounts& count : listing.classes)
    if (count.defective > 0 && count.good == 0) names.push_back(count.name);
  if (listing.kinds.empty() || names.empty()) return;
  listing.notes.push_back(concat(names[0],
                                 names.size() > 1 ? concat(" and ", counted(names.size() - 1, "other class")) : "",
                                 ": no folder of pictures for testing is good by its name, so that all count as "
                                 "defective; if one is, call it good"));
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
  std::erase_if(all, [&](const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const bool is_in_used = slash != std::string::npos && lists::binary_search(used, path.substr(0, slash));
    return is_in_used || lists::binary_search(used, path);  // a folder of masks is used as a whole
  });
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
  detail::drop_twins(tree, listing);
  detail::tell_pairs_apart(tree, options, listing);
  const auto sets = recognise_sets(tree, set, !options.class_name.empty(), listing);
  if (listing.needs_masks) detail::label_by_masks(tree, sets, options, listing);
  detail::settle_unlabelled(options, listing);

  DatasetListing result;
  result.layout = found.layout->name;
  result.is_one_class = found.is_one_class;
  result.is_parted = listing.is_parted;
  result.classes = detail::count_classes(sets, listing);
  result.kinds = detail::join_kinds(listing.kinds);
  result.notes = std::move(listing.notes);
  detail::note_no_good(result);
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

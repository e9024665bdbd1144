// SPDX-License-Identifier: MIT
#pragma once
// Synthetic pictures as files, in the folders of MVTec AD, which every tool of the field reads:
//     <category>/train/good/000.png        <category>/test/good/000.png       <category>/test/<defect>/000.png
//     <category>/ground_truth/<defect>/000_mask.png
// and two lists for this library (data/dataset.hpp): train.jsonl names the good pictures of train/, test.jsonl all of
// test/.

#include "../base/context.hpp"
#include "../base/lists.hpp"
#include "../data/dataset.hpp"
#include "synthesize.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What a data set of synthetic pictures contains.
struct SyntheticFiles {
  std::vector<std::string> categories = {};            ///< empty: all
  std::vector<std::string> defects = {};               ///< empty: all; categories without one of them leave it out
  index_t count = 10;                                  ///< pictures in every folder
  index_t size = 256;                                  ///< side in pixels
  std::uint64_t seed = 0;                              ///< of everything that is drawn
  double lowest_severity = 0.2, highest_severity = 1;  ///< in [0, 1]: barely visible to plain
  SyntheticWorld world = SyntheticWorld::parts;        ///< that the categories are of
  SyntheticCamera camera = SyntheticCamera::fixed;     ///< that takes the pictures
};

/// The pictures of one folder.
struct SyntheticFolder {
  std::string category;   ///< one of synthetic_categories(world)
  std::string defect;     ///< empty: good
  bool is_train = false;  ///< of train/ instead of test/
};

/// The folders that `files` asks for. Throws contract for unknown names or numbers out of range.
std::vector<SyntheticFolder> synthetic_folders(const SyntheticFiles& files);

/// Writes the pictures (and masks) of one folder below `directory`, on all threads, and returns their lines.
std::vector<DatasetEntry> write_synthetic_folder(Context& context, const std::string& directory,
                                                 const SyntheticFiles& files, const SyntheticFolder& folder);

/// Writes a whole data set to `directory`; the lists come last. Throws contract and io.
void write_synthetic_dataset(Context& context, const std::string& directory, const SyntheticFiles& files,
                             function_ref<void(const SyntheticFolder&)> before_folder);

namespace detail {
/// Picture i of a folder: no two folders of a category share a scene.
SyntheticSpec spec_of(const SyntheticFiles& files, const SyntheticFolder& folder, index_t i);
std::string mask_path(const SyntheticFolder& folder, index_t i);
/// Path of picture i of a folder below the data set, and of its mask.
std::string picture_path(const SyntheticFolder& folder, index_t i);
}  // namespace detail

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_SYNTHETIC)

#include "../image/write_image.hpp"
#include "../io/file.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline std::string folder_name(std::string_view words) {
  std::string name(words);
  lists::replace(name, ' ', '_');
  return name;
}

inline std::string numbered(index_t i, std::string_view end) {
  const std::string digits = concat(i);
  return concat(std::string(digits.size() < 3 ? 3 - digits.size() : 0, '0'), digits, end);
}

MOECLIP_FUNC std::string picture_path(const SyntheticFolder& folder, index_t i) {
  const std::string kind = folder.defect.empty() ? "good" : folder_name(folder.defect);
  return concat(folder_name(folder.category), folder.is_train ? "/train/" : "/test/", kind, "/", numbered(i, ".png"));
}
MOECLIP_FUNC std::string mask_path(const SyntheticFolder& folder, index_t i) {
  return concat(folder_name(folder.category), "/ground_truth/", folder_name(folder.defect), "/",
                numbered(i, "_mask.png"));
}

MOECLIP_FUNC SyntheticSpec spec_of(const SyntheticFiles& files, const SyntheticFolder& folder, index_t i) {
  constexpr index_t kApart = 1'000'000;
  const auto kinds = synthetic_defects(files.world);
  const index_t kind = lists::find(kinds, folder.defect) - kinds.begin();
  const index_t group = folder.is_train ? 0 : folder.defect.empty() ? 1 : 2 + kind;
  SyntheticSpec spec{folder.category, folder.defect, files.seed, group * kApart + i, files.size, 1,
                     files.world,     files.camera};
  const Rng rng(files.seed, concat("severity ", folder.category));
  spec.severity = files.lowest_severity + (files.highest_severity - files.lowest_severity) * rng.unit(spec.index);
  return spec;
}

inline std::vector<std::string> owned_names(std::span<const std::string_view> names) {
  return {names.begin(), names.end()};
}

}  // namespace detail

MOECLIP_FUNC std::vector<SyntheticFolder> synthetic_folders(const SyntheticFiles& files) {
  MOECLIP_EXPECT(files.count >= 0 && files.count <= 1'000'000, "a folder of ", files.count,
                 " pictures cannot be written");
  const auto known = synthetic_defects(files.world);
  for (const std::string& defect : files.defects)
    MOECLIP_EXPECT(lists::find(known, defect) != known.end(), "there is no synthetic defect '", defect, "'");
  std::vector<SyntheticFolder> folders;
  for (const std::string& category :
       files.categories.empty() ? detail::owned_names(synthetic_categories(files.world)) : files.categories) {
    folders.push_back({category, "", true});
    folders.push_back({category, "", false});
    for (const std::string_view defect : synthetic_defects(files.world, category))
      if (files.defects.empty() || lists::find(files.defects, defect) != files.defects.end())
        folders.push_back({category, std::string(defect), false});
  }
  return folders;
}

MOECLIP_FUNC std::vector<DatasetEntry> write_synthetic_folder(Context& context, const std::string& directory,
                                                              const SyntheticFiles& files,
                                                              const SyntheticFolder& folder) {
  std::vector<DatasetEntry> entries;
  for (index_t i = 0; i < files.count; ++i)
    entries.push_back({detail::picture_path(folder, i), folder.defect.empty() ? 0 : 1, folder.category,
                       folder.defect.empty() ? "" : detail::mask_path(folder, i)});
  if (entries.empty()) return entries;
  for (const std::string& path : {entries[0].image_path, entries[0].mask_path})
    if (!path.empty()) create_directories(join_path(directory, parent_directory(path)));
  context.parallel_for(files.count, [&](index_t i, int) {
    const DatasetEntry& entry = entries[static_cast<std::size_t>(i)];
    const Sample sample = synthesize(detail::spec_of(files, folder, i));
    write_png(join_path(directory, entry.image_path), sample.picture);
    if (!entry.mask_path.empty()) write_png(join_path(directory, entry.mask_path), sample.mask);
  });
  return entries;
}

MOECLIP_FUNC void write_synthetic_dataset(Context& context, const std::string& directory, const SyntheticFiles& files,
                                          function_ref<void(const SyntheticFolder&)> before_folder) {
  std::vector<DatasetEntry> train, test;
  for (const SyntheticFolder& folder : synthetic_folders(files)) {
    before_folder(folder);
    const auto entries = write_synthetic_folder(context, directory, files, folder);
    auto& list = folder.is_train ? train : test;
    list.insert(list.end(), entries.begin(), entries.end());
  }
  create_directories(directory);
  write_dataset(join_path(directory, "train.jsonl"), train);
  write_dataset(join_path(directory, "test.jsonl"), test);
}

}}  // namespace moeclip::abi_v0_1

#endif

// SPDX-License-Identifier: MIT
#pragma once
// Checks whether a data set is what it claims to be: every picture and mask is looked at, and what is missing,
// unreadable or does not fit together is named.

#include "../base/context.hpp"
#include "../base/lists.hpp"
#include "dataset.hpp"
#include "layout/names.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What is wrong with, or worth knowing about, a picture.
struct DatasetFinding {
  std::string_view kind;  ///< one of kDatasetFindings
  std::string path;       ///< of the picture or mask; for class_without_masks the name of the class
  std::string what;       ///< the rest of the sentence that begins with the path; empty: the kind says it all
};

/// A kind of finding.
struct FindingKind {
  std::string_view name, title;  ///< DatasetFinding::kind, and what it means as a heading for people
  bool is_problem;               ///< else a note
};

/// All kinds of findings, in the order in which check_dataset reports them.
inline constexpr std::array<FindingKind, 15> kDatasetFindings{{
    {"published", "counts that differ from what is published", true},
    {"missing_image", "pictures that are not there", true},
    {"unreadable_image", "pictures that cannot be read", true},
    {"damaged_image", "pictures that are not whole", true},
    {"missing_mask", "masks that are not there", true},
    {"unreadable_mask", "masks that cannot be read", true},
    {"no_mask", "defective pictures without a mask, in a class that has masks", true},
    {"empty_mask", "defective pictures whose mask marks nothing", true},
    {"size", "masks of another size than their picture", true},
    {"spare_mask", "masks without a picture", true},
    {"listed_twice", "pictures that are listed more than once", true},
    {"file_name", "names that are not UTF-8, which a list cannot hold", true},
    {"soft_mask", "masks with gray edges (levels from --mask-from on count, by default all but black)", false},
    {"wide_mask", "masks that mark more than they leave, as inverted ones do", false},
    {"class_without_masks", "classes without any mask (only whole pictures can be judged)", false},
}};

/// The kind of this name. Throws contract if there is none.
const FindingKind& finding_kind(std::string_view name);

/// Looks at the entries on the threads of `context`; `on_picture` is told each picture's path before, in order, from
/// the calling thread. Without `decodes` only headers of pictures are read, and damage further on stays hidden. Where
/// `images` turn a picture upright, its mask may lie as the picture is stored or as it is upright.
/// Findings come in the order of kDatasetFindings, within a kind in that of the entries.
std::vector<DatasetFinding> check_dataset(Context& context, const std::vector<DatasetEntry>& entries, bool decodes,
                                          function_ref<void(const std::string& path)> on_picture,
                                          const ImageOptions& images = {});
std::vector<DatasetFinding> check_dataset(Context& context, const std::vector<DatasetEntry>& entries,
                                          bool decodes = true);

/// Paths that are not listed although the numbers around them are ("006.png" and "008.png" without "007.png"): where
/// pictures are missing, these probably are. Folders with more gaps than pictures are passed over.
std::vector<std::string> numbering_gaps(const std::vector<DatasetEntry>& entries);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_DATA)

#include <charconv>
#include <map>

#include "../base/function_ref.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC const FindingKind& finding_kind(std::string_view name) {
  const auto found = lists::find(kDatasetFindings, name, &FindingKind::name);
  MOECLIP_EXPECT(found != kDatasetFindings.end(), "there is no finding \"", name, "\"");
  return *found;
}

namespace detail {

/// Gray levels of a mask.
struct MaskLevels {
  index_t width = 0, height = 0;
  index_t marked = 0;  ///< pixels that count as defective
  index_t gray = 0;    ///< pixels that are neither 0 nor the highest level
  index_t strong = 0;  ///< pixels of at least half of the highest level
  int levels = 0;      ///< different ones except 0
  int highest = 0;

  /// Small numbers are kinds of defects (VisA), not shades.
  [[nodiscard]] bool is_soft() const { return levels > 1 && highest >= 64; }
};

inline MaskLevels measure_mask(const Image& mask, int marked_from) {
  std::array<index_t, 256> count{};
  for (index_t i = 0; i < mask.size(); ++i) ++count[mask.data()[i]];
  MaskLevels result{.width = mask.width(), .height = mask.height()};
  for (int level = 1; level < 256; ++level) {
    const index_t pixels = count[static_cast<std::size_t>(level)];
    if (pixels == 0) continue;
    result.marked += level >= marked_from ? pixels : 0;
    result.gray += pixels;
    result.highest = level;
    ++result.levels;
  }
  result.gray -= result.highest > 0 ? count[static_cast<std::size_t>(result.highest)] : 0;
  for (int level = (std::max)(1, (result.highest + 1) / 2); level < 256; ++level)
    result.strong += count[static_cast<std::size_t>(level)];
  return result;
}

/// Calls work(); what it throws becomes a finding.
template <class Work>
bool find_trouble(std::string_view kind, const std::string& path, std::vector<DatasetFinding>& out, const Work& work) {
#if MOECLIP_HAS_EXCEPTIONS
  try {
    work();
    return true;
  } catch (const Error& error) {
    std::string what = error.what();
    if (what.starts_with(path + ": ")) what.erase(0, path.size() + 2);
    out.push_back({kind, path, what});
    return false;
  }
#else
  static_cast<void>(kind), static_cast<void>(path), static_cast<void>(out);
  work();
  return true;
#endif
}

/// What a file says about its picture.
struct StoredPicture {
  index_t width = 0, height = 0;  ///< 0: unknown
  bool may_lie = false;           ///< it will be turned so that width and height are exchanged

  [[nodiscard]] bool fits(const MaskLevels& mask) const {
    if (width == 0 || (mask.width == width && mask.height == height)) return true;
    return may_lie && mask.width == height && mask.height == width;  // drawn on the upright picture
  }
};

inline void check_mask(const DatasetEntry& entry, const StoredPicture& picture, std::vector<DatasetFinding>& out) {
  if (!file_exists(entry.mask_path) && !is_directory(entry.mask_path)) {
    out.push_back({"missing_mask", entry.mask_path, concat("of ", entry.image_path)});
    return;
  }
  MaskLevels levels;
  const auto read = [&] { levels = measure_mask(read_levels(entry.mask_path, kMaskOptions), entry.marked_from); };
  if (!find_trouble("unreadable_mask", entry.mask_path, out, read)) return;
  if (levels.marked == 0 && entry.label == 1) out.push_back({"empty_mask", entry.mask_path, ""});
  if (!picture.fits(levels))
    out.push_back(
        {"size", entry.mask_path,
         concat(levels.width, " x ", levels.height, ", the picture is ", picture.width, " x ", picture.height)});
  if (2 * levels.marked > levels.width * levels.height)
    out.push_back({"wide_mask", entry.mask_path,
                   concat(levels.marked, " of ", counted(levels.width * levels.height, "pixel"), " are marked")});
  if (levels.is_soft())
    out.push_back({"soft_mask", entry.mask_path,
                   concat(counted(levels.levels, "level"), ", ", counted(levels.gray, "gray pixel"), "; ",
                          counted(levels.marked, "pixel"), " count, ", levels.strong,
                          " are at least half as bright as the brightest")});
}

inline void check_entry(const DatasetEntry& entry, bool decodes, const ImageOptions& images,
                        std::vector<DatasetFinding>& out) {
  StoredPicture picture;
  if (!file_exists(entry.image_path)) {
    out.push_back({"missing_image", entry.image_path, ""});
  } else {
    find_trouble("unreadable_image", entry.image_path, out, [&] {
      const auto file = MappedFile::open(entry.image_path);
      std::string remark;
      if (decodes) decode_image(file->bytes(), entry.image_path, {}, &remark);
      if (!remark.empty()) out.push_back({"damaged_image", entry.image_path, remark});
      const ImageInfo info = describe_image(file->bytes(), entry.image_path);
      picture = {info.width, info.height, images.apply_exif_orientation && info.orientation >= 5};
    });
  }
  if (!entry.mask_path.empty()) check_mask(entry, picture, out);
}

/// What the list alone shows.
inline void check_list(const std::vector<DatasetEntry>& entries, std::vector<DatasetFinding>& out) {
  struct Masks {
    index_t defective = 0, masks = 0;
  };
  std::map<std::string, Masks> classes;
  std::vector<std::string_view> paths;
  for (const DatasetEntry& entry : entries) {
    paths.push_back(entry.image_path);
    if (!is_utf8(entry.image_path)) out.push_back({"file_name", entry.image_path, ""});
    if (!is_utf8(entry.mask_path)) out.push_back({"file_name", entry.mask_path, ""});
    if (entry.label == 0) continue;
    Masks& masks = classes[entry.class_name];
    ++masks.defective;
    masks.masks += entry.mask_path.empty() ? 0 : 1;
  }
  for (const auto& [name, masks] : classes)
    if (masks.masks == 0)
      out.push_back({"class_without_masks", name, concat(counted(masks.defective, "defective picture"))});
  for (const DatasetEntry& entry : entries)
    if (entry.label == 1 && entry.mask_path.empty() && classes[entry.class_name].masks > 0)
      out.push_back({"no_mask", entry.image_path, ""});
  lists::sort(paths);
  for (std::size_t i = 1; i < paths.size(); ++i)
    if (paths[i] == paths[i - 1] && (i < 2 || paths[i] != paths[i - 2]))
      out.push_back({"listed_twice", std::string(paths[i]), ""});
}

}  // namespace detail

MOECLIP_FUNC std::vector<DatasetFinding> check_dataset(Context& context, const std::vector<DatasetEntry>& entries,
                                                       bool decodes,
                                                       function_ref<void(const std::string& path)> on_picture,
                                                       const ImageOptions& images) {
  constexpr index_t kTogether = 64;  // between two signs of life
  std::vector<DatasetFinding> findings;
  detail::check_list(entries, findings);
  for (index_t first = 0; first < std::ssize(entries); first += kTogether) {
    const index_t count = (std::min)(kTogether, std::ssize(entries) - first);
    const DatasetEntry* some = entries.data() + first;
    for (index_t i = 0; i < count; ++i) on_picture(some[i].image_path);
    std::vector<std::vector<DatasetFinding>> found(static_cast<std::size_t>(count));
    context.parallel_for(count, [&](index_t i, int) {
      detail::check_entry(some[i], decodes, images, found[static_cast<std::size_t>(i)]);
    });
    for (auto& of_one : found) findings.insert(findings.end(), of_one.begin(), of_one.end());
  }
  lists::stable_sort_by(findings, [](const DatasetFinding& finding) { return &finding_kind(finding.kind); });
  return findings;
}

MOECLIP_FUNC std::vector<DatasetFinding> check_dataset(Context& context, const std::vector<DatasetEntry>& entries,
                                                       bool decodes) {
  return check_dataset(context, entries, decodes, [](const std::string&) {});
}

MOECLIP_FUNC std::vector<std::string> numbering_gaps(const std::vector<DatasetEntry>& entries) {
  using Number = std::pair<std::uint64_t, std::string_view>;  // and the name it was read from
  std::map<std::string, std::vector<Number>> folders;
  for (const DatasetEntry& entry : entries) {
    const std::size_t start = entry.image_path.find_last_of("/\\") + 1;  // npos + 1 is 0
    const std::string_view name = std::string_view(entry.image_path).substr(start), stem = detail::stem_of(name);
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(stem.data(), stem.data() + stem.size(), number);
    if (error == std::errc{} && end == stem.data() + stem.size())
      folders[entry.image_path.substr(0, start)].emplace_back(number, name);
  }
  std::vector<std::string> gaps;
  for (auto& [folder, numbers] : folders) {
    lists::sort(numbers);
    if (numbers.back().first - numbers.front().first >= 2 * numbers.size()) continue;
    for (std::size_t i = 1; i < numbers.size(); ++i) {
      const std::string_view name = numbers[i].second, stem = detail::stem_of(name);
      for (std::uint64_t missing = numbers[i - 1].first; numbers[i].first - missing > 1;) {
        std::string digits = concat(++missing);
        if (stem.starts_with('0') && digits.size() < stem.size()) digits.insert(0, stem.size() - digits.size(), '0');
        gaps.push_back(concat(folder, digits, name.substr(stem.size())));
      }
    }
  }
  return gaps;
}

}}  // namespace moeclip::abi_v0_1

#endif

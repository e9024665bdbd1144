// SPDX-License-Identifier: MIT
// Which pictures `moeclip eval` judges, under which names.

#include <algorithm>
#include <map>
#include <moeclip/data/check_dataset.hpp>
#include <moeclip/data/scan_dataset.hpp>
#include <moeclip/io/utf8.hpp>
#include <set>
#include <span>

#include "detect.hpp"
#include "each_once.hpp"
#include "eval.hpp"
#include "progress.hpp"

namespace cli {
namespace {

using moeclip::concat;
using moeclip::DatasetEntry;

/// `path` below `folder`, if it is written so, with '/' between its parts.
std::optional<std::string> below(std::string path, const std::string& folder) {
  if (!folder.empty() && folder != ".") {
    if (!path.starts_with(folder)) return std::nullopt;
    path.erase(0, folder.size());
    if (!folder.ends_with('/') && !path.starts_with('/') && !path.starts_with('\\')) return std::nullopt;
  } else if (path.starts_with('/')) {
    return std::nullopt;
  }
#if defined(_WIN32)
  std::ranges::replace(path, '\\', '/');
#endif
  while (path.starts_with('/') || path.starts_with("./")) path.erase(0, path.find('/') + 1);
  return path;
}

/// The paths of all pictures without what does not belong to the data set: the folder it lies in or, of a list that
/// names files elsewhere, the folder that all are below.
std::vector<std::string> relative_paths(const std::vector<DatasetEntry>& entries, const std::string& folder) {
  std::vector<std::string> paths;
  for (const DatasetEntry& entry : entries) {
    const auto path = below(entry.image_path, folder);
    if (!path) break;
    paths.push_back(*path);
  }
  if (paths.size() == entries.size()) return paths;
  std::string_view common = entries.front().image_path;
  for (const DatasetEntry& entry : entries) {
    const auto end = std::ranges::mismatch(common, entry.image_path).in1;
    common = common.substr(0, static_cast<std::size_t>(end - common.begin()));
  }
  const std::size_t length = common.rfind('/') + 1;  // npos + 1 is 0
  paths.clear();
  for (const DatasetEntry& entry : entries) paths.push_back(entry.image_path.substr(length));
  return paths;
}

/// What a data set is called that is none of the known ones.
std::string name_of_place(const std::string& path) {
  std::string name = moeclip::file_name(moeclip::canonical_path(path));
  if (!moeclip::is_directory(path)) name.resize(name.size() - moeclip::file_extension(name).size());
  return name.empty() ? "data" : name;
}

/// Under which name a picture is counted: DTD-Synthetic's class Woven is five.
std::string row_of(const std::string& class_name, const std::string& path) {
  const std::string variant = moeclip::variant_of_path(path);
  return class_name == "Woven" && variant.starts_with("Woven_") ? variant : class_name;
}

/// A name as text: bytes that are no UTF-8, which a file of JSON cannot hold, as %XX, and then % as %25.
std::string as_utf8(const std::string& name) {
  std::string text;
  bool is_changed = false;
  for (std::string_view rest = name; !rest.empty();) {
    const std::size_t length = moeclip::utf8_length(rest);
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(rest[0]);
    is_changed = is_changed || length == 0;
    if (length == 0 || byte == '%')
      text += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    else
      text += rest.substr(0, length);
    rest.remove_prefix(std::max<std::size_t>(1, length));
  }
  return is_changed ? text : name;
}

/// Finds a name for a data set that no other has.
std::string unique_name(const std::string& name, std::set<std::string>& taken) {
  std::string unique = name;
  for (int number = 2; !taken.insert(unique).second; ++number) unique = concat(name, " ", number);
  return unique;
}

/// What is in a data set. Where s.good_class says so, all pictures of a folder in no layout are good.
moeclip::DatasetListing list_dataset(const std::string& path, const EvalSettings& s, EvalData& data) {
  try {
    const auto split = moeclip::split_of_name(s.split);  // "all": none
    return moeclip::open_dataset(path, s.layout.of_split(split, s.threads));
  } catch (const moeclip::Error& error) {
    const bool is_plain = s.good_class && error.code() == moeclip::ErrorCode::missing && moeclip::is_directory(path);
    if (!is_plain || s.layout.is_given()) throw;
    moeclip::DatasetListing listing;
    const DetectInputs inputs = collect_inputs({path});
    data.unread += inputs.unread;
    for (const DetectInput& input : inputs.pictures)
      if (!moeclip::is_directory(input.path)) listing.entries.push_back({input.path, 0, *s.good_class, ""});
    if (listing.entries.empty()) throw;
    return listing;
  }
}

/// Adds the pictures of one data set.
void add_dataset(const std::string& path, const EvalSettings& s, std::set<std::string>& taken, EvalData& data,
                 std::set<moeclip::Domain>& domains) {
  const moeclip::DatasetListing listing = list_dataset(path, s, data);
  for (const std::string& note : listing.notes) inform(note);
  data.unread += static_cast<std::size_t>(listing.unread);
  if (listing.entries.empty())
    moeclip::fail(moeclip::ErrorCode::missing,
                  concat(path, ": has no pictures of the part ", s.split, "; see --split"));
  std::map<std::string, const moeclip::KnownSet*> known;  // of a class
  for (const moeclip::ClassCounts& count : listing.classes) known[count.name] = count.set;
  std::map<std::string, std::string> names;  // of its sets
  const std::string folder = moeclip::is_directory(path) ? path : moeclip::parent_directory(path);
  const std::vector<std::string> paths = relative_paths(listing.entries, folder);
  for (std::size_t i = 0; i < listing.entries.size(); ++i) {
    const DatasetEntry& entry = listing.entries[i];
    const moeclip::KnownSet* const set = known[entry.class_name];
    const std::string plain = set != nullptr ? std::string(set->name) : as_utf8(name_of_place(path));
    if (!names.contains(plain)) names[plain] = unique_name(plain, taken);
    if (set != nullptr) domains.insert(set->is_medical ? moeclip::Domain::medical : moeclip::Domain::industrial);
    moeclip::PictureRecord record;
    record.set = names[plain];
    record.path = as_utf8(paths[i]);
    record.class_name = as_utf8(entry.class_name);
    record.row = row_of(record.class_name, record.path);
    record.label = entry.label;
    record.has_mask = entry.label == 0 || !entry.mask_path.empty();
    data.pictures.push_back({std::move(record), entry});
  }
}

}  // namespace

EvalData collect_pictures(const EvalSettings& s) {
  EvalData data;
  std::set<std::string> taken;
  std::set<moeclip::Domain> domains;
  EachOnce once;
  for (const std::string& path : s.data) {
    const std::size_t before = data.pictures.size();
    add_dataset(path, s, taken, data, domains);
    std::vector<std::string> paths;
    for (std::size_t i = before; i < data.pictures.size(); ++i) paths.push_back(data.pictures[i].entry.image_path);
    once.expect_new(path, paths);
  }
  if (domains.size() > 1 && s.domain == "auto")
    moeclip::fail(moeclip::ErrorCode::mismatch,
                  "industrial and medical data sets are scored differently; judge them one by one, or give --domain");
  if (!domains.empty()) data.domain = *domains.begin();
  const auto key = [](const EvalPicture& picture) { return picture.record.key(); };
  std::ranges::sort(data.pictures, {}, key);
  const auto twice = std::ranges::adjacent_find(data.pictures, {}, key);
  if (twice != data.pictures.end())
    moeclip::fail(moeclip::ErrorCode::format, concat(twice->entry.image_path, ": is listed twice"));
  return data;
}

std::vector<std::string> doubts_about(const EvalSettings& s, const EvalData& data) {
  // that a class has no masks at all stands under the table
  constexpr std::array<std::string_view, 5> kKinds{"no_mask", "empty_mask", "size", "soft_mask", "wide_mask"};
  moeclip::Context context({.threads = static_cast<int>(s.threads)});
  std::vector<DatasetEntry> entries;
  for (const EvalPicture& picture : data.pictures)
    if (picture.record.label != 0) entries.push_back(picture.entry);
  const auto findings = moeclip::check_dataset(context, entries, false);
  std::vector<std::string> doubts;
  for (const std::string_view kind : kKinds) {
    const auto is_of_kind = [&](const moeclip::DatasetFinding& finding) { return finding.kind == kind; };
    const auto count = std::ranges::count_if(findings, is_of_kind);
    if (count == 0) continue;
    const moeclip::DatasetFinding& first = *std::ranges::find_if(findings, is_of_kind);
    doubts.push_back(concat(moeclip::finding_kind(kind).title, ": ", count, ", such as ", first.path,
                            first.what.empty() ? "" : concat(" (", first.what, ")")));
  }
  return doubts;
}

}  // namespace cli

// SPDX-License-Identifier: MIT
#pragma once
// Where samples come from: files, synthetic pictures drawn when they are needed, or several of both one after the
// other.

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "../io/sha256.hpp"
#include "dataset.hpp"
#include "synthetic.hpp"

namespace moeclip::inline MOECLIP_ABI_NS {

/// Which synthetic pictures to draw: `count` of them, evenly over the categories, `defective_share` of each with a
/// defect that the category can have, of a severity uniform in the range. Picture i is a pure function of this and i.
struct SyntheticPlan {
  std::vector<std::string> categories = {};
  std::vector<std::string> defects = {};  ///< empty: seen_defects of each category
  index_t count = 0;
  index_t size = 256;
  std::uint64_t seed = 0;
  double defective_share = 0.5;
  double lowest_severity = 0.2, highest_severity = 1;
};

/// The specs of a plan. Throws contract for a plan that cannot be drawn.
inline std::vector<SyntheticSpec> plan_synthetic(const SyntheticPlan& plan) {
  MOECLIP_EXPECT(!plan.categories.empty() && plan.count >= 0, "a synthetic data set needs a category");
  MOECLIP_EXPECT(
      plan.lowest_severity >= 0 && plan.lowest_severity <= plan.highest_severity && plan.highest_severity <= 1,
      "severities from ", plan.lowest_severity, " to ", plan.highest_severity, " cannot be drawn");
  std::vector<std::vector<std::string_view>> kinds;
  for (const std::string& category : plan.categories) {
    kinds.push_back(plan.defects.empty() ? seen_defects(category) : synthetic_defects(category));
    if (!plan.defects.empty())
      std::erase_if(kinds.back(),
                    [&](std::string_view kind) { return std::ranges::find(plan.defects, kind) == plan.defects.end(); });
  }
  std::vector<SyntheticSpec> specs;
  const Rng rng(plan.seed, "synthetic plan");
  for (index_t i = 0; i < plan.count; ++i) {
    const auto category = static_cast<std::size_t>(i) % plan.categories.size();
    SyntheticSpec spec{plan.categories[category], "", plan.seed, i, plan.size, 1};
    spec.severity = plan.lowest_severity + (plan.highest_severity - plan.lowest_severity) * rng.unit(3 * i);
    if (!kinds[category].empty() && rng.unit(3 * i + 1) < plan.defective_share)
      spec.defect = kinds[category][static_cast<std::size_t>(rng.integer(3 * i + 2, 0, std::ssize(kinds[category])))];
    specs.push_back(std::move(spec));
  }
  return specs;
}

/// A list of samples to be loaded by number. Cheap to move; loading is const and may run on several threads.
class SampleSource {
 public:
  SampleSource() = default;
  explicit SampleSource(std::vector<DatasetEntry> entries) { add(std::move(entries)); }
  explicit SampleSource(std::vector<SyntheticSpec> specs) { add(std::move(specs)); }

  /// Appends a data set. Its samples come after those that are there; the loader shuffles all of them together.
  void add(std::vector<DatasetEntry> entries) {
    for (const DatasetEntry& entry : entries) add_class(entry.class_name);
    for (DatasetEntry& entry : entries) items_.emplace_back(std::move(entry));
  }
  void add(std::vector<SyntheticSpec> specs) {
    for (const SyntheticSpec& spec : specs) add_class(spec.category);
    for (SyntheticSpec& spec : specs) items_.emplace_back(std::move(spec));
  }

  [[nodiscard]] index_t size() const { return std::ssize(items_); }

  /// Names of the classes in the order in which they first appear.
  [[nodiscard]] std::span<const std::string> classes() const { return classes_; }

  [[nodiscard]] index_t class_index(std::string_view name) const {
    const auto found = std::ranges::find(classes_, name);
    MOECLIP_EXPECT(found != classes_.end(), "there is no class '", name, "' in this data set");
    return found - classes_.begin();
  }

  /// The file behind sample i; null if it is drawn.
  [[nodiscard]] const DatasetEntry* entry(index_t i) const {
    MOECLIP_EXPECT(i >= 0 && i < size(), "sample ", i, " of ", size(), " was asked for");
    return std::get_if<DatasetEntry>(&items_[static_cast<std::size_t>(i)]);
  }

  /// Reads or draws sample i. Throws as load_sample and synthesize do, with the file's name.
  [[nodiscard]] Sample load(index_t i) const {
    MOECLIP_EXPECT(i >= 0 && i < size(), "sample ", i, " of ", size(), " was asked for");
    const Item& item = items_[static_cast<std::size_t>(i)];
    if (const auto* entry = std::get_if<DatasetEntry>(&item)) return load_sample(*entry);
    return synthesize(std::get<SyntheticSpec>(item));
  }

  /// SHA-256 of what the list says (paths below the folder that all share, labels, classes; not the contents of
  /// files), to tell that a resumed run has the same data.
  [[nodiscard]] std::string fingerprint() const {
    const std::size_t common = common_directory();
    std::string text;
    for (const Item& item : items_) text += description(item, common) + "\n";
    return sha256_hex(as_bytes(text));
  }

 private:
  using Item = std::variant<DatasetEntry, SyntheticSpec>;

  /// Length of what all paths begin with, up to a '/': where the data lie, which may change.
  [[nodiscard]] std::size_t common_directory() const {
    std::optional<std::string_view> common;
    for (const Item& item : items_) {
      const auto* entry = std::get_if<DatasetEntry>(&item);
      if (entry == nullptr) continue;
      for (const std::string_view path : {std::string_view(entry->image_path), std::string_view(entry->mask_path)}) {
        if (path.empty()) continue;
        if (!common) common = path;
        const auto [end, other] = std::ranges::mismatch(*common, path);
        common = common->substr(0, static_cast<std::size_t>(end - common->begin()));
      }
    }
    return common ? common->rfind('/') + 1 : 0;  // npos + 1 is 0
  }

  static std::string description(const Item& item, std::size_t common) {
    if (const auto* e = std::get_if<DatasetEntry>(&item))
      return concat(e->image_path.substr(common), " ", e->label, " ", e->class_name, " ",
                    e->mask_path.empty() ? "" : e->mask_path.substr(common));
    const auto& s = std::get<SyntheticSpec>(item);
    return concat(s.category, "+", s.defect, " ", s.seed, " ", s.index, " ", s.size, " ", s.severity);
  }

  void add_class(const std::string& name) {
    if (std::ranges::find(classes_, name) == classes_.end()) classes_.push_back(name);
  }

  std::vector<Item> items_;
  std::vector<std::string> classes_;
};

}  // namespace moeclip::inline MOECLIP_ABI_NS

// SPDX-License-Identifier: MIT
#pragma once
// Tells which of the fourteen data sets the classes of a listing belong to, by the names of classes and folders, and
// what they lack compared with what is published.

#include <map>

#include "../../base/lists.hpp"
#include "../dataset_counts.hpp"
#include "listing.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A set by its name, whatever its case and punctuation; null if it is none of the fourteen.
inline const KnownSet* find_known_set(std::string_view name) {
  const std::string plain = detail::plain_name(name);
  const auto found =
      lists::find_if(kKnownSets, [&](const KnownSet& set) { return detail::plain_name(set.name) == plain; });
  return found == kKnownSets.end() ? nullptr : &*found;
}

/// The classes of a set.
inline std::span<const KnownClass> known_classes(std::string_view set) {
  const auto first = lists::find(kKnownClasses, set, &KnownClass::set);
  const auto last = std::find_if(first, kKnownClasses.end(), [&](const KnownClass& known) { return known.set != set; });
  return {first, last};
}

/// A class of a known set by its name; released lists call "Blotchy_099" just "Blotchy". Null if there is none.
inline const KnownClass* find_known_class(std::string_view name) {
  for (const KnownClass& known : kKnownClasses) {
    const bool is_variant = known.set == "DTD-Synthetic" && known.name.substr(0, known.name.find('_')) == name;
    if (known.name == name || is_variant) return &known;
  }
  return nullptr;
}

namespace detail {

/// Plain names of a folder of the tree and of what it lies in, also outside of the tree; innermost first, at most
/// three.
inline std::vector<std::string> nearest_names(const FolderTree& tree, const std::string& folder) {
  std::string rest = folder.empty() ? tree.place : concat(tree.place, "/", folder);
  std::vector<std::string> names;
  while (!rest.empty() && names.size() < 3) {
    const std::size_t start = rest.find_last_of("/\\") + 1;  // npos + 1 is 0
    if (start < rest.size()) names.push_back(plain_name(std::string_view(rest).substr(start)));
    rest.resize(start == 0 ? 0 : start - 1);
  }
  return names;
}

inline bool is_hinted(const KnownSet& set, std::string_view plain) {
  return lists::any_of(set.hints, [&](std::string_view hint) {
    if (hint.empty()) return false;
    return hint.starts_with('=') ? plain == hint.substr(1) : plain.find(hint) != std::string_view::npos;
  });
}

/// The set of one class that a folder is of by its name; null if it is of none.
inline const KnownSet* single_set_of(const FolderTree& tree, const std::string& folder) {
  for (const std::string& name : nearest_names(tree, folder))
    for (const KnownSet& set : kKnownSets)
      if (known_classes(set.name).size() == 1 && is_hinted(set, name)) return &set;
  return nullptr;
}

/// True if a set of several classes is meant: half of its classes are there and few others, or its name is on the
/// folder and at least one of them is there.
inline bool is_set_here(const FolderTree& tree, const KnownSet& set, const std::vector<ListedClass>& classes) {
  std::size_t present = 0;
  bool is_named = false;
  for (const ListedClass& listed : classes) {
    const KnownClass* known = find_known_class(listed.name);
    if (known == nullptr || known->set != set.name) continue;
    ++present;
    const std::vector<std::string> names = nearest_names(tree, listed.folder);
    is_named = is_named || lists::any_of(names, [&](const std::string& name) { return is_hinted(set, name); });
  }
  const bool is_most = 2 * present >= known_classes(set.name).size() && 2 * present >= classes.size();
  return is_most || (is_named && present > 0);
}

}  // namespace detail

/// Finds out which sets the classes belong to, by class name. Classes of sets that have one only are renamed to what
/// the released lists call them ("CVC-ColonDB" becomes "Colon_colonDB"), unless `keeps_names`. `wanted` is the set that
/// it shall be, if known.
inline std::map<std::string, const KnownSet*> recognise_sets(const FolderTree& tree, const KnownSet* wanted,
                                                             bool keeps_names, Listing& listing) {
  std::map<std::string, const KnownSet*> sets;
  std::map<std::string, std::string> renamed;
  for (const KnownSet& set : kKnownSets) {
    if (known_classes(set.name).size() == 1 || (wanted != nullptr && wanted != &set)) continue;
    if (wanted == nullptr && !detail::is_set_here(tree, set, listing.classes)) continue;
    for (const ListedClass& listed : listing.classes)
      if (const KnownClass* known = find_known_class(listed.name); known != nullptr && known->set == set.name)
        sets.emplace(listed.name, &set);
  }
  for (ListedClass& listed : listing.classes) {
    if (sets.contains(listed.name) || keeps_names) continue;
    const bool is_single = wanted != nullptr && known_classes(wanted->name).size() == 1;
    const KnownSet* set = is_single ? wanted : wanted == nullptr ? detail::single_set_of(tree, listed.folder) : nullptr;
    if (set == nullptr) continue;
    const std::string name(known_classes(set->name)[0].name);
    renamed[listed.name] = name;
    sets[name] = set;
    listed.name = name;
  }
  for (ListedPicture& picture : listing.pictures)
    if (const auto found = renamed.find(picture.class_name); found != renamed.end()) picture.class_name = found->second;
  return sets;
}

/// How many pictures of a class there are.
struct ClassCounts {
  std::string name;
  const KnownSet* set = nullptr;  ///< null: none of the fourteen
  index_t train = 0, valid = 0;
  index_t good = 0, defective = 0, masks = 0;  ///< for testing
  index_t unlabelled = 0;                      ///< in any part; in none of the other counts
};

namespace detail {

inline std::string against(index_t there, index_t published, std::string_view what) {
  return concat(there, " of ", published, " ", what);
}

/// Totals of a set where its classes have no figures of their own.
inline void compare_totals(const KnownSet& set, std::span<const ClassCounts> counts,
                           std::vector<std::string>& differences) {
  index_t good = 0, defective = 0;
  for (const ClassCounts& count : counts) {
    if (count.set != &set) continue;
    good += count.good;
    defective += count.defective;
  }
  if (good != set.good || defective != set.defective)
    differences.push_back(concat(set.name, ": ", against(good, set.good, "good and "),
                                 against(defective, set.defective, "defective test pictures")));
}

inline void compare_class(const KnownClass& known, const ClassCounts& count, bool is_parted,
                          std::vector<std::string>& differences) {
  const auto differ = [&](index_t there, index_t published, std::string_view what) {
    if (there != published)
      differences.push_back(concat(known.set, ", ", known.name, ": ", against(there, published, what)));
  };
  if (!is_parted) {
    differ(count.good, known.good + std::max<index_t>(0, known.train), "good pictures");
  } else {
    differ(count.good, known.good, "good test pictures");
    if (known.train >= 0 && count.train > 0) differ(count.train, known.train, "training pictures");
  }
  differ(count.defective, known.defective, "defective test pictures");
}

}  // namespace detail

/// What differs from what is published, a sentence each. `is_parted`: whether train and test are told apart;
/// `is_whole`: whether all classes of a set are to be expected. Sets that come in another form than the published one
/// are passed over.
inline std::vector<std::string> compare_with_published(std::span<const ClassCounts> counts, std::string_view layout,
                                                       bool is_parted, bool is_whole) {
  std::vector<std::string> differences;
  for (const KnownSet& set : kKnownSets) {
    const bool is_form = set.layout.empty() || layout == "list" || set.layout == layout;
    const bool has_other_good = lists::any_of(
        counts, [&](const ClassCounts& count) { return count.set == &set && set.good == 0 && count.good > 0; });
    const bool is_here = lists::find(counts, &set, &ClassCounts::set) != counts.end();
    if (!is_here || !is_form || has_other_good) continue;
    const bool has_figures = known_classes(set.name)[0].good >= 0;
    if (!has_figures && is_whole) detail::compare_totals(set, counts, differences);
    for (const KnownClass& known : known_classes(set.name)) {
      const auto found = lists::find_if(counts, [&](const ClassCounts& count) {
        return count.set == &set && (count.name == known.name || find_known_class(count.name) == &known ||
                                     known.name.starts_with(count.name + "_"));
      });
      if (found == counts.end() && is_whole)
        differences.push_back(concat(set.name, ", ", known.name, ": the class is not there"));
      if (found != counts.end() && has_figures) detail::compare_class(known, *found, is_parted, differences);
    }
  }
  return differences;
}

}}  // namespace moeclip::abi_v0_1

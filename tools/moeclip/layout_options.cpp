// SPDX-License-Identifier: MIT
#include "layout_options.hpp"

#include <algorithm>

namespace cli {

using moeclip::concat;

namespace {

/// What --layout can say: names of layouts, and of sets that have one.
std::vector<std::string> layout_names() {
  std::vector<std::string> names;
  for (const moeclip::DatasetLayout& known : moeclip::dataset_layouts()) names.emplace_back(known.name);
  for (const moeclip::KnownSet& set : moeclip::kKnownSets) names.emplace_back(set.name);
  return names;
}

}  // namespace

void LayoutChoice::declare(Options& options) {
  options.value("layout", layout, "NAME",
                "how the files lie, or which set it is (`moeclip dataset scan --help` lists both); default: found out");
  options.offer(layout_names());
  options.flag("unmasked-good", unmasked_is_good,
               "where masks tell defective from good, pictures without a mask are good; default: unlabelled, left out");
  options.value("mask-from", mask_from, "LEVEL",
                "gray level of a mask, 1 to 255, from which a pixel is defective; default 1, as in the official code: "
                "all but black");
}

void LayoutChoice::check() const {
  if (mask_from < 1 || mask_from > 255) throw UsageError("--mask-from is a gray level from 1 to 255");
  const std::vector<std::string> names = layout_names();
  if (layout.empty() || std::ranges::find(names, layout) != names.end() || moeclip::find_known_set(layout)) return;
  const std::string meant = nearest(layout, names);
  throw UsageError(
      concat("there is no layout '", layout, "'", meant.empty() ? "" : concat("; did you mean '", meant, "'?")));
}

moeclip::LayoutOptions LayoutChoice::of_split(std::optional<moeclip::Split> split, std::int64_t threads) const {
  moeclip::LayoutOptions options;
  options.layout = layout;
  options.split = split;
  options.unmasked_is_good = unmasked_is_good;
  options.marked_from = static_cast<int>(mask_from);
  options.threads = static_cast<int>(threads);
  return options;
}

}  // namespace cli

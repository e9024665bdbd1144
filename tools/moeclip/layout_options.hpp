// SPDX-License-Identifier: MIT
#pragma once
// The options that every command has that reads data sets: how their files lie, and what in them says "defective".

#include <moeclip/data/scan_dataset.hpp>

#include "options.hpp"

namespace cli {

struct LayoutChoice {
  std::string layout;
  bool unmasked_is_good = false;
  std::int64_t mask_from = 1;

  void declare(Options& options);

  /// Throws UsageError for a layout that does not exist, with the one that was probably meant, and for impossible
  /// levels.
  void check() const;

  [[nodiscard]] bool is_given() const { return !layout.empty() || unmasked_is_good || mask_from != 1; }

  /// For open_dataset, of the pictures of one part, or of all.
  [[nodiscard]] moeclip::LayoutOptions of_split(std::optional<moeclip::Split> split, std::int64_t threads = 0) const;
};

}  // namespace cli

// SPDX-License-Identifier: MIT
#pragma once
// The settings of an adapter that its file may leave open (adapter_file.hpp).

#include <optional>
#include <vector>

#include "../base/types.hpp"
#include "../base/version.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What names and shapes do not tell. Unset: what the file records, else the released default, given in brackets.
struct AdapterOptions {
  std::optional<index_t> chosen;           ///< experts per token [2, or all if there are fewer]
  std::optional<double> scale;             ///< alpha / r [2]; only matters against the 1e-6 of norm matching
  std::optional<double> alpha;             ///< the same as alpha; not both
  std::optional<double> mix_weight;        ///< [0.1]
  std::optional<double> similarity_scale;  ///< of the cosines with the anchors [100]
  std::optional<bool> use_aggregation;     ///< 1x1, 3x3, 5x5 windows [yes, unless separate projections tell]
  std::vector<index_t> mixture_blocks;     ///< 1-based [evenly spread: 6, 12, 18, 24 of 24]
  std::vector<index_t> level_blocks;       ///< 1-based [the same]
  bool overrides_record = true;  ///< what is set goes before what the file records; false: if it differs, mismatch
};

}}  // namespace moeclip::abi_v0_1

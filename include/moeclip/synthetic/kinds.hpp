// SPDX-License-Identifier: MIT
#pragma once
// The kinds of defects, their names in data sets, and the part of a scene that each may touch.

#include <array>
#include <optional>
#include <string_view>

#include "../anomaly/defect_phrases.hpp"
#include "drawing/noise.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

/// In the order of kDefectPhrases (anomaly/defect_phrases.hpp).
enum class DefectKind : unsigned {
  scratch,
  crack,
  hole,
  stain,
  missing_part,
  bend,
  colour_shift,
  print_fault,
  contamination,
  foreign_thread,
  dent,
  burn,
};

/// Their names in data sets, in the order of DefectKind.
inline constexpr auto kDefectNames = [] {
  std::array<std::string_view, kDefectPhrases.size()> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = kDefectPhrases[i].name;
  return names;
}();

/// A set of kinds, as bits.
using DefectSet = unsigned;

/// The set of these kinds.
template <class... Kinds>
constexpr DefectSet defects(Kinds... kinds) {
  return ((1u << static_cast<unsigned>(kinds)) | ... | 0u);
}
/// True if `kind` is in the set.
constexpr bool contains(DefectSet set, DefectKind kind) { return (set >> static_cast<unsigned>(kind) & 1u) != 0; }

/// What can happen to the surface of anything.
inline constexpr DefectSet kSurfaceDefects =
    defects(DefectKind::scratch, DefectKind::hole, DefectKind::stain, DefectKind::colour_shift,
            DefectKind::contamination, DefectKind::foreign_thread, DefectKind::burn);

/// The kind of that name in data sets, or nothing.
constexpr std::optional<DefectKind> find_defect(std::string_view name) {
  for (std::size_t i = 0; i < kDefectNames.size(); ++i)
    if (kDefectNames[i] == name) return static_cast<DefectKind>(i);
  return std::nullopt;
}

/// Part of the scene that a defect may touch.
struct Circle {
  Vec2 centre;       ///< in the unit square of the scene
  float radius = 0;  ///< 1: the side of the scene
};

}}}  // namespace moeclip::abi_v0_1::synthetic

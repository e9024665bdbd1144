// SPDX-License-Identifier: MIT
#pragma once
// The kinds of defects: their names in data sets and the words that captions have for them.

#include <array>
#include <optional>
#include <string_view>

#include "synthetic_noise.hpp"

namespace moeclip::inline MOECLIP_ABI_NS::synthetic {

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

inline constexpr std::array<std::string_view, 12> kDefectNames{
    "scratch",      "crack",       "hole",          "stain",          "missing part", "bend",
    "colour shift", "print fault", "contamination", "foreign thread", "dent",         "burn"};

/// A set of kinds, as bits.
using DefectSet = unsigned;

template <class... Kinds>
constexpr DefectSet defects(Kinds... kinds) {
  return ((1u << static_cast<unsigned>(kinds)) | ... | 0u);
}
constexpr bool contains(DefectSet set, DefectKind kind) { return (set >> static_cast<unsigned>(kind) & 1u) != 0; }

/// What can happen to the surface of anything.
inline constexpr DefectSet kSurfaceDefects =
    defects(DefectKind::scratch, DefectKind::hole, DefectKind::stain, DefectKind::colour_shift,
            DefectKind::contamination, DefectKind::foreign_thread, DefectKind::burn);

constexpr std::optional<DefectKind> find_defect(std::string_view name) {
  for (std::size_t i = 0; i < kDefectNames.size(); ++i)
    if (kDefectNames[i] == name) return static_cast<DefectKind>(i);
  return std::nullopt;
}

/// Part of the scene that a defect may touch.
struct Circle {
  Vec2 centre;
  float radius = 0;
};

}  // namespace moeclip::inline MOECLIP_ABI_NS::synthetic

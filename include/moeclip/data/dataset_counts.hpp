// SPDX-License-Identifier: MIT
#pragma once
// Lists what is published about the fourteen data sets that the method is measured on: their classes, how many pictures
// each class has, and by what folder names they are known. Class names are those of the released code's lists, with
// DTD-Synthetic's variants told apart ("Woven_001") as it reports them.
//
// Where no good pictures are published (RSDD, the colon sets), people have made sets with good pictures of their own;
// the figures are not of those.
//
// Sources: the sets' own papers and pages (MVTec AD, VisA's 1cls split, BTAD, RSDDs, BMAD, EndoTect, Kvasir-SEG,
// PraNet's collection of colon sets) and, for DTD-Synthetic, the totals in AnomalyCLIP's and AdaCLIP's tables.

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "../base/types.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A class; -1 for what is not published.
struct KnownClass {
  std::string_view set, name;  ///< KnownSet::name of its data set, and its own name
  index_t train = 0;           ///< good pictures to train on
  index_t good = 0;            ///< for testing
  index_t defective = 0;       ///< for testing
};

/// A data set and what is published about it.
struct KnownSet {
  std::string_view name;    ///< as the released code's lists have it
  bool is_medical;          ///< otherwise industrial (Domain)
  bool has_masks;           ///< without masks only whole pictures can be judged
  index_t good, defective;  ///< pictures for testing, over all classes; -1: not published
  /// What a folder of the set is called, in small letters and digits ("=": nothing else, otherwise a part of it).
  std::array<std::string_view, 3> hints;
  std::string_view layout = "";  ///< the figures are of the set in this layout; empty: in any
};

/// The data sets, in the order in which the method's results are reported.
inline constexpr std::array<KnownSet, 14> kKnownSets{{
    {"MVTec", false, true, 467, 1258, {"mvtec", "", ""}},
    {"VisA", false, true, 962, 1200, {"visa", "", ""}},
    {"BTAD", false, true, 451, 290, {"btad", "btech", ""}},
    {"RSDD", false, true, 0, 195, {"rsdd", "", ""}},  // 67 of type I, 128 of type II, all defective
    {"DTD-Synthetic", false, true, 357, 947, {"dtdsynthetic", "", ""}},
    {"Brain", true, true, 640, 3075, {"=brain", "brainad", "brainmri"}, "bmad"},
    {"headct", true, false, 100, 100, {"headct", "", ""}},
    {"Liver", true, true, 833, 660, {"=liver", "liverad", "liverct"}, "bmad"},
    {"Retina", true, true, 1041, 764, {"=retina", "retinaresc", "resc"}, "bmad"},
    {"Colon_colonDB", true, true, 0, 380, {"colondb", "", ""}},
    {"Colon_clinicDB", true, true, 0, 612, {"clinicdb", "", ""}},
    {"Colon_cvc300", true, true, 0, 60, {"cvc300", "", ""}},
    {"Endo", true, true, 0, 200, {"=endo", "endotect", ""}},
    {"Colon_Kvasir", true, true, 0, 1000, {"kvasir", "", ""}},
}};

/// The classes of all data sets, set by set.
inline constexpr std::array<KnownClass, 52> kKnownClasses{{
    {"MVTec", "bottle", 209, 20, 63},
    {"MVTec", "cable", 224, 58, 92},
    {"MVTec", "capsule", 219, 23, 109},
    {"MVTec", "carpet", 280, 28, 89},
    {"MVTec", "grid", 264, 21, 57},
    {"MVTec", "hazelnut", 391, 40, 70},
    {"MVTec", "leather", 245, 32, 92},
    {"MVTec", "metal_nut", 220, 22, 93},
    {"MVTec", "pill", 267, 26, 141},
    {"MVTec", "screw", 320, 41, 119},
    {"MVTec", "tile", 230, 33, 84},
    {"MVTec", "toothbrush", 60, 12, 30},
    {"MVTec", "transistor", 213, 60, 40},
    {"MVTec", "wood", 247, 19, 60},
    {"MVTec", "zipper", 240, 32, 119},
    {"VisA", "candle", 900, 100, 100},
    {"VisA", "capsules", 542, 60, 100},
    {"VisA", "cashew", 450, 50, 100},
    {"VisA", "chewinggum", 453, 50, 100},
    {"VisA", "fryum", 450, 50, 100},
    {"VisA", "macaroni1", 900, 100, 100},
    {"VisA", "macaroni2", 900, 100, 100},
    {"VisA", "pcb1", 904, 100, 100},
    {"VisA", "pcb2", 901, 100, 100},
    {"VisA", "pcb3", 905, 101, 100},
    {"VisA", "pcb4", 904, 101, 100},
    {"VisA", "pipe_fryum", 450, 50, 100},
    {"BTAD", "01", 400, 21, 49},
    {"BTAD", "02", 399, 30, 200},
    {"BTAD", "03", 1000, 400, 41},
    {"RSDD", "RSDD", -1, 0, 195},
    {"DTD-Synthetic", "Blotchy_099", -1, -1, -1},
    {"DTD-Synthetic", "Fibrous_183", -1, -1, -1},
    {"DTD-Synthetic", "Marbled_078", -1, -1, -1},
    {"DTD-Synthetic", "Matted_069", -1, -1, -1},
    {"DTD-Synthetic", "Mesh_114", -1, -1, -1},
    {"DTD-Synthetic", "Perforated_037", -1, -1, -1},
    {"DTD-Synthetic", "Stratified_154", -1, -1, -1},
    {"DTD-Synthetic", "Woven_001", -1, -1, -1},
    {"DTD-Synthetic", "Woven_068", -1, -1, -1},
    {"DTD-Synthetic", "Woven_104", -1, -1, -1},
    {"DTD-Synthetic", "Woven_125", -1, -1, -1},
    {"DTD-Synthetic", "Woven_127", -1, -1, -1},
    {"Brain", "Brain", 7500, 640, 3075},
    {"headct", "headct", -1, 100, 100},
    {"Liver", "Liver", 1542, 833, 660},
    {"Retina", "Retina", 4297, 1041, 764},
    {"Colon_colonDB", "Colon_colonDB", -1, 0, 380},
    {"Colon_clinicDB", "Colon_clinicDB", -1, 0, 612},
    {"Colon_cvc300", "CVC-300", -1, 0, 60},
    {"Endo", "Endo", -1, 0, 200},
    {"Colon_Kvasir", "Kvasir", -1, 0, 1000},
}};

}}  // namespace moeclip::abi_v0_1

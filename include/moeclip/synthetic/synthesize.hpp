// SPDX-License-Identifier: MIT
#pragma once
// Pictures like those of an inspection line, drawn from numbers: materials and objects with pose, light, noise and
// natural variation, whole or with a defect whose mask is known exactly. A picture is a pure function of its
// SyntheticSpec. The same seed, index and category with another defect, or none, show the same object in the same
// light; another size shows the same scene in another resolution.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../base/lists.hpp"
#include "../data/sample.hpp"

namespace moeclip { inline namespace abi_v0_1 {

inline constexpr index_t kSmallestSynthetic = 32;   ///< pixels
inline constexpr index_t kLargestSynthetic = 4096;  ///< pixels

/// What pictures are of. In two worlds of panels it is known whether specialists by region could help (WLD-1 in this
/// folder's README): marks that look alike are defects or not by the region that they lie in, or by their kind alone.
enum class SyntheticWorld {
  parts,        ///< materials and objects of an inspection line
  regions,      ///< panels of three regions: each kind of mark is a defect in one of them only
  homogeneous,  ///< panels of one surface: a dot is a defect
};

std::span<const std::string_view> synthetic_worlds();  ///< their names, in the order of SyntheticWorld
/// The world of that name, or nothing.
std::optional<SyntheticWorld> find_synthetic_world(std::string_view name);

/// What takes the pictures.
enum class SyntheticCamera {
  fixed,     ///< hangs straight above, as on an inspection line
  handheld,  ///< tilted, in uneven light, not always in focus, noisier, and its pictures have been JPEG files
};

std::span<const std::string_view> synthetic_cameras();  ///< their names, in the order of SyntheticCamera
/// The camera of that name, or nothing.
std::optional<SyntheticCamera> find_synthetic_camera(std::string_view name);

/// What to draw.
struct SyntheticSpec {
  std::string category;                             ///< one of synthetic_categories(world)
  std::string defect;                               ///< one that the category can have in that world, or "": good
  std::uint64_t seed = 0;                           ///< pictures of different seeds have nothing in common
  index_t index = 0;                                ///< number of the picture
  index_t size = 256;                               ///< side in pixels, [kSmallestSynthetic, kLargestSynthetic]
  double severity = 1;                              ///< 0 barely visible, 1 plain
  SyntheticWorld world = SyntheticWorld::parts;     ///< that it is of
  SyntheticCamera camera = SyntheticCamera::fixed;  ///< that takes it
};

std::span<const std::string_view> synthetic_categories();    ///< all that can be drawn, textures and objects
std::span<const std::string_view> pretraining_categories();  ///< those that the built-in CLIP is pretrained on
std::span<const std::string_view> adapter_categories();      ///< those that its adapter is trained on
std::span<const std::string_view> unseen_categories();  ///< those that neither ever sees and that are kept for judging
/// Those that the built-in model never saw, and that may be trained and fitted on all the same.
std::span<const std::string_view> further_categories();

std::span<const std::string_view> synthetic_defects();  ///< all kinds, in the order of DefectKind
std::span<const std::string_view> unseen_defects();     ///< those that are kept for judging

// The same of any world. Panels of both worlds have the same categories; no kind of mark is kept for judging.
std::span<const std::string_view> synthetic_categories(SyntheticWorld world);  ///< all that can be drawn
std::span<const std::string_view> adapter_categories(SyntheticWorld world);    ///< those that may be trained on
std::span<const std::string_view> unseen_categories(SyntheticWorld world);     ///< those that are kept for judging
std::span<const std::string_view> synthetic_defects(SyntheticWorld world);     ///< all kinds
/// The kinds that `category` can have in that world. Throws contract for an unknown one.
std::vector<std::string_view> synthetic_defects(SyntheticWorld world, std::string_view category);

/// The kinds that `category` can have. Throws contract for an unknown one.
std::vector<std::string_view> synthetic_defects(std::string_view category);

/// The same without unseen_defects(): what may be trained on.
std::vector<std::string_view> seen_defects(std::string_view category);

/// True for a material, which fills the picture; false for an object on a ground.
bool is_synthetic_texture(std::string_view category);

/// Draws a picture with its mask (all 0 for a good one), label, caption and the name of its class. Throws contract for
/// names that do not exist, a defect that the category cannot have, or a size or severity out of range.
Sample synthesize(const SyntheticSpec& spec);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_SYNTHETIC)

#include "../base/error.hpp"
#include "captions.hpp"
#include "drawing/assembled.hpp"
#include "drawing/board.hpp"
#include "drawing/cut.hpp"
#include "drawing/grains.hpp"
#include "drawing/long.hpp"
#include "drawing/metal.hpp"
#include "drawing/minerals.hpp"
#include "drawing/panel.hpp"
#include "drawing/render.hpp"
#include "drawing/ribbed.hpp"
#include "drawing/rough.hpp"
#include "drawing/round.hpp"
#include "drawing/textures.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

struct SyntheticCategory {
  std::string_view name;
  bool is_texture;
  synthetic::DefectSet defects;
  void (*draw)(const synthetic::Order&, Image& picture, Image& mask);
};

template <class Category>
constexpr SyntheticCategory synthetic_category() {
  return {Category::kName, Category::kIsTexture, Category::kDefects, &synthetic::draw_picture<Category>};
}

inline constexpr SyntheticCategory kSyntheticCategories[] = {
    synthetic_category<synthetic::Weave>(),        synthetic_category<synthetic::Carpet>(),
    synthetic_category<synthetic::Cardboard>(),    synthetic_category<synthetic::Wood>(),
    synthetic_category<synthetic::BrushedMetal>(), synthetic_category<synthetic::Concrete>(),
    synthetic_category<synthetic::Marble>(),       synthetic_category<synthetic::Leather>(),
    synthetic_category<synthetic::Grid>(),         synthetic_category<synthetic::Tile>(),
    synthetic_category<synthetic::Screw>(),        synthetic_category<synthetic::Ring>(),
    synthetic_category<synthetic::Nut>(),          synthetic_category<synthetic::CircuitBoard>(),
    synthetic_category<synthetic::Cable>(),        synthetic_category<synthetic::Tablet>(),
    synthetic_category<synthetic::Button>(),       synthetic_category<synthetic::Battery>(),
    synthetic_category<synthetic::Fuse>(),         synthetic_category<synthetic::Spring>(),
    synthetic_category<synthetic::Gear>(),         synthetic_category<synthetic::Capsule>(),
    synthetic_category<synthetic::BottleTop>(),    synthetic_category<synthetic::Plaster>(),
    synthetic_category<synthetic::EtchedPlate>(),  synthetic_category<synthetic::Denim>(),
    synthetic_category<synthetic::CastIron>(),     synthetic_category<synthetic::MilledMetal>(),
    synthetic_category<synthetic::Granite>(),      synthetic_category<synthetic::Cork>(),
    synthetic_category<synthetic::Bearing>(),      synthetic_category<synthetic::Plug>(),
    synthetic_category<synthetic::Bracket>(),      synthetic_category<synthetic::Key>(),
};

template <std::size_t N>
constexpr std::array<std::string_view, N> synthetic_names(const SyntheticCategory (&categories)[N]) {
  std::array<std::string_view, N> names;
  for (std::size_t i = 0; i < N; ++i) names[i] = categories[i].name;
  return names;
}
inline constexpr auto kSyntheticNames = synthetic_names(kSyntheticCategories);

inline const SyntheticCategory& find_synthetic(std::string_view name) {
  for (const SyntheticCategory& category : kSyntheticCategories)
    if (category.name == name) return category;
  std::string known;
  for (const std::string_view other : kSyntheticNames) known += concat(known.empty() ? "" : ", ", other);
  fail(ErrorCode::contract, concat("there is no synthetic category '", name, "'; there are ", known));
}

// Never shown to CLIP nor to an adapter in training: kept to judge on.
inline constexpr std::array<std::string_view, 6> kUnseenCategories{"leather", "grid",    "tile",
                                                                   "gear",    "capsule", "bottle top"};
inline constexpr std::array<std::string_view, 17> kPretrainingCategories{
    "weave", "carpet",        "cardboard", "wood",   "brushed metal", "concrete", "marble", "screw", "ring",
    "nut",   "circuit board", "cable",     "tablet", "button",        "battery",  "fuse",   "spring"};
inline constexpr std::array<std::string_view, 10> kAdapterCategories{
    "weave", "cardboard", "wood", "concrete", "screw", "nut", "circuit board", "cable", "tablet", "battery"};
inline constexpr std::array<std::string_view, 11> kFurtherCategories{
    "plaster", "etched plate", "denim", "cast iron", "milled metal", "granite",
    "cork",    "bearing",      "plug",  "bracket",   "key"};
inline constexpr std::array<std::string_view, 3> kUnseenDefects{"foreign thread", "dent", "burn"};

inline constexpr std::array<std::string_view, 3> kSyntheticWorlds{"parts", "regions", "homogeneous"};

inline constexpr std::array<std::string_view, 2> kSyntheticCameras{"fixed", "handheld"};

inline constexpr auto kPanelNames = [] {
  std::array<std::string_view, synthetic::panels::kLooks.size()> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = synthetic::panels::kLooks[i].name;
  return names;
}();

/// Where `name` is in the list of panels. Throws contract if it is not.
inline std::size_t find_panel(std::string_view name) {
  const auto place = lists::find(kPanelNames, name);
  MOECLIP_EXPECT(place != kPanelNames.end(), "there is no panel '", name, "'");
  return static_cast<std::size_t>(place - kPanelNames.begin());
}

inline void expect_drawable(const SyntheticSpec& spec) {
  MOECLIP_EXPECT(spec.size >= kSmallestSynthetic && spec.size <= kLargestSynthetic, "a synthetic picture has ",
                 kSmallestSynthetic, " to ", kLargestSynthetic, " pixels a side, not ", spec.size);
  MOECLIP_EXPECT(spec.severity >= 0 && spec.severity <= 1, "severity is from 0 to 1, not ", spec.severity);
}

/// The order for a picture whose kind of defect is `kind`; that of a panel's mark has no meaning here.
inline synthetic::Order order_of(const SyntheticSpec& spec, std::optional<synthetic::DefectKind> kind) {
  const bool is_handheld = spec.camera == SyntheticCamera::handheld;
  return {spec.seed, spec.index, spec.size, kind, static_cast<float>(spec.severity), is_handheld};
}

/// "synthetic:", what is seen, and which picture of it.
inline std::string synthetic_path(const SyntheticSpec& spec, std::string_view seen) {
  const char* const taken = spec.camera == SyntheticCamera::handheld ? "@handheld" : "";
  return concat("synthetic:", seen, spec.defect.empty() ? "" : "+", spec.defect, "#", spec.index, taken);
}

inline Sample synthesize_panel(const SyntheticSpec& spec) {
  const synthetic::PanelLook& look = synthetic::panels::kLooks[find_panel(spec.category)];
  expect_drawable(spec);
  std::optional<synthetic::MarkKind> mark;
  if (!spec.defect.empty()) {
    const auto known = synthetic_defects(spec.world);
    const auto place = lists::find(known, spec.defect);
    MOECLIP_EXPECT(place != known.end(), "a ", spec.category, " cannot have the defect '", spec.defect, "'");
    mark = static_cast<synthetic::MarkKind>(place - known.begin());
  }
  Sample sample;
  sample.picture = Image(spec.size, spec.size, 3);
  sample.mask = Image(spec.size, spec.size, 1);
  synthetic::draw_panel(look, spec.world == SyntheticWorld::regions, mark, order_of(spec, {}), sample.picture,
                        sample.mask);
  sample.label = mark ? 1 : 0;
  sample.class_name = spec.category;
  sample.defect = spec.defect;
  sample.caption = concat("a photo of a ", spec.category, mark ? " with a misplaced " : "", spec.defect, ".");
  const std::string_view world = kSyntheticWorlds[static_cast<std::size_t>(spec.world)];
  sample.path = synthetic_path(spec, concat(world, "/", spec.category));
  return sample;
}

}  // namespace detail

MOECLIP_FUNC std::span<const std::string_view> synthetic_worlds() { return detail::kSyntheticWorlds; }

MOECLIP_FUNC std::optional<SyntheticWorld> find_synthetic_world(std::string_view name) {
  const auto place = lists::find(detail::kSyntheticWorlds, name);
  if (place == detail::kSyntheticWorlds.end()) return std::nullopt;
  return static_cast<SyntheticWorld>(place - detail::kSyntheticWorlds.begin());
}

MOECLIP_FUNC std::span<const std::string_view> synthetic_cameras() { return detail::kSyntheticCameras; }

MOECLIP_FUNC std::optional<SyntheticCamera> find_synthetic_camera(std::string_view name) {
  const auto place = lists::find(detail::kSyntheticCameras, name);
  if (place == detail::kSyntheticCameras.end()) return std::nullopt;
  return static_cast<SyntheticCamera>(place - detail::kSyntheticCameras.begin());
}

MOECLIP_FUNC std::span<const std::string_view> synthetic_categories(SyntheticWorld world) {
  return world == SyntheticWorld::parts ? synthetic_categories() : std::span(detail::kPanelNames);
}

MOECLIP_FUNC std::span<const std::string_view> adapter_categories(SyntheticWorld world) {
  if (world == SyntheticWorld::parts) return adapter_categories();
  return std::span(detail::kPanelNames).first(synthetic::panels::kTrained);
}

MOECLIP_FUNC std::span<const std::string_view> unseen_categories(SyntheticWorld world) {
  if (world == SyntheticWorld::parts) return unseen_categories();
  return std::span(detail::kPanelNames).subspan(synthetic::panels::kTrained);
}

MOECLIP_FUNC std::span<const std::string_view> synthetic_defects(SyntheticWorld world) {
  if (world == SyntheticWorld::parts) return synthetic_defects();
  return std::span(synthetic::kMarkNames).first(world == SyntheticWorld::regions ? 3 : 1);
}

MOECLIP_FUNC std::vector<std::string_view> synthetic_defects(SyntheticWorld world, std::string_view category) {
  if (world == SyntheticWorld::parts) return synthetic_defects(category);
  detail::find_panel(category);
  const auto names = synthetic_defects(world);
  return {names.begin(), names.end()};
}

MOECLIP_FUNC std::span<const std::string_view> synthetic_categories() { return detail::kSyntheticNames; }

MOECLIP_FUNC std::span<const std::string_view> pretraining_categories() { return detail::kPretrainingCategories; }

MOECLIP_FUNC std::span<const std::string_view> adapter_categories() { return detail::kAdapterCategories; }

MOECLIP_FUNC std::span<const std::string_view> unseen_categories() { return detail::kUnseenCategories; }

MOECLIP_FUNC std::span<const std::string_view> further_categories() { return detail::kFurtherCategories; }

MOECLIP_FUNC std::span<const std::string_view> synthetic_defects() { return synthetic::kDefectNames; }

MOECLIP_FUNC std::span<const std::string_view> unseen_defects() { return detail::kUnseenDefects; }

MOECLIP_FUNC std::vector<std::string_view> synthetic_defects(std::string_view category) {
  const synthetic::DefectSet set = detail::find_synthetic(category).defects;
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < synthetic::kDefectNames.size(); ++i)
    if (synthetic::contains(set, static_cast<synthetic::DefectKind>(i))) names.push_back(synthetic::kDefectNames[i]);
  return names;
}

MOECLIP_FUNC std::vector<std::string_view> seen_defects(std::string_view category) {
  std::vector<std::string_view> names = synthetic_defects(category);
  std::erase_if(names,
                [](std::string_view name) { return lists::find(unseen_defects(), name) != unseen_defects().end(); });
  return names;
}

MOECLIP_FUNC bool is_synthetic_texture(std::string_view category) {
  return detail::find_synthetic(category).is_texture;
}

MOECLIP_FUNC Sample synthesize(const SyntheticSpec& spec) {
  if (spec.world != SyntheticWorld::parts) return detail::synthesize_panel(spec);
  const detail::SyntheticCategory& category = detail::find_synthetic(spec.category);
  detail::expect_drawable(spec);
  std::optional<synthetic::DefectKind> kind;
  if (!spec.defect.empty()) {
    kind = synthetic::find_defect(spec.defect);
    MOECLIP_EXPECT(kind && synthetic::contains(category.defects, *kind), "a ", category.name,
                   " cannot have the defect '", spec.defect, "'");
  }
  Sample sample;
  sample.picture = Image(spec.size, spec.size, 3);
  sample.mask = Image(spec.size, spec.size, 1);
  category.draw(detail::order_of(spec, kind), sample.picture, sample.mask);
  sample.label = kind ? 1 : 0;
  sample.class_name = category.name;
  sample.defect = spec.defect;
  synthetic::Dice words(spec.seed, concat("caption ", category.name, spec.defect), spec.index);
  sample.caption = synthetic::draw_caption(category.name, kind, words);
  sample.path = detail::synthetic_path(spec, category.name);
  return sample;
}

}}  // namespace moeclip::abi_v0_1

#endif

// SPDX-License-Identifier: MIT
#pragma once
// Panels: worlds in which it is known whether the meaning of a mark depends on where it lies (WLD-1 in ../README.md). A
// panel carries marks of three kinds that look the same everywhere. In the world of regions each panel has a smooth, a
// rough and a ribbed one, and each kind of mark is a defect in one of them and belongs there in the other two. In the
// homogeneous world a panel has one surface, and a dot is a defect, the other marks are not.

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "../../image/image.hpp"
#include "render.hpp"
#include "stage.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

enum class RegionKind { smooth, rough, ribbed };
enum class MarkKind { dot, dash, ring };

/// Their names in data sets, in the order of MarkKind.
inline constexpr std::array<std::string_view, 3> kMarkNames{"dot", "dash", "ring"};

/// The mark that is a defect there: each kind in one region, so that neither the mark nor the region tells by itself.
constexpr MarkKind misplaced_mark(RegionKind region) { return static_cast<MarkKind>(region); }

/// What the panels of a category have in common.
struct PanelLook {
  enum class Layout { bands, disc, tee, arcs, wedges };
  enum class Grain { sand, brushed, cells };

  std::string_view name;
  Layout layout = Layout::bands;
  std::array<RegionKind, 3> regions = {};  ///< of the places of the layout
  Grain grain = Grain::sand;               ///< of the rough one
  Color tone = {};
};

namespace panels {
using enum PanelLook::Layout;
using enum PanelLook::Grain;
using enum RegionKind;

/// The first eight may be trained on, the others are kept for judging: a layout, and colours, of their own.
inline constexpr std::size_t kTrained = 8;
inline constexpr std::array<PanelLook, 12> kLooks{{
    {"hatch", bands, {smooth, rough, ribbed}, sand, {0.55f, 0.58f, 0.62f}},
    {"lid", disc, {rough, smooth, ribbed}, brushed, {0.7f, 0.63f, 0.5f}},
    {"cover", tee, {ribbed, rough, smooth}, cells, {0.4f, 0.5f, 0.62f}},
    {"shutter", arcs, {smooth, ribbed, rough}, sand, {0.62f, 0.45f, 0.38f}},
    {"console", bands, {rough, ribbed, smooth}, brushed, {0.45f, 0.47f, 0.45f}},
    {"bezel", disc, {ribbed, rough, smooth}, cells, {0.5f, 0.6f, 0.5f}},
    {"tray", tee, {smooth, ribbed, rough}, sand, {0.72f, 0.7f, 0.66f}},
    {"plinth", arcs, {rough, smooth, ribbed}, brushed, {0.58f, 0.52f, 0.6f}},
    {"fascia", wedges, {smooth, rough, ribbed}, sand, {0.64f, 0.6f, 0.42f}},
    {"flap", wedges, {rough, ribbed, smooth}, cells, {0.42f, 0.58f, 0.6f}},
    {"cabinet", disc, {smooth, rough, ribbed}, brushed, {0.66f, 0.5f, 0.55f}},
    {"drawer", bands, {ribbed, smooth, rough}, cells, {0.52f, 0.5f, 0.4f}},
}};
}  // namespace panels

/// A panel without its marks.
class PanelSurface {
 public:
  /// `only`: the whole panel has this surface.
  PanelSurface(const PanelLook& look, std::optional<RegionKind> only, Dice& dice, const Stage& stage)
      : look_(look), only_(only), pixel_(stage.pixel) {
    const float quarter = 1.5707963f * static_cast<float>(dice.integer(0, 4));
    turn_ = direction(quarter + dice.range(-0.15f, 0.15f));
    middle_.x = dice.range(0.46f, 0.54f);
    middle_.y = dice.range(0.46f, 0.54f);
    size_ = dice.range(0.92f, 1.08f);
    for (Color& color : colors_) color = look.tone * dice.range(0.8f, 1.15f);
    ribs_ = dice.range(15, 21);
    seed_ = dice.seed();
    lamp_ = stage.lamp.turned(turn_);
  }

  [[nodiscard]] RegionKind region_at(Vec2 p) const {
    return only_ ? *only_ : look_.regions[static_cast<std::size_t>(place_of(to_local(p)))];
  }

  [[nodiscard]] Color colour(Vec2 p) const {
    const Vec2 q = to_local(p);
    const RegionKind region = region_at(p);
    const Color base = colors_[static_cast<std::size_t>(region)];
    if (region == RegionKind::smooth) return base * (1 + 0.05f * fractal(q * 3, seed_, 2, 3 * pixel_));
    if (region == RegionKind::rough) return base * (1 + rough(q));
    const float across = 2 * (q.x * ribs_ - static_cast<float>(floor_int(q.x * ribs_))) - 1;
    return lit(base, round_normal(0.9f * across, {1, 0}), lamp_, {0.35f, 0.15f, 3});
  }

  /// Whether a mark at p has all of its surroundings in one region.
  [[nodiscard]] bool has_room(Vec2 p) const {
    for (int k = 0; k < 8; ++k)
      if (region_at(p + direction(0.78539816f * static_cast<float>(k)) * kRoom) != region_at(p)) return false;
    return true;
  }

  static constexpr float kRoom = 0.105f;  ///< a mark lies within this distance of its middle

 private:
  [[nodiscard]] Vec2 to_local(Vec2 p) const { return rotate(p - middle_, {turn_.x, -turn_.y}) * (1 / size_); }

  [[nodiscard]] int place_of(Vec2 q) const {
    switch (look_.layout) {
      case PanelLook::Layout::bands: return q.x < -0.17f ? 0 : q.x < 0.17f ? 1 : 2;
      case PanelLook::Layout::disc: return length(q) < 0.3f ? 0 : q.y < 0 ? 1 : 2;
      case PanelLook::Layout::tee: return q.y < -0.1f ? 0 : q.x < 0 ? 1 : 2;
      case PanelLook::Layout::arcs: {
        const float away = length(q + Vec2{0.5f, 0.5f});
        return away < 0.5f ? 0 : away < 0.85f ? 1 : 2;
      }
      case PanelLook::Layout::wedges: return sector_of(q, 3).number;
    }
    return 0;
  }

  [[nodiscard]] float rough(Vec2 q) const {
    if (look_.grain == PanelLook::Grain::sand) return 0.34f * fractal(q * 38, seed_ + 1, 3, 38 * pixel_);
    if (look_.grain == PanelLook::Grain::brushed) return 0.3f * fractal({q.x * 7, q.y * 60}, seed_ + 1, 2, 60 * pixel_);
    const Cell cell = nearest_cell(q * 26, seed_ + 1);
    return 0.3f * (cell.draw(8) - 0.5f) - 0.22f * smooth_step(0.25f, 0, cell.edge);
  }

  PanelLook look_;
  std::optional<RegionKind> only_;
  float pixel_, size_ = 1, ribs_ = 16;
  Vec2 turn_{1, 0}, middle_{0.5f, 0.5f};
  std::array<Color, 3> colors_;
  std::uint32_t seed_ = 0;
  Lamp lamp_;
};

/// A mark. Its paint, size and turn do not depend on its kind or region.
struct Mark {
  Vec2 centre;
  MarkKind kind = MarkKind::dot;
  Vec2 axis{1, 0};
  float size = 1, strength = 1;
  bool is_dark = true;

  /// How much of a sample at p it covers.
  [[nodiscard]] float cover(Vec2 p, float pixel) const {
    const Vec2 from = p - centre;
    if (kind == MarkKind::dot) return coverage(disc(from, 0.038f * size), pixel);
    if (kind == MarkKind::ring) return coverage(ring_band(from, 0.05f * size, 0.012f * size), pixel);
    const Vec2 end = axis * (0.067f * size);
    return coverage(0.016f * size - segment(p, centre - end, centre + end).distance, pixel);
  }
  [[nodiscard]] Color on(Color base, float covered) const {
    const Color paint = is_dark ? base * 0.2f : mix(base, gray(1), 0.8f);
    return mix(base, paint, strength * covered);
  }
};

/// The marks of a good panel: one in each region, some more anywhere, each where its kind belongs.
inline std::vector<Mark> draw_marks(const PanelSurface& surface, bool has_regions, float severity, Dice& dice) {
  constexpr float kApart = 0.22f;
  constexpr int kTries = 200;  // some of ten are good; all of them together are half of what a stream has
  std::vector<Mark> marks;
  const int wanted = dice.integer(3, 7);
  for (int i = 0; i < wanted; ++i) {
    Mark mark;
    bool is_found = false;
    for (int attempt = 0; attempt < kTries && !is_found; ++attempt) {
      mark.centre.x = dice.range(0.12f, 0.88f);
      mark.centre.y = dice.range(0.12f, 0.88f);
      is_found = surface.has_room(mark.centre) &&
                 (i >= 3 || !has_regions || surface.region_at(mark.centre) == static_cast<RegionKind>(i));
      for (const Mark& other : marks) is_found = is_found && length(other.centre - mark.centre) > kApart;
    }
    if (!is_found) continue;
    const MarkKind misplaced = has_regions ? misplaced_mark(surface.region_at(mark.centre)) : MarkKind::dot;
    mark.kind = static_cast<MarkKind>((static_cast<int>(misplaced) + dice.integer(1, 3)) % 3);
    mark.axis = direction(dice.angle());
    mark.size = dice.range(0.85f, 1.2f);
    mark.strength = mix(0.3f, 0.95f, severity) * dice.range(0.8f, 1.05f);
    mark.is_dark = dice.chance(0.5f);
    marks.push_back(mark);
  }
  return marks;
}

/// Draws a panel into a picture (RGB) and a mask (gray) of the order's size. `defect`: one mark is of this kind, in a
/// region where that is a defect; all others, and everything else, are as on the good one. The order's own kind has no
/// meaning here.
inline void draw_panel(const PanelLook& look, bool has_regions, std::optional<MarkKind> defect, const Order& order,
                       Image& picture, Image& mask) {
  const char* const world = has_regions ? "regions " : "homogeneous ";
  Dice stage_dice(order.seed, concat("stage ", world, look.name), order.index);
  Dice look_dice(order.seed, concat("look ", world, look.name), order.index);
  Dice mark_dice(order.seed, concat("marks ", world, look.name), order.index);
  const Camera camera = order.camera(concat(world, look.name));
  const Stage stage(stage_dice, Raster(order.size).step * camera.largest_scale());
  const std::optional<RegionKind> only = has_regions ? std::nullopt : std::optional(look.regions[0]);
  const PanelSurface surface(look, only, look_dice, stage);
  std::vector<Mark> marks = draw_marks(surface, has_regions, order.severity, mark_dice);
  const Mark* wrong = nullptr;
  for (Mark& mark : marks)
    if (defect && wrong == nullptr && (!has_regions || misplaced_mark(surface.region_at(mark.centre)) == *defect)) {
      mark.kind = *defect;
      wrong = &mark;
    }
  const auto at = [&](Vec2 p) {
    Touch touch{surface.colour(p), 0};
    for (const Mark& mark : marks)
      if (const float covered = mark.cover(p, stage.pixel); covered > 0) {
        touch.colour = mark.on(touch.colour, covered);
        if (&mark == wrong) touch.cover = covered;
      }
    return touch;
  };
  photograph(at, stage, camera, picture, mask);
}

}}}  // namespace moeclip::abi_v0_1::synthetic

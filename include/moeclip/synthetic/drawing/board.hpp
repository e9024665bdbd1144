// SPDX-License-Identifier: MIT
#pragma once
// A printed circuit board with its parts. (scene.hpp says what a category is.)

#include "print.hpp"
#include "scene.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

/// Solder mask, traces, vias, and parts in a loose grid: chips, capacitors, resistors. Which layout, and which of the
/// parts, differs from board to board.
class CircuitBoard {
 public:
  static constexpr std::string_view kName = "circuit board";
  static constexpr bool kIsTexture = false;
  static constexpr DefectSet kDefects =
      kSurfaceDefects | defects(DefectKind::crack, DefectKind::missing_part, DefectKind::print_fault);

  explicit CircuitBoard(const Setting& setting) : lamp_(setting.lamp), pixel_(setting.pixel) {
    Dice& dice = setting.dice;
    constexpr std::array<Color, 4> kMasks{
        {{0.1f, 0.34f, 0.2f}, {0.12f, 0.25f, 0.46f}, {0.1f, 0.3f, 0.24f}, {0.42f, 0.1f, 0.1f}}};
    mask_ = dice.pick(kMasks);
    half_ = {0.98f, dice.range(0.72f, 0.9f)};
    traces_ = dice.range(10, 14);
    seed_ = dice.seed();
    print_ = Print(dice, 4, 0.12f);
    add({PartKind::chip,
         {-0.38f + dice.range(-0.06f, 0.06f), dice.range(-0.1f, 0.1f)},
         {dice.range(0.24f, 0.3f), dice.range(0.2f, 0.3f)},
         {}});
    constexpr std::array<Vec2, 9> kSites{{{0.22f, -0.5f},
                                          {0.62f, -0.48f},
                                          {0.2f, 0.02f},
                                          {0.62f, 0.02f},
                                          {0.25f, 0.48f},
                                          {0.66f, 0.48f},
                                          {-0.72f, -0.52f},
                                          {-0.3f, -0.53f},
                                          {-0.7f, 0.53f}}};
    for (const Vec2 site : kSites) {
      if (dice.chance(0.12f)) continue;
      add_small(dice, site + Vec2{dice.range(-0.05f, 0.05f), dice.range(-0.05f, 0.05f)});
    }
  }

  [[nodiscard]] Color tone() const { return mask_; }

  [[nodiscard]] float depth(Vec2 q) const {
    const float corner = length({std::abs(q.x) - half_.x + 0.11f, std::abs(q.y) - half_.y + 0.11f});
    return (std::min)(box(q, half_, 0.05f), corner - 0.055f);  // four holes for screws
  }

  [[nodiscard]] Color colour(Vec2 q, float depth) const {
    Color color = bare(q, depth);
    for (std::size_t i = 0; i < count_; ++i) {
      const Part& part = parts_[i];
      const Vec2 p = q - part.centre;
      if ((std::max)(std::abs(p.x) - part.half.x, std::abs(p.y) - part.half.y) > 0.12f) continue;
      color = draw(part, p, color, static_cast<int>(i) == gone_);
    }
    return color;
  }

  /// A part was not fitted; at low severity one of the small ones.
  void remove_part(Dice& dice, float severity) {
    const auto small_parts = static_cast<int>(count_) - 1;
    gone_ = severity > 0.9f && dice.chance(0.3f) ? 0 : 1 + dice.integer(0, small_parts);
  }
  void spoil_print(Dice& dice, float severity) { print_.spoil(dice, severity); }

 private:
  enum class PartKind { chip, can, chip_capacitor, resistor };
  struct Part {
    PartKind kind = PartKind::chip;
    Vec2 centre, half;
    Color body;
  };

  void add(const Part& part) { parts_[count_++] = part; }

  void add_small(Dice& dice, Vec2 site) {
    const int kind = dice.integer(0, 3);
    const float size = dice.range(0.9f, 1.1f);
    if (kind == 0) {
      add({PartKind::can, site, Vec2{0.125f, 0.125f} * size, {0.2f, 0.22f, 0.28f}});
    } else {
      const bool upright = dice.chance(0.5f);
      const Vec2 half = upright ? Vec2{0.06f, 0.12f} : Vec2{0.12f, 0.06f};
      const Color body = kind == 1 ? Color{0.72f, 0.58f, 0.42f} : gray(0.12f);
      add({kind == 1 ? PartKind::chip_capacitor : PartKind::resistor, site, half * size, body});
    }
  }

  /// The board without parts.
  [[nodiscard]] Color bare(Vec2 q, float depth) const {
    Color color = mask_ * (1 + 0.05f * noise(q * 18, seed_));
    const Vec2 p = q * traces_;
    const int row = floor_int(p.y), column = floor_int(p.x);
    const float y = std::abs(p.y - static_cast<float>(row) - 0.5f),
                x = std::abs(p.x - static_cast<float>(column) - 0.5f);
    const bool runs = lattice(floor_int(q.x * 2.4f + lattice(row, 3, seed_)), row, seed_ + 1) < 0.6f;
    const bool climbs = lattice(column, floor_int(q.y * 2 + lattice(column, 5, seed_)), seed_ + 2) < 0.32f;
    const float trace = (std::max)(runs ? coverage(0.17f - y, pixel_ * traces_) : 0.0f,
                                   climbs ? coverage(0.17f - x, pixel_ * traces_) : 0.0f);
    color = mix(color, mask_ * 1.5f + gray(0.04f), 0.8f * trace);
    if (lattice(column, row, seed_ + 3) < 0.1f) {  // a via
      const float r = length({x, y});
      color = mix(color, Color{0.75f, 0.66f, 0.4f}, coverage(0.27f - r, pixel_ * traces_));
      color = mix(color, gray(0.1f), coverage(0.12f - r, pixel_ * traces_));
    }
    color = mix(color, gray(0.88f), 0.9f * print_.ink(q - Vec2{-0.3f, 0.58f}));
    const float corner = length({std::abs(q.x) - half_.x + 0.11f, std::abs(q.y) - half_.y + 0.11f});
    color = mix(color, Color{0.78f, 0.68f, 0.42f}, coverage(0.085f - corner, pixel_));
    return mix(color, color * 1.25f, smooth_step(0.025f, 0, depth));
  }

  [[nodiscard]] Color draw(const Part& part, Vec2 p, Color below, bool is_gone) const {
    const bool upright = part.half.y > part.half.x;
    const Vec2 q = upright ? Vec2{p.y, p.x} : p, half = upright ? Vec2{part.half.y, part.half.x} : part.half;
    const Color solder{0.72f, 0.73f, 0.74f};
    Color color = below * (is_gone ? 1 : 1 - 0.45f * smooth_step(-0.035f, 0.03f, box(p + shadow(), part.half)));
    switch (part.kind) {
      case PartKind::chip: return draw_chip(part, p, color, is_gone);
      case PartKind::can: {
        const float outline = box(p, part.half * 1.06f, 0.02f);
        color = mix(color, gray(0.85f), 0.8f * coverage(0.009f - std::abs(outline + 0.012f), pixel_));
        if (is_gone) {
          const float pads =
              (std::max)(box(p - Vec2{0.06f, 0}, {0.035f, 0.05f}), box(p + Vec2{0.06f, 0}, {0.035f, 0.05f}));
          return mix(color, solder, coverage(pads, pixel_));
        }
        const float top = disc(p, half.x);
        const float mark = p.x < -0.45f * half.x ? 0.35f : 1.0f;
        const Vec3 normal = edge_normal_of_disc(p, half.x);
        return mix(color, lit(gray(0.74f) * mark, normal, lamp_, {0.45f, 0.3f, 4}), coverage(top, pixel_));
      }
      default: {
        const float ends = box(q, half, 0.012f);
        if (is_gone) {
          const float pads = (std::min)(ends, std::abs(q.x) - 0.5f * half.x);
          return mix(color, solder, coverage(pads, pixel_));
        }
        const bool is_cap = std::abs(q.x) > 0.68f * half.x;
        const float shade = 1 - 0.35f * smooth_step(0.02f, 0, ends);
        color = mix(color, (is_cap ? solder : part.body) * shade, coverage(ends, pixel_));
        if (part.kind == PartKind::resistor)
          color = mix(color, gray(0.85f), 0.8f * coverage(box(q, {0.045f, 0.01f}), pixel_));
        return color;
      }
    }
  }

  [[nodiscard]] Color draw_chip(const Part& part, Vec2 p, Color below, bool is_gone) const {
    Color color = below;
    const float legs = p.x * 22 - std::floor(p.x * 22) - 0.5f;
    const float reach = std::abs(p.y) - part.half.y;
    const bool has_leg = std::abs(p.x) < part.half.x - 0.02f && reach > (is_gone ? 0.015f : -0.01f) && reach < 0.07f;
    if (has_leg)
      color = mix(color, gray(reach > 0.045f ? 0.8f : 0.62f), coverage((0.27f - std::abs(legs)) / 22, pixel_));
    if (is_gone) return color;
    const float body = box(p, part.half, 0.015f);
    const float dimple = disc(p - Vec2{-part.half.x + 0.06f, -part.half.y + 0.06f}, 0.025f);
    Color top = gray(0.15f + 0.012f * noise(p * 40, seed_)) + gray(0.1f * smooth_step(0.025f, 0, body));
    top = mix(top, gray(0.07f), coverage(dimple, pixel_));
    top = mix(top, gray(0.62f), 0.85f * print_.ink(p - Vec2{0, 0.02f}));
    return mix(color, top, coverage(body, pixel_));
  }

  [[nodiscard]] Vec3 edge_normal_of_disc(Vec2 p, float radius) const {
    const float r = length(p);
    return normal_of(p * (-1.2f * smooth_step(0.75f * radius, radius, r) / (std::max)(r, 1e-4f)));
  }

  [[nodiscard]] Vec2 shadow() const { return Vec2{lamp_.to_light.x, lamp_.to_light.y} * 0.035f; }

  Lamp lamp_;
  float pixel_;
  Color mask_;
  Vec2 half_;
  float traces_;
  std::uint32_t seed_;
  Print print_;
  std::array<Part, 10> parts_{};
  std::size_t count_ = 0;
  int gone_ = -1;
};

}}}  // namespace moeclip::abi_v0_1::synthetic

// SPDX-License-Identifier: MIT
#pragma once
// Other round things: button, tablet, bottle top, the end of a cable. In their own axes they fill about [-1, 1]^2.
// (scene.hpp says what a category is.)

#include "print.hpp"
#include "scene.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

/// A sewing button.
class Button {
 public:
  static constexpr std::string_view kName = "button";
  static constexpr bool kIsTexture = false;
  static constexpr DefectSet kDefects = kSurfaceDefects | defects(DefectKind::crack, DefectKind::missing_part);

  explicit Button(const Setting& setting) : lamp_(setting.lamp) {
    Dice& dice = setting.dice;
    constexpr std::array<Color, 6> kResins{{{0.9f, 0.88f, 0.82f},
                                            {0.2f, 0.24f, 0.4f},
                                            {0.5f, 0.3f, 0.18f},
                                            {0.7f, 0.22f, 0.24f},
                                            {0.3f, 0.5f, 0.45f},
                                            {0.13f, 0.13f, 0.14f}}};
    base_ = dice.pick(kResins);
    has_four_holes_ = dice.chance(0.7f);
    hole_radius_ = dice.range(0.085f, 0.115f);
    hole_at_ = dice.range(0.19f, 0.25f);
    rim_ = dice.range(0.68f, 0.78f);
    swirl_ = dice.range(0, 0.14f);
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return base_; }

  [[nodiscard]] float depth(Vec2 q) const {
    const float body = disc(q, 0.95f);
    const Vec2 hole{hole_at_, has_four_holes_ ? hole_at_ : 0};
    const Vec2 folded{std::abs(q.x), has_four_holes_ ? std::abs(q.y) : q.y};
    return (std::min)(body, length(folded - hole) - hole_radius_);
  }

  [[nodiscard]] Color colour(Vec2 q, float depth) const {
    const float r = (std::max)(length(q), 1e-4f);
    const Vec2 outward = q * (1 / r);
    const float inner = smooth_step(0.09f, 0, std::abs(r - rim_ + 0.04f));  // the step down to the middle
    const float outer = smooth_step(0.82f, 0.97f, r);
    Vec3 normal = normal_of(outward * (0.9f * inner - 1.3f * outer));
    if (r < 0.55f) normal = edge_normal(*this, q, depth, 0.05f);
    const float marbling = swirl_ * fractal(q * 2 + Vec2{noise(q * 2, seed_), 0}, seed_ + 1, 3);
    return lit(base_ * (1 + marbling), normal, lamp_, {0.45f, 0.3f, 4});
  }

 private:
  Lamp lamp_;
  Color base_;
  bool has_four_holes_;
  float hole_radius_, hole_at_, rim_, swirl_;
  std::uint32_t seed_;
};

/// A pressed tablet with a score line or letters.
class Tablet {
 public:
  static constexpr std::string_view kName = "tablet";
  static constexpr bool kIsTexture = false;
  static constexpr DefectSet kDefects =
      kSurfaceDefects | defects(DefectKind::crack, DefectKind::missing_part, DefectKind::print_fault);

  explicit Tablet(const Setting& setting) : lamp_(setting.lamp), pixel_(setting.pixel) {
    Dice& dice = setting.dice;
    constexpr std::array<Color, 5> kPowders{{{0.92f, 0.91f, 0.88f},
                                             {0.92f, 0.83f, 0.6f},
                                             {0.86f, 0.62f, 0.6f},
                                             {0.66f, 0.76f, 0.86f},
                                             {0.93f, 0.92f, 0.9f}}};
    base_ = dice.pick(kPowders);
    speckle_ = dice.range(0.01f, 0.05f);
    rim_ = dice.range(0.74f, 0.82f);
    is_scored_ = dice.chance(0.4f);
    print_ = Print(dice, 2, 0.46f);
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return base_; }
  [[nodiscard]] float depth(Vec2 q) const { return disc(q, 0.9f); }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    const float r = (std::max)(length(q), 1e-4f);
    Vec2 slope = q * (1 / r) * (-0.75f * smooth_step(rim_ - 0.02f, rim_ + 0.03f, r) - 0.12f * r);
    float shade =
        1 + speckle_ * fractal(q * 26, seed_, 2, 26 * pixel_) - 0.1f * smooth_step(0.03f, 0, std::abs(r - rim_));
    if (is_scored_ && r < rim_) {
      const float groove = smooth_step(0.06f, 0, std::abs(q.y + 0.52f));
      slope.y += std::copysign(0.9f * groove, -q.y - 0.52f);
      shade -= 0.18f * groove;
    }
    const Color color = mix(base_ * shade, Color{0.3f, 0.32f, 0.4f}, 0.75f * print_.ink(q));
    return lit(color, normal_of(slope), lamp_, {0.5f, 0.05f, 3});
  }

  void spoil_print(Dice& dice, float severity) { print_.spoil(dice, severity); }

 private:
  Lamp lamp_;
  float pixel_;
  Color base_;
  float speckle_, rim_;
  bool is_scored_;
  Print print_;
  std::uint32_t seed_;
};

/// A crown cap with its fluted skirt and a printed name.
class BottleTop {
 public:
  static constexpr std::string_view kName = "bottle top";
  static constexpr bool kIsTexture = false;
  static constexpr DefectSet kDefects =
      kSurfaceDefects | defects(DefectKind::dent, DefectKind::missing_part, DefectKind::print_fault);

  explicit BottleTop(const Setting& setting) : lamp_(setting.lamp), pixel_(setting.pixel) {
    Dice& dice = setting.dice;
    constexpr std::array<Color, 6> kPaints{{{0.72f, 0.14f, 0.14f},
                                            {0.14f, 0.34f, 0.22f},
                                            {0.85f, 0.72f, 0.35f},
                                            {0.13f, 0.22f, 0.5f},
                                            {0.86f, 0.86f, 0.84f},
                                            {0.2f, 0.2f, 0.21f}}};
    const int paint = dice.integer(0, 6);
    base_ = kPaints[static_cast<std::size_t>(paint)];
    ink_ = luminance(base_) > 0.5f ? kPaints[static_cast<std::size_t>(dice.integer(0, 2))] : Color{0.92f, 0.9f, 0.82f};
    band_ = dice.range(0.5f, 0.62f);
    print_ = Print(dice, 3, dice.range(0.3f, 0.38f));
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return base_; }

  [[nodiscard]] float depth(Vec2 q) const {
    const Sector flute = sector_of(q, kFlutes);
    const float wave = 0.5f + 0.5f * std::cos(6.2831853f * flute.across);
    return 0.9f * (0.86f + 0.1f * (flute.number == torn_ ? wave - 2.4f * tear_ * wave : wave) - length(q));
  }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    const float r = (std::max)(length(q), 1e-4f);
    const Vec2 outward = q * (1 / r), around{-outward.y, outward.x};
    const float skirt = smooth_step(0.68f, 0.8f, r);
    const Sector flute = sector_of(q, kFlutes);
    const float side = std::sin(6.2831853f * flute.across);
    const Vec2 slope = outward * (-0.25f * r * r - 0.75f * skirt) + around * (1.1f * skirt * side * -1.0f);
    float ink = print_.ink(q);
    ink = (std::max)(ink, coverage(ring_band(q, band_, 0.022f), pixel_));
    const Color color = mix(base_, ink_, 0.92f * ink * (1 - skirt)) * (1 + 0.03f * noise(q * 7, seed_));
    return lit(color * (1 - 0.12f * skirt), normal_of(slope), lamp_, {0.42f, 0.4f, 4});
  }

  /// A flute of the skirt is torn off.
  void remove_part(Dice& dice, float severity) {
    torn_ = dice.integer(0, kFlutes);
    tear_ = mix(0.5f, 1.6f, severity);
  }
  void spoil_print(Dice& dice, float severity) { print_.spoil(dice, severity); }

 private:
  static constexpr int kFlutes = 21;

  Lamp lamp_;
  float pixel_;
  Color base_, ink_;
  float band_;
  Print print_;
  std::uint32_t seed_;
  int torn_ = -1;
  float tear_ = 0;
};

/// The cut end of a cable: a sheath, three insulated cores, copper strands.
class Cable {
 public:
  static constexpr std::string_view kName = "cable";
  static constexpr bool kIsTexture = false;
  static constexpr DefectSet kDefects = kSurfaceDefects | defects(DefectKind::missing_part);

  explicit Cable(const Setting& setting) : lamp_(setting.lamp), pixel_(setting.pixel) {
    Dice& dice = setting.dice;
    sheath_ = dice.chance(0.5f) ? gray(dice.range(0.16f, 0.24f)) : gray(dice.range(0.72f, 0.85f));
    cores_ = dice.chance(0.75f) ? 3 : 4;
    core_at_ = cores_ == 3 ? 0.43f : 0.46f;
    core_radius_ = cores_ == 3 ? 0.345f : 0.3f;
    for (int i = 0; i < cores_; ++i) ply_turn_[static_cast<std::size_t>(i)] = direction(dice.angle());
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return {0.5f, 0.4f, 0.35f}; }
  [[nodiscard]] float depth(Vec2 q) const { return disc(q, 0.95f); }

  [[nodiscard]] Color colour(Vec2 q, float depth) const {
    const Sector sector = sector_of(q, cores_);
    const float middle = 6.2831853f * static_cast<float>(sector.number) / static_cast<float>(cores_);
    const Vec2 p = q - direction(middle) * core_at_;
    const bool is_gone = sector.number == gone_;
    const float core = disc(p, core_radius_);
    const Color filler = mix(sheath_, gray(0.42f), 0.5f) * (0.72f + 0.12f * noise(q * 20, seed_));
    Color color =
        depth < 0.13f ? sheath_ * (1 + 0.05f * noise(q * 30, seed_ + 1)) : filler * smooth_step(0.12f, 0.2f, depth);
    if (depth < 0.13f) color = lit(color, edge_normal(*this, q, depth, 0.06f), lamp_, {0.45f, 0.15f, 4});
    const float cover = coverage(core, pixel_);
    if (cover <= 0) return color;
    if (is_gone && gone_strands_ >= 1) return mix(color, gray(0.07f + 0.05f * noise(q * 9, seed_)), cover);
    return mix(color, core_colour(p, core, sector.number, is_gone), cover);
  }

  /// A core is missing; at low severity only some of its strands.
  void remove_part(Dice& dice, float severity) {
    gone_ = dice.integer(0, cores_);
    gone_strands_ = severity > 0.7f ? 1 : mix(0.25f, 0.7f, severity);
  }

 private:
  /// Insulation and, inside it, the ends of the strands.
  [[nodiscard]] Color core_colour(Vec2 p, float depth, int number, bool is_gone) const {
    constexpr std::array<Color, 4> kCodes{
        {{0.42f, 0.26f, 0.16f}, {0.16f, 0.36f, 0.66f}, {0.45f, 0.6f, 0.2f}, {0.3f, 0.3f, 0.32f}}};
    const auto which = static_cast<std::size_t>(number);
    Color code = kCodes[which];
    if (number == 2 && dot(p, ply_turn_[2]) > 0) code = {0.86f, 0.76f, 0.2f};  // green and yellow: earth
    const float strands = core_radius_ - 0.1f;
    const float copper = coverage(strands - length(p), pixel_);
    const Color skin = lit(code, normal_of(p * (-0.8f / core_radius_)), lamp_, {0.5f, 0.1f, 4}) *
                       (1 - 0.25f * smooth_step(0.03f, 0, depth));
    if (copper <= 0) return skin;
    const Cell strand = nearest_cell(rotate(p, ply_turn_[which]) * 15, seed_ + 7, 0.35f);
    const bool is_empty = is_gone && strand.draw(8) < gone_strands_;
    const Color metal = is_empty ? gray(0.06f)
                                 : lit(Color{0.8f, 0.5f, 0.32f} * (0.85f + 0.3f * strand.draw(16)),
                                       normal_of(strand.from * -1.6f), lamp_, {0.35f, 0.3f, 3}) *
                                       (1 - 0.75f * smooth_step(0.16f, 0, strand.edge));
    return mix(skin, metal, copper);
  }

  Lamp lamp_;
  float pixel_;
  Color sheath_;
  int cores_;
  float core_at_, core_radius_;
  std::array<Vec2, 4> ply_turn_{};
  std::uint32_t seed_;
  int gone_ = -1;
  float gone_strands_ = 0;
};

}}}  // namespace moeclip::abi_v0_1::synthetic

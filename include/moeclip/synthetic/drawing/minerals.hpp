// SPDX-License-Identifier: MIT
#pragma once
// Hard materials: metal sheet, tiles, concrete, marble, wood. (scene.hpp says what a category is.)

#include "scene.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

/// A planed board.
class Wood {
 public:
  static constexpr std::string_view kName = "wood";
  static constexpr bool kIsTexture = true;
  static constexpr DefectSet kDefects = kSurfaceDefects | defects(DefectKind::crack, DefectKind::dent);

  explicit Wood(const Setting& setting) : pixel_(setting.pixel) {
    Dice& dice = setting.dice;
    constexpr std::array<Color, 4> kTimbers{
        {{0.76f, 0.57f, 0.36f}, {0.6f, 0.4f, 0.24f}, {0.83f, 0.7f, 0.5f}, {0.46f, 0.29f, 0.19f}}};
    early_ = dice.shade(kTimbers, 0.92f, 1.08f);
    late_ = early_ * Color{0.74f, 0.66f, 0.58f};
    rings_ = dice.range(7, 13);
    wander_ = dice.range(0.5f, 1.6f);
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return mix(early_, late_, 0.4f); }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    const float bow = wander_ * fractal({q.x * 1.6f + 5, q.y * 0.7f}, seed_, 2);
    const float ring = q.x * rings_ + bow * 1.4f + 0.25f * noise({q.x * 14, q.y * 2}, seed_ + 1);
    const float phase = ring - std::floor(ring);
    const float late = smooth_step(0.15f, 0.8f, phase) * smooth_step(1, 0.88f, phase);
    const float fibre = fractal({q.x * 90, q.y * 5}, seed_ + 2, 2, 90 * pixel_);
    const float pore = smooth_step(0.55f, 0.8f, noise({q.x * 130, q.y * 9}, seed_ + 3)) * clamp01(2 - 260 * pixel_);
    return mix(early_, late_, 0.85f * late) * (1 + 0.09f * fibre - 0.22f * pore + 0.06f * noise(q * 2, seed_ + 4));
  }

 private:
  float pixel_, rings_, wander_;
  Color early_, late_;
  std::uint32_t seed_;
};

/// Sheet metal with a brushed finish.
class BrushedMetal {
 public:
  static constexpr std::string_view kName = "brushed metal";
  static constexpr bool kIsTexture = true;
  static constexpr DefectSet kDefects = kSurfaceDefects | defects(DefectKind::crack, DefectKind::dent);

  explicit BrushedMetal(const Setting& setting) : pixel_(setting.pixel) {
    Dice& dice = setting.dice;
    constexpr std::array<Color, 4> kMetals{
        {{0.62f, 0.63f, 0.65f}, {0.7f, 0.7f, 0.71f}, {0.74f, 0.62f, 0.42f}, {0.5f, 0.52f, 0.56f}}};
    base_ = dice.shade(kMetals, 0.9f, 1.05f);
    sheen_ = dice.range(0.08f, 0.2f);
    sheen_at_ = dice.range(-0.4f, 0.4f);
    coarse_ = dice.range(0.7f, 1.3f);
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return base_; }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    const float fine = fractal({q.x * 2.2f, q.y * 150}, seed_, 2, 150 * pixel_);
    const float broad = fractal({q.x * 0.7f, q.y * 26}, seed_ + 1, 2, 26 * pixel_);
    const float from_band = (q.x - sheen_at_ + 0.05f * broad) * 2.2f;
    const float band = 1 / (1 + from_band * from_band);
    return base_ * (0.94f + coarse_ * (0.13f * fine + 0.1f * broad) + sheen_ * band);
  }

 private:
  float pixel_, sheen_, sheen_at_, coarse_;
  Color base_;
  std::uint32_t seed_;
};

/// Glazed square tiles in mortar.
class Tile {
 public:
  static constexpr std::string_view kName = "tile";
  static constexpr bool kIsTexture = true;
  static constexpr DefectSet kDefects = kSurfaceDefects | defects(DefectKind::crack, DefectKind::missing_part);

  explicit Tile(const Setting& setting) : lamp_(setting.lamp), pixel_(setting.pixel) {
    Dice& dice = setting.dice;
    constexpr std::array<Color, 5> kGlazes{{{0.86f, 0.85f, 0.8f},
                                            {0.5f, 0.64f, 0.68f},
                                            {0.74f, 0.52f, 0.4f},
                                            {0.42f, 0.5f, 0.42f},
                                            {0.72f, 0.73f, 0.76f}}};
    glaze_ = dice.pick(kGlazes);
    mortar_ = gray(dice.range(0.45f, 0.7f));
    count_ = dice.range(2.6f, 4.2f);
    gap_ = dice.range(0.022f, 0.035f);
    speckle_ = dice.chance(0.5f) ? dice.range(0.12f, 0.3f) : 0;
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return glaze_; }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    const Vec2 p = q * count_;
    const int i = floor_int(p.x), j = floor_int(p.y);
    const Vec2 in_tile{p.x - static_cast<float>(i) - 0.5f, p.y - static_cast<float>(j) - 0.5f};
    float depth = box(in_tile, {0.5f - gap_, 0.5f - gap_}, 0.05f);
    Color below = mortar_ * (1 + 0.16f * fractal(q * 60, seed_, 2, 60 * pixel_));
    if (chip_radius_ > 0) {
      const Vec2 from = p - chip_;
      const float chipped = chip_radius_ * (1 + 0.4f * noise(from * (2.4f / chip_radius_), seed_ + 9)) - length(from);
      if (chipped > 0 && depth > 0) below = Color{0.66f, 0.5f, 0.4f} * (1 + 0.25f * noise(from * 22, seed_ + 5));
      depth = (std::min)(depth, -chipped);
    }
    const float cover = coverage(depth, pixel_ * count_);
    if (cover <= 0) return below;
    const float tone = 0.1f * (lattice(i, j, seed_ + 1) - 0.5f) + 0.04f * noise(q * 7, seed_ + 2);
    const float spots = speckle_ > 0 ? speckle_ * smooth_step(0.25f, 0.6f, noise(p * 17, seed_ + 3)) : 0;
    const bool is_side = std::abs(in_tile.x) > std::abs(in_tile.y);
    const float along = is_side ? in_tile.x : in_tile.y, edge = smooth_step(0.05f, 0, depth);
    const Vec2 fall{is_side ? -std::copysign(edge, along) : 0, is_side ? 0 : -std::copysign(edge, along)};
    return mix(below, lit(glaze_ * (1 + tone - spots), normal_of(fall), lamp_, {0.55f, 0.18f, 5}), cover);
  }

  /// A corner of a tile has broken off.
  void remove_part(Dice& dice, float severity) {
    const auto corner = [&] { return static_cast<float>(floor_int(dice.range(-0.25f, 0.25f) * count_)); };
    const float side = 0.06f * dice.sign(), column = corner(), row = corner();
    chip_ = {column + side, row + 0.06f * dice.sign()};
    chip_radius_ = mix(0.14f, 0.42f, severity);
  }

 private:
  Lamp lamp_;
  float pixel_, count_, gap_, speckle_;
  Color glaze_, mortar_;
  std::uint32_t seed_;
  Vec2 chip_;
  float chip_radius_ = 0;
};

/// Cast concrete with sand and air holes.
class Concrete {
 public:
  static constexpr std::string_view kName = "concrete";
  static constexpr bool kIsTexture = true;
  static constexpr DefectSet kDefects = kSurfaceDefects | defects(DefectKind::crack);

  explicit Concrete(const Setting& setting) : pixel_(setting.pixel) {
    Dice& dice = setting.dice;
    base_ = Color{0.6f, 0.59f, 0.57f} * dice.range(0.8f, 1.12f);
    cloud_ = dice.range(0.08f, 0.2f);
    pores_ = dice.range(0.1f, 0.28f);
    light_ = {setting.lamp.to_light.x, setting.lamp.to_light.y};
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return base_; }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    const float cloud = fractal(q * 3, seed_, 3, 3 * pixel_);
    const float sand = fractal(q * 55, seed_ + 1, 2, 55 * pixel_);
    float shade = 1 + cloud_ * cloud + 0.1f * sand;
    const Cell cell = nearest_cell(q * 13, seed_ + 2);
    if (cell.draw(24) < pores_) {  // this cell holds an air hole: dark, its far rim lit
      const float radius = 0.07f + 0.13f * cell.draw(16);
      const float inside = coverage(radius - cell.distance, 13 * pixel_ + 0.04f);
      shade *= 1 - inside * (0.5f + 0.35f * dot(cell.from, light_) / radius);
    }
    return base_ * shade;
  }

 private:
  float pixel_, cloud_, pores_;
  Color base_;
  Vec2 light_;
  std::uint32_t seed_;
};

/// Polished marble; its veins are no cracks.
class Marble {
 public:
  static constexpr std::string_view kName = "marble";
  static constexpr bool kIsTexture = true;
  static constexpr DefectSet kDefects = kSurfaceDefects | defects(DefectKind::crack);

  explicit Marble(const Setting& setting) {
    Dice& dice = setting.dice;
    constexpr std::array<Color, 3> kStones{{{0.88f, 0.87f, 0.85f}, {0.84f, 0.77f, 0.68f}, {0.34f, 0.4f, 0.37f}}};
    base_ = dice.pick(kStones);
    vein_ = luminance(base_) > 0.5f ? base_ * Color{0.58f, 0.58f, 0.6f} : base_ * 1.9f;
    turn_ = direction(dice.angle());
    density_ = dice.range(1.6f, 2.8f);
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return base_; }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    const Vec2 p = rotate(q, turn_) * density_;
    const float cloud = fractal(p * 1.5f, seed_, 2);
    const Vec2 bent{p.x + 0.55f * cloud, 0.4f * p.y + 0.3f * noise(p * 2.7f, seed_ + 1)};
    const float bold = std::abs(fractal(bent * 1.9f, seed_ + 2, 2)), thin = std::abs(noise(bent * 4.3f, seed_ + 3));
    const float strength = 0.55f + 0.45f * noise(p * 1.7f, seed_ + 4);
    const float vein = (std::max)(smooth_step(0.09f, 0, bold) * strength, 0.5f * smooth_step(0.05f, 0, thin));
    return mix(base_, vein_, clamp01(0.8f * vein + 0.2f * cloud + 0.1f)) * (1 + 0.025f * noise(q * 45, seed_ + 5));
  }

 private:
  float density_;
  Color base_, vein_;
  Vec2 turn_;
  std::uint32_t seed_;
};

}}}  // namespace moeclip::abi_v0_1::synthetic

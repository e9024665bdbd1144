// SPDX-License-Identifier: MIT
#pragma once
// Materials that are seen by their relief: plaster, etched plate, cast iron. (scene.hpp says what a category is.)

#include "relief.hpp"
#include "scene.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

/// Render on a wall, from trowelled to sprayed.
class Plaster {
 public:
  static constexpr std::string_view kName = "plaster";
  static constexpr bool kIsTexture = true;
  static constexpr DefectSet kDefects = kSurfaceDefects | defects(DefectKind::crack, DefectKind::missing_part);

  explicit Plaster(const Setting& setting) : lamp_(setting.lamp), pixel_(setting.pixel) {
    Dice& dice = setting.dice;
    constexpr std::array<Color, 5> kPaints{{{0.84f, 0.83f, 0.79f},
                                            {0.8f, 0.72f, 0.56f},
                                            {0.72f, 0.55f, 0.45f},
                                            {0.6f, 0.64f, 0.66f},
                                            {0.66f, 0.67f, 0.58f}}};
    base_ = dice.shade(kPaints, 0.92f, 1.05f);
    coarse_ = dice.range(5, 11);
    gain_ = power_gain(dice.range(1.9f, 3.4f));
    const float relief = dice.range(0.3f, 0.65f);
    float steepness = 0, share = 1;  // of all octaves together
    for (int octave = 0; octave < kOctaves; ++octave, share *= 2 * gain_) steepness += share * share;
    height_ = relief / (coarse_ * std::sqrt(steepness));
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return base_; }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    const Vec2 slope = slope_of([&](Vec2 p) { return height(p); }, q, (std::max)(pixel_, 0.0015f));
    const float dust =
        1 + 0.05f * fractal(q * 2.5f, seed_ + 1, 3) + 0.03f * fractal(q * 140, seed_ + 2, 1, 140 * pixel_);
    const Color face = lit(base_ * dust, normal_of(slope), lamp_, {0.4f, 0.02f, 2});
    const float gone = fallen(q);
    if (gone <= -kRim) return face;
    // what is below lies deeper: the edge towards the lamp throws a shadow on it
    const Vec2 up_light = q + Vec2{lamp_.to_light.x, lamp_.to_light.y} * 0.02f;
    const float shade = smooth_step(0.008f, -0.008f, fallen(up_light));
    const Color below = Color{0.52f, 0.47f, 0.42f} * (0.9f + 0.3f * fractal(q * 34, seed_ + 4, 3, 34 * pixel_));
    const Color rim = face * (1 - 0.25f * smooth_step(-kRim, 0, gone));
    return mix(rim, below * (1 - 0.4f * shade), coverage(gone, pixel_));
  }

  /// A piece of the render has come off.
  void remove_part(Dice& dice, float severity) {
    bald_ = {dice.range(-0.2f, 0.2f), dice.range(-0.2f, 0.2f)};
    bald_radius_ = mix(0.04f, 0.15f, severity) * dice.range(0.85f, 1.15f);
  }

 private:
  static constexpr int kOctaves = 6;
  static constexpr float kRim = 0.008f;

  [[nodiscard]] float height(Vec2 q) const {
    return height_ * power_noise(q * coarse_, seed_, kOctaves, gain_, coarse_ * pixel_);
  }

  /// Depth inside the bald patch.
  [[nodiscard]] float fallen(Vec2 q) const {
    if (bald_radius_ <= 0) return -1;
    const Vec2 from = q - bald_;
    return bald_radius_ * (1 + 0.5f * fractal(from * (1.8f / bald_radius_), seed_ + 3, 4)) - length(from);
  }

  Lamp lamp_;
  float pixel_, coarse_, gain_, height_;
  Color base_;
  std::uint32_t seed_;
  Vec2 bald_;
  float bald_radius_ = 0;
};

/// Sheet metal with an etched labyrinth.
class EtchedPlate {
 public:
  static constexpr std::string_view kName = "etched plate";
  static constexpr bool kIsTexture = true;
  static constexpr DefectSet kDefects =
      kSurfaceDefects | defects(DefectKind::crack, DefectKind::dent, DefectKind::missing_part);

  explicit EtchedPlate(const Setting& setting)
      : lamp_(setting.lamp), pixel_(setting.pixel), field_(draw_field(setting.dice)) {
    Dice& dice = setting.dice;
    constexpr std::array<Color, 5> kMetals{{{0.68f, 0.68f, 0.69f},
                                            {0.76f, 0.63f, 0.36f},
                                            {0.74f, 0.5f, 0.37f},
                                            {0.46f, 0.48f, 0.52f},
                                            {0.6f, 0.57f, 0.5f}}};
    ridge_ = dice.shade(kMetals, 0.92f, 1.05f);
    floor_ = ridge_ * dice.range(0.45f, 0.85f);
    level_ = dice.range(-0.5f, 0.5f);
    wall_ = dice.range(0.25f, 0.6f);
    relief_ = dice.range(0.3f, 0.7f);
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return mix(floor_, ridge_, 0.5f); }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    const RingField::Point point = field_.at(q, pixel_);
    const float etched = 1 - coverage(kept(q), 0.008f);
    const float t = mix(1, clamp01(0.5f + 0.5f * (point.height - level_) / wall_), etched);
    const float up = t * t * (3 - 2 * t);
    const Vec2 slope = point.slope * (relief_ * 3 * t * (1 - t));
    const float polish = 0.05f * fractal({q.x * 3, q.y * 110}, seed_, 2, 110 * pixel_);
    const float etch = 0.16f * fractal(q * 85, seed_ + 1, 2, 85 * pixel_);
    const Color base = mix(floor_ * (1 + etch), ridge_ * (1 + polish), up) * (1 + 0.06f * noise(q * 2.2f, seed_ + 2));
    return lit(base, normal_of(slope), lamp_, {0.4f, mix(0.04f, 0.14f, up), 4});
  }

  /// A patch was not etched.
  void remove_part(Dice& dice, float severity) {
    kept_at_ = {dice.range(-0.2f, 0.2f), dice.range(-0.2f, 0.2f)};
    kept_radius_ = mix(0.05f, 0.16f, severity) * dice.range(0.85f, 1.15f);
  }

 private:
  static RingField draw_field(Dice& dice) {
    const float wavelength = dice.range(0.06f, 0.13f);
    const float spread = dice.chance(0.65f) ? 1.0f : dice.range(0.35f, 0.8f);
    return {dice, wavelength, spread};
  }

  /// Depth inside the patch that was not etched.
  [[nodiscard]] float kept(Vec2 q) const {
    if (kept_radius_ <= 0) return -1;
    const Vec2 from = q - kept_at_;
    return kept_radius_ * (1 + 0.3f * fractal(from * (1.8f / kept_radius_), seed_ + 3, 3)) - length(from);
  }

  Lamp lamp_;
  float pixel_;
  RingField field_;
  Color ridge_, floor_;
  float level_, wall_, relief_;
  std::uint32_t seed_;
  Vec2 kept_at_;
  float kept_radius_ = 0;
};

/// The skin of a casting from a sand mould.
class CastIron {
 public:
  static constexpr std::string_view kName = "cast iron";
  static constexpr bool kIsTexture = true;
  static constexpr DefectSet kDefects = kSurfaceDefects | defects(DefectKind::crack);

  explicit CastIron(const Setting& setting) : lamp_(setting.lamp), pixel_(setting.pixel) {
    Dice& dice = setting.dice;
    constexpr std::array<Color, 4> kSkins{
        {{0.36f, 0.36f, 0.37f}, {0.42f, 0.39f, 0.36f}, {0.3f, 0.32f, 0.35f}, {0.5f, 0.49f, 0.48f}}};
    base_ = dice.shade(kSkins, 0.88f, 1.12f);
    rust_ = dice.chance(0.4f) ? dice.range(0.1f, 0.45f) : 0;
    sand_ = dice.range(34, 60);
    roughness_ = dice.range(0.35f, 0.75f);
    swell_ = dice.range(0.06f, 0.2f);
    pits_ = dice.range(0.08f, 0.3f);
    gloss_ = dice.range(0.06f, 0.2f);
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return base_; }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    const Vec2 slope = slope_of([&](Vec2 p) { return height(p); }, q, (std::max)(pixel_, 0.0015f));
    const float low = -0.7f * height(q) * sand_ / (std::max)(roughness_, 0.2f);  // dirt stays between the grains
    float shade = 1 + 0.07f * fractal(q * 4, seed_ + 3, 3) - 0.16f * clamp01(low);
    const Cell cell = nearest_cell(q * kPits, seed_ + 4);
    if (cell.draw(24) < pits_) {
      const float radius = 0.05f + 0.11f * cell.draw(16);
      const float inside = coverage(radius - cell.distance, kPits * pixel_ + 0.05f);
      shade *= 1 - inside * (0.5f + 0.4f * dot(cell.from, {lamp_.to_light.x, lamp_.to_light.y}) / radius);
    }
    const float rusty = rust_ * smooth_step(-0.1f, 0.6f, fractal(q * 3.5f, seed_ + 5, 4, 3.5f * pixel_));
    return lit(mix(base_, Color{0.46f, 0.28f, 0.17f}, rusty) * shade, normal_of(slope), lamp_, {0.4f, gloss_, 3});
  }

 private:
  static constexpr float kPits = 17;

  /// Grains of sand on what the mould's wall made of itself.
  [[nodiscard]] float height(Vec2 q) const {
    const float grains = power_noise(q * sand_, seed_, 2, 0.5f, sand_ * pixel_);
    return roughness_ / sand_ * grains + swell_ / 7 * power_noise(q * 7, seed_ + 1, 3, 0.45f, 7 * pixel_);
  }

  Lamp lamp_;
  float pixel_;
  Color base_;
  float rust_, sand_, roughness_, swell_, pits_, gloss_;
  std::uint32_t seed_;
};

}}}  // namespace moeclip::abi_v0_1::synthetic

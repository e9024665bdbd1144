// SPDX-License-Identifier: MIT
#pragma once
// Materials of many pieces: granite, cork. (scene.hpp says what a category is.)

#include "scene.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

/// A cell of a coarse mosaic, or, where that is `split`, of one of half the size. Lengths are in coarse cells.
inline Cell mixed_cell(Vec2 p, std::uint32_t seed, float split) {
  Cell coarse = nearest_cell(p, seed, 0.95f);
  if (coarse.draw(0) >= split) return coarse;
  Cell fine = nearest_cell(p * 2, seed + 0x51EDu, 0.95f);
  fine.from = fine.from * 0.5f, fine.distance *= 0.5f;
  fine.edge = (std::min)(0.5f * fine.edge, coarse.edge);
  return fine;
}

/// Polished granite: feldspar, quartz and mica.
class Granite {
 public:
  static constexpr std::string_view kName = "granite";
  static constexpr bool kIsTexture = true;
  static constexpr DefectSet kDefects = kSurfaceDefects | defects(DefectKind::crack, DefectKind::missing_part);

  explicit Granite(const Setting& setting) : lamp_(setting.lamp), pixel_(setting.pixel) {
    Dice& dice = setting.dice;
    constexpr std::array<std::array<Color, 3>, 4> kStones{
        {{{{0.78f, 0.62f, 0.55f}, {0.86f, 0.8f, 0.74f}, {0.56f, 0.54f, 0.53f}}},
         {{{0.74f, 0.74f, 0.73f}, {0.86f, 0.86f, 0.84f}, {0.52f, 0.53f, 0.55f}}},
         {{{0.3f, 0.31f, 0.33f}, {0.44f, 0.45f, 0.46f}, {0.2f, 0.21f, 0.22f}}},
         {{{0.72f, 0.66f, 0.52f}, {0.82f, 0.77f, 0.66f}, {0.58f, 0.54f, 0.48f}}}}};
    minerals_ = dice.pick(kStones);
    grains_ = dice.range(17, 30);
    mica_ = dice.range(0.12f, 0.3f);
    split_ = dice.range(0.35f, 0.7f);
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return mix(minerals_[0], gray(0.15f), 0.5f * mica_); }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    const Color face = polished(q);
    const float gone = chipped(q);
    if (gone <= 0) return face;
    const Vec2 slope = (q - chip_) * (0.55f / chip_radius_);
    const Color broken = mix(face, minerals_[1], 0.45f) * (0.92f + 0.25f * fractal(q * 70, seed_ + 6, 2, 70 * pixel_));
    return mix(face, lit(broken * 0.8f, normal_of(slope), lamp_, {0.35f, 0, 1}), coverage(gone, pixel_));
  }

  /// A shallow piece has broken out of the polish.
  void remove_part(Dice& dice, float severity) {
    chip_ = {dice.range(-0.2f, 0.2f), dice.range(-0.2f, 0.2f)};
    chip_radius_ = mix(0.035f, 0.11f, severity) * dice.range(0.85f, 1.15f);
  }

 private:
  [[nodiscard]] Color polished(Vec2 q) const {
    const Vec2 wander{noise(q * 31, seed_), noise(q * 31, seed_ + 1)};
    const Cell cell = mixed_cell(q * grains_ + wander * 0.35f, seed_ + 2, split_);
    const float kind = cell.draw(8);
    const float company = mica_ * (1 + 0.9f * noise(q * 6, seed_ + 3));  // flakes of mica lie together
    const Color mineral = kind < company          ? gray(0.13f + 0.12f * cell.draw(16))
                          : kind < company + 0.3f ? minerals_[2]
                          : kind < company + 0.6f ? minerals_[1]
                                                  : minerals_[0];
    // light enters the clear minerals: clouds, and borders that are not sharp
    const float clouds = 0.22f * (cell.draw(16) - 0.5f) + 0.2f * fractal(q * 48, seed_ + 4, 3, 48 * pixel_);
    const float deep = smooth_step(0.25f, 0, cell.edge);
    const float fleck = smooth_step(0.5f, 0.62f, noise(q * 62, seed_ + 8)) * clamp01(2 - 124 * pixel_);
    const Color seen = mix(mineral, tone(), 0.4f * deep) * (1 + clouds + 0.03f * noise(q * 3, seed_ + 5));
    return mix(seen, gray(0.16f), 0.75f * fleck);
  }

  [[nodiscard]] float chipped(Vec2 q) const {
    if (chip_radius_ <= 0) return -1;
    const Vec2 from = q - chip_;
    return chip_radius_ * (1 + 0.55f * fractal(from * (1.7f / chip_radius_), seed_ + 7, 3)) - length(from);
  }

  Lamp lamp_;
  float pixel_, grains_, mica_, split_;
  std::array<Color, 3> minerals_;
  std::uint32_t seed_;
  Vec2 chip_;
  float chip_radius_ = 0;
};

/// Pressed cork.
class Cork {
 public:
  static constexpr std::string_view kName = "cork";
  static constexpr bool kIsTexture = true;
  static constexpr DefectSet kDefects = kSurfaceDefects | defects(DefectKind::dent, DefectKind::missing_part);

  explicit Cork(const Setting& setting) : lamp_(setting.lamp), pixel_(setting.pixel) {
    Dice& dice = setting.dice;
    const float dark = dice.range(0, 1);
    base_ = mix(Color{0.76f, 0.57f, 0.38f}, Color{0.6f, 0.41f, 0.26f}, dark) * dice.range(0.92f, 1.08f);
    granules_ = dice.range(11, 20);
    split_ = dice.range(0.3f, 0.7f);
    variety_ = dice.range(0.2f, 0.5f);
    dark_ = dice.range(0.03f, 0.12f);
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return base_ * 0.95f; }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    const Cell cell = mixed_cell(granules_of(q), seed_ + 2, split_);
    const float pores = fractal(q * 75, seed_ + 3, 2, 75 * pixel_);
    const float joint = smooth_step(0.16f, 0.02f, cell.edge);
    float shade =
        1 + variety_ * (cell.draw(8) - 0.5f) + 0.13f * pores + 0.05f * noise(q * 3, seed_ + 4) - 0.42f * joint;
    if (cell.draw(16) < dark_) shade *= 0.58f;  // bark
    if (is_gone(q)) shade *= 0.38f + 0.2f * smooth_step(0.3f, 0, cell.edge);
    const Vec2 slope = cell.from * (is_gone(q) ? 1.1f : -0.35f - 0.7f * joint) + Vec2{0.12f * pores, -0.1f * pores};
    return lit(mix(base_, base_ * Color{1, 0.9f, 0.78f}, cell.draw(20)) * shade, normal_of(slope), lamp_,
               {0.45f, 0.02f, 2});
  }

  /// Granules have fallen out.
  void remove_part(Dice& dice, float severity) {
    gap_ = {dice.range(-0.2f, 0.2f), dice.range(-0.2f, 0.2f)};
    gap_radius_ = mix(0.03f, 0.13f, severity);
  }

 private:
  /// The mosaic's axes, bent so that its pieces are no polygons.
  [[nodiscard]] Vec2 granules_of(Vec2 q) const {
    return q * granules_ + Vec2{noise(q * 28, seed_), noise(q * 28, seed_ + 1)} * 0.24f;
  }

  /// Whole granules whose middle lies in the gap.
  [[nodiscard]] bool is_gone(Vec2 q) const {
    if (gap_radius_ <= 0) return false;
    const Vec2 p = granules_of(q);
    const Vec2 middle = (p - mixed_cell(p, seed_ + 2, split_).from) * (1 / granules_);
    return length(middle - gap_) < gap_radius_;
  }

  Lamp lamp_;
  float pixel_;
  Color base_;
  float granules_, split_, variety_, dark_;
  std::uint32_t seed_;
  Vec2 gap_;
  float gap_radius_ = 0;
};

}}}  // namespace moeclip::abi_v0_1::synthetic

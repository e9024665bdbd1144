// SPDX-License-Identifier: MIT
#pragma once
// Round things turned from metal: gear, ring, nut. In their own axes they fill about [-1, 1]^2. (scene.hpp
// says what a category is.)

#include "scene.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

/// Brightness of turned metal: lathe marks reflect across their direction.
inline float turned_sheen(Vec2 q, const Lamp& lamp) {
  const float r = (std::max)(length(q), 1e-4f);
  const float facing = dot(q * (1 / r), {lamp.to_light.x, lamp.to_light.y});
  return 0.18f * facing * facing;
}

/// A spur gear of steel or brass.
class Gear {
 public:
  static constexpr std::string_view kName = "gear";
  static constexpr bool kIsTexture = false;
  static constexpr DefectSet kDefects =
      kSurfaceDefects | defects(DefectKind::crack, DefectKind::dent, DefectKind::missing_part);

  explicit Gear(const Setting& setting) : lamp_(setting.lamp), pixel_(setting.pixel) {
    Dice& dice = setting.dice;
    teeth_ = dice.integer(11, 19);
    root_ = dice.range(0.74f, 0.8f);
    bore_ = dice.range(0.16f, 0.26f);
    windows_ = dice.chance(0.55f) ? dice.integer(3, 7) : 0;
    metal_ = dice.chance(0.7f) ? Color{0.6f, 0.61f, 0.63f} : Color{0.74f, 0.6f, 0.34f};
    metal_ = metal_ * dice.range(0.85f, 1.1f);
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return metal_; }

  [[nodiscard]] float depth(Vec2 q) const {
    const float r = length(q);
    if (r > 1.1f) return 0.97f - r;
    const float angle = std::atan2(q.y, q.x) * (0.15915494f * static_cast<float>(teeth_));
    const int tooth = floor_int(angle + 0.5f);
    const float across = std::abs(angle - static_cast<float>(tooth));  // 0 in the middle of a tooth, 0.5 in a gap
    float height = smooth_step(0.36f, 0.17f, across);
    if (tooth == missing_) height *= left_;
    float solid = 0.85f * (mix(root_, 0.97f, height) - r);
    solid = (std::min)(solid, r - bore_);
    if (windows_ > 0) {
      const float sector = 6.2831853f / static_cast<float>(windows_);
      const float middle = sector * std::floor(std::atan2(q.y, q.x) / sector + 0.5f);
      const float window = 0.105f - length(q - direction(middle) * (0.5f * (root_ + bore_)));
      solid = (std::min)(solid, -window);
    }
    return solid;
  }

  [[nodiscard]] Color colour(Vec2 q, float depth) const {
    const float r = length(q);
    const Vec2 outward = q * (1 / (std::max)(r, 1e-4f));
    const float turned = 0.06f * noise(r * 90, seed_) * clamp01(2 - 180 * pixel_) + 0.04f * noise(r * 22, seed_ + 1);
    const float facing = dot(outward, {lamp_.to_light.x, lamp_.to_light.y});
    const float sheen = 0.16f * facing * facing;  // lathe marks reflect across their direction
    const float hub =
        smooth_step(0.012f, 0, std::abs(r - bore_ - 0.12f)) + smooth_step(0.012f, 0, std::abs(r - root_ + 0.07f));
    const Color base = metal_ * (0.9f + turned + sheen - 0.28f * hub);
    return lit(base, edge_normal(*this, q, depth, 0.045f), lamp_, {0.4f, 0.3f, 4});
  }

  /// A tooth is broken off, at low severity only its tip.
  void remove_part(Dice& dice, float severity) {
    missing_ = dice.integer(-teeth_ / 2 + 1, teeth_ / 2);
    left_ = mix(0.6f, 0, severity);
  }

 private:
  Lamp lamp_;
  float pixel_;
  int teeth_, windows_;
  float root_, bore_;
  Color metal_;
  std::uint32_t seed_;
  int missing_ = 1000;
  float left_ = 1;
};

/// A flat washer, or a rubber ring.
class Ring {
 public:
  static constexpr std::string_view kName = "ring";
  static constexpr bool kIsTexture = false;
  static constexpr DefectSet kDefects =
      kSurfaceDefects | defects(DefectKind::crack, DefectKind::missing_part, DefectKind::bend);

  explicit Ring(const Setting& setting) : lamp_(setting.lamp), pixel_(setting.pixel) {
    Dice& dice = setting.dice;
    is_rubber_ = dice.chance(0.35f);
    half_ = is_rubber_ ? dice.range(0.12f, 0.19f) : dice.range(0.17f, 0.28f);
    radius_ = 0.95f - half_;
    constexpr std::array<Color, 3> kMetals{{{0.66f, 0.67f, 0.69f}, {0.76f, 0.63f, 0.36f}, {0.72f, 0.48f, 0.34f}}};
    constexpr std::array<Color, 3> kRubbers{{{0.13f, 0.13f, 0.14f}, {0.6f, 0.2f, 0.16f}, {0.25f, 0.3f, 0.42f}}};
    base_ = is_rubber_ ? dice.pick(kRubbers) : dice.pick(kMetals);
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return base_; }
  [[nodiscard]] float depth(Vec2 q) const { return ring_band(q, radius_, half_); }

  [[nodiscard]] Color colour(Vec2 q, float depth) const {
    const float r = (std::max)(length(q), 1e-4f);
    if (is_rubber_) {
      const Vec3 normal = round_normal(0.97f * (r - radius_) / half_, q * (1 / r));
      return lit(base_ * (1 + 0.06f * noise(q * 30, seed_)), normal, lamp_, {0.4f, 0.3f, 3});
    }
    const float mark = 0.07f * noise(r * 70, seed_) * clamp01(2 - 140 * pixel_) + 0.05f * noise(q * 4, seed_ + 1);
    return lit(base_ * (0.88f + mark + turned_sheen(q, lamp_)), edge_normal(*this, q, depth, 0.05f), lamp_,
               {0.4f, 0.25f, 4});
  }

 private:
  Lamp lamp_;
  float pixel_;
  bool is_rubber_;
  float half_, radius_;
  Color base_;
  std::uint32_t seed_;
};

/// A hexagonal nut, seen from above.
class Nut {
 public:
  static constexpr std::string_view kName = "nut";
  static constexpr bool kIsTexture = false;
  static constexpr DefectSet kDefects =
      kSurfaceDefects | defects(DefectKind::crack, DefectKind::dent, DefectKind::missing_part);

  explicit Nut(const Setting& setting) : lamp_(setting.lamp), pixel_(setting.pixel) {
    Dice& dice = setting.dice;
    bore_ = dice.range(0.4f, 0.5f);
    constexpr std::array<Color, 3> kMetals{{{0.62f, 0.63f, 0.65f}, {0.76f, 0.62f, 0.34f}, {0.42f, 0.43f, 0.46f}}};
    base_ = dice.shade(kMetals, 0.9f, 1.08f);
    has_flange_ = dice.chance(0.3f);
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return base_; }

  [[nodiscard]] float depth(Vec2 q) const {
    const float hexagon = (std::min)(polygon(q, 6, 0.82f), 0.93f - length(q) * 0.99f);
    return (std::min)(has_flange_ ? (std::max)(hexagon, disc(q, 0.97f)) : hexagon, length(q) - 0.82f * bore_);
  }

  [[nodiscard]] Color colour(Vec2 q, float depth) const {
    const float r = length(q);
    const Vec2 outward = q * (1 / (std::max)(r, 1e-4f));
    if (r < bore_) {  // the thread winds down the bore
      const float turn = 3 * (r - 0.82f * bore_) / (0.18f * bore_) + std::atan2(q.y, q.x) * 0.15915494f;
      const float ridge = std::abs(turn - std::floor(turn) - 0.5f) * 2;
      return lit(base_ * (0.3f + 0.4f * ridge), normal_of(outward * -0.9f), lamp_, {0.4f, 0.1f, 4});
    }
    const float hexagon = polygon(q, 6, 0.82f);
    const float corner = smooth_step(0.05f, 0, std::abs(hexagon)) * (has_flange_ ? 0.4f : 0.0f);  // where flange begins
    if (hexagon < 0) return lit(base_ * (0.85f - corner), normal_of(outward * -0.35f), lamp_, {0.4f, 0.3f, 4});
    const float chamfer = smooth_step(0.74f, 0.78f, r);
    const float mark = 0.06f * noise(r * 60, seed_) * clamp01(2 - 120 * pixel_) + 0.05f * noise(q * 5, seed_ + 1);
    const float rim = smooth_step(0.03f, 0, std::abs(r - bore_ - 0.03f));
    const Vec3 normal = chamfer > 0 ? normal_of(outward * (-0.55f * chamfer)) : edge_normal(*this, q, depth, 0.04f);
    return lit(base_ * (0.9f + mark + turned_sheen(q, lamp_) + 0.12f * rim), normal, lamp_, {0.4f, 0.3f, 4});
  }

 private:
  Lamp lamp_;
  float pixel_, bore_;
  Color base_;
  bool has_flange_;
  std::uint32_t seed_;
};

}}}  // namespace moeclip::abi_v0_1::synthetic

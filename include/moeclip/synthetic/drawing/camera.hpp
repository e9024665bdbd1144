// SPDX-License-Identifier: MIT
#pragma once
// What takes the picture of a stage. The fixed camera hangs straight above, as on an inspection line, and adds nothing.
// One in the hand is tilted, stands in whatever light there is, and is out of focus, noisy and lossy as a telephone's
// are. All of that is drawn once per picture, from a stream of its own. (SYN-10, SYN-11)

#include "noise.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

/// A soft edge between light and less light, across the scene: what somebody or something casts that is not in view.
class SoftShadow {
 public:
  SoftShadow() = default;  // none
  explicit SoftShadow(Dice& dice) {
    const bool is_there = dice.chance(0.35f);
    depth_ = is_there ? dice.range(0.15f, 0.4f) : 0.0f;
    way_ = direction(dice.angle());
    begin_ = dice.range(-0.1f, 0.35f);
    soft_ = dice.range(0.025f, 0.14f);
    seed_ = dice.seed();
  }

  /// Share of the light that is left at `from` the middle of the scene.
  [[nodiscard]] float left_at(Vec2 from) const {
    if (depth_ == 0) return 1;
    const float wave = 0.05f * noise(2.5f * cross(way_, from), seed_);
    return 1 - depth_ * smooth_step(-soft_, soft_, dot(way_, from) - begin_ + wave);
  }

 private:
  float depth_ = 0, begin_ = 0, soft_ = 1;
  Vec2 way_{1, 0};
  std::uint32_t seed_ = 0;
};

/// A lamp near by: its light and its colour fall off around the place that it shines on.
class SpotLight {
 public:
  SpotLight() = default;  // none
  explicit SpotLight(Dice& dice) {
    const bool is_there = dice.chance(0.5f);
    share_ = is_there ? dice.range(0.12f, 0.42f) : 0.0f;
    centre_.x = dice.range(-0.4f, 0.4f);
    centre_.y = dice.range(-0.4f, 0.4f);
    radius_ = dice.range(0.4f, 0.8f);
    warmth_ = dice.range(-0.1f, 0.16f);
  }

  /// What is left of each colour at `from` the middle of the scene.
  [[nodiscard]] Color left_at(Vec2 from) const {
    if (share_ == 0) return gray(1);
    const Vec2 away = (from - centre_) * (1 / radius_);
    const float share = share_ * std::exp(-dot(away, away));
    return gray(1 - share_) + Color{1 + warmth_, 1, 1 - warmth_} * share;
  }

 private:
  float share_ = 0, radius_ = 1, warmth_ = 0;
  Vec2 centre_;
};

class Camera {
 public:
  Camera() = default;  // fixed
  /// In the hand.
  explicit Camera(Dice& dice) : is_fixed_(false) {
    const float tilt = dice.range(0.03f, 0.36f);  // 2 to 20 degrees
    cosine_ = std::cos(tilt);
    slant_ = std::tan(tilt) / dice.range(1.8f, 3.5f);
    axis_ = direction(dice.angle());
    roll_ = direction(dice.range(-0.12f, 0.12f));
    reach_ = dice.range(1.0f, 1.12f);
    aim_.x = 0.5f + dice.range(-0.015f, 0.015f);
    aim_.y = 0.5f + dice.range(-0.015f, 0.015f);
    const float exposure = dice.range(0.86f, 1.16f), warmth = dice.range(-0.09f, 0.09f);
    tint_ = Color{1 + warmth, 1 + dice.range(-0.025f, 0.025f), 1 - warmth} * exposure;
    const Vec2 way = direction(dice.angle());
    gradient_ = way * dice.range(0.0f, 0.45f);
    spot_ = SpotLight(dice);
    shadow_ = SoftShadow(dice);
    blur_ = dice.range(0, 1.2f) / 256;
    read_noise_ = dice.range(0.005f, 0.012f);
    shot_noise_ = dice.range(0.012f, 0.032f);
    quality_ = dice.integer(60, 96);
  }

  [[nodiscard]] bool is_fixed() const { return is_fixed_; }

  /// The point of the scene's plane that is seen at p of the picture. (SYN-10)
  [[nodiscard]] Vec2 to_scene(Vec2 p) const {
    if (is_fixed_) return p;
    const Vec2 from = rotate(p - Vec2{0.5f, 0.5f}, roll_) * reach_;
    const float along = dot(axis_, from), across = cross(axis_, from);
    return aim_ + rotate(Vec2{along / cosine_, across} * (1 / (1 - slant_ * along)), axis_);
  }

  /// The longest way in the scene per way in the picture, at its most distant corner at most.
  [[nodiscard]] float largest_scale() const {
    constexpr float kCorner = 0.70710678f;
    const float away = 1 - slant_ * reach_ * kCorner;
    return reach_ / (cosine_ * away * away);
  }

  /// What reaches the lens of the colour `c` at p of the scene.
  [[nodiscard]] Color seen(Color c, Vec2 p) const {
    if (is_fixed_) return c;
    const Vec2 from = p - Vec2{0.5f, 0.5f};
    return c * tint_ * spot_.left_at(from) * ((1 + dot(gradient_, from)) * shadow_.left_at(from));
  }

  /// Standard deviation of the blur, in sides of the picture; 0: sharp.
  [[nodiscard]] float blur() const { return blur_; }

  /// The colour with `grain`, of unit size, as large as the sensor makes it where it is lit by `c`. (SYN-11)
  [[nodiscard]] Color sensed(Color c, Color grain) const {
    const auto size = [&](float v) {
      return std::sqrt(read_noise_ * read_noise_ + shot_noise_ * shot_noise_ * clamp01(v));
    };
    return c + grain * Color{size(c.r), size(c.g), size(c.b)};
  }

  /// Quality of the JPEG file that the picture has been.
  [[nodiscard]] int quality() const { return quality_; }

 private:
  bool is_fixed_ = true;
  Vec2 aim_, axis_{1, 0}, roll_{1, 0};
  float cosine_ = 1, slant_ = 0, reach_ = 1;
  Color tint_;
  Vec2 gradient_;
  SpotLight spot_;
  SoftShadow shadow_;
  float blur_ = 0, read_noise_ = 0, shot_noise_ = 0;
  int quality_ = 100;
};

}}}  // namespace moeclip::abi_v0_1::synthetic

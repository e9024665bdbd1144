// SPDX-License-Identifier: MIT
#pragma once
// Materials with a run of fine ribs: denim, milled metal. (scene.hpp says what a category is.)

#include "scene.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

/// Remainder that is never negative.
constexpr int wrapped(int value, int count) { return (value % count + count) % count; }

/// Twill of a dyed warp and a pale weft: over two or three, under one, a step further in each row.
class Denim {
 public:
  static constexpr std::string_view kName = "denim";
  static constexpr bool kIsTexture = true;
  static constexpr DefectSet kDefects = kSurfaceDefects | defects(DefectKind::bend, DefectKind::missing_part);

  explicit Denim(const Setting& setting) : lamp_(setting.lamp), pixel_(setting.pixel) {
    Dice& dice = setting.dice;
    constexpr std::array<Color, 5> kDyes{{{0.2f, 0.29f, 0.47f},
                                          {0.34f, 0.45f, 0.62f},
                                          {0.13f, 0.17f, 0.28f},
                                          {0.22f, 0.23f, 0.25f},
                                          {0.42f, 0.4f, 0.36f}}};
    warp_ = dice.shade(kDyes, 0.9f, 1.15f);
    weft_ = mix(Color{0.78f, 0.78f, 0.74f}, warp_, dice.range(0.05f, 0.4f));
    count_ = dice.range(28, 40);
    repeat_ = dice.chance(0.6f) ? 4 : 3;
    slant_ = dice.chance(0.7f) ? 1 : -1;
    slub_ = dice.range(0.06f, 0.2f);
    worn_ = dice.range(0, 0.45f);
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return mix(warp_, weft_, 0.25f) * 0.85f; }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    const Vec2 p{q.x * count_ + 0.4f * fractal(q * 5, seed_, 3),
                 q.y * count_ * 0.9f + 0.4f * fractal(q * 5, seed_ + 1, 3)};
    const float shown = clamp01(2 - 2 * count_ * pixel_);
    const int i = floor_int(p.x), j = floor_int(p.y);
    const float x = p.x - static_cast<float>(i) - 0.5f, y = p.y - static_cast<float>(j) - 0.5f;
    const int row = wrapped(j + slant_ * i, repeat_);  // 0: the weft is on top
    const float wear = worn_ * smooth_step(-0.2f, 0.7f, fractal(q * 3, seed_ + 2, 3));
    Color color;
    if (row == 0 || is_missing(p)) {
      const float sunk = is_missing(p) ? 0.9f : 0.8f - 0.9f * x * x;  // between the warp beside it
      color = yarn(weft_, y, {0, 1}, 0, j + 977, p.x) * sunk;
    } else {
      const float middle = 0.5f * static_cast<float>(repeat_ - 1);
      const float along = (static_cast<float>(row) - 0.5f - middle + y) / middle;  // [-1, 1] on a float
      const Color faded = mix(warp_, weft_, wear * (1 - along * along) * (1 - 2 * std::abs(x)));
      color = yarn(faded, x, {1, 0}, along, i, p.y);
    }
    // fluff of both yarns, which hides their borders
    const float fluff = fractal({q.x * 95, q.y * 60}, seed_ + 4, 2, 95 * pixel_);
    color = mix(color, mix(warp_, weft_, 0.3f + 0.3f * fluff), 0.2f) * (1 + 0.2f * fluff);
    return mix(tone(), color, shown) * (1 + 0.07f * noise(q * 2.3f, seed_ + 3) + 0.12f * wear);
  }

  /// A few ends of the warp are gone for a stretch, and the weft lies bare.
  void remove_part(Dice& dice, float severity) {
    missing_ = floor_int(dice.range(-0.2f, 0.2f) * count_);
    missing_from_ = dice.range(-0.25f, 0.0f) * count_;
    missing_to_ = missing_from_ + mix(3.0f, 11.0f, severity);
    missing_count_ = severity > 0.6f ? 3 : severity > 0.3f ? 2 : 1;
  }

 private:
  [[nodiscard]] bool is_missing(Vec2 p) const {
    const int i = floor_int(p.x);
    return i >= missing_ && i < missing_ + missing_count_ && p.y > missing_from_ && p.y < missing_to_;
  }

  /// A yarn seen at `across` its axis, [-0.5, 0.5]; `along` is 0 where it is highest, 1 where it dives.
  [[nodiscard]] Color yarn(Color base, float across, Vec2 outward, float along, int number, float way) const {
    const auto which = static_cast<std::uint32_t>(number);
    const float half = 0.5f + 0.4f * slub_ * noise(way * 0.17f, seed_ + 11 * which);
    const float t = across / half;
    const float thick = slub_ * noise(way * 0.17f + 40, seed_ + 11 * which);
    const float fibre = 0.2f * noise(Vec2{way * 1.7f + across * 6, across * 6}, seed_ + which);
    const float shade = 1 + thick + fibre + 0.22f * (lattice(number, 3, seed_) - 0.5f);
    const float lift = (1 - 0.42f * along * along) * (1 - 0.4f * t * t * t * t);
    Vec3 normal = round_normal(0.55f * t, outward);
    normal.x += 0.2f * along * outward.y, normal.y += 0.2f * along * outward.x;
    return lit(base * (shade * lift), normal, lamp_, {0.5f, 0, 1});
  }

  Lamp lamp_;
  float pixel_, count_;
  Color warp_, weft_;
  int repeat_, slant_;
  float slub_, worn_;
  std::uint32_t seed_;
  int missing_ = 0, missing_count_ = 0;
  float missing_from_ = 0, missing_to_ = 0;
};

/// Metal faced on a milling machine: the arcs of its inserts, one feed apart, in passes side by side.
class MilledMetal {
 public:
  static constexpr std::string_view kName = "milled metal";
  static constexpr bool kIsTexture = true;
  static constexpr DefectSet kDefects = kSurfaceDefects | defects(DefectKind::crack, DefectKind::dent);

  explicit MilledMetal(const Setting& setting) : lamp_(setting.lamp), pixel_(setting.pixel) {
    Dice& dice = setting.dice;
    constexpr std::array<Color, 4> kMetals{
        {{0.64f, 0.65f, 0.66f}, {0.7f, 0.7f, 0.7f}, {0.55f, 0.56f, 0.59f}, {0.73f, 0.62f, 0.4f}}};
    base_ = dice.shade(kMetals, 0.9f, 1.05f);
    radius_ = dice.range(0.3f, 0.9f);
    pass_ = radius_ * dice.range(0.9f, 1.6f);
    offset_ = dice.range(0, 1);
    feed_ = dice.range(22, 48);
    inserts_ = dice.integer(2, 7);
    back_ = dice.chance(0.6f) ? dice.range(0.25f, 0.8f) : 0;  // the far side of the cutter cuts too
    relief_ = dice.range(0.1f, 0.3f);
    sheen_ = dice.range(0.12f, 0.3f);
    turns_back_ = dice.chance(0.5f);
    turn_ = direction(dice.angle());
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return base_; }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    const Vec2 p = rotate(q, turn_);
    const int pass = floor_int(p.y / pass_ + offset_);
    const float heading = turns_back_ && wrapped(pass, 2) == 1 ? -1.0f : 1.0f;
    const float y = p.y - (static_cast<float>(pass) + 0.5f - offset_) * pass_;
    const float x = heading * p.x + lattice(pass, 0, seed_);
    const float reach = std::sqrt(radius_ * radius_ - y * y);
    const Cut front = cut((x - reach) * feed_, pass), rear = cut((x + reach) * feed_, pass + 1000);
    const float tilt = y / reach;  // of the arc against the pass
    const Vec2 slope{heading * (front.slope + back_ * rear.slope), tilt * (front.slope - back_ * rear.slope)};
    const Vec2 across = Vec2{heading * reach, y} * (1 / radius_);  // to the middle of the arc
    const Vec2 light = rotate({lamp_.to_light.x, lamp_.to_light.y}, turn_);
    const float facing = dot(across, light);
    const float border = smooth_step(0.012f, 0, 0.5f * pass_ - std::abs(y));
    const float scale = 1 / (1 + back_);
    const float shade = 0.93f + scale * (front.tone + back_ * rear.tone) + sheen_ * (facing * facing - 0.25f) +
                        0.03f * noise(q * 3, seed_ + 1) - 0.12f * border;
    const Vec2 turned = rotate(slope * (scale * relief_), {turn_.x, -turn_.y});
    return lit(base_ * shade, normal_of(turned), lamp_, {0.4f, 0.14f, 4});
  }

 private:
  struct Cut {
    float tone = 0;   // how bright
    float slope = 0;  // of the scallop, [-1, 1]
  };

  /// What one insert leaves: a scallop, as deep as the insert stands out, with streaks along the arc.
  [[nodiscard]] Cut cut(float phase, int stream) const {
    const int number = floor_int(phase);
    const float t = phase - static_cast<float>(number);
    const float shown = clamp01(2 - 2.6f * feed_ * pixel_), fine = clamp01(2 - 10 * feed_ * pixel_);
    const float depth = 0.55f + 0.45f * lattice(wrapped(number, inserts_), 7, seed_);
    const float uneven = lattice(number, stream, seed_ + 2) - 0.5f;
    const float streak = noise(phase * 5, seed_ + 3) * fine;
    const float tone =
        0.1f * uneven + 0.07f * (depth - 0.75f) - 0.09f * depth * smooth_step(0.8f, 1, t) + 0.04f * streak;
    return {shown * tone, shown * depth * (2 * t - 1)};
  }

  Lamp lamp_;
  float pixel_;
  Color base_;
  float radius_, pass_, offset_, feed_;
  int inserts_;
  float back_, relief_, sheen_;
  bool turns_back_;
  Vec2 turn_;
  std::uint32_t seed_;
};

}}}  // namespace moeclip::abi_v0_1::synthetic

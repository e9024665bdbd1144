// SPDX-License-Identifier: MIT
#pragma once
// Things put together from parts: bearing, plug. In their own axes they fill about [-1, 1]^2. (scene.hpp says what a
// category is.)

#include "metal.hpp"
#include "print.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

/// A ball bearing: two rings, balls between them, with or without a cage, and its number on the outer ring.
class Bearing {
 public:
  static constexpr std::string_view kName = "bearing";
  static constexpr bool kIsTexture = false;
  static constexpr DefectSet kDefects =
      kSurfaceDefects | defects(DefectKind::crack, DefectKind::missing_part, DefectKind::print_fault);

  explicit Bearing(const Setting& setting) : lamp_(setting.lamp), pixel_(setting.pixel) {
    Dice& dice = setting.dice;
    metal_ = Color{0.66f, 0.67f, 0.69f} * dice.range(0.85f, 1.08f);
    const float wall = dice.range(0.17f, 0.21f), gap = dice.range(0.2f, 0.28f);
    outer_ = 0.96f - wall;
    inner_ = outer_ - gap;
    bore_ = inner_ - dice.range(0.12f, 0.19f);
    track_ = 0.5f * (outer_ + inner_);
    ball_ = 0.5f * gap * dice.range(0.95f, 1.06f);
    const float most = 6.2831853f * track_ / (2 * ball_);
    balls_ = floor_int(most * dice.range(0.6f, 0.88f));
    constexpr std::array<Color, 4> kCages{
        {{0.6f, 0.6f, 0.6f}, {0.74f, 0.6f, 0.32f}, {0.78f, 0.74f, 0.64f}, {0.2f, 0.26f, 0.22f}}};
    has_cage_ = dice.chance(0.75f);
    cage_ = dice.pick(kCages);
    balls_turn_ = direction(dice.angle());
    print_ = Print(dice, dice.integer(4, 7), 0.55f * wall);
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return metal_; }
  [[nodiscard]] float depth(Vec2 q) const { return (std::min)(disc(q, 0.96f), length(q) - bore_); }

  [[nodiscard]] Color colour(Vec2 q, float depth) const {
    const float r = (std::max)(length(q), 1e-4f);
    const float race = (std::min)(outer_ - r, r - inner_);  // depth between the rings
    const Color rings = ring(q, r, depth);
    const float open = coverage(race, pixel_);
    return open <= 0 ? rings : mix(rings, between(q, r, race), open);
  }

  /// A ball is missing; at low severity it is one that is too small.
  void remove_part(Dice& dice, float severity) {
    gone_ = dice.integer(0, balls_);
    left_ = mix(0.75f, 0, smooth_step(0, 0.7f, severity));
  }
  void spoil_print(Dice& dice, float severity) { print_.spoil(dice, severity); }

 private:
  /// The ground faces of both rings.
  [[nodiscard]] Color ring(Vec2 q, float r, float depth) const {
    const float mark = 0.05f * noise(r * 85, seed_) * clamp01(2 - 170 * pixel_) + 0.04f * noise(q * 4, seed_ + 1);
    const float middle = 0.5f * (outer_ + 0.96f);
    const float ink = r > outer_ ? print_.ink({std::atan2(q.x, -q.y) * middle, middle - r}) : 0;
    const float shoulder =
        smooth_step(0.035f, 0, (std::max)(r - outer_, inner_ - r));  // ground round, towards the balls
    const Vec2 outward = q * (1 / r);
    Vec3 normal = edge_normal(*this, q, depth, 0.05f);
    if (shoulder > 0 && r < outer_ + 0.035f && r > inner_ - 0.035f)
      normal = normal_of(outward * (r > track_ ? 0.8f * shoulder : -0.8f * shoulder));
    const Color face = metal_ * (0.86f + mark + 1.3f * turned_sheen(q, lamp_));
    return lit(mix(face, face * 0.3f, 0.8f * ink), normal, lamp_, {0.4f, 0.3f, 4});
  }

  /// Balls, the cage that spaces them, and the dark below.
  [[nodiscard]] Color between(Vec2 q, float r, float race) const {
    const Vec2 turned = rotate(q, balls_turn_);
    const Sector sector = sector_of(turned, balls_);
    const float angle = 6.2831853f * static_cast<float>(sector.number) / static_cast<float>(balls_);
    const Vec2 p = turned - direction(angle) * track_;
    const float radius = ball_ * (sector.number == gone_ ? left_ : 1);
    const Vec2 light = rotate({lamp_.to_light.x, lamp_.to_light.y}, balls_turn_);
    Color color = gray(0.1f + 0.025f * noise(q * 12, seed_ + 2)) + gray(0.1f * smooth_step(0.05f, 0, race));
    if (has_cage_) {
      const float band = ring_band(q, track_, 0.4f * ball_);
      const float pocket = length(p) - 1.1f * ball_;
      const float solid = (std::min)(band, pocket);
      const Vec3 normal = round_normal(0.8f * (r - track_) / (0.4f * ball_), q * (1 / r));
      color = mix(color, lit(cage_ * 0.85f, normal, lamp_, {0.4f, 0.25f, 3}), coverage(solid, pixel_));
    }
    const float away = length(p);
    const float cast = radius > 0 ? smooth_step(1.25f * radius, 0.9f * radius, length(p + light * 0.03f)) : 0;
    color = color * (1 - 0.6f * cast);
    if (radius <= 0 || away > radius + pixel_) return color;
    const float t = away / radius;
    const Vec2 outward = rotate(p, {balls_turn_.x, -balls_turn_.y}) * (1 / (std::max)(away, 1e-5f));
    // a polished ball shows what is above it, and its rim the dark around
    const Color mirror = metal_ * (0.78f - 0.5f * smooth_step(0.45f, 0.98f, t) + 0.12f * smooth_step(0.3f, 0.0f, t));
    return mix(color, lit(mirror, round_normal(0.95f * t, outward), lamp_, {0.45f, 0.75f, 5}),
               coverage(radius - away, pixel_));
  }

  Lamp lamp_;
  float pixel_;
  Color metal_, cage_;
  float outer_, inner_, bore_, track_, ball_;
  int balls_;
  bool has_cage_;
  Vec2 balls_turn_;
  Print print_;
  std::uint32_t seed_;
  int gone_ = -1;
  float left_ = 1;
};

/// The face of a connector: a housing with a latch, rows of pins in its cavity, or of sockets, and its number.
class Plug {
 public:
  static constexpr std::string_view kName = "plug";
  static constexpr bool kIsTexture = false;
  static constexpr DefectSet kDefects =
      kSurfaceDefects | defects(DefectKind::crack, DefectKind::missing_part, DefectKind::print_fault);

  explicit Plug(const Setting& setting) : lamp_(setting.lamp), pixel_(setting.pixel) {
    Dice& dice = setting.dice;
    constexpr std::array<Color, 6> kResins{{{0.88f, 0.86f, 0.8f},
                                            {0.16f, 0.16f, 0.17f},
                                            {0.24f, 0.36f, 0.6f},
                                            {0.7f, 0.66f, 0.58f},
                                            {0.36f, 0.38f, 0.4f},
                                            {0.75f, 0.3f, 0.22f}}};
    resin_ = dice.pick(kResins);
    metal_ = dice.chance(0.6f) ? Color{0.84f, 0.68f, 0.34f} : Color{0.76f, 0.77f, 0.78f};
    rows_ = dice.integer(1, 4);
    columns_ = rows_ == 1 ? dice.integer(4, 7) : rows_ == 2 ? dice.integer(4, 9) : dice.integer(5, 8);
    wall_ = dice.range(0.07f, 0.1f);
    pitch_ = 2 * (0.94f - wall_) / static_cast<float>(columns_);
    pitch_ = (std::min)(pitch_, 0.36f);
    cavity_ = Vec2{static_cast<float>(columns_), static_cast<float>(rows_)} * (0.5f * pitch_) + Vec2{0.02f, 0.02f};
    lip_ = dice.range(0.16f, 0.22f);
    corner_ = dice.range(0.03f, 0.1f);
    latch_ = {dice.range(0.16f, 0.34f), dice.range(0.07f, 0.11f)};
    has_sockets_ = dice.chance(0.35f);
    print_ = Print(dice, dice.integer(3, 7), 0.6f * lip_);
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return resin_; }

  [[nodiscard]] float depth(Vec2 q) const {
    const Vec2 half = cavity_ + Vec2{wall_, 0.5f * (wall_ + lip_)};
    const float body = box(q - Vec2{0, 0.5f * (lip_ - wall_)}, half, corner_);
    const float latch = box(q + Vec2{0, cavity_.y + wall_ + latch_.y - 0.05f}, latch_ + Vec2{0, 0.05f}, 0.03f);
    return (std::max)(body, latch);
  }

  [[nodiscard]] Color colour(Vec2 q, float depth) const {
    const float ink = print_.ink(q - Vec2{0, cavity_.y + 0.5f * lip_});
    const Color mark = luminance(resin_) > 0.45f ? gray(0.15f) : gray(0.85f);
    const Color face = resin_ * (1 + 0.03f * noise(q * 9, seed_) + 0.03f * fractal(q * 60, seed_ + 1, 1, 60 * pixel_));
    Color color = lit(mix(face, mark, 0.85f * ink), edge_normal(*this, q, depth, 0.05f), lamp_, {0.45f, 0.14f, 3});
    const float inside = box(q, cavity_, 0.03f);
    color = color * (1 + 0.18f * smooth_step(0.02f, 0, std::abs(inside + 0.02f)));  // the cavity's rounded border
    const float open = coverage(inside, pixel_);
    return open <= 0 ? color : mix(color, cavity(q), open);
  }

  /// A pin is missing; at low severity it is one that is too thin.
  void remove_part(Dice& dice, float severity) {
    gone_ = dice.integer(0, rows_ * columns_);
    left_ = mix(0.6f, 0, smooth_step(0, 0.7f, severity));
  }
  void spoil_print(Dice& dice, float severity) { print_.spoil(dice, severity); }

 private:
  /// The floor of the cavity, in the shadow of its walls, with what stands on it.
  [[nodiscard]] Color cavity(Vec2 q) const {
    const Vec2 light{lamp_.to_light.x, lamp_.to_light.y};
    const float walls = smooth_step(0.05f, -0.03f, box(q + light * (has_sockets_ ? 0.03f : 0.1f), cavity_, 0.03f));
    const Color floor =
        resin_ * ((has_sockets_ ? 0.85f : 0.6f) * (1 - 0.55f * walls) + 0.03f * noise(q * 14, seed_ + 2));
    const Vec2 p = (q + Vec2{static_cast<float>(columns_), static_cast<float>(rows_)} * (0.5f * pitch_)) * (1 / pitch_);
    const int i = std::clamp(floor_int(p.x), 0, columns_ - 1), j = std::clamp(floor_int(p.y), 0, rows_ - 1);
    const Vec2 from{p.x - static_cast<float>(i) - 0.5f, p.y - static_cast<float>(j) - 0.5f};
    const float left = j * columns_ + i == gone_ ? left_ : 1;
    return has_sockets_ ? socket(floor, from, left) : pin(floor, from, left);
  }

  /// A square pin with its shadow; `from` in pitches from its middle.
  [[nodiscard]] Color pin(Color floor, Vec2 from, float left) const {
    const float half = 0.19f * left, sample = pixel_ / pitch_;
    if (left <= 0) return mix(floor, gray(0.06f), coverage(box(from, {0.14f, 0.14f}, 0.04f), sample));
    const Vec2 light{lamp_.to_light.x, lamp_.to_light.y};
    const Vec2 root = from + light * 0.16f;
    const float shadow = smooth_step(-0.05f, 0.05f, box(root, {half + 0.05f, half + 0.05f}, 0.1f));
    const bool is_side = std::abs(from.x) > std::abs(from.y);
    const float reach = (std::max)(std::abs(from.x), std::abs(from.y)) / half;
    const float fall = 0.7f * smooth_step(0.35f, 0.6f, reach);  // the point is a cut pyramid
    const Vec2 slope{is_side ? -std::copysign(fall, from.x) : 0, is_side ? 0 : -std::copysign(fall, from.y)};
    const Color metal = lit(metal_ * 0.95f, normal_of(slope), lamp_, {0.35f, 0.35f, 4});
    return mix(floor * (1 - 0.5f * shadow), metal, coverage(box(from, {half, half}, 0.04f), sample));
  }

  /// A square mouth with a contact in its depth.
  [[nodiscard]] Color socket(Color floor, Vec2 from, float left) const {
    const float sample = pixel_ / pitch_;
    const float mouth = box(from, {0.3f, 0.3f}, 0.05f);
    const float bevel = smooth_step(0.1f, 0, std::abs(mouth));
    const Vec2 slope = from * (1.5f * bevel);
    const Color rim = lit(floor, normal_of(slope), lamp_, {0.45f, 0.1f, 3});
    Color dark = gray(0.07f) + resin_ * (0.12f * smooth_step(0.15f, 0, mouth));
    const float contact =
        left > 0 ? (std::min)(box(from, {0.2f * left, 0.22f * left}, 0.04f), std::abs(from.x) - 0.05f) : -1;
    dark = mix(dark, metal_ * (0.62f + 0.3f * from.y), coverage(contact, sample));
    return mix(rim, dark, coverage(mouth, sample));
  }

  Lamp lamp_;
  float pixel_;
  Color resin_, metal_;
  int rows_, columns_;
  float wall_, pitch_;
  Vec2 cavity_;
  float lip_, corner_;
  Vec2 latch_;
  bool has_sockets_;
  Print print_;
  std::uint32_t seed_;
  int gone_ = -1;
  float left_ = 1;
};

}}}  // namespace moeclip::abi_v0_1::synthetic

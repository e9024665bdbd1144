// SPDX-License-Identifier: MIT
#pragma once
// Soft and woven materials: a picture shows about one unit of an endless pattern. (scene.hpp says what a
// category is.)

#include "print.hpp"
#include "scene.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

/// Plain weave of two yarns.
class Weave {
 public:
  static constexpr std::string_view kName = "weave";
  static constexpr bool kIsTexture = true;
  static constexpr DefectSet kDefects = kSurfaceDefects | defects(DefectKind::bend, DefectKind::missing_part);

  explicit Weave(const Setting& setting) {
    Dice& dice = setting.dice;
    count_ = dice.range(11, 17);
    constexpr std::array<Color, 5> kYarns{
        {{0.78f, 0.72f, 0.6f}, {0.36f, 0.45f, 0.62f}, {0.62f, 0.3f, 0.27f}, {0.45f, 0.5f, 0.38f}, {0.6f, 0.6f, 0.62f}}};
    warp_ = dice.pick(kYarns);
    weft_ = dice.chance(0.6f) ? warp_ * dice.range(0.8f, 0.95f) : dice.pick(kYarns);
    seed_ = dice.seed();
    lamp_ = setting.lamp;
  }

  [[nodiscard]] Color tone() const { return mix(warp_, weft_, 0.5f) * 0.8f; }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    const Vec2 wave{0.06f * noise(q * 5, seed_), 0.06f * noise(q * 5, seed_ + 1)};
    const Vec2 p = q * count_ + wave;
    const int i = floor_int(p.x), j = floor_int(p.y);
    const float x = p.x - static_cast<float>(i) - 0.5f, y = p.y - static_cast<float>(j) - 0.5f;
    const bool warp_on_top = ((i + j) & 1) != 0 ? !is_missing(p) : false;
    if (warp_on_top) {
      if (std::abs(x) < kHalf) return yarn(warp_, x, {1, 0}, y, i, p.y);
      return yarn(weft_, y, {0, 1}, 1 - 0.5f * std::abs(x), j + 977, p.x) * 0.55f;
    }
    if (std::abs(y) < kHalf) return yarn(weft_, y, {0, 1}, x, j + 977, p.x);
    if (is_missing(p)) return warp_ * 0.12f;
    return yarn(warp_, x, {1, 0}, 1 - 0.5f * std::abs(y), i, p.y) * 0.55f;
  }

  /// A stretch of one warp yarn is gone.
  void remove_part(Dice& dice, float severity) {
    missing_ = floor_int(dice.range(-0.2f, 0.2f) * count_);
    missing_from_ = dice.range(-0.25f, 0.05f) * count_;
    missing_to_ = missing_from_ + mix(1.5f, 6.0f, severity);
    missing_count_ = severity > 0.6f ? 2 : 1;
  }

 private:
  static constexpr float kHalf = 0.46f;

  [[nodiscard]] bool is_missing(Vec2 p) const {
    const int i = floor_int(p.x);
    return i >= missing_ && i < missing_ + missing_count_ && p.y > missing_from_ && p.y < missing_to_;
  }

  /// A yarn seen at `across` its axis; `along` is 0 where it is highest.
  [[nodiscard]] Color yarn(Color base, float across, Vec2 outward, float along, int number, float way) const {
    const float t = across / kHalf;
    const float uneven = 1 + 0.1f * noise(static_cast<float>(number) * 7.3f + way * 0.35f, seed_ + 2) +
                         0.07f * noise(way * 5 + across * 9, seed_ + static_cast<std::uint32_t>(number));
    const float lift = 1 - 0.55f * along * along;
    return lit(base * (uneven * lift), round_normal(0.8f * t, outward), lamp_, {0.45f, 0.04f, 3});
  }

  float count_;
  Color warp_, weft_;
  std::uint32_t seed_;
  Lamp lamp_;
  int missing_ = 0, missing_count_ = 0;
  float missing_from_ = 0, missing_to_ = 0;
};

/// Full-grain leather: pebbles between creases.
class Leather {
 public:
  static constexpr std::string_view kName = "leather";
  static constexpr bool kIsTexture = true;
  static constexpr DefectSet kDefects = kSurfaceDefects | defects(DefectKind::dent);

  explicit Leather(const Setting& setting) : lamp_(setting.lamp) {
    Dice& dice = setting.dice;
    constexpr std::array<Color, 5> kDyes{{{0.46f, 0.28f, 0.17f},
                                          {0.62f, 0.42f, 0.26f},
                                          {0.3f, 0.16f, 0.13f},
                                          {0.2f, 0.2f, 0.22f},
                                          {0.52f, 0.22f, 0.18f}}};
    base_ = dice.shade(kDyes, 0.9f, 1.15f);
    grain_ = dice.range(20, 30);
    relief_ = dice.range(0.5f, 1.1f);
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return base_; }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    const Vec2 wander{noise(q * 21, seed_), noise(q * 21, seed_ + 1)};
    const Cell cell = nearest_cell(q * grain_ + wander * 0.55f, seed_ + 2, 0.85f);
    const float crease = smooth_step(0.3f, 0, cell.edge);
    const float patch =
        1 + 0.1f * noise(q * 4, seed_ + 3) + 0.06f * (cell.draw(8) - 0.5f) + 0.05f * noise(q * 90, seed_ + 4);
    const Vec3 normal = normal_of(cell.from * (-0.9f * relief_ * (0.4f + crease)));
    return lit(base_ * (patch * (1 - 0.34f * crease * crease)), normal, lamp_, {0.45f, 0.16f, 3});
  }

 private:
  Lamp lamp_;
  Color base_;
  float grain_, relief_;
  std::uint32_t seed_;
};

/// Cut-pile carpet.
class Carpet {
 public:
  static constexpr std::string_view kName = "carpet";
  static constexpr bool kIsTexture = true;
  static constexpr DefectSet kDefects = kSurfaceDefects | defects(DefectKind::missing_part);

  explicit Carpet(const Setting& setting) : lamp_(setting.lamp) {
    Dice& dice = setting.dice;
    constexpr std::array<Color, 5> kWools{{{0.5f, 0.5f, 0.52f},
                                           {0.32f, 0.4f, 0.52f},
                                           {0.56f, 0.47f, 0.37f},
                                           {0.5f, 0.28f, 0.27f},
                                           {0.36f, 0.44f, 0.34f}}};
    base_ = dice.shade(kWools, 0.9f, 1.1f);
    tufts_ = dice.range(26, 38);
    heather_ = dice.range(0.12f, 0.34f);
    stripe_ = dice.chance(0.4f) ? dice.range(0.06f, 0.14f) : 0;
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return base_ * 0.9f; }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    const Vec2 p = q * tufts_;
    const Cell cell = nearest_cell(p, seed_, 0.9f);
    if (is_bare(q))
      return Color{0.6f, 0.55f, 0.45f} * (0.7f + 0.25f * std::abs(noise({q.x * 80, q.y * 14}, seed_ + 4)));
    const float ply =
        1 + heather_ * (cell.draw(8) - 0.5f) + stripe_ * std::sin(q.x * 42) + 0.08f * noise(q * 5, seed_ + 1);
    const float deep = 1.02f - 0.45f * cell.distance * cell.distance;
    const Vec2 twist = direction(6.2831853f * cell.draw(16));  // the ends of the yarn stand every way
    const float hair = 0.17f * noise(Vec2{dot(cell.from, twist) * 9, cross(cell.from, twist) * 2.5f}, seed_ + 2);
    return lit(base_ * (ply * deep * (1 + hair)), normal_of(cell.from * -0.55f), lamp_, {0.6f, 0, 0});
  }

  /// The pile is worn away; the backing shows.
  void remove_part(Dice& dice, float severity) {
    bare_at_ = {dice.range(-0.25f, 0.25f), dice.range(-0.25f, 0.25f)};
    bare_radius_ = mix(0.04f, 0.13f, severity);
  }

 private:
  [[nodiscard]] bool is_bare(Vec2 q) const {
    if (bare_radius_ <= 0) return false;
    const Vec2 from = q - bare_at_;
    return length(from) <
           bare_radius_ * (1 + 0.4f * noise(from * (2 / bare_radius_), seed_ + 3) + 0.15f * noise(q * 60, seed_ + 5));
  }

  Lamp lamp_;
  Color base_;
  float tufts_, heather_, stripe_;
  std::uint32_t seed_;
  Vec2 bare_at_;
  float bare_radius_ = 0;
};

/// Woven wire cloth; the table is seen through it.
class Grid {
 public:
  static constexpr std::string_view kName = "grid";
  static constexpr bool kIsTexture = true;
  static constexpr DefectSet kDefects =
      defects(DefectKind::stain, DefectKind::bend, DefectKind::missing_part, DefectKind::colour_shift,
              DefectKind::contamination, DefectKind::foreign_thread, DefectKind::burn);

  explicit Grid(const Setting& setting) : lamp_(setting.lamp) {
    Dice& dice = setting.dice;
    count_ = dice.range(7, 11);
    half_ = dice.range(0.13f, 0.2f);
    metal_ = dice.chance(0.6f) ? Color{0.56f, 0.57f, 0.6f} : dice.chance(0.5f) ? Color{0.7f, 0.52f, 0.3f} : gray(0.22f);
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return metal_; }

  [[nodiscard]] float depth(Vec2 q) const {
    const Vec2 p = swayed(q);
    return (std::max)(across_wire(p), down_wire(p)) / count_;
  }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    const Vec2 p = swayed(q);
    const int i = floor_int(p.x), j = floor_int(p.y);
    const float x = p.x - static_cast<float>(i) - 0.5f, y = p.y - static_cast<float>(j) - 0.5f;
    const bool down_on_top = ((i + j) & 1) != 0;
    const float down = down_wire(p), across = across_wire(p);
    const bool shows_down = down > 0 && (down_on_top || across <= 0);
    const float beyond = shows_down ? std::abs(y) : std::abs(x);  // wires rise over each other at the crossings
    const bool on_top = shows_down == down_on_top;
    const float lift = on_top ? 1.05f - 0.25f * beyond : 0.72f + 0.35f * beyond;
    const Vec3 normal = shows_down ? round_normal(x / half_, {1, 0}) : round_normal(y / half_, {0, 1});
    return lit(metal_ * (lift * (1 + 0.08f * noise(q * 25, seed_))), normal, lamp_, {0.4f, 0.35f, 4});
  }

  /// A piece of wire is gone.
  void remove_part(Dice& dice, float severity) {
    gone_wire_ = floor_int(dice.range(-0.25f, 0.25f) * count_);
    gone_from_ = static_cast<float>(floor_int(dice.range(-0.25f, 0.1f) * count_)) + 0.5f + half_;
    gone_to_ = gone_from_ + mix(0.8f, 3, severity) - 2 * half_;
  }

 private:
  [[nodiscard]] Vec2 swayed(Vec2 q) const {
    const Vec2 p = q * count_;
    return {p.x + 0.07f * noise(p * 0.7f, seed_ + 1), p.y + 0.07f * noise(p * 0.7f, seed_ + 2)};
  }
  [[nodiscard]] float down_wire(Vec2 p) const {
    return half_ - std::abs(p.x - static_cast<float>(floor_int(p.x)) - 0.5f);
  }
  [[nodiscard]] float across_wire(Vec2 p) const {
    const int wire = floor_int(p.y);
    const float depth = half_ - std::abs(p.y - static_cast<float>(wire) - 0.5f);
    const bool is_gone = wire == gone_wire_ && p.x > gone_from_ && p.x < gone_to_;
    return is_gone ? (std::max)(gone_from_ - p.x, p.x - gone_to_) : depth;
  }

  Lamp lamp_;
  float count_, half_;
  Color metal_;
  std::uint32_t seed_;
  int gone_wire_ = 0;
  float gone_from_ = 0, gone_to_ = 0;
};

/// Corrugated board with a printed code.
class Cardboard {
 public:
  static constexpr std::string_view kName = "cardboard";
  static constexpr bool kIsTexture = true;
  static constexpr DefectSet kDefects = kSurfaceDefects | defects(DefectKind::dent, DefectKind::print_fault);

  explicit Cardboard(const Setting& setting) : pixel_(setting.pixel) {
    Dice& dice = setting.dice;
    base_ = mix(Color{0.72f, 0.56f, 0.39f}, Color{0.8f, 0.68f, 0.52f}, dice.range(0, 1));
    ink_ = dice.chance(0.7f) ? gray(0.14f) : dice.chance(0.5f) ? Color{0.6f, 0.14f, 0.12f} : Color{0.13f, 0.22f, 0.5f};
    flutes_ = dice.range(22, 32);
    print_ = Print(dice, 4, dice.range(0.13f, 0.18f));
    print_at_ = {dice.range(-0.06f, 0.06f), dice.range(-0.12f, 0.12f)};
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return base_; }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    const float flute = std::sin(q.y * flutes_ * 6.2831853f) * clamp01(2 - 4 * flutes_ * pixel_);
    const float fibre = fractal({q.x * 26, q.y * 60}, seed_, 2, 60 * pixel_);
    const float fleck = smooth_step(0.6f, 0.85f, noise({q.x * 45, q.y * 90}, seed_ + 1));
    const float shade = 1 + 0.035f * flute + 0.07f * fibre - 0.18f * fleck + 0.05f * noise(q * 3, seed_ + 2);
    const Vec2 p = q - print_at_;
    const float line = coverage(0.006f - std::abs(std::abs(p.y) - 0.8f * print_.height()), pixel_) *
                       coverage(0.5f * print_.width() - std::abs(p.x), pixel_);
    const float ink = (std::max)(print_.ink(p), line) * (0.86f + 0.1f * fibre);
    return mix(base_, ink_, 0.88f * ink) * shade;
  }

  void spoil_print(Dice& dice, float severity) { print_.spoil(dice, severity); }

 private:
  float pixel_, flutes_;
  Color base_, ink_;
  Print print_;
  Vec2 print_at_;
  std::uint32_t seed_;
};

}}}  // namespace moeclip::abi_v0_1::synthetic

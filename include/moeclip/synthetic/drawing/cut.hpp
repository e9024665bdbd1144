// SPDX-License-Identifier: MIT
#pragma once
// Things cut from sheet: bracket, key. In their own axes they fill about [-1, 1]^2, the key along x. (scene.hpp says
// what a category is.)

#include "print.hpp"
#include "scene.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

/// A flat bracket, straight, angled or like a T, with holes, bare, galvanised or painted, and stamped letters.
class Bracket {
 public:
  static constexpr std::string_view kName = "bracket";
  static constexpr bool kIsTexture = false;
  static constexpr DefectSet kDefects = kSurfaceDefects | defects(DefectKind::crack, DefectKind::dent, DefectKind::bend,
                                                                  DefectKind::missing_part, DefectKind::print_fault);

  explicit Bracket(const Setting& setting) : lamp_(setting.lamp), pixel_(setting.pixel) {
    Dice& dice = setting.dice;
    constexpr std::array<Color, 4> kMetals{
        {{0.66f, 0.67f, 0.68f}, {0.6f, 0.62f, 0.65f}, {0.74f, 0.64f, 0.4f}, {0.7f, 0.68f, 0.62f}}};
    constexpr std::array<Color, 5> kPaints{{{0.16f, 0.16f, 0.17f},
                                            {0.85f, 0.84f, 0.8f},
                                            {0.62f, 0.2f, 0.16f},
                                            {0.24f, 0.36f, 0.52f},
                                            {0.72f, 0.58f, 0.2f}}};
    finish_ = static_cast<Coat>(dice.integer(0, 3));
    base_ = finish_ == Coat::paint ? dice.pick(kPaints) : dice.shade(kMetals, 0.88f, 1.05f);
    shape_ = static_cast<Shape>(dice.integer(0, 3));
    half_ = shape_ == Shape::straight ? dice.range(0.32f, 0.42f) : dice.range(0.26f, 0.3f);
    corner_ = half_ * dice.range(0.3f, 0.98f);
    hole_ = half_ * dice.range(0.26f, 0.36f);
    slot_ = dice.chance(0.4f) ? dice.range(0.04f, 0.1f) : 0;
    place_holes(dice.range(0.0f, 0.02f));
    print_ = Print(dice, dice.integer(2, 5), 0.36f * half_);
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return base_; }

  [[nodiscard]] float depth(Vec2 q) const {
    float solid = outline(q);
    for (std::size_t i = 0; i < hole_count_; ++i) solid = (std::min)(solid, -hole(q, i));
    return solid;
  }

  [[nodiscard]] Color colour(Vec2 q, float depth) const {
    float shade = 0.94f + 0.04f * noise(q * 2.5f, seed_);
    Finish finish{0.42f, 0.2f, 4};
    switch (finish_) {
      case Coat::brushed: shade += 0.12f * fractal({q.x * 3, q.y * 70}, seed_ + 1, 2, 70 * pixel_); break;
      case Coat::zinc: {  // crystals of zinc
        const Cell flower =
            nearest_cell(q * 8 + Vec2{noise(q * 19, seed_ + 2), noise(q * 19, seed_ + 3)} * 0.4f, seed_ + 4);
        shade += 0.16f * (flower.draw(8) - 0.5f) + 0.05f * noise(q * 40, seed_ + 5);
        break;
      }
      case Coat::paint:
        shade += 0.03f * fractal(q * 45, seed_ + 6, 2, 45 * pixel_);
        finish = {0.45f, 0.12f, 3};
        break;
    }
    Color color = base_ * shade;
    const float ink = print_.ink(q - print_at_);
    color = mix(color, luminance(base_) > 0.4f ? color * 0.3f : mix(color, gray(0.9f), 0.75f), 0.8f * ink);
    return lit(color, edge_normal(*this, q, depth, 0.045f), lamp_, finish);
  }

  /// A hole was not drilled; at low severity it is too small.
  void remove_part(Dice& dice, float severity) {
    gone_ = dice.integer(0, static_cast<int>(hole_count_));
    left_ = mix(0.6f, 0, smooth_step(0, 0.7f, severity));
  }
  void spoil_print(Dice& dice, float severity) { print_.spoil(dice, severity); }

 private:
  enum class Coat { brushed, zinc, paint };
  enum class Shape { straight, angle, tee };
  struct Slot {
    Vec2 from, to;
  };

  [[nodiscard]] float outline(Vec2 q) const {
    if (shape_ == Shape::straight) return box(q, {0.96f, half_}, corner_);
    const float along = box(q - Vec2{0, half_ - 0.8f}, {0.93f, half_}, corner_);
    const float x = shape_ == Shape::angle ? half_ - 0.93f : 0.0f;
    return (std::max)(along, box(q - Vec2{x, 0}, {half_, 0.8f}, corner_));
  }

  void place_holes(float apart) {
    const float end = 0.93f - half_ + apart;
    if (shape_ == Shape::straight) {
      add_hole({-end, 0}, {slot_, 0}), add_hole({end, 0}, {slot_, 0});
      return;
    }
    const float y = half_ - 0.8f, x = shape_ == Shape::angle ? half_ - 0.93f : 0.0f;
    add_hole({end, y}, {slot_, 0});
    if (shape_ == Shape::angle) add_hole({end - 2 * half_, y}, {slot_, 0});
    if (shape_ == Shape::tee) add_hole({-end, y}, {slot_, 0});
    add_hole({x, 0.8f - half_}, {0, slot_}), add_hole({x, 0.8f - 2.9f * half_}, {0, slot_});
    print_at_ = {x, y};
  }
  void add_hole(Vec2 centre, Vec2 reach) { holes_[hole_count_++] = {centre - reach, centre + reach}; }

  [[nodiscard]] float hole(Vec2 q, std::size_t i) const {
    const float left = static_cast<int>(i) == gone_ ? left_ : 1;
    return left <= 0 ? -1 : left * hole_ - segment(q, holes_[i].from, holes_[i].to).distance;
  }

  Lamp lamp_;
  float pixel_;
  Coat finish_;
  Color base_;
  Shape shape_;
  float half_, corner_, hole_, slot_;
  std::array<Slot, 4> holes_{};
  std::size_t hole_count_ = 0;
  Vec2 print_at_{0, 0};
  Print print_;
  std::uint32_t seed_;
  int gone_ = -1;
  float left_ = 1;
};

/// A flat key for a cylinder lock: bow, shoulder, shank with its groove, teeth.
class Key {
 public:
  static constexpr std::string_view kName = "key";
  static constexpr bool kIsTexture = false;
  static constexpr DefectSet kDefects =
      kSurfaceDefects | defects(DefectKind::crack, DefectKind::bend, DefectKind::missing_part, DefectKind::print_fault);

  explicit Key(const Setting& setting) : lamp_(setting.lamp), pixel_(setting.pixel) {
    Dice& dice = setting.dice;
    constexpr std::array<Color, 4> kMetals{
        {{0.72f, 0.72f, 0.71f}, {0.77f, 0.64f, 0.36f}, {0.62f, 0.63f, 0.65f}, {0.7f, 0.54f, 0.36f}}};
    metal_ = dice.shade(kMetals, 0.9f, 1.05f);
    bow_ = static_cast<Bow>(dice.integer(0, 3));
    bow_half_ = {dice.range(0.33f, 0.38f), dice.range(0.36f, 0.45f)};
    half_ = dice.range(0.13f, 0.17f);
    has_both_sides_ = dice.chance(0.3f);
    teeth_ = dice.integer(5, 8);
    for (float& cut : cuts_) cut = dice.range(0.1f, 0.95f);
    groove_ = dice.range(-0.3f, 0.1f) * half_;
    eye_ = dice.range(0.08f, 0.12f);
    print_ = Print(dice, dice.integer(2, 5), 0.13f);
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return metal_; }

  [[nodiscard]] float depth(Vec2 q) const {
    const float outline =
        (std::max)((std::max)(bow(q), shank(q)), box(q - Vec2{-0.22f, 0}, {0.07f, half_ + 0.07f}, 0.03f));
    return (std::min)(outline, length(q - eye_at()) - eye_);
  }

  [[nodiscard]] Color colour(Vec2 q, float depth) const {
    const float brushed = 0.08f * fractal({q.x * 4, q.y * 75}, seed_, 2, 75 * pixel_);
    const float worn = 0.07f * fractal(q * 3, seed_ + 1, 3);
    Vec3 normal = edge_normal(*this, q, depth, 0.04f);
    float shade = 0.92f + brushed + worn;
    if (q.x > kShoulder) {  // grooves mill the shank along its length
      const float upper = (q.y - groove_) / 0.035f, lower = (q.y - groove_ - 0.1f) / 0.022f;
      if (std::abs(upper) < 1) normal = normal_of({0, 0.8f * upper}), shade *= 0.78f;
      if (std::abs(lower) < 1) normal = normal_of({0, 0.8f * lower}), shade *= 0.86f;
    }
    const float frame = smooth_step(0.018f, 0, std::abs(bow(q) - 0.075f)) * (q.x < -0.3f ? 1.0f : 0.0f);
    const float ink = print_.ink(rotate(q - print_at(), {0, 1}));
    const Color color = metal_ * (shade - 0.22f * frame);
    return lit(mix(color, color * 0.3f, 0.75f * ink), normal, lamp_, {0.4f, 0.32f, 4});
  }

  /// The tip has broken off.
  void remove_part(Dice& dice, float severity) { end_ = 0.96f - mix(0.1f, 0.6f, severity) * dice.range(0.85f, 1); }
  void spoil_print(Dice& dice, float severity) { print_.spoil(dice, severity); }

 private:
  enum class Bow { round, square, hexagon };
  static constexpr float kShoulder = -0.16f, kFirst = -0.06f, kLast = 0.86f;

  [[nodiscard]] Vec2 bow_at() const { return {bow_half_.x - 0.96f, 0}; }
  [[nodiscard]] Vec2 eye_at() const { return {-0.9f + eye_ + 0.02f, 0}; }
  [[nodiscard]] Vec2 print_at() const { return bow_at() + Vec2{0.14f, 0}; }

  [[nodiscard]] float bow(Vec2 q) const {
    const Vec2 p = q - bow_at();
    switch (bow_) {
      case Bow::round: return bow_half_.x * (1 - length({p.x / bow_half_.x, p.y / bow_half_.y}));
      case Bow::square: return box(p, bow_half_, 0.12f);
      case Bow::hexagon: return (std::min)(polygon(p, 6, bow_half_.x), 1.08f * bow_half_.x - length(p));
    }
    return -1;
  }

  /// How deep the cut edge lies at x: the flats of the pins, with slopes between them.
  [[nodiscard]] float cut(float x, std::size_t side) const {
    const float place = (x - kFirst) / (kLast - kFirst) * static_cast<float>(teeth_);
    if (place < 0) return 0;
    const int number = floor_int(place);
    const float across = place - static_cast<float>(number);
    const auto depth_of = [&](int i) {
      return i < 0 || i >= teeth_ ? 0.15f : cuts_[side * kMostTeeth + static_cast<std::size_t>(i)];
    };
    const float peak = 0.04f;
    const float here = depth_of(number), near_one = across < 0.5f ? depth_of(number - 1) : depth_of(number + 1);
    const float ridge = (std::min)((std::min)(here, near_one), 0.35f) - peak;
    const float edge = (std::max)(std::abs(across - 0.5f) - 0.2f, 0.0f) / 0.3f;
    return 0.95f * half_ * mix(here, ridge, edge);
  }

  [[nodiscard]] float shank(Vec2 q) const {
    const float tip = 0.8f * (0.96f + 0.1f - q.x - 1.1f * std::abs(q.y));
    const float top = q.y + half_ - (has_both_sides_ ? cut(q.x, 1) : 0);
    const float below = half_ - q.y - cut(q.x, 0);
    const float ragged = end_ < 0.96f ? 0.03f * noise(q.y * 30, seed_ + 2) : 0;
    return (std::min)({0.8f * below, 0.8f * top, tip, end_ + ragged - q.x, q.x + 0.5f});
  }

  static constexpr std::size_t kMostTeeth = 8;

  Lamp lamp_;
  float pixel_;
  Color metal_;
  Bow bow_;
  Vec2 bow_half_;
  float half_;
  bool has_both_sides_;
  int teeth_;
  std::array<float, 2 * kMostTeeth> cuts_{};
  float groove_, eye_;
  Print print_;
  std::uint32_t seed_;
  float end_ = 0.96f;
};

}}}  // namespace moeclip::abi_v0_1::synthetic

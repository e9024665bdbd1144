// SPDX-License-Identifier: MIT
#pragma once
// Defects that lie on a surface: each says, for a point, what colour it gives it and how much of the point belongs to
// it. The share is geometry alone, so that the mask is exact however faint the defect; severity sets size and contrast,
// from barely above the camera's noise to plain. (Changes of form are the scene's: scene.hpp.)

#include "../kinds.hpp"
#include "stage.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

/// What a defect makes of a point.
struct Touch {
  Color colour;
  float cover = 0;  // share of the point that belongs to the defect
};

/// Where a defect was put.
struct Place {
  Vec2 centre;
  float room = 1;  // depth of the object there, in scene units
};

class Blemish {
 public:
  Blemish(DefectKind kind, const Place& place, float severity, Color tone, Dice& dice, const Stage& stage)
      : kind_(kind), centre_(place.centre), light_(stage.light), lamp_(stage.lamp), pixel_(stage.pixel) {
    strength_ = mix(0.12f, 0.95f, severity);
    seed_ = dice.seed();
    const float size = mix(0.6f, 1.1f, severity) * dice.range(0.8f, 1.25f);
    switch (kind) {
      case DefectKind::scratch: make_scratch(dice, size, tone); break;
      case DefectKind::crack: make_crack(dice, size); break;
      case DefectKind::foreign_thread: make_thread(dice, size, tone); break;
      case DefectKind::contamination: make_crumbs(dice, size, place.room, tone); break;
      case DefectKind::hole: radius_ = fit(0.055f * size, place.room, 0.022f); break;
      case DefectKind::dent: radius_ = fit(0.1f * size, 1.8f * place.room, 0.045f); break;
      case DefectKind::colour_shift: make_tint(dice, fit(0.2f * size, 3 * place.room), tone); break;
      case DefectKind::stain: make_tint(dice, fit(0.11f * size, 2 * place.room), tone); break;
      default: radius_ = fit(0.12f * size, 2 * place.room); break;
    }
    if (path_count_ == 0) reach_ = {centre_, 1.6f * radius_};
  }

  [[nodiscard]] Circle reach() const { return reach_; }

  /// `base` is what is seen at p without the defect, `ground` what is behind the object there.
  [[nodiscard]] Touch at(Vec2 p, const Surface& surface) const {
    const Color base = surface.seen();
    switch (kind_) {
      case DefectKind::scratch: return scratch(p, base, surface.cover);
      case DefectKind::crack: return crack(p, base, surface.cover);
      case DefectKind::foreign_thread: return thread(p, base);
      case DefectKind::contamination: return crumbs(p, base, surface.cover);
      case DefectKind::hole: return hole(p, base, surface);
      case DefectKind::dent: return dent(p, base, surface.cover);
      case DefectKind::burn: return burn(p, base, surface.cover);
      default: return tinted(p, base, surface.cover);
    }
  }

 private:
  static constexpr std::size_t kMostCrumbs = 12;
  struct Crumb {
    Vec2 centre;
    float radius = 0;
    Color color;
  };

  /// `radius`, or less where there is little room, but not less than `least`.
  static float fit(float radius, float room, float least = 0.05f) {
    return std::clamp(0.9f * room, (std::min)(least, radius), radius);
  }

  void make_scratch(Dice& dice, float size, Color tone) {
    width_ = dice.range(0.009f, 0.015f) * (0.6f + 0.4f * size);
    path_count_ = static_cast<std::size_t>(dice.integer(1, 4));
    const float angle = dice.angle();
    for (std::size_t i = 0; i < path_count_; ++i) {
      const float part = i == 0 ? 1.0f : dice.range(0.35f, 0.8f);
      const Vec2 heading = direction(angle + dice.range(-0.12f, 0.12f));
      const Vec2 way = heading * (0.5f * part * size * dice.range(0.22f, 0.36f));
      const Vec2 side{-way.y, way.x};
      const Vec2 middle = centre_ + side * (i == 0 ? 0.0f : dice.range(-0.25f, 0.25f));
      const float sag = dice.range(-0.12f, 0.12f);
      for (int k = 0; k <= 6; ++k) {
        const float t = static_cast<float>(k) / 3 - 1;
        paths_[i].add(middle + way * t + side * (sag * (1 - t * t)));
      }
    }
    paint_ = luminance(tone) > 0.42f ? gray(0.1f) : gray(0.92f);
    bound_paths();
  }

  void make_crack(Dice& dice, float size) {
    width_ = dice.range(0.009f, 0.014f) * (0.6f + 0.4f * size);
    path_count_ = static_cast<std::size_t>(dice.integer(2, 4));
    float angle = dice.angle();
    const float step = 0.028f * size;
    Vec2 start = centre_ - direction(angle) * (5 * step);
    for (std::size_t i = 0; i < path_count_; ++i) {
      Vec2 p = start;
      const int steps = i == 0 ? 11 : 5;
      for (int k = 0; k < steps; ++k) {
        paths_[i].add(p);
        const Vec2 heading = direction(angle + dice.range(-0.85f, 0.85f));
        p = p + heading * (step * dice.range(0.6f, 1.3f));
      }
      const auto trunk = paths_[0].points();
      start = trunk[static_cast<std::size_t>(dice.integer(3, 9))];
      const float side = dice.sign();
      angle += side * dice.range(0.6f, 1.1f);
    }
    bound_paths();
  }

  void make_thread(Dice& dice, float size, Color tone) {
    width_ = dice.range(0.011f, 0.017f);
    path_count_ = 1;
    float angle = dice.angle(), curl = dice.range(-9, 9);
    const float step = 0.02f * size;
    Vec2 p = centre_ - direction(angle) * (8 * step);
    for (std::size_t k = 0; k < Path::kMostPoints - 2; ++k) {
      paths_[0].add(p);
      p = p + direction(angle) * step;
      curl = 0.8f * curl + dice.range(-5, 5);
      angle += curl * step;
    }
    constexpr std::array<Color, 5> kYarns{
        {{0.85f, 0.2f, 0.18f}, {0.15f, 0.3f, 0.7f}, {0.93f, 0.93f, 0.9f}, {0.1f, 0.1f, 0.12f}, {0.2f, 0.55f, 0.3f}}};
    const auto chosen = static_cast<std::size_t>(dice.integer(0, 5));
    paint_ = kYarns[chosen];
    if (std::abs(luminance(paint_) - luminance(tone)) < 0.2f) paint_ = kYarns[luminance(tone) > 0.5f ? 3 : 2];
    bound_paths();
  }

  void make_crumbs(Dice& dice, float size, float room, Color tone) {
    crumb_count_ = static_cast<std::size_t>(dice.integer(3, static_cast<int>(kMostCrumbs)));
    const float spread = fit(0.11f * size, 1.6f * room);
    const float brightness = luminance(tone) > 0.4f ? 0.16f : 0.75f;
    for (std::size_t i = 0; i < crumb_count_; ++i) {
      const Vec2 heading = direction(dice.angle());
      const Vec2 offset = heading * (spread * std::sqrt(dice.range(0, 1)));
      const Color color = Color{brightness + dice.range(0, 0.16f), brightness + dice.range(0, 0.1f), brightness};
      crumbs_[i] = {centre_ + (i == 0 ? Vec2{} : offset), dice.range(0.009f, 0.024f) * (0.6f + 0.4f * size), color};
    }
    radius_ = spread + 0.03f;
  }

  /// How different two colours are if they are made equally bright.
  static float hue_distance(Color a, Color b) {
    const Color p = a * (1 / luminance(a)), q = b * (1 / luminance(b));
    return (std::max)({std::abs(p.r - q.r), std::abs(p.g - q.g), std::abs(p.b - q.b)});
  }

  void make_tint(Dice& dice, float radius, Color tone) {
    radius_ = radius;
    constexpr std::array<Color, 5> kTints{{{0.62f, 0.42f, 0.22f},
                                           {0.35f, 0.4f, 0.46f},
                                           {0.72f, 0.3f, 0.18f},
                                           {0.3f, 0.42f, 0.75f},
                                           {0.5f, 0.62f, 0.25f}}};
    auto chosen = static_cast<std::size_t>(dice.integer(0, 5));
    for (std::size_t tried = 0; tried < kTints.size() && hue_distance(kTints[chosen], tone) < 0.45f; ++tried)
      chosen = (chosen + 1) % kTints.size();
    paint_ = kTints[chosen];
  }

  void bound_paths() {
    float radius = 0;
    for (std::size_t i = 0; i < path_count_; ++i)
      for (const Vec2 p : paths_[i].points()) radius = (std::max)(radius, length(p - centre_));
    reach_ = {centre_, radius + 2 * width_};
  }

  /// Depth inside a round patch with an irregular border.
  [[nodiscard]] float patch(Vec2 p, float roughness) const {
    const Vec2 from = p - centre_;
    return radius_ * (1 + roughness * fractal(from * (2.2f / radius_), seed_, 3, 2.2f * pixel_ / radius_)) -
           length(from);
  }

  [[nodiscard]] Touch scratch(Vec2 p, Color base, float solid) const {
    Touch touch{base, 0};
    for (std::size_t i = 0; i < path_count_; ++i) {
      const Nearest line = paths_[i].nearest(p);
      const float taper = 1 - std::pow(std::abs(2 * line.along - 1), 6.0f);
      const float half = 0.5f * width_ * taper * (0.85f + 0.15f * noise(line.along * 14, seed_));
      const float cover = solid * coverage(half - line.distance, pixel_);
      if (cover <= touch.cover) continue;
      const float flank = 0.3f * line.across / width_;  // one flank of the groove is lit, the other is not
      touch = {mix(base, paint_ + gray(flank), 0.85f * strength_ * cover), cover};
    }
    return touch;
  }

  [[nodiscard]] Touch crack(Vec2 p, Color base, float solid) const {
    Touch touch{base, 0};
    for (std::size_t i = 0; i < path_count_; ++i) {
      const Nearest line = paths_[i].nearest(p);
      const float taper = i == 0 ? 1 - std::pow(std::abs(2 * line.along - 1), 4.0f) : 1 - line.along;
      const float half = 0.5f * width_ * (0.25f + 0.75f * taper) * (0.8f + 0.3f * noise(line.along * 9, seed_));
      const float cover = solid * coverage(half - line.distance, pixel_);
      if (cover > touch.cover) touch = {mix(base, base * 0.12f, strength_ * cover), cover};
    }
    return touch;
  }

  [[nodiscard]] Touch thread(Vec2 p, Color base) const {
    const Nearest line = paths_[0].nearest(p);
    const float half = 0.5f * width_;
    const float cover = coverage(half - line.distance, pixel_);
    const float round = 1 - 0.55f * (line.distance / half) * (line.distance / half);
    const float twist = 0.88f + 0.12f * std::sin(line.along * 130 + 2.5f * line.across / half);
    return {mix(base, paint_ * (round * twist), strength_ * cover), cover};
  }

  [[nodiscard]] Touch crumbs(Vec2 p, Color base, float solid) const {
    Touch touch{base, 0};
    for (std::size_t i = 0; i < crumb_count_; ++i) {
      const Crumb& crumb = crumbs_[i];
      const Vec2 from = p - crumb.centre;
      const float away = length(from);
      if (away > 1.5f * crumb.radius) continue;
      const float depth =
          crumb.radius * (1 + 0.35f * noise(from * (1.6f / crumb.radius), seed_ + static_cast<std::uint32_t>(i))) -
          away;
      const float cover = solid * coverage(depth, pixel_);
      if (cover <= touch.cover) continue;
      const float shade = 1 + 0.5f * dot(from, light_) / crumb.radius;
      touch = {mix(base, crumb.color * shade, strength_ * cover), cover};
    }
    return touch;
  }

  [[nodiscard]] Touch hole(Vec2 p, Color base, const Surface& surface) const {
    const float depth = patch(p, 0.45f);
    const float cover = surface.cover * coverage(depth, pixel_);
    const float towards_light = dot(p - centre_, light_) / radius_;
    const float rim = smooth_step(0.3f * radius_, 0, depth);
    const Color inside = base * mix(0.06f, 0.2f, smooth_step(0.6f, -0.9f, towards_light));
    const Color edge = base * (towards_light > 0 ? 0.45f : 1.25f);
    return {mix(base, mix(inside, edge, 0.8f * rim), strength_ * cover), cover};
  }

  [[nodiscard]] Touch dent(Vec2 p, Color base, float solid) const {
    const Vec2 q = (p - centre_) * (1 / radius_);
    const float inner = clamp01(1 - dot(q, q) * (1 + 0.25f * noise(q * 1.3f, seed_)));
    const Vec2 slope = q * (-2.6f * std::sqrt(inner) * inner);
    const float shade = 0.75f * dot(slope, light_);  // the wall towards the lamp lies in the shade
    const float shine = (std::max)(dot(normal_of(slope * -1.5f), lamp_.half_way), 0.0f);
    const float gain = 1 + strength_ * (shade - 0.12f * inner);
    const float cover = solid * smooth_step(0.04f, 0.12f, inner);
    return {mix(base, base * gain + gray(0.12f * strength_ * inner * shine * shine), solid), cover};
  }

  [[nodiscard]] Touch burn(Vec2 p, Color base, float solid) const {
    const float depth = patch(p, 0.5f);
    const float cover = solid * smooth_step(-0.06f * radius_, 0.1f * radius_, depth);
    const float heat = smooth_step(0, 0.65f * radius_, depth + 0.15f * radius_ * noise(p * 60, seed_));
    const Color scorched = mix(base * Color{0.62f, 0.42f, 0.24f}, Color{0.06f, 0.05f, 0.045f}, 0.92f * heat);
    return {mix(base, scorched, strength_ * cover), cover};
  }

  [[nodiscard]] Touch tinted(Vec2 p, Color base, float solid) const {
    const bool is_stain = kind_ == DefectKind::stain;
    const float depth = patch(p, is_stain ? 0.6f : 0.25f);
    const float soft = (is_stain ? 0.08f : 0.16f) * radius_;
    const float cover = solid * smooth_step(-soft, soft, depth);
    float amount = cover;
    if (is_stain)  // drying leaves a darker border
      amount *= 0.62f + 0.25f * noise(p * 35, seed_ + 1) + 0.3f * smooth_step(0.35f * radius_, 0, depth);
    const float light = luminance(base);
    const Color dyed = is_stain ? mix(base * paint_, paint_ * light, 0.35f)
                                : mix(base, paint_ * (light / luminance(paint_)), 0.5f);  // another hue, as bright
    return {mix(base, dyed, strength_ * clamp01(amount)), cover};
  }

  DefectKind kind_;
  Vec2 centre_, light_;
  Lamp lamp_;
  float pixel_, strength_ = 1, width_ = 0, radius_ = 0.1f;
  std::uint32_t seed_ = 0;
  Color paint_;
  std::array<Path, 3> paths_{};
  std::size_t path_count_ = 0;
  std::array<Crumb, kMostCrumbs> crumbs_{};
  std::size_t crumb_count_ = 0;
  Circle reach_;
};

}}}  // namespace moeclip::abi_v0_1::synthetic

// SPDX-License-Identifier: MIT
#pragma once
// Shapes as functions of a point, and how a lamp makes them look solid. Every shape is a signed depth: positive inside,
// zero on the outline, negative outside, in the units of the point; depths are antialiased by coverage() and combine by
// min (both) and max (either). Formulas: ../README.md (SYN-4 to SYN-6).

#include <array>
#include <span>

#include "noise.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

/// Share of a sample of side `pixel` that lies inside, for an outline at depth 0. (SYN-4)
constexpr float coverage(float depth, float pixel) { return clamp01(depth / pixel + 0.5f); }

inline float disc(Vec2 p, float radius) { return radius - length(p); }
inline float ring_band(Vec2 p, float radius, float half_width) { return half_width - std::abs(length(p) - radius); }

/// Rectangle of half sides `half`, corners rounded by `radius`.
inline float box(Vec2 p, Vec2 half, float radius = 0) {
  const float x = std::abs(p.x) - half.x + radius, y = std::abs(p.y) - half.y + radius;
  return radius - (std::min)((std::max)(x, y), 0.0f) - length({(std::max)(x, 0.0f), (std::max)(y, 0.0f)});
}

/// Regular polygon of `sides` sides whose flats are `apothem` from the middle.
inline float polygon(Vec2 p, int sides, float apothem) {
  const float step = 6.2831853f / static_cast<float>(sides);
  const float angle = std::atan2(p.y, p.x);
  const float folded = angle - step * std::floor(angle / step + 0.5f);
  return apothem - length(p) * std::cos(folded);
}

/// Number of the sector of a circle, cut into `count`, that q lies in the middle of; and how far from it, in sectors.
struct Sector {
  int number = 0;
  float across = 0;  // [-0.5, 0.5]
};

inline Sector sector_of(Vec2 q, int count) {
  const float turn = std::atan2(q.y, q.x) * (0.15915494f * static_cast<float>(count));
  const int number = floor_int(turn + 0.5f);
  return {number < 0 ? number + count : number, turn - static_cast<float>(number)};
}

/// Where the point of a line segment nearest to p is.
struct Nearest {
  float distance = 1e9f;
  float along = 0;   // 0 at the first end, 1 at the last
  float across = 0;  // signed distance: which side p is on
};

inline Nearest segment(Vec2 p, Vec2 a, Vec2 b) {
  const Vec2 line = b - a, to = p - a;
  const float t = clamp01(dot(to, line) / (std::max)(dot(line, line), 1e-12f));
  const float distance = length(to - line * t);
  return {distance, t, cross(line, to) < 0 ? -distance : distance};
}

/// A line through a few points, built once per picture.
class Path {
 public:
  static constexpr std::size_t kMostPoints = 24;

  void add(Vec2 p) {
    if (size_ < kMostPoints) points_[size_++] = p;
  }
  [[nodiscard]] std::span<const Vec2> points() const { return {points_.data(), size_}; }

  [[nodiscard]] Nearest nearest(Vec2 p) const {
    Nearest best;
    for (std::size_t i = 0; i + 1 < size_; ++i) {
      const Nearest part = segment(p, points_[i], points_[i + 1]);
      if (part.distance >= best.distance) continue;
      best = part;
      best.along = (static_cast<float>(i) + part.along) / static_cast<float>(size_ - 1);
    }
    return best;
  }

 private:
  std::array<Vec2, kMostPoints> points_{};
  std::size_t size_ = 0;
};

struct Vec3 {
  float x = 0, y = 0, z = 1;
};

/// The direction to the light and the direction that mirrors it to the eye, which looks straight down.
struct Lamp {
  Vec3 to_light;
  Vec3 half_way;

  Lamp() = default;
  /// `plane` is the light's unit direction in the picture, `height` the sine of how high it stands.
  Lamp(Vec2 plane, float height) {
    const float flat = std::sqrt(1 - height * height);
    to_light = {plane.x * flat, plane.y * flat, height};
    const float scale = 1 / std::sqrt(2 + 2 * height);
    half_way = {to_light.x * scale, to_light.y * scale, (to_light.z + 1) * scale};
  }
  /// The same lamp as seen from an object turned by `turn`.
  [[nodiscard]] Lamp turned(Vec2 turn) const {
    const auto back = [&](Vec3 v) {
      const Vec2 p = rotate({v.x, v.y}, {turn.x, -turn.y});
      return Vec3{p.x, p.y, v.z};
    };
    Lamp lamp;
    lamp.to_light = back(to_light);
    lamp.half_way = back(half_way);
    return lamp;
  }
};

inline float dot(Vec3 a, Vec3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }

/// Unit normal of a surface that rises by `slope` per unit of way.
inline Vec3 normal_of(Vec2 slope) {
  const float scale = 1 / std::sqrt(1 + dot(slope, slope));
  return {-slope.x * scale, -slope.y * scale, scale};
}

/// Unit normal of a round bar: `t` in [-1, 1] is the place across it, `outward` the unit direction of t = 1.
inline Vec3 round_normal(float t, Vec2 outward) {
  const float side = std::clamp(t, -1.0f, 1.0f);
  return {side * outward.x, side * outward.y, std::sqrt(1 - side * side)};
}

/// How a surface answers to light. (SYN-5)
struct Finish {
  float ambient = 0.4f;  // light that comes from everywhere
  float gloss = 0;       // height of the highlight
  int sharpness = 4;     // its exponent is 2^sharpness
};

inline Color lit(Color base, Vec3 normal, const Lamp& lamp, const Finish& finish) {
  const float flat = finish.ambient + (1 - finish.ambient) * lamp.to_light.z;  // a level surface keeps its colour
  const float diffuse = (std::max)(dot(normal, lamp.to_light), 0.0f);
  float shine = (std::max)(dot(normal, lamp.half_way), 0.0f);
  for (int i = 0; i < finish.sharpness; ++i) shine *= shine;
  return base * ((finish.ambient + (1 - finish.ambient) * diffuse) / flat) + gray(finish.gloss * shine);
}

}}}  // namespace moeclip::abi_v0_1::synthetic

// SPDX-License-Identifier: MIT
#pragma once
// What procedural pictures are made of: points, colours, random draws in a fixed order, and noise that is a function of
// a point of the scene, never of a pixel, so that a scene looks the same at any resolution. The formulas have labels in
// ../README.md (SYN-1 to SYN-3, SYN-7).

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "../../base/rng.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

/// A point or direction; x to the right, y down.
struct Vec2 {
  float x = 0, y = 0;

  friend constexpr Vec2 operator+(Vec2 a, Vec2 b) { return {a.x + b.x, a.y + b.y}; }
  friend constexpr Vec2 operator-(Vec2 a, Vec2 b) { return {a.x - b.x, a.y - b.y}; }
  friend constexpr Vec2 operator*(Vec2 a, float s) { return {a.x * s, a.y * s}; }
};

constexpr float dot(Vec2 a, Vec2 b) { return a.x * b.x + a.y * b.y; }
constexpr float cross(Vec2 a, Vec2 b) { return a.x * b.y - a.y * b.x; }
inline float length(Vec2 a) { return std::sqrt(dot(a, a)); }
inline Vec2 direction(float angle) { return {std::cos(angle), std::sin(angle)}; }
/// `p` turned by the angle of the unit vector `turn`.
constexpr Vec2 rotate(Vec2 p, Vec2 turn) { return {p.x * turn.x - p.y * turn.y, p.x * turn.y + p.y * turn.x}; }

/// Red, green and blue as shown, 0 black to 1 white.
struct Color {
  float r = 0, g = 0, b = 0;

  friend constexpr Color operator+(Color p, Color q) { return {p.r + q.r, p.g + q.g, p.b + q.b}; }
  friend constexpr Color operator*(Color p, Color q) { return {p.r * q.r, p.g * q.g, p.b * q.b}; }
  friend constexpr Color operator*(Color p, float s) { return {p.r * s, p.g * s, p.b * s}; }
};

constexpr Color gray(float v) { return {v, v, v}; }
constexpr float luminance(Color c) { return 0.3f * c.r + 0.59f * c.g + 0.11f * c.b; }
constexpr float mix(float a, float b, float t) { return a + (b - a) * t; }
constexpr Color mix(Color a, Color b, float t) { return {mix(a.r, b.r, t), mix(a.g, b.g, t), mix(a.b, b.b, t)}; }
constexpr float clamp01(float v) { return v < 0 ? 0.0f : v > 1 ? 1.0f : v; }
/// 0 below `a`, 1 above `b`, smooth between; a > b falls instead.
constexpr float smooth_step(float a, float b, float v) {
  const float t = clamp01((v - a) / (b - a));
  return t * t * (3 - 2 * t);
}

/// Random draws one after the other. Each kind of decision has its own stream, so that a defect does not change the
/// scene it lies on. Compilers differ in which operand of an operator, and which argument, they evaluate first: a
/// statement draws once, or in braces.
class Dice {
 public:
  Dice(std::uint64_t seed, std::string_view stream, index_t index) : rng_(seed, stream), next_(index * kDraws) {}

  /// Uniform in [low, high).
  float range(float low, float high) { return mix(low, high, static_cast<float>(rng_.unit(next_++))); }
  /// Integer in [low, high).
  int integer(int low, int high) { return static_cast<int>(rng_.integer(next_++, low, high)); }
  bool chance(float probability) { return static_cast<float>(rng_.unit(next_++)) < probability; }
  float angle() { return range(0, 6.2831853f); }
  template <class T, std::size_t N>
  const T& pick(const std::array<T, N>& choices) {
    return choices[static_cast<std::size_t>(integer(0, static_cast<int>(N)))];
  }
  /// One of `choices`, made brighter or darker.
  template <std::size_t N>
  Color shade(const std::array<Color, N>& choices, float darkest, float brightest) {
    const Color chosen = pick(choices);
    return chosen * range(darkest, brightest);
  }
  float sign() { return chance(0.5f) ? 1.0f : -1.0f; }
  /// 32 bits for the noise functions.
  std::uint32_t seed() { return static_cast<std::uint32_t>(rng_.bits(next_++) >> 32); }

 private:
  static constexpr index_t kDraws = 4096;  // more than any picture takes

  Rng rng_;
  index_t next_;
};

/// Largest integer not above v; std::floor is a function call without SSE4.
inline int floor_int(float v) {
  const int truncated = static_cast<int>(v);
  return truncated - (static_cast<float>(truncated) > v ? 1 : 0);
}

/// 32 random bits of the lattice point (x, y). (SYN-1)
inline std::uint32_t lattice_bits(int x, int y, std::uint32_t seed) {
  std::uint32_t h = static_cast<std::uint32_t>(x) * 0x8DA6B343u + static_cast<std::uint32_t>(y) * 0xD8163841u + seed;
  h = (h ^ (h >> 15)) * 0x2C1B3C6Du;
  h = (h ^ (h >> 12)) * 0x297A2D39u;
  return h ^ (h >> 15);
}

/// The same as a number in [0, 1).
inline float lattice(int x, int y, std::uint32_t seed) {
  return static_cast<float>(lattice_bits(x, y, seed) >> 8) * 0x1p-24f;
}

/// Value noise in [-1, 1] with unit cells: cubic blend of the four corners. (SYN-2)
inline float noise(Vec2 p, std::uint32_t seed) {
  const int x = floor_int(p.x), y = floor_int(p.y);
  float u = p.x - static_cast<float>(x), v = p.y - static_cast<float>(y);
  u = u * u * (3 - 2 * u), v = v * v * (3 - 2 * v);
  const float top = mix(lattice(x, y, seed), lattice(x + 1, y, seed), u);
  const float bottom = mix(lattice(x, y + 1, seed), lattice(x + 1, y + 1, seed), u);
  return 2 * mix(top, bottom, v) - 1;
}

/// The same along a line.
inline float noise(float x, std::uint32_t seed) {
  const int cell = floor_int(x);
  const float u = x - static_cast<float>(cell);
  return 2 * mix(lattice(cell, 0, seed), lattice(cell + 1, 0, seed), u * u * (3 - 2 * u)) - 1;
}

/// Perlin's gradient noise in [-1, 1] with unit cells, 0 at their corners. (SYN-7)
inline float gradient_noise(Vec2 p, std::uint32_t seed) {
  constexpr float kDiagonal = 0.70710678f;
  constexpr std::array<Vec2, 8> kGradients{{{1, 0},
                                            {kDiagonal, kDiagonal},
                                            {0, 1},
                                            {-kDiagonal, kDiagonal},
                                            {-1, 0},
                                            {-kDiagonal, -kDiagonal},
                                            {0, -1},
                                            {kDiagonal, -kDiagonal}}};
  const int x = floor_int(p.x), y = floor_int(p.y);
  const Vec2 from{p.x - static_cast<float>(x), p.y - static_cast<float>(y)};
  const auto slope = [&](int i, int j) {
    const Vec2 corner{static_cast<float>(i), static_cast<float>(j)};
    return dot(kGradients[lattice_bits(x + i, y + j, seed) >> 29], from - corner);
  };
  const auto fade = [](float t) { return t * t * t * (t * (6 * t - 15) + 10); };
  const float u = fade(from.x), v = fade(from.y);
  return 2 * kDiagonal * mix(mix(slope(0, 0), slope(1, 0), u), mix(slope(0, 1), slope(1, 1), u), v);
}

/// Sum of `octaves` of noise, each of half the size and half the height; about [-1, 1]. Octaves finer than twice
/// `pixel` (in the units of p) are left out gradually, because a picture could only show them as aliasing. (SYN-3)
inline float fractal(Vec2 p, std::uint32_t seed, int octaves, float pixel = 0) {
  float sum = 0, height = 0.55f, frequency = 1;
  for (int octave = 0; octave < octaves; ++octave, height *= 0.5f, frequency *= 2) {
    const float shown = clamp01(2 - 2 * pixel * frequency);
    if (shown <= 0) break;
    sum += shown * height * noise(p * frequency, seed + static_cast<std::uint32_t>(octave) * 0x9E3779B9u);
  }
  return sum;
}

/// The nearest of one random point per unit cell, and how much farther the second nearest is.
struct Cell {
  Vec2 from;             // from the nearest point to p
  float distance = 0;    // its length
  float edge = 0;        // about twice the distance to the border between the two cells
  std::uint32_t id = 0;  // random bits of the nearest

  /// A number in [0, 1) of this cell.
  [[nodiscard]] float draw(int shift) const { return static_cast<float>(id >> shift & 255u) * 0x1p-8f; }
};

inline Cell nearest_cell(Vec2 p, std::uint32_t seed, float jitter = 0.8f) {
  const int x = floor_int(p.x), y = floor_int(p.y);
  float first = 9, second = 9;
  Cell cell;
  for (int j = y - 1; j <= y + 1; ++j)
    for (int i = x - 1; i <= x + 1; ++i) {
      const std::uint32_t bits = lattice_bits(i, j, seed);
      const Vec2 centre{static_cast<float>(i) + 0.5f + jitter * (static_cast<float>(bits & 0xFFFF) * 0x1p-16f - 0.5f),
                        static_cast<float>(j) + 0.5f + jitter * (static_cast<float>(bits >> 16) * 0x1p-16f - 0.5f)};
      const float square = dot(p - centre, p - centre);
      if (square < first) {
        second = first, first = square;
        cell.from = p - centre, cell.id = bits;
      } else if (square < second) {
        second = square;
      }
    }
  cell.distance = std::sqrt(first);
  cell.edge = std::sqrt(second) - cell.distance;
  return cell;
}

}}}  // namespace moeclip::abi_v0_1::synthetic

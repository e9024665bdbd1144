// SPDX-License-Identifier: MIT
#pragma once
// Heights of rough surfaces with a spectrum that is known, and their slopes for the lamp. Formulas: ../README.md
// (SYN-8, SYN-9).

#include "shapes.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

/// What an octave of power_noise is to the one before, so that the power along a line falls as 1/f^b. (SYN-8)
inline float power_gain(float b) { return std::exp2(0.5f * (1 - b)); }

/// Sum of `octaves` of gradient noise, each of half the size and `gain` times the height, turned against each other so
/// that no lattice shows; finer ones than `pixel` are left out as in fractal(). (SYN-8)
inline float power_noise(Vec2 p, std::uint32_t seed, int octaves, float gain, float pixel = 0) {
  constexpr Vec2 kTwiceTurned{1.6f, 1.2f};
  float sum = 0, height = 1, frequency = 1;
  for (int octave = 0; octave < octaves; ++octave, height *= gain, frequency *= 2) {
    const float shown = clamp01(2 - 2 * pixel * frequency);
    if (shown <= 0) break;
    sum += shown * height * gradient_noise(p, seed + static_cast<std::uint32_t>(octave) * 0x9E3779B9u);
    p = rotate(p, kTwiceTurned);
  }
  return sum;
}

/// A random field with all its power near one wavelength, of mean 0 and variance 1: a sum of plane waves. Its level
/// sets are labyrinths like those of reaction and diffusion. (SYN-9)
class RingField {
 public:
  static constexpr std::size_t kWaves = 24;

  struct Point {
    float height = 0;
    Vec2 slope;  // per wavelength / 2 pi
  };

  /// The waves run in all directions for `spread` 1, nearly in one for 0.
  RingField(Dice& dice, float wavelength, float spread) : frequency_(1 / wavelength) {
    const float first = dice.angle();
    for (Wave& wave : waves_) {
      const float share = (static_cast<float>(&wave - waves_.data()) + dice.range(0, 1)) / kWaves;
      wave.way = direction(first + 3.1415927f * spread * share) * dice.range(0.93f, 1.07f);
      wave.phase = dice.angle();
    }
  }

  /// Faded where less than two of `pixel` fit into a wave.
  [[nodiscard]] Point at(Vec2 p, float pixel = 0) const {
    Point point;
    const Vec2 q = p * (6.2831853f * frequency_);
    for (const Wave& wave : waves_) {
      const float phase = dot(wave.way, q) + wave.phase;
      point.height += std::cos(phase);
      point.slope = point.slope - wave.way * std::sin(phase);
    }
    const float scale = std::sqrt(2.0f / kWaves) * clamp01(2 - 2 * pixel * frequency_);
    return {point.height * scale, point.slope * scale};
  }

 private:
  struct Wave {
    Vec2 way;
    float phase = 0;
  };

  float frequency_;
  std::array<Wave, kWaves> waves_{};
};

/// Slope at q of the surface that height(q) tells, over `step`.
template <class Height>
Vec2 slope_of(const Height& height, Vec2 q, float step) {
  const float here = height(q);
  return Vec2{height({q.x + step, q.y}) - here, height({q.x, q.y + step}) - here} * (1 / step);
}

}}}  // namespace moeclip::abi_v0_1::synthetic

// SPDX-License-Identifier: MIT
#pragma once
// Where a picture is taken: lamp, exposure, camera noise, what lies under the object, and the turn and size at which
// the object or the material is seen. A scene is the unit square; a sample of a picture covers `pixel` of it.

#include "shapes.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

/// Lamp and camera of one picture. None of what they vary is a defect.
class Stage {
 public:
  /// `sample` is the side of one sample, `picture` that of one pixel, in scene units.
  Stage(Dice& dice, float sample) : pixel(sample) {
    light = direction(dice.angle());
    lamp = Lamp(light, dice.range(0.6f, 0.75f));
    exposure_ = dice.range(0.88f, 1.08f);
    gradient_ = dice.range(0.0f, 0.28f);
    vignette_ = dice.range(0.0f, 0.25f);
    const float warmth = dice.range(-0.035f, 0.035f);
    tint_ = {1 + warmth, 1 + dice.range(-0.012f, 0.012f), 1 - warmth};
    grain_ = dice.range(0.003f, 0.011f);
    grain_seed_ = dice.seed();
  }

  /// What the camera sees of a surface of colour `c` at p.
  [[nodiscard]] Color exposed(Color c, Vec2 p) const {
    const Vec2 from_middle = p - Vec2{0.5f, 0.5f};
    const float gain =
        exposure_ * (1 + gradient_ * dot(from_middle, light)) * (1 - vignette_ * dot(from_middle, from_middle));
    return c * tint_ * gain;
  }

  /// Noise of a pixel, of about unit size and the same for all defects on a scene: a sum of four uniform bytes, nearly
  /// normal.
  [[nodiscard]] Color unit_grain(int x, int y) const {
    const auto draw = [&](std::uint32_t channel) {
      const std::uint32_t bits = lattice_bits(x, y, grain_seed_ + channel);
      const std::uint32_t sum = (bits & 255) + (bits >> 8 & 255) + (bits >> 16 & 255) + (bits >> 24);
      return (static_cast<float>(sum) - 510) * (1 / 147.8f);  // 147.8: standard deviation of the sum
    };
    const float common = 0.7f * draw(0);
    return {common + 0.5f * draw(1), common + 0.5f * draw(2), common + 0.5f * draw(3)};
  }
  /// The noise of the fixed camera's sensor.
  [[nodiscard]] Color with_grain(Color c, int x, int y) const { return c + unit_grain(x, y) * grain_; }

  float pixel;
  Vec2 light;  // unit, towards the lamp
  Lamp lamp;

 private:
  float exposure_, gradient_, vignette_, grain_;
  Color tint_;
  std::uint32_t grain_seed_;
};

/// Turn, size and place of what is looked at.
struct Pose {
  Vec2 centre{0.5f, 0.5f};
  Vec2 turn{1, 0};
  float scale = 1;

  [[nodiscard]] Vec2 to_local(Vec2 p) const { return rotate(p - centre, {turn.x, -turn.y}) * (1 / scale); }
  [[nodiscard]] Vec2 to_scene(Vec2 q) const { return rotate(q * scale, turn) + centre; }
};

/// What objects are laid on for inspection.
class Backdrop {
 public:
  Backdrop() = default;
  explicit Backdrop(Dice& dice) {
    kind_ = static_cast<Kind>(dice.integer(0, 5));
    seed_ = dice.seed();
    turn_ = direction(dice.range(-0.15f, 0.15f));
    const float tone = dice.range(-0.05f, 0.05f);
    switch (kind_) {
      case Kind::table: base_ = gray(0.72f + tone); break;
      case Kind::mat: base_ = Color{0.17f, 0.18f, 0.2f} + gray(0.5f * tone); break;
      case Kind::belt: base_ = mix(Color{0.2f, 0.36f, 0.3f}, Color{0.22f, 0.3f, 0.42f}, dice.range(0, 1)); break;
      case Kind::steel: base_ = Color{0.52f, 0.53f, 0.55f} + gray(tone); break;
      case Kind::paper: base_ = Color{0.88f, 0.87f, 0.83f} + gray(0.6f * tone); break;
    }
  }

  [[nodiscard]] Color at(Vec2 p, float pixel) const {
    const Vec2 q = rotate(p, turn_);
    switch (kind_) {
      case Kind::table: return base_ * (1 + 0.03f * fractal(q * 5, seed_, 2, 5 * pixel));
      case Kind::mat: return base_ * (1 + 0.22f * fractal(q * 70, seed_, 1, 70 * pixel));
      case Kind::belt: {
        const float rib = std::abs(q.y * 14 - std::floor(q.y * 14) - 0.5f);
        return base_ * (0.94f + 0.12f * smooth_step(0.06f, 0.2f, rib)) * (1 + 0.06f * noise(q * 30, seed_));
      }
      case Kind::steel: return base_ * (1 + 0.09f * fractal({q.x * 3, q.y * 60}, seed_, 2, 60 * pixel));
      case Kind::paper: return base_ * (1 + 0.025f * fractal(q * 40, seed_, 2, 40 * pixel));
    }
    return base_;
  }

 private:
  enum class Kind { table, mat, belt, steel, paper };

  Kind kind_ = Kind::table;
  Color base_;
  Vec2 turn_{1, 0};
  std::uint32_t seed_ = 0;
};

/// A point of a scene, before the camera: the object's colour, what is behind it, and how much of the sample it covers.
struct Surface {
  Color ground;
  Color colour;
  float cover = 1;

  [[nodiscard]] Color seen() const { return mix(ground, colour, cover); }
};

/// What the categories get to draw themselves with.
struct Setting {
  Dice& dice;   // the stream of the category's own look
  Lamp lamp;    // as seen from the category's own axes
  float pixel;  // side of a sample in its own units
};

}}}  // namespace moeclip::abi_v0_1::synthetic

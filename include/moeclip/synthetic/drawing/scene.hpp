// SPDX-License-Identifier: MIT
#pragma once
// A category on its stage. A category is a class with
//     static constexpr std::string_view kName; bool kIsTexture; DefectSet kDefects;
//     explicit Category(const Setting&);
//     Color colour(Vec2 q, float depth) const;      in its own axes: objects fill about [-1,1]^2, materials are endless
//     float depth(Vec2 q) const;                    where it is solid (without it: everywhere)
//     Color tone() const;                           its prevailing colour
//     void remove_part(Dice&, float severity); void spoil_print(Dice&, float severity);     if these defects exist
// and the scene adds pose, background, shadow and the changes of form that any category can suffer.

#include "../kinds.hpp"
#include "stage.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

/// A change of form in the category's own axes: what is seen at q is what was at q - displacement.
struct Warp {
  enum class Kind { none, bulge, tip };
  Kind kind = Kind::none;
  Vec2 centre, shift{0, 0};
  Vec2 axis{1, 0};
  float radius = 1;

  [[nodiscard]] Vec2 undo(Vec2 q) const {
    if (kind == Kind::none) return q;
    const Vec2 from = q - centre;
    if (kind == Kind::bulge) {
      const float fall = clamp01(1 - dot(from, from) / (radius * radius));
      return q - shift * (fall * fall);
    }
    const float beyond = (std::max)(dot(from, axis), 0.0f) / radius;
    return q - shift * (beyond * beyond / (0.35f + beyond));
  }
};

/// A piece broken out of the outline.
struct Bite {
  Vec2 centre;
  float radius = 0;
  std::uint32_t seed = 0;

  [[nodiscard]] float depth(Vec2 q) const {
    if (radius <= 0) return -1e9f;
    const Vec2 from = q - centre;
    return radius * (1 + 0.3f * noise(from * (3 / radius), seed)) - length(from);
  }
};

/// Normal of an edge rounded over `width`, for a shape of which depth(q) is known; level further inside.
template <class Shape>
Vec3 edge_normal(const Shape& shape, Vec2 q, float depth, float width) {
  if (depth >= width) return {};
  constexpr float kStep = 0.004f;
  const float here = shape.depth(q);
  const Vec2 inward{(shape.depth({q.x + kStep, q.y}) - here) / kStep, (shape.depth({q.x, q.y + kStep}) - here) / kStep};
  const float t = clamp01(1 - depth / width);
  return normal_of(inward * (1.2f * t));
}

template <class Category>
class Scene {
 public:
  Scene(Dice& dice, const Stage& stage)
      : stage_(stage),
        pose_(draw_pose(dice)),
        backdrop_(draw_backdrop(dice)),
        mark_(dice),
        category_(Setting{dice, stage.lamp.turned(pose_.turn), stage.pixel / pose_.scale}) {}

  /// Signed depth in scene units; 1 everywhere if the category has no outline.
  [[nodiscard]] float depth(Vec2 p) const { return depth_local(warp_.undo(pose_.to_local(p))) * pose_.scale; }

  [[nodiscard]] Surface at(Vec2 p) const {
    Surface surface;
    const Vec2 q = warp_.undo(pose_.to_local(p));
    float depth = 1;
    if constexpr (kHasOutline) {
      depth = depth_local(q);
      surface.cover = coverage(depth * pose_.scale, stage_.pixel);
      if (surface.cover < 1) surface.ground = ground(p);
    }
    if (surface.cover > 0) surface.colour = category_.colour(q, depth);
    if constexpr (Category::kIsTexture) surface.colour = mark_.on(surface.colour, p, stage_.pixel);
    return surface;
  }

  /// What would be seen at p without the object, its shadow included.
  [[nodiscard]] Color ground(Vec2 p) const {
    Color color = backdrop_.at(p, stage_.pixel);
    if constexpr (!Category::kIsTexture) color = mark_.on(color, p, stage_.pixel);
    const float close = depth(p + stage_.light * (0.35f * kShadow)), apart = depth(p + stage_.light * kShadow);
    const float shadow =
        0.5f * smooth_step(-kShadow, kShadow, apart) + 0.35f * smooth_step(-0.4f * kShadow, 0.2f * kShadow, close);
    return color * (1 - 0.75f * shadow);
  }

  [[nodiscard]] const Pose& pose() const { return pose_; }
  [[nodiscard]] Color tone() const { return category_.tone(); }

  /// Changes the form (or the print) as the defect `kind` does. Returns the circle outside of which nothing changes.
  Circle deform(DefectKind kind, Dice& dice, float severity) {
    switch (kind) {
      case DefectKind::bend: return bend(dice, severity);
      case DefectKind::missing_part: return remove_part(dice, severity);
      case DefectKind::print_fault:
        if constexpr (requires { category_.spoil_print(dice, severity); }) category_.spoil_print(dice, severity);
        break;
      default: break;
    }
    return {{0.5f, 0.5f}, 1};
  }

 private:
  static constexpr bool kHasOutline = requires(const Category& category, Vec2 q) { category.depth(q); };
  static constexpr float kShadow = 0.035f;  // how far the shadow falls

  /// A mark that inspectors leave on good and bad parts alike: a round paper dot, seldom.
  class Mark {
   public:
    explicit Mark(Dice& dice) {
      is_there_ = dice.chance(0.12f);
      centre_ = {dice.chance(0.5f) ? dice.range(0.06f, 0.12f) : dice.range(0.88f, 0.94f), dice.range(0.06f, 0.94f)};
      color_ = dice.chance(0.5f) ? Color{0.2f, 0.55f, 0.35f} : Color{0.9f, 0.8f, 0.25f};
    }
    [[nodiscard]] Color on(Color below, Vec2 p, float pixel) const {
      return is_there_ ? mix(below, color_, 0.9f * coverage(disc(p - centre_, 0.025f), pixel)) : below;
    }

   private:
    bool is_there_;
    Vec2 centre_;
    Color color_;
  };

  static Pose draw_pose(Dice& dice) {
    Pose pose;
    if (Category::kIsTexture) {
      pose.turn = direction(dice.range(-0.12f, 0.12f));
      pose.scale = dice.range(0.85f, 1.15f);
      pose.centre = {dice.range(0.3f, 0.7f), dice.range(0.3f, 0.7f)};
    } else {
      pose.turn = direction(dice.chance(0.7f) ? dice.range(-0.35f, 0.35f) : dice.angle());
      pose.scale = dice.range(0.36f, 0.43f);
      pose.centre = {dice.range(0.47f, 0.53f), dice.range(0.47f, 0.53f)};
    }
    return pose;
  }

  static Backdrop draw_backdrop(Dice& dice) {
    if constexpr (kHasOutline) return Backdrop(dice);
    return {};
  }

  [[nodiscard]] float depth_local(Vec2 q) const {
    if constexpr (kHasOutline) return (std::min)(category_.depth(q), -bite_.depth(q));
    return 1;
  }

  Circle bend(Dice& dice, float severity) {
    warp_.centre = Category::kIsTexture ? Vec2{dice.range(-0.2f, 0.2f), dice.range(-0.2f, 0.2f)} : Vec2{};
    if constexpr (Category::kIsTexture) {
      warp_.kind = Warp::Kind::bulge;
      warp_.radius = mix(0.12f, 0.24f, severity) * dice.range(0.85f, 1.15f);
      warp_.shift = direction(dice.angle()) * (warp_.radius * mix(0.08f, 0.42f, severity));
      return {pose_.to_scene(warp_.centre), (warp_.radius + length(warp_.shift)) * pose_.scale};
    }
    warp_.kind = Warp::Kind::tip;
    warp_.axis = {dice.sign(), 0};
    warp_.centre = warp_.axis * dice.range(-0.1f, 0.35f);
    warp_.shift = Vec2{0, dice.sign() * mix(0.05f, 0.55f, severity)};
    return {{0.5f, 0.5f}, 1};
  }

  Circle remove_part(Dice& dice, float severity) {
    if constexpr (requires { category_.remove_part(dice, severity); }) {
      category_.remove_part(dice, severity);
      return {{0.5f, 0.5f}, 1};
    }
    const Vec2 ray = direction(dice.angle());
    float way = 1.5f;
    while (way > 0 && depth_local(ray * way) < 0) way -= 0.01f;
    bite_ = {ray * way, mix(0.1f, 0.34f, severity) * dice.range(0.85f, 1.15f), dice.seed()};
    return {pose_.to_scene(bite_.centre), 1.4f * bite_.radius * pose_.scale + 3 * kShadow};
  }

  Stage stage_;
  Pose pose_;
  Backdrop backdrop_;
  Mark mark_;
  Category category_;
  Warp warp_;
  Bite bite_;
};

}}}  // namespace moeclip::abi_v0_1::synthetic

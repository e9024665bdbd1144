// SPDX-License-Identifier: MIT
#pragma once
// Long things: capsule, screw, battery, fuse, spring. In their own axes they lie along x in [-1, 1].
// (scene.hpp says what a category is.)

#include "print.hpp"
#include "scene.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

/// A two-coloured medicine capsule with a printed code.
class Capsule {
 public:
  static constexpr std::string_view kName = "capsule";
  static constexpr bool kIsTexture = false;
  static constexpr DefectSet kDefects =
      kSurfaceDefects | defects(DefectKind::crack, DefectKind::dent, DefectKind::print_fault, DefectKind::missing_part);

  explicit Capsule(const Setting& setting) : lamp_(setting.lamp) {
    Dice& dice = setting.dice;
    constexpr std::array<Color, 6> kGelatine{{{0.86f, 0.3f, 0.24f},
                                              {0.93f, 0.82f, 0.35f},
                                              {0.3f, 0.5f, 0.78f},
                                              {0.35f, 0.62f, 0.42f},
                                              {0.92f, 0.55f, 0.24f},
                                              {0.5f, 0.34f, 0.6f}}};
    cap_ = dice.pick(kGelatine);
    body_ = dice.chance(0.6f) ? Color{0.93f, 0.91f, 0.86f} : dice.pick(kGelatine);
    radius_ = dice.range(0.34f, 0.42f);
    seam_ = dice.range(-0.02f, 0.12f);
    print_ = Print(dice, 3, 0.24f);
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return mix(cap_, body_, 0.5f); }

  [[nodiscard]] float depth(Vec2 q) const {
    const float radius = q.x > seam_ ? radius_ : 0.965f * radius_;  // the cap slides over the body
    return radius - segment(q, {radius_ - 0.97f, 0}, {0.97f - radius_, 0}).distance;
  }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    Color base = q.x > seam_ ? cap_ : body_;
    const float end = (std::max)(std::abs(q.x) - 0.97f + radius_, 0.0f) * (q.x < 0 ? -1.0f : 1.0f);
    const Vec2 from_axis{end / radius_, q.y / radius_};
    const float t = length(from_axis);
    const Vec2 outward = t > 1e-5f ? from_axis * (1 / t) : Vec2{0, 1};
    const float ink = print_.ink({q.x - seam_ - 0.36f, q.y});
    base = mix(base, gray(0.15f), 0.8f * ink) * (1 + 0.03f * noise(q * 6, seed_));
    base = base * (1 - 0.3f * smooth_step(0.025f, 0, std::abs(q.x - seam_)));
    return lit(base, round_normal(0.96f * t, outward), lamp_, {0.42f, 0.55f, 5});
  }

  void spoil_print(Dice& dice, float severity) { print_.spoil(dice, severity); }

 private:
  Lamp lamp_;
  Color cap_, body_;
  float radius_, seam_;
  Print print_;
  std::uint32_t seed_;
};

/// A wood screw or machine screw, seen from the side.
class Screw {
 public:
  static constexpr std::string_view kName = "screw";
  static constexpr bool kIsTexture = false;
  static constexpr DefectSet kDefects =
      kSurfaceDefects | defects(DefectKind::crack, DefectKind::bend, DefectKind::missing_part);

  explicit Screw(const Setting& setting) : lamp_(setting.lamp) {
    Dice& dice = setting.dice;
    constexpr std::array<Color, 4> kMetals{
        {{0.66f, 0.67f, 0.69f}, {0.74f, 0.62f, 0.36f}, {0.3f, 0.31f, 0.34f}, {0.7f, 0.68f, 0.62f}}};
    metal_ = dice.shade(kMetals, 0.92f, 1.08f);
    core_ = dice.range(0.13f, 0.17f);
    thread_ = dice.range(0.05f, 0.075f);
    turns_ = dice.range(8, 12);
    head_ = dice.range(0.36f, 0.44f);
    shank_ = dice.range(-0.52f, -0.2f);
    is_countersunk_ = dice.chance(0.5f);
    has_point_ = dice.chance(0.7f);
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return metal_; }

  [[nodiscard]] float depth(Vec2 q) const {
    const float body = (std::min)(0.85f * (half_width(q) - std::abs(q.y)), (std::min)(q.x + 0.96f, end_ - q.x));
    return body;
  }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    const float half = half_width(q);
    Vec3 normal = round_normal(0.97f * q.y / (std::max)(half, 1e-3f), {0, 1});
    float shade = 1 + 0.05f * noise(Vec2{q.x * 8, q.y * 26}, seed_);
    if (q.x < kNeck) {
      const float rim = smooth_step(-0.9f, -0.96f, q.x);
      normal = round_normal(0.9f * q.y / half, {0, 1});
      normal.x -= 0.5f * rim;
      shade -= 0.25f * smooth_step(0.02f, 0, std::abs(q.x - kNeck));
    } else if (q.x > shank_) {
      const float phase = thread_phase(q);
      const float flank = phase < 0.5f ? -1.0f : 1.0f;
      normal.x += 0.26f * flank * thread_height(q);
      shade -= 0.4f * (1 - thread_wave(phase)) * thread_height(q);
    }
    return lit(metal_ * shade, normal, lamp_, {0.34f, 0.5f, 4});
  }

  /// The tip has broken off.
  void remove_part(Dice& dice, float severity) { end_ = 0.97f - mix(0.12f, 0.75f, severity) * dice.range(0.85f, 1); }

 private:
  static constexpr float kNeck = -0.68f;

  [[nodiscard]] float thread_phase(Vec2 q) const {
    const float turn = (q.x + 0.1f * q.y / core_) * 1.15f * turns_;
    return turn - std::floor(turn);
  }
  static float thread_wave(float phase) { return 1 - std::abs(2 * phase - 1); }
  [[nodiscard]] float thread_height(Vec2 q) const { return smooth_step(shank_, shank_ + 0.06f, q.x); }

  [[nodiscard]] float half_width(Vec2 q) const {
    if (q.x < kNeck) {
      const float t = clamp01((q.x + 0.96f) / (kNeck + 0.96f));  // 0 at the top of the head
      return is_countersunk_ ? mix(head_, core_, t * t * 0.9f)
                             : head_ * std::sqrt((std::max)(1 - (1 - t) * (1 - t) * 0.75f, 0.0f));
    }
    const float taper = has_point_ ? clamp01((0.97f - q.x) / 0.3f) : clamp01((0.97f - q.x) / 0.05f + 0.75f);
    const float thread = thread_ * thread_height(q) * (thread_wave(thread_phase(q)) - 0.35f);
    return (core_ + thread) * (std::min)(taper * (has_point_ ? 1 : 1.05f), 1.0f) + 0.002f;
  }

  Lamp lamp_;
  Color metal_;
  float core_, thread_, turns_, head_, shank_;
  bool is_countersunk_, has_point_;
  std::uint32_t seed_;
  float end_ = 0.97f;
};

/// A round cell with a printed wrap.
class Battery {
 public:
  static constexpr std::string_view kName = "battery";
  static constexpr bool kIsTexture = false;
  static constexpr DefectSet kDefects =
      kSurfaceDefects | defects(DefectKind::dent, DefectKind::missing_part, DefectKind::print_fault);

  explicit Battery(const Setting& setting) : lamp_(setting.lamp) {
    Dice& dice = setting.dice;
    constexpr std::array<Color, 5> kWraps{{{0.16f, 0.17f, 0.19f},
                                           {0.16f, 0.3f, 0.55f},
                                           {0.6f, 0.15f, 0.14f},
                                           {0.2f, 0.42f, 0.28f},
                                           {0.82f, 0.82f, 0.8f}}};
    wrap_ = dice.pick(kWraps);
    band_ = dice.chance(0.5f) ? Color{0.78f, 0.58f, 0.32f} : Color{0.85f, 0.72f, 0.25f};
    ink_ = luminance(wrap_) > 0.5f ? gray(0.12f) : gray(0.92f);
    half_ = dice.range(0.3f, 0.38f);
    band_from_ = dice.range(0.36f, 0.5f);
    print_ = Print(dice, 4, 0.26f);
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return wrap_; }

  [[nodiscard]] float depth(Vec2 q) const {
    const float body = box(q - Vec2{-0.04f, 0}, {0.88f, half_}, 0.035f);
    return (std::max)(body, box(q - Vec2{0.84f, 0}, {0.12f - nub_, 0.12f}, 0.03f));
  }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    const bool is_nub = q.x > 0.84f;
    const float t = q.y / (is_nub ? 0.125f : half_);
    const bool is_metal = q.x > 0.79f || q.x < -0.89f;
    Color base = is_metal ? gray(0.68f) : q.x > band_from_ ? band_ : wrap_;
    if (!is_metal) base = mix(base, ink_, 0.9f * ink(q));
    const float seam = smooth_step(0.014f, 0, (std::min)(std::abs(q.x - 0.79f), std::abs(q.x + 0.89f)));
    const float streak = 1 + 0.02f * noise(Vec2{q.x * 9, q.y * 40}, seed_) - 0.3f * seam;
    return lit(base * streak, round_normal(0.95f * t, {0, 1}), lamp_, {0.34f, is_metal ? 0.5f : 0.4f, 4});
  }

  /// The contact of the positive pole is missing or too short.
  void remove_part(Dice&, float severity) { nub_ = mix(0.04f, 0.11f, severity); }
  void spoil_print(Dice& dice, float severity) { print_.spoil(dice, severity); }

 private:
  [[nodiscard]] float ink(Vec2 q) const {
    const Vec2 sign{q.x - 0.64f, q.y};  // a plus at its pole
    const float plus = (std::max)(box(sign, {0.075f, 0.018f}), box(sign, {0.018f, 0.075f}));
    const float stripe = 0.012f - std::abs(q.x + 0.76f);
    const float drawn = (std::max)(plus, stripe) > 0 ? 1.0f : 0.0f;
    return (std::max)(drawn, print_.ink(q + Vec2{0.2f, 0}));
  }

  Lamp lamp_;
  Color wrap_, band_, ink_;
  float half_, band_from_;
  Print print_;
  std::uint32_t seed_;
  float nub_ = 0;
};

/// A glass fuse.
class Fuse {
 public:
  static constexpr std::string_view kName = "fuse";
  static constexpr bool kIsTexture = false;
  static constexpr DefectSet kDefects = kSurfaceDefects | defects(DefectKind::crack, DefectKind::missing_part);

  explicit Fuse(const Setting& setting) : lamp_(setting.lamp), pixel_(setting.pixel) {
    Dice& dice = setting.dice;
    half_ = dice.range(0.24f, 0.29f);
    cap_ = dice.range(0.52f, 0.6f);
    metal_ = dice.chance(0.7f) ? Color{0.68f, 0.69f, 0.7f} : Color{0.78f, 0.66f, 0.4f};
    glass_ = Color{0.78f, 0.82f, 0.8f} * dice.range(0.85f, 1.02f);
    sag_ = dice.range(-0.05f, 0.05f);
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return {0.7f, 0.72f, 0.72f}; }
  [[nodiscard]] float depth(Vec2 q) const {
    return box(q, {0.95f, std::abs(q.x) > cap_ ? half_ : 0.93f * half_}, 0.03f);
  }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    const float t = q.y / half_;
    if (std::abs(q.x) > cap_) {
      const float crimp = smooth_step(0.02f, 0, std::abs(std::abs(q.x) - cap_ - 0.07f));
      const float shade = 1 - 0.22f * crimp + 0.04f * noise(Vec2{q.x * 6, q.y * 40}, seed_);
      return lit(metal_ * shade, round_normal(0.96f * t, {0, 1}), lamp_, {0.34f, 0.5f, 4});
    }
    const Color inside = glass_ * (0.92f - 0.28f * t * t * t * t);
    const float bow = sag_ * (1 - q.x * q.x / (cap_ * cap_));
    float wire = coverage(0.02f - std::abs(q.y - bow), pixel_);
    if (std::abs(q.x - gap_at_) < gap_) wire = 0;
    const Color behind = mix(inside, gray(0.36f), 0.9f * wire);
    const float bead = smooth_step(0.075f, 0.05f, length({std::abs(q.x) - cap_ + 0.02f, q.y - bow}));
    const float stripe =
        smooth_step(0.13f, 0.04f, std::abs(t - 0.62f * lamp_.to_light.y)) * 0.3f;  // the lamp in the glass
    return mix(behind, gray(0.55f), 0.8f * bead) + gray(stripe);
  }

  /// The wire has a gap: the fuse has blown.
  void remove_part(Dice& dice, float severity) {
    gap_at_ = dice.range(-0.2f, 0.2f);
    gap_ = mix(0.04f, 0.45f, severity);
  }

 private:
  Lamp lamp_;
  float pixel_, half_, cap_, sag_;
  Color metal_, glass_;
  std::uint32_t seed_;
  float gap_at_ = 0, gap_ = 0;
};

/// A coil spring, seen from the side.
class Spring {
 public:
  static constexpr std::string_view kName = "spring";
  static constexpr bool kIsTexture = false;
  static constexpr DefectSet kDefects =
      defects(DefectKind::stain, DefectKind::bend, DefectKind::missing_part, DefectKind::colour_shift,
              DefectKind::contamination, DefectKind::foreign_thread, DefectKind::burn);

  explicit Spring(const Setting& setting) : lamp_(setting.lamp) {
    Dice& dice = setting.dice;
    turns_ = dice.range(6.5f, 10);
    half_ = dice.range(0.3f, 0.4f);
    wire_ = dice.range(0.045f, 0.06f);
    metal_ = dice.chance(0.75f) ? Color{0.6f, 0.61f, 0.64f} : Color{0.68f, 0.55f, 0.36f};
    seed_ = dice.seed();
  }

  [[nodiscard]] Color tone() const { return metal_; }
  [[nodiscard]] float depth(Vec2 q) const { return (std::max)(front(q).depth, back(q).depth); }

  [[nodiscard]] Color colour(Vec2 q, float) const {
    const Strand fore = front(q), rear = back(q);
    const bool is_front = fore.depth > 0 || fore.depth > rear.depth;
    const Strand& strand = is_front ? fore : rear;
    const Vec3 normal = round_normal(strand.across, {0.96f, strand.lean});
    const float round = 1 - 0.35f * (q.y * q.y) / (half_ * half_);
    return lit(metal_ * ((is_front ? round : 0.5f * round) * (1 + 0.05f * noise(q * 20, seed_))), normal, lamp_,
               {0.34f, 0.45f, 4});
  }

  /// Coils at one end are missing.
  void remove_part(Dice& dice, float severity) {
    const float cut = mix(0.15f, 0.7f, severity);
    if (dice.chance(0.5f))
      last_ -= cut;
    else
      first_ += cut;
  }

 private:
  struct Strand {
    float depth = -1;  // inside the wire
    float across = 0;  // [-1, 1]
    float lean = 0;
  };

  /// The nearest of the parallel half turns x = (k + offset) pitch + lean y.
  [[nodiscard]] Strand half_turns(Vec2 q, float offset, float lean) const {
    const float pitch = 1.8f / turns_;
    const float x = q.x - lean * pitch * 0.25f * q.y / half_;
    const float k = std::floor(x / pitch - offset + 0.5f);
    const float from = x - (k + offset) * pitch;
    const float ends = (std::min)(x - first_, last_ - x);
    const float depth = (std::min)({wire_ - std::abs(from) * 0.96f, half_ - std::abs(q.y), ends});
    return {depth, std::clamp(from / wire_, -1.0f, 1.0f), -0.2f * lean};
  }
  [[nodiscard]] Strand front(Vec2 q) const { return half_turns(q, 0, 1); }
  [[nodiscard]] Strand back(Vec2 q) const { return half_turns(q, 0.5f, -1); }

  Lamp lamp_;
  float turns_, half_, wire_;
  Color metal_;
  std::uint32_t seed_;
  float first_ = -0.93f, last_ = 0.93f;
};

}}}  // namespace moeclip::abi_v0_1::synthetic

// SPDX-License-Identifier: MIT
#pragma once
// Flaws that are drawn onto a picture of which nothing is known but its pixels: parts of it pasted elsewhere (CutPaste,
// Li et al. 2021), another texture under a mask of Perlin noise (DRAEM, Zavrtanik et al. 2021), and the blemishes of
// drawn scenes. What is drawn is kept where it can be seen, and the mask is where the pixels differ. (FLAW-1 to FLAW-4)

#include "../../base/function_ref.hpp"
#include "../../image/image.hpp"
#include "defects.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

/// A picture before and after. Lengths are in units of its longer side; the corner at the top left is (0, 0).
class FlawCanvas {
 public:
  /// Draws on `after`, a copy of `before`; both are RGB and outlive the canvas.
  FlawCanvas(const Image& before, Image& after)
      : pixel(1 / static_cast<float>((std::max)(before.width(), before.height()))),
        extent{pixel * static_cast<float>(before.width()), pixel * static_cast<float>(before.height())},
        before_(before),
        after_(after) {}

  /// The colour that was at p, between pixels by linear interpolation, beyond the border that of the border.
  [[nodiscard]] Color before(Vec2 p) const {
    const float x = p.x / pixel - 0.5f, y = p.y / pixel - 0.5f;
    const int i = floor_int(x), j = floor_int(y);
    const float u = x - static_cast<float>(i), v = y - static_cast<float>(j);
    return mix(mix(color_of(before_, i, j), color_of(before_, i + 1, j), u),
               mix(color_of(before_, i, j + 1), color_of(before_, i + 1, j + 1), u), v);
  }

  /// Colours the pixels whose middle lies in the circle: paint(p, what was there) is what is there now.
  template <class Paint>
  void paint(Circle where, Paint&& paint) {
    const auto bound = [&](float value, index_t most) {
      return std::clamp<index_t>(static_cast<index_t>(std::floor(value / pixel)), 0, most);
    };
    const index_t bottom = bound(where.centre.y + where.radius + pixel, before_.height()),
                  right = bound(where.centre.x + where.radius + pixel, before_.width());
    for (index_t y = bound(where.centre.y - where.radius, before_.height()); y < bottom; ++y)
      for (index_t x = bound(where.centre.x - where.radius, before_.width()); x < right; ++x) {
        const Vec2 p{(static_cast<float>(x) + 0.5f) * pixel, (static_cast<float>(y) + 0.5f) * pixel};
        if (dot(p - where.centre, p - where.centre) > where.radius * where.radius) continue;
        const Color now = paint(p, color_of(before_, static_cast<int>(x), static_cast<int>(y)));
        std::uint8_t* const out = after_.row(y) + 3 * x;
        out[0] = byte(now.r), out[1] = byte(now.g), out[2] = byte(now.b);
      }
  }

  /// A circle around the whole picture.
  [[nodiscard]] Circle everywhere() const { return {extent * 0.5f, 0.5f * length(extent) + pixel}; }

  /// Colour of pixel (x, y), or of the nearest one if it lies outside.
  static Color color_of(const Image& picture, int x, int y) {
    const std::uint8_t* const at = picture.row(std::clamp<index_t>(y, 0, picture.height() - 1)) +
                                   3 * std::clamp<index_t>(x, 0, picture.width() - 1);
    constexpr float kByte = 1 / 255.0f;
    return {kByte * at[0], kByte * at[1], kByte * at[2]};
  }

  const float pixel;  // side of one
  const Vec2 extent;  // of the picture

 private:
  static std::uint8_t byte(float v) { return static_cast<std::uint8_t>(clamp01(v) * 255 + 0.5f); }

  const Image& before_;
  Image& after_;
};

/// A change of all colours: gain, then offset, per channel.
struct Jitter {
  Color gain{1, 1, 1}, offset{};

  Jitter() = default;
  Jitter(Dice& dice, float strength) {
    const auto draw = [&] { return dice.range(-strength, strength); };
    const float contrast = 1 + draw(), brightness = draw();
    gain = Color{contrast + draw(), contrast + draw(), contrast + draw()};
    offset = gray(0.5f * (1 - contrast) + brightness);  // contrast is about the middle of the scale
  }

  [[nodiscard]] Color operator()(Color c) const { return c * gain + offset; }
};

/// A rectangle of the picture, or a thin scar, recoloured and pasted elsewhere, half of the rectangles and all scars
/// turned. Sizes, proportions and jitter are those of the paper. (FLAW-1)
inline void cut_and_paste(FlawCanvas& canvas, Dice& dice, bool is_scar) {
  Vec2 half;
  if (is_scar) {
    half.x = dice.range(2, 16) / 512;  // of a picture of 256 pixels
    half.y = dice.range(10, 25) / 512;
  } else {
    const bool is_high = dice.chance(0.5f);
    const float area = dice.range(0.02f, 0.15f) * canvas.extent.x * canvas.extent.y;
    const float proportion = is_high ? dice.range(0.3f, 1) : dice.range(1, 3.3f);
    half.x = 0.5f * std::sqrt(area * proportion);
    half.y = 0.5f * std::sqrt(area / proportion);
  }
  const bool is_turned = is_scar || dice.chance(0.5f);
  const float angle = dice.range(-0.785f, 0.785f);  // 45 degrees
  const Vec2 turn = is_turned ? direction(angle) : Vec2{1, 0};
  const auto place = [&](float room, float side) {
    const float low = (std::min)(side, 0.5f * room);
    return dice.range(low, room - low);
  };
  Vec2 from, to;
  from.x = place(canvas.extent.x, half.x);
  from.y = place(canvas.extent.y, half.y);
  to.x = dice.range(0, canvas.extent.x);
  to.y = dice.range(0, canvas.extent.y);
  if (!is_turned) {  // whole pixels, so that the copy is one
    const Vec2 way = from - to;
    from = to + Vec2{canvas.pixel * std::floor(way.x / canvas.pixel), canvas.pixel * std::floor(way.y / canvas.pixel)};
  }
  const Jitter jitter(dice, 0.1f);
  canvas.paint({to, length(half)}, [&](Vec2 p, Color was) {
    const Vec2 q = rotate(p - to, {turn.x, -turn.y});
    const bool is_inside = std::abs(q.x) <= half.x && std::abs(q.y) <= half.y;
    return is_inside ? jitter(canvas.before(from + q)) : was;
  });
}

/// A texture without end: a picture, moved, mirrored, turned and recoloured, or noise in two colours. (FLAW-3)
class FlawTexture {
 public:
  /// Of `picture`, which outlives the texture.
  FlawTexture(const Image& picture, Dice& dice) : picture_(&picture), jitter_(dice, 0.3f) {
    shift_.x = dice.range(0, static_cast<float>(picture.width()));
    shift_.y = dice.range(0, static_cast<float>(picture.height()));
    is_mirrored_ = dice.chance(0.5f);
    is_turned_ = dice.chance(0.5f);
    is_inverted_ = dice.chance(0.2f);
  }

  /// Drawn.
  explicit FlawTexture(Dice& dice) {
    for (Color& color : colors_) {
      const float light = dice.range(0, 1);
      color = {light + dice.range(-0.2f, 0.2f), 0, 0};
      color.g = light + dice.range(-0.2f, 0.2f);
      color.b = light + dice.range(-0.2f, 0.2f);
    }
    const float scale = std::exp2(dice.range(2, 6));
    const float stretch = std::exp2(dice.range(-2, 2));
    turn_ = direction(dice.angle());
    shift_ = {scale * stretch, scale / stretch};
    seed_ = dice.seed();
    is_cellular_ = dice.chance(0.3f);
  }

  /// Its colour at p of a picture whose pixels have the side `pixel`.
  [[nodiscard]] Color at(Vec2 p, float pixel) const {
    return picture_ != nullptr ? of_picture(p * (1 / pixel)) : drawn(p, pixel);
  }

 private:
  [[nodiscard]] Color of_picture(Vec2 p) const {
    if (is_turned_) p = {p.y, p.x};
    if (is_mirrored_) p.x = -p.x;
    const auto inside = [](float v, index_t size) {  // the picture again and again
      const auto side = static_cast<int>(size);
      const int rest = floor_int(v) % side;
      return rest < 0 ? rest + side : rest;
    };
    Color c = FlawCanvas::color_of(*picture_, inside(p.x + shift_.x, picture_->width()),
                                   inside(p.y + shift_.y, picture_->height()));
    if (is_inverted_) c = Color{1 - c.r, 1 - c.g, 1 - c.b};
    return jitter_(c);
  }

  [[nodiscard]] Color drawn(Vec2 p, float pixel) const {
    const Vec2 turned = rotate(p, turn_), q{turned.x * shift_.x, turned.y * shift_.y};
    const float t = is_cellular_ ? smooth_step(0, 0.25f, nearest_cell(q, seed_).edge)
                                 : 0.5f + 0.9f * fractal(q, seed_, 4, pixel * (std::max)(shift_.x, shift_.y));
    return mix(colors_[0], colors_[1], clamp01(t));
  }

  const Image* picture_ = nullptr;
  Vec2 shift_, turn_{1, 0};  // of a picture, in its pixels; of noise, how much finer than the picture's side
  bool is_mirrored_ = false, is_turned_ = false, is_inverted_ = false, is_cellular_ = false;
  Jitter jitter_;
  std::array<Color, 2> colors_{};
  std::uint32_t seed_ = 0;
};

/// `texture` where Perlin's noise is above a threshold, mixed with what was there. Frequencies, threshold and opacity
/// are those of the paper. (FLAW-2)
inline void mix_texture(FlawCanvas& canvas, Dice& dice, const FlawTexture& texture) {
  constexpr float kThreshold = 0.5f;
  const auto across = static_cast<float>(1 << dice.integer(0, 6));
  const auto down = static_cast<float>(1 << dice.integer(0, 6));
  const Vec2 turn = direction(dice.angle());
  Vec2 shift;
  shift.x = dice.range(0, 64);
  shift.y = dice.range(0, 64);
  const std::uint32_t seed = dice.seed();
  const float opacity = dice.range(0.1f, 1);
  canvas.paint(canvas.everywhere(), [&](Vec2 p, Color was) {
    const Vec2 q = rotate(p, turn);
    const bool is_inside = gradient_noise(Vec2{across * q.x, down * q.y} + shift, seed) > kThreshold;
    return is_inside ? mix(was, texture.at(p, canvas.pixel), opacity) : was;
  });
}

/// A defect as drawn scenes have them (defects.hpp), on any place of the picture.
inline void draw_blemish(FlawCanvas& canvas, Dice& dice, DefectKind kind, float severity) {
  const Stage stage(dice, canvas.pixel);
  Place place;
  place.centre.x = dice.range(0.08f, 0.92f) * canvas.extent.x;
  place.centre.y = dice.range(0.08f, 0.92f) * canvas.extent.y;
  Color tone;
  constexpr int kSamples = 8;  // a side: the colour around the place, not that of a single grain
  for (int i = 0; i < kSamples * kSamples; ++i) {
    const Vec2 from{static_cast<float>(i % kSamples) - 3.5f, static_cast<float>(i / kSamples) - 3.5f};
    tone = tone + canvas.before(place.centre + from * 0.02f) * (1.0f / (kSamples * kSamples));
  }
  const Color safe = tone + gray(0.01f);  // hues are told by ratios, which black has not
  const Blemish blemish(kind, place, severity, safe, dice, stage);
  canvas.paint(blemish.reach(), [&](Vec2 p, Color was) {
    const Touch touch = blemish.at(p, {was, was, 1});
    return touch.cover > 0 ? touch.colour : was;
  });
}

/// Takes back every pixel that has hardly changed and marks the others: afterwards `mask` (gray) is 255 exactly where
/// `after` differs from `before`. Returns whether that is a flaw one could see, and not the whole picture. (FLAW-4)
inline bool mark_flaw(const Image& before, Image& after, Image& mask) {
  constexpr int kSeen = 4;                                 // levels of 255
  constexpr double kMean = 8, kLeast = 1e-4, kMost = 0.5;  // levels over the mask; shares of the picture
  index_t count = 0;
  double sum = 0;
  for (index_t y = 0; y < before.height(); ++y)
    for (index_t x = 0; x < before.width(); ++x) {
      const std::uint8_t* const was = before.row(y) + 3 * x;
      std::uint8_t* const is = after.row(y) + 3 * x;
      int most = 0;
      for (int c = 0; c < 3; ++c) most = (std::max)(most, std::abs(is[c] - was[c]));
      const bool is_seen = most >= kSeen;
      mask.row(y)[x] = is_seen ? 255 : 0;
      if (!is_seen) std::copy_n(was, 3, is);
      count += is_seen ? 1 : 0;
      sum += is_seen ? most : 0;
    }
  const auto pixels = static_cast<double>(before.width() * before.height()), marked = static_cast<double>(count);
  return count >= 4 && marked >= kLeast * pixels && marked <= kMost * pixels && sum >= kMean * marked;
}

}}}  // namespace moeclip::abi_v0_1::synthetic

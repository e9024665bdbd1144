// SPDX-License-Identifier: MIT
#pragma once
// From a scene to pixels and mask. A picture is sampled on a regular grid, 2 x 2 samples a pixel where pixels are
// large, each where the camera sees it, and each outline is antialiased by coverage besides. Only inside the circle
// that a defect may touch is the scene evaluated twice.

#include <optional>
#include <vector>

#include "../../base/text.hpp"
#include "../../image/image.hpp"
#include "camera.hpp"
#include "defects.hpp"
#include "film.hpp"
#include "scene.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

/// A picture to be drawn.
struct Order {
  std::uint64_t seed = 0;
  index_t index = 0;
  index_t size = 0;
  std::optional<DefectKind> kind;
  float severity = 1;
  bool is_handheld = false;

  /// The camera, of a category or panel called `name`.
  [[nodiscard]] Camera camera(std::string_view name) const {
    if (!is_handheld) return {};
    Dice dice(seed, concat("camera ", name), index);
    return Camera(dice);
  }
};

/// Where a picture of so many pixels a side is sampled.
struct Raster {
  explicit Raster(index_t size)
      : samples(size <= kFine ? 2 : 1),
        step(1 / static_cast<float>(size * samples)),
        side(step * static_cast<float>(samples)) {}

  static constexpr index_t kFine = 320;  // above, one sample a pixel is enough
  int samples;                           // along each side of a pixel
  float step;                            // from one sample to the next, in sides of the picture
  float side;                            // from one pixel to the next
};

constexpr bool changes_form(DefectKind kind) {
  return kind == DefectKind::bend || kind == DefectKind::missing_part || kind == DefectKind::print_fault;
}

/// The scene with one defect on it.
template <class Category>
class DefectiveScene {
 public:
  DefectiveScene(const Scene<Category>& scene, const Order& order, const Stage& stage)
      : kind_(*order.kind), altered_(scene) {
    Dice dice(order.seed, concat("defect ", Category::kName, " ", kDefectNames[static_cast<std::size_t>(kind_)]),
              order.index);
    if (changes_form(kind_)) {
      reach_ = altered_.deform(kind_, dice, order.severity);
    } else {
      blemish_.emplace(kind_, find_place(scene, dice), order.severity, scene.tone(), dice, stage);
      reach_ = blemish_->reach();
    }
  }

  [[nodiscard]] bool reaches(Vec2 p) const {
    const Vec2 from = p - reach_.centre;
    return dot(from, from) < reach_.radius * reach_.radius;
  }

  /// What is seen at p, and how much of it is the defect's: by geometry, or, where the form has changed, by the
  /// difference itself, so many times kVisible.
  [[nodiscard]] Touch at(Vec2 p, const Surface& surface) const {
    if (blemish_) return blemish_->at(p, surface);
    const Color before = surface.seen(), after = altered_.at(p).seen();
    const float difference =
        (std::max)({std::abs(after.r - before.r), std::abs(after.g - before.g), std::abs(after.b - before.b)});
    return {after, clamp01(difference / kVisible)};
  }

 private:
  static constexpr float kVisible = 0.06f;

  /// A point well inside the object and the picture: the deepest of a few.
  static Place find_place(const Scene<Category>& scene, Dice& dice) {
    Place best{{0.5f, 0.5f}, -1};
    for (int attempt = 0; attempt < 40 && best.room < 0.9f; ++attempt) {
      const Vec2 p{dice.range(0.14f, 0.86f), dice.range(0.14f, 0.86f)};
      const float room = scene.depth(p);
      const bool is_better = best.room < 0.02f ? room > best.room : room > 0.02f && dice.chance(0.3f);
      if (is_better) best = {p, room};
    }
    return {best.centre, Category::kIsTexture ? 1 : best.room};
  }

  DefectKind kind_;
  Scene<Category> altered_;
  std::optional<Blemish> blemish_;
  Circle reach_;
};

/// Mean colour of the samples of one pixel, and the mean share of the defect.
struct Pixel {
  Color colour;
  float defect = 0;
};

/// The pixel whose first corner is at `corner`; look(p) says what is at p of the scene, as a Touch.
template <class Look>
Pixel sample_pixel(const Look& look, const Camera& camera, Vec2 corner, const Raster& raster) {
  Pixel pixel;
  for (int j = 0; j < raster.samples; ++j)
    for (int i = 0; i < raster.samples; ++i) {
      const Vec2 within{(static_cast<float>(i) + 0.5f) * raster.step, (static_cast<float>(j) + 0.5f) * raster.step};
      const Touch touch = look(camera.to_scene(corner + within));
      pixel.colour = pixel.colour + touch.colour;
      pixel.defect += touch.cover;
    }
  const float share = 1 / static_cast<float>(raster.samples * raster.samples);
  return {pixel.colour * share, pixel.defect * share};
}

/// Takes the picture (RGB) of a scene, of which look(p) says what is at p, and its mask (gray).
template <class Look>
void photograph(const Look& look, const Stage& stage, const Camera& camera, Image& picture, Image& mask) {
  constexpr float kBelongs = 0.2f;  // share from which a pixel belongs to the mask: one of four samples counts
  const index_t size = mask.width();
  const Raster raster(size);
  Film film(size);
  float strongest = 0;
  index_t strongest_at = 0;
  for (index_t y = 0; y < size; ++y)
    for (index_t x = 0; x < size; ++x) {
      const Vec2 corner{static_cast<float>(x) * raster.side, static_cast<float>(y) * raster.side};
      const Pixel pixel = sample_pixel(look, camera, corner, raster);
      const Vec2 p = camera.to_scene(corner);
      film.expose(x, y, camera.seen(stage.exposed(pixel.colour, p), p));
      mask.row(y)[x] = pixel.defect >= kBelongs ? 255 : 0;
      if (pixel.defect > strongest) strongest = pixel.defect, strongest_at = y * size + x;
    }
  if (strongest > 0) mask.data()[strongest_at] = 255;  // a defect has at least one pixel
  film.defocus(camera.blur());
  film.develop(stage, camera, picture);
  if (!camera.is_fixed()) picture = kept_as_jpeg(picture, camera.quality());
}

/// One pass along lines of `count` pixels that are `step` apart: each becomes the largest (or smallest) within
/// `radius`.
inline void spread_line(std::uint8_t* line, index_t count, index_t step, index_t radius, bool largest,
                        std::uint8_t* copy) {
  for (index_t i = 0; i < count; ++i) copy[i] = line[i * step];
  const std::uint8_t wanted = largest ? 255 : 0;
  for (index_t i = 0; i < count; ++i) {
    const auto from = copy + std::max<index_t>(i - radius, 0), to = copy + (std::min)(i + radius + 1, count);
    if (std::find(from, to, wanted) != to) line[i * step] = wanted;
  }
}

/// Morphological closing: where a form has moved, before and after may look alike in places; these belong to the defect
/// too if they are surrounded by it.
inline void close_gaps(Image& mask, index_t radius) {
  std::vector<std::uint8_t> copy(static_cast<std::size_t>((std::max)(mask.width(), mask.height())));
  for (const bool largest : {true, false}) {
    for (index_t y = 0; y < mask.height(); ++y) spread_line(mask.row(y), mask.width(), 1, radius, largest, copy.data());
    for (index_t x = 0; x < mask.width(); ++x)
      spread_line(mask.data() + x, mask.height(), mask.row_stride(), radius, largest, copy.data());
  }
}

/// Draws `order` into a picture (RGB) and a mask (gray) of its size.
template <class Category>
void draw_picture(const Order& order, Image& picture, Image& mask) {
  Dice stage_dice(order.seed, concat("stage ", Category::kName), order.index);
  Dice look_dice(order.seed, concat("look ", Category::kName), order.index);
  const Camera camera = order.camera(Category::kName);
  const Stage stage(stage_dice, Raster(order.size).step * camera.largest_scale());
  const Scene<Category> scene(look_dice, stage);
  std::optional<DefectiveScene<Category>> defective;
  if (order.kind) defective.emplace(scene, order, stage);
  const auto look = [&](Vec2 p) {
    const Surface surface = scene.at(p);
    return defective && defective->reaches(p) ? defective->at(p, surface) : Touch{surface.seen(), 0};
  };
  photograph(look, stage, camera, picture, mask);
  if (order.kind && changes_form(*order.kind))
    close_gaps(mask, std::max<index_t>(1, order.size / (order.kind == DefectKind::print_fault ? 128 : 50)));
}

}}}  // namespace moeclip::abi_v0_1::synthetic

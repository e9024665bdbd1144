// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cstring>
#include <moeclip/synthetic/drawing/render.hpp>
#include <moeclip/synthetic/source.hpp>
#include <moeclip/synthetic/synthesize.hpp>
#include <moeclip/synthetic/write.hpp>

using namespace moeclip;  // NOLINT

namespace {

constexpr std::uint64_t kCameraSeed = 31;

synthetic::Camera camera_in_hand(std::string_view category, index_t index) {
  synthetic::Dice dice(kCameraSeed, concat("camera ", category), index);
  return synthetic::Camera(dice);
}

Sample draw_with(SyntheticCamera camera, std::string_view category, std::string_view defect, index_t index,
                 index_t size) {
  return synthesize(
      {std::string(category), std::string(defect), kCameraSeed, index, size, 1, SyntheticWorld::parts, camera});
}

Sample draw_by_hand(std::string_view category, std::string_view defect, index_t index, index_t size) {
  return draw_with(SyntheticCamera::handheld, category, defect, index, size);
}

bool has_same_bytes(const Image& a, const Image& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size())) == 0;
}

/// Whether a pixel of the mask is set within `radius` of (x, y).
bool has_mask_around(const Image& mask, index_t x, index_t y, index_t radius) {
  for (index_t v = std::max<index_t>(y - radius, 0); v <= std::min(y + radius, mask.height() - 1); ++v)
    for (index_t u = std::max<index_t>(x - radius, 0); u <= std::min(x + radius, mask.width() - 1); ++u)
      if (mask.row(v)[u] != 0) return true;
  return false;
}

/// The largest difference of a pixel that is farther than `radius` from all of the mask.
int largest_leak(const Sample& good, const Sample& bad, index_t radius) {
  int most = 0;
  for (index_t y = 0; y < bad.mask.height(); ++y)
    for (index_t x = 0; x < bad.mask.width(); ++x) {
      int differs = 0;
      for (index_t c = 3 * x; c < 3 * x + 3; ++c)
        differs = std::max(differs, std::abs(good.picture.row(y)[c] - bad.picture.row(y)[c]));
      if (differs > most && !has_mask_around(bad.mask, x, y, radius)) most = differs;
    }
  return most;
}

}  // namespace

TEST_CASE("cameras have names, and the fixed one is what takes pictures if none is named") {
  CHECK(find_synthetic_camera("fixed") == SyntheticCamera::fixed);
  CHECK(find_synthetic_camera("handheld") == SyntheticCamera::handheld);
  CHECK_FALSE(find_synthetic_camera("drone").has_value());
  CHECK(synthetic_cameras().size() == 2);
  const Sample plain = synthesize({"gear", "", kCameraSeed, 0, 48});
  CHECK(has_same_bytes(plain.picture, draw_with(SyntheticCamera::fixed, "gear", "", 0, 48).picture));
  CHECK_FALSE(has_same_bytes(plain.picture, draw_by_hand("gear", "", 0, 48).picture));
  CHECK(plain.path == "synthetic:gear#0");
  CHECK(draw_by_hand("gear", "dent", 0, 48).path == "synthetic:gear+dent#0@handheld");
  const synthetic::Camera fixed;
  const synthetic::Vec2 p{0.3f, 0.9f}, seen = fixed.to_scene(p);
  CHECK((seen.x == p.x && seen.y == p.y));
  CHECK(fixed.largest_scale() == 1);
}

TEST_CASE("SYN-10: a view keeps lines straight, sees all of the middle, and is nowhere coarser than it says") {
  for (index_t index = 0; index < 300; ++index) {
    CAPTURE(index);
    const synthetic::Camera camera = camera_in_hand("any", index);
    const auto at = [&](float x, float y) { return camera.to_scene({x, y}); };
    // A diagonal stays a line, but its middle is not where the middle of its ends is.
    const synthetic::Vec2 first = at(0, 0), middle = at(0.5f, 0.5f), last = at(1, 1);
    CHECK(std::abs(synthetic::cross(middle - first, last - first)) < 1e-5f);
    CHECK(synthetic::length(middle - synthetic::Vec2{0.5f, 0.5f}) < 0.03f);
    float largest = 0;
    for (int k = 0; k < 400; ++k) {
      const float x = static_cast<float>(k % 20) / 20, y = static_cast<float>(k / 20) / 20;
      const synthetic::Vec2 right = at(x + 0.05f, y) - at(x, y), down = at(x, y + 0.05f) - at(x, y);
      largest = std::max({largest, synthetic::length(right) / 0.05f, synthetic::length(down) / 0.05f});
      CHECK(synthetic::cross(right, down) > 0);  // neither mirrored nor beyond the horizon
    }
    CHECK(largest < camera.largest_scale() * 1.001f);
    CHECK(camera.largest_scale() < 1.8f);
    // Defects lie at 0.14 to 0.86, objects within 0.46 of the middle: both are in the picture.
    for (int k = 0; k <= 100; ++k) {
      const float t = static_cast<float>(k) / 100;
      for (const synthetic::Vec2 border : {at(t, 0), at(t, 1), at(0, t), at(1, t)}) {
        CHECK((border.x < 0.14f || border.x > 0.86f || border.y < 0.14f || border.y > 0.86f));
        CHECK(synthetic::length(border - synthetic::Vec2{0.5f, 0.5f}) > 0.44f);
      }
    }
  }
}

TEST_CASE("the mask is that of the fixed camera as the hand sees it") {
  constexpr index_t kSize = 128, kFine = 512;
  for (const std::string_view category : {"gear", "leather", "tablet", "tile", "ring"})
    for (const std::string_view defect : {"stain", "hole", "contamination"}) {
      CAPTURE(category);
      CAPTURE(defect);
      const Image flat = draw_with(SyntheticCamera::fixed, category, defect, 6, kFine).mask;
      const Image mask = draw_by_hand(category, defect, 6, kSize).mask;
      const synthetic::Camera camera = camera_in_hand(category, 6);
      index_t both = 0, either = 0;
      for (index_t y = 0; y < kSize; ++y)
        for (index_t x = 0; x < kSize; ++x) {
          const synthetic::Vec2 p = camera.to_scene(
              {(static_cast<float>(x) + 0.5f) / float{kSize}, (static_cast<float>(y) + 0.5f) / float{kSize}});
          const auto u = static_cast<index_t>(std::floor(p.x * float{kFine})),
                     v = static_cast<index_t>(std::floor(p.y * float{kFine}));
          const bool is_on = u >= 0 && v >= 0 && u < kFine && v < kFine && flat.row(v)[u] != 0;
          both += is_on && mask.row(y)[x] != 0;
          either += is_on || mask.row(y)[x] != 0;
        }
      CHECK(both > 0);
      CHECK(static_cast<double>(both) > 0.6 * static_cast<double>(either));  // borders take a share of each pixel
    }
}

TEST_CASE("a picture from the hand is a function of its spec, and differs from its twin near the mask only") {
  constexpr index_t kSize = 96;
  constexpr index_t kBlock = 8 + 4;  // pixels: of JPEG, in which what changes changes all, and soft edges
  constexpr int kCrumbs = 16;        // bytes: what covers too little of its pixel to be of the mask, and its block
  for (const auto category : synthetic_categories()) {
    const Sample good = draw_by_hand(category, "", 3, kSize);
    CHECK(has_same_bytes(good.picture, draw_by_hand(category, "", 3, kSize).picture));
    CHECK_FALSE(has_same_bytes(good.picture, draw_by_hand(category, "", 4, kSize).picture));
    CHECK(std::all_of(good.mask.data(), good.mask.data() + good.mask.size(), [](std::uint8_t v) { return v == 0; }));
    for (const auto defect : synthetic_defects(category)) {
      CAPTURE(category);
      CAPTURE(defect);
      const Sample bad = draw_by_hand(category, defect, 3, kSize);
      const auto area = std::count(bad.mask.data(), bad.mask.data() + bad.mask.size(), std::uint8_t{255});
      CHECK(area > 0);
      CHECK(area < kSize * kSize * 2 / 5);
      CHECK_FALSE(has_same_bytes(good.picture, bad.picture));
      CHECK(largest_leak(good, bad, kBlock) <= kCrumbs);
    }
  }
}

TEST_CASE("another size shows the same scene from the same hand") {
  constexpr index_t kSmall = 64, kScale = 4;
  for (const auto category : synthetic_categories()) {
    CAPTURE(category);
    const Image coarse = draw_by_hand(category, "", 4, kSmall).picture,
                fine = draw_by_hand(category, "", 4, kSmall * kScale).picture;
    double sum = 0;
    for (index_t y = 0; y < kSmall; ++y)
      for (index_t x = 0; x < 3 * kSmall; ++x) {
        int total = 0;
        for (index_t v = 0; v < kScale; ++v)
          for (index_t u = 0; u < kScale; ++u) total += fine.row(y * kScale + v)[3 * (x / 3 * kScale + u) + x % 3];
        sum += std::abs(total / double{kScale * kScale} - coarse.row(y)[x]);
      }
    CHECK(sum / (3 * kSmall * kSmall) < 12);  // bytes; 9 of the fixed camera, which has less noise and no JPEG
  }
}

TEST_CASE("no defect is out of view") {
  for (const auto category : synthetic_categories())
    for (const auto defect : synthetic_defects(category))
      for (index_t index = 0; index < 12; ++index) {
        CAPTURE(category);
        CAPTURE(defect);
        CAPTURE(index);
        const Image mask = draw_by_hand(category, defect, index, 32).mask;
        CHECK(std::count(mask.data(), mask.data() + mask.size(), std::uint8_t{255}) > 0);
      }
}

TEST_CASE("SYN-11: noise grows with light, the blur with the picture") {
  const synthetic::Camera camera = camera_in_hand("any", 0);
  const auto noise = [&](float v) { return camera.sensed(synthetic::gray(v), synthetic::gray(1)).g - v; };
  CHECK(noise(0) > 0.004f);
  CHECK(noise(0.25f) > noise(0));
  CHECK(noise(1) > noise(0.25f));
  CHECK(noise(1) < 0.04f);
  const auto width_of = [](index_t size) {  // of a bright line, by its second moment, in sides of the picture
    synthetic::Film film(size);
    for (index_t y = 0; y < size; ++y) film.expose(size / 2, y, synthetic::gray(1));
    film.defocus(1.0f / 64);
    double sum = 0, square = 0;
    for (index_t x = 0; x < size; ++x) {
      const double away = static_cast<double>(x - size / 2) / static_cast<double>(size);
      sum += film.light(x, size / 2).g, square += film.light(x, size / 2).g * away * away;
    }
    CHECK(sum == doctest::Approx(1).epsilon(1e-4));
    return std::sqrt(square / sum);
  };
  CHECK(width_of(64) == doctest::Approx(1.0 / 64).epsilon(0.03));
  CHECK(width_of(256) == doctest::Approx(1.0 / 64).epsilon(0.03));
}

TEST_CASE("plans, files and panels take the camera that is named") {
  SyntheticPlan plan;
  plan.categories = {"weave", "gear"};
  plan.count = 4;
  plan.size = 32;
  const std::string fixed = SampleSource(drawn_samples(plan_synthetic(plan))).fingerprint();
  plan.camera = SyntheticCamera::handheld;
  for (const SyntheticSpec& spec : plan_synthetic(plan)) CHECK(spec.camera == SyntheticCamera::handheld);
  CHECK(SampleSource(drawn_samples(plan_synthetic(plan))).fingerprint() != fixed);

  SyntheticFiles files;
  files.camera = SyntheticCamera::handheld;
  CHECK(detail::spec_of(files, {"gear", "dent", false}, 0).camera == SyntheticCamera::handheld);

  for (const SyntheticWorld world : {SyntheticWorld::regions, SyntheticWorld::homogeneous})
    for (const auto category : synthetic_categories(world)) {
      CAPTURE(category);
      SyntheticSpec spec{std::string(category), "dot", kCameraSeed, 2, 64, 1, world, SyntheticCamera::handheld};
      const Sample bad = synthesize(spec);
      CHECK(std::count(bad.mask.data(), bad.mask.data() + bad.mask.size(), std::uint8_t{255}) > 4);
      spec.defect = "";
      CHECK(largest_leak(synthesize(spec), bad, 16) <= 8);  // a mark may have been larger than what it has become
      spec.camera = SyntheticCamera::fixed;
      CHECK_FALSE(has_same_bytes(synthesize(spec).picture, bad.picture));
    }
}

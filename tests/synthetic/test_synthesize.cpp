// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cstring>
#include <moeclip/synthetic/drawing/render.hpp>
#include <moeclip/synthetic/synthesize.hpp>
#include <set>

#include "expect_error.hpp"

using namespace moeclip;  // NOLINT

namespace {

bool same_image(const Image& a, const Image& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size())) == 0;
}

Sample draw(std::string_view category, std::string_view defect, index_t index, index_t size, double severity = 1) {
  return synthesize({std::string(category), std::string(defect), 11, index, size, severity});
}

int difference(const Image& a, const Image& b, index_t pixel) {
  int most = 0;
  for (index_t c = 3 * pixel; c < 3 * pixel + 3; ++c) most = std::max(most, std::abs(a.data()[c] - b.data()[c]));
  return most;
}

bool is_near_mask(const Image& mask, index_t x, index_t y, index_t radius) {
  for (index_t v = std::max<index_t>(y - radius, 0); v <= std::min(y + radius, mask.height() - 1); ++v)
    for (index_t u = std::max<index_t>(x - radius, 0); u <= std::min(x + radius, mask.width() - 1); ++u)
      if (mask.row(v)[u] != 0) return true;
  return false;
}

/// How a defective picture differs from its twin without the defect.
struct Comparison {
  index_t area = 0;     // of the mask
  index_t changed = 0;  // pixels of it that differ visibly
  index_t leaked = 0;   // pixels that differ visibly and are nowhere near the mask
  double contrast = 0;  // mean difference in the mask, in bytes
};

Comparison compare(const Sample& good, const Sample& bad) {
  constexpr int kVisible = 8;       // bytes: three times the noise of the noisiest camera
  constexpr index_t kSoftEdge = 2;  // pixels
  Comparison result;
  for (index_t i = 0; i < bad.mask.size(); ++i) {
    const int differs = difference(good.picture, bad.picture, i);
    if (bad.mask.data()[i] != 0) {
      ++result.area;
      result.changed += differs > 3;
      result.contrast += differs;
    } else if (differs > kVisible && !is_near_mask(bad.mask, i % bad.mask.width(), i / bad.mask.width(), kSoftEdge)) {
      ++result.leaked;
    }
  }
  result.contrast /= static_cast<double>(std::max<index_t>(result.area, 1));
  return result;
}

bool has(std::span<const std::string_view> names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

TEST_CASE("there are enough categories and kinds, and the split keeps its promise") {
  CHECK(synthetic_categories().size() >= 14);
  CHECK(synthetic_defects().size() >= 9);
  CHECK(unseen_categories().size() >= 4);
  CHECK(unseen_defects().size() >= 2);
  int unseen_textures = 0;
  for (const auto name : unseen_categories()) {
    unseen_textures += is_synthetic_texture(name);
    CHECK(has(synthetic_categories(), name));
    CHECK_FALSE(has(pretraining_categories(), name));
    CHECK_FALSE(has(adapter_categories(), name));
  }
  CHECK(unseen_textures >= 2);
  CHECK(std::ssize(unseen_categories()) - unseen_textures >= 2);
  CHECK(pretraining_categories().size() + unseen_categories().size() + further_categories().size() ==
        synthetic_categories().size());
  for (const auto name : pretraining_categories()) CHECK(has(synthetic_categories(), name));
  for (const auto name : adapter_categories()) CHECK(has(pretraining_categories(), name));
  std::set<std::string_view> further;
  for (const auto name : further_categories()) {
    CHECK(has(synthetic_categories(), name));
    CHECK_FALSE(has(pretraining_categories(), name));
    CHECK_FALSE(has(unseen_categories(), name));
    const auto all = synthetic_defects(name);
    further.insert(all.begin(), all.end());
  }
  CHECK(further.size() == synthetic_defects().size());
  std::set<std::string_view> possible;
  for (const auto category : synthetic_categories()) {
    const auto all = synthetic_defects(category);
    possible.insert(all.begin(), all.end());
    CHECK(all.size() >= 7);
    for (const auto defect : seen_defects(category)) {
      CHECK(has(all, defect));
      CHECK_FALSE(has(unseen_defects(), defect));
    }
  }
  CHECK(possible.size() == synthetic_defects().size());
}

TEST_CASE("a picture is a function of its spec") {
  for (const auto category : synthetic_categories()) {
    CAPTURE(category);
    const Sample first = draw(category, "", 0, 48);
    draw(category, "stain", 5, 64);
    CHECK(same_image(first.picture, draw(category, "", 0, 48).picture));
    CHECK_FALSE(same_image(first.picture, draw(category, "", 1, 48).picture));
    CHECK_FALSE(same_image(first.picture, synthesize({std::string(category), "", 12, 0, 48, 1}).picture));
    CHECK(first.label == 0);
    CHECK(first.class_name == category);
    CHECK(std::all_of(first.mask.data(), first.mask.data() + first.mask.size(), [](std::uint8_t v) { return v == 0; }));
  }
}

TEST_CASE("the mask is where a defective picture differs from its twin, up to soft edges") {
  constexpr index_t kSize = 96;
  for (const auto category : synthetic_categories()) {
    const Sample good = draw(category, "", 3, kSize);
    for (const auto defect : synthetic_defects(category)) {
      CAPTURE(category);
      CAPTURE(defect);
      const Sample bad = draw(category, defect, 3, kSize);
      CHECK(bad.label == 1);
      CHECK(bad.defect == defect);
      const Comparison twins = compare(good, bad);
      CHECK(twins.area > 0);
      CHECK(twins.area < kSize * kSize * 2 / 5);
      CHECK(twins.leaked <= 4);  // crumbs of a ragged border that cover too little of their pixel
      CHECK(static_cast<double>(twins.changed) >= 0.5 * static_cast<double>(twins.area));
      CHECK(twins.contrast > 12);
    }
  }
}

TEST_CASE("severity runs from barely visible to plain, and never leaves the mask empty") {
  double faint = 0, plain = 0;
  int kinds = 0;
  for (const auto category : synthetic_categories())
    for (const auto defect : synthetic_defects(category)) {
      CAPTURE(category);
      CAPTURE(defect);
      const Sample good = draw(category, "", 2, 64);
      const Comparison low = compare(good, draw(category, defect, 2, 64, 0)),
                       high = compare(good, draw(category, defect, 2, 64, 1));
      CHECK(low.area > 0);
      CHECK(high.area > 0);
      if (synthetic::changes_form(*synthetic::find_defect(defect))) continue;  // which change by size, not by contrast
      faint += low.contrast, plain += high.contrast;
      ++kinds;
    }
  CHECK(faint / kinds < 16);
  CHECK(faint / kinds > 3);
  CHECK(plain > 4 * faint);
}

TEST_CASE("another size shows the same scene") {
  constexpr index_t kSmall = 64, kScale = 4;
  for (const auto category : synthetic_categories()) {
    CAPTURE(category);
    const auto defect = synthetic_defects(category).front();
    const Sample small = draw(category, defect, 4, kSmall), large = draw(category, defect, 4, kSmall * kScale);
    double sum = 0;
    index_t both = 0, either = 0;
    for (index_t y = 0; y < kSmall; ++y)
      for (index_t x = 0; x < kSmall; ++x) {
        int mean[3] = {}, inside = 0;
        for (index_t v = 0; v < kScale; ++v)
          for (index_t u = 0; u < kScale; ++u) {
            for (int c = 0; c < 3; ++c) mean[c] += large.picture.row(y * kScale + v)[3 * (x * kScale + u) + c];
            inside += large.mask.row(y * kScale + v)[x * kScale + u] != 0;
          }
        for (int c = 0; c < 3; ++c)
          sum += std::abs(mean[c] / double{kScale * kScale} - small.picture.row(y)[3 * x + c]);
        const bool is_in_large = inside >= 8, is_in_small = small.mask.row(y)[x] != 0;
        both += is_in_large && is_in_small;
        either += inside > 0 || is_in_small;
      }
    CHECK(sum / (3 * kSmall * kSmall) < 9);  // bytes: aliasing of the finest structures and the camera's noise
    CHECK(3 * both > either);                // a scratch is a pixel wide
  }
}

TEST_CASE("the pictures are those that models were trained on, whatever the compiler") {
  struct Recorded {
    std::string_view category;
    double mean[3];  // red, green, blue, in bytes
    int area;        // of the mask, in pixels
  };
  // The last kind of each category, seed 1, index 0, 64 pixels, severity 1.
  constexpr Recorded kRecorded[] = {
      {"weave", {128.55, 64.97, 60.47}, 166},
      {"carpet", {105.76, 105.82, 111.33}, 305},
      {"cardboard", {172.77, 148.49, 116.74}, 197},
      {"wood", {91.98, 56.78, 37.10}, 210},
      {"brushed metal", {117.00, 123.57, 134.30}, 348},
      {"concrete", {143.01, 144.95, 141.53}, 283},
      {"marble", {100.19, 116.49, 106.53}, 285},
      {"leather", {60.11, 58.64, 60.61}, 222},
      {"grid", {150.90, 134.51, 113.08}, 98},
      {"tile", {107.55, 127.37, 131.73}, 381},
      {"screw", {208.17, 206.40, 198.00}, 63},
      {"ring", {198.56, 189.32, 180.12}, 30},
      {"nut", {149.22, 132.22, 106.28}, 26},
      {"circuit board", {49.10, 78.00, 60.60}, 247},
      {"cable", {163.71, 156.91, 145.41}, 157},
      {"tablet", {121.11, 121.44, 122.78}, 352},
      {"button", {134.76, 158.08, 154.82}, 83},
      {"battery", {179.47, 179.46, 177.77}, 45},
      {"fuse", {190.91, 184.91, 175.74}, 165},
      {"spring", {113.62, 118.84, 127.44}, 32},
      {"gear", {198.52, 189.06, 159.26}, 138},
      {"capsule", {68.63, 89.15, 103.98}, 194},
      {"bottle top", {140.15, 140.42, 139.61}, 198},
      {"plaster", {169.66, 176.38, 155.23}, 340},
      {"etched plate", {125.56, 84.47, 62.63}, 186},
      {"denim", {90.94, 88.31, 82.73}, 374},
      {"cast iron", {86.82, 86.78, 91.55}, 295},
      {"milled metal", {134.52, 133.16, 136.24}, 262},
      {"granite", {119.57, 111.31, 94.48}, 302},
      {"cork", {123.33, 84.66, 53.42}, 258},
      {"bearing", {64.91, 65.84, 70.10}, 68},
      {"plug", {47.90, 50.92, 56.11}, 57},
      {"bracket", {124.96, 126.84, 133.36}, 47},
      {"key", {119.28, 121.90, 122.07}, 31},
  };
  REQUIRE(std::size(kRecorded) == synthetic_categories().size());
  for (const Recorded& recorded : kRecorded) {
    CAPTURE(recorded.category);
    const Sample sample = synthesize(
        {std::string(recorded.category), std::string(synthetic_defects(recorded.category).back()), 1, 0, 64, 1});
    double sum[3] = {};
    for (index_t i = 0; i < sample.picture.size(); ++i) sum[i % 3] += sample.picture.data()[i];
    for (std::size_t c = 0; c < 3; ++c) CHECK(std::abs(sum[c] / (64 * 64) - recorded.mean[c]) < 0.05);
    const auto area = std::count(sample.mask.data(), sample.mask.data() + sample.mask.size(), std::uint8_t{255});
    CHECK(std::abs(area - recorded.area) <= 2);
  }
}

TEST_CASE("captions name the class, and flaws only where there are some") {
  std::set<std::string> good, bad;
  for (index_t i = 0; i < 60; ++i) {
    good.insert(draw("ring", "", i, 32).caption);
    bad.insert(draw("ring", "crack", i, 32).caption);
  }
  CHECK(good.contains("a photo of a flawless ring."));
  CHECK(good.contains("the ring."));
  CHECK(bad.contains("a photo of a ring with a crack."));
  CHECK(bad.contains("a broken ring."));
  for (const auto& caption : good) {
    CHECK(caption.find("ring") != std::string::npos);
    CHECK_FALSE(bad.contains(caption));
  }
}

TEST_CASE("what cannot be drawn is refused") {
  expect_error(ErrorCode::contract, {"sausage", "gear"}, [] { draw("sausage", "", 0, 64); });
  expect_error(ErrorCode::contract, {"wart", "gear"}, [] { draw("gear", "wart", 0, 64); });
  expect_error(ErrorCode::contract, {"bend", "gear"}, [] { draw("gear", "bend", 0, 64); });
  expect_error(ErrorCode::contract, {"16"}, [] { draw("gear", "", 0, 16); });
  expect_error(ErrorCode::contract, {"1.5"}, [] { draw("gear", "dent", 0, 64, 1.5); });
  expect_error(ErrorCode::contract, {"sausage"}, [] { synthetic_defects("sausage"); });
}

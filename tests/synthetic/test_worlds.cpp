// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cstring>
#include <moeclip/synthetic/drawing/panel.hpp>
#include <moeclip/synthetic/source.hpp>
#include <moeclip/synthetic/write.hpp>

#include "expect_error.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;  // NOLINT

namespace {

constexpr SyntheticWorld kPanelWorlds[] = {SyntheticWorld::regions, SyntheticWorld::homogeneous};

Sample draw_panel_of(SyntheticWorld world, std::string_view category, std::string_view defect, index_t index,
                     index_t size = 64) {
  return synthesize({std::string(category), std::string(defect), 5, index, size, 0.7, world});
}

/// The marks of a good panel and where they lie.
struct PanelMarks {
  synthetic::PanelSurface surface;
  std::vector<synthetic::Mark> marks;

  PanelMarks(const synthetic::PanelLook& look, SyntheticWorld world, index_t index)
      : PanelMarks(look, world == SyntheticWorld::regions, synthetic::Dice(5, "test look", index),
                   synthetic::Dice(5, "test marks", index)) {}

 private:
  PanelMarks(const synthetic::PanelLook& look, bool has_regions, synthetic::Dice dice, synthetic::Dice mark_dice)
      : surface(look, has_regions ? std::nullopt : std::optional(look.regions[0]), dice, synthetic::Stage(dice, 0.01f)),
        marks(synthetic::draw_marks(surface, has_regions, 1, mark_dice)) {}
};

}  // namespace

TEST_CASE("worlds have names, and panels of their own") {
  CHECK(find_synthetic_world("parts") == SyntheticWorld::parts);
  CHECK(find_synthetic_world("homogeneous") == SyntheticWorld::homogeneous);
  CHECK_FALSE(find_synthetic_world("moon"));
  CHECK(synthetic_categories(SyntheticWorld::parts).size() == synthetic_categories().size());
  CHECK(adapter_categories(SyntheticWorld::parts).size() == adapter_categories().size());
  for (const SyntheticWorld world : kPanelWorlds) {
    CHECK(synthetic_categories(world).size() == 12);
    CHECK(adapter_categories(world).size() == 8);
    CHECK(unseen_categories(world).size() == 4);
    for (const auto name : unseen_categories(world))
      CHECK(lists::find(adapter_categories(world), name) == adapter_categories(world).end());
    for (const auto name : synthetic_categories(world))  // so that no word has a meaning already
      CHECK(lists::find(synthetic_categories(), name) == synthetic_categories().end());
  }
  CHECK(synthetic_defects(SyntheticWorld::regions).size() == 3);
  CHECK(synthetic_defects(SyntheticWorld::homogeneous).size() == 1);
  expect_error(ErrorCode::contract, {"no panel 'weave'"},
               [] { draw_panel_of(SyntheticWorld::regions, "weave", "", 0); });
  expect_error(ErrorCode::contract, {"lid", "'ring'"},
               [] { draw_panel_of(SyntheticWorld::homogeneous, "lid", "ring", 0); });
  expect_error(ErrorCode::contract, {"no synthetic category 'lid'"},
               [] { draw_panel_of(SyntheticWorld::parts, "lid", "", 0); });
}

TEST_CASE("a defective panel is the good one but for one mark, which is the mask") {
  constexpr index_t kSize = 64;
  for (const SyntheticWorld world : kPanelWorlds)
    for (const auto category : synthetic_categories(world)) {
      const Sample good = draw_panel_of(world, category, "", 3);
      CHECK(good.label == 0);
      CHECK(std::all_of(good.mask.data(), good.mask.data() + good.mask.size(), [](std::uint8_t v) { return v == 0; }));
      const Sample again = draw_panel_of(world, category, "", 3);
      CHECK(std::memcmp(good.picture.data(), again.picture.data(), static_cast<std::size_t>(good.picture.size())) == 0);
      for (const auto defect : synthetic_defects(world)) {
        CAPTURE(category);
        CAPTURE(defect);
        const Sample bad = draw_panel_of(world, category, defect, 3);
        CHECK(bad.label == 1);
        CHECK(bad.defect == defect);
        index_t left = kSize, right = 0, top = kSize, bottom = 0, area = 0;
        for (index_t i = 0; i < kSize * kSize; ++i)
          if (bad.mask.data()[i] != 0) {
            left = std::min(left, i % kSize), right = std::max(right, i % kSize);
            top = std::min(top, i / kSize), bottom = std::max(bottom, i / kSize);
            ++area;
          }
        REQUIRE(area > 4);
        CHECK(area < 80);
        const index_t reach = static_cast<index_t>(2 * synthetic::PanelSurface::kRoom * kSize) + 2;
        CHECK(right - left < reach);
        CHECK(bottom - top < reach);
        index_t changed = 0;
        for (index_t i = 0; i < kSize * kSize; ++i) {
          const bool differs = std::memcmp(good.picture.data() + 3 * i, bad.picture.data() + 3 * i, 3) != 0;
          if (bad.mask.data()[i] != 0) changed += differs;
          const index_t x = i % kSize, y = i / kSize;
          const bool is_near = x > right - reach && x < left + reach && y > bottom - reach && y < top + reach;
          if (!is_near) CHECK_FALSE(differs);  // the mark that was there before is as far as that, too
        }
        CHECK(2 * changed > area);  // where both marks are alike, nothing changes
      }
    }
}

TEST_CASE("in the world of regions neither the mark nor the region tells what a defect is") {
  int counts[3][3] = {};  // mark, region
  for (const synthetic::PanelLook& look : synthetic::panels::kLooks)
    for (index_t index = 0; index < 40; ++index) {
      const PanelMarks panel(look, SyntheticWorld::regions, index);
      REQUIRE(panel.marks.size() >= 3);
      for (std::size_t i = 0; i < panel.marks.size(); ++i) {
        const synthetic::RegionKind region = panel.surface.region_at(panel.marks[i].centre);
        ++counts[static_cast<int>(panel.marks[i].kind)][static_cast<int>(region)];
        if (i < 3) CHECK(region == static_cast<synthetic::RegionKind>(i));  // each kind can become a defect
        for (std::size_t j = 0; j < i; ++j)
          CHECK(synthetic::length(panel.marks[i].centre - panel.marks[j].centre) > 2 * synthetic::PanelSurface::kRoom);
      }
    }
  for (int mark = 0; mark < 3; ++mark)
    for (int region = 0; region < 3; ++region) {
      CAPTURE(mark);
      CAPTURE(region);
      if (mark == static_cast<int>(synthetic::misplaced_mark(static_cast<synthetic::RegionKind>(region))))
        CHECK(counts[mark][region] == 0);
      else
        CHECK(counts[mark][region] > 200);  // of some 2000; half of those of its region
    }
}

TEST_CASE("in the homogeneous world a dot is a defect wherever it lies") {
  for (const synthetic::PanelLook& look : synthetic::panels::kLooks)
    for (index_t index = 0; index < 10; ++index) {
      const PanelMarks panel(look, SyntheticWorld::homogeneous, index);
      for (const synthetic::Mark& mark : panel.marks) {
        CHECK(mark.kind != synthetic::MarkKind::dot);
        CHECK(panel.surface.region_at(mark.centre) == look.regions[0]);
      }
    }
}

TEST_CASE("worlds are planned and written as parts are") {
  SyntheticPlan plan;
  plan.world = SyntheticWorld::regions;
  plan.categories = {"lid", "flap"};
  plan.count = 60;
  plan.size = 32;
  int defective = 0;
  const std::vector<SyntheticSpec> specs = plan_synthetic(plan);
  for (const SyntheticSpec& spec : specs) {
    CHECK(spec.world == SyntheticWorld::regions);
    defective += spec.defect.empty() ? 0 : 1;
  }
  CHECK(defective > 15);
  CHECK(defective < 45);
  const SampleSource source(drawn_samples(specs));
  CHECK(source.load(0).class_name == "lid");
  plan.world = SyntheticWorld::homogeneous;
  CHECK(SampleSource(drawn_samples(plan_synthetic(plan))).fingerprint() != source.fingerprint());

  const TemporaryFolder folder("worlds");
  SyntheticFiles files;
  files.world = SyntheticWorld::regions;
  files.categories = {"drawer"};
  files.count = 1;
  files.size = 48;
  Context context({.threads = 1});
  write_synthetic_dataset(context, folder.path(), files, [](const SyntheticFolder&) {});
  const auto test = read_dataset(join_path(folder.path(), "test.jsonl"));
  REQUIRE(test.size() == 4);
  CHECK(test[3].image_path == join_path(folder.path(), "drawer/test/ring/000.png"));
  const Sample read = load_sample(test[3]), drawn = synthesize(detail::spec_of(files, {"drawer", "ring", false}, 0));
  CHECK(std::memcmp(read.picture.data(), drawn.picture.data(), static_cast<std::size_t>(drawn.picture.size())) == 0);
  files.defects = {"burn"};
  expect_error(ErrorCode::contract, {"burn"}, [&] { synthetic_folders(files); });
}

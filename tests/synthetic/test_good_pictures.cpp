// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cstdlib>
#include <map>
#include <moeclip/data/hold_out.hpp>
#include <moeclip/data/loader.hpp>
#include <moeclip/data/source_pictures.hpp>
#include <moeclip/image/write_image.hpp>
#include <moeclip/io/file.hpp>
#include <moeclip/synthetic/good_pictures.hpp>
#include <moeclip/synthetic/synthesize.hpp>

#include "expect_error.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;  // NOLINT

namespace {

/// Good pictures as files, in a folder that goes away.
struct GoodFixture {
  explicit GoodFixture(index_t count, index_t size = 96, const char* name = "good") : folder(name) {
    constexpr std::array<const char*, 3> kCategories{"weave", "screw", "wood"};
    for (index_t i = 0; i < count; ++i) {
      const char* const category = kCategories[static_cast<std::size_t>(i) % kCategories.size()];
      const std::string path = join_path(folder.path(), concat(i, ".png"));
      write_png(path, synthesize({category, "", 5, i, size}).picture);
      plan.pictures.push_back({path, 0, category, ""});
    }
  }

  TemporaryFolder folder;
  FlawedPictures plan;
};

bool is_same(const Image& a, const Image& b) {
  return a.size() == b.size() && std::equal(a.data(), a.data() + a.size(), b.data());
}

}  // namespace

TEST_CASE("the mask is where the pixels differ, and half of the samples stay good") {
  GoodFixture good(3);
  good.plan.draws = 60;
  std::map<std::string, int> kinds;
  const SampleSource source(flawed_samples(good.plan));
  REQUIRE(source.size() == 180);
  for (index_t i = 0; i < source.size(); ++i) {
    const Sample sample = source.load(i);
    const Image before = read_image(source.file(i));
    REQUIRE(sample.picture.size() == before.size());
    index_t wrong = 0, marked = 0;
    for (index_t p = 0; p < before.size() / 3; ++p) {
      const bool differs = !std::equal(before.data() + 3 * p, before.data() + 3 * p + 3, sample.picture.data() + 3 * p);
      wrong += differs != (sample.mask.data()[p] == 255) ? 1 : 0;
      marked += differs ? 1 : 0;
    }
    CHECK(wrong == 0);
    CHECK((marked > 0) == (sample.label == 1));
    CHECK(marked <= before.size() / 3 / 2);
    ++kinds[sample.defect];
  }
  CHECK(std::abs(kinds[""] - 90) < 5 * 7);  // five standard deviations
  for (const char* kind : {"cut-paste", "scar", "texture", "scratch", "crack", "hole", "stain"}) {
    INFO(kind);
    CHECK(kinds[kind] > 0);
  }
  for (const std::string_view kind : unseen_defects()) CHECK(kinds[std::string(kind)] == 0);
}

TEST_CASE("flaws are other ones in each epoch, and the same ones again") {
  GoodFixture good(3);
  good.plan.defective_share = 1;
  const SampleSource source(flawed_samples(good.plan));
  for (index_t i = 0; i < source.size(); ++i) {
    const Sample first = source.load(i), again = source.load(i), next = source.load(i, {}, 1);
    CHECK(is_same(first.picture, again.picture));
    CHECK_FALSE(is_same(first.picture, next.picture));
  }
  good.plan.is_fixed = true;
  const SampleSource fixed(flawed_samples(good.plan));
  CHECK(is_same(fixed.load(0).picture, fixed.load(0, {}, 1).picture));
  CHECK_FALSE(is_same(fixed.load(0).picture, source.load(0).picture));
  FlawedPictures other = good.plan;
  other.seed = 1;
  CHECK(SampleSource(flawed_samples(other)).fingerprint() != fixed.fingerprint());
  CHECK(source.fingerprint() != fixed.fingerprint());

  LoaderOptions options{.batch = 3, .size = 32, .seed = 1, .is_shuffled = false, .is_augmented = false};
  LoadedBatch<float> batch, later;
  const std::vector<index_t> members{0, 1, 2};
  load_batch<float>(source, options, 0, members, batch);
  load_batch<float>(source, options, 1, members, later);
  CHECK_FALSE(std::equal(batch.images.begin(), batch.images.end(), later.images.begin()));
}

TEST_CASE("the fingerprint knows the pictures, not where they lie; training has seen each once") {
  GoodFixture here(6), there(6, 96, "good_too");
  here.plan.draws = there.plan.draws = 4;
  const SampleSource source(flawed_samples(here.plan));
  CHECK(source.fingerprint() == SampleSource(flawed_samples(there.plan)).fingerprint());
  there.plan.pictures.pop_back();
  CHECK(source.fingerprint() != SampleSource(flawed_samples(there.plan)).fingerprint());
  Context context({.threads = 1});
  const TrainingPictures seen = training_pictures(context, source);
  CHECK(seen.hashes.size() == 6);
  CHECK(seen.has_picture(picture_hash(here.plan.pictures[0].image_path)));
  CHECK(seen.classes == std::vector<std::string>{"screw", "weave", "wood"});
}

TEST_CASE("large pictures are brought to the wanted size, and wide ones stay wide") {
  GoodFixture good(1, 96);
  const std::string wide = join_path(good.folder.path(), "wide.png");
  Image picture(300, 100, 3);
  for (index_t i = 0; i < picture.size(); ++i) picture.data()[i] = static_cast<std::uint8_t>(i * 7 % 251);
  write_png(wide, picture);
  good.plan.pictures = {{wide, 1, "strip", "no such mask"}};  // neither label nor mask counts
  good.plan.longest = 150;
  good.plan.draws = 20;
  good.plan.defective_share = 1;
  for (index_t i = 0; i < good.plan.draws; ++i) {
    const Sample sample = draw_flawed(good.plan, i);
    CHECK(sample.picture.width() == 150);
    CHECK(sample.picture.height() == 50);
    CHECK(sample.mask.width() == 150);
  }
}

TEST_CASE("pictures of one colour, and of one pixel, are drawn onto or stay good") {
  GoodFixture good(1, 96);
  for (const int level : {0, 128, 255})
    for (const index_t side : {1, 2, 3, 17, 64}) {
      Image picture(side, side, 3);
      picture.fill(static_cast<std::uint8_t>(level));
      const std::string path = join_path(good.folder.path(), "plain.png");
      write_png(path, picture);
      good.plan.pictures = {{path, 0, "plate", ""}};
      good.plan.draws = 12;
      good.plan.defective_share = 1;
      for (index_t i = 0; i < good.plan.draws; ++i) {
        const Sample sample = draw_flawed(good.plan, i);
        CHECK(sample.picture.width() == side);
        CHECK((sample.label == 1) == !is_same(sample.picture, picture));
      }
    }
}

TEST_CASE("held-out pictures are judged by as they are and with flaws") {
  GoodFixture good(4);
  good.plan.draws = 7;
  const SampleSource source = judging_source(good.plan, 10);
  REQUIRE(source.size() == 4 + 12);
  index_t defective = 0;
  for (index_t i = 0; i < source.size(); ++i) defective += source.load(i, {}, i).label;
  CHECK(defective == 12);
  for (index_t i = 0; i < 4; ++i) CHECK(source.load(i).label == 0);
}

TEST_CASE("plans that make no sense") {
  GoodFixture good(1);
  expect_error(ErrorCode::contract, {"there are 0"}, [] { flawed_samples({}); });
  good.plan.defective_share = 1.5;
  expect_error(ErrorCode::contract, {"1.5"}, [&] { flawed_samples(good.plan); });
  good.plan.defective_share = 1;
  good.plan.longest = 3;
  expect_error(ErrorCode::contract, {"3 pixels"}, [&] { flawed_samples(good.plan); });
  good.plan.longest = 96;
  expect_error(ErrorCode::contract, {"sample 1 of 1"}, [&] { draw_flawed(good.plan, 1); });
  good.plan.pictures[0].image_path += "x";
  expect_error(ErrorCode::io, {"0.pngx"}, [&] { draw_flawed(good.plan, 0); });
}

// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/data/loader.hpp>
#include <moeclip/image/write_image.hpp>
#include <moeclip/synthetic/source.hpp>
#include <set>

#include "exif_picture.hpp"
#include "expect_error.hpp"
#include "random_tensor.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;  // NOLINT

namespace {

SampleSource drawn_source(index_t count) {
  SyntheticPlan plan;
  plan.categories = {"ring", "tablet", "brushed metal"};
  plan.count = count;
  plan.size = 32;
  plan.seed = 4;
  return SampleSource(drawn_samples(plan_synthetic(plan)));
}

template <class T>
bool same_batch(const LoadedBatch<T>& a, const LoadedBatch<T>& b) {
  return same_bits(a.images, b.images) && same_bits(a.masks, b.masks) && a.labels == b.labels &&
         a.classes == b.classes && a.has_mask == b.has_mask && a.paths == b.paths &&
         a.position.epoch == b.position.epoch && a.position.batch == b.position.batch && a.is_last == b.is_last;
}

}  // namespace

TEST_CASE("an order is a permutation that depends on seed and epoch") {
  const auto order = shuffled_order(50, 3, 1);
  CHECK(std::set<index_t>(order.begin(), order.end()).size() == 50);
  CHECK(*std::ranges::max_element(order) == 49);
  CHECK(order == shuffled_order(50, 3, 1));
  CHECK(order != shuffled_order(50, 3, 2));
  CHECK(order != shuffled_order(50, 4, 1));
  CHECK(shuffled_order(1, 3, 1) == std::vector<index_t>{0});
  CHECK(shuffled_order(0, 3, 1).empty());
}

TEST_CASE_TEMPLATE("batches are the same bits however far ahead the loader runs, and wherever it starts", T, float,
                   double) {
  const SampleSource source = drawn_source(7);
  LoaderOptions options{.batch = 3, .size = 28, .seed = 9};
  options.ahead = 0;
  std::vector<LoadedBatch<T>> expected;
  Loader<T> plain(source, options);
  CHECK(plain.batches() == 3);
  for (int i = 0; i < 8; ++i) expected.push_back(plain.next());
  for (const int ahead : {1, 2, 5}) {
    CAPTURE(ahead);
    options.ahead = ahead;
    Loader<T> loader(source, options);
    for (const auto& batch : expected) CHECK(same_batch(loader.next(), batch));
    Loader<T> later(source, options, {1, 2});
    for (std::size_t i = 5; i < expected.size(); ++i) CHECK(same_batch(later.next(), expected[i]));
  }
}

TEST_CASE("an epoch shows every sample once, the last batch may be smaller") {
  const SampleSource source = drawn_source(7);
  Loader<float> loader(source, {.batch = 2, .size = 14, .seed = 1});
  for (index_t epoch = 0; epoch < 2; ++epoch) {
    std::set<std::string> seen;
    for (index_t number = 0; number < loader.batches(); ++number) {
      const auto& batch = loader.next();
      CHECK(batch.position.epoch == epoch);
      CHECK(batch.position.batch == number);
      CHECK(batch.is_last == (number == 3));
      CHECK(batch.images.shape() == Shape{number == 3 ? 1 : 2, 3, 14, 14});
      CHECK(batch.masks.extent(0) == batch.images.extent(0));
      CHECK(std::ssize(batch.labels) == batch.images.extent(0));
      seen.insert(batch.paths.begin(), batch.paths.end());
    }
    CHECK(seen.size() == 7);
  }
}

TEST_CASE("data sets are mixed, classes are numbered, unmarked defects are told") {
  const TemporaryFolder folder("loader");
  Image picture(8, 8, 3), mask(8, 8, 1);
  picture.fill(100);
  mask.fill(255);
  const std::string path = join_path(folder.path(), "p.png"), mask_path = join_path(folder.path(), "m.png");
  write_png(path, picture);
  write_png(mask_path, mask);
  SampleSource source(
      std::vector<DatasetEntry>{{path, 0, "bolt", ""}, {path, 1, "bolt", mask_path}, {path, 1, "bolt", ""}});
  source.add(drawn_samples(plan_synthetic({{"gear"}, {"scratch"}, 2, 32, 1, 1.0, 0.5, 1})));
  CHECK(source.size() == 5);
  CHECK(std::vector<std::string>(source.classes().begin(), source.classes().end()) ==
        std::vector<std::string>{"bolt", "gear"});
  CHECK(source.class_index("gear") == 1);
  expect_error(ErrorCode::contract, {"nail"}, [&] { static_cast<void>(source.class_index("nail")); });

  LoaderOptions options{.batch = 5, .size = 16};
  options.is_shuffled = options.is_augmented = false;
  Loader<float> loader(source, options);
  const auto& batch = loader.next();
  CHECK(batch.labels == std::vector<int>{0, 1, 1, 1, 1});
  CHECK(batch.classes == std::vector<index_t>{0, 0, 0, 1, 1});
  CHECK(batch.has_mask == std::vector<bool>{true, true, false, true, true});
  CHECK(batch.masks[16 * 16] == 1.0f);      // the marked one
  CHECK(batch.masks[2 * 16 * 16] == 0.0f);  // the unmarked one
  CHECK(source.fingerprint() != drawn_source(5).fingerprint());
  CHECK(source.fingerprint() == SampleSource(source).fingerprint());
}

TEST_CASE("a label follows its defect out of the frame only if it is asked to") {
  const TemporaryFolder folder("revise");
  Image picture(16, 16, 3), mask(16, 16, 1);
  picture.fill(100);
  mask.fill(0);
  mask.row(0)[0] = 255;  // turned about the middle, a corner leaves the frame
  const std::string path = join_path(folder.path(), "p.png"), mask_path = join_path(folder.path(), "m.png");
  write_png(path, picture);
  write_png(mask_path, mask);
  const SampleSource source(std::vector<DatasetEntry>{{path, 1, "bolt", mask_path}, {path, 1, "bolt", ""}});
  for (const bool revises : {false, true}) {
    LoaderOptions options{.batch = 2, .size = 16, .is_shuffled = false, .revises_labels = revises};
    options.augment = {.rotation_probability = 1, .translation_probability = 0};
    Loader<float> loader(source, options);
    index_t kept = 0, gone = 0;
    for (int i = 0; i < 20; ++i) {
      const auto& batch = loader.next();
      const bool is_gone = std::all_of(batch.masks.begin(), batch.masks.begin() + 256, [](float v) { return v == 0; });
      gone += is_gone;
      kept += batch.labels[0] == 1;
      CHECK(batch.labels[1] == 1);  // of an unmarked one nothing is known
    }
    CHECK(gone > 0);
    CHECK(kept == (revises ? 20 - gone : 20));
  }
}

TEST_CASE("what goes wrong in the background is told where the batch is asked for, and the loader goes on") {
  const TemporaryFolder folder("loader_errors");
  const std::string broken = folder.write("broken.png", "no picture");
  std::vector<DatasetEntry> entries(3, {"", 0, "bolt", ""});
  Image picture(8, 8, 3);
  picture.fill(1);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    entries[i].image_path = join_path(folder.path(), concat("p", i, ".png"));
    write_png(entries[i].image_path, picture);
  }
  entries[1].image_path = broken;
  const SampleSource source(entries);
  for (const int ahead : {0, 1, 3}) {
    CAPTURE(ahead);
    LoaderOptions options{.batch = 1, .size = 8, .is_shuffled = false, .ahead = ahead};
    Loader<float> loader(source, options);
    CHECK(loader.next().paths[0] == entries[0].image_path);
    expect_error(ErrorCode::format, {"broken.png"}, [&] { loader.next(); });
    CHECK(loader.next().paths[0] == entries[2].image_path);
    CHECK(loader.next().position.epoch == 1);
  }
}

TEST_CASE("impossible options are refused") {
  const SampleSource none, source = drawn_source(3);
  expect_error(ErrorCode::contract, {"no samples"}, [&] { Loader<float> loader(none, {}); });
  expect_error(ErrorCode::contract, {"batches of 0"}, [&] { Loader<float> loader(source, {.batch = 0}); });
  expect_error(ErrorCode::contract, {"-1"}, [&] { Loader<float> loader(source, {.ahead = -1}); });
  expect_error(ErrorCode::contract, {"batch 2"}, [&] { Loader<float> loader(source, {.batch = 2}, {0, 2}); });
  expect_error(ErrorCode::contract, {"sample 3 of 3"}, [&] { static_cast<void>(source.load(3)); });
}

TEST_CASE("pictures are read as the options say") {
  const TemporaryFolder folder("loader_exif");
  Image upright(12, 8, 3), mask(12, 8, 1);
  mask.fill(0);
  for (index_t i = 0; i < upright.size(); ++i) upright.data()[i] = static_cast<std::uint8_t>(i * 7);
  for (index_t x = 0; x < 5; ++x) mask.row(1)[x] = 255;
  const auto path = [&](const char* name) { return join_path(folder.path(), name); };
  write_png(path("p.png"), upright), write_png(path("m.png"), mask);
  write_oriented_png(path("turned.png"), apply_orientation(Image(upright), 8), 6);
  write_png(path("turned_mask.png"), apply_orientation(Image(mask), 8));
  const SampleSource plain({DatasetEntry{path("p.png"), 1, "x", path("m.png")}});
  const SampleSource turned({DatasetEntry{path("turned.png"), 1, "x", path("turned_mask.png")}});
  const auto load = [](const SampleSource& source, bool use_exif) {
    LoaderOptions options{.batch = 1, .size = 14, .is_augmented = false};
    options.images.apply_exif_orientation = use_exif;
    LoadedBatch<float> batch;
    load_batch<float>(source, options, 0, std::vector<index_t>{0}, batch);
    batch.paths.clear();
    return batch;
  };
  CHECK(same_batch(load(turned, true), load(plain, false)));
  CHECK_FALSE(same_batch(load(turned, false), load(plain, false)));
}

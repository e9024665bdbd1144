// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <moeclip/image/exif.hpp>
#include <moeclip/io/weights.hpp>
#include <moeclip/memory/learn.hpp>
#include <moeclip/memory/memory_file.hpp>

#include "../anomaly/detector_fixtures.hpp"
#include "expect_error.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;        // NOLINT
using namespace detector_test;  // NOLINT

namespace {

/// A gray plate with faint noise of its own; defective: with a block of strong noise.
Image plate(index_t number, bool is_defective = false) {
  Image image(70, 70, 3);
  const Rng noise(1, concat("plate/", number));
  for (index_t i = 0; i < image.size(); ++i) image.data()[i] = static_cast<std::uint8_t>(noise.integer(i, 126, 131));
  if (!is_defective) return image;
  for (index_t y = 28; y < 42; ++y)
    for (index_t x = 28 * 3; x < 42 * 3; ++x)
      image.row(y)[x] = static_cast<std::uint8_t>(noise.integer(image.size() + y * 210 + x, 0, 256));
  return image;
}

PatchMemory<float> learn_plates(index_t count, LearnOptions options = {}, int threads = 2) {
  Context context({.threads = threads});
  const auto load = [](index_t i) { return plate(i); };
  const auto anchors = random_anchors();
  return learn<float>(context, shared_detector(), {count, load}, options, options.text_weight > 0 ? &anchors : nullptr);
}

Detection judge(const PatchMemory<float>& memory, const Image& image, int threads = 2) {
  Context context({.threads = threads});
  const auto anchors = random_anchors();
  Detection found;
  detect_by_memory<float>(context, shared_detector(), memory, memory.record.text_weight > 0 ? &anchors : nullptr,
                          image.view(), found);
  return found;
}

}  // namespace

TEST_CASE("descriptors have unit length and hold every block in its place") {
  Context context;
  const AdaptedModel<float> model = shared_detector().model();
  const index_t patches = descriptor_count(model), width = descriptor_width(model);
  REQUIRE(patches == 25);
  REQUIRE(width == 4 * 128);
  Tensor<float> descriptors({patches, width});
  const auto tokens = random_tensor<float>({1, 26, 128}, "tokens");
  for (const index_t block : {4, 2, 1, 3, 7})
    describe_block<float>(context, model, block, tokens.view<3>(), descriptors.view<2>());
  for (index_t i = 0; i < patches; ++i)
    for (index_t place = 0; place < 4; ++place)  // each block is half a unit: together they are one
      CHECK(detail::length(&descriptors[i * width + place * 128], 128) == doctest::Approx(0.5));
}

TEST_CASE("without an adapter, descriptors are made of four blocks, or of all if there are fewer") {
  Context context;
  const auto blocks_of = [&](index_t layers) {
    const VisionTower<float> tower({28, 14, 8, layers, 1, 8}, 4, kernels::Activation::gelu);
    Adapter<float> plain;
    plain.config.level_blocks = {layers};
    const AdaptedModel<float> model{tower, tower.positional_embedding, plain};
    std::vector<index_t> blocks;
    for (index_t block = 0; block <= layers + 1; ++block)
      if (descriptor_place(model, block) >= 0) blocks.push_back(block);
    CHECK(std::ssize(blocks) == descriptor_levels(model));
    return blocks;
  };
  CHECK(blocks_of(24) == std::vector<index_t>{6, 12, 18, 24});
  CHECK(blocks_of(5) == std::vector<index_t>{1, 2, 3, 5});
  CHECK(blocks_of(3) == std::vector<index_t>{1, 2, 3});
  CHECK(blocks_of(1) == std::vector<index_t>{1});
}

TEST_CASE("a memory finds its own pictures good and a block of noise abnormal where it is") {
  const PatchMemory<float> memory = learn_plates(6);
  CHECK(memory.patches.size() == 6 * 25);
  CHECK(memory.record.pictures == 6);
  CHECK(memory.record.held_out.size() == 6);
  CHECK(memory.record.unit > 0);
  const Detection known = judge(memory, plate(2));
  CHECK(known.score < memory.abnormality(static_cast<float>(memory.record.unit)));
  CHECK_FALSE(known.is_anomalous);
  CHECK(known.regions.empty());
  const Detection bad = judge(memory, plate(100, true));
  CHECK(bad.is_anomalous);
  REQUIRE_FALSE(bad.regions.empty());
  CHECK(std::abs(bad.regions.front().peak_x - 35) <= 21);  // a descriptor sees one and a half patches far
  CHECK(std::abs(bad.regions.front().peak_y - 35) <= 21);
  CHECK(bad.threshold == memory.record.threshold);
  CHECK(bad.map_kind == MapKind::probability);
}

TEST_CASE("a memory of a single patch tells defects") {
  LearnOptions options;
  options.patches = 1;
  const PatchMemory<float> memory = learn_plates(6, options);
  CHECK(memory.patches.size() == 1);
  CHECK(memory.record.threshold > 0.0f);
  CHECK(judge(memory, plate(100, true)).score > memory.record.threshold);
}

TEST_CASE("held-out scores are those of a memory without the picture") {
  const PatchMemory<float> all = learn_plates(3);
  Context context;
  for (index_t out = 0; out < 3; ++out) {
    std::vector<index_t> others;
    for (index_t i = 0; i < 3; ++i)
      if (i != out) others.push_back(i);
    const auto load = [&](index_t i) { return plate(others[static_cast<std::size_t>(i)]); };
    PatchMemory<float> memory = learn<float>(context, shared_detector(), {2, load});
    memory.record.unit = all.record.unit;
    memory.record.spread = all.record.spread;
    CHECK(judge(memory, plate(out)).score == all.record.held_out[static_cast<std::size_t>(out)]);
  }
  const auto highest = *std::ranges::max_element(all.record.held_out);
  CHECK(all.record.threshold == std::nextafter(highest, 1.0f));
}

TEST_CASE("learning gives the same bits for any number of threads") {
  LearnOptions options;
  options.patches = 40;
  options.is_turned = true;
  options.text_weight = 0.3;
  const PatchMemory<float> one = learn_plates(5, options, 1), three = learn_plates(5, options, 3);
  CHECK(one.patches.size() == 40);
  CHECK(same_bits(one.patches.rows(), three.patches.rows()));
  CHECK(one.record.held_out == three.record.held_out);
  CHECK(one.record.threshold == three.record.threshold);
  CHECK(one.record.unit == three.record.unit);
  CHECK(one.record.spread == three.record.spread);
  CHECK(same_detection(judge(one, plate(50, true), 1), judge(three, plate(50, true), 4)));
}

TEST_CASE("turned pictures are known if they were learned so") {
  LearnOptions options;
  const Image turned = apply_orientation(plate(0), 6);
  const float plain = judge(learn_plates(1, options), turned).score;
  options.is_turned = true;
  const float known = judge(learn_plates(1, options), turned).score;
  CHECK(known < plain / 2);
}

TEST_CASE("text and memory are mixed by their weights") {
  LearnOptions options;
  PatchMemory<float> memory = learn_plates(2, options);
  const Image picture = plate(9, true);
  const float alone = judge(memory, picture).score;
  Context context;
  const auto anchors = random_anchors();
  const float text = shared_detector().detect(context, picture.view(), anchors).score;
  memory.record.text_weight = 0.25;
  CHECK(judge(memory, picture).score == doctest::Approx(0.25f * text + 0.75f * alone).epsilon(1e-6));
  Detection found;
  expect_error(ErrorCode::contract, {"needs anchors"},
               [&] { detect_by_memory<float>(context, shared_detector(), memory, nullptr, picture.view(), found); });
}

TEST_CASE("a single picture gives no threshold, and neither do copies of it") {
  const PatchMemory<float> single = learn_plates(1);
  CHECK(single.record.held_out.empty());
  CHECK(single.record.threshold == kNoThreshold);
  CHECK(single.record.pixel_threshold == kNoThreshold);
  CHECK(judge(single, plate(100, true)).score > judge(single, plate(1)).score);
  CHECK(single.record.unit > kSmallestUnit);
  CHECK(promised_rate(single.record).high == 1);
  Context context;
  const auto same = [](index_t) { return plate(0); };
  const auto memory = learn<float>(context, shared_detector(), {3, same});
  CHECK(memory.record.pictures == 3);
  CHECK(memory.record.held_out.empty());
  CHECK(memory.record.threshold == kNoThreshold);
  CHECK(memory.record.unit == single.record.unit);
  CHECK(memory.record.spread == single.record.spread);
  CHECK(promised_rate(memory.record).high == 1);
}

TEST_CASE("twins are held out together, and count once") {
  Context context;
  const auto burst = [](index_t i) { return plate(i % 3); };  // three things, each shown three times
  const PatchMemory<float> memory = learn<float>(context, shared_detector(), {9, burst}), three = learn_plates(3);
  CHECK(memory.record.pictures == 9);
  REQUIRE(memory.record.held_out.size() == 3);
  for (std::size_t i = 0; i < 3; ++i)  // by memories that hold the same patches, more than once
    CHECK(memory.record.held_out[i] == doctest::Approx(three.record.held_out[i]).epsilon(0.05));
  CHECK(promised_rate(memory.record).estimate == doctest::Approx(0.25));
  CHECK_FALSE(judge(memory, plate(0)).is_anomalous);
}

TEST_CASE("options and pictures that make no sense are refused") {
  Context context;
  const auto load = [](index_t i) { return plate(i); };
  const auto refuse = [&](index_t count, const LearnOptions& options, const char* word) {
    expect_error(ErrorCode::contract, {word}, [&] {
      (void)learn<float>(context, shared_detector(), {count, load}, options);
    });
  };
  refuse(0, {}, "no pictures");
  refuse(2, {.patches = 0}, "patches");
  refuse(2, {.folds = 1}, "folds");
  refuse(2, {.text_weight = 1.5}, "text");
}

TEST_CASE("a memory is the same after it was written and read") {
  const TemporaryFolder folder("memory");
  const std::string path = join_path(folder.path(), "plates.moeclip");
  LearnOptions options;
  options.class_name = "plate";
  options.images.apply_exif_orientation = true;
  const PatchMemory<float> memory = learn_plates(4, options);
  save_memory(path, memory);
  Context context;
  const WeightFile file = WeightFile::open(path);
  REQUIRE(holds_memory(file));
  const PatchMemory<float> again = load_memory<float>(context, file, shared_detector());
  CHECK(same_bits(memory.patches.rows(), again.patches.rows()));
  CHECK(memory.record.held_out == again.record.held_out);
  CHECK(memory.record.threshold == again.record.threshold);
  CHECK(memory.record.pixel_threshold == again.record.pixel_threshold);
  CHECK(memory.record.unit == again.record.unit);
  CHECK(memory.record.spread == again.record.spread);
  CHECK(again.record.class_name == "plate");
  CHECK(again.record.images == options.images);
  CHECK(same_detection(judge(memory, plate(70)), judge(again, plate(70))));
  DetectorOptions wanted;
  wanted.image_size = 70;
  const Detector other = make_seeded_detector(2, wanted);
  expect_error(ErrorCode::mismatch, {"plates.moeclip", "another CLIP"},
               [&] { (void)load_memory<float>(context, file, other); });
  wanted.image_size = 84;
  const Detector larger = small_detector(wanted);
  expect_error(ErrorCode::mismatch, {"70 pixels, not 84"}, [&] { (void)load_memory<float>(context, file, larger); });
}

// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <thread>
#include <vector>

#include <moeclip/anomaly/load_detector.hpp>

#include "detector_fixtures.hpp"
#include "expect_error.hpp"
#include "float_modes.hpp"

using namespace detector_test;  // NOLINT

namespace {

constexpr index_t kSizes[][2] = {{1, 1}, {70, 70}, {3, 2000}, {2000, 3}, {1, 500}, {401, 1}, {97, 61}};

std::string standard_vocabulary() { return golden_path("../../tools/moeclip/data/bpe_simple_vocab_16e6.txt.gz"); }

Detector load_recorded(const std::string& adapter, DetectorOptions options = {}) {
  options.vocabulary = golden_path("tokenizer/tokenizer.json");
  options.threads = 1;
  return Detector::load(golden_path("formats/sharded"),
                        adapter.empty() ? "" : golden_path("formats/moeclip/" + adapter), options);
}

}  // namespace

TEST_CASE("the same seed gives the same detector, another seed another") {
  Context context({.threads = 1});
  const Image picture = random_picture(90, 50, 3);
  const auto look = [&](std::uint64_t seed) {
    DetectorOptions options;
    options.image_size = 56;
    return make_seeded_detector(seed, options).detect(context, picture.view(), random_anchors());
  };
  const Detection first = look(1);
  CHECK(same_detection(first, look(1)));
  CHECK_FALSE(same_detection(first, look(2)));
}

TEST_CASE("any number of threads, in any context, gives the same bits") {
  const TextAnchors<float> anchors = random_anchors();
  for (const auto& [width, height] : kSizes) {
    const std::string label = concat(width, "x", height);
    CAPTURE(label);
    const Image picture = random_picture(width, height, 3);
    Context one({.threads = 1});
    const Detection wanted = shared_detector().detect(one, picture.view(), anchors);
    for (const int threads : {2, 3}) {
      Context context({.threads = threads});
      CHECK(same_detection(shared_detector().detect(context, picture.view(), anchors), wanted));
    }
    CHECK(same_detection(shared_detector().detect(one, picture.view(), anchors), wanted));
    CHECK(same_detection(shared_detector().detect(picture, anchors), wanted));
  }
}

TEST_CASE("scores and probabilities are in [0, 1], regions inside the picture and where the map is high") {
  const TextAnchors<float> anchors = random_anchors();
  Context context({.threads = 1});
  for (const auto& [width, height] : kSizes) {
    const std::string label = concat(width, "x", height);
    CAPTURE(label);
    const Image picture = random_picture(width, height, 3);
    const Detection result = shared_detector().detect(context, picture.view(), anchors);
    CHECK(result.width == width);
    CHECK(result.height == height);
    CHECK(result.map.shape() == Shape{70, 70});
    CHECK(result.picture.width() == 70);
    CHECK((result.score >= 0 && result.score <= 1));
    CHECK((result.class_score >= 0 && result.class_score <= 1));
    CHECK(result.is_anomalous == (result.score >= result.threshold));
    float largest = 0;
    index_t outside = 0;
    for (const float value : result.map) {
      outside += !(value >= 0 && value <= 1);
      largest = std::max(largest, value);
    }
    CHECK(outside == 0);
    CHECK(result.score == doctest::Approx(0.5 * (largest + result.class_score)).epsilon(1e-6));
    CHECK(result.regions.empty() == (largest < result.pixel_threshold));
    if (!result.regions.empty()) CHECK(result.regions[0].peak == largest);
    std::vector<Region> raw;  // in pixels of the map
    find_regions<float>(context, result.map.view<2>(), result.pixel_threshold, 1, raw);
    REQUIRE(raw.size() == result.regions.size());
    for (std::size_t i = 0; i < raw.size(); ++i)
      CHECK(result.regions[i].area == std::max<index_t>(1, raw[i].area * width * height / 4900));
    for (const Region& region : result.regions) {
      CHECK((region.x >= 0 && region.y >= 0 && region.width >= 1 && region.height >= 1));
      CHECK(region.x + region.width <= width);
      CHECK(region.y + region.height <= height);
      CHECK((region.area >= 1 && region.area <= region.width * region.height));
      CHECK((region.peak_x >= region.x && region.peak_x < region.x + region.width));
      CHECK((region.peak_y >= region.y && region.peak_y < region.y + region.height));
      CHECK(region.peak >= result.pixel_threshold);
    }
  }
}

TEST_CASE("a threshold of zero makes one region of the whole picture") {
  DetectorOptions options;
  options.threshold = 0;
  const Detector detector = small_detector(options);
  Context context({.threads = 1});
  for (const auto& [width, height] : kSizes) {
    const std::string label = concat(width, "x", height);
    CAPTURE(label);
    const Detection result = detector.detect(context, random_picture(width, height, 3).view(), random_anchors());
    REQUIRE(result.regions.size() == 1);
    const Region& region = result.regions[0];
    CHECK((region.x == 0 && region.y == 0 && region.width == width && region.height == height));
    CHECK(region.area == width * height);
    CHECK(result.is_anomalous);
  }
}

TEST_CASE("gray pictures count as colour, and rows may lie apart") {
  const TextAnchors<float> anchors = random_anchors();
  Context context({.threads = 2});
  const Image gray = random_picture(45, 83, 1);
  Image colour(45, 83, 3);
  for (index_t i = 0; i < gray.size(); ++i) std::fill_n(colour.data() + 3 * i, 3, gray.data()[i]);
  const Detection wanted = shared_detector().detect(context, colour.view(), anchors);
  CHECK(same_detection(shared_detector().detect(context, gray.view(), anchors), wanted));
  std::vector<std::uint8_t> padded(static_cast<std::size_t>(83 * 200), 77);
  for (index_t y = 0; y < 83; ++y) std::copy_n(colour.view().row(y), 135, padded.data() + 200 * y);
  CHECK(same_detection(shared_detector().detect(context, {padded.data(), 45, 83, 3, 200}, anchors), wanted));
}

TEST_CASE("a result may be used again for a picture of any size") {
  const TextAnchors<float> anchors = random_anchors();
  Context context({.threads = 1});
  Detection result;
  for (const auto& [width, height] : kSizes) {
    const Image picture = random_picture(width, height, 3);
    shared_detector().detect(context, picture.view(), anchors, result);
    CHECK(same_detection(result, shared_detector().detect(context, picture.view(), anchors)));
  }
}

TEST_CASE("the reference map has no fixed range; scores stay those of the probability map") {
  const Image picture = random_picture(80, 60, 3);
  Context context({.threads = 1});
  const Detection probability = shared_detector().detect(context, picture.view(), random_anchors());
  Tensor<float> maps[2];
  for (const Domain domain : {Domain::industrial, Domain::medical}) {
    DetectorOptions options;
    options.map = MapKind::reference;
    options.domain = domain;
    const Detection result = small_detector(options).detect(context, picture.view(), random_anchors());
    CHECK(result.map_kind == MapKind::reference);
    CHECK(result.pixel_threshold == 6);  // twelve maps, one half each
    CHECK(result.class_score == probability.class_score);
    const float largest = *std::max_element(probability.map.begin(), probability.map.end());
    CHECK(result.score == (domain == Domain::medical ? largest : probability.score));
    maps[domain == Domain::medical ? 1 : 0] = result.map;
  }
  CHECK_FALSE(same_bits(maps[0], maps[1]));
}

TEST_CASE("small regions can be left out") {
  DetectorOptions options;
  options.smallest_region = 70 * 70 + 1;
  options.threshold = 0;
  Context context({.threads = 1});
  CHECK(small_detector(options).detect(context, random_picture(9, 9, 3).view(), random_anchors()).regions.empty());
}

TEST_CASE("anchors of a class are made once, from its prompts") {
  DetectorOptions options;
  options.vocabulary = standard_vocabulary();
  options.image_size = 14;
  const Detector detector = make_seeded_detector(1, options);
  const TextAnchors<float> first = detector.anchors("blue gizmo"), second = detector.anchors("blue gizmo");
  CHECK(first.name == "blue gizmo");
  CHECK(first.vectors.shape() == Shape{2, 96});
  CHECK(same_bits(first.vectors, second.vectors));
  CHECK(same_bits(first.vectors, detector.anchors("x", make_prompts("blue gizmo")).vectors));
  CHECK_FALSE(same_bits(first.vectors, detector.anchors("red gizmo").vectors));
  expect_error(ErrorCode::contract, {"both states"}, [&] {
    static_cast<void>(detector.anchors("x", Prompts{{"only normal"}, {}}));
  });
}

TEST_CASE("another model's vocabulary is told") {
  DetectorOptions options;
  options.vocabulary = golden_path("tokenizer/tokenizer.json");
  options.image_size = 14;
  const Detector detector = make_seeded_detector(1, options);
  expect_error(ErrorCode::mismatch, {"600", "49408"}, [&] { static_cast<void>(detector.anchors("gizmo")); });
}

TEST_CASE("empty pictures, other anchors and impossible sizes are refused") {
  Context context({.threads = 1});
  expect_error(ErrorCode::contract, {"empty picture"},
               [&] { static_cast<void>(shared_detector().detect(context, ImageView{}, random_anchors())); });
  const Image picture = random_picture(8, 8, 3);
  expect_error(ErrorCode::contract, {"width 95", "width 96"},
               [&] { static_cast<void>(shared_detector().detect(context, picture.view(), random_anchors(95))); });
  CHECK_NOTHROW(static_cast<void>(shared_detector().detect(context, picture.view(), random_anchors())));
  for (const auto& [size, near] : {std::pair{71, "70 and 84 are"}, {13, "14 and 28 are"}, {-14, "14 and 28 are"}}) {
    DetectorOptions options;
    options.image_size = size;
    expect_error(ErrorCode::contract, {concat("image size ", size), "patch size 14", near},
                 [&] { small_detector(options); });
  }
}

TEST_CASE("a detector is loaded from files") {
  Context context({.threads = 2});
  DetectorOptions options;
  options.image_size = 35;
  const Detector adapted = load_recorded("default.pth", options), plain = load_recorded("", options);
  CHECK(adapted.clip().config().activation == kernels::Activation::gelu);  // as the released code trains them
  CHECK(plain.clip().config().activation == kernels::Activation::quick_gelu);
  CHECK(adapted.adapter().config.maps() == 12);
  const Image picture = random_picture(50, 40, 3);
  for (const Detector* detector : {&adapted, &plain}) {
    const auto anchors = detector->anchors("gizmo", Prompts{{"a gizmo."}, {"a bad gizmo."}});  // short, as its context
    const Detection result = detector->detect(context, picture.view(), anchors);
    CHECK(result.map.shape() == Shape{35, 35});
    CHECK((result.score >= 0 && result.score <= 1));
    CHECK(same_detection(result, detector->detect(context, picture.view(), anchors)));
  }
  CHECK(load_recorded("").options().image_size == 28);
  CHECK(load_recorded("nopaa.pth").options().image_size == 518);
  options.image_size = 36;
  expect_error(ErrorCode::contract, {"36", "patch size 7"}, [&] { load_recorded("default.pth", options); });
}

TEST_CASE("files in the wrong place are told") {
  const std::string clip = golden_path("formats/sharded"), adapter = golden_path("formats/moeclip/default.pth");
  expect_error(ErrorCode::mismatch, {"default.pth", "give it as the adapter"}, [&] { Detector::load(adapter, clip); });
  expect_error(ErrorCode::mismatch, {"sharded", "give it as the CLIP"}, [&] { Detector::load(clip, clip); });
  expect_error(ErrorCode::mismatch, {"default.pth", "4 blocks"},
               [&] { Detector::load(golden_path("formats/hf"), adapter); });
}

TEST_CASE("the caller's rounding and flushing change no verdict and come back as they were") {
  const Image picture = random_picture(90, 60, 3);
  Context early({.threads = 2});  // its threads begin in another mode than they work in
  const Detection expected = shared_detector().detect(early, picture.view(), shared_detector().anchors("gizmo"));
  for (const FloatMode mode : float_modes()) {
    CAPTURE(mode);
    const Detector detector = small_detector();
    const FloatScope caller(mode);
    const Detection found = detector.detect(early, picture.view(), detector.anchors("gizmo"));
    CHECK(float_mode() == mode);
    CHECK(same_detection(found, expected));
  }
}

// For longer: MOECLIP_SOAK_SECONDS=3600 moeclip_test_anomaly -tc='eight threads*'
TEST_CASE("eight threads share one detector, and each gets what it would have got alone") {
  const char* const wanted = std::getenv("MOECLIP_SOAK_SECONDS");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(wanted != nullptr ? std::atoi(wanted) : 0);
  const Detector detector = small_detector();
  constexpr std::size_t kThreads = 8;
  std::vector<Image> pictures;
  std::vector<Detection> expected;
  for (std::size_t i = 0; i < kThreads; ++i) {
    const auto side = static_cast<index_t>(40 + 7 * i);
    pictures.push_back(random_picture(side, 70, i % 2 == 0 ? 3 : 1, concat("picture ", i)));
    expected.push_back(detector.detect(pictures[i], detector.anchors(i % 3 == 0 ? "gizmo" : "cable")));
  }
  const Detector fresh = small_detector();  // whose anchors nobody has asked for yet
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < kThreads; ++thread)
    threads.emplace_back([&, thread] {
      Context context({.threads = 2});
      std::size_t i = thread;
      do {
        for (std::size_t turn = 0; turn < 3; ++turn, i = (i + 1) % kThreads) {
          const auto anchors = fresh.anchors(i % 3 == 0 ? "gizmo" : "cable");
          if (!same_detection(fresh.detect(context, pictures[i].view(), anchors), expected[i])) ++wrong;
        }
      } while (std::chrono::steady_clock::now() < end);
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

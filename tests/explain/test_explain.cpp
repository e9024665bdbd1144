// SPDX-License-Identifier: MIT
// Explanations of constructed cases: words, noise, place, carrier, sentences.
#include <doctest/doctest.h>

#include <moeclip/explain/explain.hpp>
#include <moeclip/explain/inspect.hpp>

#include "expect_error.hpp"
#include "explain_test.hpp"

using namespace explain_test;  // NOLINT

namespace {

/// Words along the first axes of a space of eight: "no defect" is axis 0.
DefectWords<double> axis_words() {
  DefectWords<double> words{"gizmo", {"scratch", "hole", "stain"}, Tensor<double>({4, 8})};
  for (index_t k = 0; k < 4; ++k) words.directions[k * 8 + k] = 1;
  return words;
}

/// Vectors of a place and of six windows: what the others share does not count, how they differ is the noise.
Tensor<double> axis_vectors(double hole, double spread) {
  Tensor<double> vectors({7, 8});
  for (index_t n = 0; n < 7; ++n) {
    vectors[n * 8] = 0.9;      // all look normal
    vectors[n * 8 + 3] = 0.4;  // and a bit like stains
  }
  vectors[2] = hole;
  for (index_t n = 1; n < 7; ++n) vectors[n * 8 + 2] = n % 2 == 0 ? spread : -spread;
  return vectors;
}

Inspection<double> bright_corner(index_t size, index_t grid) {
  Inspection<double> seen;
  seen.grid = grid;
  seen.detection.map = Tensor<float>({size, size});
  for (index_t y = 0; y < 4; ++y)
    for (index_t x = 0; x < 4; ++x) seen.detection.map[y * size + x] = 0.8f;
  seen.detection.map[5 * size + 9] = 0.5f;  // another area, above the level but apart
  return seen;
}

}  // namespace

TEST_CASE("the word that the place has and the rest has not") {
  Explanation e;
  moeclip::detail::name_difference<double>(axis_vectors(0.5, 0.05), axis_words(), e);
  CHECK(e.words[0].word == "hole");
  CHECK(e.words[0].score == doctest::Approx(0.5));
  CHECK(e.lead == doctest::Approx(0.5));
  CHECK(e.over_normal == doctest::Approx(0.5));
  CHECK(e.noise == doctest::Approx(0.05 * std::sqrt(6.0 / 5)));
  CHECK(e.windows == 6);
}

TEST_CASE("one word is no choice") {
  const auto detector = make_detector<float>();
  Context context({.threads = 1});
  const DefectWords<float> words{"gizmo", {"scratch"}, Tensor<float>({2, 24})};
  Explanation e;
  expect_error(ErrorCode::contract, {"two words", "not by 1"}, [&] {
    name_place<float>(context, detector.clip(), make_picture(), {3, 3}, words, e);
  });
}

TEST_CASE("windows do not look at the place, and stay in the picture") {
  const Image picture = make_picture(200, 120);
  const std::vector<Box> windows = moeclip::detail::naming_windows(picture, {10, 110}, {});
  CHECK(windows.size() > 8);
  CHECK(windows[0].x == 0);
  CHECK(windows[0].y == 60);
  for (const Box& box : windows) {
    CHECK(box.width == 60);
    CHECK(box.x >= 0);
    CHECK(box.x + 60 <= 200);
    CHECK(box.y + 60 <= 120);
  }
  for (std::size_t i = 1; i < windows.size(); ++i) CHECK((windows[i].x > 10 || windows[i].y + 60 < 110));
  CHECK(moeclip::detail::naming_windows(picture, {100, 60}, {}).size() > 3);  // long: there are windows beside
  CHECK(moeclip::detail::naming_windows(make_picture(60, 60), {30, 30}, {}).size() == 1);  // all show the middle
  CHECK(moeclip::detail::naming_windows(make_picture(1, 1), {0.5, 0.5}, {}).size() == 1);
}

TEST_CASE("the area around the peak") {
  Context context({.threads = 1});
  const Inspection<double> seen = bright_corner(20, 5);
  const auto area = moeclip::detail::peak_area(context, seen.detection.map);
  CHECK(area.region.area == 16);
  CHECK(area.region.width == 4);
  const std::vector<bool> inside = moeclip::detail::patches_inside(area, 20, 5);
  CHECK(std::ranges::count(inside, true) == 1);
  CHECK(inside[0]);
  CHECK(moeclip::detail::place_words(0.1, 0.1) == "upper left");
  CHECK(moeclip::detail::place_words(0.5, 0.5) == "middle");
  CHECK(moeclip::detail::place_words(0.9, 0.5) == "right");
  CHECK(moeclip::detail::place_words(0.5, 0.9) == "bottom");
}

TEST_CASE("who carried it") {
  BlockInspection<double> block;
  block.block = 3;
  block.probabilities = Tensor<double>({26, 2});
  block.chosen = Tensor<std::int32_t>({26, 1});
  block.weights = Tensor<double>({26, 1});
  block.weights.fill(1);
  block.chosen[1] = 1;  // expert 2 has patch 0 only
  block.cams = Tensor<double>({2, 25});
  block.cams[25] = 3;  // and raised the score there
  block.cams[7] = 1;   // expert 1 elsewhere
  std::vector<bool> inside(25, false);
  inside[0] = true;
  const CarrierEvidence c = moeclip::detail::find_carrier(std::vector<BlockInspection<double>>{block}, inside);
  CHECK(c.block == 3);
  CHECK(c.expert == 2);
  CHECK(c.cam_share == doctest::Approx(0.75));
  CHECK(c.area_share == doctest::Approx(0.04));
  CHECK(c.weight_inside == 1);
  CHECK(c.weight_outside == 0);
  CHECK(c.stands_out());
  CHECK(moeclip::detail::find_carrier(std::vector<BlockInspection<double>>{}, inside).block == 0);
}

TEST_CASE("sentences") {
  Explanation e;
  e.words = {{"scratch", 0.3}, {"crack", 0.1}};
  e.score = 0.7;
  e.threshold = 0.5;
  e.place = "upper left";
  e.area = 0.031;
  e.lead = 0.2;
  e.over_normal = 0.1;
  e.noise = 0.04;
  e.windows = 9;
  CHECK(moeclip::detail::explanation_words(e) ==
        "Nothing counts as abnormal: score 0.70, threshold 0.50. The least normal place is the upper left of the "
        "picture, 3.1% of it.");
  e.is_anomalous = e.is_certain = true;
  CHECK(moeclip::detail::explanation_words(e) ==
        "The upper left of the picture, 3.1% of it, looks abnormal: score 0.70, threshold 0.50. It is most like "
        "\"scratch\", 0.200 ahead of \"crack\"; a lead counts from 0.080 on.");
  e.is_certain = false;
  e.over_normal = -0.0126;
  CHECK(moeclip::detail::explanation_words(e).find(
            "Not certain what it is: of the words the nearest is \"scratch\", 0.200 ahead of \"crack\", but \"no "
            "defect\" is nearer by 0.013.") != std::string::npos);
  CHECK(moeclip::detail::explanation_words(e).find("counts from") == std::string::npos);
  e.over_normal = 0.1;
  e.lead = 0.05;
  CHECK(moeclip::detail::explanation_words(e).find("0.050 ahead of \"crack\"; a lead counts from 0.080 on.") !=
        std::string::npos);
  e.carrier = {3, 2, 0.5, 0.1, 0.6, 0.2};
  CHECK(moeclip::detail::explanation_words(e).find("Not certain what it is") != std::string::npos);
  CHECK(moeclip::detail::explanation_words(e).find("Expert 2 after block 3 carried it: 50% of") != std::string::npos);
  e.windows = 2;
  CHECK(moeclip::detail::explanation_words(e).find("too little of the picture") != std::string::npos);
  e.carrier.cam_share = 0.15;
  CHECK(moeclip::detail::explanation_words(e).find("No single expert stands out") != std::string::npos);
}

TEST_CASE("vocabularies") {
  const DefectVocabulary own = default_vocabulary();
  CHECK(own.words.size() == kDefectPhrases.size());
  for (const DefectWord& word : own.words)
    for (const std::string& phrase : word.phrases) CHECK(phrase.find("{}") != std::string::npos);
  const auto read = [](const char* text) { return parse_vocabulary(parse_json(text, "test"), "test"); };
  const DefectVocabulary two =
      read(R"({"words": {"rust": ["a {} with rust", "a rusty {}"], "dent": ["a dented {}"]}})");
  CHECK(two.words[0].word == "rust");
  CHECK(two.words[0].phrases.size() == 2);
  CHECK(two.normal == own.normal);
  expect_error(ErrorCode::format, {"test", "two words"}, [&] { read(R"({"words": {"rust": ["a {} with rust"]}})"); });
  expect_error(ErrorCode::format, {"rust", "list"},
               [&] { read(R"({"words": {"rust": [], "dent": ["a dented {}"]}})"); });
  expect_error(ErrorCode::format, {"rust", "{}"},
               [&] { read(R"({"words": {"rust": ["rust"], "dent": ["a dented {}"]}})"); });
  expect_error(ErrorCode::format, {"wrods"}, [&] { read(R"({"wrods": {}})"); });
  expect_error(ErrorCode::format, {"words"}, [&] { read("[]"); });
}

TEST_CASE_TEMPLATE("an explanation has the same bits for any number of threads", T, float, double) {
  const auto detector = make_detector<T>();
  const auto anchors = make_anchors<T>();
  DefectWords<T> words{"gizmo", {"scratch", "hole", "stain"}, random_tensor<T>({4, 24}, "words")};
  std::string first;
  for (const int threads : {1, 2}) {
    Context context({.threads = threads});
    const Inspection<T> seen = inspect(context, detector, make_picture(60, 40).view(), anchors);
    const Explanation e = explain(context, detector, seen, words);
    CHECK(e.words.size() == 3);
    CHECK(e.words[0].score >= e.words[1].score);
    CHECK(e.windows > 1);
    CHECK(e.noise > 0);
    CHECK(e.carrier.block > 0);
    CHECK((!e.is_certain || e.lead > 2 * e.noise));
    if (threads == 1) first = e.sentence;
    CHECK(e.sentence == first);
  }
}

// SPDX-License-Identifier: MIT
// Explanations of constructed cases: words, noise, place, carrier, sentences.
#include <doctest/doctest.h>

#include <moeclip/explain/explain.hpp>
#include <moeclip/explain/inspect.hpp>

#include "expect_error.hpp"
#include "explain_test.hpp"

using namespace explain_test;  // NOLINT

namespace {

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

TEST_CASE("one word is no choice") {
  const auto detector = make_detector<float>();
  Context context({.threads = 1});
  const DefectWords<float> words{"gizmo", {"scratch"}, Tensor<float>({2, 24})};
  const Inspection<float> seen = inspect(context, detector, make_picture().view(), make_anchors<float>());
  expect_error(ErrorCode::contract, {"two words", "not 1"}, [&] { (void)explain(context, detector, seen, words); });
}

TEST_CASE("windows stay in the picture") {
  const std::vector<Box> windows = moeclip::detail::word_windows(200, 120, {10, 110});
  CHECK(windows.size() == 17);
  CHECK(windows[0].x == 0);
  CHECK(windows[0].y == 60);
  for (const Box& box : windows) {
    CHECK(box.width == 60);
    CHECK(box.x >= 0);
    CHECK(box.x + 60 <= 200);
    CHECK(box.y + 60 <= 120);
  }
  CHECK(windows[1].x == 0);
  CHECK(windows[16].x == 140);
  CHECK(windows[16].y == 60);
  CHECK(moeclip::detail::word_windows(1, 1, {0.5, 0.5})[0].width == 1);
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
  std::vector<double> edges(25, 1);
  edges[3] = 13;  // of the patches outside, mean 1.5; all are expert 1's
  const CarrierEvidence c = moeclip::detail::find_carrier(std::vector<BlockInspection<double>>{block}, inside, edges);
  CHECK(c.block == 3);
  CHECK(c.expert == 2);
  CHECK(c.own().cam == doctest::Approx(0.75));
  CHECK(c.area_share == doctest::Approx(0.04));
  CHECK(c.own().weight_inside == 1);
  CHECK(c.own().weight_outside == 0);
  CHECK(c.own().edges == 1);
  CHECK(c.experts[0].cam == 0);
  CHECK(c.experts[0].edges == doctest::Approx(1));
  CHECK(c.stands_out());
  CHECK_FALSE(c.saw(c.experts[0]));
  CHECK(moeclip::detail::find_carrier(std::vector<BlockInspection<double>>{}, inside, edges).block == 0);
}

TEST_CASE("sentences") {
  Explanation e;
  e.words = {{"scratch", 0.3, 0.81}, {"crack", 0.25, 0.052}};
  e.score = 0.7;
  e.threshold = 0.5;
  e.place = "upper left";
  e.area = 0.031;
  e.region = {12, 3, 40, 20, 500, 0.9f, 20, 10};
  CHECK(moeclip::detail::explanation_words(e) ==
        "Nothing counts as abnormal: score 0.70, threshold 0.50. The least normal place is the upper left of the "
        "picture, 3.1% of it in a box of 40x20 pixels at (12, 3).");
  e.is_anomalous = true;
  const auto says = [&](const char* part) {
    const std::string text = moeclip::detail::explanation_words(e);
    CAPTURE(text);
    return text.find(part) != std::string::npos;
  };
  CHECK(
      says("What kind it is, nobody can tell: no fit says how often names by this model are right. Plain CLIP finds "
           "\"scratch\" nearest (cosine 0.300, then \"crack\" 0.250)."));
  e.is_calibrated = true;
  CHECK(
      says("nobody can tell: \"scratch\" has a probability of 81%, \"crack\" 5.2%, but names by this model were not "
           "right often enough at any probability."));
  e.promise = {0.9, 200, 180};
  CHECK(
      says("What kind it is, is not certain: \"scratch\" has a probability of 81%, \"crack\" 5.2%; a name counts from "
           "90% on, where 180 of 200 such names were right."));
  e.promise.threshold = 0.7;
  e.is_certain = true;
  CHECK(
      says("It is a case of \"scratch\": the probability is 81%, of \"crack\" 5.2%; from 70% on, 180 of 200 such names "
           "were right."));
  e.carrier = {3, 2, 0.1, {{0.02, 0, 0, 1}, {0.5, 0.6, 0.2, 1.6}, {0, 0, 0, 1}, {0.001, 0, 0, 1}}};
  CHECK(
      says("The edge expert (expert 2 after block 3; edges on its other patches are 1.60 times the mean) saw this: 50% "
           "of what raised the score in that block came from its answers here, on 10% of the patches; the other three "
           "did not (expert 1 2.0%, expert 3 0.0%, expert 4 0.1%). Its share of the routing is 60% here and 20% "
           "elsewhere."));
  e.carrier.experts[1].edges = 0.5;
  CHECK(says("The expert of smooth places (expert 2"));
  e.carrier.experts[1].edges = 1.1;
  e.carrier.experts[3].cam = 0.2;
  CHECK(says("Expert 2 after block 3 saw this: 50% of"));
  CHECK(says("of the patches; one other did too (expert 4 20%); two others did not (expert 1 2.0%, expert 3 0.0%)."));
  e.carrier.experts[1].cam = 0.15;
  CHECK(
      says("No single expert stands out there: the most is 15% of what raised the score in block 3, by expert 2 on 10% "
           "of the patches."));
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
    CHECK(e.words[0].cosine >= e.words[1].cosine);
    CHECK(e.carrier.block > 0);
    CHECK_FALSE(e.is_certain);
    if (threads == 1) first = e.sentence;
    CHECK(e.sentence == first);
  }
}

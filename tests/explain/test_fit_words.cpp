// SPDX-License-Identifier: MIT
// Fitted words: the spot's numbers, the fit against what is known of its pictures, what it promises, and its file.
#include <doctest/doctest.h>

#include <moeclip/anomaly/fingerprint.hpp>
#include <moeclip/explain/fit_words.hpp>
#include <moeclip/explain/word_file.hpp>
#include <moeclip/io/json_writer.hpp>
#include <moeclip/io/safetensors_writer.hpp>
#include <moeclip/io/weights.hpp>

#include "expect_error.hpp"
#include "explain_test.hpp"
#include "temporary_folder.hpp"

using namespace explain_test;  // NOLINT

namespace {

/// A gray plate with a black rectangle.
Image plate(index_t size, const Box& spot) {
  Image image(size, size, 3);
  for (index_t i = 0; i < image.size(); ++i) image.data()[i] = 128;
  for (index_t y = spot.y; y < spot.y + spot.height; ++y)
    for (index_t x = 3 * spot.x; x < 3 * (spot.x + spot.width); ++x) image.row(y)[x] = 0;
  return image;
}

/// Three features tell two words apart, but for one example in five; `noise` features tell nothing.
std::vector<WordExample> examples_of(index_t count, index_t categories, index_t noise) {
  const Rng rng(5, "words");
  std::vector<WordExample> examples;
  for (index_t i = 0; i < count; ++i) {
    WordExample example;
    example.word = i % 3;
    example.category = "part " + std::to_string(i / 3 % categories);
    example.is_flagged = true;
    const bool is_vague = rng.unit(1000 * i) < 0.2f;
    for (index_t f = 0; f < 3 + noise; ++f) {
      const double signal = f == example.word && !is_vague ? 6 : 0;
      example.evidence.features.push_back(signal + static_cast<double>(rng.uniform(1000 * i + f + 1)));
    }
    example.evidence.cosines = {0, i % 2 == 0 ? 1.0 : 0.0, 0.5};
    examples.push_back(std::move(example));
  }
  return examples;
}

}  // namespace

TEST_CASE("what a spot looks like") {
  const auto thin = shape_evidence(plate(256, {100, 120, 40, 4}).view(), {120, 122});
  const auto round = shape_evidence(plate(256, {110, 110, 20, 20}).view(), {120, 120});
  CHECK(std::exp(round[0]) == doctest::Approx(100).epsilon(0.3));  // cells of two pixels, edges are soft
  CHECK(thin[1] > 2);                                              // long
  CHECK(round[1] == doctest::Approx(0).epsilon(0.05));
  CHECK(round[5] < -1);  // dark
  CHECK(round[7] == doctest::Approx(0).epsilon(0.01));
  CHECK(round[14] == doctest::Approx(0.1));  // one spot
  CHECK(round[18] == 0);                     // whole
  const auto twice = shape_evidence(plate(512, {220, 220, 40, 40}).view(), {240, 240});
  for (std::size_t i = 0; i < round.size(); ++i) CHECK(twice[i] == doctest::Approx(round[i]).epsilon(0.1));
  for (const auto& [width, height] : {std::pair<index_t, index_t>{1, 1}, {2, 300}, {37, 5}})
    for (const double at : {0.0, 0.5, 1.0})
      for (const double number : shape_evidence(make_picture(width, height).view(),
                                                {at * static_cast<double>(width), at * static_cast<double>(height)}))
        CHECK(std::isfinite(number));
  CHECK(std::isfinite(shape_evidence(make_picture(40, 40, 1).view(), {9, 9})[4]));
}

TEST_CASE("a fit names what can be told, and knows how often it is wrong") {
  const std::vector<std::string> words{"hole", "stain"};
  const std::vector<WordExample> examples = examples_of(900, 10, 5), others = examples_of(1200, 12, 5);
  const WordReadout readout = fit_words(examples, words);
  CHECK(readout.reads_features());
  CHECK(readout.record.categories.size() == 10);
  CHECK(readout.record.named == 600);
  CHECK(readout.record.named_right > 500);
  CHECK(readout.record.plain_right == 300);
  CHECK(readout.threshold <= 1);
  CHECK(readout.record.certain_right * 10 >= readout.record.certain * 8);
  CHECK(readout.record.reliability.answers() == 900);
  std::vector<GradedAnswer> graded;
  index_t certain = 0, right = 0;
  for (std::size_t i = 900; i < others.size(); ++i) {  // drawn the same way, not in the fit
    const std::vector<double> p = word_probabilities(readout, others[i].evidence);
    CHECK(p[0] + p[1] + p[2] == doctest::Approx(1));
    const index_t word = p[1] > p[2] ? 1 : 2;
    graded.push_back({p[static_cast<std::size_t>(word)], word == others[i].word});
    if (graded.back().probability < readout.threshold) continue;
    ++certain;
    right += graded.back().is_right ? 1 : 0;
  }
  CHECK(certain > 100);
  CHECK(right * 10 >= certain * 8);
  CHECK(reliability_of(graded).error() < 0.1);
}

TEST_CASE("the fit ends where its loss is flat") {
  const std::vector<WordExample> examples = examples_of(150, 4, 2);
  WordFitOptions options;
  options.shrinkage = 1e-9;  // all but none: the loss is that of the names alone
  options.steps = 2000;
  WordReadout readout = fit_words(examples, {"hole", "stain"}, options);
  REQUIRE(readout.reads_features());
  readout.temperature = 1;
  const auto loss = [&] {
    double sum = 0;
    for (const WordExample& example : examples)
      sum -= std::log(word_probabilities(readout, example.evidence)[static_cast<std::size_t>(example.word)]);
    return sum / static_cast<double>(examples.size());
  };
  for (index_t i = 0; i < readout.weights.size(); ++i) {
    const float before = readout.weights[i];
    readout.weights[i] = before + 0.01f;
    const double up = loss();
    readout.weights[i] = before - 0.01f;
    const double down = loss();
    readout.weights[i] = before;
    CHECK(std::abs(up - down) / 0.02 < 1e-4);
    CHECK(loss() < std::min(up, down));
  }
}

TEST_CASE("how sure names are is told from what is judged") {
  const std::vector<std::string> words{"hole", "stain"};
  std::vector<WordExample> examples = examples_of(900, 10, 5);
  for (WordExample& example : examples) {  // what is not judged is always right, and tells nothing about the others
    example.is_judged = example.category >= "part 6";
    if (!example.is_judged) example.evidence.features[static_cast<std::size_t>(example.word)] = 60;
  }
  const WordReadout readout = fit_words(examples, words);
  CHECK(readout.record.categories.size() == 10);
  CHECK(readout.record.judged == std::vector<std::string>{"part 6", "part 7", "part 8", "part 9"});
  CHECK(readout.record.pictures == 900);
  CHECK(readout.record.named == 240);
  CHECK(readout.record.named_right < 240);
  CHECK(readout.record.reliability.answers() == 360);
  CHECK(readout.record.certain <= 360);
  for (WordExample& example : examples) example.is_judged = false;
  expect_error(ErrorCode::contract, {"at least one example"}, [&] { (void)fit_words(examples, words); });
}

TEST_CASE("where nothing can be told, plain CLIP is used and nothing is certain") {
  std::vector<WordExample> examples = examples_of(90, 3, 0);
  for (WordExample& example : examples) {  // features are the same for all, cosines are no better
    example.evidence.features.assign(4, 1.0);
    example.evidence.cosines = {0, 0.2, 0.1};
  }
  const WordReadout readout = fit_words(examples, {"hole", "stain"});
  CHECK_FALSE(readout.reads_features());
  CHECK(readout.threshold > 1);
  CHECK(readout.record.named_right == readout.record.plain_right);
  CHECK(word_probabilities(readout, examples[0].evidence)[1] > word_probabilities(readout, examples[0].evidence)[2]);
  expect_error(ErrorCode::missing, {"two kinds"}, [&] {
    for (WordExample& example : examples) example.word = 1;
    (void)fit_words(examples, {"hole", "stain"});
  });
  expect_error(ErrorCode::missing, {"12 in all", "0 of 0"}, [] { (void)fit_words({}, {"hole", "stain"}); });
  expect_error(ErrorCode::contract, {"two words"}, [&] { (void)fit_words(examples, {"hole"}); });
}

TEST_CASE("bins") {
  const std::vector<GradedAnswer> answers{{1, true}, {0.95, false}, {0, false}, {0.55, true}};
  const Reliability r = reliability_of(answers);
  CHECK(r.bins[9].answers == 2);
  CHECK(r.bins[9].right == 1);
  CHECK(r.bins[0].answers == 1);
  CHECK(r.bins[5].share() == 1);
  CHECK(r.error() == doctest::Approx((0.95 + 0.45) / 4));
  CHECK(reliability_of({}).error() == 0);
}

TEST_CASE("files of words") {
  const TemporaryFolder folder("words");
  const std::string path = join_path(folder.path(), "words.safetensors");
  const auto detector = make_detector<float>();
  WordReadout readout = fit_words(examples_of(90, 3, 2), {"hole", "stain"});
  readout.record.clip = clip_fingerprint(detector.clip().vision(), detector.clip().text());
  readout.record.adapter = adapter_fingerprint(detector.adapter());
  save_words(path, readout);
  const WordReadout read = read_words(WeightFile::open(path));
  CHECK(read.words == readout.words);
  CHECK(std::equal(read.weights.begin(), read.weights.end(), readout.weights.begin(), readout.weights.end()));
  CHECK(read.threshold == readout.threshold);
  CHECK(read.temperature == readout.temperature);
  CHECK(read.record.reliability.error() == doctest::Approx(readout.record.reliability.error()));
  expect_words_of(read, detector, path);
  WordReadout other = read;
  other.record.adapter = "0";
  expect_error(ErrorCode::mismatch, {"words.safetensors", "another adapter", "--calibrate-words"},
               [&] { expect_words_of(other, detector, path); });
  other.record.clip = "0";
  expect_error(ErrorCode::mismatch, {"another CLIP"}, [&] { expect_words_of(other, detector, path); });
  expect_error(ErrorCode::mismatch, {"from 5 features", "given 2"}, [&] {
    (void)word_probabilities(read, {{0, 0}, {0, 0, 0}});
  });

  const Json good = moeclip::detail::recorded(WeightFile::open(path)).at("words");
  const auto broken = [&](const Json& words, const Shape& shape) {
    SafetensorsWriter writer(path);
    writer.announce("weights", DType::f32, shape);
    writer.set_metadata("moeclip", dump_json(Json::object().set("words", words)));
    writer.begin();
    writer.write(std::span<const float>(std::vector<float>(static_cast<std::size_t>(shape.size()), 0)));
    writer.commit();
    return read_words(WeightFile::open(path));
  };

  CHECK(broken(good, {3, 6}).words.size() == 2);
  expect_error(ErrorCode::mismatch, {"weights", "(3, F + 1)"}, [&] { broken(good, {2, 6}); });
  const auto with = [&](const char* name, const Json& value) {
    Json changed = good;
    changed.set(name, value);
    return changed;
  };
  expect_error(ErrorCode::format, {"temperature"}, [&] { broken(with("temperature", 0), {3, 6}); });
  expect_error(ErrorCode::format, {"threshold"}, [&] { broken(with("threshold", -1), {3, 6}); });
  expect_error(ErrorCode::format, {"certain_right"}, [&] { broken(with("certain_right", 1e6), {3, 6}); });
  expect_error(ErrorCode::format, {"bins"}, [&] { broken(with("reliability", Json::array()), {3, 6}); });
  expect_error(ErrorCode::missing, {"no fitted words"}, [&] { broken(Json(1), {3, 6}); });
}

// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <moeclip/clip/tokenizer.hpp>
#include <moeclip/io/file.hpp>
#include <moeclip/io/weights.hpp>
#include <moeclip/methods/bayes_pfl_judge.hpp>
#include <moeclip/methods/fit.hpp>
#include <moeclip/methods/make_method.hpp>
#include <moeclip/synthetic/source.hpp>
#include <moeclip/synthetic/synthesize.hpp>
#include <string>
#include <utility>
#include <vector>

#include "bayes_pfl_fixture.hpp"
#include "expect_error.hpp"
#include "random_tensor.hpp"
#include "temporary_folder.hpp"

namespace bayes_test {

namespace {

/// A CLIP whose words are wider than its joint space, which the official code does not know, and that spells.
std::shared_ptr<const Clip<float>> spelling_clip(index_t words = 20, index_t embed = 12) {
  const std::string vocabulary = golden_path("tokenizer/bpe_micro.txt.gz");
  ClipConfig config = clip_config();
  config.embed = embed;
  config.text = {40, Tokenizer::open(vocabulary).vocabulary_size(), words, 1, 2, 24};
  VisionTower<float> vision(config.vision, embed, config.activation);
  TextTower<float> text(config.text, embed, config.activation);
  const auto draw = [](const std::string& name, Tensor<float>& tensor) { randomize(tensor, name, 0.4f, 0.1f); };
  visit_parameters(vision, "visual", draw);
  visit_parameters(text, "text", draw);
  return std::make_shared<const Clip<float>>(config, std::move(vision), std::move(text), vocabulary);
}

Json small_settings() {
  return Json::object()
      .set("prompts", 2)
      .set("context_length", 2)
      .set("state_length", 1)
      .set("flows", 2)
      .set("samples", 3);
}

std::unique_ptr<BayesPflMethod<float>> small_method(std::uint64_t seed = 111) {
  return std::make_unique<BayesPflMethod<float>>(spelling_clip(), MethodOptions{20, seed, small_settings()});
}

/// Score and map of a picture.
std::vector<float> judged(const Method<float>& method, const std::string& words = "nut", int threads = 1) {
  Context context({.threads = threads});
  const Tensor<float> image = random_tensor<float>({1, 3, 20, 20}, "image");
  Tensor<float> map({20, 20});
  std::vector<float> result{method.judge(context, image.view<4>(), words, map.view<2>())};
  result.insert(result.end(), map.begin(), map.end());
  return result;
}

SampleSource few_pictures() {
  SyntheticPlan plan;
  plan.categories = {std::string(synthetic_categories()[0]), std::string(synthetic_categories()[1])};
  plan.count = 6;
  plan.size = 32;
  return SampleSource(drawn_samples(plan_synthetic(plan)));
}

/// Trains for at most `most` steps; returns the losses.
std::vector<double> fit(TrainedMethod<float>& method, MethodFitOptions options, int threads = 2,
                        std::size_t most = 1000) {
  Context context({.threads = threads});
  options.batch = 4;
  std::vector<double> losses;
  fit_method<float>(context, method, few_pictures(), options, [&](const MethodStep& step) {
    losses.push_back(step.loss);
    return losses.size() < most;
  });
  return losses;
}

std::vector<float> bits_of(TrainedMethod<float>& method) {
  std::vector<float> bits;
  method.visit(
      [&](const std::string&, Tensor<float>& tensor) { bits.insert(bits.end(), tensor.begin(), tensor.end()); });
  return bits;
}

}  // namespace

TEST_CASE("Bayes-PFL judges within [0, 1], by the words and the seed, whatever the number of threads") {
  const auto method = small_method(), other = small_method(5);
  const std::vector<float> result = judged(*method);
  for (const float value : result) CHECK((value > 0 && value < 1));
  CHECK(judged(*method, "nut", 3) == result);
  CHECK(judged(*method, "pipe") != result);
  CHECK(judged(*method) == result);  // nothing of the picture before is left
  CHECK(judged(*other) != result);
  expect_error(ErrorCode::contract, {"too long", "40 positions"}, [&] { judged(*method, std::string(37, 'q')); });
}

TEST_CASE("the highest pixels make half of the score, and the map is blurred") {
  CHECK(bayes_pfl_top_pixels("nut", 518 * 518) == 2000);
  CHECK(bayes_pfl_top_pixels("pipe fryum", 518 * 518) == 20);
  CHECK(bayes_pfl_top_pixels("screw", 400) == 1);
  Context context({.threads = 1});
  Tensor<double> map({9, 9});
  map.fill(0.25);
  map[40] = 0.75;
  map[3] = 0.5;
  CHECK(bayes_pfl_conclude<double>(context, 0.5, 2, map.view<2>()) == doctest::Approx((0.5 + 0.625) / 2));
  for (const double value : map) CHECK((value > 0.25 && value < 0.3));
}

TEST_CASE("an official checkpoint of Bayes-PFL is loaded by the name of the method, with its own sizes") {
  const MethodKind& kind = method_kind("bayes-pfl");
  CHECK(kind.activation == kernels::Activation::gelu);
  auto clip = spelling_clip(12);
  const auto method = load_method<float>(checkpoint(), "bayes-pfl", clip, {20, 111, {}});
  const auto& model = dynamic_cast<const BayesPflMethod<float>&>(*method).model();
  CHECK(model.config.flows == 3);
  CHECK(model.config.level_blocks == std::vector<index_t>{1, 2, 3, 4});
  CHECK(model.prompt_context[5] == recorded<float>(checkpoint(), "MyModel/prompt_context")[5]);
  for (const float value : judged(*method)) CHECK(std::isfinite(value));
  expect_error(ErrorCode::mismatch, {"(3,2,12)", "(3,2,20)"}, [] {
    load_method<float>(checkpoint(), "bayes-pfl", spelling_clip(), {20, 111, {}});
  });
}

TEST_CASE("both stages of Bayes-PFL learn what is theirs, to the same bits on any number of threads and when resumed") {
  const TemporaryFolder folder("bayes_pfl_fit");
  MethodFitOptions options;
  options.epochs = 3;  // of 2 batches: the stages have 6 steps each
  const auto whole = small_method();
  const std::vector<float> first = bits_of(*whole);
  const std::vector<double> losses = fit(*whole, options, 1);
  REQUIRE(losses.size() == 12);
  CHECK(bits_of(*whole) != first);
  for (const std::size_t steps : {std::size_t{2}, std::size_t{8}}) {
    options.checkpoint = join_path(folder.path(), concat("run", steps));
    options.is_resumed = true;
    const auto before = small_method(), after = small_method();
    fit(*before, options, 2, steps);
    CHECK(fit(*after, options, 3).size() == 12 - steps);
    CHECK(bits_of(*after) == bits_of(*whole));
    const WeightFile file = WeightFile::open(join_path(options.checkpoint, kMethodCheckpoint));
    const auto loaded = load_method<float>(file, "", spelling_clip());
    CHECK(loaded->name() == "bayes-pfl");
    CHECK(judged(*loaded) == judged(*whole));
  }
}

TEST_CASE("what a stage trains, and how fast") {
  const auto method = small_method();
  const auto stages = method->stages();
  REQUIRE(stages.size() == 2);
  CHECK(stages[0].rate_at(0, 100) == doctest::Approx(1e-5));  // a tenth of the steps rises
  CHECK(stages[0].rate_at(9, 100) == doctest::Approx(1e-4));
  CHECK(stages[0].rate_at(55, 100) == doctest::Approx(0.5e-4));
  CHECK(stages[1].rate_at(99, 100) == 1e-4);
  for (const TrainedParameter<float>& p : method->parameters(0)) {
    CAPTURE(p.name);
    const bool is_fast = p.name.starts_with("prompt") || p.name.starts_with("PFL");
    CHECK(p.rate == (p.name.starts_with("temperature") ? 100 : is_fast ? 10 : 1));
    CHECK(p.name.find("decoder") == std::string::npos);
    CHECK_FALSE(p.name.starts_with("image_mapping"));
  }
  CHECK(method->parameters(1).size() == 10);
  Json settings = small_settings();
  settings.set("fuses_patches", false);
  const BayesPflMethod<float> maps(spelling_clip(), {20, 111, settings});
  CHECK(maps.stages().size() == 1);
  CHECK(bayes_pfl_config(maps.settings(), spelling_clip()->config()) == maps.model().config);
}

TEST_CASE("switches of Bayes-PFL that make no sense are refused") {
  const auto make = [](const Json& settings) { BayesPflMethod<float>(spelling_clip(), {20, 111, settings}); };
  expect_error(ErrorCode::unsupported, {"Bayes-PFL", "\"prompt\""}, [&] { make(Json::object().set("prompt", 1)); });
  for (const std::int64_t count : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 62})
    for (const char* name : {"prompts", "context_length", "flows", "samples"})
      expect_error(ErrorCode::contract, {"4096"}, [&] { make(Json::object().set(name, count)); });
  Json levels = Json::array();
  levels.push_back(2);
  levels.push_back(2);
  expect_error(ErrorCode::contract, {"must ascend"}, [&] { make(Json::object().set("level_blocks", levels)); });
  expect_error(ErrorCode::contract, {"no room"}, [&] { make(Json::object().set("state_length", 40)); });
}

}  // namespace bayes_test

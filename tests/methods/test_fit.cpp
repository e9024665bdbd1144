// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <moeclip/io/safetensors_writer.hpp>
#include <moeclip/io/weights.hpp>
#include <moeclip/methods/fit.hpp>
#include <moeclip/synthetic/source.hpp>
#include <moeclip/synthetic/synthesize.hpp>
#include <utility>

#include "expect_error.hpp"
#include "random_tensor.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;  // NOLINT

namespace {

std::shared_ptr<const Clip<float>> small_clip() {
  ClipConfig config;
  config.embed = 8;
  config.vision = {28, 14, 16, 1, 2, 16};
  config.text = {8, 20, 8, 1, 2, 8};
  VisionTower<float> vision(config.vision, config.embed, config.activation);
  TextTower<float> text(config.text, config.embed, config.activation);
  const auto draw = [](const std::string& name, Tensor<float>& tensor) { randomize(tensor, name, 0.3f, 0.1f); };
  visit_parameters(vision, "visual", draw);
  visit_parameters(text, "text", draw);
  return std::make_shared<const Clip<float>>(config, std::move(vision), std::move(text));
}

SampleSource pictures() {
  SyntheticPlan plan;
  plan.categories = {std::string(synthetic_categories().front())};
  plan.count = 7;
  plan.size = 32;
  return SampleSource(drawn_samples(plan_synthetic(plan)));
}

/// The smallest method that can be trained: how bright pictures are, in two stages that learn one summand each.
class Brightness final : public TrainedMethod<float> {
 public:
  explicit Brightness(std::shared_ptr<const Clip<float>> clip) : TrainedMethod<float>(std::move(clip), 28) {}

  [[nodiscard]] std::string_view name() const override { return "brightness"; }
  [[nodiscard]] Json settings() const override { return Json::object().set("summands", 2); }
  [[nodiscard]] std::vector<MethodStage> stages() const override {
    return {{"first", 2, 2, {0.1}, {0.1, {}, 1}}, {"second", 1, 3, {0.1}, {0.1, {}, 1}}};
  }
  [[nodiscard]] std::vector<TrainedParameter<float>> parameters(index_t stage) override {
    if (stage == 0) return {{"low", &low, &d_low_}};
    return {{"high", &high, &d_high_}};
  }
  double forward_backward(Context&, const MethodBatch<float>& batch) override {
    const Tensor<float>& images = batch.batch.images;
    double mean = 0;
    for (const float value : images) mean += static_cast<double>(value) / static_cast<double>(images.size());
    const double error = static_cast<double>(low[0] + high[0]) - mean;
    (batch.stage == 0 ? d_low_ : d_high_)[0] = static_cast<float>(2 * error);
    words_seen.assign(batch.words.begin(), batch.words.end());
    return is_failing ? std::nan("") : error * error;
  }
  void visit(function_ref<void(const std::string&, Tensor<float>&)> on_tensor) override {
    on_tensor("low", low);
    on_tensor("high", high);
  }
  void forget_words() override { ++times_forgotten; }
  float judge(Context&, View<const float, 4>, const std::string& words, View<float, 2> map) const override {
    std::fill_n(map.data(), map.size(), 0.25f);
    map(27, 0) = 1;  // the patch in the lower left corner
    return words == "nothing" ? std::nanf("") : 0.75f;
  }

  Tensor<float> low{{1}}, high{{1}};
  std::vector<std::string> words_seen;
  int times_forgotten = 0;
  bool is_failing = false;

 private:
  Tensor<float> d_low_{{1}}, d_high_{{1}};
};

/// Trains for at most `most` steps; returns how many were made.
index_t train(Brightness& method, MethodFitOptions options, index_t most) {
  Context context({.threads = 2});
  const SampleSource source = pictures();
  index_t steps = 0;
  const bool is_done = fit_method<float>(context, method, source, options, [&](const MethodStep& step) {
    CHECK(step.stages == 2);
    CHECK(step.step <= step.steps);
    CHECK(step.step <= step.done);
    return ++steps < most;
  });
  CHECK(is_done == (steps < most));
  return steps;
}

}  // namespace

TEST_CASE("all stages are trained, each with its own batches and optimiser") {
  Brightness method(small_clip());
  CHECK(train(method, {}, 1000) == 2 * 4 + 1 * 3);  // 7 pictures in batches of 2, then of 3
  CHECK(method.low[0] != 0);
  CHECK(method.high[0] != 0);
  CHECK(method.words_seen == std::vector<std::string>{std::string(synthetic_categories().front())});
  MethodFitOptions options;
  options.batch = 7;
  options.epochs = 5;
  options.steps = 2;
  options.words = {"metal nut"};
  CHECK(train(method, options, 1000) == 2 * 2);
  CHECK(method.words_seen.front() == "metal nut");
}

TEST_CASE("a training that ends anywhere goes on to the same bits") {
  const TemporaryFolder folder("fit_method");
  Brightness whole(small_clip());
  train(whole, {}, 1000);
  for (const index_t first : {1, 4, 8, 9}) {
    MethodFitOptions options;
    options.checkpoint = join_path(folder.path(), concat("run", first));
    options.is_resumed = true;
    Brightness before(small_clip()), after(small_clip());
    train(before, options, first);
    CHECK(train(after, options, 1000) == 11 - first);
    CHECK(same_bits(after.low, whole.low));
    CHECK(same_bits(after.high, whole.high));
    const WeightFile file = WeightFile::open(join_path(options.checkpoint, kMethodCheckpoint));
    const MethodRecord record = read_method_record(file);
    CHECK(record.method == "brightness");
    CHECK(record.run.stage == 2);
    CHECK(record.run.steps == 11);
    Brightness loaded(small_clip());
    loaded.load(file);
    CHECK(same_bits(loaded.low, whole.low));
    CHECK(loaded.times_forgotten == 1);
    options.lr = 0.5;
    expect_error(ErrorCode::mismatch, {"cannot be resumed", "learning rate", "0.5"},
                 [&] { train(after, options, 1000); });
    options.lr = 0, options.seed = 5;
    expect_error(ErrorCode::mismatch, {"cannot be resumed", "seed"}, [&] { train(after, options, 1000); });
  }
}

TEST_CASE("a loss that is no number ends a training before anything changes") {
  Brightness method(small_clip());
  method.is_failing = true;
  expect_error(ErrorCode::limit, {"step 1 of stage 1", "no", "pictures were"}, [&] { train(method, {}, 1000); });
  CHECK(method.low[0] == 0);
}

TEST_CASE("a method gives what a detector gives: score, verdict, map and regions of the picture") {
  const Brightness method(small_clip());
  Context context({.threads = 1});
  const Image picture(56, 84, 3);
  Detection found;
  method.detect(context, picture.view(), "nut", 0.5f, found);
  CHECK(found.score == 0.75f);
  CHECK(found.is_anomalous);
  CHECK(found.map.shape() == Shape{28, 28});
  REQUIRE(found.regions.size() == 1);
  CHECK(found.regions[0].x == 0);
  CHECK(found.regions[0].y == 81);
  expect_error(ErrorCode::format, {"not numbers"},
               [&] { method.detect(context, picture.view(), "nothing", 0.5f, found); });
}

TEST_CASE("a file of something else, or of another shape, is refused by name") {
  const TemporaryFolder folder("method_file");
  Brightness method(small_clip());
  const std::string path = join_path(folder.path(), "other.safetensors");
  SafetensorsWriter writer(path);
  writer.announce("low", DType::f32, {2});
  writer.begin();
  writer.write(std::span<const float>(std::vector<float>{1, 2}));
  writer.commit();
  const WeightFile file = WeightFile::open(path);
  CHECK_FALSE(is_method_file(file));
  expect_error(ErrorCode::missing, {"--method"}, [&] { static_cast<void>(read_method_record(file)); });
  expect_error(ErrorCode::mismatch, {"\"low\"", "(2)", "(1)"}, [&] { method.load(file); });
}

// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <moeclip/methods/anomaly_clip_file.hpp>
#include <moeclip/methods/anomaly_clip_step.hpp>
#include <string>
#include <utility>
#include <vector>

#include "expect_error.hpp"
#include "golden_data.hpp"
#include "gradient_check.hpp"
#include "tiny_anomaly_clip.hpp"

using namespace tiny_anomaly_clip;  // NOLINT

namespace {

/// The pieces of a step beside each other, for tests that reach below the method.
template <class T>
struct AnomalyStep {
  std::shared_ptr<const Clip<T>> clip;
  AnomalyClipConfig config;
  ObjectPrompts<T> prompts, gradient;
  Tensor<T> positions;
  PromptFrame<T> frame;
  TrainingBatch<T> batch = make_batch<T>();
  AnomalyClipWorkspace<T> work;

  explicit AnomalyStep(const AnomalyClipConfig& switches_of_it = switches(), bool is_packed = false)
      : clip(make_clip<T>(is_packed)),
        config(switches_of_it),
        prompts(config.prompts, 12),
        gradient(config.prompts, 12),
        positions(anomaly_clip_positions<T>(clip->vision(), kSize)),
        frame(make_prompt_frame<T>(clip->text(), anomaly_clip_tokens<T>(*clip, config).template view<2>(),
                                   config.prompts.context)) {
    visit_parameters(prompts, "", [](const std::string& name, Tensor<T>& tensor) { randomize(tensor, name, 0.4f); });
    zero_parameters(gradient);
  }

  AnomalyClipLosses run(Context& context, ObjectPrompts<T>* into) {
    const AnomalyClipModel<T> model{
        clip->vision(), positions, {clip->text(), frame, config.deep_rows}, prompts, config};
    return anomaly_clip_forward_backward<T>(context, model, batch, work, into);
  }
};

/// Every learned tensor of a step against differences of its loss.
void check_anomaly_gradients(AnomalyStep<double>& step) {
  Context context({.threads = 1});
  zero_parameters(step.gradient);
  step.run(context, &step.gradient);
  expect_gradient([&] { return step.run(context, nullptr).total; }, parameter_gradients(step.prompts, step.gradient));
}

/// How far `mine` is from the golden tensor `name`: in units of its noise for float, of 1e-13 of its size for double.
template <class T>
double golden_distance(const GoldenData& golden, const std::string& name, const T* mine, index_t size) {
  if (sizeof(T) == 4) return golden.distance(name, mine, size);
  double largest = 0;
  for (const double value : golden.read(name)) largest = std::max(largest, std::abs(value));
  return golden.distance(name, mine, size) * golden.noise(name) / (1e-13 * largest);
}

constexpr double kAnomalyFactor = 8;

}  // namespace

TEST_CASE_TEMPLATE("AnomalyCLIP gives the features, maps, scores, losses and gradients of the published computation", T,
                   float, double) {
  const GoldenData golden("methods/anomaly_clip.safetensors");
  Context context({.threads = 2});
  AnomalyStep<T> step;
  const auto check = [&](const std::string& name, const T* mine, index_t size) {
    CAPTURE(name);
    CHECK(golden_distance<T>(golden, name, mine, size) <= kAnomalyFactor);
  };
  const AnomalyClipLosses losses = step.run(context, &step.gradient);
  std::vector<T> terms = {static_cast<T>(losses.total), static_cast<T>(losses.cross_entropy)};
  for (const MapLosses& map : losses.maps)
    for (const double term : {map.focal, map.dice_normal, map.dice_abnormal}) terms.push_back(static_cast<T>(term));
  check("losses", terms.data(), std::ssize(terms));
  visit_parameters(step.gradient, "", [&](const std::string& name, const Tensor<T>& tensor) {
    check("d_" + name, tensor.data(), tensor.size());
  });

  Tensor<T> anchors({2, 8}), patches({kPictures, 3, 36, 8}), images({kPictures, 8}), scores({kPictures}),
      maps({kPictures, kSize, kSize});
  const PromptedTower<T> text{step.clip->text(), step.frame, step.config.deep_rows};
  object_prompts_forward<T>(context, text, step.prompts, anchors.template view<2>());
  for (index_t b = 0; b < kPictures; ++b) {
    const AnomalyClipFeatures<T>& of_picture = step.work.features[static_cast<std::size_t>(b)];
    lists::copy(of_picture.patches.values(), patches.data() + b * of_picture.patches.size());
    lists::copy(of_picture.image.values(), images.data() + b * 8);
    scores[b] = anomaly_clip_map<T>(context, step.config, of_picture, std::as_const(anchors).template view<2>(),
                                    maps.template view<3>()[b]);
  }
  check("anchors", anchors.data(), anchors.size());
  check("patches", patches.data(), patches.size());
  check("image", images.data(), images.size());
  check("scores", scores.data(), scores.size());
  check("maps", maps.data(), maps.size());
}

TEST_CASE("the gradient of every learned row of AnomalyCLIP, through text tower and losses") {
  AnomalyClipConfig config = switches();
  config.deep_rows = DeepRows::exact;  // differences cannot see through a rounding
  AnomalyStep<double> step(config);
  check_anomaly_gradients(step);
  step.batch.has_mask = {true, false, true};
  check_anomaly_gradients(step);
  step.batch.has_mask = {false, false, false};
  step.batch.masks = Tensor<double>();
  check_anomaly_gradients(step);
  Context context({.threads = 1});
  const AnomalyClipLosses losses = step.run(context, nullptr);
  CHECK(losses.total == losses.cross_entropy);
}

TEST_CASE("the same without deep rows, with deep rows as many as there are, and one map") {
  AnomalyClipConfig config = switches();
  config.deep_rows = DeepRows::exact;
  config.level_blocks = {4};
  config.prompts = {3, 1, 1};
  AnomalyStep<double> shallow(config);
  CHECK(shallow.prompts.deep.empty());
  check_anomaly_gradients(shallow);
  config.prompts = {2, 2, 3};
  config.value_blocks = 4;
  AnomalyStep<double> full(config);
  check_anomaly_gradients(full);
}

TEST_CASE_TEMPLATE("a step of AnomalyCLIP has the same bits for any number of threads, and adds its gradient", T, float,
                   double) {
  AnomalyStep<T> one;
  Context first({.threads = 1});
  const double total = one.run(first, &one.gradient).total;
  for (const int threads : {2, 3, 4}) {
    Context context({.threads = threads});
    AnomalyStep<T> other;
    CHECK(other.run(context, &other.gradient).total == total);
    CHECK(same_bits(other.gradient.normal, one.gradient.normal));
    CHECK(same_bits(other.gradient.abnormal, one.gradient.abnormal));
    for (std::size_t i = 0; i < other.gradient.deep.size(); ++i)
      CHECK(same_bits(other.gradient.deep[i], one.gradient.deep[i]));
  }
  const Tensor<T> once = one.gradient.normal;
  CHECK(one.run(first, &one.gradient).total == total);
  for (index_t i = 0; i < once.size(); ++i) CHECK(one.gradient.normal[i] == 2 * once[i]);
}

TEST_CASE("packed towers give the same bits to AnomalyCLIP, and rounding its deep rows changes little but something") {
  Context context({.threads = 1});
  AnomalyStep<float> plain, packed(switches(), true);
  const double total = plain.run(context, &plain.gradient).total;
  CHECK(packed.run(context, &packed.gradient).total == total);
  CHECK(same_bits(plain.gradient.normal, packed.gradient.normal));
  CHECK(same_bits(plain.gradient.deep[0], packed.gradient.deep[0]));
  AnomalyClipConfig config = switches();
  config.deep_rows = DeepRows::exact;
  AnomalyStep<float> exact(config);
  const double unrounded = exact.run(context, nullptr).total;
  CHECK(unrounded != total);
  CHECK(std::abs(unrounded - total) < 1e-2 * total);
}

TEST_CASE_TEMPLATE("attention over values is its formula, and the ordinary path does not know of the second", T, float,
                   double) {
  Context context({.threads = 2});
  const auto clip = make_clip<T>();
  const VisionTower<T>& tower = clip->vision();
  const SelfAttention<T>& attention = tower.transformer.blocks[0].attention;
  const TokenLayout layout{2, 5, false};
  const Tensor<T> qkv = random_tensor<T>({10, 48}, "qkv");
  Tensor<T> y = random_tensor<T>({10, 16}, "y");
  const Tensor<T> before = y;
  value_attention_forward<T>(context, attention, layout, qkv.template view<2>(), y.template view<2>());
  double worst = 0;
  for (index_t n = 0; n < 10; ++n) {
    std::vector<double> joined(16);
    for (index_t h = 0; h < 2; ++h) {
      const auto value = [&](index_t t, index_t c) {
        return static_cast<double>(qkv[(n / 5 * 5 + t) * 48 + 32 + h * 8 + c]);
      };
      double weights[5], sum = 0;
      for (index_t t = 0; t < 5; ++t) {
        double dot = 0;
        for (index_t c = 0; c < 8; ++c) dot += value(n % 5, c) * value(t, c);
        sum += weights[t] = std::exp(dot / std::sqrt(8.0));
      }
      for (index_t t = 0; t < 5; ++t)
        for (index_t c = 0; c < 8; ++c) joined[static_cast<std::size_t>(h * 8 + c)] += weights[t] / sum * value(t, c);
    }
    for (index_t c = 0; c < 16; ++c) {
      double out = static_cast<double>(before[n * 16 + c]) + static_cast<double>(attention.out_proj.bias[c]);
      for (index_t k = 0; k < 16; ++k)
        out += static_cast<double>(attention.out_proj.weight[c * 16 + k]) * joined[static_cast<std::size_t>(k)];
      worst = std::max(worst, std::abs(out - static_cast<double>(y[n * 16 + c])));
    }
  }
  CHECK(worst <= 64 * eps_of<T>());  // sums of 16 and of 8 numbers of about 1

  const TrainingBatch<T> batch = make_batch<T>();
  const Tensor<T> positions = anomaly_clip_positions<T>(tower, kSize);
  Tensor<T> ordinary({kPictures, 37, 16}), beside({kPictures, 37, 16});
  auto nothing = [](index_t, View<T, 2>) {};
  vision_forward<T>(context, tower, batch.images.template view<4>(), positions, ordinary.template view<3>(), {nothing});
  for (const index_t first : {1, 3, 5}) {
    index_t calls = 0;
    auto count = [&](index_t block, View<T, 2>) { CHECK(block == ++calls); };
    value_path_forward<T>(context, tower, batch.images.template view<4>(), positions, beside.template view<3>(),
                          {first, count});
    CHECK(calls == 4);
    CHECK(same_bits(ordinary, beside));
  }
  expect_error(ErrorCode::contract, {"block 6", "4 blocks"}, [&] {
    value_path_forward<T>(context, tower, batch.images.template view<4>(), positions, beside.template view<3>(),
                          {6, nothing});
  });
}

TEST_CASE("a batch or sentences that do not fit break the contract") {
  Context context({.threads = 1});
  AnomalyStep<float> step;
  step.batch.labels = {0, 1};
  expect_error(ErrorCode::contract, {"(3,3,24,24)", "2 labels"}, [&] { step.run(context, nullptr); });
  step.batch.labels = {0, 1, 1};
  step.batch.masks = Tensor<float>({2, kSize, kSize});
  expect_error(ErrorCode::contract, {"3 pictures", "(2,24,24)"}, [&] { step.run(context, nullptr); });
  const Tensor<std::int32_t> tokens = anomaly_clip_tokens<float>(*step.clip, step.config);
  expect_error(ErrorCode::contract, {"22 tokens", "8 of them learned", "up to 20"},
               [&] { static_cast<void>(make_prompt_frame<float>(step.clip->text(), tokens.view<2>(), 8)); });
}

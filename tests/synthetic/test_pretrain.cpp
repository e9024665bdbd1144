// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/synthetic/pretrain.hpp>
#include <vector>

#include "gradient_check.hpp"
#include "random_tensor.hpp"

using namespace moeclip;  // NOLINT

namespace {

ClipConfig small_config() { return {{8, 4, 16, 2, 2, 24}, {6, 20, 12, 1, 2, 16}, 8, kernels::Activation::gelu}; }

/// Four kinds of pictures, each with its own colour and its own word; `step` varies the noise.
template <class T>
void draw_batch(index_t step, PretrainBatch<T>& batch) {
  batch.images = random_tensor<T>({4, 3, 8, 8}, concat("noise ", step), 0.5f);
  batch.tokens = Tensor<std::int32_t>({4, 6});
  for (index_t n = 0; n < 4; ++n) {
    for (index_t i = 0; i < 64; ++i) {
      batch.images[192 * n + i] += n < 2 ? T(1) : T(-1);
      batch.images[192 * n + 64 + i] += n % 2 == 0 ? T(1) : T(-1);
    }
    const std::vector<std::int32_t> words = {18, static_cast<std::int32_t>(3 + n), 19};
    std::copy(words.begin(), words.end(), batch.tokens.data() + 6 * n);
  }
}

template <class T>
struct Training {
  ClipWeights<T> clip{small_config()};
  std::vector<PretrainReport> reports;
};

template <class T>
Training<T> train(const PretrainOptions& options, int threads, bool has_matches = false, std::uint64_t seed = 1) {
  Training<T> training;
  Context context({.threads = threads});
  initialize_clip(training.clip, seed);
  auto source = [&](index_t step, PretrainBatch<T>& batch) {
    draw_batch(step, batch);
    batch.matches = Tensor<std::uint8_t>(has_matches ? Shape{4, 4} : Shape{0});
    for (index_t i = 0; has_matches && i < 4; ++i) batch.matches[5 * i] = 1;
  };
  auto on_step = [&](const PretrainReport& report) {
    training.reports.push_back(report);
    return true;
  };
  pretrain<T>(context, training.clip, options, source, on_step);
  return training;
}

template <class T>
bool same_weights(const ClipWeights<T>& a, const ClipWeights<T>& b) {
  std::vector<const Tensor<T>*> tensors;
  visit_parameters(a, "", [&](const std::string&, const Tensor<T>& tensor) { tensors.push_back(&tensor); });
  bool is_same = true;
  std::size_t i = 0;
  visit_parameters(b, "", [&](const std::string&, const Tensor<T>& tensor) {
    is_same = is_same && same_bits(*tensors[i++], tensor);
  });
  return is_same;
}

}  // namespace

TEST_CASE("the gradient of every weight of a CLIP agrees with differences of the contrastive loss") {
  ClipWeights<double> clip(small_config()), gradient(small_config());
  initialize_clip(clip, 1);
  zero_parameters(gradient);
  Context context({.threads = 2});
  PretrainBatch<double> batch;
  draw_batch<double>(0, batch);
  PretrainWorkspace<double> saved;
  clip_forward_backward<double>(context, clip, batch, saved, gradient);
  ClipWeights<double> unused(small_config());
  const auto loss = [&] { return clip_forward_backward<double>(context, clip, batch, saved, unused).total(); };
  const auto claims = parameter_gradients(clip, gradient);
  CHECK(claims.size() == 3 + 2 + 2 * 12 + 2 + 1 + 2 + 12 + 2 + 1 + 1);
  expect_gradient(loss, claims);
}

TEST_CASE("a tiny CLIP learns which word goes with which picture") {
  PretrainOptions options;
  options.steps = 200;
  options.warmup = 10;
  options.lr = 5e-3;
  const auto training = train<float>(options, 1);
  REQUIRE(training.reports.size() == 200);
  CHECK(std::abs(training.reports.front().logit_scale - 1 / 0.07) < 1e-4);
  CHECK(training.reports.front().loss.total() > 0.5);
  CHECK(training.reports.back().loss.total() < 0.05);
  CHECK(training.reports.back().step == 200);
  CHECK(training.reports[9].lr == options.lr);
  CHECK(training.reports.back().lr < options.lr / 50);
}

TEST_CASE_TEMPLATE("weights have the same bits on any number of threads and under any memory budget", T, float,
                   double) {
  PretrainOptions options;
  options.steps = 4;
  const auto wanted = train<T>(options, 1);
  CHECK(same_weights(train<T>(options, 2).clip, wanted.clip));
  CHECK(same_weights(train<T>(options, 2, true).clip, wanted.clip));  // matches that say what is understood anyway
  options.memory_budget_bytes = 1;
  CHECK(same_weights(train<T>(options, 1).clip, wanted.clip));
  CHECK_FALSE(same_weights(train<T>(options, 1, false, 5).clip, wanted.clip));
}

TEST_CASE("gradients that are too long are scaled down together, others left alone") {
  Tensor<double> value({3}), first({2}), second({1});
  first[0] = 3, first[1] = 4, second[0] = 12;
  const std::vector<TrainedParameter<double>> parameters = {{"a", &value, &first}, {"b", &value, &second}};
  const double norm = gradient_norm<double>(parameters);
  CHECK(norm == 13);
  clip_gradients<double>(parameters, norm, 20);
  CHECK(first[1] == 4);
  clip_gradients<double>(parameters, norm, 6.5);
  CHECK(first[0] == 1.5);
  CHECK(second[0] == 6);
}

TEST_CASE("who sees a loss that is no number can stop before it spreads") {
  ClipWeights<float> clip(small_config());
  initialize_clip(clip, 1);
  Context context({.threads = 1});
  std::vector<double> losses;
  auto source = [](index_t step, PretrainBatch<float>& batch) {
    draw_batch<float>(step, batch);
    if (step == 2) batch.images[0] = NAN;
  };
  auto on_step = [&](const PretrainReport& report) {
    losses.push_back(report.loss.total());
    return !std::isnan(report.loss.total());
  };
  PretrainOptions options;
  options.steps = 5;
  pretrain<float>(context, clip, options, source, on_step);
  CHECK(losses.size() == 3);
  bool has_nan = false;
  visit_parameters(clip, "", [&](const std::string&, const Tensor<float>& tensor) {
    for (const float value : tensor) has_nan = has_nan || std::isnan(value);
  });
  CHECK_FALSE(has_nan);
}

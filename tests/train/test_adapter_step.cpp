// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "expect_error.hpp"
#include "gradient_check.hpp"
#include "tiny_training.hpp"

using namespace step_test;  // NOLINT

namespace {

/// The recipe `paper` and beyond: everything that changes a gradient is on.
StepOptions all_options() {
  StepOptions options;
  options.is_training = true;
  options.lambda_etf = 0.3;
  options.lambda_balance = 0.4;
  options.expert_dropout = 0.2;
  options.class_logit_scale = 3;
  options.averages_maps = true;
  options.trains_lora_a = true;
  options.seed = 5;
  options.step = 6;
  return options;
}

/// Checks the gradient of every trained tensor against differences of the total loss.
void check_all_gradients(TinyTraining<double>& training) {
  Context context({.threads = 1});
  training.step(context);
  for (const ClaimedGradient& claim : parameter_gradients(training.adapter, training.gradient.values)) {
    if (claim.name.ends_with("lora_A.weight") && !training.options.trains_lora_a) continue;
    expect_gradient([&] { return training.step(context, nullptr).total; }, {claim});
  }
}

}  // namespace

TEST_CASE("the gradient of every trained tensor of the whole model, released and with everything on") {
  TinyTraining<double> released, all;
  check_all_gradients(released);
  all.options = all_options();
  check_all_gradients(all);
}

TEST_CASE("the same with pictures without mask, separate projections and LeakyReLU, and other places of the mixtures") {
  AdapterConfig switches = tiny_switches();
  switches.use_separate_projections = switches.use_relu = true;
  switches.mixture_blocks = {2, 3};
  switches.level_blocks = {1, 3};  // one level before the first mixture
  switches.chosen = 1;
  TinyTraining<double> training(switches);
  training.batch.has_mask = {true, false, true};
  training.options.trains_lora_a = true;
  check_all_gradients(training);
  training.batch.has_mask = {false, false, false};
  training.batch.masks = Tensor<double>();
  check_all_gradients(training);
  Context context({.threads = 1});
  const LossReport& report = training.step(context);
  CHECK(report.total == report.cross_entropy);
  CHECK(report.focal == std::vector<double>(4, 0.0));
}

TEST_CASE("without mixtures only the heads are trained") {
  AdapterConfig switches = tiny_switches();
  switches.mixture_blocks = {};
  TinyTraining<double> training(switches);
  check_all_gradients(training);
}

TEST_CASE("losses are the same without gradients, gradients are added up") {
  Context context({.threads = 2});
  TinyTraining<double> training;
  training.options = all_options();
  const double total = training.step(context).total;
  CHECK(training.step(context, nullptr).total == total);
  const AdapterGradient<double> once = std::move(training.gradient);
  training.gradient = AdapterGradient<double>(training.adapter);
  training.step(context, &training.gradient);
  training.step(context, &training.gradient);
  double worst = 0;
  std::vector<double> twice;
  visit_parameters(training.gradient.values, "", [&](const std::string&, const Tensor<double>& tensor) {
    twice.insert(twice.end(), tensor.begin(), tensor.end());
  });
  std::size_t i = 0;
  visit_parameters(once.values, "", [&](const std::string&, const Tensor<double>& tensor) {
    for (const double value : tensor) {
      worst = std::max(worst, std::abs(twice[i] - 2 * value) / (1e-3 + std::abs(value)));
      ++i;
    }
  });
  CHECK(worst < 1e-13);
}

TEST_CASE_TEMPLATE("the same bits for one and two threads, and for every memory budget", T, float, double) {
  std::uint64_t expected = 0;
  for (const bool is_training : {false, true})
    for (const index_t budget : {0, 1, 20000, 1 << 30})
      for (const int threads : {1, 2}) {
        Context context({.threads = threads});
        TinyTraining<T> training;
        if (is_training) training.options = all_options();
        training.options.memory_budget_bytes = budget;
        training.step(context);
        if (budget == 0 && threads == 1) expected = bits_of(training.gradient);
        CHECK(bits_of(training.gradient) == expected);
        training.step(context);  // with what the first step left in the workspace
        CHECK(bits_of(training.gradient) == expected);
      }
}

TEST_CASE("a packed tower gives the same bits as a plain one") {
  Context context({.threads = 1});
  TinyTraining<float> plain, packed;
  for (auto& block : packed.tower.transformer.blocks) pack(context, block);
  CHECK(plain.step(context).total == packed.step(context).total);
  CHECK(bits_of(plain.gradient) == bits_of(packed.gradient));
}

TEST_CASE("a tower in bf16 gives gradients as near as its roundings allow") {
  Context context({.threads = 1});
  TinyTraining<float> full, narrow;
  for (auto& block : narrow.tower.transformer.blocks) pack(context, block, kernels::Precision::bf16);
  const LossReport &expected = full.step(context), &found = narrow.step(context);
  // three blocks of four matrices, there and back; each product rounds both of its operands
  const double bound = 2 * 3 * 4 * 2 * std::ldexp(1.0, -9);
  CHECK(found.total != expected.total);
  CHECK(std::fabs(found.total - expected.total) <= bound * expected.total);
  const auto values_of = [](const TinyTraining<float>& training) {
    std::vector<double> values;
    visit_parameters(training.gradient.values, "", [&](const std::string&, const Tensor<float>& tensor) {
      values.insert(values.end(), tensor.begin(), tensor.end());
    });
    return values;
  };
  const auto wanted = values_of(full), rounded = values_of(narrow);
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    difference += std::pow(wanted[i] - rounded[i], 2);
    size += std::pow(wanted[i], 2);
  }
  CHECK(std::sqrt(difference) <= bound * std::sqrt(size));
}

TEST_CASE("the report counts tokens of experts; those without any have no gradient unless all are evaluated") {
  Context context({.threads = 1});
  TinyTraining<float> training;
  for (Mixture<float>& mixture : training.adapter.mixtures) mixture.router.gate.fill(0);  // ties: experts 0 and 1
  const LossReport& report = training.step(context);
  CHECK(report.expert_tokens[1] == std::vector<index_t>{51, 51, 0, 0});  // 3 x 17 tokens
  CHECK(training.gradient.expert_has_gradient[0] == std::vector<bool>{true, true, false, false});
  training.options.is_training = true;
  training.step(context);
  CHECK(training.gradient.expert_has_gradient[0] == std::vector<bool>(4, true));
}

TEST_CASE("dropout changes with the step and repeats with it") {
  Context context({.threads = 1});
  TinyTraining<float> training;
  training.options = all_options();
  const double first = training.step(context).total;
  training.options.step = 7;
  CHECK(training.step(context).total != first);
  training.options.step = 6;
  CHECK(training.step(context).total == first);
}

TEST_CASE_TEMPLATE("watching a step changes nothing, and names follow the recorded data", T, float, double) {
  Context context({.threads = 2});
  TinyTraining<T> training;
  training.options = all_options();
  const double total = training.step(context).total;
  const std::uint64_t bits = bits_of(training.gradient);
  std::vector<std::string> seen;
  auto on_values = [&](const std::string& name, const Shape& shape, const T*) {
    seen.push_back(name + " " + to_string(shape));
  };
  auto on_indices = [](const std::string&, const Shape&, const std::int32_t*) { CHECK(false); };
  const Probe<T> probe{on_values, on_indices};
  zero_parameters(training.gradient.values);
  const LossReport& watched = adapter_forward_backward<T>(
      context, {training.tower, training.tower.positional_embedding, training.adapter},
      {training.batch, training.texts, training.options, &probe}, training.work, &training.gradient);
  CHECK(watched.total == total);
  CHECK(bits_of(training.gradient) == bits);
  std::ranges::sort(seen);
  std::vector<std::string> wanted = {"grad_det_token (3,6)", "grad_text_features (3,6,2)", "grad_x/moe_0 (3,17,8)",
                                     "grad_x/moe_1 (3,17,8)", "train/cls_pred (3,2)"};
  for (const char* map : {"00", "01", "02", "03"}) {
    wanted.push_back(concat("grad_seg_tokens/", map, " (3,16,6)"));
    wanted.push_back(concat("train/sim/", map, " (3,2,4,4)"));
  }
  std::ranges::sort(wanted);
  CHECK(seen == wanted);
}

TEST_CASE("batches that do not fit are told") {
  Context context({.threads = 1});
  TinyTraining<float> training;
  const auto expect = [&](std::initializer_list<std::string_view> facts) {
    expect_error(ErrorCode::contract, facts, [&] { training.step(context); });
  };
  training.batch.labels = {0, 1};
  expect({"3 pictures", "2 labels"});
  training.batch.labels = {0, 1, 1};
  training.batch.classes[1] = 2;
  expect({"class 2", "2 class texts"});
  training.batch.classes[1] = 0;
  training.texts[0].normal_count = 3;
  expect({"gear", "3 of 3"});
  training.texts[0].normal_count = 1;
  training.batch.masks = Tensor<float>({2, 8, 8});
  expect({"3 pictures", "(2,8,8)"});
}

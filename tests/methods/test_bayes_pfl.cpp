// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <moeclip/io/safetensors_writer.hpp>
#include <string>
#include <utility>
#include <vector>

#include "bayes_pfl_fixture.hpp"
#include "expect_error.hpp"
#include "gradient_check.hpp"
#include "random_tensor.hpp"
#include "temporary_folder.hpp"

namespace bayes_test {

namespace {

/// Largest error of `found` relative to the largest number of what was recorded as `name`.
template <class T>
double distance(const WeightFile& file, const std::string& name, std::span<const T> found) {
  const Tensor<double> expected = recorded<double>(file, name);
  if (expected.size() != std::ssize(found)) return 1e300;
  double worst = 0, largest = 1e-300;
  for (index_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(found[static_cast<std::size_t>(i)]) - expected[i]));
    largest = std::max(largest, std::abs(expected[i]));
  }
  return worst / largest;
}

double distance(const WeightFile& file, const std::string& name, double found) {
  return distance<double>(file, name, std::span<const double>(&found, 1));
}

/// Gradients of a step whose sums run over a few thousand roundings each.
template <class T>
constexpr double kBound = 4000 * eps_of<T>();

template <class T>
void check_step(Recorded<T>& model, Context& context, int part) {
  const BayesPflLosses losses = model.step(context, part);
  const std::string step = concat("step", part, ".");
  CHECK(distance(model.file, step + "cross_entropy", losses.cross_entropy) < kBound<T>);
  if (part == 1) {
    CHECK(distance(model.file, step + "divergence", losses.divergence) < kBound<T>);
    CHECK(distance(model.file, step + "orthogonality", losses.orthogonality) < kBound<T>);
    for (index_t l = 0; l < 4; ++l) {
      const auto at = static_cast<std::size_t>(l);
      CHECK(distance(model.file, concat(step, "focal.", l), losses.focal[at]) < kBound<T>);
      CHECK(distance(model.file, concat(step, "dice.", l), losses.dice[at]) < kBound<T>);
    }
  }
  std::size_t compared = 0;
  visit_parameters(model.gradient, "", [&](const std::string& name, const Tensor<T>& gradient) {
    CAPTURE(name);
    const bool is_zero = std::all_of(gradient.begin(), gradient.end(), [](T value) { return value == T(0); });
    if (model.file.find(step + "grad." + name) == nullptr) {
      CHECK(is_zero);
    } else if (name != "fuse.compress.bias") {  // which a softmax does not see: its gradient is rounding alone
      CHECK(distance<T>(model.file, step + "grad." + name, gradient.values()) < kBound<T>);
      ++compared;
    }
  });
  CHECK(compared == (part == 1 ? 51 : 9));
}

}  // namespace

TEST_CASE_TEMPLATE("a step of either part of Bayes-PFL has the losses and gradients of the official computation", T,
                   float, double) {
  Context context({.threads = 1});
  Recorded<T> model(context);
  check_step<T>(model, context, 1);
  check_step<T>(model, context, 2);
}

TEST_CASE_TEMPLATE("an official checkpoint of Bayes-PFL judges as its code does", T, float, double) {
  Context context({.threads = 1});
  Recorded<T> model(context);
  for (const int part : {1, 2}) {
    auto result = model.judge(context, part);
    const std::string judge = concat("judge", part, ".");
    CHECK(distance(model.file, judge + "probability", static_cast<double>(result.first)) < kBound<T>);
    CHECK(distance<T>(model.file, judge + "map", std::as_const(result.second).values()) < kBound<T>);
    const T score = bayes_pfl_conclude<T>(context, result.first, 3, result.second.template view<2>());
    CHECK(distance(model.file, judge + "score", static_cast<double>(score)) < kBound<T>);
    CHECK(distance<T>(model.file, judge + "blurred", std::as_const(result.second).values()) < kBound<T>);
  }
}

TEST_CASE("every gradient of Bayes-PFL against differences of the whole loss") {
  Context context({.threads = 1});
  Recorded<double> model(context);
  for (const int part : {1, 2}) {
    model.has_mask = {true, part == 2,
                      false};  // in the first part one picture with a mask, in the second it plays none
    model.step(context, part);
    const auto claims = parameter_gradients(model.model, model.gradient);
    BayesPfl<double> claimed = std::move(model.gradient);  // moved: the claims point into its tensors
    model.gradient = BayesPfl<double>(model_config(), clip_config());
    for (const ClaimedGradient& claim : claims) {
      if (part == 2 && !claim.name.starts_with("fuse") && !claim.name.ends_with("_mapping.weight")) continue;
      expect_gradient([&] { return model.step(context, part).total(); }, {claim}, 1);
    }
  }
}

TEST_CASE_TEMPLATE("Bayes-PFL has the same bits for any number of threads", T, float, double) {
  const auto run = [](int threads) {
    Context context({.threads = threads});
    Recorded<T> model(context);
    std::vector<T> bits{static_cast<T>(model.step(context, 1).total())};
    const auto keep = [&] {
      visit_parameters(model.gradient, "",
                       [&](const std::string&, const Tensor<T>& d) { bits.insert(bits.end(), d.begin(), d.end()); });
    };
    keep();
    bits.push_back(static_cast<T>(model.step(context, 2).total()));
    keep();
    auto [probability, map] = model.judge(context, 2);
    bits.push_back(bayes_pfl_conclude<T>(context, probability, 3, map.template view<2>()));
    bits.insert(bits.end(), map.begin(), map.end());
    return bits;
  };
  const std::vector<T> one = run(1);
  for (const int threads : {2, 3, 4}) CHECK(run(threads) == one);
}

TEST_CASE("an official checkpoint of Bayes-PFL tells its sizes, and by its name which part of the training it ends") {
  const BayesPfl<float> model = read_bayes_pfl<float>(checkpoint(), clip_config());
  BayesPflConfig expected = model_config();
  expected.samples = BayesPflConfig().samples;  // which no file says
  CHECK(model.config == expected);
  CHECK(is_score_trained("bayes_weight/train_visa.pth"));
  CHECK_FALSE(is_score_trained("my_exps/epoch_post_12_1.pth"));
  CHECK(is_score_trained("my_exps/epoch_post_12_2.pth"));
}

namespace {

/// The checkpoint under other names, as `edit` has changed its tensors.
WeightFile edited_checkpoint(const std::string& path, function_ref<void(std::map<std::string, Tensor<float>>&)> edit) {
  const WeightFile file = checkpoint();
  std::map<std::string, Tensor<float>> tensors;
  for (const WeightEntry& entry : file.entries())  // copies: what is read shares memory where the file does
    tensors["model." + entry.name.substr(entry.name.find('/') + 1)] = recorded<float>(file, entry.name);
  edit(tensors);
  SafetensorsWriter writer(path);
  for (const auto& [name, tensor] : tensors) writer.announce(name, DType::f32, tensor.shape());
  writer.begin();
  for (const std::string& name : writer.order()) writer.write(tensors.at(name).values());
  writer.commit();
  return WeightFile::open(path);
}

}  // namespace

TEST_CASE("files that are no Bayes-PFL, or that of another CLIP, are refused by name and shape") {
  using Tensors = std::map<std::string, Tensor<float>>;
  const TemporaryFolder folder("bayes_pfl_file");
  const auto read = [&](const ClipConfig& clip, function_ref<void(Tensors&)> edit) {
    const WeightFile file = edited_checkpoint(join_path(folder.path(), "model.safetensors"), edit);
    static_cast<void>(read_bayes_pfl<float>(file, clip));
  };
  read(clip_config(), [](Tensors&) {});
  read(clip_config(), [](Tensors& tensors) {  // a tensor that is stored once is enough
    tensors.erase("model.PFL_normal.encoder.weight_mean.module.0.bias");
    tensors["optimizer.state"] = Tensor<float>({1});
  });
  ClipConfig other = clip_config();
  other.vision.width = 24;
  expect_error(ErrorCode::mismatch, {"(8,12)", "(12,12)", "the CLIP that it was trained on"},
               [&] { read(other, [](Tensors&) {}); });
  other = clip_config();
  other.vision.layers = 3;
  expect_error(ErrorCode::mismatch, {"4 levels", "3 blocks"}, [&] { read(other, [](Tensors&) {}); });
  other = clip_config();
  other.text.context_length = 6;
  expect_error(ErrorCode::mismatch, {"2 + 2 words", "6 tokens"}, [&] { read(other, [](Tensors&) {}); });
  const auto refuse = [&](ErrorCode code, std::initializer_list<std::string_view> words,
                          function_ref<void(Tensors&)> edit) {
    expect_error(code, words, [&] { read(clip_config(), edit); });
  };
  refuse(ErrorCode::mismatch, {"state_encoder.weight_mean.module.4.bias", "PFL_abnormal.encoder", "one parameter"},
         [](Tensors& tensors) { tensors["model.PFL_abnormal.encoder.weight_mean.module.4.bias"][3] += 1; });
  refuse(ErrorCode::unsupported, {"1 tensor (model.prompt_extra)"},
         [](Tensors& tensors) { tensors["model.prompt_extra"] = Tensor<float>({1}); });
  refuse(ErrorCode::missing, {"RCA.q_proj_pre.bias"},
         [](Tensors& tensors) { tensors.erase("model.RCA.q_proj_pre.bias"); });
  refuse(ErrorCode::missing, {"no Bayes-PFL", "prompt_state_abnormal"},
         [](Tensors& tensors) { tensors.erase("model.prompt_state_abnormal"); });
  refuse(ErrorCode::mismatch, {"prompt_context", "(6,24)", "3 axes"}, [](Tensors& tensors) {
    tensors["model.prompt_context"] = Tensor<float>({6, 24});
  });
  refuse(ErrorCode::mismatch, {"amor_b", "(1,5000,1,1)", "4096"}, [](Tensors& tensors) {
    tensors["model.PFL_normal.amor_b"] = Tensor<float>({1, 5000, 1, 1});
  });
  refuse(ErrorCode::format, {"prompt_state_normal"},
         [](Tensors& tensors) { tensors["model.prompt_state_normal"][5] = std::nanf(""); });
}

}  // namespace bayes_test

// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "bayes_pfl_fixture.hpp"
#include "expect_error.hpp"
#include "gradient_check.hpp"
#include "random_tensor.hpp"
#include "temporary_folder.hpp"

using namespace bayes_test;  // NOLINT

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
    const auto result = model.judge(context, part);
    CHECK(distance(model.file, concat("judge", part, ".probability"), static_cast<double>(result.first)) < kBound<T>);
    CHECK(distance<T>(model.file, concat("judge", part, ".map"), result.second.values()) < kBound<T>);
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

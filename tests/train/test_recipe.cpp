// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <cmath>
#include <moeclip/train/recipe.hpp>

#include "expect_error.hpp"

using namespace moeclip;

namespace {

TEST_CASE("the released recipe is what METHOD says, the paper's differs in the losses only") {
  const Recipe released = Recipe::named("released");
  CHECK(released.lr == 5e-5);
  CHECK(released.beta1 == 0.5);
  CHECK(released.milestones == std::vector<index_t>{16000, 32000});
  CHECK_FALSE(released.is_training);
  CHECK(released.expert_init == 0);
  CHECK(recipe_differences(released, Recipe::named("paper")) == "is_training (false, true)");
  CHECK(recipe_differences(Recipe::moeclip(), Recipe::moeclip()).empty());
  expect_error(ErrorCode::contract, {"papr", "moeclip, paper and released"}, [] { Recipe::named("papr"); });
}

TEST_CASE("a recipe survives JSON to the last bit") {
  Recipe recipe = Recipe::moeclip();
  recipe.lr = 0.1 + 0.2;
  recipe.milestones = {7};
  recipe.averages_maps = true;
  recipe.rank = 3;
  const Recipe again = recipe_from_json(parse_json(dump_json(to_json(recipe)), "r"), "r");
  CHECK(again.name == "moeclip");
  CHECK(again.lr == recipe.lr);
  CHECK(to_json(again) == to_json(recipe));
  CHECK(recipe_from_json(Json::object(), "r").lr == 5e-5);
  expect_error(ErrorCode::unsupported, {"file", "does not know"},
               [] { recipe_from_json(Json::object().set("lr2", 1.0), "file"); });
  expect_error(ErrorCode::format, {"a number"}, [] { recipe_from_json(Json::object().set("lr", "fast"), "file"); });
}

TEST_CASE("options are set from text") {
  Recipe recipe;
  set_option(recipe, "lr", "1e-3");
  set_option(recipe, "rank", "4");
  set_option(recipe, "is_training", "on");
  set_option(recipe, "use_fofs", "off");
  set_option(recipe, "milestones", "10,20");
  CHECK(recipe.lr == 1e-3);
  CHECK(recipe.rank == 4);
  CHECK(recipe.is_training);
  CHECK_FALSE(recipe.use_fofs);
  CHECK(recipe.milestones == std::vector<index_t>{10, 20});
  set_option(recipe, "milestones", "none");
  CHECK(recipe.milestones.empty());
  CHECK(
      recipe_differences(Recipe::released(), recipe) ==
      "lr (5e-05, 0.001), milestones ([16000,32000], []), is_training (false, true), use_fofs (true, false), rank (8, "
      "4)");
  expect_error(ErrorCode::contract, {"speed"}, [&] { set_option(recipe, "speed", "1"); });
  expect_error(ErrorCode::format, {"rank"}, [&] { set_option(recipe, "rank", "many"); });
  CHECK_THROWS_AS(set_option(recipe, "rank", "1.5"), Error);
  CHECK_THROWS_AS(set_option(recipe, "is_training", "1"), Error);
}

TEST_CASE("values that make no sense are refused by name") {
  expect_sound(Recipe::moeclip());
  const auto refused = [](std::string_view name, std::string_view text) {
    Recipe recipe;
    set_option(recipe, name, text);
    expect_error(ErrorCode::contract, {name}, [&] { expect_sound(recipe); });
  };
  refused("lr", "0");
  refused("beta1", "1");
  refused("clip_norm", "-1");
  refused("expert_dropout", "1");
  refused("mix_weight", "1.5");
  refused("experts", "0");
  refused("chosen", "5");
}

TEST_CASE("the adapter that a recipe builds") {
  Recipe recipe;
  recipe.use_aggregation = false;
  recipe.experts = 3;
  const AdapterConfig config = adapter_config(recipe, 24);
  CHECK(config.mixture_blocks == std::vector<index_t>{6, 12, 18, 24});
  CHECK(config.windows == std::vector<index_t>{1});
  CHECK(config.experts == 3);
  expect_error(ErrorCode::contract, {"4 mixtures", "3"}, [&] { adapter_config(recipe, 3); });
  const StepOptions options = step_options(Recipe::paper());
  CHECK(options.is_training);
  CHECK(options.expert_dropout == 0.05);
  CHECK_FALSE(options.trains_lora_a);
}

/// Largest magnitude, and mean square over the square that uniform numbers with this bound have.
void check_uniform(const Tensor<double>& tensor, double bound) {
  double largest = 0, square = 0;
  for (const double value : tensor) {
    largest = std::max(largest, std::abs(value));
    square += value * value;
  }
  CHECK(largest <= bound);
  CHECK(largest > 0.9 * bound);
  CHECK(square / static_cast<double>(tensor.size()) == doctest::Approx(bound * bound / 3).epsilon(0.1));
}

TEST_CASE("first values") {
  AdapterConfig config;
  config.mixture_blocks = config.level_blocks = {1, 2};
  const auto make = [&](const AdapterStart& start, std::uint64_t seed) {
    Adapter<double> adapter(config, 64, 24, 40);
    initialize_adapter(adapter, start, seed);
    return adapter;
  };
  const Adapter<double> released = make({}, 1);
  check_uniform(released.text.weight, std::sqrt(6.0 / 64));
  check_uniform(released.projections[1].weight, std::sqrt(6.0 / 88));
  check_uniform(released.detection->pointwise.weight, std::sqrt(6.0 / 88));
  check_uniform(released.detection->depthwise.weight, std::sqrt(6.0 / (3 + 3 * 64)));
  CHECK(released.detection->norm.gamma[5] == 1);
  CHECK(released.detection->norm.beta[5] == 0);
  for (const Mixture<double>& mixture : released.mixtures) {
    for (const double value : mixture.router.gate) CHECK(value == 0);
    for (const Expert<double>& expert : mixture.experts)
      for (const double value : expert.lora_b) CHECK(value == 0);
  }
  double dot = 0, square = 0;  // FOFS: rows of two experts have nothing in common
  for (index_t c = 0; c < 64; ++c) {
    dot += released.mixtures[0].experts[0].lora_a[c] * released.mixtures[0].experts[1].lora_a[c];
    square += released.mixtures[0].experts[0].lora_a[c] * released.mixtures[0].experts[0].lora_a[c];
  }
  CHECK(dot == 0);
  CHECK(square == doctest::Approx(1));

  const Adapter<double> other = make({false, 0.01, 0.001}, 1);
  check_uniform(other.mixtures[0].router.gate, 0.01);
  check_uniform(other.mixtures[0].experts[2].lora_a, 0.125);
  check_uniform(other.mixtures[0].experts[2].lora_b, 0.001);
  CHECK(other.mixtures[0].experts[0].lora_b[0] != other.mixtures[0].experts[1].lora_b[0]);
  CHECK(other.mixtures[0].experts[0].lora_b[0] != other.mixtures[1].experts[0].lora_b[0]);
  CHECK(std::ranges::equal(other.text.weight, released.text.weight));
  CHECK_FALSE(std::ranges::equal(make({}, 2).text.weight, released.text.weight));
}

}  // namespace

// SPDX-License-Identifier: MIT
#pragma once
// How adapters are trained: one struct of named options, and three named recipes. This folder's README lists them;
// METHOD section 4 says where the released code differs from the paper. The list of options below serves the command
// line, the checkpoint and the comparison of recipes when a run is resumed.

#include <string>
#include <string_view>
#include <vector>

#include "../anomaly/adapter.hpp"
#include "../io/json.hpp"
#include "../io/json_options.hpp"
#include "../io/json_writer.hpp"
#include "adam.hpp"
#include "initialize_adapter.hpp"
#include "schedule.hpp"
#include "step_options.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The defaults are the released recipe.
struct Recipe {
  std::string name = "released";  ///< the named recipe that it started from

  // optimiser
  double lr = 5e-5, beta1 = 0.5, beta2 = 0.999, eps = 1e-8;  ///< of Adam (ADAM-1); `lr` before any milestone
  std::vector<index_t> milestones = {16000, 32000};          ///< steps at which the learning rate falls, ascending
  double gamma = 0.5;                                        ///< factor by which it falls
  bool keeps_schedule = false;  ///< a resumed run goes on counting milestones; else they start anew
  double clip_norm = 0;         ///< longest gradient over all tensors; longer ones are scaled to it; 0: no limit

  // losses
  bool is_training = false;  ///< ETF loss, balance loss and dropout are on
  double lambda_etf = 0.01, lambda_balance = 0.01, expert_dropout = 0.05, class_logit_scale = 1;  ///< see StepOptions
  bool averages_maps = false;   ///< pixel losses: mean over the maps instead of their sum
  double norm_match_floor = 0;  ///< backward of norm matching: |m| counts as at least this share of |x|

  // start
  bool use_fofs = true;                   ///< frozen A, orthogonal between experts; false: A is trained
  double expert_init = 0, gate_init = 0;  ///< B and gates start uniform in +- this; 0: at zero

  // data
  bool is_augmented = true, revises_labels = false;  ///< pictures are turned, moved and mirrored; one whose defect was
                                                     ///< moved out of the frame counts as normal

  // model
  bool keeps_activation = false;                               ///< the CLIP's own activation instead of GELU
  index_t mixtures = 4, experts = 4, chosen = 2, rank = 8;     ///< `experts` per mixture, `chosen` of them per token
  double scale = 2, mix_weight = 0.1, similarity_scale = 100;  ///< factors: of experts' outputs, m in a token, cosines
  bool use_aggregation = true;  ///< patches are averaged over 1x1, 3x3 and 5x5 neighbourhoods

  /// visitor(name, value, help) for every option.
  template <class Self, class Visitor>
  static void visit(Self& r, Visitor&& visitor) {
    visitor("lr", r.lr, "learning rate of Adam");
    visitor("beta1", r.beta1, "decay of Adam's mean gradient");
    visitor("beta2", r.beta2, "decay of Adam's mean square");
    visitor("eps", r.eps, "added to the root of the mean square");
    visitor("milestones", r.milestones, "steps at which the learning rate falls");
    visitor("gamma", r.gamma, "factor by which it falls");
    visitor("keeps_schedule", r.keeps_schedule, "a resumed run goes on counting milestones instead of starting again");
    visitor("clip_norm", r.clip_norm, "longest gradient; longer ones are scaled to it; 0: no limit");
    visitor("is_training", r.is_training, "ETF loss, balance loss and dropout are on");
    visitor("lambda_etf", r.lambda_etf, "weight of the ETF loss");
    visitor("lambda_balance", r.lambda_balance, "weight of the balance loss");
    visitor("expert_dropout", r.expert_dropout, "dropout on the input of experts");
    visitor("class_logit_scale", r.class_logit_scale, "factor of the image's similarities in the cross entropy");
    visitor("averages_maps", r.averages_maps, "pixel losses are the mean over the maps instead of their sum");
    visitor("norm_match_floor", r.norm_match_floor,
            "backward of norm matching: |m| counts as at least this share of |x|");
    visitor("use_fofs", r.use_fofs, "frozen orthogonal inputs of experts; without, trained ones");
    visitor("expert_init", r.expert_init, "B starts uniform in +- this");
    visitor("gate_init", r.gate_init, "gates start uniform in +- this");
    visitor("is_augmented", r.is_augmented, "pictures are turned, moved and mirrored");
    visitor("revises_labels", r.revises_labels, "a picture whose defect was moved out of the frame counts as normal");
    visitor("keeps_activation", r.keeps_activation, "the CLIP's own activation instead of GELU");
    visitor("mixtures", r.mixtures, "mixtures of experts, spread evenly over the blocks, and levels");
    visitor("experts", r.experts, "experts per mixture");
    visitor("chosen", r.chosen, "experts per token");
    visitor("rank", r.rank, "rank of an expert");
    visitor("scale", r.scale, "factor of an expert's output");
    visitor("mix_weight", r.mix_weight, "share of the mixture in a token");
    visitor("similarity_scale", r.similarity_scale, "factor of the cosines of patches and anchors");
    visitor("use_aggregation", r.use_aggregation, "patches averaged over 1x1, 3x3 and 5x5 neighbourhoods");
  }

  /// What the published code does, accidents included.
  static Recipe released() { return {}; }

  /// The method as the paper describes it: auxiliary losses and dropout are on.
  static Recipe paper();

  /// The paper's method with the accidents mended.
  static Recipe moeclip();

  /// The recipe of that name. Throws contract if there is none.
  static Recipe named(std::string_view wanted);
};

/// Options of a recipe by name, its own name first.
Json to_json(const Recipe& recipe);

/// The recipe that to_json wrote; options that are missing keep the released value. `source` is named in messages.
/// Throws format for a value of the wrong kind, unsupported for an option that this version does not know.
Recipe recipe_from_json(const Json& json, std::string_view source);

/// Sets option `name` from text: a number, "on" or "off", a list as "100,200" (or "none"). Throws contract.
void set_option(Recipe& recipe, std::string_view name, std::string_view text);

/// Options in which two recipes differ, whatever they are called: "lr (5e-05, 0.001), rank (8, 4)"; "" if in none.
std::string recipe_differences(const Recipe& a, const Recipe& b);

/// Throws contract, naming the option, if one has a value that makes no sense.
void expect_sound(const Recipe& r);

/// The adapter that a recipe builds on an image tower of `layers` blocks.
AdapterConfig adapter_config(const Recipe& recipe, index_t layers);

/// The first values that a recipe asks for.
AdapterStart adapter_start(const Recipe& recipe);

/// The optimiser of a recipe.
AdamOptions adam_options(const Recipe& recipe);

/// The learning rates of a recipe.
MultiStepSchedule schedule_of(const Recipe& recipe);

/// What one step needs to know; seed, step and memory are the trainer's to fill in.
StepOptions step_options(const Recipe& recipe);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_TRAIN)

#include <algorithm>
#include <type_traits>
#include <utility>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC Recipe Recipe::paper() {
  Recipe recipe;
  recipe.name = "paper";
  recipe.is_training = true;
  return recipe;
}

MOECLIP_FUNC Recipe Recipe::moeclip() {
  Recipe recipe = paper();
  recipe.name = "moeclip";
  recipe.keeps_schedule = true;
  recipe.expert_init = 1e-3;
  recipe.clip_norm = 1;
  recipe.similarity_scale = 10;
  return recipe;
}

MOECLIP_FUNC Recipe Recipe::named(std::string_view wanted) {
  for (const Recipe& recipe : {moeclip(), paper(), released()})
    if (recipe.name == wanted) return recipe;
  fail(ErrorCode::contract, concat("there is no recipe \"", wanted, "\"; there are moeclip, paper and released"));
}

MOECLIP_FUNC Json to_json(const Recipe& recipe) {
  Json json = Json::object().set("name", recipe.name);
  const Json options = options_to_json(recipe);
  for (const auto& [name, value] : options.members()) json.set(name, value);
  return json;
}

MOECLIP_FUNC Recipe recipe_from_json(const Json& json, std::string_view source) {
  Recipe recipe;
  if (const Json* name = json.find("name"); name != nullptr) recipe.name = name->as_string();
  options_from_json(json, concat(source, ": recipe"), recipe, "name");
  return recipe;
}

MOECLIP_FUNC void set_option(Recipe& recipe, std::string_view name, std::string_view text) {
  bool is_known = false;
  const auto set = [&](const char* option, auto& value, const char*) {
    if (name != option) return;
    is_known = true;
    std::string json(text);
    using Value = std::remove_cvref_t<decltype(value)>;
    if constexpr (std::is_same_v<Value, bool>) json = text == "on" ? "true" : text == "off" ? "false" : json;
    if constexpr (std::is_same_v<Value, std::vector<index_t>>) json = text == "none" ? "[]" : concat("[", text, "]");
    option_from_json(parse_json(json, concat("option ", name)), "recipe", name, value);
  };
  Recipe::visit(recipe, set);
  MOECLIP_EXPECT(is_known, "a recipe has no option \"", name, "\"");
}

MOECLIP_FUNC std::string recipe_differences(const Recipe& a, const Recipe& b) {
  const Json first = to_json(a), second = to_json(b);
  std::string text;
  for (const auto& [name, value] : first.members())
    if (name != "name" && !(value == second.at(name)))
      text += concat(text.empty() ? "" : ", ", name, " (", dump_json(value), ", ", dump_json(second.at(name)), ")");
  return text;
}

MOECLIP_FUNC void expect_sound(const Recipe& r) {
  const auto expect = [](bool is_sound, std::string_view name, const char* range) {
    MOECLIP_EXPECT(is_sound, "recipe: ", name, " must be ", range);
  };
  for (const auto& [name, value] : {std::pair{"lr", r.lr},
                                    {"eps", r.eps},
                                    {"gamma", r.gamma},
                                    {"scale", r.scale},
                                    {"class_logit_scale", r.class_logit_scale},
                                    {"similarity_scale", r.similarity_scale}})
    expect(value > 0, name, "above 0");
  for (const auto& [name, value] : {std::pair{"clip_norm", r.clip_norm},
                                    {"lambda_etf", r.lambda_etf},
                                    {"lambda_balance", r.lambda_balance},
                                    {"expert_init", r.expert_init},
                                    {"gate_init", r.gate_init},
                                    {"norm_match_floor", r.norm_match_floor}})
    expect(value >= 0, name, "0 or more");
  for (const auto& [name, value] :
       {std::pair{"beta1", r.beta1}, {"beta2", r.beta2}, {"expert_dropout", r.expert_dropout}})
    expect(value >= 0 && value < 1, name, "from 0 to below 1");
  expect(r.mix_weight >= 0 && r.mix_weight <= 1, "mix_weight", "from 0 to 1");
  expect(r.mixtures > 0 && r.experts > 0 && r.rank > 0, "mixtures, experts and rank", "1 or more");
  expect(r.chosen > 0 && r.chosen <= r.experts, "chosen", "from 1 to the number of experts");
}

MOECLIP_FUNC AdapterConfig adapter_config(const Recipe& recipe, index_t layers) {
  AdapterConfig config;
  MOECLIP_EXPECT(recipe.mixtures <= layers, "recipe: ", recipe.mixtures, " mixtures for an image tower of ", layers,
                 " blocks");
  config.mixture_blocks = config.level_blocks = detail::evenly_spread(layers, recipe.mixtures);
  if (!recipe.use_aggregation) config.windows = {1};
  config.experts = recipe.experts;
  config.chosen = recipe.chosen;
  config.rank = recipe.rank;
  config.scale = recipe.scale;
  config.mix_weight = recipe.mix_weight;
  config.similarity_scale = recipe.similarity_scale;
  return config;
}

MOECLIP_FUNC AdapterStart adapter_start(const Recipe& recipe) {
  return {recipe.use_fofs, recipe.gate_init, recipe.expert_init};
}

MOECLIP_FUNC AdamOptions adam_options(const Recipe& recipe) {
  return {recipe.lr, recipe.beta1, recipe.beta2, recipe.eps};
}

MOECLIP_FUNC MultiStepSchedule schedule_of(const Recipe& recipe) {
  return {recipe.lr, recipe.milestones, recipe.gamma};
}

MOECLIP_FUNC StepOptions step_options(const Recipe& recipe) {
  StepOptions options;
  options.is_training = recipe.is_training;
  options.lambda_etf = recipe.lambda_etf;
  options.lambda_balance = recipe.lambda_balance;
  options.expert_dropout = recipe.expert_dropout;
  options.class_logit_scale = recipe.class_logit_scale;
  options.averages_maps = recipe.averages_maps;
  options.norm_match_floor = recipe.norm_match_floor;
  options.trains_lora_a = !recipe.use_fofs;
  return options;
}

}}  // namespace moeclip::abi_v0_1

#endif

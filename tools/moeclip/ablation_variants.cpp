// SPDX-License-Identifier: MIT
#include <moeclip/methods/make_method.hpp>

#include "ablation.hpp"
#include "options.hpp"

namespace cli {

using moeclip::concat;
using moeclip::Json;
using moeclip::Recipe;

namespace {

/// The recipe of that name, with what holds for all variants.
Recipe base_recipe(const AblationSettings& settings, std::string_view name) {
  Recipe recipe = Recipe::named(name);
  recipe.lr = settings.lr;
  for (const std::string& option : settings.options) {
    const std::size_t place = option.find('=');
    if (place == std::string::npos) throw UsageError(concat("--option ", option, ": NAME=VALUE was wanted, as rank=8"));
    try {
      moeclip::set_option(recipe, option.substr(0, place), option.substr(place + 1));
    } catch (const moeclip::Error& error) {
      throw UsageError(concat("--option ", option, ": ", error.what()));
    }
  }
  return recipe;
}

/// The recipe `moeclip` with each single option that it mends set back to what `paper` has.
std::vector<AblationVariant> unmended_variants(const AblationSettings& settings) {
  const Recipe mended = base_recipe(settings, "moeclip");
  const Json before = moeclip::to_json(base_recipe(settings, "paper")), after = moeclip::to_json(mended);
  std::vector<AblationVariant> variants;
  for (const auto& [option, value] : after.members()) {
    if (option == "name" || option == "keeps_schedule" || before.at(option) == value) continue;  // nothing is resumed
    Json json = after;
    json.set(option, before.at(option));
    variants.push_back(
        {"unmended-" + option,
         concat(option, " ", moeclip::dump_json(before.at(option)), " instead of ", moeclip::dump_json(value)),
         AblationKind::trained, moeclip::recipe_from_json(json, option)});
  }
  return variants;
}

/// The recipe `moeclip` with one more option that could mend something, which it has not because it does not help here.
std::vector<AblationVariant> further_variants(const AblationSettings& settings) {
  constexpr std::array<std::array<std::string_view, 2>, 6> kOptions{{{"gate_init", "0.01"},
                                                                     {"revises_labels", "on"},
                                                                     {"class_logit_scale", "100"},
                                                                     {"averages_maps", "on"},
                                                                     {"norm_match_floor", "0.1"},
                                                                     {"is_training", "off"}}};
  std::vector<AblationVariant> variants;
  for (const auto& [option, value] : kOptions) {
    variants.push_back(
        {concat("with-", option), concat(option, " ", value), AblationKind::trained, base_recipe(settings, "moeclip")});
    moeclip::set_option(variants.back().recipe, option, value);
  }
  return variants;
}

}  // namespace

std::vector<AblationVariant> ablation_variants(const AblationSettings& settings) {
  const Recipe full = base_recipe(settings, "moeclip");
  std::vector<AblationVariant> variants{{"moeclip", "the whole method", AblationKind::trained, full}};
  const auto add = [&](const char* name, const char* about, auto change) {
    variants.push_back({name, about, AblationKind::trained, full});
    change(variants.back().recipe);
  };
  add("uniform", "one expert for all patches, of the rank of all experts together",
      [](Recipe& r) { r.rank *= r.experts, r.experts = r.chosen = 1; });
  add("uniform-small", "one expert for all patches, of the rank of the chosen ones",
      [](Recipe& r) { r.rank *= r.chosen, r.experts = r.chosen = 1; });
  add("no-experts", "projections and detection head only", [](Recipe& r) { r.mix_weight = 0; });
  add("no-fofs", "inputs of the experts start at random and are trained", [](Recipe& r) { r.use_fofs = false; });
  add("no-etf", "no loss that pushes experts apart", [](Recipe& r) { r.lambda_etf = 0; });
  add("original-moe", "neither of the two", [](Recipe& r) { r.use_fofs = false, r.lambda_etf = 0; });
  add("no-paa", "patches are not averaged with neighbours", [](Recipe& r) { r.use_aggregation = false; });
  for (const char* name : {"paper", "released"})
    variants.push_back(
        {concat("recipe-", name), concat("recipe ", name), AblationKind::trained, base_recipe(settings, name)});
  for (AblationVariant& variant : unmended_variants(settings)) variants.push_back(std::move(variant));
  for (AblationVariant& variant : further_variants(settings)) variants.push_back(std::move(variant));
  for (const moeclip::MethodKind& method : moeclip::method_kinds())
    variants.push_back({std::string(method.name), std::string(method.about), AblationKind::method, full});
  for (const AblationVariant& variant : variants) moeclip::expect_sound(variant.recipe);  // now, not in the tenth run
  variants.push_back({"zero-shot", "the CLIP without adapter", AblationKind::zero_shot, {}});
  variants.push_back({"median-pixels", "distance from the picture's median patch, colours", AblationKind::pixels, {}});
  variants.push_back(
      {"median-features", "distance from the picture's median patch, CLIP features", AblationKind::features, {}});
  variants.push_back({"memory", "unlike 20 good pictures, CLIP features", AblationKind::memory, {}});
  variants.push_back({"memory-random", "the same, random weights of equal size", AblationKind::memory_random, {}});
  variants.push_back({"memory-pixels", "the same, the patches themselves", AblationKind::memory_pixels, {}});
  return variants;
}

namespace {

/// The variants with these names, and all other methods if `has_methods`, in the order of `all`.
std::vector<AblationVariant> named_variants(const std::vector<AblationVariant>& all,
                                            std::initializer_list<std::string_view> names, bool has_methods) {
  std::vector<AblationVariant> chosen;
  for (const AblationVariant& variant : all)
    if (std::ranges::find(names, variant.name) != names.end() || (has_methods && variant.kind == AblationKind::method))
      chosen.push_back(variant);
  return chosen;
}

/// The method and its uniform twin, trained on more and more pictures; each pair is a comparison of its own.
std::vector<AblationVariant> lengths_of_training(const AblationSettings& settings,
                                                 const std::vector<AblationVariant>& all) {
  std::vector<AblationVariant> variants;
  for (const std::int64_t parts : {1, 2, 4, 8}) {
    const std::int64_t pictures = std::max<std::int64_t>(1, settings.pictures * parts / 4);
    const std::string first = concat("moeclip-", pictures);
    for (AblationVariant variant : named_variants(all, {"moeclip", "uniform"}, false)) {
      variant.name += concat("-", pictures);
      variant.about += concat(", trained on ", moeclip::counted(pictures, "picture"));
      variant.pictures = pictures;
      variant.baseline = first;
      variants.push_back(std::move(variant));
    }
  }
  return variants;
}

/// The comparison of the plan (bench/judgement/README.md), once in each world.
std::vector<AblationVariant> worlds_of_panels(const std::vector<AblationVariant>& all) {
  std::vector<AblationVariant> variants;
  for (const char* world : {"regions", "homogeneous"})
    for (AblationVariant variant : named_variants(
             all, {"moeclip", "uniform", "uniform-small", "no-experts", "recipe-paper", "recipe-released"}, false)) {
      variant.name = concat(world, "/", variant.name);
      variant.about += concat(", in the world ", world);
      variant.world = world;
      variant.baseline = concat(world, "/moeclip");
      variants.push_back(std::move(variant));
    }
  return variants;
}

}  // namespace

std::vector<AblationVariant> preset_variants(std::string_view preset, const AblationSettings& settings,
                                             const std::vector<AblationVariant>& all) {
  if (preset == "paper-table")
    return named_variants(all,
                          {"moeclip", "uniform", "uniform-small", "no-experts", "no-fofs", "no-etf", "original-moe",
                           "no-paa", "recipe-paper", "recipe-released", "zero-shot"},
                          true);
  if (preset == "power") return lengths_of_training(settings, all);
  MOECLIP_EXPECT(preset == "worlds", "there is no preset \"", preset, "\"");
  return worlds_of_panels(all);
}

}  // namespace cli

// SPDX-License-Identifier: MIT
#include "ablation.hpp"

#include <chrono>
#include <moeclip/anomaly/adapter_file.hpp>
#include <moeclip/clip/load_clip.hpp>
#include <moeclip/eval/evaluate.hpp>
#include <moeclip/eval/median_patch.hpp>
#include <moeclip/synthetic/source.hpp>
#include <moeclip/train/trainer.hpp>
#include <tuple>

#include "tiny_model.hpp"

namespace cli {

using moeclip::concat;
using moeclip::index_t;
using moeclip::Json;
using moeclip::Recipe;

namespace {

/// The recipe of that name, with what holds for all variants.
Recipe base_recipe(const AblationSettings& settings, std::string_view name) {
  Recipe recipe = Recipe::named(name);
  recipe.lr = settings.lr;
  for (const std::string& option : settings.options) {
    const std::size_t place = std::min(option.find('='), option.size());
    moeclip::set_option(recipe, option.substr(0, place), option.substr(std::min(place + 1, option.size())));
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

/// The same pictures for all variants.
moeclip::SampleSource test_source(const AblationSettings& settings, index_t size, std::int64_t seed) {
  moeclip::SyntheticPlan plan;
  const auto categories = settings.categories == "seen" ? moeclip::adapter_categories() : moeclip::unseen_categories();
  plan.categories.assign(categories.begin(), categories.end());
  const auto kinds = settings.defects == "all" ? moeclip::synthetic_defects() : moeclip::unseen_defects();
  plan.defects.assign(kinds.begin(), kinds.end());
  plan.count = settings.test_pictures;
  plan.size = size;
  plan.seed = 2 * kTinySeed + static_cast<std::uint64_t>(seed);
  return moeclip::SampleSource(moeclip::drawn_samples(moeclip::plan_synthetic(plan)));
}

moeclip::Clip<float> load_clip(const AblationSettings& settings, const AblationVariant& variant) {
  moeclip::ClipOptions options;
  options.threads = 1;
  if (variant.kind == AblationKind::trained && !variant.recipe.keeps_activation)
    options.activation = moeclip::kernels::Activation::gelu;
  return moeclip::Clip<float>::load(settings.clip, options);
}

/// Trains an adapter; returns it packed, and the mean loss of the last epoch.
std::pair<moeclip::Adapter<float>, double> train_adapter(const AblationSettings& settings,
                                                         const AblationVariant& variant,
                                                         const moeclip::Clip<float>& clip, std::int64_t seed) {
  moeclip::TrainerOptions options;
  options.batch = settings.batch;
  options.seed = static_cast<std::uint64_t>(seed);
  options.image_size = clip.config().vision.image_size;
  options.threads = 1;
  moeclip::Trainer<float> trainer(clip, variant.recipe, options);
  moeclip::FitOptions fit;
  fit.epochs = settings.epochs;
  fit.ahead = 0;
  double loss = 0, steps = 0;
  const std::uint64_t pictures = kTinySeed + static_cast<std::uint64_t>(seed);
  trainer.fit(adapter_pictures(settings.pictures, options.image_size, pictures), fit,
              [&](const moeclip::StepReport& report) {
                if (report.epoch != report.epochs) return;
                loss += report.loss.total;
                steps += 1;
              });
  return {packed_copy(trainer.context(), trainer.adapter()), loss / steps};
}

/// Unit features (L, C) of the CLIP's last block, on the grid of its patches.
moeclip::Tensor<float> clip_features(moeclip::Context& context, const moeclip::Clip<float>& clip,
                                     const moeclip::Adapter<float>& plain, moeclip::ImageView picture) {
  const moeclip::VisionConfig& vision = clip.config().vision;
  const index_t size = vision.image_size, embed = clip.config().embed;
  moeclip::Tensor<float> pixels({1, 3, size, size}), embedding({1, embed});
  moeclip::Tensor<float> kept({vision.grid() * vision.grid(), embed});
  moeclip::normalize<float>(picture, moeclip::Normalization::clip(), pixels.data());
  const auto on_map = [&](index_t, moeclip::View<const float, 2> features) {
    std::copy_n(features.data(), features.size(), kept.data());
  };
  moeclip::features_forward<float>(context, clip.vision(), plain, clip.vision().positional_embedding,
                                   std::as_const(pixels).view<4>(), {on_map, embedding.view<2>()});
  return kept;
}

/// Deviation from the median patch, of statistics of pixels or of features.
void judge_by_median(moeclip::Context& context, const moeclip::Clip<float>& clip, AblationKind kind,
                     const moeclip::SampleSource& source, moeclip::Evaluation& evaluation) {
  const moeclip::VisionConfig& vision = clip.config().vision;
  const index_t grid = vision.grid(), size = vision.image_size;
  const moeclip::Adapter<float> plain = moeclip::plain_adapter(context, clip.vision(), clip.text());
  moeclip::Tensor<float> deviation({grid, grid}), map({size, size});
  moeclip::Tensor<float> statistics({grid * grid, moeclip::kPatchStatistics});
  for (index_t i = 0; i < source.size(); ++i) {
    const moeclip::Sample sample = source.load(i);
    if (kind == AblationKind::pixels) {
      moeclip::patch_statistics(sample.picture.view(), vision.patch_size, statistics.view<2>());
    } else {
      statistics = clip_features(context, clip, plain, sample.picture.view());
    }
    constexpr float kLevel = 1.0f, kFeature = 0.01f;  // a gray level; a tenth of a typical entry of a unit vector
    moeclip::median_deviation(std::as_const(statistics).view<2>(), kind == AblationKind::pixels ? kLevel : kFeature,
                              deviation.data());
    moeclip::upsample_bilinear<float>(std::as_const(deviation).view<2>(), map.view<2>());
    const float largest = *std::max_element(map.begin(), map.end());
    evaluation.add(context, sample, {std::as_const(map).view<2>(), largest, 0});
  }
}

AblationScores scores_of(const moeclip::ClassResult& row) {
  return {row.image.auroc.value, row.image.average_precision.value, row.pixel.auroc.value,
          row.pixel.average_precision.value, row.pixel.aupro.value};
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

std::string ablation_key(const AblationSettings& settings, const AblationVariant& variant, std::int64_t seed) {
  constexpr std::size_t kDigits = 16;
  std::string text = concat(static_cast<int>(variant.kind), " ", seed, " ", settings.test_pictures, " ",
                            settings.categories, " ", settings.defects, " ", settings.clip_hash);
  if (variant.kind == AblationKind::trained)
    text += concat(" ", settings.pictures, " ", settings.epochs, " ", settings.batch, " ",
                   moeclip::dump_json(moeclip::to_json(variant.recipe)));
  return moeclip::sha256_hex(moeclip::as_bytes(text)).substr(0, kDigits);
}

AblationResult run_ablation(const AblationSettings& settings, const AblationVariant& variant, std::int64_t seed) {
  const auto start = std::chrono::steady_clock::now();
  moeclip::Context context({.threads = 1});
  moeclip::Clip<float> clip = load_clip(settings, variant);
  const moeclip::SampleSource tests = test_source(settings, clip.config().vision.image_size, seed);
  moeclip::Evaluation evaluation;
  AblationResult result;
  if (variant.kind == AblationKind::pixels || variant.kind == AblationKind::features) {
    judge_by_median(context, clip, variant.kind, tests, evaluation);
  } else if (variant.kind == AblationKind::memory || variant.kind == AblationKind::memory_random ||
             variant.kind == AblationKind::memory_pixels) {
    judge_by_memory(context, std::move(clip), variant.kind, seed, tests, evaluation);
  } else {
    moeclip::Adapter<float> adapter;
    if (variant.kind == AblationKind::trained) {
      std::tie(adapter, result.loss) = train_adapter(settings, variant, clip, seed);
    } else {
      adapter = moeclip::plain_adapter(context, clip.vision(), clip.text());
    }
    moeclip::DetectorOptions options;
    options.image_size = clip.config().vision.image_size;
    const moeclip::Detector detector(std::move(clip), std::move(adapter), options);
    moeclip::evaluate(context, detector, tests, evaluation, [](index_t) {});
  }
  const auto rows = evaluation.classes();
  result.scores = scores_of(moeclip::mean_of(rows));
  for (const moeclip::ClassResult& row : rows) {
    Json json = Json::object().set("class", row.name);
    const AblationScores scores = scores_of(row);
    for (std::size_t m = 0; m < scores.size(); ++m) json.set(std::string(kAblationMetrics[m]), scores[m]);
    result.classes.push_back(std::move(json));
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace cli

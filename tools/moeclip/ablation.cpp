// SPDX-License-Identifier: MIT
#include "ablation.hpp"

#include <moeclip/anomaly/adapter_file.hpp>
#include <moeclip/clip/load_clip.hpp>
#include <moeclip/data/class_words.hpp>
#include <moeclip/eval/median_patch.hpp>
#include <moeclip/io/sha256.hpp>
#include <moeclip/io/weights.hpp>
#include <moeclip/methods/fit.hpp>
#include <moeclip/methods/make_method.hpp>
#include <moeclip/synthetic/source.hpp>
#include <moeclip/train/trainer.hpp>
#include <set>

#include "tiny_model.hpp"

namespace cli {

using moeclip::concat;
using moeclip::index_t;
using moeclip::Json;

namespace {

/// Side of the square that is looked at.
index_t image_size(const AblationSettings& settings, const moeclip::Clip<float>& clip) {
  return settings.image_size > 0 ? settings.image_size : clip.config().vision.image_size;
}

moeclip::SyntheticWorld world_of(const AblationSettings& settings) {
  const auto world = moeclip::find_synthetic_world(settings.world);
  MOECLIP_EXPECT(world, "there is no world \"", settings.world, "\"");
  return *world;
}

moeclip::SampleSource listed_source(const std::vector<std::string>& lists) {
  moeclip::SampleSource source;
  for (const std::string& path : lists) source.add(moeclip::read_dataset(path));
  return source;
}

std::vector<std::string> owned(std::span<const std::string_view> names) { return {names.begin(), names.end()}; }

/// The same pictures for all variants.
AblationTest test_pictures(const AblationSettings& settings, index_t size, std::int64_t seed) {
  AblationTest test;
  for (std::size_t i = 0; i < settings.test.size(); ++i) {
    test.source.add(moeclip::read_dataset(settings.test[i]));
    if (!settings.test_sets.empty())
      test.sets.resize(static_cast<std::size_t>(test.source.size()), settings.test_sets[i]);
  }
  if (!settings.test.empty()) return test;
  moeclip::SyntheticPlan plan;
  plan.world = world_of(settings);
  plan.categories = owned(settings.categories == "seen" ? moeclip::adapter_categories(plan.world)
                                                        : moeclip::unseen_categories(plan.world));
  if (plan.world == moeclip::SyntheticWorld::parts)
    plan.defects = owned(settings.defects == "all" ? moeclip::synthetic_defects() : moeclip::unseen_defects());
  plan.count = settings.test_pictures;
  plan.size = size;
  plan.seed = 2 * kTinySeed + static_cast<std::uint64_t>(seed);
  test.source.add(moeclip::drawn_samples(moeclip::plan_synthetic(plan)));
  return test;
}

moeclip::SampleSource train_source(const AblationSettings& settings, index_t size, std::int64_t seed) {
  if (!settings.train.empty()) return listed_source(settings.train);
  moeclip::SyntheticPlan plan;
  plan.world = world_of(settings);
  plan.categories = owned(moeclip::adapter_categories(plan.world));
  plan.count = settings.pictures;
  plan.size = size;
  plan.seed = kTinySeed + static_cast<std::uint64_t>(seed);
  plan.defective_share = kTinyDefective;
  return moeclip::SampleSource(moeclip::drawn_samples(moeclip::plan_synthetic(plan)));
}

moeclip::Clip<float> load_clip(const AblationSettings& settings, const AblationVariant& variant) {
  moeclip::ClipOptions options;
  options.threads = 1;
  if (variant.kind == AblationKind::trained && !variant.recipe.keeps_activation)
    options.activation = moeclip::kernels::Activation::gelu;
  if (variant.kind == AblationKind::method) options.activation = moeclip::method_kind(variant.name).activation;
  return moeclip::Clip<float>::load(settings.clip, options);
}

/// Elements of all tensors.
template <class Object>
std::int64_t count_elements(const Object& object) {
  std::int64_t count = 0;
  moeclip::visit_parameters(object, "",
                            [&](const std::string&, const moeclip::Tensor<float>& tensor) { count += tensor.size(); });
  return count;
}

/// Numbers that the file of a CLIP holds: in memory some are packed in another form.
std::int64_t clip_elements(const std::string& path) {
  const moeclip::WeightFile file = moeclip::WeightFile::open(path);
  std::int64_t count = 0;
  for (const moeclip::WeightEntry& entry : file.entries()) count += entry.shape.size();
  return count;
}

/// Trains an adapter; returns it packed. Puts the mean loss of the last epoch and what was trained into `result`.
moeclip::Adapter<float> train_adapter(const AblationSettings& settings, const AblationVariant& variant,
                                      const moeclip::Clip<float>& clip, std::int64_t seed, AblationResult& result) {
  moeclip::TrainerOptions options;
  options.batch = settings.batch;
  options.seed = static_cast<std::uint64_t>(seed);
  options.image_size = image_size(settings, clip);
  options.threads = 1;
  moeclip::Trainer<float> trainer(clip, variant.recipe, options);
  moeclip::FitOptions fit;
  fit.epochs = settings.epochs;
  fit.ahead = 0;
  double loss = 0, steps = 0;
  trainer.fit(train_source(settings, options.image_size, seed), fit, [&](const moeclip::StepReport& report) {
    if (report.epoch != report.epochs) return;
    loss += report.loss.total;
    steps += 1;
  });
  result.loss = loss / steps;
  for (const auto& parameter : trainer.parameters())
    if (parameter.has_gradient) result.trained += parameter.value->size();
  result.bytes += 4 * count_elements(trainer.adapter());
  return packed_copy(trainer.context(), trainer.adapter());
}

/// Judges by an adapter, trained or plain.
void judge_by_detector(moeclip::Context& context, const moeclip::Detector& detector, AblationJudge& judge) {
  moeclip::Detection found;
  for (index_t i = 0; i < judge.size(); ++i) {
    moeclip::Sample sample = judge.load(i);
    detector.detect(context, sample.picture.view(), detector.anchors(sample.class_name), found);
    judge.add(context, std::move(sample), {std::as_const(found.map).view<2>(), found.score, found.class_score});
  }
}

/// Trains another method as long as the settings say.
void train_other(moeclip::Context& context, const AblationSettings& settings, moeclip::TrainedMethod<float>& method,
                 std::int64_t seed, AblationResult& result) {
  const moeclip::SampleSource source = train_source(settings, method.image_size(), seed);
  const moeclip::ClassWords words = moeclip::load_class_words();
  moeclip::MethodFitOptions fit;
  fit.seed = static_cast<std::uint64_t>(seed);
  fit.batch = settings.batch;
  fit.epochs = settings.epochs;
  fit.lr = settings.method_lr;
  fit.ahead = 0;
  for (const std::string& name : source.classes()) fit.words.push_back(words.words(name));
  moeclip::fit_method<float>(context, method, source, fit, [&](const moeclip::MethodStep& step) {
    result.loss = step.loss;
    return true;
  });
  std::set<const moeclip::Tensor<float>*> counted;
  for (index_t stage = 0; stage < std::ssize(method.stages()); ++stage)
    for (const auto& parameter : method.parameters(stage))
      if (counted.insert(parameter.value).second) result.trained += parameter.value->size();
  method.visit([&](const std::string&, moeclip::Tensor<float>& tensor) { result.bytes += 4 * tensor.size(); });
}

/// Judges by another method.
void judge_by_method(moeclip::Context& context, const moeclip::Method<float>& method, AblationJudge& judge) {
  constexpr float kThreshold = 0.5f;  // of no consequence: metrics have none
  const moeclip::ClassWords words = moeclip::load_class_words();
  moeclip::Detection found;
  for (index_t i = 0; i < judge.size(); ++i) {
    moeclip::Sample sample = judge.load(i);
    method.detect(context, sample.picture.view(), words.words(sample.class_name), kThreshold, found);
    judge.add(context, std::move(sample), {std::as_const(found.map).view<2>(), found.score, found.class_score});
  }
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
                     AblationJudge& judge) {
  const moeclip::VisionConfig& vision = clip.config().vision;
  const index_t grid = vision.grid(), size = vision.image_size;
  const moeclip::Adapter<float> plain = moeclip::plain_adapter(context, clip.vision(), clip.text());
  moeclip::Tensor<float> deviation({grid, grid}), map({size, size});
  moeclip::Tensor<float> statistics({grid * grid, moeclip::kPatchStatistics});
  for (index_t i = 0; i < judge.size(); ++i) {
    moeclip::Sample sample = judge.load(i);
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
    judge.add(context, std::move(sample), {std::as_const(map).view<2>(), largest, 0});
  }
}

}  // namespace

bool is_learned(const AblationVariant& variant) {
  return variant.kind == AblationKind::trained ||
         (variant.kind == AblationKind::method && variant.name != "winclip");  // which alone has no stages
}

std::string ablation_key(const AblationSettings& settings, const AblationVariant& variant, std::int64_t seed) {
  constexpr std::size_t kDigits = 16;
  std::string text =
      concat(static_cast<int>(variant.kind), " ", seed, " ", settings.test_pictures, " ", settings.categories, " ",
             settings.defects, " ", settings.clip_hash, " ", variant.world.empty() ? settings.world : variant.world,
             " ", settings.image_size, " ", settings.lists_hash);
  if (variant.kind == AblationKind::trained) text += concat(" ", moeclip::dump_json(moeclip::to_json(variant.recipe)));
  if (variant.kind == AblationKind::method) text += concat(" ", variant.name, " ", settings.method_lr);
  if (variant.kind == AblationKind::trained || variant.kind == AblationKind::method)
    text += concat(" ", variant.pictures > 0 ? variant.pictures : settings.pictures, " ", settings.epochs, " ",
                   settings.batch);
  return moeclip::sha256_hex(moeclip::as_bytes(text)).substr(0, kDigits);
}

void AblationJudge::finish(AblationResult& result) {
  const auto rows = evaluation_.classes();
  result.scores = moeclip::compared_metrics(moeclip::mean_of(rows));
  for (const moeclip::ClassResult& row : rows) {
    Json json = Json::object().set("class", row.name);
    const moeclip::ComparedMetrics scores = moeclip::compared_metrics(row);
    for (std::size_t m = 0; m < scores.size(); ++m) json.set(std::string(moeclip::kComparedMetrics[m]), scores[m]);
    result.classes.push_back(std::move(json));
  }
  result.judge_seconds = seconds_ / static_cast<double>(std::max<index_t>(size(), 1));
  result.pictures = maker_.finish();
}

AblationResult run_ablation(const AblationSettings& given, const AblationVariant& variant, std::int64_t seed) {
  const auto start = std::chrono::steady_clock::now();
  AblationSettings settings = given;
  if (!variant.world.empty()) settings.world = variant.world;
  if (variant.pictures > 0) settings.pictures = variant.pictures;
  moeclip::Context context({.threads = 1});
  moeclip::Clip<float> clip = load_clip(settings, variant);
  const AblationTest tests = test_pictures(settings, image_size(settings, clip), seed);
  AblationJudge judge(tests);
  AblationResult result;
  result.bytes = 4 * clip_elements(settings.clip);
  if (variant.kind == AblationKind::method) {
    const moeclip::MethodOptions options{image_size(settings, clip), static_cast<std::uint64_t>(seed), {}};
    const auto shared = std::make_shared<const moeclip::Clip<float>>(std::move(clip));
    const auto method = moeclip::make_method<float>(variant.name, shared, options);
    if (method->trained() != nullptr) train_other(context, settings, *method->trained(), seed, result);
    judge_by_method(context, *method, judge);
  } else if (variant.kind == AblationKind::pixels || variant.kind == AblationKind::features) {
    judge_by_median(context, clip, variant.kind, judge);
  } else if (variant.kind == AblationKind::trained || variant.kind == AblationKind::zero_shot) {
    moeclip::DetectorOptions options;
    options.image_size = image_size(settings, clip);
    moeclip::Adapter<float> adapter = variant.kind == AblationKind::trained
                                          ? train_adapter(settings, variant, clip, seed, result)
                                          : moeclip::plain_adapter(context, clip.vision(), clip.text());
    judge_by_detector(context, moeclip::Detector(std::move(clip), std::move(adapter), options), judge);
  } else {
    judge_by_memory(context, std::move(clip), variant.kind, seed, judge);
  }
  judge.finish(result);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace cli

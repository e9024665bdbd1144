// SPDX-License-Identifier: MIT
// The variants of `moeclip ablate` that judge by good pictures: what the encoder is worth to a memory.

#include <algorithm>
#include <cmath>
#include <map>
#include <moeclip/anomaly/adapter_file.hpp>
#include <moeclip/anomaly/seeded.hpp>
#include <moeclip/memory/learn.hpp>
#include <moeclip/synthetic/source.hpp>

#include "ablation.hpp"

namespace cli {

using moeclip::index_t;

namespace {

/// An image tower whose tokens are the patches themselves. LayerNorm takes the mean of a token and its length away, so
/// a token holds every number with both signs, and a constant beside them: x, -x, c, -c, where c is as long as x
/// usually is.
moeclip::VisionTower<float> raw_tower(const moeclip::VisionConfig& like, index_t embed) {
  constexpr index_t kConstants = 8;
  const index_t pixels = 3 * like.patch_size * like.patch_size;
  moeclip::VisionConfig config = like;
  config.width = 2 * (pixels + kConstants);
  config.layers = config.heads = 1;
  config.hidden = 1;
  moeclip::VisionTower<float> tower(config, embed, moeclip::kernels::Activation::gelu);
  moeclip::visit_parameters(tower, "", [](const std::string&, moeclip::Tensor<float>& tensor) { tensor.fill(0); });
  for (auto* norm : {&tower.ln_pre, &tower.ln_post}) norm->gamma.fill(1);
  const float constant = std::sqrt(static_cast<float>(pixels) / kConstants);  // pixels are of variance 1 or so
  for (index_t i = 0; i < pixels; ++i) {
    tower.patch_embed.weight[2 * i * pixels + i] = 1;
    tower.patch_embed.weight[(2 * i + 1) * pixels + i] = -1;
  }
  for (index_t row = 0; row < tower.positional_embedding.extent(0); ++row)
    for (index_t c = 2 * pixels; c < config.width; ++c)
      tower.positional_embedding[row * config.width + c] = c % 2 == 0 ? constant : -constant;
  return tower;
}

moeclip::Detector detector_of(moeclip::Context& context, moeclip::Clip<float> clip, AblationKind kind,
                              std::int64_t seed) {
  moeclip::ClipConfig config = clip.config();
  moeclip::VisionTower<float> vision(config.vision, config.embed, config.activation);
  if (kind == AblationKind::memory_random)
    moeclip::detail::draw_parameters<float>(vision, static_cast<std::uint64_t>(seed), "visual");
  if (kind == AblationKind::memory_pixels) vision = raw_tower(config.vision, config.embed);
  config.vision = vision.config;
  moeclip::TextTower<float> text(config.text, config.embed, config.activation);  // has no say
  moeclip::visit_parameters(text, "", [](const std::string&, moeclip::Tensor<float>& tensor) { tensor.fill(0); });
  if (kind != AblationKind::memory) clip = moeclip::Clip<float>(config, std::move(vision), std::move(text));
  auto plain = moeclip::plain_adapter(context, clip.vision(), clip.text());
  moeclip::DetectorOptions options;
  options.image_size = config.vision.image_size;
  return moeclip::Detector(std::move(clip), std::move(plain), options);
}

/// Good pictures of a category, apart from those of every test.
moeclip::PatchMemory<float> memory_of(moeclip::Context& context, const moeclip::Detector& detector,
                                      const std::string& category, std::int64_t seed) {
  moeclip::SyntheticPlan plan;
  plan.categories = {category};
  plan.count = kAblationGood;
  plan.size = detector.options().image_size;
  plan.seed = 3 * kTinySeed + static_cast<std::uint64_t>(seed);
  plan.defective_share = 0;
  const moeclip::SampleSource source(moeclip::drawn_samples(moeclip::plan_synthetic(plan)));
  const auto load = [&](index_t i) { return source.load(i).picture; };
  return moeclip::learn<float>(context, detector, {source.size(), load});
}

}  // namespace

void judge_by_memory(moeclip::Context& context, moeclip::Clip<float> clip, AblationKind kind, std::int64_t seed,
                     AblationJudge& judge) {
  const moeclip::Detector detector = detector_of(context, std::move(clip), kind, seed);
  std::map<std::string, moeclip::PatchMemory<float>> memories;
  moeclip::Detection found;
  for (index_t i = 0; i < judge.size(); ++i) {
    moeclip::Sample sample = judge.load(i);
    auto memory = memories.find(sample.class_name);
    if (memory == memories.end())
      memory = memories.emplace(sample.class_name, memory_of(context, detector, sample.class_name, seed)).first;
    moeclip::detect_by_memory<float>(context, detector, memory->second, nullptr, sample.picture.view(), found);
    judge.add(context, std::move(sample), {std::as_const(found.map).view<2>(), found.score, 0});
  }
}

}  // namespace cli

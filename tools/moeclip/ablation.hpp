// SPDX-License-Identifier: MIT
#pragma once
// The experiment of `moeclip ablate`: variants of the method, each trained on synthetic pictures of some categories and
// judged on categories and kinds of defects that neither it nor its CLIP has ever seen.

#include <array>
#include <cstdint>
#include <moeclip/clip/clip.hpp>
#include <moeclip/eval/evaluation.hpp>
#include <moeclip/io/json_value.hpp>
#include <moeclip/train/recipe.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tiny_model.hpp"

namespace cli {

struct AblationSettings {
  std::string clip;                             ///< weights
  std::string clip_hash;                        ///< SHA-256 of that file
  std::int64_t pictures = 1600;                 ///< to train on
  std::int64_t test_pictures = 240;             ///< to judge on
  std::int64_t epochs = 1, batch = kTinyBatch;  ///< of training
  double lr = kTinyRate;
  std::vector<std::string> options;   ///< "name=value", for every recipe
  std::string categories = "unseen";  ///< of the test: unseen, or seen in training
  std::string defects = "unseen";     ///< kinds of defects in the test: unseen, or all
};

/// What makes the maps of a variant.
enum class AblationKind {
  trained,        ///< an adapter, trained with the variant's recipe
  zero_shot,      ///< the CLIP as it is
  pixels,         ///< distance from the picture's median patch, in colour and contrast
  features,       ///< the same in the CLIP's patch features
  memory,         ///< unlike good pictures of the category, by the CLIP's features
  memory_random,  ///< the same with random weights of equal size
  memory_pixels,  ///< the same with the patches themselves
};

inline constexpr moeclip::index_t kAblationGood = 20;  ///< good pictures of each category for a memory

struct AblationVariant {
  std::string name, about;
  AblationKind kind = AblationKind::trained;
  moeclip::Recipe recipe;
};

/// The method, its ablations, the other recipes, every mend alone left out, options alone added, and what does without
/// training. The first one is what the others are compared with. Throws contract for options that a recipe has not, or
/// that do not go together in one of the variants.
std::vector<AblationVariant> ablation_variants(const AblationSettings& settings);

inline constexpr std::array<std::string_view, 5> kAblationMetrics{"image_auroc", "image_ap", "pixel_auroc", "pixel_ap",
                                                                  "aupro"};
using AblationScores = std::array<double, kAblationMetrics.size()>;  // means over classes

struct AblationResult {
  AblationScores scores{};
  double seconds = 0;
  double loss = 0;                     ///< mean over the last epoch; 0 without training
  std::vector<moeclip::Json> classes;  ///< the scores class by class
};

/// What decides the result of a run, as a hash: runs with the same key give the same bits on one machine.
std::string ablation_key(const AblationSettings& settings, const AblationVariant& variant, std::int64_t seed);

/// Trains and judges one variant on one thread. `seed` decides the pictures of training and test, first weights, order
/// and augmentations; pictures are the same for all variants.
AblationResult run_ablation(const AblationSettings& settings, const AblationVariant& variant, std::int64_t seed);

/// Judges the samples of `source` by memories of good pictures of their categories.
void judge_by_memory(moeclip::Context& context, moeclip::Clip<float> clip, AblationKind kind, std::int64_t seed,
                     const moeclip::SampleSource& source, moeclip::Evaluation& evaluation);

}  // namespace cli

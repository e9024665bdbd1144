// SPDX-License-Identifier: MIT
#pragma once
// The experiment of `moeclip ablate`: variants of the method and other methods, each trained and judged from several
// seeds on the same pictures: drawn ones, of categories and kinds of defects that neither a variant nor its CLIP has
// ever seen, or those of lists.

#include <array>
#include <chrono>
#include <cstdint>
#include <moeclip/clip/clip.hpp>
#include <moeclip/data/source.hpp>
#include <moeclip/eval/picture_table.hpp>
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
  std::int64_t image_size = 0;                  ///< 0: the CLIP's own
  std::int64_t pictures = 1600;                 ///< to train on
  std::int64_t test_pictures = 240;             ///< to judge on
  std::int64_t epochs = 1, batch = kTinyBatch;  ///< of training
  double lr = kTinyRate;
  double method_lr = 0;                  ///< of other methods; 0: each stage's own
  std::vector<std::string> options;      ///< "name=value", for every recipe
  std::string world = "parts";           ///< that drawn pictures are of
  std::string categories = "unseen";     ///< of the test: unseen, or seen in training
  std::string defects = "unseen";        ///< kinds of defects in the test: unseen, or all
  std::vector<std::string> train, test;  ///< lists of pictures instead of drawn ones
  std::string lists_hash;                ///< SHA-256 of these; "": none
  std::vector<std::string> test_sets;    ///< names of several lists in `test`, without '/'; none for a single one
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
  method,         ///< another method (moeclip/methods), trained if it has stages
};

inline constexpr moeclip::index_t kAblationGood = 20;  ///< good pictures of each category for a memory

struct AblationVariant {
  std::string name, about;
  AblationKind kind = AblationKind::trained;
  moeclip::Recipe recipe = {};
  std::string baseline = {};  ///< the variant that it is compared with; "": the first of all
  std::string world = {};     ///< that it is trained and judged in; "": that of the settings
  std::int64_t pictures = 0;  ///< to train on; 0: as the settings say
};

/// The method, its ablations, the other recipes, every mend alone left out, options alone added, other methods, and
/// what does without training. The first one is what the others are compared with. Throws contract for options that a
/// recipe has not, or that do not go together in one of the variants.
std::vector<AblationVariant> ablation_variants(const AblationSettings& settings);

inline constexpr std::array<std::string_view, 3> kAblationPresets{"paper-table", "power", "worlds"};

/// The variants of a preset: the rows of the paper's tables; training of several lengths, for an analysis of power; or
/// specialised against uniform experts in two worlds. `all` is what ablation_variants made. Throws contract for a name
/// of none.
std::vector<AblationVariant> preset_variants(std::string_view preset, const AblationSettings& settings,
                                             const std::vector<AblationVariant>& all);

struct AblationResult {
  moeclip::ComparedMetrics scores{};   ///< means over classes, exact
  double seconds = 0;                  ///< of all
  double judge_seconds = 0;            ///< per picture, without drawing or reading it
  double loss = 0;                     ///< mean over the last epoch; 0 without training
  std::int64_t trained = 0;            ///< parameters
  std::int64_t bytes = 0;              ///< of all weights, the CLIP's included
  std::vector<moeclip::Json> classes;  ///< the scores class by class
  moeclip::PictureTable pictures;      ///< what intervals are made of
};

/// Whether a variant learns from the pictures that are there to train on.
bool is_learned(const AblationVariant& variant);

/// What decides the result of a run, as a hash: runs with the same key give the same bits on one machine.
std::string ablation_key(const AblationSettings& settings, const AblationVariant& variant, std::int64_t seed);

/// Trains and judges one variant on one thread. `seed` decides the pictures of training and test, first weights, order
/// and augmentations; pictures are the same for all variants of a world.
AblationResult run_ablation(const AblationSettings& settings, const AblationVariant& variant, std::int64_t seed);

/// The pictures of a test. Those of several sets are counted by set and class, "set/class".
struct AblationTest {
  moeclip::SampleSource source;
  std::vector<std::string> sets;  ///< of each sample; empty if there is one set
};

/// Collects what is said of the pictures of a test, and how long that takes.
class AblationJudge {
 public:
  explicit AblationJudge(const AblationTest& test) : test_(test) {}

  [[nodiscard]] moeclip::index_t size() const { return test_.source.size(); }

  /// Sample i; from here on until add() the time counts.
  moeclip::Sample load(moeclip::index_t i) {
    moeclip::Sample sample = test_.source.load(i);
    number_ = static_cast<std::size_t>(i);
    begun_ = std::chrono::steady_clock::now();
    return sample;
  }

  /// What is said of the sample that was loaded last.
  void add(moeclip::Context& context, moeclip::Sample sample, const moeclip::Finding& found) {
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
    if (!test_.sets.empty()) sample.class_name = test_.sets[number_] + "/" + sample.class_name;
    evaluation_.add(context, sample, found);
    maker_.add(context, sample, found);
  }

  /// Puts what was collected into `result`.
  void finish(AblationResult& result);

 private:
  const AblationTest& test_;
  std::size_t number_ = 0;
  moeclip::Evaluation evaluation_;
  moeclip::PictureTableMaker maker_;
  std::chrono::steady_clock::time_point begun_;
  double seconds_ = 0;
};

/// Judges drawn parts by memories of other good pictures of their categories.
void judge_by_memory(moeclip::Context& context, moeclip::Clip<float> clip, AblationKind kind, std::int64_t seed,
                     AblationJudge& judge);

}  // namespace cli

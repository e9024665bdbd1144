// SPDX-License-Identifier: MIT
#pragma once
// Good pictures of a part, in place of words about it: what `moeclip learn` and `--good` share.

#include <moeclip/data/training_pictures.hpp>
#include <moeclip/io/weights.hpp>
#include <moeclip/memory/learn.hpp>
#include <moeclip/memory/memory_file.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "detect.hpp"
#include "picture_options.hpp"
#include "tile_flags.hpp"

namespace cli {

/// Whether a path is one that `moeclip learn` writes, NAME.moeclip, or else pictures.
inline bool is_memory_name(std::string_view path) { return path.ends_with(".moeclip"); }

/// True if `good` is one file that `moeclip learn` wrote.
inline bool is_learned(const std::vector<std::string>& good) {
  return good.size() == 1 && is_memory_name(good.front());
}

/// Throws UsageError if a file of `moeclip learn` is named beside others: what it holds cannot be added to.
void expect_memory_alone(const std::vector<std::string>& good);

/// How a memory is made of good pictures.
struct GoodOptions {
  std::string features = "auto";
  std::optional<double> text_weight;
  double false_positives = 0.05;
  std::int64_t patches = 2000, folds = 10, seed = 111;
  bool is_turned = false, is_each_another = false;

  static constexpr const char* kNames =
      "--features, --text-weight, --false-positives, --patches, --folds, --turned, --all-different and --seed";

  void declare(Options& options);
  /// Throws UsageError for values that are none, for a say of words where textures judge, and for any where `good` is a
  /// file of `moeclip learn`, which decided all of them. `has_clip` as below.
  void check(bool has_clip, const std::vector<std::string>& good = {}) const;
  [[nodiscard]] bool is_default() const;
  /// Nothing but --features texture: what may be said without good pictures, and compares each picture with itself.
  [[nodiscard]] bool is_texture_alone() const;

  /// Without --features: textures where no CLIP was given, which see more of photographs than the built-in one does.
  [[nodiscard]] bool takes_textures(bool has_clip) const {
    return features == "texture" || (features == "auto" && !has_clip);
  }

  /// Without --text-weight, the text has a say only where an adapter has learned to tell patches by words: half.
  [[nodiscard]] double weight(bool has_adapter) const {
    return text_weight.value_or(has_adapter && features != "texture" ? 0.5 : 0.0);
  }
};

/// Good pictures that can be read.
struct GoodInputs {
  std::vector<DetectInput> pictures;
  std::size_t failures = 0;  ///< so many could not; each was told
  std::string remark;        ///< what they differ in although they should not; "": in nothing
};

/// The pictures named by `arguments`, each read once to see that it can be. Throws missing if none can.
GoodInputs collect_good(const std::vector<std::string>& arguments, const moeclip::ImageOptions& images);

/// Stands for good pictures that were learned, so that who judges by them can tell them from new ones.
moeclip::TrainingPictures pictures_of(const std::vector<DetectInput>& good);

/// What the memory is learned for.
struct LearningModel {
  const moeclip::Detector* detector;           ///< null: textures
  const moeclip::TextAnchors<float>* anchors;  ///< null where the text has no say
  std::string class_name;
  double text_weight = 0;
  moeclip::TileOptions tiles = {};  ///< how pictures are cut
};

/// Reads what `moeclip learn` wrote: a memory of textures, or one of the weights of `detector`, which is looked at for
/// that alone. Textures are refused where a CLIP was given, which would have no say.
moeclip::PatchMemory<float> load_good(moeclip::Context& context, const moeclip::WeightFile& file,
                                      const moeclip::Detector* detector, bool has_clip);

/// Learns `good`, showing progress.
moeclip::PatchMemory<float> learn_good(moeclip::Context& context, const LearningModel& model, const GoodInputs& good,
                                       const GoodOptions& options, const moeclip::ImageOptions& images);

/// Two lines: what so many good pictures can promise.
std::string promise_text(const moeclip::MemoryRecord& record);

/// The rate of false alarms that was asked for, and the one that can be promised.
moeclip::Json promise_json(const moeclip::MemoryRecord& record);

}  // namespace cli

// SPDX-License-Identifier: MIT
#pragma once
// A model is all that judges pictures of a part: a detector, the words that it compares with, good pictures that were
// remembered, and how pictures are read and cut. What is not needed is not there: textures need no detector, and a
// memory no words. model_file.hpp reads one from a single file, save_model.hpp writes it.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "patch_memory.hpp"

namespace moeclip { inline namespace abi_v0_1 {

class WeightFile;

inline constexpr int kModelVersion = 1;  ///< of the format of model files; others are refused by name

/// Patches of a picture that a model file may ask for: a picture of 3584 pixels in patches of 14.
inline constexpr index_t kMostModelPatches = 65536;

namespace detail {
inline constexpr const char* kModelKey = "model";       // in the record of a model file
inline constexpr const char* kAnchorsName = "anchors";  // of the tensor
}  // namespace detail

/// Immutable when it is used: any number of threads may call `detect`, each with its own Context.
struct PartModel {
  std::optional<Detector> detector;          ///< none: textures judge, which take no weights
  std::vector<TextAnchors<float>> anchors;   ///< of each class; none: words have no say
  std::optional<PatchMemory<float>> memory;  ///< of good pictures; none: words alone judge
  ImageOptions images;                       ///< how pictures are to be read
  TileOptions tiles;                         ///< and how `detect` cuts them
  std::string threshold_source =
      "default";  ///< where thresholds come from: "default", "--threshold", "calibration" or "good pictures"

  /// Reads a file of `moeclip export`, or a memory of textures of `moeclip learn`. The file stays mapped, and must not
  /// be changed while the model is used. `threads`: for loading; 0: one per core. Throws io; format for a file that is
  /// damaged; unsupported for one of another version; missing for another kind of file, which is named. Defined in
  /// memory/model_file.hpp.
  static PartModel load(const std::string& path, int threads = 0);
  static PartModel load(Context& context, const WeightFile& file);

  /// The words about a class, or null if words have no say. "" stands for the only class. Throws missing, naming the
  /// classes that there are.
  [[nodiscard]] const TextAnchors<float>* anchors_of(std::string_view class_name) const;

  /// Pixels a side of the square that is looked at; 0: pictures are cut into tiles.
  [[nodiscard]] index_t side() const;

  /// Whether there is a threshold; without one (a memory of one good thing), there are scores and maps, but no verdict.
  [[nodiscard]] bool has_verdict() const { return !memory || memory->record.threshold != kNoThreshold; }

  /// The thresholds of image scores and of pixels become `value`.
  void set_threshold(float value);

  /// Looks at one picture (gray or RGB, any size) into `result`, whose memory is used again: with one context and one
  /// result, the second picture of a size allocates nothing. Throws as anchors_of and BasicDetector::detect.
  void detect(Context& context, ImageView image, Detection& result, std::string_view class_name = {}) const;
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_MEMORY)

#include <utility>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC const TextAnchors<float>* PartModel::anchors_of(std::string_view class_name) const {
  if (anchors.empty() || (class_name.empty() && anchors.size() == 1)) return anchors.empty() ? nullptr : &anchors[0];
  for (const TextAnchors<float>& known : anchors)
    if (known.name == class_name) return &known;
  std::string names;
  for (const TextAnchors<float>& known : anchors) names += concat(names.empty() ? "" : ", ", in_quotes(known.name));
  fail(ErrorCode::missing, concat(class_name.empty() ? std::string("a class has to be named")
                                                     : concat("this model knows no class ", in_quotes(class_name)),
                                  "; there ", anchors.size() == 1 ? "is " : "are ", names));
}

MOECLIP_FUNC index_t PartModel::side() const {
  const bool is_textural = memory && memory->record.features == PatchFeatures::texture;
  return tiles.is_on() ? 0 : is_textural ? kTextureSize : detector->options().image_size;
}

MOECLIP_FUNC void PartModel::set_threshold(float value) {
  threshold_source = "--threshold";
  if (memory)
    memory->record.threshold = memory->record.pixel_threshold = value;
  else
    detector = std::move(*detector).with_thresholds(value, value);
}

MOECLIP_FUNC void PartModel::detect(Context& context, ImageView image, Detection& result,
                                    std::string_view class_name) const {
  const TextAnchors<float>* const words = anchors_of(class_name);
  const auto judge = [&](ImageView part, Detection& found) {
    if (!memory)
      detector->detect(context, part, *words, found);
    else if (memory->record.features == PatchFeatures::texture)
      detect_by_texture<float>(context, *memory, part, found);
    else
      detect_by_memory<float>(context, *detector, *memory, words, part, found);
  };
  judge_in_tiles(context, image, tiles, judge, result);
}

}}  // namespace moeclip::abi_v0_1

#endif

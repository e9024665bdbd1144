// SPDX-License-Identifier: MIT
#pragma once
// What judges pictures, as the options of `detect` and of whoever else judges single pictures say: words, good
// pictures, or what was learned of them.

#include <moeclip/anomaly/detector.hpp>
#include <moeclip/anomaly/tiles.hpp>
#include <moeclip/eval/calibrate.hpp>
#include <moeclip/memory/patch_memory.hpp>
#include <optional>
#include <string>
#include <vector>

#include "adapter_flags.hpp"
#include "good.hpp"
#include "picture_options.hpp"
#include "tile_flags.hpp"

namespace cli {

/// The options about the model and about how it sees pictures.
struct JudgeSettings {
  std::string clip, adapter, class_name = "object", prompts, map = "probability", domain = "industrial";
  std::string activation = "auto", vocabulary, calibration, dtype = "auto";
  std::vector<std::string> good;  ///< pictures, folders, or one file of `moeclip learn`
  GoodOptions learning;
  std::optional<double> threshold;
  std::optional<moeclip::CalibrationFile> calibrated;  ///< what --calibration holds, once make_judge has read it
  std::int64_t image_size = 0, threads = 0;
  AdapterFlags adapter_flags;
  bool is_truncated = false, trusts_calibration = false;
  PictureOptions pictures;
  TileFlags tiles;

  void declare(Options& options);
  /// Throws UsageError for what makes no sense.
  void check() const;
};

/// The model, the words, or with --good a memory.
struct Judge {
  std::optional<moeclip::Detector> detector;           ///< none: textures judge, which take no weights
  std::optional<moeclip::TextAnchors<float>> anchors;  ///< none: the words have no say
  std::optional<moeclip::PatchMemory<float>> memory;
  moeclip::ImageOptions images;
  moeclip::TileOptions tiles;
  std::size_t failures = 0;  ///< good pictures that could not be read

  [[nodiscard]] bool is_textural() const {
    return memory && memory->record.features == moeclip::PatchFeatures::texture;
  }

  /// Of the square that it looks at; 0: it cuts pictures itself.
  [[nodiscard]] moeclip::index_t side() const {
    return tiles.is_on() ? 0 : is_textural() ? moeclip::kTextureSize : detector->options().image_size;
  }

  /// Whether there is a threshold; otherwise there are scores alone.
  [[nodiscard]] bool has_verdict() const { return !memory || memory->record.threshold != moeclip::kNoThreshold; }

  /// Looks at a picture as it is, or in tiles.
  void look(moeclip::Context& context, moeclip::ImageView image, moeclip::Detection& detection) const;
};

/// Where thresholds come from: "default", "--threshold", "calibration" or "good pictures".
const char* threshold_source(const JudgeSettings& s, const Judge& judge);

/// Loads, reads and learns what `s` names. What is learned is said on stdout unless `is_quiet`. Throws moeclip::Error.
Judge make_judge(moeclip::Context& context, JudgeSettings& s, bool is_quiet);

}  // namespace cli

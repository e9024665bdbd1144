// SPDX-License-Identifier: MIT
#pragma once
// What judges pictures, as the options of `detect` and of whoever else judges single pictures say: words, good
// pictures, what was learned of them, or a file with all of it.

#include <moeclip/eval/calibrate.hpp>
#include <moeclip/memory/model.hpp>
#include <optional>
#include <string>
#include <vector>

#include "adapter_flags.hpp"
#include "good.hpp"
#include "method.hpp"
#include "picture_options.hpp"
#include "tile_flags.hpp"

namespace cli {

/// The options about the model and about how it sees pictures.
struct JudgeSettings {
  std::string clip, adapter, class_name = "object", prompts, map = "probability", domain = "industrial";
  std::string activation = "auto", vocabulary, calibration, dtype = "auto";
  std::string method;                ///< another one than MoECLIP
  std::string model;                 ///< a file of `moeclip export` or `learn`, which decides all of this but the class
  std::vector<std::string> classes;  ///< several, in place of class_name
  std::vector<std::string> good;     ///< pictures, folders, or one file of `moeclip learn`
  GoodOptions learning;
  std::optional<double> threshold;
  std::optional<moeclip::CalibrationFile> calibrated;  ///< what --calibration holds, once make_judge has read it
  std::int64_t image_size = 0, threads = 0;
  AdapterFlags adapter_flags;
  bool is_truncated = false, trusts_calibration = false;
  PictureOptions pictures;
  TileFlags tiles;

  /// With `takes_all`, --model and --method are among them: what `moeclip export` cannot put into a file.
  void declare(Options& options, bool takes_all = true);
  /// Throws UsageError for what makes no sense.
  void check(const Options& options);

  /// What --activation says; nothing: auto.
  [[nodiscard]] std::optional<moeclip::kernels::Activation> chosen_activation() const;

  /// Whether good pictures judge, or each picture itself.
  [[nodiscard]] bool has_memory() const { return !good.empty() || learning.is_texture_alone(); }
  /// Whether nothing else than the built-in model was named.
  [[nodiscard]] bool is_builtin() const { return is_toy() && method.empty(); }
  /// Whether the built-in CLIP has a say: also in what another method makes of words or good pictures.
  [[nodiscard]] bool is_toy() const { return clip.empty() && model.empty() && !(has_memory() && method.empty()); }

 private:
  std::vector<std::string> decided_;  ///< options that a model file leaves no choice about
};

/// A model, and what it was asked to look for.
struct Judge : moeclip::PartModel {
  std::string class_name;              ///< of the words that have a say; "": there is but one, or none
  std::size_t failures = 0;            ///< good pictures that could not be read
  std::vector<DetectInput> good = {};  ///< those that it learned now

  std::shared_ptr<const moeclip::Method<float>> method = nullptr;  ///< judges in place of all that PartModel has
  float method_threshold = 0.5f, method_pixel_threshold = 0.5f;    ///< of its scores and of its maps

  /// Looks at a picture as it is, or in tiles.
  void look(moeclip::Context& context, moeclip::ImageView image, moeclip::Detection& detection) const;

  /// As PartModel::side.
  [[nodiscard]] moeclip::index_t side() const;
};

/// Loads, reads and learns what `s` names. What is learned is said on stdout unless `is_quiet`. Throws moeclip::Error.
Judge make_judge(moeclip::Context& context, JudgeSettings& s, bool is_quiet);

}  // namespace cli
